/* Groups of stacks: namespaces out of demangled names, modules, threads, and rules of the user's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/group.h"

static void names_give_their_namespaces(void **state)
{
	static const struct {
		const char *function, *one, *two; /* NULL: none */
	} table[] = {
	    {"app::Cache::put(int)", "app", "app::Cache"},
	    {"std::vector<int>& app::f<int>(int)", "app", "app"},
	    {"unsigned long a::b::c<d::e>(x::y)", "a", "a::b"},
	    {"std::pair<a::b, c::d> x::y::z::w()", "x", "x::y"},
	    {"decltype(auto) app::g<int>()", "app", "app"},
	    {"bool app::operator< <int>(x::A, x::B)", "app", "app"},
	    {"app::X::operator bool() const", "app", "app::X"},
	    {"auto app::f()::{lambda(int)#1}::operator()(int) const", "app", "app"},
	    {"non-virtual thunk to app::X::f()", "app", "app::X"},
	    {"a::(anonymous namespace)::g()", "a", "a"},
	    {"void a::(anonymous namespace)::g<int>()", "a", "a"},
	    {"<app::Foo as core::fmt::Display>::fmt", "app", "app"},
	    {"<&mut app::It as core::iter::Iterator>::next", "app", "app"},
	    {"app::main::{{closure}}", "app", "app::main"},
	    {"a::b::c::d", "a", "a::b"},
	    {"(anonymous namespace)::g()", NULL, NULL},
	    {"{lambda()#1}::operator()() const", NULL, NULL},
	    {"<alloc::vec::Vec<T> as x::Y>::f", NULL, NULL},
	    {"core::ops::function::FnOnce::call_once", NULL, NULL},
	    {"std::vector<app::X>::push_back(app::X const&)", NULL, NULL},
	    {"operator new(unsigned long)", NULL, NULL},
	    {"f(a::b)", NULL, NULL},
	    {"main", NULL, NULL},
	    {"", NULL, NULL},
	    {"::", NULL, NULL},
	    {"<<<((", NULL, NULL},
	    {"a<b", NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (unsigned levels = 1; levels <= 2; levels++) {
			size_t length = 0;
			const char *wanted = levels == 1 ? table[i].one : table[i].two;
			const char *start = group_namespace(table[i].function, levels, &length);
			assert_true(!start == !wanted);
			if (!wanted)
				continue;
			assert_int_equal(length, strlen(wanted));
			assert_memory_equal(start, wanted, length);
		}
}

struct stack_text {
	const char *functions[4], *modules[4]; /* innermost first */
};

/* The group of a stack of up to four frames, by its rules. */
static const char *group_of(struct groups *g, const struct stack_text *stack, const char *thread)
{
	struct frame_view views[4];
	const struct frame_view *frames[4];
	size_t n = 0;
	for (; n < 4 && stack->functions[n]; n++) {
		views[n] =
		    (struct frame_view){.function = stack->functions[n], .file = "", .module = stack->modules[n]};
		frames[n] = &views[n];
	}
	size_t at = groups_find(g, frames, n, thread);
	assert_true(at < g->n_items);
	return g->items[at].name;
}

static void start(struct groups *g, size_t n, const char *const *texts)
{
	struct err err = {0};
	assert_int_equal(groups_init(g, texts, n, &err), 0);
}

#define START(g, ...)                                                                                                  \
	start(g, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static const struct stack_text plugin = {
    {"operator new(unsigned long)", "shop::Cart::add(int)", "run(void*)", "start_thread"},
    {"/usr/lib/libstdc++.so.6", "/opt/libshop.so.2", "/opt/app", "/lib/libc.so.6"}};
static const struct stack_text plain = {{"f", "main", NULL}, {"/opt/app", "/opt/app", NULL}};
static const struct stack_text runtime = {{"setlocale", NULL}, {"/lib/libc.so.6", NULL}};
static const struct stack_text lost = {{NULL}, {NULL}};

static void words_group_by_what_they_say(void **state)
{
	struct groups g;
	(void)state;
	START(&g, "module");
	assert_false(groups_need_threads(&g));
	assert_string_equal(group_of(&g, &plugin, "t"), "libshop.so.2");
	assert_string_equal(group_of(&g, &plain, "t"), "app");
	assert_string_equal(group_of(&g, &runtime, "t"), "libc.so.6");
	assert_string_equal(group_of(&g, &lost, "t"), "other");
	assert_int_equal(g.n_items, 4);
	groups_release(&g);
	START(&g, "namespace:2");
	assert_string_equal(group_of(&g, &plugin, "t"), "shop::Cart");
	assert_string_equal(group_of(&g, &plain, "t"), "other");
	groups_release(&g);
	START(&g, "thread");
	assert_true(groups_need_threads(&g));
	assert_string_equal(group_of(&g, &plugin, "worker"), "worker");
	assert_string_equal(group_of(&g, &plain, ""), "other");
	groups_release(&g);
}

static void the_innermost_frame_that_a_rule_takes_decides(void **state)
{
	struct groups g;
	(void)state;
	START(&g, "run(=Runner", "libshop*=Shop", "^t1$=First");
	assert_true(groups_need_threads(&g));
	assert_string_equal(group_of(&g, &plugin, "t1"), "Shop");
	assert_string_equal(group_of(&g, &plain, "t1"), "First");
	assert_string_equal(group_of(&g, &plain, "t11"), "other");
	groups_release(&g);
	START(&g, "operator==*=Same", "^f$=F", "module");
	assert_string_equal(group_of(&g, &plain, "t"), "F");
	assert_string_equal(group_of(&g, &plugin, "t"), "libshop.so.2");
	groups_release(&g);
}

static void nonsense_is_refused(void **state)
{
	static const char *const wrong[] = {
	    "", "threads", "=x", "x=", "namespace:0", "namespace:10", "namespace:", "namespace:x"};
	struct groups g;
	struct err err;
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(groups_init(&g, &wrong[i], 1, &err), TIDEMARK_ERR_USAGE);
	assert_int_equal(groups_init(&g, (const char *const[]){"thread", "module"}, 2, &err), TIDEMARK_ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_give_their_namespaces),
	    cmocka_unit_test(words_group_by_what_they_say),
	    cmocka_unit_test(the_innermost_frame_that_a_rule_takes_decides),
	    cmocka_unit_test(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
