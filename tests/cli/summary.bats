#!/usr/bin/env bats
# tidemark summary: what its heading says of the program.

load common

@test "a program is called what it was called by, whatever its file is named" {
    cp /bin/sh tool
    ln -s tool other-name
    tidemark record -q -o x.tmk -- ./other-name -c 'exit 3' '' 'two words' || [ $? -eq 3 ]
    run tidemark summary x.tmk
    [[ ${lines[0]} == "other-name (pid "*"): ./other-name -c 'exit 3' '' 'two words'" ]] || false
    [[ ${lines[1]} == "recorded for "*"; the process exited with status 3" ]] || false
    assert_equal "$(basename "$(tidemark summary --json x.tmk | jq -r .recording.program)")" tool
}

@test "a login shell is called without its dash" {
    run bash -c 'exec -a -bash tidemark record -q -o x.tmk -- bash -c "exec -a -login bash -c true"'
    assert_equal "$status" 0
    run tidemark summary x.tmk
    [[ ${lines[0]} == "login (pid "* ]] || false
}
