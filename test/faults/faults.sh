#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Faults on the real kernel: faults_test.c, held_test.c and the refusals of contract/sandbox_test.c, each of their tests
# alone (HELD_SECONDS=10: the second at length), with each libc and form of linux and posix; then faults/tracer.c, which
# holds threads between any two instructions of the library; then faults planted in the library, each of which the
# tracer or a test must find. What this machine forbids (real-time priorities, control groups) is skipped, and says why.
# What was tried with which object goes into the table of README.md (threads.py).
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/faults/each.sh
dir=build/faults
rows='linux linux-musl posix posix-cond posix-musl'
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
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror -fno-stack-protector -pthread "-I$from" "-I$from/include" \
        -Itest/harness -DVALET_TEST_FUTEX_KIND=$futex -o "$output" "$@"
}

# library TREE KIND SYSTEM OUTPUT [FILE]: one object, with the code in a section that the tracer knows. In a tree with
# another FILE that one is compiled, or, of a header, all; the rest is that of the first tree.
library() {
    library_from=$1 library_kind=$2 whole=$4 first=$dir/$3 changed=${5-}
    set -- "core/park_$2" "core/waiters_$2" "core/futex_$2" core/now "sys/$3"
    for source; do
        shift
        part=$first-$(basename "$source").o
        case $changed in
        '') compile "$library_from" "$library_kind" "$part" -c "$library_from/$source.c" || return ;;
        *.h | "$source.c")
            part=$whole-$(basename "$source").o
            compile "$library_from" "$library_kind" "$part" -c "$library_from/$source.c" || return
            ;;
        esac
        set -- "$@" "$part"
    done
    ld -r -o "$whole" "$@" &&
        objcopy --rename-section .text=valet_text --rename-section .text.unlikely=valet_text "$whole"
}

# build TREE KIND SYSTEM [FILE]: the tracer and its library
build() {
    tracer=$dir/tracer-$3
    [ -e "$tracer.o" ] || compile "$1" "$2" "$tracer.o" -c test/faults/tracer.c || return
    library "$1" "$2" "$3" "$1/$3.o" ${4+"$4"} && compile "$1" "$2" "$1/tracer-$3" "$tracer.o" "$1/$3.o"
}

tree=$dir/tree
mkdir -p "$tree"
where='every instruction' short=
deep || { where='each third instruction' && short=VALET_TEST_SHORT=1; }
cp -r arch core include sys "$tree"
for system in linux posix; do
    kind=futex
    [ $system = linux ] || kind=sema
    if ! build "$tree" $kind $system; then
        bad "$system: does not build"
        counted faults
    fi
    # two at a time: each keeps to one CPU
    timeout 900 env ${short:+"$short"} "$tree/tracer-$system" >"$dir/tracer-$system.log" 2>&1 &
    eval "tracer_$system=\$!"
done

# by ROW ARGUMENT...: its compiler
by() {
    by_row=$1
    shift
    case $by_row in
    posix-cond) ;;
    *) set -- -DVALET_TEST_STEP "$@" ;;
    esac
    case $by_row in
    posix-cond*) set -- -DVALET_POSIX_SEM=0 "$@" ;;
    esac
    case $by_row in
    *musl) musl-gcc -static -pthread "$@" ;;
    *) gcc -pthread "$@" ;;
    esac
}

# objects ROW TREE DIRECTORY SOURCE...: with the headers of a tree; without a SOURCE of the library, as far as any of
# the programs calls it
objects() {
    row=$1 from=$PWD/$2 to=$3 harness=$PWD/test/harness kind=sema futex=0 system=posix
    shift 3
    case $row in linux*) kind=futex futex=1 system=linux ;; esac
    [ $# -ne 0 ] || set -- "$from/core/park_$kind.c" "$from/core/waiters_$kind.c" "$from/core/futex_$kind.c" \
        "$from/core/park_with_$kind.c" "$from/core/waiters_with_$kind.c" "$from/core/now.c" "$from"/core/locks/*.c \
        "$from/sys/$system.c"
    mkdir -p "$to" && (cd "$to" && by "$row" -std=gnu11 -O2 -Wall -Wextra -Werror "-I$from" "-I$from/include" \
        "-I$harness" "-DVALET_TEST_FUTEX_KIND=$futex" -c "$@")
}

# build_test ROW TEST OUTPUT [TREE FILE]: a test with the library, which is compiled once for a row; where a FILE was
# changed in a TREE, that file of it, or, of a header, all
build_test() {
    source=$PWD/test/faults/$2_test.c subject=$2_test output=$3 rest=$dir/objects-$1
    [ -e "$source" ] || source=$PWD/test/contract/$2_test.c
    if [ ! -e "$rest/libvalet.a" ]; then
        objects "$1" . "$rest/library" && objects "$1" . "$rest" "$PWD/test/harness/test.c" \
            "$PWD/test/harness/hosted.c" && ar rcs "$rest/libvalet.a" "$rest"/library/*.o || return
    fi
    [ -e "$rest/$subject.o" ] || objects "$1" . "$rest" "$source" || return
    by_row=$1 changed=${4:+$4/objects}
    case ${5-} in
    *.c) objects "$1" "$4" "$changed" "$PWD/$4/$5" || return ;;
    *.h) objects "$1" "$4" "$changed" || return ;;
    esac
    set -- "$rest/$subject.o" "$rest/test.o" "$rest/hosted.o"
    [ -z "$changed" ] || set -- "$@" "$changed"/*.o
    [ "$subject" != held_test ] ||
        for wrapped in sem_wait sem_clockwait sem_timedwait pthread_cond_wait pthread_cond_timedwait \
            valet_sys_futex_wait; do
            set -- "$@" "-Wl,--wrap=$wrapped"
        done
    by "$by_row" -o "$output" "$@" "$rest/libvalet.a"
}

# each ROW TEST [NAME...]
each() {
    each_row=$1 each_name=$2
    shift 2
    if build_test "$each_row" "$each_name" "$dir/$each_name-$each_row"; then
        each_test "$each_row" "$dir/$each_name-$each_row" "$source" "$@"
    else
        bad "$each_row: ${each_name}_test.c does not build"
    fi
}

for row in $rows; do
    begin_notes "$row"
    each "$row" faults
done
rmdir /sys/fs/cgroup/valet-test-* /sys/fs/cgroup/unified/valet-test-* 2>/dev/null

# shellcheck disable=SC2154 # set by eval
for system in linux posix; do
    wait "$(eval echo "\$tracer_$system")"
    status=$?
    sed "s/^\(ok      \|FAILED: \)/\1$system, held at $where: /" "$dir/tracer-$system.log" | grep -v '^[0-9]'
    n=$(grep -c '^ok' "$dir/tracer-$system.log")
    passed=$((passed + n))
    if [ $status -ne 0 ]; then
        bad "$system: the tracer ended with $status"
    elif [ "$n" -lt 12 ]; then
        bad "$system: only $n scenarios"
    fi
done

for row in $rows; do
    inside=
    deep || [ "$row" != linux-musl ] || inside='env HELD_SECONDS=0' # the code and the kernel are those of linux
    each "$row" held
    { ! deep && [ "$row" != linux ]; } || each "$row" locked
    case $row in
    linux*) each "$row" sandbox test_a_kernel_that_refuses_is_an_error_at_once ;; # the filter is for Linux' own calls
    esac
done

# hold_up NAME ROW TEST FILE OLD NEW [OLD NEW]: the test, of held_test.c or $program, must fail, or hang: at once, or in
# one of 20 tries, since some faults show only where a thread loses its CPU at one place
program=held
hold_up() {
    turn 4 || return 0
    planted=$1 row=$2 test=$3 file=$4
    shift 4
    rm -rf "$dir/held"
    mkdir -p "$dir/held"
    cp -r arch core include sys "$dir/held"
    if ! python3 -S test/lib/plant.py "$dir/held/$file" "$@" ||
        ! build_test "$row" "$program" "$dir/held/test" "$dir/held" "$file"; then
        bad "planted: $planted: cannot be planted"
        return
    fi
    status=0 tries=0
    while [ $status -eq 0 ] && [ $tries -lt 20 ]; do
        python3 test/lib/watch.py 5 "$dir/held/test" "$test" >"$dir/log" 2>&1 # s of CPU time; it needs 2
        status=$? tries=$((tries + 1))
    done
    said=$(sed -n 's/.*FAILED: /fails: /p; s/^hangs: /hangs: /p' "$dir/log" | head -n 1)
    case $status in
    0) bad "planted: $row, $planted: not found by $test" ;;
    77) skip "planted: $planted" "$(tail -n 1 "$dir/log")" ;;
    *) if [ -n "$said" ]; then good "planted: $row, $planted: $test $said"; else bad "planted: $planted: $status"; fi ;;
    esac
}
hold_up 'a store waits for who has the list' posix test_a_waker_of_higher_priority_goes_on core/waiters_sema.c \
    'next = state & STATE;' \
    'while (seen & TAKEN) { seen = atomic_load_explicit(word, memory_order_relaxed); } next = state & STATE;' \
    'bool owed = false, found = false;' \
    'bool owed = false, found = false; for (volatile int slow = 0; slow < 3000; slow++) { }'
hold_up 'a futex wake waits for who has the queue' posix test_a_handler_may_wake core/futex_sema.c \
    'looks < VALET_FUTEX_LOOKS' 'looks < UINT32_MAX'
hold_up 'one refusal is the end' linux test_a_page_that_is_protected_for_a_moment core/word.h \
    '#define VALET_TRIES 4' '#define VALET_TRIES 1'
hold_up 'a signal is a refusal' linux test_a_handler_interrupts_a_wait sys/linux.c 'r == 0 || r == -EINTR' 'r == 0'
hold_up 'a deadline is rounded down to milliseconds' linux test_no_timeout_is_early sys/kernel_timespec.h \
    'ns % 1000000000u' 'ns % 1000000000u / 1000000u * 1000000u'
hold_up 'a signal is a refusal' posix test_a_handler_interrupts_a_wait sys/posix.c 'errno != EINTR && errno' 'errno'
hold_up 'a fork is not noticed' posix test_a_child_waits_by_itself sys/posix.c \
    'pthread_atfork(NULL, NULL, child) == 0' 'child != NULL'
hold_up 'a wait until a time that has passed notes no fork' posix test_a_child_handler_starts_threads \
    core/futex_sema.c 'int r = forget_at_fork();' 'int r = deadline == 1 ? VALET_OK : forget_at_fork();'
hold_up 'a fork in a handler is not noticed' posix test_a_handler_forks sys/posix.c \
    'pthread_atfork(NULL, NULL, child) == 0' 'child != NULL'
hold_up 'a wait that a fork has interrupted ends' linux test_a_handler_forks sys/linux.c \
    'r == 0 || r == -EINTR' 'r == 0'
hold_up 'a table that forgets by itself' posix test_a_fork_without_handlers core/futex_sema.c \
    'if (count == 0) return 0;' 'if (count == 0) { return 0; } forget();'
for row in posix posix-cond posix-musl; do
    hold_up 'a wait can be cancelled' $row test_no_wait_is_a_cancellation_point sys/posix.c \
        'pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &sema->cancel)' 'sema->cancel = PTHREAD_CANCEL_ENABLE'
done
for row in posix posix-cond; do
    hold_up 'one refusal is the end' $row test_a_refusal_now_and_then sys/posix.c \
        '#define REFUSALS 4' '#define REFUSALS 1'
done
for row in posix-cond posix-musl; do
    hold_up 'a time of another clock is believed' $row test_a_time_that_is_over_by_another_clock sys/posix.c \
        'if (errno != EINTR && errno != ETIMEDOUT' \
        'if (errno == ETIMEDOUT) r = VALET_TIMEDOUT; else if (errno != EINTR' \
        'if (e == ETIMEDOUT) e = 0;' 'if (e == ETIMEDOUT) return VALET_TIMEDOUT;'
done
hold_up 'errno is left behind' posix test_a_refusal_now_and_then sys/posix.c \
    'errno = saved; return r;' '(void)saved; return r;'
hold_up 'a wake is not one step' posix-cond-step test_a_handler_may_wake sys/posix.c \
    '#define REFUSALS 4' '#define REFUSALS 3'
hold_up 'who is woken lets others go first' posix test_a_waker_that_computes_on sys/posix.c \
    '(void)atomic_load_explicit(&os_sema(s)->posted, memory_order_acquire); break;' \
    'extern int sched_yield(void); for (int i = 0; i < 16; i++) sched_yield(); break;'

program=locked
slow='for (volatile int slow = 0; slow < 3000; slow++) { }'
hold_up 'an unlock waits for who has the list' posix test_all_priorities_go_on core/locks/queue.c \
    'VALET_ASSERT(seen & VALET_LOCKED);' \
    'while (seen & VALET_TAKEN) { seen = atomic_load_explicit(word, memory_order_relaxed); }' \
    'uintptr_t set = 0;' "uintptr_t set = 0; $slow"
hold_up 'a notify waits for who has the list' linux test_a_stopped_thread_holds_up_nobody_who_gives_up \
    core/locks/cond.c 'uintptr_t next = seen | ((seen & VALET_TAKEN) ? ALL : VALET_TAKEN);' \
    'if (seen & VALET_TAKEN) { seen = atomic_load_explicit(word, memory_order_relaxed); continue; }
        uintptr_t next = seen | VALET_TAKEN;' \
    'struct valet_node *out = NULL, *newest' "$slow struct valet_node *out = NULL, *newest"
hold_up 'who came last is woken first' linux test_every_wait_is_bounded core/locks/list.h \
    'if (lost == NULL) return;' 'lost = l->newest;'

program=faults
hold_up 'a token that came without a wake is not looked for' linux test_a_stranger_by_wait_bitset core/park_futex.c \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED && r != VALET_TIMEDOUT)'
for test in test_a_stranger_by_waitv test_a_stranger_that_was_moved test_a_stranger_by_io_uring; do
    hold_up 'one is woken for all' linux $test core/waiters_futex.c \
        'if (VALET_LIKELY(!(old & (WAITERS | OWED)))) return; valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL);' \
        'if (VALET_LIKELY(!(old & (WAITERS | OWED)))) { return; } valet_sys_futex_wake((uint32_t *)word, 1);'
done

hold_up 'a call that a filter forbids' linux test_what_a_filter_lets_pass sys/linux.c \
    'int operation = FUTEX_WAIT_BITSET;' 'int operation = FUTEX_WAIT_BITSET; valet_trap_linux(24, 0, 0, 0, 0, 0, 0);'
hold_up 'one refusal is the end' linux test_a_filter_without_restart_syscall core/word.h \
    '#define VALET_TRIES 4' '#define VALET_TRIES 1'
hold_up 'a call that is not begun again is no refusal' linux test_a_filter_without_restart_syscall sys/linux.c \
    'r == 0 || r == -EINTR' 'r == 0 || r == -EPERM || r == -EINTR'

# plant NAME SYSTEM FILE OLD NEW WHAT SCENARIO: the tracer must fail, by saying WHAT, in that scenario
number=0
plant() {
    turn 5 || return 0
    number=$((number + 1))
    tree=$dir/plant$number
    mkdir -p "$tree"
    cp -r arch core include sys "$tree"
    if ! python3 -S test/lib/plant.py "$tree/$3" "$4" "$5"; then
        bad "planted: $1: no longer applies"
        return
    fi
    kind=futex
    [ "$2" = linux ] || kind=sema
    if ! build "$tree" $kind "$2" "$3"; then
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
    '(long)expected, until' '((void)expected, (long)*(volatile uint32_t *)word), until' \
    'a wake-up is lost' park
plant 'park withdraws by a store' linux core/park_futex.c \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \
    'if (({ uint32_t old = atomic_load(word); atomic_store(word, EMPTY); old; }) == NOTIFIED)' \
    'the word at the end' 'timed park, past its deadline'
plant 'any return of the wait is a wake-up' linux core/park_futex.c \
    'if (atomic_load_explicit(word, memory_order_relaxed) != PARKED)' \
    'if (r == VALET_OK) { atomic_exchange(word, EMPTY); return r; } if (atomic_load(word) != PARKED)' \
    'the word at the end' 'park, interrupted'
plant 'unpark reads the word after its exchange' linux core/park_futex.c \
    'valet_sys_futex_wake((uint32_t *)word, VALET_WAKE_PARKED);' \
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
plant 'a deadline in the wrong unit' linux sys/kernel_timespec.h 'ns / 1000000000u' 'ns / 1000000000000000u' \
    'a timeout ' 'timed park'
plant 'unpark loads, then stores' posix core/park_sema.c \
    'atomic_exchange_explicit(word_of(p), NOTIFIED, memory_order_acq_rel)' \
    'atomic_load(word_of(p)); atomic_store(word_of(p), NOTIFIED)' \
    'a wake-up is lost' park
plant 'the semaphore forgets its post' posix sys/posix.c \
    'int saved = errno, r = VALET_OK;' 'int saved = errno, r = VALET_OK; (void)sem_trywait(sem);' \
    'a wake-up is lost' park
plant 'a timed-out park leaves its address' posix core/park_sema.c \
    'r != VALET_OK && !atomic_compare' 'r != VALET_OK && 0 && !atomic_compare' \
    'a ' 'timed park, past its deadline'
plant 'the post touches the semaphore after it' posix sys/posix.c \
    'sem_post(&os_sema(s)->sem);' 'sem_post(&os_sema(s)->sem); os_sema(s)->cancel = 0;' \
    'a dead stack frame was touched' park
plant 'store_and_wake loads, then stores' posix core/waiters_sema.c \
    '} while (!atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_acq_rel,
                                                    memory_order_relaxed)); if (!(seen & TAKEN))' \
    '} while (0); atomic_store(word, next); if (!(seen & TAKEN))' \
    'a wake-up is lost' wait
plant 'the futex compares before its note only' posix core/futex_sema.c \
    'if (atomic_load_explicit((valet_word32 *)word, memory_order_relaxed) != expected)
        r = VALET_CHANGED;
    else if (atomic_compare' 'if (atomic_compare' \
    'a wake-up is lost' futex

counted faults
