#!/usr/bin/env bats
# The manual pages: made without complaint, complete, and their examples run.

load common

# A project under git whose version 1.0 was fine.
make_repository() {
    git init -q
    printf '#include <stdlib.h>\nint main\n' >app.c
    printf 'app: app.c\n\t$(CC) $(CFLAGS) -fno-builtin -o app app.c\n' >Makefile
    git add app.c Makefile
    for size in 1000 1000 20000000; do
        sed -i "s/int main.*/int main(void) { free(malloc($size)); return !malloc($size); }/" app.c
        echo "/* another change */" >>app.c
        git -c user.email=me@example.org -c user.name=me commit -qam "buffers of $size bytes"
        [ -e .git/refs/tags/v1.0 ] || git tag v1.0
    done
}

# What the examples talk about: a program, its traces, a service that runs, and small tools.
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    compile app -I"$ROOT/include" <<'END'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <tidemark.h>
static void *kept[100];
static void register_plugin(int i) { kept[i] = malloc(64); }
static void handle(int i) { free(malloc(100 + i)); kept[i] = strdup("answer"); }
int main(int argc, char **argv)
{
    for (int i = 0; i < 10; i++)
        register_plugin(i);
    tidemark_mark("warm");
    for (int i = 10; i < (argc > 1 ? atoi(argv[1]) : 50); i++)
        handle(i);
    tidemark_mark("end of load");
    return 0;
}
END
    compile service <<'END'
#include <unistd.h>
int main(void) { for (;;) pause(); }
END
    printf '#!/bin/sh\nexit 0\n' >load
    printf '#!/bin/sh\ncat\n' >flamegraph.pl # stands for the real one, which is no Debian package
    printf '#!/bin/sh\nwhile read -r number; do echo "done $number"; done\n' >client
    chmod +x load client flamegraph.pl
    seq 1000 >words.txt
    sort words.txt >sorted.txt
    make_repository
    tidemark record -q -o app.tmk -- ./app
    tidemark record -q -o before.tmk -- ./app 30
    tidemark record -q -o after.tmk -- ./app 90
    tidemark record -q -o service.tmk -- ./service 3>&- &
    echo $! >record_pid
    wait_until test -s service.tmk
}

teardown_file() {
    kill "$(cat "$BATS_FILE_TMPDIR/record_pid")" || true
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return
}

# The code blocks of a page's section EXAMPLES.
examples() {
    awk '/^# /{ wanted = $0 == "# EXAMPLES" } /^```/{ inside = wanted && /^```sh/; next } inside' "$1"
}

@test "every example of every page runs" {
    PATH=$PWD:$PATH
    export libtidemark=$BUILD/libtidemark.so
    service_pid=$(pgrep -P "$(cat record_pid)" -x service)
    export service_pid
    for page in "$ROOT"/docs/man/*.md; do
        examples "$page" >example.sh
        test -s example.sh || { echo "$page has no examples"; return 1; }
        bash -eu -o pipefail example.sh >example.out 2>&1 || {
            status=$?
            echo "$page: status $status"
            cat example.sh example.out
            # a reader that stops early (| head) ends the writer by SIGPIPE, which is fine
            [ $status -eq 141 ]
        }
    done
}

@test "every page names the options that the command has, and no other" {
    for page in "$ROOT"/docs/man/tidemark-*.md; do
        command=$(basename "$page" .1.md)
        tidemark "${command#tidemark-}" --help | grep -oE '^ +(-[a-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u >has
        awk '/^# /{ wanted = $0 == "# OPTIONS" } wanted && /^\*\*-/' "$page" | grep -oE -- '--[a-z][a-z-]*' | sort -u >named
        diff has named || { echo "$page"; return 1; }
    done
}

@test "every command has a page, with all its sections" {
    for command in $(tidemark --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
        page=$ROOT/docs/man/tidemark-$command.1.md
        assert_equal "$(grep '^# ' "$page" | grep -v ENVIRONMENT | tr '\n' ' ')" \
            "# NAME # SYNOPSIS # DESCRIPTION # OPTIONS # EXIT STATUS # EXAMPLES # SEE ALSO "
        grep -q "^\*\*$command\*\*$" "$ROOT/docs/man/tidemark.1.md"
    done
}

@test "the pages are made and shown without complaint" {
    command -v go-md2man >/dev/null || skip "no go-md2man"
    make -s -C "$ROOT" O="${BUILD#"$ROOT"/}" man
    for page in "$BUILD"/man/*.1; do
        grep -q '^\.TH TIDEMARK' "$page"
        if command -v man >/dev/null; then
            complaints=$(MANWIDTH=100 man --warnings -l "$page" 2>&1 >/dev/null)
            assert_equal "$complaints" ""
        fi
    done
}

@test "the variables of the environment are those of session.h" {
    diff <(sed -n '/^\/\* Environment/,/\*\//s/^ \*   \(TIDEMARK_[A-Z_]*\) .*/\1/p' "$ROOT/include/tidemark/session.h" | sort) \
        <(grep -oE '^\*\*TIDEMARK_[A-Z_]*\*\*$' "$ROOT/docs/man/tidemark.1.md" | tr -d '*' | sort)
}
