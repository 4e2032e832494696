#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The test programs, stress too, under valgrind's memcheck and helgrind, over a futex and over a libc.
# Helgrind learns of atomic operations from core/valgrind.h. Then planted bugs (sanitizers/bugs):
# each tool must report one of its kind, AddressSanitizer one in a frame that is gone, ThreadSanitizer each order of
# sys/posix.c that is weakened. That the programs pass under the compilers' sanitizers is other steps' to show.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
top=$PWD
dir=$top/build/sanitizers
export VALET_TEST_SHORT=1 # valgrind runs one thread at a time: more rounds are more of the same
rm -rf "$dir"

# compile TOOL SYSTEM PROGRAM OUTPUT: in the current directory, a copy of the sources or the tree itself
compile() {
    with=$1 system=$2 program=$3 output=$4
    kind=futex number=1
    [ "$system" = linux ] || kind=sema number=0
    case $with in
    memcheck) set -- gcc ;;
    # helgrind knows no sem_clockwait: a mutex and a condition variable under posix
    helgrind) set -- gcc -include "$top/core/valgrind.h" -DVALET_POSIX_SEM=0 ;;
    # no inlining: a function with assembly in it gets no frame that can be found dead
    thread) set -- clang -fsanitize=thread ;;
    address) set -- clang -fsanitize=address,undefined -fno-sanitize-recover=all -fno-inline ;;
    esac
    "$@" -std=gnu11 -g -O1 -w -pthread -I. -Iinclude "-I$top/test/harness" \
        -DVALET_TEST_FUTEX_KIND=$number "-DVALET_TEST_OS_$system" "$top/test/contract/${program}_test.c" \
        "$top/test/harness/test.c" "$top/test/harness/hosted.c" core/park_$kind.c core/waiters_$kind.c \
        core/futex_$kind.c core/park_with_$kind.c core/waiters_with_$kind.c core/futex_with_$kind.c core/now.c \
        "sys/$system.c" -o "$output"
}

# run TOOL PROGRAM [TEST]: under the tool; what it reports is an exit status of its own, 99
run() {
    tool=$1
    shift
    case $tool in
    address)
        ASAN_OPTIONS=detect_stack_use_after_return=1:exitcode=99 UBSAN_OPTIONS=exitcode=99 timeout -k 10 300 "$@"
        ;;
    thread) TSAN_OPTIONS=halt_on_error=1:exitcode=99 timeout -k 10 300 "$@" ;;
    *)
        # fair: else a thread that spins keeps the one CPU that valgrind has
        timeout -k 10 300 valgrind --quiet --tool="$tool" --fair-sched=yes --error-exitcode=99 \
            --exit-on-first-error=yes --suppressions="$suppressions" "$@"
        ;;
    esac
}

# words TOOL SYSTEM PROGRAM: what to run, each word in a process of its own; in a short run every third of the
# tests that are one each. Left out: the crowds of 4096
# threads, of which valgrind has 500; and, where waits are made of mutexes, each of which
# slows helgrind down for good, the 20,000 items through a queue.
words() {
    left_out='test_one_call_wakes_all|test_one_delegate_wakes_all'
    [ "$1-$2" != helgrind-posix ] || left_out="$left_out|test_a_queue_with_a_mutex_and_two_conditions"
    case $1-$2-$3 in
    *-waiters | helgrind-posix-stress)
        grep -o 'TEST(test_[a-z_0-9]*' "test/contract/$3_test.c" | sed 's/TEST(//' | grep -vxE "$left_out" | some 3
        ;;
    *) echo test_ ;;
    esac
}

# all_over SYSTEM: every program under both tools; how many tests passed in a file each
all_over() {
    for tool in memcheck helgrind; do
        for program in park waiters futex stress; do
            name=$dir/$tool-$1-$program
            compile "$tool" "$1" "$program" "$name" >"$name.log" 2>&1 || continue
            count=0
            for word in $(words "$tool" "$1" "$program"); do
                run "$tool" "$name" "$word" >>"$name.log" 2>&1 || continue 2
                ran=$(sed -n 's/^\([1-9][0-9]*\) tests passed$/\1/p' "$name.log" | tail -n 1)
                [ -n "$ran" ] || continue 2
                count=$((count + ran))
            done
            echo $count >"$name.passed"
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
        for program in park waiters futex stress; do
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

# Planted bugs: the tool's status, and its words.
python3 test/lib/plant.py --list test/sanitizers/bugs >"$dir/bugs" || bad 'the list of bugs'
while read -r bug tool system program only _ says; do
    rm -rf "$dir/tree"
    mkdir -p "$dir/tree"
    cp -r arch core include sys "$dir/tree/"
    if python3 test/lib/plant.py --bug test/sanitizers/bugs "$bug" "$dir/tree" &&
        (cd "$dir/tree" && compile "$tool" "$system" "$program" "$dir/$bug"); then
        for _ in 1 2 3; do # a race is reported where it comes about: in the short form not each time
            run "$tool" "$dir/$bug" "$only" >"$dir/$bug.log" 2>&1
            status=$?
            [ "$status" -eq 0 ] || break
        done
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
