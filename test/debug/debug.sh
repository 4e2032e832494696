#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: debug.sh BUILD_FUTEX BUILD_SEMA. What core/valet-gdb.py prints about the objects of a
# stopped program, gdb in batch mode, on a build of each kind; and that it refuses what it cannot read.
set -u
futex=$(realpath "$1")
sema=$(realpath "$2")
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=build/debug
rm -rf "$dir"
mkdir -p "$dir"

# says NAME PROGRAM <PAIRS: lines of commands of gdb, each with what it prints below it, after "> ". All of
# them go to one run that stops at `stopped`; addresses and numbers of threads are cut out.
says() {
    cat >"$dir/pairs"
    set -- "$1" "$dir/$2" gdb -nx -batch -iex 'set auto-load off' -iex 'set debuginfod enabled off' \
        -iex 'set startup-with-shell off' -ex 'source core/valet-gdb.py' -ex 'break stopped' -ex run
    while read -r line; do
        case $line in
        '>'*) ;;
        *) set -- "$@" -ex "$line" ;;
        esac
    done <"$dir/pairs"
    name=$1 program=$2
    shift 2
    timeout -k 5 120 "$@" -ex kill "$program" </dev/null >"$dir/said" 2>&1
    sed -n 's/0x[0-9a-f]\{3,\}/ADDRESS/g; s/LWP [0-9]*/LWP/; s/^ *//
        /^parker\|^waiters\|^ADDRESS of\|^valet:/p' "$dir/said" >"$dir/seen"
    sed -n 's/^> //p' "$dir/pairs" >"$dir/expected"
    if cmp -s "$dir/expected" "$dir/seen"; then good "$name"; else
        bad "$name"
        diff "$dir/expected" "$dir/seen" | sed 's/^/        /'
        tail -n 5 "$dir/said" | sed 's/^/        | /'
    fi
}

# program NAME LIBRARY...: or its sources
program() {
    name=$1
    shift
    gcc -std=gnu11 -Wall -Wextra -Werror -g -O1 -Iinclude -I. test/debug/stopped.c "$@" -lpthread -o "$dir/$name"
}
program futex "$futex/libvalet.a" || bad 'the program, futex kind'
program sema "$sema/libvalet.a" || bad 'the program, sema kind'

# The calls run alone: the thread that a wake is for stays where it stopped. (Not so below: a post may need
# a lock that its stopped owner holds.)
says 'futex kind: each state, what is no word, and planted errors of the script' futex <<'END'
valet-parker parked
> parker ADDRESS, futex kind: no token, one thread is parked
valet-parker &token
> parker ADDRESS, futex kind: a token, nobody parked
valet-parker (long)&empty
> parker ADDRESS, futex kind: no token, nobody parked
valet-waiters waited
> waiters ADDRESS, futex kind: state 19, WAITERS, threads may sleep (the kernel has the queue)
valet-waiters &alone
> waiters ADDRESS, futex kind: state 19, nobody waits
valet-parker not_a_parker
> valet: ADDRESS is not a parker's word, futex kind
valet-waiters not_waiters
> valet: ADDRESS is not a waiters word, futex kind
valet-parker
> valet: which object? Its struct, a pointer to it or its address
set valet-kind sema
valet-parker parked
> valet: ADDRESS is on no thread's stack: not a word of this kind and layout
set valet-kind auto
python PARKED = 2
valet-parker parked
> valet: ADDRESS is not a parker's word, futex kind
python STATE = 15
valet-waiters alone
> valet: 0x13 is not a waiters word, futex kind
python STATE, WAITERS, OWED = 31, 64, 32
valet-waiters waited
> waiters ADDRESS, futex kind: state 19, OWED, whoever of those who slept sees it wakes them all
python PARKED, WAITERS, OWED = 0xffffffff, 32, 64
set scheduler-locking on
call (void)valet_unpark(&parked)
call (void)valet_store_and_delegate(&waited, 21)
valet-parker parked
> parker ADDRESS, futex kind: a token, nobody parked
valet-waiters waited
> waiters ADDRESS, futex kind: state 21, OWED, whoever of those who slept sees it wakes them all
END

says 'sema kind: each state, whose nodes are queued, what is no word, planted errors' sema <<'END'
valet-parker parked
> parker ADDRESS, sema kind: no token, parked: thread 2 (LWP, sema)
valet-parker &token
> parker ADDRESS, sema kind: a token, nobody parked
valet-parker (long)&empty
> parker ADDRESS, sema kind: no token, nobody parked
valet-waiters waited
> waiters ADDRESS, sema kind: state 19, 3 queued, newest first
> ADDRESS of thread 5 (LWP, sema)
> ADDRESS of thread 4 (LWP, sema)
> ADDRESS of thread 3 (LWP, sema)
valet-waiters &alone
> waiters ADDRESS, sema kind: state 19, nobody waits
valet-parker not_a_parker
> valet: ADDRESS is on no thread's stack: not a word of this kind and layout
valet-waiters not_waiters
> valet: ADDRESS is on no thread's stack: not a word of this kind and layout
set var waited.word |= 96
valet-waiters waited
> waiters ADDRESS, sema kind: state 19, 3 queued, newest first, TAKEN (by a waiter), OWED (to look again)
> ADDRESS of thread 5 (LWP, sema)
> ADDRESS of thread 4 (LWP, sema)
> ADDRESS of thread 3 (LWP, sema)
set var waited.word &= ~96
set valet-kind futex
valet-parker parked
> valet: ADDRESS is not a parker's word, futex kind
set valet-kind auto
python NODE_NEXT = 120
valet-waiters waited
> valet: struct node has next elsewhere: 0
END

# No debug information, and no symbol of the library: what is left is what the script knows.
strip --strip-all --keep-symbol=stopped --keep-symbol=waited -o "$dir/stripped" "$dir/sema"
says 'sema kind, stripped: the kind is asked for; from a thread that is parked' stripped <<'END'
valet-waiters (long)&waited
> valet: the program's symbols do not tell the kind: set valet-kind futex, or sema
set valet-kind sema
thread 2
valet-waiters (long)&waited
> waiters ADDRESS, sema kind: state 19, 3 queued, newest first
> ADDRESS of thread 5 (LWP, stripped)
> ADDRESS of thread 4 (LWP, stripped)
> ADDRESS of thread 3 (LWP, stripped)
END

mkdir -p "$dir/core"
sed 's/^    struct node \*next; .*/    void *planted; struct node *next;/' core/waiters_sema.c \
    >"$dir/core/waiters_sema.c"
program planted core/park_sema.c "$dir/core/waiters_sema.c" core/now.c sys/posix.c ||
    bad 'the program of another layout'
says 'planted: a library with another node' planted <<'END'
valet-waiters waited
> valet: struct node has next elsewhere: 8
END
counted debug
