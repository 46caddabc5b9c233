/* operator new and delete, all forms. Most programs' next definition is the C++ library's, which calls malloc and free:
 * jump there and let those record. Only an allocator that brings its own operators is recorded here.
 *
 * Exceptions may fly through: nothing is held across the real call, and no frame here needs cleaning up. */
#include "hooks_cxx.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "arena.h"
#include "emit.h"
#include "objects.h"
#include "real.h"

/* All forms take up to three words; the calling conventions do not mind words that the callee does not know. */
typedef void *new_function(size_t size, uintptr_t second, uintptr_t third);
typedef void delete_function(void *block, uintptr_t second, uintptr_t third);

enum form {
	NEW,
	NEW_ARRAY,
	NEW_NOTHROW,
	NEW_ARRAY_NOTHROW,
	NEW_ALIGNED,
	NEW_ARRAY_ALIGNED,
	NEW_ALIGNED_NOTHROW,
	NEW_ARRAY_ALIGNED_NOTHROW,
	DELETE,
	DELETE_ARRAY,
	DELETE_SIZED,
	DELETE_ARRAY_SIZED,
	DELETE_NOTHROW,
	DELETE_ARRAY_NOTHROW,
	DELETE_ALIGNED,
	DELETE_ARRAY_ALIGNED,
	DELETE_SIZED_ALIGNED,
	DELETE_ARRAY_SIZED_ALIGNED,
	DELETE_ALIGNED_NOTHROW,
	DELETE_ARRAY_ALIGNED_NOTHROW,
	N_FORMS,
};

static const char *const form_names[N_FORMS] = {
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

static struct {
	_Atomic uintptr_t pass;   /* jump there; 0: not known, or to be recorded */
	_Atomic uintptr_t record; /* call that and record; 0: not known, or to be passed */
	_Atomic bool from_caller; /* found in what a caller needs, and may be unloaded */
} forms[N_FORMS];

static bool is_cxx_library(const struct object *object)
{
	static const char *const names[] = {"libstdc++.so", "libc++abi.so", "libc++.so"};
	const char *slash = strrchr(object->path, '/'), *name = slash ? slash + 1 : object->path;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

static bool imports_allocation(const struct object *object)
{
	static const char *const names[] = {
	    "malloc", "free", "calloc", "realloc", "aligned_alloc", "posix_memalign", "memalign"};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (object_imports(object, names[i]))
			return true;
	}
	return false;
}

/* Are blocks of this definition's object seen by the C hooks alone? So it is where its operators stand on malloc and
 * free, however they keep their books; recording them here too would count such blocks twice, or end blocks that live
 * on. An object with only one of the two families passes too: its blocks come from, or go to, another one's functions.
 */
static bool stands_on_malloc(uintptr_t definition)
{
	struct object object;
	if (!objects_at(definition, &object) || is_cxx_library(&object))
		return true;
	if (object_find(&object, "malloc", false))
		return false;
	return imports_allocation(&object) || !object_find(&object, form_names[NEW], false) ||
	       !object_find(&object, form_names[DELETE], false);
}

static void set_form(enum form form, uintptr_t definition, bool from_caller)
{
	atomic_store_explicit(&forms[form].from_caller, from_caller, memory_order_relaxed);
	if (stands_on_malloc(definition))
		atomic_store_explicit(&forms[form].pass, definition, memory_order_release);
	else
		atomic_store_explicit(&forms[form].record, definition, memory_order_release);
}

void cxx_init(void)
{
	for (unsigned i = 0; i < N_FORMS; i++) {
		uintptr_t definition = (uintptr_t)objects_next(form_names[i], false);
		if (definition)
			set_form(i, definition, false);
	}
}

void cxx_unloaded(void)
{
	for (unsigned i = 0; i < N_FORMS; i++) {
		if (!atomic_load_explicit(&forms[i].from_caller, memory_order_relaxed))
			continue;
		atomic_store_explicit(&forms[i].pass, 0, memory_order_relaxed);
		atomic_store_explicit(&forms[i].record, 0, memory_order_relaxed);
	}
}

/* A C program that loads a C++ plug-in privately: the next definition is not in the program's own scope but in the
 * plug-in's. When there is none at all, nothing is remembered; a later library may bring one. */
static void find_form(enum form form, uintptr_t caller)
{
	uintptr_t definition = (uintptr_t)objects_find_from(caller, form_names[form]);
	if (!definition)
		definition = (uintptr_t)objects_next(form_names[form], false);
	if (definition)
		set_form(form, definition, true);
}

/* For a reference that nobody else can satisfy: what the C++ library would do, short of throwing. */
static void *stand_in_new(size_t size, size_t alignment)
{
	void *block;
	if (size == 0)
		size = 1;
	if (alignment == 0)
		return real.malloc(size);
	if (alignment < sizeof(void *))
		alignment = sizeof(void *);
	return real.posix_memalign(&block, alignment, size) == 0 ? block : NULL;
}

static bool is_aligned(enum form form)
{
	return form >= NEW_ALIGNED && form <= NEW_ARRAY_ALIGNED_NOTHROW;
}

static NOINLINE void *new_block(const uintptr_t *frame, enum form form, size_t size, uintptr_t second, uintptr_t third)
{
	uintptr_t record = atomic_load_explicit(&forms[form].record, memory_order_acquire);
	void *block;
	if (unlikely(!record)) {
		find_form(form, frame[1]);
		uintptr_t pass = atomic_load_explicit(&forms[form].pass, memory_order_acquire);
		if (pass)
			return ((new_function *)pass)(size, second, third);
		record = atomic_load_explicit(&forms[form].record, memory_order_acquire);
	}
	uint64_t since = emit_position();
	if (likely(record))
		block = ((new_function *)record)(size, second, third);
	else
		block = stand_in_new(size, is_aligned(form) ? second : 0);
	if (likely(block != NULL))
		emit_alloc(frame, since, block, size, form & 1 ? TIDEMARK_API_NEW_ARRAY : TIDEMARK_API_NEW);
	return block;
}

static NOINLINE void delete_block(
    const uintptr_t *frame, enum form form, void *block, uintptr_t second, uintptr_t third)
{
	uintptr_t record = atomic_load_explicit(&forms[form].record, memory_order_acquire);
	struct emit_ending ending;
	if (unlikely(!record)) {
		find_form(form, frame[1]);
		uintptr_t pass = atomic_load_explicit(&forms[form].pass, memory_order_acquire);
		if (pass) {
			((delete_function *)pass)(block, second, third);
			return;
		}
		record = atomic_load_explicit(&forms[form].record, memory_order_acquire);
	}
	if (block == NULL || arena_has(block))
		return;
	emit_ending_begin(&ending, frame, block);
	if (likely(record))
		((delete_function *)record)(block, second, third);
	else
		real.free(block);
	emit_ending_end(&ending);
}

#define PASS(form) atomic_load_explicit(&forms[form].pass, memory_order_relaxed)

#define DEFINE_NEW(form, symbol, parameters, second, third)                                                            \
	void *symbol parameters;                                                                                       \
	EXPORT void *symbol parameters                                                                                 \
	{                                                                                                              \
		new_function *pass = (new_function *)PASS(form);                                                       \
		if (likely(pass != NULL))                                                                              \
			return pass(size, (second), (third));                                                          \
		return KEEP_FRAME(new_block(HOOK_FRAME, form, size, (second), (third)));                               \
	}

#define DEFINE_DELETE(form, symbol, parameters, second, third)                                                         \
	void symbol parameters;                                                                                        \
	EXPORT void symbol parameters                                                                                  \
	{                                                                                                              \
		delete_function *pass = (delete_function *)PASS(form);                                                 \
		if (likely(pass != NULL)) {                                                                            \
			pass(block, (second), (third));                                                                \
			return;                                                                                        \
		}                                                                                                      \
		delete_block(HOOK_FRAME, form, block, (second), (third));                                              \
	}

DEFINE_NEW(NEW, _Znwm, (size_t size), 0, 0)
DEFINE_NEW(NEW_ARRAY, _Znam, (size_t size), 0, 0)
DEFINE_NEW(NEW_NOTHROW, _ZnwmRKSt9nothrow_t, (size_t size, uintptr_t tag), tag, 0)
DEFINE_NEW(NEW_ARRAY_NOTHROW, _ZnamRKSt9nothrow_t, (size_t size, uintptr_t tag), tag, 0)
DEFINE_NEW(NEW_ALIGNED, _ZnwmSt11align_val_t, (size_t size, uintptr_t alignment), alignment, 0)
DEFINE_NEW(NEW_ARRAY_ALIGNED, _ZnamSt11align_val_t, (size_t size, uintptr_t alignment), alignment, 0)
DEFINE_NEW(NEW_ALIGNED_NOTHROW, _ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, uintptr_t alignment, uintptr_t tag),
    alignment, tag)
DEFINE_NEW(NEW_ARRAY_ALIGNED_NOTHROW, _ZnamSt11align_val_tRKSt9nothrow_t,
    (size_t size, uintptr_t alignment, uintptr_t tag), alignment, tag)

DEFINE_DELETE(DELETE, _ZdlPv, (void *block), 0, 0)
DEFINE_DELETE(DELETE_ARRAY, _ZdaPv, (void *block), 0, 0)
DEFINE_DELETE(DELETE_SIZED, _ZdlPvm, (void *block, size_t size), size, 0)
DEFINE_DELETE(DELETE_ARRAY_SIZED, _ZdaPvm, (void *block, size_t size), size, 0)
DEFINE_DELETE(DELETE_NOTHROW, _ZdlPvRKSt9nothrow_t, (void *block, uintptr_t tag), tag, 0)
DEFINE_DELETE(DELETE_ARRAY_NOTHROW, _ZdaPvRKSt9nothrow_t, (void *block, uintptr_t tag), tag, 0)
DEFINE_DELETE(DELETE_ALIGNED, _ZdlPvSt11align_val_t, (void *block, uintptr_t alignment), alignment, 0)
DEFINE_DELETE(DELETE_ARRAY_ALIGNED, _ZdaPvSt11align_val_t, (void *block, uintptr_t alignment), alignment, 0)
DEFINE_DELETE(
    DELETE_SIZED_ALIGNED, _ZdlPvmSt11align_val_t, (void *block, size_t size, uintptr_t alignment), size, alignment)
DEFINE_DELETE(DELETE_ARRAY_SIZED_ALIGNED, _ZdaPvmSt11align_val_t, (void *block, size_t size, uintptr_t alignment), size,
    alignment)
DEFINE_DELETE(DELETE_ALIGNED_NOTHROW, _ZdlPvSt11align_val_tRKSt9nothrow_t,
    (void *block, uintptr_t alignment, uintptr_t tag), alignment, tag)
DEFINE_DELETE(DELETE_ARRAY_ALIGNED_NOTHROW, _ZdaPvSt11align_val_tRKSt9nothrow_t,
    (void *block, uintptr_t alignment, uintptr_t tag), alignment, tag)
