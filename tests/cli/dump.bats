#!/usr/bin/env bats
# tidemark dump: what it prints of whole, damaged, locked and piped files, and what it refuses.

load common

golden() {
    cp "$ROOT/tests/golden/version-1-recorded.tmk" x.tmk
}

@test "help and usage" {
    run -0 tidemark dump --help
    [[ $output == "usage: tidemark dump"* && $output == *--events* && $output == *--json* ]]
    run -2 tidemark dump
    run -2 tidemark dump a b
    run -2 tidemark dump --none x.tmk
    [[ $output == "tidemark: unknown option '--none'"* ]]
}

@test "the records of a whole trace" {
    golden
    run -0 --separate-stderr tidemark dump x.tmk
    assert_equal "$stderr" ""
    [[ ${lines[0]} == "header version=1 session="* ]]
    [[ $output == *'thread id=2 tid='* && $output == *'name="loaded"'* ]]
    [[ ${lines[-1]} == "footer events=122 allocations=68 "*" end_reason=1 end_value=3 "* ]]
    [[ $output != *"alloc tick"* ]]
}

@test "every event with --events" {
    golden
    tidemark dump --events x.tmk >out
    assert_equal "$(grep -c '^alloc ' out)" 60
    assert_equal "$(grep -c '^realloc ' out)" 8
    assert_equal "$(grep -c '^free ' out)" 54
    assert_equal "$(grep -c '^op-begin .*name="load"' out)" 8
    grep -q '^symbol .*function="load"' out
}

@test "the same as JSON" {
    golden
    tidemark dump --events x.tmk >out
    tidemark dump --events --json x.tmk | jq -e '.schema == "tidemark/dump/1"'
    assert_equal "$(tidemark dump --events --json x.tmk | jq '.records | length')" "$(wc -l <out)"
    tidemark dump --events --json=y.json x.tmk
    assert_equal "$(jq '[.records[] | select(.record == "alloc" or .record == "realloc") | .size] | add' y.json)" 14927
}

@test "a cut file is reported up to the cut" {
    golden
    truncate -s -5 x.tmk
    run -0 --separate-stderr tidemark dump --events x.tmk
    [[ $stderr == "tidemark: 'x.tmk' is incomplete: the file ends within block"* ]]
    [[ ${lines[-1]} == damage\ reason=* ]]
    [[ $output == *"alloc tick"* ]]
}

@test "no trace, no file, a folder" {
    echo hello >x.tmk
    run -2 tidemark dump x.tmk
    assert_equal "$output" "tidemark: 'x.tmk' is no Tidemark trace"
    run -2 tidemark dump none.tmk
    assert_equal "$output" "tidemark: cannot open 'none.tmk': No such file or directory"
    run -2 tidemark dump .
    assert_equal "$output" "tidemark: cannot read '.': Is a directory"
    : >x.tmk
    run -2 tidemark dump x.tmk
    assert_equal "$output" "tidemark: 'x.tmk' is empty"
}

@test "a pipe is as good as a file" {
    golden
    assert_equal "$(tidemark dump --events <(cat x.tmk))" "$(tidemark dump --events x.tmk)"
    assert_equal "$(cat x.tmk | tidemark dump /dev/stdin)" "$(tidemark dump x.tmk)"
}

@test "waits for the writer, and says so" {
    golden
    flock -x x.tmk sleep 1 &
    wait_until locked x.tmk
    run -0 --separate-stderr tidemark dump x.tmk
    assert_equal "$stderr" "tidemark: waiting for 'x.tmk', it is being written"
    [[ ${lines[-1]} == footer* ]]
    wait
}

locked() {
    ! flock -n -x "$1" true
}

@test "a full disk is trouble" {
    golden
    run -2 --separate-stderr bash -c 'tidemark dump --events x.tmk >/dev/full'
    [[ $stderr == "tidemark: cannot write standard output"* ]]
}
