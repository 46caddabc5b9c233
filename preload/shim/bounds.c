/* The main thread's stack is the kernel's: it ends above the program's strings and may grow to RLIMIT_STACK. For
 * another thread libc keeps block, size and guard side by side in its descriptor, which lies at the top of the block
 * itself; they are found there by what must be true of them. Any thread. */
#include "bounds.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

#include "sys.h"

#define PAGE 4096ul
#define MIN_STACK_BYTES 8192ul
#define MAX_STACK_BYTES (1ul << 40)
#define DESCRIPTOR_WORDS (2304 / sizeof(uintptr_t)) /* struct pthread is no smaller, glibc 2.17 to 2.41 */
#define DESCRIPTOR_END_BYTES (4 * PAGE)             /* from the descriptor to the end of the block, with padding */

static pthread_t main_thread;
static uintptr_t main_low, main_high;

/* Below a main stack without a limit the kernel keeps most of the address space free of what it places itself. */
void bounds_init(uintptr_t auxv_end)
{
	struct rlimit limit;
	uintptr_t size = MAX_STACK_BYTES;
	if (SYS4(prlimit64, 0, RLIMIT_STACK, NULL, &limit) == 0 && limit.rlim_cur < MAX_STACK_BYTES)
		size = limit.rlim_cur;
	main_thread = pthread_self();
	main_high = (auxv_end + PAGE - 1) & ~(PAGE - 1);
	main_low = size < main_high ? main_high - size : PAGE;
}

static bool is_block_of(uintptr_t self, uintptr_t block, uintptr_t size)
{
	if (size < MIN_STACK_BYTES || size > MAX_STACK_BYTES || block >= self)
		return false;
	return block + size > self && block + size - self <= DESCRIPTOR_END_BYTES;
}

void bounds_of_self(uintptr_t *low, uintptr_t *high)
{
	uintptr_t self = (uintptr_t)pthread_self();
	*low = *high = 0;
	if (pthread_equal(pthread_self(), main_thread)) {
		*low = main_low;
		*high = main_high;
		return;
	}
	const uintptr_t *words = (const uintptr_t *)self;
	for (size_t i = 0; i + 2 < DESCRIPTOR_WORDS; i++) {
		uintptr_t block = words[i], size = words[i + 1], guard = words[i + 2];
		if (!is_block_of(self, block, size))
			continue;
		*low = guard < size ? block + guard : block;
		*high = self;
		return;
	}
}
