#!/usr/bin/env bats
# tidemark record: the program runs as if nobody stood between, and the trace lies where it should.

load common

# --- exit status and signals ---

@test "the exit status is the program's" {
    for status in 0 1 2 42 125 126 127 128 255; do
        run "-$status" tidemark record -q -o x.tmk -- sh -c "exit $status"
        assert_equal "$output" ""
    done
}

@test "the program's signal is raised again, without a second core dump" {
    for signal in SEGV ABRT KILL TERM PIPE USR1 HUP QUIT; do
        run --separate-stderr python3 -c '
import os, signal, subprocess, sys
number = getattr(signal, "SIG" + sys.argv[1])
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
pid = os.spawnvp(os.P_NOWAIT, "tidemark", ["tidemark", "record", "-q", "-o", "x.tmk", "--", "sh", "-c", f"kill -{sys.argv[1]} $$; sleep 9"])
status = os.waitpid(pid, 0)[1]
assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == number and not os.WCOREDUMP(status), status
' "$signal"
        assert_equal "$status$output$stderr" 0
    done
}

@test "signals sent to record reach the program, each once" {
    cat >counter.py <<'END'
import signal, sys, time
seen = {}
def count(number, frame):
    seen[number] = seen.get(number, 0) + 1
for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "ALRM"):
    signal.signal(getattr(signal, "SIG" + name), count)
signal.signal(signal.SIGRTMIN + 3, count)
open("ready", "w").close()
while signal.SIGTERM not in seen:
    time.sleep(0.02)
time.sleep(0.1)
print(" ".join(f"{int(number)}:{times}" for number, times in sorted(seen.items())))
sys.exit(7)
END
    tidemark record -q -o x.tmk -- python3 counter.py >seen 3>&- 4>&- &
    pid=$!
    wait_until test -e ready
    for signal in HUP INT QUIT USR1 USR2 WINCH ALRM RTMIN+3; do kill -"$signal" $pid; done
    sleep 0.2
    kill -TERM $pid
    wait $pid || status=$?
    assert_equal "$status $(cat seen)" "7 1:1 2:1 3:1 10:1 12:1 14:1 15:1 28:1 37:1"
}

@test "a signal that the program sends to its whole group reaches it once" {
    setsid tidemark record -q -o x.tmk -- python3 -c '
import os, signal, time
n = []
signal.signal(signal.SIGUSR1, lambda *a: n.append(1))
os.kill(0, signal.SIGUSR1)
time.sleep(0.3)
print(len(n))' >seen
    assert_equal "$(cat seen)" 1
}

@test "a signal sent to the group from outside reaches the program once, and record survives it" {
    setsid tidemark record -o x.tmk -- python3 -c '
import signal, time
seen = []
for name in ("INT", "QUIT", "TERM", "USR1", "CONT", "HUP"):
    signal.signal(getattr(signal, "SIG" + name), lambda number, frame: seen.append(int(number)))
open("ready", "w").close()
while seen[-2:] != [1, 10]:
    time.sleep(0.02)
print(*seen)' >out 2>err &
    pid=$!
    wait_until test -e ready
    for signal in INT QUIT TERM USR1 CONT INT HUP; do
        kill -"$signal" -- -$pid
        sleep 0.1
        kill -USR1 $pid # to record alone, in between
        sleep 0.1
    done
    wait $pid
    assert_equal "$(cat out)" "2 10 3 10 15 10 10 10 18 10 2 10 1 10"
    grep "^tidemark: trace in 'x.tmk'" err
}

@test "several signals sent to the group at once reach the program once each" {
    setsid tidemark record -q -o x.tmk -- python3 -c '
import signal, time
seen = []
for name in ("HUP", "INT", "QUIT", "USR1", "USR2", "TERM"):
    signal.signal(getattr(signal, "SIG" + name), lambda number, frame: seen.append(int(number)))
open("ready", "w").close()
end = time.monotonic() + 1
while time.monotonic() < end:
    time.sleep(0.02)
print(*sorted(seen))' >out &
    pid=$!
    wait_until test -e ready
    perl -e 'kill $_, -$ARGV[0] for qw(TERM USR2 USR1 QUIT INT HUP)' $pid
    wait $pid
    assert_equal "$(cat out)" "1 2 3 10 12 15"
}

@test "killing record kills the program" {
    tidemark record -q -o x.tmk -- sh -c 'echo $$ >pid; exec sleep 100' 3>&- 4>&- &
    wait_until test -s pid
    kill -KILL $!
    wait_until eval '! kill -0 $(cat pid) 2>/dev/null || grep -q "^State:.Z" /proc/$(cat pid)/status'
}

@test "an alarm set before reaches the program" {
    run perl -e 'alarm 1; exec @ARGV' tidemark record -q -o x.tmk -- sleep 60
    assert_equal "$status" 142
}

@test "job control, as a shell and its terminal see it" {
    run python3 "$BATS_TEST_DIRNAME/job_control.py" "$BUILD/tidemark"
    echo "$output"
    assert_equal "$status" 0
}

@test "a program that is stopped and continued by its own pid runs on" {
    tidemark record -q -o x.tmk -- sh -c 'echo $$ >pid; sleep 0.7' 3>&- 4>&- &
    pid=$!
    wait_until test -s pid
    kill -STOP "$(cat pid)"
    wait_until grep -q '^State:.T' /proc/$pid/status
    kill -CONT "$(cat pid)"
    wait $pid
}

# --- what the program inherits ---

@test "descriptors, mask, dispositions, group, limits and environment are the caller's" {
    cp "$BATS_TEST_DIRNAME/state.py" .
    exec 7</dev/null
    ./state.py >bare
    tidemark record -q -o x.tmk -- ./state.py >recorded
    diff <(sed "s, $PWD/bare$, out," bare) <(sed "s, $PWD/recorded$, out," recorded)
    perl -e '
use POSIX;
$SIG{$_} = "IGNORE" for qw(INT CHLD USR1 TSTP);
sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR2, SIGTERM, SIGCONT));
exec "./state.py >bare; tidemark record -q -o x.tmk -- ./state.py >recorded"'
    diff <(sed "s, $PWD/bare$, out," bare) <(sed "s, $PWD/recorded$, out," recorded)
}

@test "closed standard streams stay closed" {
    compile list <<'END'
#include <fcntl.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    char text[64];
    int n = 0;
    for (int fd = 0; fd < 20; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            n += snprintf(text + n, sizeof(text) - n, "%d ", fd);
    FILE *file = fopen(argv[1], "w");
    return argc != 2 || !file || fprintf(file, "%s\n", text) < 0 || fclose(file);
}
END
    for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
        eval "./list bare $closed"
        eval "tidemark record -q -o x.tmk -- ./list recorded $closed"
        assert_equal "$(cat recorded)" "$(cat bare)"
    done
}

@test "an ignored SIGCHLD does not lose the status" {
    run perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' tidemark record -q -o x.tmk -- sh -c 'exit 9'
    assert_equal "$status" 9
}

@test "standard input, output and error go through untouched" {
    head -c 300000 /dev/urandom >in
    tidemark record -q -o x.tmk -- sh -c 'cat; echo message >&2' <in >out 2>err
    cmp in out
    assert_equal "$(cat err)" message
}

@test "input that the program leaves is left to the next one" {
    result=$(printf 'one\ntwo\n' | { tidemark record -q -o x.tmk -- sh -c 'read a; echo $a'; cat; })
    assert_equal "$result" $'one\ntwo'
}

@test "what the caller preloads comes after the library" {
    ours=$(tidemark record -q -o x.tmk -- sh -c 'echo $LD_PRELOAD')
    assert_equal "$(realpath "$ours")" "$(realpath "$BUILD/libtidemark.so")"
    run env LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libm.so.6 tidemark record -q -o x.tmk -- sh -c 'echo $LD_PRELOAD'
    assert_equal "$output" "$ours:/usr/lib/x86_64-linux-gnu/libm.so.6"
}

@test "a copy of the library that the caller preloads keeps out" {
    cp "$BUILD/libtidemark.so" other.so
    mkdir traces
    LD_PRELOAD="$PWD/other.so" tidemark record -q -o traces/x.tmk -- sort /dev/null
    assert_equal "$(ls traces)" x.tmk
    [ "$(value allocations traces/x.tmk)" -gt 0 ]
}

@test "what a service manager addresses to the process reaches the program" {
    run sh -c 'LISTEN_PID=$$ WATCHDOG_PID=1 exec tidemark record -q -o x.tmk -- sh -c "echo \$((LISTEN_PID - \$\$)) \$WATCHDOG_PID"'
    assert_equal "$output" "0 1"
}

@test "a process that becomes another a hundred times over" {
    echo '[ "$1" = 100 ] && exit 7; exec sh "$0" $(($1 + 1))' >chain.sh
    run -7 timeout 60 tidemark record -o x.tmk -- sh chain.sh 0
    assert_equal "$output" "tidemark: trace in 'x.tmk', and 100 of the process's earlier images beside it"
}

@test "options reach the library by its variables" {
    run tidemark record -q -o x.tmk --depth 17 --no-children --mmap -- sh -c 'echo $TIDEMARK_DEPTH ${TIDEMARK_CHILDREN%%:*} $TIDEMARK_MMAP'
    assert_equal "$output" "17 0 1"
    run env TIDEMARK_DEPTH=33 tidemark record -q -o x.tmk -- sh -c 'echo $TIDEMARK_DEPTH'
    assert_equal "$output" 33
}

@test "nothing of the recording is left running" {
    tidemark record -q -o x.tmk -- true
    wait_until eval '! grep -q "@tidemark-$(id -u)-" /proc/net/unix || ! pgrep -u "$(id -u)" -f "tidemark-collector.*$PWD"'
}

# --- which program ---

@test "a program is found by PATH, as execvp does" {
    mkdir -p a b
    printf '#!/bin/sh\necho in b\n' >b/prog
    echo text >a/prog
    chmod +x b/prog
    run env PATH="$PWD/a:$PWD/b:$PATH" tidemark record -q -o x.tmk -- prog
    assert_equal "$output" "in b"
    run env -u PATH "$BUILD/tidemark" record -q -o x.tmk -- sh -c 'echo $0'
    assert_equal "$output" sh
}

@test "a script without #! is run by sh" {
    echo 'echo "script $1"; exit 5' >script
    chmod +x script
    run tidemark record -q -o x.tmk -- ./script word
    assert_equal "$status $output" "5 script word"
}

@test "what is not there: 127" {
    run -127 tidemark record -- no-such-program
    assert_equal "$status $output" "127 tidemark: cannot find 'no-such-program' in PATH"
    run -127 tidemark record -- ./no-such-program
    assert_equal "$status $output" "127 tidemark: cannot run './no-such-program': No such file or directory"
    printf '#!/no/such/interpreter\n' >script
    chmod +x script
    run -127 tidemark record -- ./script
    assert_equal "$status $output" "127 tidemark: cannot run './script': its interpreter '/no/such/interpreter' does not exist"
}

@test "what cannot be run: 126" {
    run tidemark record -- /
    assert_equal "$status $output" "126 tidemark: cannot run '/': Is a directory"
    echo text >text
    run tidemark record -- ./text
    assert_equal "$status $output" "126 tidemark: cannot run './text': Permission denied"
    printf '\x7fELF\0garbage' >text
    chmod +x text
    run tidemark record -- ./text
    assert_equal "$status $output" "126 tidemark: cannot run './text': Exec format error"
}

@test "wrong usage: 125" {
    run tidemark record
    assert_equal "$status $output" "125 tidemark: record needs a command; see tidemark record --help"
    run tidemark record --nonsense -- true
    assert_equal "$status $output" "125 tidemark: unknown option '--nonsense'; see tidemark record --help"
    run tidemark record --depth 3 -- true
    assert_equal "$status $output" "125 tidemark: '3' is no number from 4 to 4096 for --depth"
    run tidemark record -o '' -- true
    assert_equal "$status $output" "125 tidemark: -o needs the name of a file"
}

# refused PROGRAM REASON: at once, 125, in words, and without having run it
refused() {
    rm -f ran
    run tidemark record -- "$1"
    assert_equal "$status $output" "125 tidemark: cannot record $2"
    [ ! -e ran ]
}

RAN='#include <fcntl.h>
#include <stdlib.h>
int main(void) { free(malloc(3)); return open("ran", O_CREAT | O_WRONLY, 0600) < 0; }'

@test "statically linked programs are refused" {
    compile static -static <<<"$RAN"
    compile pie -static-pie <<<"$RAN"
    refused ./static "'./static': it is statically linked, so that no library can be preloaded; link it dynamically"
    refused ./pie "'./pie': it is statically linked, so that no library can be preloaded; link it dynamically"
    printf '#!%s\n' "$PWD/static" >script
    printf '#!/usr/bin/env -S A=b ./static -x\n' >through-env
    chmod +x script through-env
    refused ./script "'./script', run by '$PWD/static': it is statically linked, so that no library can be preloaded; link it dynamically"
    refused ./through-env "'./through-env', run by './static': it is statically linked, so that no library can be preloaded; link it dynamically"
}

@test "privileged programs are refused" {
    compile program <<<"$RAN"
    chmod u+s program
    refused ./program "'./program': it is setuid, and the loader ignores LD_PRELOAD for such programs; record a copy without privileges"
    chmod u-s,g+s program
    refused ./program "'./program': it is setgid, and the loader ignores LD_PRELOAD for such programs; record a copy without privileges"
    chmod g-s program
    if PATH=$PATH:/sbin:/usr/sbin setcap cap_net_raw+ep program 2>/dev/null; then
        refused ./program "'./program': it is given file capabilities, and the loader ignores LD_PRELOAD for such programs; record a copy without privileges"
    fi
}

@test "programs built with a sanitizer are refused" {
    compile program -fsanitize=address <<<"$RAN"
    refused ./program "'./program': it is built with AddressSanitizer, which replaces malloc itself; build it without"
    compile program -fsanitize=thread <<<"$RAN"
    refused ./program "'./program': it is built with ThreadSanitizer, which replaces malloc itself; build it without"
    compile program -fsanitize=leak <<<"$RAN"
    refused ./program "'./program': it is built with LeakSanitizer, which replaces malloc itself; build it without"
    compile program -fsanitize=undefined <<<"$RAN"
    tidemark record -q -o x.tmk -- ./program
}

@test "clang's sanitizers are refused too" {
    command -v clang >/dev/null || skip "no clang"
    for kind in address:AddressSanitizer thread:ThreadSanitizer memory:MemorySanitizer; do
        CC=clang compile program -fsanitize=${kind%:*} <<<"$RAN" || skip "clang has no ${kind#*:}"
        refused ./program "'./program': it is built with ${kind#*:}, which replaces malloc itself; build it without"
    done
}

OWN='static char room[1 << 20]; static unsigned long used;
void *malloc(unsigned long n) { void *p = room + used; used += (n + 15) & ~15ul; return p; }
void free(void *p) { (void)p; }
void *calloc(unsigned long a, unsigned long b) { return malloc(a * b); }
void *realloc(void *p, unsigned long n) { (void)p; return malloc(n); }
int main(void) { return !malloc(3); }'

@test "programs with a malloc of their own are refused" {
    local words="it is built with a malloc of its own, which comes before any preloaded one; link its allocator as a shared library, or use the system's"
    compile exported <<<"$OWN"
    refused ./exported "'./exported': $words"
    compile hidden -fvisibility=hidden <<<"$OWN"
    refused ./hidden "'./hidden': $words"
    if [ -e /usr/lib/x86_64-linux-gnu/libjemalloc.a ]; then
        compile jemalloc -l:libjemalloc.a -lm -pthread -lstdc++ <<<"$RAN"
        refused ./jemalloc "'./jemalloc': $words"
    fi
}

@test "programs for another machine are refused" {
    cp /bin/true program
    printf '\x01' | dd of=program bs=1 seek=4 conv=notrunc status=none
    refused ./program "'./program': it is a 32-bit program; this tidemark records 64-bit x86-64 programs only"
    cp /bin/true program
    printf '\xb7' | dd of=program bs=1 seek=18 conv=notrunc status=none
    refused ./program "'./program': it is built for another architecture; this tidemark records 64-bit x86-64 programs only"
}

@test "programs linked with musl are refused" {
    command -v musl-gcc >/dev/null || skip "no musl-gcc"
    CC=musl-gcc compile program <<<"$RAN"
    refused ./program "'./program': it is linked with musl, and the library needs glibc; build it for glibc"
}

@test "the loader itself can be recorded" {
    tidemark record -q -o x.tmk -- /lib64/ld-linux-x86-64.so.2 /bin/true
}

@test "a program behind a wrapper that cannot be recorded runs unharmed" {
    compile static -static <<<"$RAN"
    tidemark record -q -o x.tmk -- env -i ./static
    [ -e ran ]
    tidemark summary x.tmk # of env
}

@test "a program that goes on as one that cannot be recorded ends there, and record says so" {
    compile static -static <<<'#include <unistd.h>
int main(void) { usleep(300000); return 3; }'
    for how in 'exec ./static' 'exec env -i ./static'; do
        run tidemark record -o x.tmk -- sh -c "$how"
        assert_equal "$status" 3
        assert_equal "${lines[0]}" "tidemark: the process became another program (exec), which could not be recorded"
        run tidemark summary x.tmk
        [[ "$output" == *"; the process became another program (exec)"$'\n'* ]]
    done
    tidemark summary x.tmk.exec0 | grep -qF 'the process became another program (exec), which has a recording of its own'
}

# --- where the trace lies ---

@test "the default name is of program and process" {
    run tidemark record -- sh -c 'echo $$'
    pid=${lines[0]}
    assert_equal "${lines[1]}" "tidemark: trace in 'tidemark.$(basename "$(realpath /bin/sh)").$pid.tmk'"
    assert_equal "$(echo *.tmk)" "tidemark.$(basename "$(realpath /bin/sh)").$pid.tmk"
}

@test "a relative name lies where record was started" {
    mkdir -p there
    run tidemark record -o there/x.tmk -- sh -c 'cd /; true'
    assert_equal "$output" "tidemark: trace in 'there/x.tmk'"
    tidemark summary there/x.tmk
}

@test "TIDEMARK_OUTPUT names the trace where no option does" {
    TIDEMARK_OUTPUT=env.%p.tmk tidemark record -q -- true
    [ "$(ls -1 | grep -c '^env\.[0-9]*\.tmk$')" -eq 1 ]
    TIDEMARK_OUTPUT=env2.tmk tidemark record -q -o option.tmk -- true
    [ -e option.tmk ] && [ ! -e env2.tmk ]
}

@test "a named trace is the last image's, and replaced; default names are not" {
    tidemark record -q -o x.tmk -- sh -c 'exec cat /dev/null'
    assert_equal "$(tidemark dump x.tmk | grep -c 'cat')" "$(tidemark dump x.tmk | grep -c 'cat')"
    [ -e x.tmk ] && [ -e x.tmk.exec0 ]
    before=$(stat -c %i x.tmk)
    tidemark record -q -o x.tmk -- true
    tidemark dump x.tmk | grep -q true
}

@test "each child has a trace of its own, unless children are not wanted" {
    tidemark record -q -o x.tmk -- sh -c '(exit 0); /bin/echo; exit 3' || [ $? -eq 3 ]
    assert_equal "$(ls x.tmk* | wc -l)" 3 # sh, its subshell, and echo
    rm x.tmk*
    tidemark record -q --no-children -o x.tmk -- sh -c '(exit 0); /bin/echo; exit 3' || [ $? -eq 3 ]
    assert_equal "$(ls)" x.tmk
}

@test "how many traces there are besides is said" {
    tidemark record -o x.tmk -- ls >list 2>err
    assert_equal "$(cat err)" "tidemark: trace in 'x.tmk'"
    tidemark record -o y.tmk -- sh -c '(exit 0); /bin/echo; exit 3' 2>err || [ $? -eq 3 ]
    assert_equal "$(cat err)" "tidemark: trace in 'y.tmk', and 2 of processes that it started beside it"
    tidemark record -o y.tmk -- sh -c '(exit 0); exec /bin/ls' >list 2>err
    assert_equal "$(cat err)" "tidemark: trace in 'y.tmk', and 1 of the process's earlier images and 1 of processes that it started beside it"
    tidemark record -q -o y.tmk -- sh -c '(exit 0); /bin/echo; exit 3' 2>err || [ $? -eq 3 ]
    assert_equal "$(cat err)" ""
}

@test "a place that cannot be written to: told, and the program runs unharmed" {
    run tidemark record -o no/such/folder/x.tmk -- sh -c 'echo out; exit 6'
    assert_equal "$status" 6
    assert_equal "$output" "tidemark: cannot write 'no/such/folder/x.tmk': No such file or directory; the program runs unrecorded
out"
    run tidemark record --strict -o no/such/folder/x.tmk -- sh -c 'echo out; exit 6'
    assert_equal "$status $output" "125 tidemark: cannot write 'no/such/folder/x.tmk': No such file or directory"
    mkdir folder
    run tidemark record -o folder -- sh -c 'exit 6'
    assert_equal "$status $output" "6 tidemark: cannot write 'folder': Is a directory; the program runs unrecorded"
}

@test "a program in which the library finds no memory: told, and it runs unharmed" {
    run sh -c 'ulimit -f 64 && tidemark record -o x.tmk -- sh -c "exit 6"'
    assert_equal "$status" 6
    [[ $output == "tidemark: 'sh' was not recorded: the library was not loaded into it, or found no memory there (ulimit -f, -v)"* ]] || false
}

@test "a current folder that was removed: told, and the program runs unharmed" {
    mkdir gone
    run sh -c 'cd gone && rmdir ../gone && tidemark record -o x.tmk -- /bin/echo out'
    assert_equal "$status" 0
    [[ $output == *"tidemark: cannot write 'x.tmk': No such file or directory; the program runs unrecorded"*out ]] || false
}

@test "a place that turns out not to be writable: told, and the program runs unharmed" {
    run tidemark record -o /proc/x.tmk -- sh -c 'echo out; exit 6'
    assert_equal "$status" 6
    [[ $output == out$'\n'"tidemark: "* ]] || false
    run tidemark record --strict -q -o /proc/x.tmk -- true
    assert_equal "$status" 125
}

@test "it works from a folder with blanks" {
    mkdir "a folder: \$HOME"
    cp "$BUILD"/{tidemark,libtidemark.so,tidemark-collector} "a folder: \$HOME"
    run "a folder: \$HOME/tidemark" record -o 'a trace.tmk' -- sh -c 'echo out'
    assert_equal "$status $output" "0 out
tidemark: trace in 'a trace.tmk'"
    [ "$(value allocations 'a trace.tmk')" -gt 0 ]
}

@test "it works without HOME and TMPDIR, and with a nearly empty environment" {
    run env -u HOME -u TMPDIR tidemark record -q -o x.tmk -- sh -c 'echo out'
    assert_equal "$status $output" "0 out"
    env -i "$BUILD/tidemark" record -q -o y.tmk -- /bin/sh -c 'true'
    [ "$(value allocations y.tmk)" -gt 0 ]
}

@test "it works for an ordinary user" {
    [ "$(id -u)" -eq 0 ] || skip "only root can become somebody else"
    mkdir bin theirs
    cp "$BUILD"/{tidemark,libtidemark.so,tidemark-collector} bin
    chmod 777 theirs
    for folder in "$PWD" "$(dirname "$PWD")" "$(dirname "$(dirname "$PWD")")" "$(dirname "$(dirname "$(dirname "$PWD")")")"; do
        case $folder in /tmp | / | /var) ;; *) chmod o+x "$folder" ;; esac
    done
    run env -u HOME setpriv --reuid=65534 --regid=65534 --clear-groups \
        sh -c 'cd theirs && ../bin/tidemark record -o x.tmk -- sh -c "echo out"'
    assert_equal "$status $output" "0 out
tidemark: trace in 'x.tmk'"
    assert_equal "$(stat -c '%u %a' theirs/x.tmk)" "65534 600"
    [ "$(value allocations theirs/x.tmk)" -gt 0 ]
}

@test "a recording inside a recording: each has its own" {
    run tidemark record -q -o outer.tmk -- tidemark record -q -o inner.tmk -- sh -c 'echo $LD_PRELOAD; exit 5'
    assert_equal "$status $(realpath "$output")" "5 $(realpath "$BUILD/libtidemark.so")"
    tidemark dump inner.tmk | grep -q 'argument index=0 text="sh"'
    tidemark dump outer.tmk | grep -q 'argument index=0 text="tidemark"'
}

@test "quiet: nothing is said when nothing was lost" {
    run tidemark record -q -o x.tmk -- sh -c true
    assert_equal "$status$output" 0
}

@test "a program that never allocates is told as such" {
    compile silent -nostdlib -nostartfiles -no-pie -lc <<'END'
#include <unistd.h>
void _start(void) { _exit(0); }
END
    run tidemark record -o x.tmk -- ./silent
    assert_equal "$status" 0
    [[ $output == *"tidemark: './silent' was recorded, but made not one allocation that the library could see; it may have an allocator of its own"* ]] || false
    run tidemark record -q -o x.tmk -- ./silent
    assert_equal "$status$output" 0
    run tidemark record -q --strict -o x.tmk -- ./silent
    assert_equal "$status" 125
    [[ $output == *"not one allocation"* ]] || false
}

@test "the collector's death is told, and the program runs unharmed" {
    tidemark record -o x.tmk -- sh -c 'echo up >up; sleep 0.5; echo out; exit 3' >out 2>err 3>&- 4>&- &
    pid=$!
    wait_until test -s up
    kill -KILL "$(pgrep -P $pid -f tidemark-collector)"
    wait $pid || status=$?
    assert_equal "$status $(cat out)" "3 out"
    grep -qx "tidemark: the collector did not complete the trace: it was killed by signal 9; what was written until then can be read" err
}

@test "the help stands in two columns, however long an option is" {
    run tidemark gate --help
    columns=$(sed -n 's/^\( *--[^ ]*\( [A-Z][^ ]*\)\{0,1\}  *\)[^ ].*/\1/p' <<<"$output" | awk '{ print length }' | sort -u | wc -l)
    assert_equal "$columns" 1
}

@test "the help names every option" {
    run tidemark record --help
    assert_equal "$status" 0
    for option in --output --depth --rss-interval --no-children --mmap --strict --quiet --help; do
        [[ $output == *"$option"* ]] || false
    done
}

# --- the command itself ---

@test "tidemark alone, help, version, and an unknown command" {
    run tidemark
    assert_equal "$status ${lines[0]}" "2 usage: tidemark COMMAND [ARGUMENT...]"
    run tidemark --help
    assert_equal "$status ${lines[0]}" "0 usage: tidemark COMMAND [ARGUMENT...]"
    run tidemark help record
    assert_equal "$status ${lines[0]}" "0 usage: tidemark record [OPTION...] [--] COMMAND [ARGUMENT...]"
    run tidemark --version
    [[ $status -eq 0 && $output =~ ^tidemark\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || false
    run tidemark recrod
    assert_equal "$status $output" "2 tidemark: unknown command 'recrod'; did you mean 'record'?"
    run tidemark xyzzy
    assert_equal "$status $output" "2 tidemark: unknown command 'xyzzy'; see tidemark --help"
    run tidemark foo # two letters from 'top', but of three
    assert_equal "$status $output" "2 tidemark: unknown command 'foo'; see tidemark --help"
    run tidemark --nonsense
    assert_equal "$status $output" "2 tidemark: unknown option '--nonsense'; see tidemark --help"
}

@test "a full disk under a report is trouble" {
    run sh -c 'tidemark --help >/dev/full'
    assert_equal "$status $output" "2 tidemark: cannot write standard output: No space left on device"
}
