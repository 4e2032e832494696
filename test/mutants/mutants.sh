#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Faults planted in the library, one at a time; the tests must notice each. Usage: mutants.sh DIR [WORD]
# builds below DIR; with WORD only the faults whose line contains it.
#
# A fault is: its name, the build it is for, a file, a text that occurs there exactly once, and what
# replaces it. One that no longer applies is a failure. Faults that show only where one thread comes
# between two instructions of another are not here but in test/c11/bugs: there they are found for certain.
# Builds are linux, posix and cond-posix (with a condition variable) by gcc, and tsan-linux and tsan-posix by
# clang's ThreadSanitizer, which alone sees a missing order on a CPU that has it anyway. A test that hangs has
# noticed, too: all its threads sleep and go on sleeping, or it has used several times the CPU time that it
# needs without a
# fault. So a machine under load catches nothing.
set -u
[ $# -ge 1 ] || { echo 'usage: mutants.sh DIR [WORD]' >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd) || exit 1
only=${2:-}
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
. test/lib/count.sh
rm -rf "${dir:?}"/*

kind_of() {
    case $1 in
    *linux) echo futex ;;
    *) echo sema ;;
    esac
}

# compile BUILD ARGUMENTS OF THE COMPILER...: with the headers of the current directory
compile() {
    build=$1
    shift
    case $build in
        tsan-*) set -- clang -fsanitize=thread -O1 "$@" ;;
    cond-*) set -- gcc -O2 -DVALET_POSIX_SEM=0 "$@" ;;
    *) set -- gcc -O2 "$@" ;;
    esac
    futex=1
    [ "$(kind_of "$build")" = futex ] || futex=0
    "$@" -std=gnu11 -g -w -pthread -I. -Iinclude -Itest/harness \
        -DVALET_TEST_FUTEX_KIND=$futex "-DVALET_TEST_OS_${build#*-}"
}

# library BUILD: its sources
library() {
    echo "core/park_$(kind_of "$1").c core/waiters_$(kind_of "$1").c core/futex_$(kind_of "$1").c" \
        "core/now.c sys/${1#*-}.c"
}

# tests BUILD FILE: which programs may notice a fault in FILE, the likely ones first. PROGRAM:WORD
# runs the tests of a program whose name contains WORD.
tests() {
    case $1-$2 in
    tsan-*park*) echo park:merged park:ping stress:unpark stress:producers ;;
    tsan-*waiters*) echo waiters:visible waiters:once stress:states waiters:crowd ;;
    tsan-*futex*) echo futex:mutex stress:queue ;;
    linux-*park*) echo spin park ;;
    *park*) echo park ;;
    *waiters*) echo waiters ;;
    *futex*) echo futex ;;
    *deadline*) echo deadline ;;
    *spin*) echo spin ;;
    *) echo park waiters futex ;;
    esac
    case $1 in
    linux) echo sandbox sleep stress ;;
        posix | cond-posix) echo sleep stress ;;
    esac
}

# The programs are compiled once, and linked with each library.
objects() {
    mkdir -p "$dir/$1"
    programs='park waiters futex stress'
    case $1 in
    linux) programs="$programs deadline sleep sandbox" ;;
    posix | cond-posix) programs="$programs deadline sleep" ;;
    esac
    for t in $programs; do
        compile "$1" -c "test/contract/${t}_test.c" -o "$dir/$1/$t.o" || exit 1
    done
    compile "$1" -c test/harness/hosted.c -o "$dir/$1/hosted.o" || exit 1
    compile "$1" -c test/harness/test.c -o "$dir/$1/test.o" || exit 1
}

# link BUILD PROGRAM OUTPUT, in the mutant's directory. Two tests are compiled with the file that they test.
link() {
    case $2 in
    deadline | spin) compile "$1" "test/contract/$2_test.c" "$dir/$1/hosted.o" "$dir/$1/test.o" -o "$3" ;;
    *) compile "$1" "$dir/$1/$2.o" "$dir/$1/hosted.o" "$dir/$1/test.o" lib*.o -o "$3" ;;
    esac
}

# make_library BUILD: lib*.o in the current directory
make_library() {
    n=0
    for source in $(library "$1"); do
        n=$((n + 1))
        compile "$1" -c "$source" -o "lib$n.o" || return 1
    done
}

copy() {
    mkdir -p "$1" && cp -r arch core sys include "$1" && mkdir -p "$1/test/contract" &&
        cp test/contract/deadline_test.c test/contract/spin_test.c "$1/test/contract" && cp -r test/harness "$1/test"
}

# run SECONDS EACH: a program, or PROGRAM:WORD. 0 passed; its CPU time is left in cpu.txt, or the last words
# of a failure in said.txt
run() {
    limit=$1 word=${2#"${2%:*}"}
    set -- "./${2%:*}"
    [ -z "$word" ] || set -- "$1" "${word#:}"
    TSAN_OPTIONS=halt_on_error=1 python3 "$root/test/lib/watch.py" --used cpu.txt "$limit" "$@" >out.txt 2>&1
    status=$?
    case $status in
    0) return 0 ;;
    124) echo "hangs: $(grep '^test_' out.txt | tail -n 1)" >said.txt ;;
    *)
        said=$(grep -m 1 -e 'FAILED:' -e 'WARNING: ThreadSanitizer' out.txt | sed 's/.*FAILED: //; s/ (pid.*//')
        echo "${said:-status $status: $(grep '^test_' out.txt | tail -n 1)}" >said.txt
        ;;
    esac
    return 1
}

# control BUILD: without a fault every program passes, and how long it takes is the measure
control() {
    copy "$dir/$1/control"
    (
        cd "$dir/$1/control" || exit 1
        make_library "$1" || exit 1
        for each in $(tests "$1" park) $(tests "$1" waiters) $(tests "$1" futex) $(tests "$1" deadline); do
            program=${each%:*}
            [ ! -e "../$each.limit" ] || continue
            [ -x "$program" ] || link "$1" "$program" "$program" || exit 1
            run 120 "$each" || {
                echo "without a fault, $1 $each fails: $(cat said.txt)"
                exit 1
            }
            echo $(($(cat cpu.txt) * 4 + 4)) >"../$each.limit"
        done
    )
}

# plant NUMBER NAME BUILD FILE OLD NEW: one fault; the result is a line in a file
plant() {
    number=$1 name=$2 build=$3 file=$4
    result=$dir/result.$number
    copy "$dir/$number"
    (
        cd "$dir/$number" || exit 1
        python3 "$root/test/lib/plant.py" "$file" "$5" "$6" || { echo "STALE $name" >"$result"; exit; }
        make_library "$build" || { echo "STALE $name: does not compile" >"$result"; exit; }
        # Where the tests of an order have threads meet by chance: three runs, before a fault survives.
        for attempt in 1 2 3; do
            for each in $(tests "$build" "$file"); do
                program=${each%:*}
                [ -x "$program" ] || link "$build" "$program" "$program"
                if ! run "$(cat "$dir/$build/$each.limit")" "$each"; then
                    echo "caught $name: caught by $program, run $attempt ($(cut -c 1-90 said.txt))" >"$result"
                    exit
                fi
            done
        done
        echo "SURVIVED $name" >"$result"
    )
    rm -rf "${dir:?}/$number"
    echo >&9
}

# Four at a time: each takes a line out of the pipe, and puts it back.
mkfifo "$dir/slots"
exec 9<>"$dir/slots"
printf '\n\n\n\n' >&9

count=0
builds=
# mutant NAME BUILD FILE OLD NEW
mutant() {
    case "$1 $2 $3" in
    *"$only"*) ;;
    *) return ;;
    esac
    turn 5 || return
    case " $builds " in
    *" $2 "*) ;;
    *)
        builds="$builds $2"
        objects "$2"
        control "$2" || exit 1
        ;;
    esac
    count=$((count + 1))
    read -r _ <&9
    plant $count "$2 $3: $1" "$2" "$3" "$4" "$5" &
}

# ---- parker, futex kind

mutant 'any return of the wait is a wake-up' linux core/park_futex.c \
    'if (atomic_load_explicit(word, memory_order_relaxed) != PARKED)' \
    'if (r == VALET_OK) { atomic_exchange(word, EMPTY); return r; } if (atomic_load(word) != PARKED)'
mutant 'a stolen token is taken for ours' linux core/park_futex.c \
    'if (!valet_look_again(r)) return r;' 'return valet_look_again(r) ? VALET_OK : r;'
mutant 'a refused park is not withdrawn' linux core/park_futex.c \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \
    'if (r == VALET_ERR_SYSTEM) return r;
     if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)'
mutant 'a second thread is let in' linux core/park_futex.c \
    'if (seen == PARKED) return VALET_ERR_BUSY;' 'if (seen == PARKED) return VALET_OK;'
mutant 'a passed deadline beats a token' linux core/park_futex.c \
    'return take_token(word_of(p)) ? VALET_OK : park(word_of(p), deadline);' \
    'if (deadline <= valet_sys_now()) return VALET_TIMEDOUT;
     return take_token(word_of(p)) ? VALET_OK : park(word_of(p), deadline);'
mutant 'a token that is there asks the clock' linux core/park_futex.c \
    'if (take_token(word_of(p))) return VALET_OK; uint64_t deadline;' 'uint64_t deadline;'
mutant 'trying asks the kernel' linux core/park_futex.c \
    'if (seen == EMPTY && deadline == 0)' 'if (0)'
mutant 'unpark always asks the kernel' linux core/park_futex.c \
    'if (VALET_LIKELY(old != PARKED))' 'if (old == 12345)'
mutant 'unpark leaves a token alone' tsan-linux core/park_futex.c \
    'uint32_t old = atomic_exchange_explicit(word' \
    'if (atomic_load_explicit(word, memory_order_relaxed) == NOTIFIED) return;
     uint32_t old = atomic_exchange_explicit(word'
mutant 'unpark does not release' tsan-linux core/park_futex.c \
    'NOTIFIED, memory_order_release)' 'NOTIFIED, memory_order_relaxed)'
mutant 'the taker does not acquire' tsan-linux core/park_futex.c \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_relaxed) == NOTIFIED)'

# Each is found by spin_test, in which nothing is left to chance.
mutant 'a poll is not paid for' linux core/spin.h \
    '(account & UINT16_MAX) - looks' '(account & UINT16_MAX)'
mutant 'a poll without credit' linux core/spin.h 'return (account & UINT16_MAX) >= n ? n : 0;' 'return n;'
mutant 'a fresh parker polls' linux core/spin.h '(VALET_SPIN_LOOKS / 4)' '(VALET_SPIN_LOOKS / 2)'
mutant 'a sleep earns nothing' linux core/spin.h '+ VALET_SPIN_LOOKS_PER_SLEEP' '+ 0'
mutant 'credit without an end' linux core/spin.h 'valet_spin_smaller(credit, VALET_SPIN_LOOKS_CAP)' 'credit'
mutant 'a poll without an end' linux core/spin.h \
    'valet_spin_smaller(4 * (account >> 16) + VALET_SPIN_LOOKS_EXTRA, VALET_SPIN_LOOKS)' \
    '4 * (account >> 16) + VALET_SPIN_LOOKS_EXTRA'
mutant 'a hit changes no mean' linux core/spin.h '(3 * (account >> 16) + looks) / 4' '(account >> 16)'
mutant 'a poll in vain is no reason for a longer one' linux core/spin.h \
    '2 * (account >> 16) + VALET_SPIN_LOOKS_STEP' '(account >> 16)'
mutant 'a poll that is BUSY goes on' linux core/park_futex.c 'if (token == PARKED)' 'if (0)'
mutant 'a second parker touches the account' linux core/park_futex.c \
    'if (atomic_load_explicit(word, memory_order_relaxed) != EMPTY)' 'if (0)'
mutant 'a passed deadline polls' linux core/park_futex.c 'valet_sys_now() < deadline' '1'
mutant 'trying polls' linux core/park_futex.c 'return deadline != 0 && (' 'return ('
mutant 'a park with a deadline does not poll' linux core/park_futex.c \
    'if (deadline == VALET_FOREVER || is_worth_a_poll(word, deadline))' 'if (deadline == VALET_FOREVER)'
mutant 'a park that cannot poll asks the clock' linux core/park_futex.c \
    'valet_spin_looks(account) == 0 || ' ''

# ---- waiters, futex kind

mutant 'the compared word lacks WAITERS' linux core/waiters_futex.c \
    'expected | WAITERS, deadline' 'expected, deadline'
mutant 'exchange clears WAITERS' linux core/waiters_futex.c \
    '(seen & ~STATE) | (desired & STATE)' '(desired & STATE)'
mutant 'exchange wakes' linux core/waiters_futex.c \
    'memory_order_acq_rel, memory_order_acquire)); return true;' \
    'memory_order_acq_rel, memory_order_acquire)); valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL); return true;'
mutant 'store_and_wake wakes one' linux core/waiters_futex.c \
    'return; valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL);' \
    'return; valet_sys_futex_wake((uint32_t *)word, 1);'
mutant 'store_and_wake of the state that is there wakes nobody' linux core/waiters_futex.c \
    'if (VALET_LIKELY(!(old & (WAITERS | OWED))))' 'if (!(old & (WAITERS | OWED)) || (old & STATE) == state)'
mutant 'store_and_wake keeps the record' linux core/waiters_futex.c \
    'return; valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL);' \
    'return; atomic_fetch_or(word, WAITERS); valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL);'
mutant 'any return of the wait is a change' linux core/waiters_futex.c \
    'expected | WAITERS, deadline);' 'expected | WAITERS, deadline); if (r == VALET_OK) return r;'
mutant 'a timed-out waiter clears WAITERS' linux core/waiters_futex.c \
    'expected | WAITERS, deadline);' \
    'expected | WAITERS, deadline); if (r == VALET_TIMEDOUT) atomic_fetch_and(word, ~WAITERS);'
mutant 'a passed deadline beats a change' linux core/waiters_futex.c \
    'int r = deadline == 0 ? VALET_TIMEDOUT : VALET_OK;' \
    'int r = VALET_OK; if (deadline <= valet_sys_now()) return VALET_TIMEDOUT;'
mutant 'an expected state out of range is cut' linux core/waiters_futex.c \
    'if ((seen & STATE) != *expected) {' 'if ((seen & STATE) != (*expected & STATE)) {'
mutant 'store_and_wake does not release' tsan-linux core/waiters_futex.c \
    'state & STATE, memory_order_release)' 'state & STATE, memory_order_relaxed)'
mutant 'exchange does not order' tsan-linux core/waiters_futex.c \
    'memory_order_acq_rel, memory_order_acquire)' 'memory_order_relaxed, memory_order_relaxed)'
mutant 'a failed exchange does not acquire' tsan-linux core/waiters_futex.c \
    'uint32_t seen = atomic_load_explicit(word, memory_order_acquire); do {' \
    'uint32_t seen = atomic_load_explicit(word, memory_order_relaxed); do {'
mutant 'the waiter does not acquire' tsan-linux core/waiters_futex.c \
    'uint32_t seen = atomic_load_explicit(word, memory_order_acquire); VALET_ASSERT' \
    'uint32_t seen = atomic_load_explicit(word, memory_order_relaxed); VALET_ASSERT'
mutant 'who need not wait does not acquire' tsan-linux core/waiters_futex.c \
    'uint32_t seen = atomic_load_explicit(word, memory_order_acquire); if' \
    'uint32_t seen = atomic_load_explicit(word, memory_order_relaxed); if'
mutant 'any other expected state is a difference' linux core/waiters_futex.c \
    '(seen | expected) <= STATE &&' 'seen <= STATE &&'
mutant 'the rest is not woken' linux core/waiters_futex.c \
    'if ((seen & OWED) && deadline != 0) {' 'if (0) {'
mutant 'store_and_delegate wakes nobody' linux core/waiters_futex.c \
    'if (seen & WAITERS) valet_sys' 'if (0) valet_sys'

# ---- futex, deadline, linux

mutant 'a misaligned word is the kernel'"'"'s business' linux core/futex_futex.c \
    '(uintptr_t)word % sizeof *word != 0' '0'
mutant 'count 0 wakes' linux core/futex_futex.c 'if (count != 0)' 'if (1)'
mutant 'the sum of a deadline wraps' linux core/deadline.h \
    '*deadline = VALET_FOREVER;' '*deadline = now + timeout_ns;'
mutant 'no clock is no obstacle' linux core/deadline.h 'return false;' 'return true;'
mutant 'a deadline of 0 needs a clock' linux sys/deadline.h \
    'if (now >= deadline) return VALET_TIMEDOUT; if (now == 0) return VALET_ERR_UNSUPPORTED;' \
    'if (now == 0) return VALET_ERR_UNSUPPORTED; if (now >= deadline) return VALET_TIMEDOUT;'
mutant 'EPERM is a reason to look again' linux sys/linux.c 'r == -EINTR' 'r == -EINTR || r == -1'
mutant 'EINTR is a timeout' linux sys/linux.c \
    'if (r == 0 || r == -EINTR)' 'if (r == -EINTR) return VALET_TIMEDOUT; if (r == 0)'
mutant 'a deadline is cut to milliseconds' linux sys/kernel_timespec.h \
    '(int64_t)(ns % 1000000000u)' '(int64_t)(ns % 1000000000u / 1000000 * 1000000)'
mutant 'a count beyond int goes to the kernel' linux sys/futex_word.h \
    '(int)(count & INT32_MAX)' '(int)count'
mutant 'wake and wait name different queues' linux sys/linux.c \
    'FUTEX_WAKE | FUTEX_PRIVATE_FLAG' 'FUTEX_WAKE'
mutant 'the clock is another' linux sys/linux.c '#define CLOCK_MONOTONIC 1' '#define CLOCK_MONOTONIC 0'

# ---- parker, sema kind

mutant 'a second thread is let in' posix core/park_sema.c \
    'if (seen != EMPTY) return VALET_ERR_BUSY;' 'if (seen != EMPTY) return VALET_TIMEDOUT;'
mutant 'unpark leaves a token alone' tsan-posix core/park_sema.c \
    'uintptr_t old = atomic_exchange_explicit(' \
    'if (atomic_load_explicit(word_of(p), memory_order_relaxed) == NOTIFIED) return;
     uintptr_t old = atomic_exchange_explicit('
mutant 'unpark does not release' tsan-posix core/park_sema.c \
    'NOTIFIED, memory_order_acq_rel)' 'NOTIFIED, memory_order_acquire)'
mutant 'park does not publish its semaphore' tsan-posix core/park_sema.c \
    'word, &seen, self, memory_order_release, memory_order_relaxed)' \
    'word, &seen, self, memory_order_relaxed, memory_order_relaxed)'

# ---- waiters, sema kind

mutant 'a withdrawal takes the older ones with it' posix core/waiters_sema.c \
    '*link = n->next;' '*link = NULL;'
mutant 'exchange drops the queue' posix core/waiters_sema.c \
    '(seen & ~STATE) | (desired & STATE)' '(desired & STATE)'
mutant 'store_and_wake wakes one' posix core/waiters_sema.c \
    'next = n->next; valet_sys_sema_post(&n->sema);' 'next = NULL; valet_sys_sema_post(&n->sema);'
mutant 'any return of the wait is a change' posix core/waiters_sema.c \
    'r = sleep_once(word, expected, deadline);' \
    'r = sleep_once(word, expected, deadline); if (r == VALET_OK) return r;'
mutant 'who need not wait does not acquire' tsan-posix core/waiters_sema.c \
    'uintptr_t seen = atomic_load_explicit(word, memory_order_acquire); if (VALET_LIKELY' \
    'uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); if (VALET_LIKELY'
mutant 'any other expected state is a difference' posix core/waiters_sema.c \
    '(seen | expected) <= STATE &&' 'seen <= STATE &&'
mutant 'a waiter does not publish its node' tsan-posix core/waiters_sema.c \
    'memory_order_release, memory_order_relaxed)) continue;' \
    'memory_order_relaxed, memory_order_relaxed)) continue;'
mutant 'store_and_wake does not order' tsan-posix core/waiters_sema.c \
    'memory_order_acq_rel, memory_order_relaxed)); if (!(seen & TAKEN))' \
    'memory_order_relaxed, memory_order_relaxed)); if (!(seen & TAKEN))'

# ---- futex, sema kind; posix

mutant 'wake ignores its count' posix core/futex_sema.c 'n != NULL && count != 0' 'n != NULL'
mutant 'wake ignores the word' posix core/futex_sema.c '(word == NULL || n->word == word)' '(1)'
mutant 'last in, first out' posix core/futex_sema.c \
    'n->next = NULL; n->previous = b->last; *(b->last ? &b->last->next : &b->first) = n; b->last = n;' \
    'n->previous = NULL; n->next = b->first; *(b->first ? &b->first->previous : &b->last) = n; b->first = n;'
mutant 'a timed-out waiter stays in the queue' posix core/futex_sema.c \
    'r = leave(b, &n, alone, r);' '(void)leave, (void)alone;'
mutant 'unlinking forgets the last' posix core/futex_sema.c \
    '*(n->next ? &n->next->previous : &b->last) = n->previous;' \
    'if (n->next) n->next->previous = n->previous;'
mutant 'a misaligned word is read' posix core/futex_sema.c '(uintptr_t)word % sizeof *word != 0' '0'
mutant 'a deadline is cut to milliseconds' posix sys/posix.c \
    'struct timespec at = timespec_of(deadline <' \
    'if (deadline != VALET_FOREVER) deadline -= deadline % 1000000;
     struct timespec at = timespec_of(deadline <'
mutant 'a post is none' posix sys/posix.c 'sem_post(&os_sema(s)->sem);' ''
mutant 'a wait forgets an earlier post' posix sys/posix.c \
    'int saved = errno, r = VALET_OK;' 'int saved = errno, r = VALET_OK; (void)sem_trywait(sem);'
mutant 'a deadline on another clock' posix sys/posix.c 'CLOCKWAIT(sem, CLOCK_MONOTONIC, &at)' \
    'CLOCKWAIT(sem, CLOCK_REALTIME, &at)'
mutant 'a deadline is cut to milliseconds' cond-posix sys/posix.c \
    'e = pthread_cond_timedwait(&sema->condition, &sema->mutex, &at); if (e == ETIMEDOUT) e = 0;' \
    'at.tv_nsec -= at.tv_nsec % 1000000; e = pthread_cond_timedwait(&sema->condition, &sema->mutex, &at);
     if (e == ETIMEDOUT) return VALET_TIMEDOUT;'
mutant 'a post does not signal' cond-posix sys/posix.c \
    'pthread_cond_signal(&sema->condition);' ''
mutant 'a wait forgets an earlier post' cond-posix sys/posix.c \
    'int r = VALET_OK, refusals = 0;' 'int r = VALET_OK, refusals = 0; sema->posted = false;'
mutant 'the condition counts on another clock' cond-posix sys/posix.c \
    'e = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);' 'e = 0;'

wait
[ $count -gt 0 ] || { echo "no fault matches $only"; exit 1; }
survived=0 caught=0
for i in $(seq $count); do
    line=$(cat "$dir/result.$i" 2>/dev/null || echo "SURVIVED number $i left no result")
    case $line in
    caught*)
        caught=$((caught + 1))
        line=${line#caught }
        ;;
    *) survived=$((survived + 1)) ;;
    esac
    echo "$line"
done
echo "mutants: $caught caught, $survived survived"
[ $survived -eq 0 ]
