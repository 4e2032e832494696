#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# User-mode Linux: Debian 12's kernel built as a program, which runs others by ptrace, on one CPU, with memory, timers
# and signals of its own. The contract and the stress of linux and posix with glibc, static programs, each test in its
# shortest form; kernels/init.c is the only process beside them. It has a clock that may be set, and needs neither KVM
# nor an installation: it is fetched once, and unpacked. Planted: a program that fails, a wake that does not reach who
# sleeps, a wall clock that is asked once, a machine that does not end. Where the kernel cannot be had, or does not
# start, all is skipped, with the reason.
#
# Not here: locks_test, one test of which wants thousands of hand-overs, each a whole turn of the one CPU; and what
# protects a page (test/faults): this kernel reads the words of a protected page, where others answer EFAULT.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/kernels/said.sh
dir=build/uml
kept=$PWD/build/debian-uml # it is fetched once
rm -rf "$dir"
mkdir -p "$dir"

skip_all() {
    echo "user-mode Linux: $*"
    exit 77
}
[ "$(uname -sm)" = 'Linux x86_64' ] || skip_all "Debian's is for Linux on x86_64, and this is $(uname -sm)"

# In a directory of its own, since apt's lists are. tar ends with the kernel: the modules come after it.
fetch() (
    . "$PWD/test/lib/apt.sh"
    rm -rf "$kept.new"
    mkdir -p "$kept.new" && cd "$kept.new" || exit
    apt_lists deb
    get() { timeout 300 apt-get update && timeout 300 apt-get download user-mode-linux; }
    five_times user-mode-linux get || exit
    dpkg-deb --fsys-tarfile user-mode-linux_*.deb | tar -x --strip-components=3 --occurrence ./usr/bin/linux.uml
    [ -x linux.uml ] && rm -rf lists cache ./*.deb "$kept" && mv "$kept.new" "$kept"
)
have() { [ -x "$kept/linux.uml" ] || { sh test/lib/setup.sh --only debian-archive-keyring && fetch; }; }
have >"$dir/log" 2>&1 || skip_all "it cannot be fetched: $(tail -n 1 "$dir/log")"

# boot SECONDS ARCHIVE LOG [ARGUMENTS OF INIT...]: a machine that is to switch itself off. Its memory is a file in
# $TMPDIR, which it maps to run programs from.
boot() {
    limit=$1 archive=$2 output=$3
    shift 3
    TMPDIR=$PWD/$dir HOME=$PWD/$dir timeout -k 10 "$limit" "$kept/linux.uml" mem=256M "initrd=$archive" con=null \
        con0=fd:0,fd:1 ssl=null loglevel=1 panic=-1 VALET_TEST_CLOCK=1 -- "$@" </dev/null >"$output.raw" 2>&1
    status=$?
    tr -d '\r' <"$output.raw" >"$output"
    case $status in
    0) ;;
    124 | 137) echo "timed out after $limit s" >>"$output" ;;
    *) echo "linux.uml ended with $status" >>"$output" ;;
    esac
}

# compile SYSTEM OUTPUT OPTION...: as a test is compiled; for 4 threads, as on a board, since each system call is dear
compile() {
    number=1 system=$1 output=$2
    [ "$system" = linux ] || number=0
    shift 2
    gcc -std=gnu11 -O1 -Wall -Wextra -Werror -static -pthread -I. -Iinclude -Itest/harness -DVALET_TEST_THREADS=4 \
        "-DVALET_TEST_FUTEX_KIND=$number" "-DVALET_TEST_OS_$system" -o "$output" "$@"
}

# library SYSTEM: its sources, of which a program gets what it needs
library() {
    objects=
    for source in $(sources_of "$1"); do
        object=$dir/$1-$(basename "$source").o
        compile "$1" "$object" -O2 -c "$source.c" || return
        objects="$objects $object"
    done
    # shellcheck disable=SC2086 # words
    ar rcs "$dir/$1.a" $objects
}

# program SYSTEM OUTPUT SOURCE...: one test program
program() { compile "$@" -s "$dir/$1.a"; }

names=
for name in clock futex park shared stress waiters cancel sandbox; do
    names="$names linux-$name"
    # Linux' alone are its cancellation and the filters of the sandbox; and the waiters are the longest.
    case $name in cancel | sandbox | waiters) ;; *) names="$names posix-$name" ;; esac
done

build() {
    mkdir -p "$dir/all"
    compile linux "$dir/all/init" -s test/kernels/init.c && library linux && library posix || return
    for name in $names; do
        program "${name%-*}" "$dir/all/$name" "test/contract/${name#*-}_test.c" || return
    done
    python3 test/kernels/cpio.py "$dir/all.cpio" "$dir"/all/*
}
if ! build >"$dir/log" 2>&1; then
    tail -n 20 "$dir/log"
    bad build
    counted uml
fi

log=$dir/all.log
# shellcheck disable=SC2046,SC2086 # words
boot 600 "$dir/all.cpio" "$log" 1 120 $(printf ' /%s' $names)
grep -qE '^kernel |Kernel panic' "$log" || skip_all "it does not start: $(tail -n 2 "$log" | xargs)"
release=$("$kept/linux.uml" --version)
right_machine() { grep -qxF "kernel $release x86_64, 1 CPUs" "$log" && grep -qx 'ok machine' "$log"; }
try "user-mode Linux $(sed -n 's/^kernel //p' "$log")" right_machine
results=1
for name in $names; do
    n=$(tests_of "${name#*-}")
    results=$((results + 1))
    try "$name: $n tests" program_passed "$log" "$name" "$n"
done
before=$failed
try 'nothing failed, and switched off' ended_well "$log" "$results"
[ "$failed" -eq "$before" ] || tail -n 40 "$log" | sed 's/^/        /'

# Planted
mkdir -p "$dir/planted" "$dir/sys"
cp "$dir/all/init" "$dir/all/linux-shared" "$dir/planted/"
program linux "$dir/planted/bad_check" test/harness/bad_test.c -DBAD=bad_check || bad 'build bad_check'

# plant NAME FILE OLD NEW [OLD NEW]: a program of linux with that fault
plant() {
    name=$1 file=$2
    shift 2
    cp "$file" "$dir/$file" && python3 -S test/lib/plant.py "$dir/$file" "$@" &&
        program linux "$dir/planted/bad_$name" "test/contract/${name}_test.c" "$dir/$file" && return
    bad "build bad_$name"
}
plant park sys/linux.c 'wake(word, valet_futex_count(count), FUTEX_PRIVATE_FLAG);' \
    'wake(word, valet_futex_count(count), 0);'
plant clock sys/linux.c 't = timespec_of(deadline);' \
    'uint64_t wall = valet_sys_now_realtime();
        t = timespec_of(!flags ? deadline : deadline < wall ? 1 : deadline - wall + valet_sys_now());' \
    'operation |= FUTEX_CLOCK_REALTIME;' 'operation |= 0;'
python3 test/kernels/cpio.py "$dir/planted.cpio" "$dir"/planted/*
log=$dir/planted.log
boot 300 "$dir/planted.cpio" "$log" 1 120 /bad_check /bad_clock /linux-shared 3 /bad_park
planted 'a failed test' "$log" '^FAILED /bad_check: exit status 1$' program_passed "$log" bad_check 1
planted 'a wall clock that is asked once' "$log" '^FAILED /bad_clock: exit status 1$' program_passed "$log" bad_clock 1
planted 'a wake by another key than the wait has' "$log" '^FAILED /bad_park: still running after seconds: 3$' \
    program_passed "$log" bad_park 1
n=$(tests_of shared)
try 'beside them, one that passes' program_passed "$log" linux-shared "$n"
planted 'the sum of these' "$log" '^init: 2 passed, 3 failed$' ended_well "$log" 2
log=$dir/late.log
boot 5 "$dir/planted.cpio" "$log" 1 120 /bad_park
planted 'a machine that does not end' "$log" '^timed out after 5 s$' ended_well "$log" 2
counted uml
