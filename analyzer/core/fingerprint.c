/* Fingerprints: FNV-1a, 64 bits, over "module NUL function NEWLINE" of each frame from the outermost one. */
#include "core/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/ring.h"

#define FNV_BASIS 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

/* The names by which a frame is known elsewhere too. */
struct plain {
	const char *module, *function;
	size_t module_length, function_length;
};

static struct plain plain_names(const struct frame_view *view)
{
	struct plain plain = {.function = view->function, .function_length = frame_plain_function(view)};
	plain.module_length = frame_plain_module(view, &plain.module);
	if (view->flags & (TIDEMARK_NODE_CUT | TIDEMARK_NODE_BROKEN | TIDEMARK_NODE_EARLY)) {
		char unused[FRAME_LABEL_BYTES];
		plain.function = frame_label(view, unused); /* a constant: "[cut]" and so on */
		plain.function_length = strlen(plain.function);
	}
	return plain;
}

static bool same(const struct plain *a, const struct plain *b)
{
	return a->module_length == b->module_length && a->function_length == b->function_length &&
	       !memcmp(a->module, b->module, a->module_length) && !memcmp(a->function, b->function, a->function_length);
}

static uint64_t add(uint64_t hash, const char *text, size_t length, char end)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * FNV_PRIME;
	return (hash ^ (unsigned char)end) * FNV_PRIME;
}

static bool of_libc(const struct frame_view *view)
{
	const char *name;
	size_t length = frame_plain_module(view, &name);
	return (length == 7 && !memcmp(name, "libc.so", 7)) || (length == 13 && !memcmp(name, "libpthread.so", 13));
}

size_t fingerprint_frames(const struct frame_view *const *frames, size_t n_frames)
{
	for (size_t i = 0; i < n_frames; i++)
		if (frames[i]->origin && frames[i]->origin->flags & TIDEMARK_MODULE_MAIN &&
		    !strcmp(frames[i]->function, "main"))
			return i + 1;
	while (n_frames > 1 && of_libc(frames[n_frames - 1]))
		n_frames--;
	return n_frames;
}

uint64_t fingerprint(const struct frame_view *const *frames, size_t all_frames)
{
	uint64_t hash = FNV_BASIS;
	size_t n_frames = fingerprint_frames(frames, all_frames);
	struct plain before = {.module = "", .function = "\n"};
	for (size_t i = n_frames; i-- > 0;) {
		struct plain plain = plain_names(frames[i]);
		/* How deep a recursion goes depends on the input. */
		if (i + 1 < n_frames && same(&plain, &before))
			continue;
		hash = add(hash, plain.module, plain.module_length, 0);
		hash = add(hash, plain.function, plain.function_length, '\n');
		before = plain;
	}
	return hash;
}

const char *fingerprint_text(char text[FINGERPRINT_TEXT_BYTES], uint64_t value)
{
	snprintf(text, FINGERPRINT_TEXT_BYTES, "%016" PRIx64, value);
	return text;
}
