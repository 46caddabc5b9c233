/* Names of the entry points that make blocks. threads: any. */
#ifndef APIS_H
#define APIS_H

/* The function's name for enum tidemark_api_id; NULL for none. */
const char *api_name(unsigned api);

#endif
