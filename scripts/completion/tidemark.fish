# fish completion for tidemark. Commands and options are asked of the command itself.

function __tidemark_commands
    tidemark --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*) +(.*)' '$1\t$2'
end

# The command whose options the word under the cursor may be: what follows drive's --gate are options of the gate, and the verbs
# of baseline have options of their own.
function __tidemark_command
    set -l words (commandline -opc)
    if test "$words[2]" = drive; and contains -- --gate $words
        echo gate
    else if test "$words[2]" = baseline
        printf '%s\n' $words[2..3]
    else
        echo $words[2]
    end
end

function __tidemark_options
    tidemark (__tidemark_command) --help 2>/dev/null | string replace -rf '^ *(?:-., )?(--[a-z0-9-]+)\S*( [A-Z]+)? +(.*)' '$1\t$3'
end

function __tidemark_traces
    __fish_complete_suffix .tmk | string match -r '^[^\t]*(?:\.tmk|\.tmk\.[^\t/]*|/)(?:\t.*)?$'
end

# The recorded command line, completed as if it stood alone.
function __tidemark_program
    set -l words (commandline -opc)[3..] (commandline -ct)
    if set -l dashes (contains -i -- -- $words); and test (commandline -opc)[2] != record
        set -e words[1..$dashes]
        complete -C "$words"
        return
    end
    while set -q words[2]; and string match -q -- '-*' $words[1]
        if contains -- $words[1] -o --output --depth --rss-interval
            set -e words[1]
        end
        set -l last $words[1]
        set -e words[1]
        test "$last" = --; and break
    end
    complete -C "$words"
end

# What the word under the cursor is: command, option, cost, group, policy, method, verb and file (of history and baseline), program (of
# record, drive and bisect), own (the user's own affair), trace.
function __tidemark_wants
    set -l words (commandline -opc)
    set -l what trace
    if test (count $words) -eq 1; or test "$words[2]" = help
        set what command
    else if contains -- "$words[2]" drive bisect; and contains -- -- $words
        set what program
    else if string match -q -- '-*' (commandline -ct)
        set what option
    else if contains -- $words[-1] --on-inconclusive
        set what policy
    else if contains -- $words[-1] --method
        set what method
    else if contains -- $words[-1] -o --output --log --db --suppressions --baseline --config --markdown --junit --sarif --gitlab --bencher \
            --benchmark --sysroot --debug-dir; and test "$words[2]" != record
        set what file
    else if contains -- "$words[2]" drive bisect selftest
        set what own
    else if contains -- $words[-1] -c --cost
        set what cost
    else if contains -- $words[-1] -g --group
        set what group
    else if contains -- "$words[2]" history baseline
        set what file
        test (count $words) -eq 2; and set what $words[2]-verb
    else if test $words[2] = record
        set what program
    end
    test $what = $argv[1]
end

complete -c tidemark -f
complete -c tidemark -n '__tidemark_wants command' -a '(__tidemark_commands)'
complete -c tidemark -n '__fish_use_subcommand' -a help -d 'explain a command'
complete -c tidemark -n '__tidemark_wants option' -a '(__tidemark_options)'
complete -c tidemark -n '__tidemark_wants cost' -a 'leaked peak allocated allocations temporary'
complete -c tidemark -n '__tidemark_wants group' -a 'thread module namespace'
complete -c tidemark -n '__tidemark_wants policy' -a 'fail warn pass'
complete -c tidemark -n '__tidemark_wants method' -a 'interval plain'
complete -c tidemark -n '__tidemark_wants history-verb' -a 'add show plot export'
complete -c tidemark -n '__tidemark_wants baseline-verb' -a 'save show compare'
complete -c tidemark -n '__tidemark_wants file' -F
complete -c tidemark -n '__tidemark_wants program' -a '(__tidemark_program)'
complete -c tidemark -n '__tidemark_wants trace' -a '(__tidemark_traces)'
