/* Hooks for jemalloc's extended interface. They are not exported: a program that asks whether mallocx exists, by a weak
 * reference or dlsym, must get the answer that it gets without us. Where a jemalloc is there, the slots through which
 * the loaded objects call it are pointed at the hooks. What the program finds by dlsym, or what a library loaded later
 * calls, is not recorded; a block that ends by free() all the same is counted as unknown there. */
#include "hooks_jemalloc.h"

#include "emit.h"
#include "objects.h"

static struct {
	void *(*mallocx)(size_t size, int flags);
	void *(*rallocx)(void *block, size_t size, int flags);
	size_t (*xallocx)(void *block, size_t size, size_t extra, int flags);
	void (*sdallocx)(void *block, size_t size, int flags);
	void (*dallocx)(void *block, int flags);
} je;

static void *hook_mallocx(size_t size, int flags)
{
	uint64_t since = emit_position();
	void *block = je.mallocx(size, flags);
	if (likely(block != NULL))
		emit_alloc(HOOK_FRAME, since, block, size, TIDEMARK_API_MALLOCX);
	return block;
}

static void *hook_rallocx(void *block, size_t size, int flags)
{
	struct emit_move move;
	emit_move_begin(&move, HOOK_FRAME, block);
	void *moved = je.rallocx(block, size, flags);
	if (likely(moved != NULL))
		emit_move_done(&move, HOOK_FRAME, moved, size, TIDEMARK_API_RALLOCX);
	else
		emit_move_failed(&move, HOOK_FRAME);
	return moved;
}

/* Resizes in place or not at all: what it returns is the block's real size, and it succeeded if that reaches `size`. */
static size_t hook_xallocx(void *block, size_t size, size_t extra, int flags)
{
	struct emit_move move;
	emit_move_begin(&move, HOOK_FRAME, block);
	size_t now = je.xallocx(block, size, extra, flags);
	if (now >= size)
		emit_move_done(&move, HOOK_FRAME, block, now - size < extra ? now : size + extra, TIDEMARK_API_RALLOCX);
	else
		emit_move_failed(&move, HOOK_FRAME);
	return now;
}

static void hook_sdallocx(void *block, size_t size, int flags)
{
	struct emit_ending ending;
	emit_ending_begin(&ending, HOOK_FRAME, block);
	je.sdallocx(block, size, flags);
	emit_ending_end(&ending);
}

static void hook_dallocx(void *block, int flags)
{
	struct emit_ending ending;
	emit_ending_begin(&ending, HOOK_FRAME, block);
	je.dallocx(block, flags);
	emit_ending_end(&ending);
}

static const struct redirection hooks[] = {
    {"mallocx", (void **)&je.mallocx, (void *)hook_mallocx},
    {"rallocx", (void **)&je.rallocx, (void *)hook_rallocx},
    {"xallocx", (void **)&je.xallocx, (void *)hook_xallocx},
    {"sdallocx", (void **)&je.sdallocx, (void *)hook_sdallocx},
    {"dallocx", (void **)&je.dallocx, (void *)hook_dallocx},
};
#define N_HOOKS (sizeof(hooks) / sizeof(hooks[0]))

static bool redirect(const struct object *object, void *argument)
{
	(void)argument;
	if (!object_is_shim(object) && !object_find(object, "mallocx", false)) /* not what jemalloc does by itself */
		object_redirect(object, hooks, N_HOOKS, false);
	return false;
}

void jemalloc_init(void)
{
	je.mallocx = objects_next("mallocx", false);
	je.rallocx = objects_next("rallocx", false);
	je.xallocx = objects_next("xallocx", false);
	je.sdallocx = objects_next("sdallocx", false);
	je.dallocx = objects_next("dallocx", false);
	if (je.mallocx)
		objects_each(redirect, NULL);
}
