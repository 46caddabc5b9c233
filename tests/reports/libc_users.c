/* One function for each way to use libc. Those named take_* are given a block that they should free and do not: it is
 * this program's leak. Those named use_* cause blocks that libc keeps for itself: none is this program's. */
#include <dirent.h>
#include <dlfcn.h>
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FUNCTION static __attribute__((noinline)) void

static void *volatile sink;

FUNCTION take_malloc(void)
{
	sink = malloc(77);
}

FUNCTION take_strdup(void)
{
	sink = strdup("a string");
}

FUNCTION take_asprintf(void)
{
	char *text;
	if (asprintf(&text, "%d and %s", 4, "more") > 0)
		sink = text;
}

FUNCTION take_fopen(void)
{
	char line[16];
	FILE *file = fopen("/proc/self/status", "r");
	sink = file;
	sink = file ? fgets(line, sizeof(line), file) : NULL;
}

FUNCTION take_memstream(void)
{
	char *text;
	size_t length;
	FILE *file = open_memstream(&text, &length);
	for (int i = 0; i < 2000; i++)
		fprintf(file, "%d", i);
	fclose(file);
	sink = text;
}

FUNCTION take_getline(void)
{
	char *line = NULL;
	size_t length = 0;
	FILE *file = fopen("/proc/self/status", "r");
	if (file && getline(&line, &length, file) > 0)
		sink = line;
	if (file)
		fclose(file);
}

FUNCTION take_opendir(void)
{
	sink = opendir("/");
}

FUNCTION take_scandir(void)
{
	struct dirent **list;
	if (scandir("/", &list, NULL, alphasort) >= 0)
		sink = list;
}

FUNCTION take_popen(void)
{
	sink = popen("true", "r");
}

FUNCTION take_realpath(void)
{
	sink = realpath("/etc/../etc", NULL);
}

FUNCTION take_getcwd(void)
{
	sink = getcwd(NULL, 0);
}

FUNCTION take_sscanf(void)
{
	char *word = NULL;
	if (sscanf("some words", "%ms", &word) == 1)
		sink = word;
}

FUNCTION take_regcomp(void)
{
	static regex_t pattern;
	regcomp(&pattern, "a[bc]*d", 0);
}

FUNCTION take_getaddrinfo(void)
{
	struct addrinfo *list = NULL;
	getaddrinfo("127.0.0.1", "80", NULL, &list);
	sink = list;
}

FUNCTION take_newlocale(void)
{
	sink = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
}

FUNCTION take_iconv(void)
{
	sink = iconv_open("LATIN1", "UTF-8");
}

FUNCTION use_stdout(void)
{
	puts("out");
}

FUNCTION use_setlocale(void)
{
	setlocale(LC_ALL, "C.UTF-8");
}

FUNCTION use_localtime(void)
{
	time_t now = 0;
	setenv("TZ", "XYZ-3", 1);
	sink = localtime(&now);
}

FUNCTION use_iconv(void)
{
	iconv_t conversion = iconv_open("UTF-16", "UTF-8");
	if (conversion != (iconv_t)-1)
		iconv_close(conversion);
}

FUNCTION use_getpwnam(void)
{
	sink = getpwnam("root");
}

FUNCTION use_gethostbyname(void)
{
	sink = gethostbyname("localhost");
}

static void *nothing(void *argument)
{
	return argument;
}

FUNCTION use_thread(void)
{
	pthread_t thread;
	if (!pthread_create(&thread, NULL, nothing, NULL))
		pthread_join(thread, NULL);
}

FUNCTION use_dlopen(void)
{
	sink = dlopen("libm.so.6", RTLD_NOW);
	sink = dlsym(RTLD_DEFAULT, "no such name");
	sink = dlerror();
}

FUNCTION use_strerror(void)
{
	sink = strerror(99999);
}

FUNCTION use_atexit(void)
{
	for (int i = 0; i < 100; i++)
		atexit(use_strerror);
}

int main(void)
{
	static void (*const all[])(void) = {take_malloc, take_strdup, take_asprintf, take_fopen, take_memstream,
	    take_getline, take_opendir, take_scandir, take_popen, take_realpath, take_getcwd, take_sscanf, take_regcomp,
	    take_getaddrinfo, take_newlocale, take_iconv, use_stdout, use_setlocale, use_localtime, use_iconv,
	    use_getpwnam, use_gethostbyname, use_thread, use_dlopen, use_strerror, use_atexit};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		all[i]();
	return 0;
}
