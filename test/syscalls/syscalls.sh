#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: syscalls.sh BUILD. System calls of each operation, counted by strace (x86_64 Linux).
set -u
program=$(realpath "$1")/test/syscalls_test
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
trace=build/syscalls.trace
timeout 120 strace -f -e trace=futex,write,clock_gettime -e signal=none -o "$trace" "$program" ||
    bad "the program ended with $?"

# calls PHASE: waits and wakes on the object of that phase. A call that another thread's line cut in
# two is counted where it begins.
calls() {
    awk -v phase="$1" '
        /write\(-1, "phase / {
            split($0, part, "\""); split(part[2], word, " ")
            on = word[2] == phase; address = word[3]
        }
        on && index($0, "futex(" address ",") {
            if (index($0, "FUTEX_WAIT_BITSET_PRIVATE")) waits++
            if (index($0, "FUTEX_WAKE_PRIVATE")) wakes++
        }
        on && index($0, "clock_gettime(") { clocks++ } # the C library asks the vDSO
        END { print waits + 0, wakes + 0, clocks + 0 }' "$trace"
}

# is PHASE WAITS WAKES CLOCKS WHAT
is() {
    got=$(calls "$1")
    if [ "$got" = "$2 $3 $4" ]; then
        good "$5: $2 waits, $3 wakes, $4 readings of the clock"
    else
        bad "$5: '$got' waits, wakes and readings of the clock, not $2, $3 and $4"
    fi
}

is uncontended 0 0 0 '1000 x unpark and park, without a deadline and with each kind, try twice'
is uncontended-waiters 0 0 0 '1000 x wait for another state, try, store and wake nobody, exchange'
is handoff 100 100 0 '100 x wake a thread that sleeps'
is changed 0 0 0 '1000 x futex wait with a timeout, on a word that differs; and with a timeout of 0'
is timeout 1 0 1 'one park until its deadline'
is wake-all 1000 1 0 'wake 1000 threads that wait'
is delegate 1000 2 0 '... one of them, which wakes the others'
# the counting itself: were it blind, everything above but zero would pass
if [ "$(calls handoff)" = '0 0 0' ]; then bad 'strace was not understood'; else good 'strace was understood'; fi
counted syscalls
