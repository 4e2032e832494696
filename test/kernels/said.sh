# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# Sourced, after test/lib/count.sh: for a machine whose first program is init.c, what its programs are made of, and what
# its log must show.

# sources_of SYSTEM: valet and the harness, of which a program gets what it needs; without .c
sources_of() {
    kind=futex
    [ "$1" = linux ] || kind=sema
    echo core/park_$kind core/waiters_$kind core/futex_$kind core/park_with_$kind core/waiters_with_$kind \
        core/futex_with_$kind core/futex_requeue_$kind core/cancel core/now "sys/$1" test/harness/test \
        test/harness/hosted
}

# tests_of SUBJECT: how many SUBJECT_test.c of the contract has
tests_of() { sed '/^#define/d' "test/contract/$1_test.c" | grep -o 'TEST(test_' | wc -l; }

# program_passed LOG PROGRAM TESTS: it ran so many tests, and ended with 0
program_passed() {
    [ "$(sed -n "\|^run /$2\$|,\|^ok /$2\$|p" "$1" | tail -n 2)" = "$3 tests passed
ok /$2" ]
}

# ended_well LOG PASSED [FAILED]: no more has failed, and the machine switched itself off
ended_well() {
    [ "$(sed -n '/^init: /{p;q;}' "$1")" = "init: $2 passed, ${3:-0} failed" ] &&
        grep -qE 'reboot: (Power down|System halted)$' "$1" &&
        ! grep -qE 'Kernel panic|^timed out|^(qemu-system|linux.uml)' "$1"
}

# planted WHAT LOG TEXT COMMAND...: the log has that line, and the command, one of these, fails
planted() {
    if ! grep -qE "$3" "$2"; then
        bad "planted: $1: not seen: $3"
        tail -n 10 "$2" | sed 's/^/        /'
    else
        what=$1
        shift 3
        try_not "planted: $what" "$@"
    fi
}
