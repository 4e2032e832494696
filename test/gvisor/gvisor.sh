#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# gVisor, another kernel behind Linux' interface: the contract and the stress of linux and posix with glibc, static
# programs, each test in its short form; what befalls threads (test/faults), shorter still; then a wake against a
# deadline at length, which this kernel may call a timeout and use up all the same. Planted: what this kernel found. By
# Debian 12's runsc with its platform ptrace, which needs neither KVM nor an installation: fetched once, and unpacked.
# Where it cannot be had, or does not start, all is skipped, with the reason.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/faults/each.sh
dir=build/gvisor
kept=$PWD/build/debian-runsc # it is fetched once
rm -rf "$dir" build/threads/gvisor-*
mkdir -p "$dir"

skip_all() {
    echo "gvisor: $*"
    exit 77
}
[ "$(uname -sm)" = 'Linux x86_64' ] || skip_all "runsc is for Linux on x86_64, and this is $(uname -sm)"
[ "$(id -u)" -eq 0 ] || skip_all 'runsc needs root'

# In a directory of its own, since apt's lists are.
fetch() (
    . "$PWD/test/lib/apt.sh"
    rm -rf "$kept.new"
    mkdir -p "$kept.new" && cd "$kept.new" || exit
    apt_lists deb
    get() { timeout 300 apt-get update && timeout 300 apt-get download runsc; }
    five_times runsc get && dpkg-deb --fsys-tarfile runsc_*.deb | tar -x --strip-components=3 ./usr/bin/runsc &&
        rm -rf lists cache ./*.deb "$kept" && mv "$kept.new" "$kept"
)
have() { [ -x "$kept/runsc" ] || { sh test/lib/setup.sh --only debian-archive-keyring && fetch; }; }
have >"$dir/log" 2>&1 || skip_all "runsc cannot be fetched: $(tail -n 1 "$dir/log")"

# inside COMMAND...: in a sandbox of its own. runsc writes to files at places of its own: so through a pipe, and the
# status comes by a file.
inside() {
    { timeout -k 5 600 "$kept/runsc" --root="$PWD/$dir/state" --platform=ptrace --network=none \
        --ignore-cgroups 'do' "$@" </dev/null 2>&1 || echo $? >"$dir/status"; } | cat
    [ ! -e "$dir/status" ] || { rm "$dir/status" && return 1; }
}
inside true >"$dir/log" 2>&1 || skip_all "runsc does not start: $(tail -n 1 "$dir/log")"
good "a program ends well: $("$kept/runsc" --version | head -n 1), $(inside uname -rv)"
fails() { inside sh -c 'echo said; exit 3'; }
try_not '... and one that does not is seen' fails

# compile TREE SYSTEM OUTPUT OPTION...: as a test is compiled
compile() {
    from=$1 futex=1 define=-DVALET_TEST_OS_$2 to=$3
    [ "$2" = linux ] || futex=0
    shift 3
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -pthread "-I$from" "-I$from/include" -Itest/harness \
        "-DVALET_TEST_FUTEX_KIND=$futex" "$define" -o "$to" "$@"
}

# program TREE SYSTEM NAME THREADS: NAME_test.c, static. valet is a library, of which it gets what it needs.
program() {
    tree=$1 system=$2 name=$3 threads=$4 kind=futex
    [ "$system" = linux ] || kind=sema
    output=$dir/$system-$name-$threads archive=$dir/$system.a
    [ "$tree" = . ] || archive=$output.a # of a planted one
    if [ "$tree" != . ] || [ ! -e "$archive" ]; then
        set --
        for source in "core/park_$kind" "core/waiters_$kind" "core/futex_$kind" "core/park_with_$kind" \
            "core/waiters_with_$kind" "core/futex_with_$kind" "core/futex_requeue_$kind" core/cancel core/now \
            "sys/$system"; do
            object=$archive-$(basename "$source").o
            compile "$tree" "$system" "$object" -c "$tree/$source.c" || return
            set -- "$@" "$object"
        done
        rm -f "$archive"
        ar rcs "$archive" "$@" || return
    fi
    compile "$tree" "$system" "$output" "-DVALET_TEST_THREADS=$threads" "test/contract/${name}_test.c" \
        test/harness/test.c test/harness/hosted.c "$archive"
}

# passes SYSTEM NAME: it says how many tests passed
passes() {
    program . "$1" "$2" 63 || return
    inside "$PWD/$output" >"$dir/said" && grep '^[1-9][0-9]* tests passed' "$dir/said" && return
    cat "$dir/said"
    return 1
}
for system in linux posix; do
    for name in clock deadline futex park shared waiters stress sandbox; do
        [ "$system-$name" != posix-sandbox ] || continue # its filters are for Linux' own calls
        try "$system: ${name}_test" passes "$system" "$name"
    done
done

# threads SYSTEM NAME: NAME_test.c of test/faults
threads() {
    kind=futex name=$2 output=$PWD/$dir/$1-$2
    [ "$1" = linux ] || kind=sema
    set -- . "$1" "$output" -DVALET_TEST_STEP "test/faults/$2_test.c" test/harness/test.c test/harness/hosted.c \
        "core/park_$kind.c" "core/waiters_$kind.c" "core/futex_$kind.c" core/now.c "sys/$1.c"
    for wrapped in sem_wait sem_clockwait sem_timedwait pthread_cond_wait pthread_cond_timedwait \
        valet_sys_futex_wait; do
        [ "$name" != held ] || set -- "$@" "-Wl,--wrap=$wrapped"
    done
    compile "$@"
}
inside=inside
export HELD_SECONDS=0
for system in linux posix; do
    begin_notes gvisor-$system
    if ! threads $system faults || ! threads $system held; then
        bad "$system: faults_test.c and held_test.c: do not build"
        continue
    fi
    # Not test_stopped_threads_stay_parked: one thread of two stays stopped here now and then when a process is
    # continued as soon as it has stopped, in half of all runs of a program of 30 lines that waits by pause(2), too.
    each_test gvisor-$system "$PWD/$dir/$system-faults" test/faults/faults_test.c \
        test_a_deadline_that_comes_while_stopped test_a_parked_program_may_fork
    each_test gvisor-$system "$PWD/$dir/$system-held" test/faults/held_test.c test_a_handler_interrupts_a_wait \
        test_a_handler_may_wake test_a_stopped_thread_holds_up_no_waker test_a_page_that_is_protected_for_a_moment \
        test_the_first_thread_ends test_a_process_ends_while_threads_wait test_a_child_waits_by_itself \
        test_a_child_calls_at_once test_no_wait_is_a_cancellation_point test_no_timeout_is_early
done
each_test gvisor-linux "$PWD/$dir/linux-faults" test/faults/faults_test.c test_a_stranger_by_wait_bitset
each_test gvisor-linux "$PWD/$dir/linux-sandbox-63" test/contract/sandbox_test.c \
    test_a_kernel_that_refuses_is_an_error_at_once
each_test gvisor-posix "$PWD/$dir/posix-held" test/faults/held_test.c test_a_refusal_now_and_then

# late PROGRAM: 4,800 wakes against deadlines, by four processes at a time
late() {
    # shellcheck disable=SC2016 # the inner shell's
    inside sh -c 'for n in 1 2 3 4; do
            { "$1" a_timeout_uses_up_no_wake && "$1" a_timeout_uses_up_no_wake; } &
        done
        wait' - "$1" >"$dir/said"
    [ "$(grep -c '^1 tests passed' "$dir/said")" -eq 8 ] || { cat "$dir/said" && return 1; }
}
uses_up_none() { program . "$1" futex 4200 && late "$PWD/$output"; }
for system in linux posix; do
    try "$system: a timeout uses up no wake, 4,800 times" uses_up_none $system
done

# plant THREADS FILE OLD NEW: a futex_test of linux with that fault
plant() {
    rm -rf "$dir/planted"
    mkdir -p "$dir/planted"
    cp -r arch core include sys "$dir/planted" && python3 -S test/lib/plant.py "$dir/planted/$2" "$3" "$4" &&
        program "$dir/planted" linux futex "$1"
}
is_past() {
    plant 63 sys/linux.c 'deadline <= INT64_MAX' 'deadline != VALET_FOREVER' || return
    inside "$PWD/$output" far_deadlines >"$dir/said"
    cat "$dir/said"
    grep -q 'FAILED: ' "$dir/said"
}
try 'planted: a deadline from 2^63 ns on, which is in the past here' is_past
# Once in some 5,000 rounds.
is_used_up() {
    plant 4200 core/futex_futex.c 'if (r != VALET_TIMEDOUT)' 'if (deadline != 0)' || return
    for batch in $(seq 40); do
        late "$PWD/$output" >/dev/null ||
            ! grep -q 'FAILED: valet_park_for(&late.second_done' "$dir/said" || break
    done
    cat "$dir/said"
    echo "batch $batch"
    grep -q 'FAILED: valet_park_for(&late.second_done' "$dir/said"
}
if deep; then
    try 'planted: a timeout without a look, which uses up a wake here' is_used_up
fi
counted gvisor
