/* libunwind as the engine: where no own rules exist for the architecture, or on request. It is loaded when main begins,
 * privately (RTLD_LOCAL), because its exported _Unwind_* functions would otherwise take libgcc's place in the target.
 * It asks the loader for its objects under the loader's lock; that is why it is not the default. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "intern.h"
#include "modules.h"
#include "tidemark/ring.h"
#include "unwind_walk.h"

typedef int backtrace_fn(void **addresses, int capacity);
static backtrace_fn *backtrace_of;

bool unwind_libunwind_init(void)
{
	if (!backtrace_of) {
		void *library = dlopen("libunwind.so.8", RTLD_LOCAL | RTLD_NOW);
		if (library)
			backtrace_of = (backtrace_fn *)(uintptr_t)dlsym(library, "unw_backtrace");
		/* What it sets up at its first use, it had better set up here than within a hook. */
		void *address;
		if (backtrace_of)
			backtrace_of(&address, 1);
	}
	return backtrace_of != NULL;
}

/* The code that a signal handler returns to: the frame below it was interrupted, not called. */
static bool is_sigreturn(uint64_t pc)
{
#if defined(__x86_64__)
	static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
#elif defined(__aarch64__)
	static const uint8_t code[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4};
#else
	static const uint8_t code[1] = {0};
#endif
	const struct module *m = modules_find(pc);
	return sizeof(code) > 1 && m && pc >= m->text_low && pc + sizeof(code) <= m->text_high &&
	       memcmp((const void *)(uintptr_t)pc, code, sizeof(code)) == 0;
}

void unwind_libunwind(struct unwind_walk *w, uint64_t pc, uint64_t sp, uint64_t bp)
{
	int saved_errno = errno; /* it makes system calls to see what can be read */
	int n = backtrace_of(w->addresses, (int)w->n_addresses);
	errno = saved_errno;
	int i = 0;
	uint32_t flags = 0;
	w->n = 0;
	w->pure = false;
	w->outer_used = false;
	/* The shim's own frames come first. */
	while (i < n && (uintptr_t)w->addresses[i] != pc)
		i++;
	for (; i < n && w->addresses[i]; i++) {
		uint64_t at = (uintptr_t)w->addresses[i];
		*unwind_frame_at(w, w->n++) = (struct unwind_frame){intern_word(at, flags), 0, 0, 0};
		flags = is_sigreturn(at) ? TIDEMARK_NODE_EXACT : 0;
	}
	/* When the room ran out, the root was not reached. */
	w->broken = n == (int)w->n_addresses || w->n == 0;
	if (w->n == 0)
		*unwind_frame_at(w, w->n++) = (struct unwind_frame){intern_word(pc, 0), sp, bp, 0};
}
