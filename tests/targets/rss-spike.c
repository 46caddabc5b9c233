/* 64 MB are touched and given back between two samples of RSS: the kernel's high-water mark tells.
 * env: TIDEMARK_RSS_INTERVAL=400
 * expect: total peak_rss_bytes 67108864..90000000 */
#include "testing.h"

int main(void)
{
	size_t bytes = 64u << 20;
	usleep(100000);
	char *volatile spike = malloc(bytes);
	memset(spike, 1, bytes);
	free(spike);
	usleep(900000);
	return 0;
}
