/* The session: one collector for a tree of processes, reached over an abstract SOCK_SEQPACKET socket.
 *
 * Every message is one struct tidemark_message; IMAGE carries descriptors by SCM_RIGHTS. The collector accepts only
 * peers of its own user or root. The socket's name (without the leading NUL byte) stands in TIDEMARK_SESSION.
 */
#ifndef TIDEMARK_SESSION_H
#define TIDEMARK_SESSION_H

#include <assert.h>
#include <stdint.h>

#define TIDEMARK_SESSION_VERSION 1u
#define TIDEMARK_SESSION_MAGIC 0x314b4454u /* "TDK1" */
#define TIDEMARK_LISTEN_FD 3 /* where a collector finds the session's listening socket when it starts */

enum tidemark_message_kind {
	TIDEMARK_MESSAGE_IMAGE = 1,    /* shim: a process image starts; descriptors: memfd, and a pidfd of itself if it could */
	TIDEMARK_MESSAGE_ROOT = 2,     /* record: pid is the root of the session; the connection stays open until the end */
	TIDEMARK_MESSAGE_STATUS = 3,   /* record: the root ended with wait status value; answered by DONE when its file is
	                                  closed */
	TIDEMARK_MESSAGE_DONE = 4,     /* collector: value: 0, or bits of enum tidemark_done; text: what went wrong, for people */
	TIDEMARK_MESSAGE_MARK = 5,     /* tidemark mark: text is the name, value the operations done (0: a plain mark), pid
	                                  which process (0: all); answered by DONE once the mark stands in the merged order */
	TIDEMARK_MESSAGE_PROGRESS = 6, /* collector, on the ROOT connection while closing: text for the user */
	TIDEMARK_MESSAGE_FILE = 7,     /* collector, on the ROOT connection before DONE: text is the absolute path of the file of
	                                  the root's last image, value how many files its earlier images have */
};

enum tidemark_done {
	TIDEMARK_DONE_LOSSES = 1,     /* events were lost */
	TIDEMARK_DONE_NO_IMAGE = 2,   /* the root never connected: untraceable */
	TIDEMARK_DONE_WRITE = 4,      /* the file could not be written to its end */
	TIDEMARK_DONE_UNKNOWN = 8,    /* no such process in this session */
	TIDEMARK_DONE_NO_EVENTS = 16, /* the root connected, but not one event came */
};

struct tidemark_message {
	uint32_t magic;    /*  0 */
	uint16_t version;  /*  4 */
	uint16_t kind;     /*  6 */
	int32_t pid;       /*  8 */
	uint32_t reserved; /* 12 */
	uint64_t value;    /* 16 */
	char text[1024];   /* 24: NUL-terminated */
};
static_assert(sizeof(struct tidemark_message) == 1048, "message size");

/* Environment, shared by shim, collector and command line; defaults in parentheses.
 *   TIDEMARK_OUTPUT        where traces go: %p pid, %e program, %% percent (tidemark.%e.%p.tmk)
 *   TIDEMARK_SESSION       the running session's socket; set by Tidemark
 *   TIDEMARK_DEPTH         frames kept of a stack, 4..4096 (256)
 *   TIDEMARK_RSS_INTERVAL  milliseconds between RSS samples, 1..60000 (10)
 *   TIDEMARK_CHILDREN      0: record the first image only, its exec successors too (1)
 *   TIDEMARK_UNWIND        fast, plain or libunwind (fast)
 *   TIDEMARK_MMAP          1: record mmap and munmap too (0)
 *   TIDEMARK_VERBOSE       1: the shim says on stderr what it did (0)
 */

#endif
