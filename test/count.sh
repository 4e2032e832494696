# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# For scripts of many checks: sourced. `good` and `bad` are one check each; `counted NAME` ends the
# script with the line that all.sh adds up.
passed=0
failed=0

good() {
    passed=$((passed + 1))
    echo "ok      $*"
}

bad() {
    failed=$((failed + 1))
    echo "FAILED  $*"
}

# try NAME COMMAND...: one check, by exit status; its output only where it failed
try() {
    name=$1
    shift
    if output=$("$@" 2>&1); then
        good "$name"
    else
        bad "$name"
        printf '%s\n' "$output" | tail -n 20 | sed 's/^/        /'
    fi
}

# try_not NAME COMMAND...: the same for a command that must fail
try_not() {
    name=$1
    shift
    if output=$("$@" 2>&1); then
        bad "$name: should have failed"
    else
        good "$name"
    fi
}

counted() {
    echo "$1: $passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}
