#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Faults on the real kernel: faults_test.c, each of its tests alone; then faults/tracer.c, which holds
# threads between any two instructions of the library; then faults planted in the library, each of
# which the tracer must find. Both kinds: linux and posix. What this machine forbids (real-time
# priorities, control groups) is skipped, and says why.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
skipped=0
dir=build/faults
rm -rf "$dir"
mkdir -p "$dir"
if [ "$(uname -sm)" != 'Linux x86_64' ]; then
    echo "faults: it steps the instructions of Linux on x86_64, and this is $(uname -sm)" >&2
    exit 77
fi

# compile TREE KIND OUTPUT SOURCE...: as a test is compiled
compile() {
    from=$1 futex=1 output=$3
    [ "$2" = futex ] || futex=0
    shift 3
    gcc -std=gnu11 -g -O2 -Wall -Wextra -Werror -fno-stack-protector -pthread "-I$from" "-I$from/include" \
        -Itest/harness -DVALET_TEST_FUTEX_KIND=$futex -o "$output" "$@"
}

# library TREE KIND SYSTEM OUTPUT: one object, with the code in a section that the tracer knows
library() {
    library_from=$1 library_kind=$2 whole=$4
    set -- "core/park_$2" "core/waiters_$2" "core/futex_$2" core/now "sys/$3"
    for source; do
        shift
        part=$whole-$(basename "$source").o
        compile "$library_from" "$library_kind" "$part" -c "$library_from/$source.c" || return
        set -- "$@" "$part"
    done
    ld -r -o "$whole" "$@" && rm -f "$@" &&
        objcopy --rename-section .text=valet_text --rename-section .text.unlikely=valet_text "$whole"
}

# build TREE KIND SYSTEM: the tracer and its library
build() {
    library "$1" "$2" "$3" "$1/$3.o" && compile "$1" "$2" "$1/tracer-$3" test/faults/tracer.c "$1/$3.o"
}

tree=$dir/tree
mkdir -p "$tree"
cp -r arch core include sys "$tree"
for system in linux posix; do
    kind=futex
    [ $system = linux ] || kind=sema
    if ! build "$tree" $kind $system ||
        ! compile . "$kind" "$dir/faults-$system" test/faults/faults_test.c test/harness/test.c test/harness/hosted.c \
            "$tree/$system.o"; then
        bad "$system: does not build"
        counted faults
    fi
    # two at a time: each keeps to one CPU
    timeout 900 "$tree/tracer-$system" >"$dir/tracer-$system.log" 2>&1 &
    eval "tracer_$system=\$!"
done

for system in linux posix; do
    for name in $(grep -o 'TEST(test_[a-z_]*)' test/faults/faults_test.c | tr -d '()' | sed 's/^TEST//'); do
        # those for the futex kind alone are not in both
        nm "$dir/faults-$system" | grep -q " $name\$" || continue
        timeout 120 "$dir/faults-$system" "$name" >"$dir/log" 2>&1
        case $? in
        0) good "$system, $name$(sed -n 's/^   /: /p' "$dir/log" | tr -d '\n')" ;;
        77)
            skipped=$((skipped + 1))
            echo "skipped $system, $name: $(tail -n 1 "$dir/log")"
            ;;
        *)
            bad "$system, $name"
            tail -n 5 "$dir/log" | sed 's/^/        /'
            ;;
        esac
    done
done
rmdir /sys/fs/cgroup/valet-test-* /sys/fs/cgroup/unified/valet-test-* 2>/dev/null

# shellcheck disable=SC2154 # set by eval
for system in linux posix; do
    wait "$(eval echo "\$tracer_$system")"
    status=$?
    sed "s/^\(ok      \|FAILED: \)/\1$system, held at every instruction: /" "$dir/tracer-$system.log" | grep -v '^[0-9]'
    n=$(grep -c '^ok' "$dir/tracer-$system.log")
    passed=$((passed + n))
    if [ $status -ne 0 ]; then
        bad "$system: the tracer ended with $status"
    elif [ "$n" -lt 12 ]; then
        bad "$system: only $n scenarios"
    fi
done

# plant NAME SYSTEM FILE OLD NEW WHAT SCENARIO: the tracer must fail, by saying WHAT, in that scenario
number=0
plant() {
    turn 5 || return 0
    number=$((number + 1))
    tree=$dir/plant$number
    mkdir -p "$tree"
    cp -r arch core include sys "$tree"
    if ! python3 test/lib/plant.py "$tree/$3" "$4" "$5"; then
        bad "planted: $1: no longer applies"
        return
    fi
    kind=futex
    [ "$2" = linux ] || kind=sema
    if ! build "$tree" $kind "$2"; then
        bad "planted: $1: does not build"
        return
    fi
    timeout 300 "$tree/tracer-$2" "$7" >"$tree/log" 2>&1
    status=$?
    if [ $status -eq 1 ] && grep -q "^FAILED: .*: $6" "$tree/log"; then
        good "planted: $2, $1: $(sed -n 's/^FAILED: \(.*\); result.*/\1/p' "$tree/log")"
    else
        bad "planted: $2, $1: not found ($status)"
        tail -n 5 "$tree/log" | sed 's/^/        /'
    fi
    rm -rf "$tree"
}

plant 'unpark loads, then stores' linux core/park_futex.c \
    'uint32_t old = atomic_exchange_explicit(word, NOTIFIED, memory_order_release);' \
    'uint32_t old = atomic_load(word); atomic_store(word, NOTIFIED);' \
    'a wake-up is lost' park
plant 'the kernel compares the word with itself' linux sys/linux.c \
    '(long)expected, (long)until' '((void)expected, (long)*(volatile uint32_t *)word), (long)until' \
    'a wake-up is lost' park
plant 'park withdraws by a store' linux core/park_futex.c \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \
    'if (({ uint32_t old = atomic_load(word); atomic_store(word, EMPTY); old; }) == NOTIFIED)' \
    'the word at the end' 'timed park, past its deadline'
plant 'any return of the wait is a wake-up' linux core/park_futex.c \
    'while (valet_look_again(r) && atomic_load_explicit(word, memory_order_relaxed) == PARKED);' \
    'while (0); if (r == VALET_OK) { atomic_exchange(word, EMPTY); return r; }' \
    'the word at the end' 'park, interrupted'
plant 'unpark reads the word after its exchange' linux core/park_futex.c \
    'valet_sys_futex_wake((uint32_t *)word, 1);' \
    'if (atomic_load(word) == NOTIFIED) valet_sys_futex_wake((uint32_t *)word, 1);' \
    'memory was touched' park
plant 'a waiter sleeps on what it sees, not on what it expects' linux core/waiters_futex.c \
    'valet_sys_futex_wait((uint32_t *)word, expected | WAITERS, deadline)' \
    'valet_sys_futex_wait((uint32_t *)word, atomic_load(word), deadline)' \
    'a wake-up is lost' wait
plant 'store_and_wake loads, then stores' linux core/waiters_futex.c \
    'atomic_exchange_explicit(word, state & STATE, memory_order_release)' \
    'atomic_load(word); atomic_store(word, state & STATE)' \
    'a wake-up is lost' wait
plant 'a deadline that has come is not looked at' linux sys/linux.c \
    'if (r == -ETIMEDOUT && until != NULL)' 'if (r == -ETIMEDOUT && until == NULL)' \
    'an error' 'timed park, past its deadline'
plant 'a deadline in the wrong unit' linux sys/linux.c 'deadline / 1000000000u' 'deadline / 1000000000000000u' \
    'a timeout ' 'timed park'
plant 'unpark loads, then stores' posix core/park_sema.c \
    'atomic_exchange_explicit(word_of(p), NOTIFIED, memory_order_acq_rel)' \
    'atomic_load(word_of(p)); atomic_store(word_of(p), NOTIFIED)' \
    'a wake-up is lost' park
plant 'the semaphore sleeps before it looks for its post' posix sys/posix.c \
    'while (e == 0 && !sema->posted)' \
    'for (; e == 0 && (deadline == VALET_FOREVER || !sema->posted); deadline = sema->posted ? 1 : deadline)' \
    'a wake-up is lost' park
plant 'a timed-out park leaves its address' posix core/park_sema.c \
    'r != VALET_OK && !atomic_compare' 'r != VALET_OK && 0 && !atomic_compare' \
    'a ' 'timed park, past its deadline'
plant 'the sleeper does not stay until its poster has left' posix sys/posix.c \
    '!atomic_load_explicit(&sema->left, memory_order_acquire)' \
    '0 && !atomic_load_explicit(&sema->left, memory_order_acquire)' \
    'a dead stack frame was touched' park
plant 'store_and_wake loads, then stores' posix core/waiters_sema.c \
    'if (atomic_compare_exchange_weak_explicit(word, &seen, state & STATE, memory_order_acq_rel,
                                                  memory_order_relaxed))' \
    'atomic_store(word, state & STATE); if (1)' \
    'a wake-up is lost' wait
plant 'the futex compares before it takes the lock' posix core/futex_sema.c \
    'struct bucket *b = lock_bucket(word);
    /* relaxed' \
    'bool same = atomic_load((valet_word32 *)word) == expected; struct bucket *b = lock_bucket(word);
    if (same) expected = atomic_load((valet_word32 *)word);
    /* relaxed' \
    'a wake-up is lost' futex

echo "faults: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
