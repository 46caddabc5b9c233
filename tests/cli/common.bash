# What the bats files share: the command under test, a scratch folder for each test, and helpers.
# BUILD is the build folder; a test's folder is the current one.

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BUILD=${BUILD:-$ROOT/build}
[[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD
PATH=$BUILD:$PATH
export ROOT BUILD PATH
unset LD_PRELOAD "${!TIDEMARK_@}"

[ -x "$BUILD/tidemark" ] || { echo "no $BUILD/tidemark: make it first, or set BUILD" >&2; exit 1; }

# What a test leaves, bats removes: also the links that record makes where LD_PRELOAD cannot name the library.
own_folder() {
    cd "$BATS_TEST_TMPDIR" || return
    export TMPDIR=$BATS_TEST_TMPDIR
    unset XDG_RUNTIME_DIR
}

setup() {
    own_folder
}

# assert_equal WHAT WANTED
assert_equal() {
    if [[ $1 != "$2" ]]; then
        printf 'wanted: %s\ngot:    %s\n' "$2" "$1"
        return 1
    fi
}

# Compile the C program on standard input: compile NAME [FLAG...]
compile() {
    local name=$1
    shift
    "${CC:-cc}" -x c -O1 -g -fno-builtin -D_GNU_SOURCE -o "$name" - "$@"
}

# Wait until a command succeeds, ten seconds at most.
wait_until() {
    local i
    for ((i = 0; i < 200; i++)); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.05
    done
    echo "never became true: $*"
    return 1
}

# value KEY FILE: a member of `tidemark summary --json`
value() {
    tidemark summary --json "$2" | jq ".$1"
}
