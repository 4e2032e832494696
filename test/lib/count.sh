# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# For scripts of many checks: sourced. `good` and `bad` are one check each; `counted NAME` ends the
# script with the line that all.sh adds up. The words before a check may be others.
passed=0
failed=0
skipped=0
good_word='ok     '
bad_word='FAILED '

# all.sh says by $STRENGTH how much is to be done: deep is all of it. What is less in a run that is not deep is
# the same each time.
deep() { [ "${STRENGTH:-deep}" = deep ]; }

# some N: of the lines that come in each Nth, the first one too; in a deep run all
some() { if deep; then cat; else awk -v n="$1" 'n == 1 || NR % n == 1'; fi; }

# turn N: the same for calls
turns=0
turn() {
    turns=$((turns + 1))
    deep || [ $((turns % $1)) -eq 1 ]
}

good() {
    passed=$((passed + 1))
    echo "$good_word $*"
}

bad() {
    failed=$((failed + 1))
    echo "$bad_word $*"
}

# skip NAME REASON: a check that cannot be made here
skip() {
    skipped=$((skipped + 1))
    echo "skipped $1: $2"
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

# bound WHAT VALUE MOST: one check, of a figure
bound() {
    if [ -n "$2" ] && [ "$2" -gt 0 ] && [ "$2" -le "$3" ]; then
        good "$1: $2 (at most $3)"
    else
        bad "$1: ${2:-nothing} (at most $3)"
    fi
}

# instructions_of PROGRAM ARGUMENT...: of a run, by callgrind
instructions_of() {
    valgrind --tool=callgrind --callgrind-out-file="$1.callgrind" "$@" 2>&1 | sed -n 's/.*Collected : //p'
}

counted() {
    echo "$1: $passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}
