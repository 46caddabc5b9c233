/* A recording as seen by the command that starts it: see recording.h. Called by cmd_record, cmd_drive, cmd_selftest. */
#include "launch/recording.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/paths.h"

#define DEFAULT_OUTPUT "tidemark.%e.%p.tmk"

const char *recording_output(const char *named)
{
	if (!named)
		named = getenv("TIDEMARK_OUTPUT");
	return named && *named ? named : DEFAULT_OUTPUT;
}

bool recording_output_writable(const char *template)
{
	char here[PATH_MAX];
	struct stat status;
	if (stat(template, &status) == 0 && S_ISDIR(status.st_mode)) {
		errno = EISDIR;
		return false;
	}
	if (template[0] != '/' && !getcwd(here, sizeof(here)))
		return false; /* the current folder was removed */
	const char *slash = strrchr(template, '/');
	if (!slash)
		return access(".", W_OK | X_OK) == 0;
	char *folder = strndup(template, (size_t)(slash - template) + 1);
	bool writable = !folder || strchr(folder, '%') || access(folder, W_OK | X_OK) == 0;
	free(folder);
	return writable;
}

/* Has the template a %p? Only without one does it name a single file. */
static bool has_pid(const char *template)
{
	for (const char *p = strchr(template, '%'); p && p[1]; p = strchr(p + 2, '%'))
		if (p[1] == 'p')
			return true;
	return false;
}

static uint64_t interval_of_environment(void)
{
	const char *text = getenv("TIDEMARK_RSS_INTERVAL");
	char *end;
	unsigned long value = text ? strtoul(text, &end, 10) : 0;
	return value >= 1 && value <= 60000 && !*end ? value : 0;
}

int recording_start(struct recording *recording, const struct recording_options *options, struct err *err)
{
	static struct launch_paths paths; /* three times PATH_MAX */
	memset(recording, 0, sizeof(*recording));
	int result = launch_paths_find(&paths, err);
	if (result < 0)
		return result;
	const struct session_options wanted = {
	    .collector = paths.collector,
	    .output = options->output,
	    .named = !has_pid(options->output),
	    .rss_interval_ms = options->rss_interval_ms ? options->rss_interval_ms : interval_of_environment(),
	};
	memcpy(recording->preload, paths.preload, sizeof(recording->preload));
	return session_start(&recording->session, &wanted, err);
}

/* Our library first, what the user preloads after it. In a recording inside a recording it stands there already. */
static int set_preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	char *value;
	size_t n = strlen(library);
	if (!old || !*old)
		return setenv("LD_PRELOAD", library, 1);
	if (!strncmp(old, library, n) && (!old[n] || old[n] == ':' || old[n] == ' '))
		return 0;
	if (asprintf(&value, "%s:%s", library, old) < 0)
		return -1;
	int result = setenv("LD_PRELOAD", value, 1);
	free(value);
	return result;
}

int recording_environment(const struct recording *recording, const struct recording_options *options, struct err *err)
{
	char depth[24];
	snprintf(depth, sizeof(depth), "%" PRIu64, options->depth);
	if (set_preload(recording->preload) < 0 || setenv("TIDEMARK_SESSION", recording->session.name, 1) < 0 ||
	    (options->depth && setenv("TIDEMARK_DEPTH", depth, 1) < 0) ||
	    (options->no_children && setenv("TIDEMARK_CHILDREN", "0", 1) < 0) ||
	    (options->maps && setenv("TIDEMARK_MMAP", "1", 1) < 0))
		return err_errno(err, "cannot set the program's environment");
	return 0;
}

static void send_number(const struct recording *recording, enum tidemark_message_kind kind, pid_t pid, uint64_t value)
{
	struct tidemark_message message = {.kind = kind, .pid = pid, .value = value};
	session_send(recording->session.connection, &message, NULL);
}

void recording_root(const struct recording *recording, pid_t pid)
{
	send_number(recording, TIDEMARK_MESSAGE_ROOT, pid, 0);
}

void recording_ended(const struct recording *recording, pid_t pid, int status)
{
	send_number(recording, TIDEMARK_MESSAGE_STATUS, pid, (uint64_t)(unsigned)status);
}

int recording_receive(struct recording *recording, const char **progress)
{
	static struct tidemark_message message;
	*progress = NULL;
	if (session_receive(recording->session.connection, &message, NULL) <= 0)
		return 0;
	switch (message.kind) {
	case TIDEMARK_MESSAGE_PROGRESS:
		*progress = message.text;
		break;
	case TIDEMARK_MESSAGE_FILE:
		recording->n_earlier = (unsigned)message.value;
		snprintf(recording->trace, sizeof(recording->trace), "%s", message.text);
		break;
	case TIDEMARK_MESSAGE_DONE:
		recording->done = true;
		recording->bits = message.value;
		snprintf(recording->reason, sizeof(recording->reason), "%s", message.text);
		break;
	default:
		break;
	}
	return 1;
}
