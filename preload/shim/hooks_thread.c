/* Names of threads, told by the thread itself: a short one is gone before the collector could read its name. Names given
 * from another thread, or by prctl, are read by the collector. */
#include <pthread.h>
#include <string.h>

#include "emit.h"
#include "real.h"

EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
	int error = real.pthread_setname_np(thread, name);
	if (!error && recording == RECORDING_ON && thread == pthread_self()) {
		uint64_t words[2] = {0};
		memcpy(words, name, strnlen(name, sizeof(words) - 1));
		emit_other(HOOK_FRAME, TIDEMARK_OP_THREAD_NAME, 3, words[0], words[1]);
	}
	return error;
}
