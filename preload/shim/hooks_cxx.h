/* C++ operator new and delete. */
#ifndef HOOKS_CXX_H
#define HOOKS_CXX_H

/* Find the next definitions. Constructor only. */
void cxx_init(void);

/* A library may be gone: forget definitions that were found on behalf of a caller. Any thread. */
void cxx_unloaded(void);

#endif
