/* The history file: see history.h. Three tables: commits, runs, figures. Everything about a run is one transaction. */
#include "core/history.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define APPLICATION_ID 0x746d6868 /* "tmhh" */
#define SCHEMA_VERSION 1
#define WAIT_MS 30000 /* for other processes */

static const char schema[] = "CREATE TABLE commits ("
                             " id TEXT PRIMARY KEY NOT NULL,"
                             " time INTEGER NOT NULL,"  /* seconds since 1970 */
                             " place INTEGER NOT NULL," /* among commits of the same second */
                             " subject TEXT NOT NULL);"
                             "CREATE TABLE runs ("
                             " id INTEGER PRIMARY KEY,"
                             " commit_id TEXT NOT NULL REFERENCES commits(id),"
                             " benchmark TEXT NOT NULL,"
                             " key TEXT,"
                             " added INTEGER NOT NULL,"
                             " UNIQUE (commit_id, benchmark, key));"
                             "CREATE TABLE figures ("
                             " run INTEGER NOT NULL REFERENCES runs(id),"
                             " position INTEGER NOT NULL,"
                             " metric TEXT NOT NULL,"
                             " unit TEXT NOT NULL,"
                             " value REAL NOT NULL,"
                             " low REAL,"
                             " high REAL,"
                             " PRIMARY KEY (run, position)) WITHOUT ROWID;"
                             "CREATE INDEX runs_by_benchmark ON runs (benchmark);";

struct history {
	sqlite3 *db;
	char *path;
};

/* What SQLite has to say, in words that help. */
static int failed(const struct history *h, struct err *err)
{
	int code = h->db ? sqlite3_errcode(h->db) & 0xff : SQLITE_NOMEM;
	int system_errno = h->db ? sqlite3_system_errno(h->db) : 0;
	switch (code) {
	case SQLITE_NOTADB:
		return err_set(err, TIDEMARK_ERR_NOT_TRACE, "'%s' is no SQLite database, so no history", h->path);
	case SQLITE_CORRUPT:
		return err_set(err, TIDEMARK_ERR_CORRUPT,
		    "the history '%s' is damaged; put a copy in its place, or begin a new one", h->path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err, TIDEMARK_ERR_SYSTEM, "the history '%s' has been locked by another process for %d s",
		    h->path, WAIT_MS / 1000);
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return err_set(err, TIDEMARK_ERR_SYSTEM,
		    "cannot write the history '%s': it, or the folder that it lies in, is read-only", h->path);
	case SQLITE_CANTOPEN:
		return err_set(err, TIDEMARK_ERR_SYSTEM, "cannot open the history '%s': %s", h->path,
		    system_errno ? strerror(system_errno) : "it cannot be opened, or its folder cannot be written");
	case SQLITE_NOMEM:
		return err_memory(err);
	default:
		return err_set(err, TIDEMARK_ERR_SYSTEM, "the history '%s': %s", h->path, sqlite3_errmsg(h->db));
	}
}

static int execute(const struct history *h, const char *sql, struct err *err)
{
	return sqlite3_exec(h->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(h, err);
}

/* The first column of the first row; 0 when there is none. */
static int ask_number(const struct history *h, const char *sql, int64_t *number, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(h->db, sql, -1, &statement, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	*number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	int result = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : failed(h, err);
	sqlite3_finalize(statement);
	return result;
}

/* --- opening --- */

/* Call it inside a transaction: another process may be making the tables. *empty: nothing was ever written to it. */
static int check_kind(const struct history *h, bool *empty, struct err *err)
{
	int64_t application = 0, version = 0, tables = 0;
	int result = ask_number(h, "PRAGMA application_id", &application, err);
	if (!result)
		result = ask_number(h, "PRAGMA user_version", &version, err);
	if (!result)
		result = ask_number(h, "SELECT count(*) FROM sqlite_master", &tables, err);
	if (result < 0)
		return result;
	*empty = !tables && !application && !version;
	if (*empty)
		return 0;
	if (application != APPLICATION_ID)
		return err_set(
		    err, TIDEMARK_ERR_NOT_TRACE, "'%s' is a database of another program, no history", h->path);
	if (version != SCHEMA_VERSION)
		return err_set(err, TIDEMARK_ERR_VERSION,
		    "the history '%s' has version %lld, and this Tidemark knows only %d; use the newer one", h->path,
		    (long long)version, SCHEMA_VERSION);
	return 0;
}

/* Damage is better found before anything is told, or added. */
static int check_whole(const struct history *h, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	bool whole = sqlite3_prepare_v2(h->db, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
	             sqlite3_step(statement) == SQLITE_ROW &&
	             !strcmp((const char *)sqlite3_column_text(statement, 0), "ok");
	int code = sqlite3_errcode(h->db) & 0xff;
	sqlite3_finalize(statement);
	if (whole)
		return 0;
	if (code == SQLITE_BUSY || code == SQLITE_NOMEM)
		return failed(h, err);
	return err_set(err, TIDEMARK_ERR_CORRUPT,
	    "the history '%s' is damaged; put a copy in its place, or begin a new one", h->path);
}

/* Make the tables, unless another process was faster. */
static int create(const struct history *h, struct err *err)
{
	char pragmas[128];
	bool empty = false;
	int result = execute(h, "BEGIN IMMEDIATE", err);
	if (result < 0)
		return result;
	result = check_kind(h, &empty, err);
	if (!result && empty) {
		sqlite3_snprintf(sizeof(pragmas), pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
		    APPLICATION_ID, SCHEMA_VERSION);
		result = execute(h, schema, err);
		if (!result)
			result = execute(h, pragmas, err);
	}
	if (!result)
		result = execute(h, "COMMIT", err);
	if (result < 0)
		sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
	return result;
}

static int open_file(struct history *h, enum history_mode mode, struct err *err)
{
	bool empty = false;
	int flags = mode == HISTORY_ADD ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	if (mode == HISTORY_READ && access(h->path, F_OK) < 0 && errno == ENOENT)
		return err_set(err, TIDEMARK_ERR_NOT_FOUND,
		    "there is no history '%s' yet; 'tidemark history add' makes one", h->path);
	if (sqlite3_open_v2(h->path, &h->db, flags, NULL) != SQLITE_OK)
		return failed(h, err);
	sqlite3_busy_timeout(h->db, WAIT_MS);
	int result = execute(h, "BEGIN", err);
	if (!result)
		result = check_kind(h, &empty, err);
	sqlite3_exec(h->db, "COMMIT", NULL, NULL, NULL);
	if (!result && empty && mode == HISTORY_READ)
		return err_set(err, TIDEMARK_ERR_NOT_FOUND, "the history '%s' is empty", h->path);
	if (!result && empty)
		result = create(h, err);
	return result < 0 ? result : check_whole(h, err);
}

int history_open(struct history **out, const char *path, enum history_mode mode, struct err *err)
{
	struct history *h = calloc(1, sizeof(*h));
	int result = h && (h->path = strdup(path)) ? open_file(h, mode, err) : err_memory(err);
	if (result < 0) {
		history_close(h);
		h = NULL;
	}
	*out = h;
	return result;
}

void history_close(struct history *h)
{
	if (!h)
		return;
	sqlite3_close(h->db);
	free(h->path);
	free(h);
}

/* --- adding --- */

static int finish(const struct history *h, sqlite3_stmt *statement, struct err *err)
{
	int result = statement && sqlite3_step(statement) == SQLITE_DONE ? 0 : failed(h, err);
	sqlite3_finalize(statement);
	return result;
}

static sqlite3_stmt *prepare(const struct history *h, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	return sqlite3_prepare_v2(h->db, sql, -1, &statement, NULL) == SQLITE_OK ? statement : NULL;
}

/* NULL for NULL; the texts outlive the statement. */
static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *statement, int at, double number)
{
	if (isfinite(number))
		sqlite3_bind_double(statement, at, number);
}

static int add_commit(const struct history *h, const struct history_commit *commit, struct err *err)
{
	sqlite3_stmt *s =
	    prepare(h, "INSERT INTO commits (id, time, place, subject) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING");
	bind_text(s, 1, commit->id);
	sqlite3_bind_int64(s, 2, commit->time);
	sqlite3_bind_int64(s, 3, commit->place);
	bind_text(s, 4, commit->subject);
	return finish(h, s, err);
}

static int add_figure(
    const struct history *h, int64_t run, size_t position, const struct history_figure *figure, struct err *err)
{
	sqlite3_stmt *s = prepare(
	    h, "INSERT INTO figures (run, position, metric, unit, value, low, high) VALUES (?, ?, ?, ?, ?, ?, ?)");
	sqlite3_bind_int64(s, 1, run);
	sqlite3_bind_int64(s, 2, (int64_t)position);
	bind_text(s, 3, figure->metric);
	bind_text(s, 4, figure->unit);
	sqlite3_bind_double(s, 5, figure->value);
	bind_number(s, 6, figure->low);
	bind_number(s, 7, figure->high);
	return finish(h, s, err);
}

static int add_run(const struct history *h, const struct history_commit *commit, const struct history_run *run,
    size_t *n_added, struct err *err)
{
	sqlite3_stmt *s = prepare(
	    h, "INSERT INTO runs (commit_id, benchmark, key, added) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING");
	bind_text(s, 1, commit->id);
	bind_text(s, 2, run->benchmark);
	bind_text(s, 3, run->key);
	sqlite3_bind_int64(s, 4, (int64_t)time(NULL));
	int result = finish(h, s, err);
	if (result < 0 || !sqlite3_changes(h->db))
		return result;
	int64_t id = sqlite3_last_insert_rowid(h->db);
	for (size_t i = 0; i < run->n_figures && !result; i++)
		if (isfinite(run->figures[i].value))
			result = add_figure(h, id, i, &run->figures[i], err);
	++*n_added;
	return result;
}

int history_add(struct history *h, const struct history_commit *commit, const struct history_run *runs, size_t n_runs,
    size_t *n_added, struct err *err)
{
	*n_added = 0;
	int result = execute(h, "BEGIN IMMEDIATE", err);
	if (result < 0)
		return result;
	result = add_commit(h, commit, err);
	for (size_t i = 0; i < n_runs && !result; i++)
		result = add_run(h, commit, &runs[i], n_added, err);
	if (!result)
		result = execute(h, "COMMIT", err);
	if (result < 0)
		sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
	return result;
}

/* --- reading --- */

static const char *text_at(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);
	return text ? text : "";
}

static double number_at(sqlite3_stmt *statement, int column)
{
	return sqlite3_column_type(statement, column) == SQLITE_NULL ? NAN : sqlite3_column_double(statement, column);
}

static struct history_row row_at(sqlite3_stmt *s)
{
	return (struct history_row){
	    .commit = {.id = text_at(s, 0),
	        .subject = text_at(s, 1),
	        .time = sqlite3_column_int64(s, 2),
	        .place = sqlite3_column_int64(s, 3)},
	    .benchmark = text_at(s, 4),
	    .run = sqlite3_column_int64(s, 5),
	    .added = sqlite3_column_int64(s, 6),
	    .figure = {.metric = text_at(s, 7),
	        .unit = text_at(s, 8),
	        .value = sqlite3_column_double(s, 9),
	        .low = number_at(s, 10),
	        .high = number_at(s, 11)},
	};
}

static const char select_rows[] = "SELECT c.id, c.subject, c.time, c.place, r.benchmark, r.id, r.added,"
                                  " f.metric, f.unit, f.value, f.low, f.high"
                                  " FROM runs r JOIN commits c ON c.id = r.commit_id JOIN figures f ON f.run = r.id"
                                  " WHERE (?1 IS NULL OR r.benchmark = ?1) AND (?2 IS NULL OR f.metric = ?2)"
                                  " ORDER BY r.benchmark, c.time, c.place, c.rowid, r.id, f.position";

int history_each(struct history *h, const char *benchmark, const char *metric,
    int (*visit)(void *arg, const struct history_row *row), void *arg, struct err *err)
{
	sqlite3_stmt *s = prepare(h, select_rows);
	bind_text(s, 1, benchmark);
	bind_text(s, 2, metric);
	int code = s ? SQLITE_ROW : SQLITE_ERROR, result = 0;
	while (!result && s && (code = sqlite3_step(s)) == SQLITE_ROW) {
		struct history_row row = row_at(s);
		result = visit(arg, &row);
	}
	if (!result && code != SQLITE_DONE)
		result = failed(h, err);
	sqlite3_finalize(s);
	return result;
}
