#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The test programs, stress too, under valgrind's memcheck and helgrind, over a futex and over a libc.
# Helgrind learns of atomic operations from core/valgrind.h. Then planted bugs (sanitizers/bugs):
# each tool must report one of its kind, AddressSanitizer one in a frame that is gone, ThreadSanitizer each order of
# sys/posix.c that is weakened. That the programs pass under the compilers' sanitizers is other steps' to show.
# Valgrind reports what is not ordered, whenever it comes: a bug's test for it is one whose threads touch the same
# data in any case. Where they have to meet, the compilers' sanitizers have the long form of the test: thousands of
# rounds, of which one is enough.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
top=$PWD
dir=$top/build/sanitizers
export VALET_TEST_SHORT=1 # valgrind runs one thread at a time: more rounds are more of the same
rm -rf "$dir"

# compile TOOL SYSTEM PROGRAM OUTPUT [FILE]: in the current directory, the tree itself, of which the library is compiled
# once, or a copy with another FILE: what is made from that is compiled anew
compile() {
    with=$1 system=$2 program=$3 output=$4 other=${5-}
    kind=futex number=1
    [ "$system" = linux ] || kind=sema number=0
    case $with in
    memcheck) set -- gcc ;;
    # helgrind knows no sem_clockwait: a mutex and a condition variable under posix
    helgrind)
        set -- gcc -include "$PWD/core/valgrind.h" -DVALET_POSIX_SEM=0
        [ "$system" != linux ] || set -- gcc -include "$PWD/arch/arch.h" -include "$PWD/core/valgrind.h"
        ;;
    # no inlining: a function with assembly in it gets no frame that can be found dead
    thread) set -- clang -fsanitize=thread ;;
    address) set -- clang -fsanitize=address,undefined -fno-sanitize-recover=all -fno-inline ;;
    esac
    from=$PWD objects=$dir/objects-$with-$system
    set -- "$@" -std=gnu11 -g -O1 -w -pthread "-I$from" "-I$from/include" "-I$top/test/harness" \
        -DVALET_TEST_FUTEX_KIND=$number "-DVALET_TEST_OS_$system"
    all=$objects
    [ -z "$other" ] || { objects=$dir/objects-planted && rm -rf "$objects"; }
    [ -d "$objects" ] || (
        sources="core/park_$kind.c core/waiters_$kind.c core/futex_$kind.c core/park_with_$kind.c
            core/waiters_with_$kind.c core/futex_with_$kind.c core/futex_requeue_$kind.c core/cancel.c core/now.c
            sys/$system.c"
        case $other-$program in
        -* | *-locks) sources="$sources $(echo core/locks/*.c)" ;;
        esac
        set -- "$@" -MMD -c
        mkdir "$objects" && cd "$objects" || exit
        for source in test/harness/test.c test/harness/hosted.c $sources; do
            name=${source##*/} name=${name%.c}
            if [ -n "$other" ] && [ -e "$all/$name.d" ] && ! grep -qF "/$other" "$all/$name.d"; then
                ln "$all/$name.o" . || exit
                continue
            fi
            case $source in
            test/*) set -- "$@" "$top/$source" ;;
            *) set -- "$@" "$from/$source" ;;
            esac
        done
        "$@"
    ) || return
    "$@" "$top"/test/*/"${program}_test.c" "$objects"/*.o -o "$output"
}

# run TOOL PROGRAM [TEST]: under the tool; what it reports is an exit status of its own, 99
run() {
    tool=$1
    shift
    case $tool in
    address | thread)
        ASAN_OPTIONS=detect_stack_use_after_return=1:exitcode=99 UBSAN_OPTIONS=exitcode=99 \
            TSAN_OPTIONS=halt_on_error=1:exitcode=99 timeout -k 10 300 env -u VALET_TEST_SHORT "$@"
        ;;
    *)
        # fair: else a thread that spins keeps the one CPU that valgrind has
        timeout -k 10 300 valgrind --quiet --tool="$tool" --fair-sched=yes --error-exitcode=99 \
            --exit-on-first-error=yes --suppressions="$suppressions" "$@"
        ;;
    esac
}

# words TOOL SYSTEM PROGRAM: which tests to run; in a short run every sixth of those that are named. Left out: the
# crowds of 4096 threads, of which valgrind has 500; and, where waits are made of mutexes, each of which slows helgrind
# down for good, the 20,000 items through a queue.
words() {
    left_out='test_one_call_wakes_all|test_one_delegate_wakes_all'
    [ "$1-$2" != helgrind-posix ] || left_out="$left_out|test_a_queue_with_a_mutex_and_two_conditions"
    case $1-$2-$3 in
    *-waiters | helgrind-posix-stress)
        grep -o 'TEST(test_[a-z_0-9]*' "test/contract/$3_test.c" | sed 's/TEST(//' | grep -vxE "$left_out" | some 6
        ;;
    *) echo test_ ;;
    esac
}

programs() {
    echo park waiters futex locks stress
    [ "$1" = posix ] || echo late
}

# all_over SYSTEM: every program under both tools; how many tests passed in a file each
all_over() {
    for tool in memcheck helgrind; do
        for program in $(programs "$1"); do
            name=$dir/$tool-$1-$program
            compile "$tool" "$1" "$program" "$name" >"$name.log" 2>&1 || continue
            # shellcheck disable=SC2046 # a list of words
            run "$tool" "$name" $(words "$tool" "$1" "$program") >>"$name.log" 2>&1 || continue
            awk '/^[1-9][0-9]* tests passed$/ { n += $1 } END { print n }' "$name.log" >"$name.passed"
        done
    done
}

mkdir -p "$dir"
# A part of what helgrind 3.19 calls Misc, 3.24 calls Dubious; the older does not take that word.
suppressions=$dir/helgrind.supp
sed 's/Helgrind:Misc/Helgrind:Dubious/' include/package/helgrind.supp |
    cat include/package/helgrind.supp - >"$suppressions"
valgrind --quiet --tool=helgrind --suppressions="$suppressions" true >/dev/null 2>&1 ||
    suppressions=include/package/helgrind.supp
all_over linux &
all_over posix
wait
for tool in memcheck helgrind; do
    for system in linux posix; do
        for program in $(programs $system); do
            name=$dir/$tool-$system-$program
            if [ -s "$name.passed" ]; then
                good "$tool, $system, $program: $(cat "$name.passed") tests, nothing reported"
            else
                bad "$tool, $system, $program"
                tail -n 30 "$name.log" | sed 's/^/        /'
            fi
        done
    done
done

# What the suppression of a late wake is for
(suppressions=/dev/null && run memcheck "$dir/memcheck-linux-late") >"$dir/late.log" 2>&1
status=$?
says='Syscall param futex(futex) points to'
if [ $status -eq 99 ] && grep -q "$says" "$dir/late.log"; then
    good "planted, memcheck, linux: not suppressed: $says"
else
    bad "planted, memcheck, linux: not suppressed: exit status $status, not found: $says"
fi

# Planted bugs: the tool's status, and its words.
python3 -S test/lib/plant.py --list test/sanitizers/bugs >"$dir/bugs" || bad 'the list of bugs'
while read -r bug tool system program only _ says; do
    file=$(sed -n "/^bug $bug\$/,/^in /s/^in //p" test/sanitizers/bugs)
    rm -rf "$dir/tree"
    mkdir -p "$dir/tree"
    cp -r arch core include sys "$dir/tree/"
    if python3 -S test/lib/plant.py --bug test/sanitizers/bugs "$bug" "$dir/tree" &&
        (cd "$dir/tree" && compile "$tool" "$system" "$program" "$dir/$bug" "$file"); then
        run "$tool" "$dir/$bug" "$only" >"$dir/$bug.log" 2>&1
        status=$?
        if [ "$status" -eq 99 ] && grep -q "$says" "$dir/$bug.log"; then
            good "planted, $tool, $system: $bug: $says"
        else
            bad "planted, $tool, $system: $bug: exit status $status, not found: $says"
            tail -n 20 "$dir/$bug.log" | sed 's/^/        /'
        fi
    else
        bad "planted: $bug: cannot be"
    fi
done <"$dir/bugs"
counted sanitizers
