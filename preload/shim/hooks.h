/* The C entry points, for those that do not reach them by their names. */
#ifndef HOOKS_H
#define HOOKS_H

#include <link.h>

/* In the constructor. */
void hooks_init(void);

/* A library opened with RTLD_DEEPBIND finds libc in front of us: let what is bound to the functions behind the hooks call
 * the hooks, as it would without that flag.
 * info: address, program headers and their number; the object must stay loaded meanwhile
 * cost: microseconds; threads: any, lock-free */
void hooks_bind(const struct dl_phdr_info *info);

#endif
