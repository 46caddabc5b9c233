/* The session as its members see it: connections, messages, the root's end, marks from outside. Drain thread only. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "image.h"

/* listen_fd: bound and listening. named: TEMPLATE is a file that belongs to the root's last image */
int control_init(int listen_fd);

/* Take what events_take has: new connections, messages, deaths. */
void control_events(void);

/* Answer marks, tell progress, answer the root when its files are closed. To be called at each pass. */
void control_step(void);

/* Is nobody left that could send something? */
bool control_is_over(void);

/* All images that are mapped. */
extern struct image *control_images;

/* The process with this serial, or NULL. */
struct process *control_find_serial(uint64_t serial);

#endif
