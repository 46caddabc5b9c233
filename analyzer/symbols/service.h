/* The symbol service: requests in, answers out, as lines of text. Called by cmd_symbolize.c; the collector is the other
 * end.
 *
 * Fields are separated by a TAB; in strings \t \n \\ \xNN stand for TAB, newline, backslash and other control bytes.
 *   module ID BUILDID(hex or -) OPENPATH PATH     names a module; ID counts for the service's life
 *   perfmap PID PATH                              frames of module 0 are looked up there from now on
 *   frame ID MODULE OFFSET(hex) FLAGS(decimal, TIDEMARK_NODE_*)
 * A frame is answered by "frame ID N" and N lines "FUNCTION FILE LINE", innermost inlined first, in the order of the
 * requests; before the first answer that needs a module stands "quality ID Q" (enum tidemark_symbol_quality).
 * Lines that are no request are passed over; a frame of an unknown module has N = 0.
 * threads: one per service.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "symbols/keymap.h"
#include "symbols/symbols.h"

struct service {
	struct symbols *symbols;     /* not owned */
	struct keymap modules_by_id; /* -> index into modules */
	struct service_module *modules;
	size_t n_modules, modules_capacity;
	struct symbols_module *perf_map; /* NULL: none named yet */
	char *out;                       /* answers; whoever writes them counts in out_sent and may compact */
	size_t out_bytes, out_sent, out_capacity;
	size_t out_whole; /* bytes that are answers of finished requests; a signal handler may look */
};

void service_init(struct service *service, struct symbols *symbols);
void service_release(struct service *service);

/* Take one request, a NUL-terminated line without its newline, which is changed. Answers are appended to service->out.
 * returns: 0, -1 when memory is short */
int service_request(struct service *service, char *line);

#endif
