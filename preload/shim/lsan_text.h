/* What the program itself says is no leak: LeakSanitizer's __lsan_default_suppressions(). */
#ifndef LSAN_TEXT_H
#define LSAN_TEXT_H

/* The text that the function returns, where the program or one of its libraries defines it; NULL where none does. A
 * program without sanitizers seldom exports it: then it is looked for in the symbol table of the program's file.
 * Constructor only. cost: microseconds for a stripped program, some milliseconds where there are megabytes of names */
const char *lsan_text(void);

#endif
