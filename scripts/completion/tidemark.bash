# bash completion for tidemark. Commands and options are asked of the command itself, so that they never differ from it.

_tidemark_words() {
    case $1 in
    commands) "$2" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' ;;
    options) "${@:2}" --help 2>/dev/null | sed -n 's/^ *\(-., \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p' ;;
    esac
}

_tidemark_files() {
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -X "$1" -- "$cur"; compgen -d -- "$cur")
}

# Complete the command that begins at word $1 as if it stood alone.
_tidemark_program() {
    local i=$1
    if declare -F _command_offset >/dev/null; then
        _command_offset "$i"
    elif ((i == COMP_CWORD)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    else
        _tidemark_files ''
    fi
    return 0
}

# The recorded command begins at the first word that is neither an option nor an option's argument: complete it as if it
# stood alone. Fails when the cursor is still among record's own options.
_tidemark_record() {
    local i
    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -o | --output | --depth | --rss-interval) ((++i)) ;;
        --) ((++i)) && break ;;
        -*) ;;
        *) break ;;
        esac
    done
    ((i <= COMP_CWORD)) && [[ $i -lt $COMP_CWORD || $prev == -- || $cur != -* ]] || return 1
    _tidemark_program "$i"
}

# The server of drive, and the command of bisect, begin after "--"; what stands between drive's --gate and that are options
# of the gate.
_tidemark_drive() {
    local i
    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --gate) [[ $command != drive ]] || command=gate ;;
        --) _tidemark_program $((i + 1)) && return ;;
        esac
    done
    [[ $command != gate && $prev == @(-[cn]|--@(ready|op)-*|--@(ops|max-ops|clients|name|timeout|build|gate)) && $cur != -* ]] # the user's own
}

_tidemark() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} tidemark=${COMP_WORDS[0]}
    local command=${COMP_WORDS[1]}
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$(_tidemark_words commands "$tidemark") help --help --version" -- "$cur")
        return
    fi
    if [[ $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_tidemark_words commands "$tidemark")" -- "$cur")
        return
    fi
    if [[ $command == record ]]; then
        _tidemark_record && return
    fi
    if [[ $command == @(drive|bisect) ]]; then
        _tidemark_drive && return
    fi
    if [[ $command == @(history|baseline) && $COMP_CWORD -eq 2 && $cur != -* ]]; then
        local verbs='add show plot export'
        [[ $command == history ]] || verbs='save show compare'
        mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur")
        return
    fi
    case $prev in
    --on-inconclusive)
        mapfile -t COMPREPLY < <(compgen -W 'fail warn pass' -- "$cur")
        return
        ;;
    --method)
        mapfile -t COMPREPLY < <(compgen -W 'interval plain' -- "$cur")
        return
        ;;
    -g | --group)
        mapfile -t COMPREPLY < <(compgen -W 'thread module namespace' -- "$cur")
        return
        ;;
    -c | --cost)
        mapfile -t COMPREPLY < <(compgen -W 'leaked peak allocated allocations temporary' -- "$cur")
        return
        ;;
    --sysroot | --debug-dir)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    -o | --output | --db | --log | --suppressions | --baseline | --config | --markdown | --junit | --sarif | --gitlab | --bencher | --benchmark)
        _tidemark_files ''
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        local asked=("$command")
        [[ $command != baseline ]] || asked+=("${COMP_WORDS[@]:2:1}") # its verbs have options of their own
        mapfile -t COMPREPLY < <(compgen -W "$(_tidemark_words options "$tidemark" "${asked[@]}")" -- "$cur")
    elif [[ $command == @(history|baseline) ]]; then
        _tidemark_files ''
    elif [[ $command == @(selftest|bisect) ]]; then
        return # no files
    else
        _tidemark_files '!*.tmk*'
    fi
}

complete -F _tidemark tidemark
