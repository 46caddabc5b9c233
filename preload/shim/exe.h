/* Where the program's file lies. */
#ifndef EXE_H
#define EXE_H

#include "sys.h"

/* returns: the absolute path, as far as it can be known; "" when it cannot
 * threads: the first call is the constructor's */
const char *exe_path(void);

#endif
