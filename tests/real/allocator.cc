// Linked with jemalloc, tcmalloc or mimalloc: four threads use every common form; what stays is known exactly.
#include <malloc.h>
#include <pthread.h>

#include <string>
#include <vector>

#include "testing.h"

static NOINLINE void by_malloc()
{
	for (int i = 0; i < 20000; i++) {
		char *p = static_cast<char *>(keep(malloc(40)));
		p = static_cast<char *>(keep(realloc(p, 200)));
		if (i % 1000)
			free(p);
	}
	for (int i = 0; i < 100; i++)
		free(keep(calloc(10, 30)));
}

static NOINLINE void by_new()
{
	for (int i = 0; i < 20000; i++) {
		long *p = keep(new long(i));
		if (i % 2000)
			delete p;
	}
	for (int i = 0; i < 100; i++)
		delete[] keep(new char[i + 1]);
}

static NOINLINE void aligned()
{
	for (int i = 0; i < 1000; i++) {
		void *p = nullptr;
		check(posix_memalign(&p, 64, 100) == 0 && reinterpret_cast<uintptr_t>(p) % 64 == 0);
		free(keep(p));
		free(keep(aligned_alloc(256, 512)));
		operator delete(keep(operator new(128, std::align_val_t(128))), std::align_val_t(128)); // libstdc++ rounds up
	}
}

static NOINLINE size_t containers()
{
	std::vector<std::string> words;
	for (int i = 0; i < 2000; i++)
		words.push_back(std::string(static_cast<size_t>(i % 90), 'w'));
	return words.size();
}

static void *work(void *arg)
{
	by_malloc();
	by_new();
	aligned();
	check(containers() == 2000);
	return arg;
}

int main()
{
	pthread_t threads[4];
	for (auto &thread : threads)
		check(pthread_create(&thread, nullptr, work, nullptr) == 0);
	for (auto &thread : threads)
		check(pthread_join(thread, nullptr) == 0);
	say("done\n");
	return 0;
}
