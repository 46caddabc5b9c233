#!/usr/bin/env bats
# tidemark ops: what operations leave behind, for people and for programs.

load common

# app MODE OPERATIONS: "get" keeps 100 bytes a time, "put" nothing, in turns; MODE changes that.
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    compile app -I"$ROOT/include" <<'END'
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <tidemark.h>
static void *kept[200000], *table;
static int n, n_kept;
static void *volatile sink;
static __attribute__((noinline)) void get(void) { kept[n_kept++] = malloc(100); }
static __attribute__((noinline)) void put(void) { sink = malloc(500); free(sink); }
static void request(int i)
{
    tidemark_op_begin(i % 2 ? "put" : "get");
    (i % 2 ? put : get)();
    tidemark_op_end();
}
static void nested(int i)
{
    (void)i;
    tidemark_op_begin("request");
    tidemark_op_begin("query");
    get();
    tidemark_op_end();
    tidemark_op_end();
}
static void *finisher(void *id) { tidemark_op_finish((uint64_t)id); return NULL; }
static void *worker(void *id) { get(); return finisher(id); }
static void worked_on(int i)
{
    (void)i;
    pthread_t thread;
    uint64_t id = tidemark_op_start("job");
    pthread_create(&thread, NULL, worker, (void *)id);
    pthread_join(thread, NULL);
}
static void handed_over(int i)
{
    (void)i;
    pthread_t thread;
    uint64_t id = tidemark_op_start("job");
    get();
    pthread_create(&thread, NULL, finisher, (void *)id);
    pthread_join(thread, NULL);
}
static void many(void (*one)(int)) { for (int i = 0; i < n; i++) one(i); }
int main(int argc, char **argv)
{
    n = atoi(argv[2]);
    table = malloc(1 << 20); /* before the first operation: no leak of theirs is that large */
    if (!strcmp(argv[1], "plain")) many(request);
    if (!strcmp(argv[1], "nested")) many(nested);
    if (!strcmp(argv[1], "session")) { tidemark_op_begin("session"); many(nested); }
    if (!strcmp(argv[1], "handed-over")) many(handed_over);
    if (!strcmp(argv[1], "stray")) { tidemark_op_end(); many(request); tidemark_op_begin("get"); }
    if (!strcmp(argv[1], "worked-on")) many(worked_on);
    if (!strcmp(argv[1], "at-exit")) { many(request); while (n_kept) free(kept[--n_kept]); }
    if (!strcmp(argv[1], "fork")) {
        pid_t child = fork();
        for (int i = 0; i < n; i++) { /* not a hundred within one step of the clock that orders two files */
            request(i);
            usleep(10);
        }
        if (!child) _exit(0);
        wait(NULL);
    }
    if (!strcmp(argv[1], "none")) for (int i = 0; i < n; i++) get();
    return argc == 4 ? raise(9) : 0;
}
END
    for mode in plain nested session handed-over worked-on at-exit fork none; do
        tidemark record -q -o "$mode.tmk" -- ./app "$mode" 4000
    done
    tidemark record -q -o few.tmk -- ./app plain 600
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return
}

ops() {
    tidemark ops --json "$@"
}

# entry FILTER FILE...: a part of the document; rates are rounded, because versions of jq print 5000 differently
entry() {
    local filter=$1
    shift
    ops "$@" | jq -c "walk(if type == \"number\" then round else . end) | $filter"
}

@test "a steady leak, exactly, with its stack, by name and in all" {
    assert_equal "$(entry '.total | [.name, .count, .batches, .class, .freed_at_exit]' plain.tmk)" '[null,4000,40,"steady",false]'
    assert_equal "$(entry '.total.leaked_bytes_per_100' plain.tmk)" '{"estimate":5000,"low":5000,"high":5000}'
    assert_equal "$(entry '[.operations[] | [.name, .count, .leaked_bytes_per_100.estimate, .class]]' plain.tmk)" \
        '[["get",2000,10000,"steady"],["put",2000,0,"none"]]'
    assert_equal "$(entry '.total.stacks[0] | [.frames[0].function, .bytes, .blocks, .first_operation, .suppressed_by]' plain.tmk)" \
        '["get",200000,2000,0,null]'
    assert_equal "$(entry '.total | [.detectable_bytes_per_100, .plain_bytes_per_100, .recent_bytes_per_100 > 0]' plain.tmk)" '[17,5000,true]'
}

@test "the text says what leaks, how much, from where" {
    run -0 tidemark ops plain.tmk
    [[ $output == *"4,000 operations completed"* ]]
    [[ $output =~ all\ +4,000\ +5.00\ kB\ +5.00\ kB\ to\ 5.00\ kB\ +steady ]]
    [[ $output == *"All operations: a leak of at least 5.00 kB per 100."* ]]
    [[ $output == *"5.00 kB per 100 in 50 blocks, steady"*"get at "*"[app]"* ]]
    [[ $output == *'Operation "get": a leak of at least'* ]]
    [[ $output != *'Operation "put"'* ]]
    table=$(sed -n '/^operation /,/^$/p' <<<"$output")
    assert_equal "$(wc -l <<<"$table") $(awk 'length > 80' <<<"$table")" "4 " # a terminal of 80 columns holds it
}

@test "nested operations: the inner one under its name, the outer one once; what never ends hides nothing" {
    for file in nested.tmk session.tmk; do
        assert_equal "$(entry '[.total.count, (.operations | sort_by(.name) | .[] | [.name, .count])]' "$file")" '[4000,["query",4000],["request",4000]]'
        assert_equal "$(entry '.operations | sort_by(.name) | map(.leaked_bytes_per_100.estimate)' "$file")" '[10000,0]'
    done
    assert_equal "$(entry .unfinished_operations session.tmk)" 1
}

@test "an operation that ends on another thread" {
    assert_equal "$(entry '.operations | map([.name, .count, .leaked_bytes_per_100.estimate])' handed-over.tmk)" '[["job",4000,10000]]'
}

@test "what other threads leave for an operation is the total's, and said" {
    assert_equal "$(entry '[.total.leaked_bytes_per_100.estimate, .operations[0].leaked_bytes_per_100.estimate]' worked-on.tmk)" '[10000,0]'
    said="come from no operation"
    tidemark ops worked-on.tmk | grep -q "^At least 10.0 kB of it $said"
    tidemark gate --op job=1kB worked-on.tmk | grep -q "^note: at least 10.0 kB per 100 operations $said of any name: .*--leak-per-100-ops"
    run -1 tidemark gate --op job=1kB --leak-per-100-ops 1kB worked-on.tmk
    [[ $output != *"$said"* ]]
    for file in plain handed-over; do
        run tidemark gate --op get=1MB --op job=1MB $file.tmk
        [[ $output$(tidemark ops $file.tmk) != *"$said"* ]]
    done
}

@test "freed after the last operation is a leak, and said" {
    assert_equal "$(entry '[.total.leaked_bytes_per_100.estimate, .total.freed_at_exit, .total.stacks[0].freed_at_exit]' at-exit.tmk)" '[5000,true,true]'
    run -0 tidemark ops at-exit.tmk
    [[ $output == *"steady, freed at exit"* ]]
}

@test "processes of one session: what any of them completed counts, and the same stack is one" {
    assert_equal "$(entry '[.total.count, (.recordings | length)]' fork.tmk fork.tmk.*)" '[8000,2]'
    assert_equal "$(entry '.total.stacks[0] | [.frames[0].function, .blocks]' fork.tmk fork.tmk.*)" '["get",4000]'
    rate=$(entry '.total.leaked_bytes_per_100.estimate' fork.tmk fork.tmk.*)
    awk "BEGIN { exit !($rate > 4900 && $rate < 5100) }"
    child=$(echo fork.tmk.*)
    assert_equal "$(ops fork.tmk fork.tmk.* | jq -c '[.others_of_session, .warnings]')" '[[],[]]'
    assert_equal "$(ops fork.tmk | jq -c .others_of_session)" "[\"$child\"]"
    tidemark ops fork.tmk | grep -qx "WARNING: beside 'fork.tmk' the same session left 1 more recording, not given: '$child'"
    tidemark summary fork.tmk | grep -qx "its session left 1 more recording beside it: '$child'"
    tidemark leaks fork.tmk | grep -qx "its session left 1 more recording beside it: '$child'"
    assert_equal "$(tidemark summary --json "$child" | jq -c .recording.others_of_session)" '["fork.tmk"]'
    run -2 tidemark ops plain.tmk nested.tmk
    assert_equal "$output" "tidemark: 'plain.tmk' and 'nested.tmk' are of different sessions"
    run -2 tidemark ops plain.tmk plain.tmk
    assert_equal "$output" "tidemark: 'plain.tmk' and 'plain.tmk' are the same recording"
}

@test "workers one after the other: neither what they set up nor what they had in hand when they ended is left by operations" {
    compile workers -I"$ROOT/include" <<'END'
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <tidemark.h>
static void *volatile sink;
static __attribute__((noinline)) void set_up(void) { for (int i = 0; i < 20; i++) sink = malloc(5000); }
static __attribute__((noinline)) void respond(void) { void *old = sink; sink = malloc(20000); free(old); }
static __attribute__((noinline)) void leak(void) { sink = malloc(100); }
int main(int argc, char **argv)
{
    for (int k = 0; k < 10; k++) {
        if (fork() == 0) {
            set_up();
            sink = NULL;
            for (int i = 0; i < 300; i++) {
                tidemark_op_begin("request");
                (strcmp(argv[argc - 1], "leak") ? respond : leak)();
                tidemark_op_end();
            }
            _exit(0);
        }
        wait(NULL);
    }
}
END
    tidemark record -q -o workers.tmk -- ./workers
    assert_equal "$(entry '.total | [.count, .leaked_bytes_per_100, .recent_bytes_per_100]' workers.tmk workers.tmk.*)" \
        '[3000,{"estimate":0,"low":0,"high":0},0]'
    run -0 tidemark gate --leak-per-100-ops 1kB workers.tmk workers.tmk.*
    tidemark record -q -o leaking.tmk -- ./workers leak
    assert_equal "$(entry '.total.leaked_bytes_per_100' leaking.tmk leaking.tmk.*)" '{"estimate":10000,"low":10000,"high":10000}'
}

@test "what the C library allocates once counts nowhere, what it allocates again and again does" {
    compile late -I"$ROOT/include" <<'END'
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <tidemark.h>
static volatile FILE *file;
int main(int argc, char **argv)
{
    for (int i = 0; i < 3000; i++) {
        tidemark_op_begin("request");
        if (i == 1800) {
            puts("late");
            getpwnam("root");
            setlocale(LC_ALL, "C.UTF-8");
        }
        if (argc > 1 && i % 10 == 0)
            fputs("again", (FILE *)(file = fopen("/dev/null", "w")));
        tidemark_op_end();
    }
    (void)argv;
    return 0;
}
END
    tidemark record -q -o late.tmk -- ./late >printed
    assert_equal "$(entry '.total | [.leaked_bytes_per_100, .recent_bytes_per_100, .class]' late.tmk)" '[{"estimate":0,"low":0,"high":0},0,"none"]'
    run -0 tidemark gate --leak-per-100-ops 0 late.tmk
    tidemark record -q -o files.tmk -- ./late again >printed
    assert_equal "$(entry '.total.stacks[] | select(.runtime and .class == "steady") | .blocks' files.tmk)" 300
    run -1 tidemark gate --leak-per-100-ops 10kB files.tmk
}

@test "suppressed leaks are in no rate, and said" {
    echo 'leak:^get$' >known.txt
    assert_equal "$(entry '.total | [.leaked_bytes_per_100.estimate, .suppressed_bytes_per_100, .stacks[-1].suppressed_by]' --suppressions known.txt plain.tmk)" \
        '[0,5000,"^get$"]'
    run -0 tidemark ops --suppressions known.txt plain.tmk
    [[ $output == *"Suppressed, and not counted: 5.00 kB per 100."* ]]
    [[ $output == *"suppressed by leak:^get\$ (known.txt)"* ]]
}

@test "too few operations, and none" {
    assert_equal "$(entry '.total | [.count, .leaked_bytes_per_100, .class]' few.tmk)" '[600,{"estimate":0,"low":0,"high":null},"none"]'
    assert_equal "$(entry '.total.stacks[] | select(.frames[0].function == "get") | [.bytes_per_100, .plain_bytes_per_100, .blocks]' few.tmk)" \
        '[0,5000,300]'
    run -0 tidemark ops few.tmk
    [[ $output == *"600 are too few to tell a leak"*"Growth since the warm-up: 5.00 kB per 100."*"About 3,000 operations would tell."* ]]
    assert_equal "$(entry '[.total.count, .operations]' none.tmk)" '[0,[]]'
    run -0 tidemark ops none.tmk
    [[ $output == *"0 operations completed"*"tidemark_op_begin()"*"tidemark mark PID NAME --ops N"* ]]
}

@test "beginnings without ends, and ends without beginnings" {
    tidemark record -q -o stray.tmk -- ./app stray 10
    run -0 tidemark ops stray.tmk
    assert_equal "$(head -n 2 <<<"$output")" "WARNING: operations that began and never ended, and so do not count: 1
WARNING: ends of operations that had never begun, and so do not count: 1"
    [[ $output == *"10 operations completed"* ]]
}

@test "a recording that is cut off counts up to there" {
    head -c $(($(stat -c %s plain.tmk) - 60)) plain.tmk >cut.tmk
    run -4 --separate-stderr tidemark ops --strict --json cut.tmk
    assert_equal "$(jq -c '[.complete, .warnings[0]]' <<<"$output" | cut -c 1-31)" '[false,"'"'"'cut.tmk'"'"' is incomplete'
    run -0 tidemark ops cut.tmk
    [[ $output == "WARNING: 'cut.tmk' is incomplete"* ]]
    mv cut.tmk $'cut\e[31m.tmk'
    run -0 tidemark ops $'cut\e[31m.tmk'
    [[ $output == "WARNING: 'cut?[31m.tmk' is incomplete"* ]]
}

@test "marks from outside tell operations" {
    compile server <<'END'
#include <stdlib.h>
#include <unistd.h>
int main(void)
{
    char c;
    while (read(0, &c, 1) == 1) {
        for (int i = 0; i < 100; i++)
            if (!malloc(80)) return 1;
        if (write(1, &c, 1) != 1) return 1;
    }
    return 0;
}
END
    mkfifo in out
    tidemark record -q -o marks.tmk -- ./server <in >out 3>&- &
    exec 5>in 6<out
    wait_until test -s marks.tmk
    for i in {1..30}; do
        printf x >&5
        read -r -n 1 -u 6
        tidemark mark marks.tmk load --ops 100
    done
    exec 5>&-
    wait
    exec 6<&-
    assert_equal "$(entry '[.total.count, .total.batches, .total.leaked_bytes_per_100.estimate, .operations[0].name, .operations[0].leaked_bytes_per_100.estimate]' marks.tmk)" \
        '[3000,30,8000,"load",8000]'
}

@test "usage" {
    run -2 tidemark ops
    assert_equal "$output" "tidemark: no recording named; see tidemark ops --help"
    run -2 tidemark ops missing.tmk
    assert_equal "$output" "tidemark: cannot open 'missing.tmk': No such file or directory"
}
