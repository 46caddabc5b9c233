/* C: plain and static functions, chains of inlined calls, loops, a header's function, a function in another section.
 *
 * EXPECT plain: plain @plain
 * EXPECT static: hidden @hidden
 * EXPECT chain: inner @inner < middle @middle < outer @outer < holder @holder
 * EXPECT twice-a: inner2 @inner2 < twice @first
 * EXPECT twice-b: inner2 @inner2 < twice @second
 * EXPECT argument: argument @argument
 * EXPECT recursive: recurse @recurse
 * EXPECT section: elsewhere @elsewhere
 * EXPECT header: from_header @header.h < uses_header @uses_header
 * EXPECT main: main @main
 */
#include "probe.h"
#include "header.h"

NEVER_INLINE void plain(void)
{
	probe("plain"); /* @plain */
	STAY;
}

static NEVER_INLINE void hidden(void)
{
	probe("static"); /* @hidden */
	STAY;
}

static ALWAYS_INLINE void inner(int n)
{
	for (int i = 0; i < n; i++)
		probe("chain"); /* @inner */
	STAY;
}

static ALWAYS_INLINE void middle(int n)
{
	inner(n); /* @middle */
}

static ALWAYS_INLINE void outer(int n)
{
	STAY;
	middle(n); /* @outer */
	STAY;
}

NEVER_INLINE void holder(int n)
{
	STAY;
	outer(n); /* @holder */
	STAY;
}

static ALWAYS_INLINE void inner2(const char *label)
{
	probe(label); /* @inner2 */
	STAY;
}

NEVER_INLINE void twice(void)
{
	inner2("twice-a"); /* @first */
	STAY;
	inner2("twice-b"); /* @second */
}

static NEVER_INLINE int argument(int n)
{
	probe("argument"); /* @argument */
	STAY;
	return n + 1;
}

NEVER_INLINE int recurse(int n)
{
	int result = n ? recurse(n - 1) + 1 : 0;

	if (!n)
		probe("recursive"); /* @recurse */
	STAY;
	return result;
}

__attribute__((section(".text.elsewhere"))) NEVER_INLINE void elsewhere(void)
{
	probe("section"); /* @elsewhere */
	STAY;
}

NEVER_INLINE void uses_header(void)
{
	from_header(); /* @uses_header */
	STAY;
}

int main(int argc, char **argv)
{
	(void)argv;
	plain();
	hidden();
	holder(argc);
	twice();
	argument(argument(1) - argc);
	recurse(argc + 2);
	elsewhere();
	uses_header();
	probe("main"); /* @main */
	STAY;
	return 0;
}
