#!/usr/bin/env bats
# tidemark selftest: it passes where all is well, and fails where a part of the installation does not do its work.

load common

# The command cannot record itself when it is built with a sanitizer.
setup() {
    cd "$BATS_TEST_TMPDIR" || return
    if tidemark selftest | grep -q Sanitizer; then skip "built with a sanitizer"; fi
}

# An installation of links and copies, some of which a test then breaks.
installation() {
    mkdir here
    cp "$BUILD/tidemark" "$BUILD/tidemark-collector" "$BUILD/libtidemark.so" here
}

@test "it passes, and leaves nothing behind" {
    mkdir tmp
    TMPDIR=$PWD/tmp run --separate-stderr tidemark selftest
    assert_equal "$status" 0
    assert_equal "$(grep -c '^ok ' <<<"$output") ${lines[-1]}" "6 selftest passed"
    assert_equal "$stderr" ""
    assert_equal "$(ls tmp)" ""
}

@test "it passes in an environment with settings of its own" {
    TIDEMARK_OUTPUT=/nosuch/x.tmk TIDEMARK_DEPTH=4 TIDEMARK_CHILDREN=0 run tidemark selftest
    assert_equal "$status" 0
}

@test "without the library" {
    installation
    rm here/libtidemark.so
    run here/tidemark selftest
    assert_equal "$status" 1
    [[ $output == *FAIL*libtidemark.so* && ${lines[-1]} == "selftest failed"* ]]
}

@test "with a library that does nothing" {
    installation
    compile here/libtidemark.so -shared -fPIC <<<'int nothing;'
    run here/tidemark selftest
    assert_equal "$status" 1
    [[ $output == *"FAIL  the library was not loaded into the program"* ]]
}

@test "with a collector that ends at once" {
    installation
    cp /bin/false here/tidemark-collector
    run here/tidemark selftest
    assert_equal "$status" 1
    [[ $output == *"FAIL  "*collector* ]]
}

@test "usage" {
    run tidemark selftest now
    assert_equal "$status" 2
    run tidemark selftest --help
    assert_equal "$status" 0
    [[ $output != *--program* ]]
}
