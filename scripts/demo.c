/* An order book on SQLite, for `make demo`: it fills a database, then answers requests. One kind of request loses a
 * little memory each time, as real programs do; the report shows where.
 * usage: demo DATABASE ORDERS REQUESTS */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "tidemark.h"

static void check(int status, sqlite3 *db, const char *what)
{
	if (status == SQLITE_OK || status == SQLITE_DONE || status == SQLITE_ROW)
		return;
	fprintf(stderr, "demo: %s: %s\n", what, sqlite3_errmsg(db));
	exit(1);
}

/* The minimal standard generator of Park and Miller: the same orders every time. */
static unsigned next_random(unsigned *seed)
{
	*seed = (unsigned)((unsigned long long)*seed * 16807 % 2147483647);
	return *seed;
}

static void fill(sqlite3 *db, int n_orders)
{
	sqlite3_stmt *insert;
	unsigned seed = 42;
	check(sqlite3_exec(db, "drop table if exists orders; create table orders(id integer primary key, customer int, cents int);"
			       "create index by_customer on orders(customer); begin",
		  NULL, NULL, NULL), db, "create");
	check(sqlite3_prepare_v2(db, "insert into orders(customer, cents) values(?, ?)", -1, &insert, NULL), db, "insert");
	for (int i = 0; i < n_orders; i++) {
		sqlite3_bind_int(insert, 1, (int)(next_random(&seed) % 500));
		sqlite3_bind_int(insert, 2, (int)(next_random(&seed) % 100000));
		check(sqlite3_step(insert), db, "insert");
		sqlite3_reset(insert);
	}
	sqlite3_finalize(insert);
	check(sqlite3_exec(db, "commit", NULL, NULL, NULL), db, "commit");
}

/* A label for the customer's page. The caller must free it with sqlite3_free. */
static char *make_label(int customer, long long cents)
{
	return sqlite3_mprintf("customer %03d: %lld.%02d", customer, cents / 100, (int)(cents % 100));
}

static long long answer(sqlite3 *db, int customer)
{
	sqlite3_stmt *query;
	long long cents = 0;
	check(sqlite3_prepare_v2(db, "select sum(cents), count(*) from orders where customer = ?", -1, &query, NULL), db, "query");
	sqlite3_bind_int(query, 1, customer);
	if (sqlite3_step(query) == SQLITE_ROW)
		cents = sqlite3_column_int64(query, 0);
	sqlite3_finalize(query);
	char *label = make_label(customer, cents);
	if (customer % 10 == 0)
		return (long long)label[0] + cents; /* the leak: this way out forgets the label */
	sqlite3_free(label);
	return cents;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return fprintf(stderr, "usage: demo DATABASE ORDERS REQUESTS\n"), 2;
	sqlite3 *db;
	long long sum = 0;
	check(sqlite3_open(argv[1], &db), db, "open");
	fill(db, atoi(argv[2]));
	tidemark_mark("filled");
	for (int i = 0; i < atoi(argv[3]); i++) {
		tidemark_op_begin("answer");
		sum += answer(db, i % 500);
		tidemark_op_end();
	}
	tidemark_mark("answered");
	printf("%d requests, checksum %lld\n", atoi(argv[3]), sum);
	sqlite3_close(db);
	return 0;
}
