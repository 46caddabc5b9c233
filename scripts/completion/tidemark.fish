# fish completion for tidemark. Commands and options are asked of the command itself.

function __tidemark_commands
    tidemark --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*) +(.*)' '$1\t$2'
end

function __tidemark_options
    set -l words (commandline -opc)
    tidemark $words[2] --help 2>/dev/null | string replace -rf '^ .*(--[a-z-]+)\S*( [A-Z]+)? +(.*)' '$1\t$3'
end

complete -c tidemark -f
complete -c tidemark -n __fish_use_subcommand -a '(__tidemark_commands)'
complete -c tidemark -n __fish_use_subcommand -a help -d 'explain a command'
complete -c tidemark -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -a '(__tidemark_options)'
complete -c tidemark -n '__fish_seen_subcommand_from top folded diff; and contains -- (commandline -opc)[-1] -c --cost' \
    -a 'leaked peak allocated allocations temporary'
complete -c tidemark -n '__fish_seen_subcommand_from record' -a '(__fish_complete_subcommand)'
complete -c tidemark -n 'not __fish_seen_subcommand_from record' -a '(__fish_complete_suffix .tmk)'
