/* A program that merely used stdio, locale and getline: what libc keeps for itself is named runtime and is no leak of the
 * program's; it stays in the totals.
 *
 * stdin: one line\nanother\n
 * expect: jq summary '.leaked_bytes == .runtime_bytes and .runtime_bytes > 0'
 * expect: jq leaks 'all(.stacks[]; .runtime)'
 * expect: total lost_events 0 unknown_frees 0
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(void)
{
	char *line = NULL;
	size_t room = 0;
	setlocale(LC_ALL, "C.UTF-8");
	while (getline(&line, &room, stdin) > 0)
		printf("%zu %s", strlen(line), line);
	free(line);
	time_t now = 0;
	printf("%d %s\n", localtime(&now) != NULL, strerror(2));
	fprintf(stderr, "on stderr\n");
	return 0;
}
