// The plug-in of local-plugin.c.
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "testing.h"

static NOINLINE void plugin_arrays()
{
	for (int i = 0; i < 5; i++)
		delete[] keep(new char[120]);
}

static NOINLINE void plugin_leak()
{
	check(keep(new char[33]));
}

extern "C" __attribute__((visibility("default"))) NOINLINE int plugin_work()
{
	int caught = 0;
	for (int i = 0; i < 100; i++) {
		long *p = keep(new long(i));
		delete p;
		try {
			throw std::runtime_error("from the plug-in");
		} catch (const std::exception &e) {
			caught++;
		}
	}
	plugin_arrays();
	std::vector<std::string> words;
	for (int i = 0; i < 50; i++)
		words.push_back(std::string(100, 'a' + i % 26));
	try {
		keep(operator new(keep((size_t)PTRDIFF_MAX - 4096)));
	} catch (const std::bad_alloc &) {
		caught++;
	}
	operator delete(keep(operator new(64, std::align_val_t(64))), std::align_val_t(64));
	plugin_leak();
	return caught + (int)words.size();
}
