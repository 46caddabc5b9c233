/* jemalloc's own interface, exact: mallocx, rallocx, xallocx, sdallocx, dallocx. */
#include "testing.h"

#include <jemalloc/jemalloc.h>

static NOINLINE void by_mallocx(void)
{
	for (int i = 0; i < 1000; i++) {
		void *p = keep(mallocx(100, MALLOCX_ALIGN(64) | MALLOCX_ZERO));
		p = keep(rallocx(p, 300, 0));
		check(p && sallocx(p, 0) >= 300);
		if (i % 100 == 0)
			continue;
		if (i % 2)
			dallocx(p, 0);
		else
			sdallocx(p, 300, 0);
	}
}

int main(void)
{
	by_mallocx();
	say("done\n");
	return 0;
}
