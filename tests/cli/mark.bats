#!/usr/bin/env bats
# tidemark mark: a mark from outside, into a recording that runs.

load common

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    compile service <<'END'
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static volatile sig_atomic_t step;
static void count(int n) { (void)n; step++; }
int main(void)
{
    static void *keep[3];
    signal(SIGUSR1, count);
    for (int i = 0; i < 3; i++) {
        keep[i] = malloc(1000 * (i + 1));
        if (i == 0) {
            int fd = open("ready.new", O_CREAT | O_WRONLY, 0600);
            dprintf(fd, "%d", (int)getpid());
            close(fd);
            rename("ready.new", "ready");
        }
        while (step <= i)
            usleep(10000);
    }
    return 0;
}
END
}

# The service allocates 1000, 2000 and 3000 bytes, one more at each SIGUSR1, and ends at the third.
start() {
    "$@" >out 2>err 3>&- 4>&- & # 3 and 4 are bats' own: a service that survives a failure must not hold them
    starter=$!
    wait_until test -e ready
}

teardown() {
    if [ -s ready ]; then kill -KILL "$(cat ready)" 2>/dev/null || true; fi
}

finish() {
    local i
    for i in 1 2 3; do
        kill -USR1 "$service" 2>/dev/null || true
        sleep 0.1
    done
    wait $starter
}

@test "by process: the mark stands where it was put" {
    start tidemark record -o x.tmk -- ./service
    service=$(cat ready)
    tidemark mark "$service" before
    kill -USR1 "$service"
    sleep 0.2
    tidemark mark "$service" 'after the second'
    finish
    run tidemark summary --json x.tmk
    tidemark dump x.tmk | grep mark
    run tidemark diff --from before --to 'after the second' --json x.tmk
    assert_equal "$status" 0
    run tidemark leaks --from before --to 'after the second' --json x.tmk
    assert_equal "$(jq .program_bytes <<<"$output")" 2000
}

@test "by trace file, with operations" {
    start tidemark record -o x.tmk -- ./service
    service=$(cat ready)
    wait_until test -s x.tmk
    run tidemark mark --ops 250 x.tmk requests
    assert_equal "$status$output" 0
    finish
    tidemark dump --events x.tmk | grep -w mark | grep -w 250
}

@test "by a trace file that is yet to appear" {
    start tidemark record -o x.tmk -- ./service
    service=$(cat ready)
    run tidemark mark x.tmk early
    assert_equal "$status$output" 0
    finish
    tidemark dump x.tmk | grep -w early
}

@test "by process, when only the environment started the recording" {
    [[ $BUILD != *[\ :]* ]] || skip "LD_PRELOAD cannot name $BUILD"
    start env LD_PRELOAD="$BUILD/libtidemark.so" TIDEMARK_OUTPUT=x.tmk ./service
    service=$(cat ready)
    run tidemark mark "$service" 'from outside'
    assert_equal "$status$output" 0
    finish
    tidemark dump x.tmk | grep 'from outside'
}

@test "by a child's process id, into the child's trace" {
    start tidemark record -o x.tmk -- sh -c './service; exit 0'
    service=$(cat ready)
    run tidemark mark "$service" inner
    assert_equal "$status$output" 0
    finish
    tidemark dump x.tmk."$service" | grep inner
    run ! grep inner <(tidemark dump x.tmk)
}

@test "a process that is not recorded, or not there" {
    sleep 100 3>&- 4>&- &
    run tidemark mark $! name
    assert_equal "$status $output" "2 tidemark: process $! is not being recorded by this user"
    kill $!
    wait $! || true
    run tidemark mark $! name
    assert_equal "$status $output" "2 tidemark: no process $!"
    run tidemark mark 0 name
    assert_equal "$status $output" "2 tidemark: '0' is no process"
}

@test "a file that is no running recording" {
    run tidemark mark none.tmk name
    assert_equal "$status $output" "2 tidemark: cannot open 'none.tmk': No such file or directory"
    echo text >text.tmk
    run tidemark mark text.tmk name
    assert_equal "$status $output" "2 tidemark: 'text.tmk' is no trace"
    tidemark record -q -o x.tmk -- true
    run tidemark mark x.tmk name
    assert_equal "$status $output" "2 tidemark: the recording of 'x.tmk' is over"
}

@test "wrong usage" {
    run tidemark mark 1
    assert_equal "$status $output" "2 tidemark: mark needs a process or a trace, and a name; see tidemark mark --help"
    run tidemark mark 1 ''
    assert_equal "$status $output" "2 tidemark: a mark needs a name"
    run tidemark mark 1 "$(printf '%256s' x)"
    assert_equal "$status $output" "2 tidemark: the mark's name is longer than 255 bytes"
    run tidemark mark --ops 0 1 name
    assert_equal "$status" 2
    run tidemark mark --help
    assert_equal "$status ${lines[0]}" "0 usage: tidemark mark [OPTION...] PID|FILE NAME"
}
