#!/usr/bin/env bats
# make install and uninstall: everything in its place, and working from there, staged or moved.

load common

# The build folder as make knows it: relative to ROOT, when it lies there.
into() {
    make -s -C "$ROOT" O="${BUILD#"$ROOT"/}" "$@"
}

setup() {
    own_folder
    command -v go-md2man >/dev/null || skip "no go-md2man"
}

expected() {
    local page
    cat <<END
bin/tidemark 755
include/tidemark.h 644
lib/tidemark/libtidemark.so 755
lib/tidemark/tidemark-collector 755
share/bash-completion/completions/tidemark 644
share/fish/vendor_completions.d/tidemark.fish 644
share/tidemark/python/pytest_tidemark.py 644
share/tidemark/python/tidemark.py 644
share/tidemark/rust/Cargo.toml 644
share/tidemark/rust/src/lib.rs 644
share/zsh/site-functions/_tidemark 644
END
    for page in "$ROOT"/docs/man/*.md; do
        echo "share/man/man1/$(basename "$page" .md) 644"
    done
    for page in "$ROOT"/docs/*.md; do
        echo "share/tidemark/docs/$(basename "$page") 644"
    done
}

@test "install puts exactly this there, uninstall takes it away" {
    into install DESTDIR="$PWD/stage" PREFIX=/usr
    diff <(expected | sort) <(cd stage/usr && find . -type f -printf '%P %m\n' | sort)
    echo other >stage/usr/lib/other
    into uninstall DESTDIR="$PWD/stage" PREFIX=/usr
    assert_equal "$(find stage -type f)" stage/usr/lib/other
    [ ! -e stage/usr/lib/tidemark ] && [ ! -e stage/usr/share/tidemark ]
    into uninstall DESTDIR="$PWD/stage" PREFIX=/usr
}

@test "the installed command records and reports, from a staged folder and a moved one with blanks" {
    into install DESTDIR="$PWD/a stage" PREFIX=/opt/tm
    PATH=/usr/bin:/bin run "a stage/opt/tm/bin/tidemark" record -o x.tmk -- sh -c 'echo out'
    assert_equal "$status $output" "0 out
tidemark: trace in 'x.tmk'"
    mv "a stage/opt/tm" moved
    PATH=/usr/bin:/bin moved/bin/tidemark record -q -o y.tmk -- sh -c 'echo out'
    PATH=/usr/bin:/bin moved/bin/tidemark summary y.tmk
    # functions have names: the collector found the command that resolves them
    moved/bin/tidemark leaks --runtime --json y.tmk | jq -e '[.stacks[].frames[].function | select(. != null)] | length > 0'
    ln -s moved/bin/tidemark linked
    ./linked record -q -o z.tmk -- true
    [[ $PWD != *[\ :]* ]] || return 0 # which LD_PRELOAD cannot name
    LD_PRELOAD="$PWD/moved/lib/tidemark/libtidemark.so" TIDEMARK_OUTPUT=env.tmk sh -c 'echo out'
    wait_until moved/bin/tidemark summary --strict env.tmk
}

@test "the installed header is all that a program needs" {
    into install DESTDIR="$PWD/stage" PREFIX=/usr
    compile marked -Istage/usr/include -Wall -Wextra -Werror <<'END'
#include <tidemark.h>
int main(void) { tidemark_mark("from the program"); return 0; }
END
    ./marked
    stage/usr/bin/tidemark record -q -o x.tmk -- ./marked
    stage/usr/bin/tidemark dump x.tmk | grep 'from the program'
}

@test "a broken installation says what is missing" {
    into install DESTDIR="$PWD/stage" PREFIX=/usr
    rm stage/usr/lib/tidemark/libtidemark.so
    run stage/usr/bin/tidemark record -- true
    assert_equal "$status" 125
    [[ $output == "tidemark: cannot find libtidemark.so and tidemark-collector in '"* ]] || false
}

@test "bash completes commands, options, costs and traces" {
    touch one.tmk two.txt
    completions() {
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _tidemark
        echo "${COMPREPLY[@]}"
    }
    source "$ROOT/scripts/completion/tidemark.bash"
    assert_equal "$(completions tidemark rec)" record
    assert_equal "$(completions tidemark record --str)" --strict
    assert_equal "$(completions tidemark top --cost al)" "allocated allocations"
    assert_equal "$(completions tidemark top --group na)" namespace
    assert_equal "$(completions tidemark history e)" export
    assert_equal "$(completions tidemark history add tw)" two.txt
    assert_equal "$(completions tidemark baseline s)" "save show"
    assert_equal "$(completions tidemark baseline show tw)" two.txt
    assert_equal "$(completions tidemark baseline compare --regr)" --regression
    assert_equal "$(completions tidemark gate --on-inconclusive w)" warn
    assert_equal "$(completions tidemark gate --method '')" "interval plain"
    assert_equal "$(completions tidemark summary o)" one.tmk
    [[ " $(completions tidemark record -o x.tmk -- tidem) " == *" tidemark "* ]] || false
    assert_equal "$(completions tidemark drive --max)" --max-ops
    assert_equal "$(completions tidemark drive --gate --peak-h)" --peak-heap
    [[ " $(completions tidemark drive --gate --peak-heap 1MB -- tidem) " == *" tidemark "* ]] || false
    [[ " $(completions tidemark bisect HEAD~3 HEAD -- tidem) " == *" tidemark "* ]] || false
    assert_equal "$(completions tidemark bisect --bu)" --build
    assert_equal "$(completions tidemark gate --leak-p)" --leak-per-100-ops
    assert_equal "$(completions tidemark drive --ready-l)" --ready-line
    assert_equal "$(completions tidemark drive -c '')$(completions tidemark selftest '')" ""
    assert_equal "$(completions tidemark baseline show --)" "--limit --help"
    assert_equal "$(completions tidemark baseline save --ou)" --output
    assert_equal "$(completions tidemark history plot --s)" --svg
    # every option of every command
    for command in $(tidemark --help | sed -n 's/^  \([a-z]*\) .*/\1/p') 'baseline save' 'baseline compare'; do
        [ "$command" != baseline ] || continue
        assert_equal "$command: $(completions tidemark $command -- | tr ' ' '\n' | sort | tr '\n' ' ')" \
            "$command: $(tidemark $command --help | grep -oE '^ *(-., )?--[^][ =]+' | grep -o -- '--.*' | sort | tr '\n' ' ')"
    done
}

@test "fish completes commands, options, costs, traces and the recorded command" {
    command -v fish >/dev/null || skip "no fish"
    touch one.tmk one.tmk.12 once.txt
    completions() {
        HOME=$PWD fish --no-config -c "source '$ROOT/scripts/completion/tidemark.fish'; complete -C '$1'" | cut -f 1 | sort | tr '\n' ' '
    }
    assert_equal "$(completions 'tidemark rec')" "record "
    assert_equal "$(completions 'tidemark help sum')" "summary "
    assert_equal "$(completions 'tidemark record --str')" "--strict "
    assert_equal "$(completions 'tidemark top --cost al')" "allocated allocations "
    assert_equal "$(completions 'tidemark top --group na')" "namespace "
    assert_equal "$(completions 'tidemark history e')" "export "
    assert_equal "$(completions 'tidemark history add onc')" "once.txt "
    assert_equal "$(completions 'tidemark baseline s')" "save show "
    assert_equal "$(completions 'tidemark baseline show onc')" "once.txt "
    assert_equal "$(completions 'tidemark summary o')" "one.tmk one.tmk.12 "
    assert_equal "$(completions 'tidemark baseline show --')" "--help --limit "
    assert_equal "$(completions 'tidemark gate --leak-p')" "--leak-per-100-ops "
    assert_equal "$(completions 'tidemark gate --method ')" "interval plain "
    assert_equal "$(completions 'tidemark gate --on-inconclusive w')" "warn "
    assert_equal "$(completions 'tidemark gate --junit onc')" "once.txt "
    assert_equal "$(completions 'tidemark drive --gate --peak-h')" "--peak-heap "
    assert_equal "$(completions 'tidemark drive -c ')$(completions 'tidemark selftest ')" ""
    [[ " $(completions 'tidemark drive --gate --peak-heap 1MB -- tidem')" == *" tidemark "* ]] || false
    [[ " $(completions 'tidemark bisect HEAD~3 HEAD -- tidem')" == *" tidemark "* ]] || false
    [[ " $(completions 'tidemark record -- tidem')" == *" tidemark "* ]] || false
}

@test "zsh completes commands, options, costs, traces and the recorded command" {
    command -v zsh >/dev/null || skip "no zsh"
    touch one.tmk once.txt
    export completion=$ROOT/scripts/completion
    cat >complete.zsh <<'END'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "fpath=($completion \$fpath); autoload -Uz compinit; compinit -D -u; PS1='READ''Y '"
zpty -r shell seen '*READY *'
expect() {
    zpty -w -n shell "$1"$'\t'
    zpty -r shell seen "$2"
    zpty -w -n shell $'\C-u'
}
expect 'tidemark rec' '*tidemark record*'
expect 'tidemark help summ' '*tidemark help summary*'
expect 'tidemark record --str' '*tidemark record --strict*'
expect 'tidemark top --cost lea' '*tidemark top --cost leaked*'
expect 'tidemark top --group nam' '*tidemark top --group namespace*'
expect 'tidemark history exp' '*tidemark history export*'
expect 'tidemark history add onc' '*tidemark history add once.txt*'
expect 'tidemark baseline sa' '*tidemark baseline save*'
expect 'tidemark summary o' '*tidemark summary one.tmk*'
expect 'tidemark baseline show --lim' '*tidemark baseline show --limit*'
expect 'tidemark gate --leak-p' '*tidemark gate --leak-per-100-ops*'
expect 'tidemark gate --method pl' '*tidemark gate --method plain*'
expect 'tidemark gate --junit onc' '*tidemark gate --junit once.txt*'
expect 'tidemark drive --gate --peak-h' '*tidemark drive --gate --peak-heap*'
expect 'tidemark drive --gate --peak-heap 1MB -- tidemar' '*-- tidemark*'
expect 'tidemark bisect HEAD~3 HEAD -- tidemar' '*-- tidemark*'
expect 'tidemark record -- true && tidemar' '*&& tidemark*'
zpty -d shell
END
    timeout 30 zsh -f complete.zsh
}

@test "scripts/deps names what is missing, with its package" {
    mkdir bin
    printf '#!/bin/sh\nexit 1\n' >bin/pkg-config
    chmod +x bin/pkg-config
    run env PATH="$PWD/bin:$PATH" "$ROOT/scripts/deps" --check build
    assert_equal "$status" 1
    [[ $output == *"tidemark: missing pkg-config package 'libdw' (Debian package libdw-dev)"* ]] || false
    [[ $output == *"tidemark: install with: scripts/deps --install build"* ]] || false
    run "$ROOT/scripts/deps" --check build
    assert_equal "$status$output" 0
    run "$ROOT/scripts/deps" --check nonsense
    assert_equal "$status $output" "2 scripts/deps: unknown set 'nonsense'"
}

@test "make help lists every target" {
    run into help
    for target in all check bench fuzz lint fmt install uninstall demo clean help; do
        grep -q "^  $target " <<<"$output"
    done
}

@test "tests that are asked for by a name that none has fail" {
    run env ONLY=no-such-test "$ROOT/tests/all" unit static
    assert_equal "$status ${lines[0]}" "1 FAIL no test of unit static is named so: no-such-test"
}
