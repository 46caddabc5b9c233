/* The child process `tidemark symbolize` and the lines exchanged with it: fields separated by tabs, with \\ \t \n \xNN
 * in them. Nothing here waits for it. Writer thread only. */
#ifndef RESOLVER_H
#define RESOLVER_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "bytes.h"

struct resolver {
	pid_t pid; /* 0: none */
	bool is_hurried;
	int to, from; /* -1: none */
	struct bytes out, in;
	size_t out_done, in_done; /* sent, taken */
};

/* returns: 0, -1 when it cannot be started */
int resolver_start(struct resolver *resolver);

/* End it and forget what was exchanged. */
void resolver_stop(struct resolver *resolver);

/* Call it to work at normal priority from now on. */
void resolver_hurry(struct resolver *resolver);

/* Append to the next line. */
void resolver_put_word(struct resolver *resolver, const char *word);
void resolver_put_field(struct resolver *resolver, const char *text);
void resolver_put_number(struct resolver *resolver, const char *format, unsigned long long value);
void resolver_end_line(struct resolver *resolver);

/* Send what its pipe takes. returns: 1 all is sent, 0 some is left, -1 it is gone */
int resolver_send(struct resolver *resolver);

/* Read what is there. returns: 0, -1 when it is gone; lines that came before stand ready all the same */
int resolver_receive(struct resolver *resolver);

/* The next whole line; valid until the next call of resolver_receive. NULL: none yet */
char *resolver_line(struct resolver *resolver);

/* Cut a line at its tabs. returns: how many fields */
int resolver_split(char *line, char **fields, int max);

/* In place. returns: the new length */
size_t resolver_unescape(char *text);

/* Fill what to poll for: two entries, fd -1 where nothing is to be waited for. */
void resolver_poll(const struct resolver *resolver, struct pollfd *fds);

#endif
