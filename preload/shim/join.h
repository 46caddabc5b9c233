/* The way to the session's collector: found by the name in the environment, or started. Constructor only; leaves no
 * descriptor open but those it returns. */
#ifndef JOIN_H
#define JOIN_H

#include "options.h"

/* Connect to the session called `name`, which ends at a comma or a NUL. returns: a socket, or a negative error number
 */
int join_session(const char *name);

/* Start a collector beside this library, for a session of its own, and connect to it. name: filled in, JOIN_NAME_BYTES
 * long. returns: a socket, or a negative error number */
#define JOIN_NAME_BYTES 64
int join_new_session(const struct options *options, char **envp, char *name);

/* Hand the memory over: IMAGE with the memfd and, where there are such things, a pidfd of this process.
 * returns: 0 or a negative error number */
int join_send_image(int socket, int memfd);

#endif
