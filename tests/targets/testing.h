/* What the targets share: output and checks that never touch the heap, so that the allocations of a program are exactly
 * those it shows. Enters: nothing. Leaves: lines on descriptor 1. Any thread. */
#ifndef TESTING_H
#define TESTING_H

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif
#define SKIPPED 77 /* exit status: this machine cannot show it */

/* printf for descriptor 1, at most 1 KiB: vsnprintf of numbers and short strings does not allocate. */
__attribute__((format(printf, 1, 2), unused)) static void say(const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (int done = 0; done < n;) {
		ssize_t put = write(1, line + done, (size_t)(n - done));
		if (put <= 0 && errno != EINTR)
			return;
		done += put > 0 ? (int)put : 0;
	}
}

/* Hide a value from the optimiser: what passes here was really computed and is really used. */
#define keep(p) __extension__({ __typeof__(p) kept_ = (p); __asm__ volatile("" : "+r"(kept_) : : "memory"); kept_; })

#define check(condition) \
	do { \
		if (!(condition)) { \
			say("%s:%d: %s is false (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			_exit(99); \
		} \
	} while (0)

/* Run n threads of one function, 64 at most, to their end. */
__attribute__((unused)) static void run_in_threads(int n, void *(*thread_main)(void *))
{
	pthread_t threads[64];
	for (int i = 0; i < n; i++)
		check(pthread_create(&threads[i], NULL, thread_main, NULL) == 0);
	for (int i = 0; i < n; i++)
		check(pthread_join(threads[i], NULL) == 0);
}

#endif
