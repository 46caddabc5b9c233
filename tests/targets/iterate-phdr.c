/* malloc inside dl_iterate_phdr's callback, where the loader's lock is held; and the deadlock of unwinders that take that
 * lock in a hook: one thread sits in the callback and waits for a lock whose holder allocates. Five objects: the program, the vdso,
 * the recorder, libc and the loader.
 *
 * expect: leaf in_callback allocations 5*100 leaked_blocks 0
 * expect: leaf while_locked allocations 2000 leaked_blocks 20 leaked_bytes 20*31
 * expect: total lost_events 0 unknown_frees 0
 */
#include "testing.h"

#include <link.h>
#include <pthread.h>
#include <semaphore.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked, in_loader, out_again;

static NOINLINE int in_callback(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	(void)arg;
	for (int i = 0; i < 50; i++)
		free(keep(malloc(30)));
	return 0;
}

static int waits_for_lock(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	(void)arg;
	check(sem_post(&in_loader) == 0);
	check(pthread_mutex_lock(&lock) == 0 && pthread_mutex_unlock(&lock) == 0);
	return 1;
}

static NOINLINE void while_locked(void)
{
	for (int i = 0; i < 100; i++) {
		void *p = keep(malloc(31));
		if (i)
			free(p);
	}
}

static void *holder(void *arg)
{
	for (int i = 0; i < 20; i++) {
		check(pthread_mutex_lock(&lock) == 0);
		check(sem_post(&locked) == 0);
		while (sem_wait(&in_loader)) /* the other thread holds the loader's lock now */
			;
		while_locked();
		check(pthread_mutex_unlock(&lock) == 0);
		while (sem_wait(&out_again))
			;
	}
	return arg;
}

int main(void)
{
	pthread_t thread;
	check(sem_init(&locked, 0, 0) == 0 && sem_init(&in_loader, 0, 0) == 0 && sem_init(&out_again, 0, 0) == 0);
	dl_iterate_phdr(in_callback, NULL);
	dl_iterate_phdr(in_callback, NULL);
	check(pthread_create(&thread, NULL, holder, NULL) == 0);
	for (int i = 0; i < 20; i++) {
		while (sem_wait(&locked))
			;
		dl_iterate_phdr(waits_for_lock, NULL);
		check(sem_post(&out_again) == 0);
	}
	check(pthread_join(thread, NULL) == 0);
	say("done\n");
	return 0;
}
