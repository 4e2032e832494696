#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Windows, both ways: the suite under Wine, built by three compilers; what each program imports; arm64
# compiled and linked; the demo; planted bugs.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/demo/texts.sh
. test/faults/each.sh
dir=build/windows-test
run=test/windows/run.sh
systems='windows windows_keyed'
VALET_WINEPREFIX=$PWD/$dir/prefix
export VALET_WINEPREFIX

kind_of() {
    case $1 in
    windows) echo futex ;;
    windows_keyed) echo sema ;;
    esac
}

# ---- builds

cross() {
    case $1 in
    gcc) echo x86_64-windows ;;
    clang) echo x86_64-clang-windows ;;
    msvc) echo x86_64-msvc-windows ;;
    arm64) echo aarch64-windows ;;
    arm64-msvc) echo aarch64-msvc-windows ;;
    esac
}

# runs_here COMPILER SYSTEM: in a run that is not deep each compiler but gcc builds for one of the two systems
runs_here() {
    ! deep || return 0
    case $1-$2 in
    gcc-* | clang-windows | msvc-windows_keyed | arm64-windows | arm64-msvc-windows_keyed) ;;
    *) return 1 ;;
    esac
}

# configure COMPILER SYSTEM
configure() {
    meson setup "$dir/$1-$2" --cross-file "test/cross/$(cross "$1").txt" "-Dos=$2" -Doptimization=2 -Ddebug=false \
        -Dwerror=true || return
    set -- -C "$dir/$1-$2" -j2
    case $2 in
    "$dir"/arm64*) set -- "$@" test/park_test.exe test/windows/windows_test.exe ;; # will not run: one of each kind
    esac
    ninja "$@"
}

builds() {
    try "builds: $1, $2" configure "$1" "$2"
}

# compiled SYSTEM COMPILER ARGUMENT...: by gcc, for a test program
compiled() {
    futex=0
    [ "$(kind_of "$1")" = sema ] || futex=1
    shift
    x86_64-w64-mingw32-gcc -std=c11 -O2 -Wall -Wextra -Werror -Wno-unused -ffreestanding \
        -fno-stack-protector -mno-stack-arg-probe "$@" -I. -Iinclude -Itest/harness -Itest/windows \
        -DVALET_TEST_FUTEX_KIND=$futex -DVALET_TEST_OS_windows
}

# rest SYSTEM: all of a program but the test and sys/SYSTEM.c
rest() {
    kind=$(kind_of "$1")
    mkdir -p "$dir/rest-$1"
    for file in core/now core/cancel "core/park_$kind" "core/waiters_$kind" "core/futex_$kind" "core/park_with_$kind" \
        "core/waiters_with_$kind" "core/futex_with_$kind" "core/futex_requeue_$kind" test/harness/test \
        test/windows/arguments test/windows/host "test/windows/control_$kind"; do
        compiled "$1" -c "$file.c" -o "$dir/rest-$1/$(basename "$file").o" || return
    done
}

# program OUTPUT SYSTEM FILE TEST [COMPILER ARGUMENT...]: a test program, on that file in place of sys/SYSTEM.c
program() {
    out=$1 system=$2 file=$3 test=$4
    shift 4
    compiled "$system" "$@" "$file" "$test" "$dir/rest-$system"/*.o -nostdlib -Wl,-e,start -Wl,--subsystem,console \
        -lntdll -o "$out"
}

# detach DIRECTORY SYSTEM FILE [COMPILER ARGUMENT...]: detach.c as a DLL with that file, and its program
detach() {
    to=$1 kind=$(kind_of "$2") file=$3
    shift 3
    mkdir -p "$to"
    set -- x86_64-w64-mingw32-gcc -std=c11 -O2 -Wall -Wextra -Werror -ffreestanding -fno-stack-protector \
        -mno-stack-arg-probe -nostdlib -Wl,-e,start "$@" -I. -Iinclude -Itest/windows test/windows/detach.c
    "$@" -shared -DDLL core/now.c "core/park_$kind.c" "core/waiters_$kind.c" "core/futex_$kind.c" "$file" -lntdll \
        -o "$to/detach.dll" &&
        "$@" -Wl,--subsystem,console test/windows/arguments.c "$to/detach.dll" -lntdll -o "$to/detach.exe"
}

# ---- runs

# passes COMPILER SYSTEM PROGRAM [OPTION...] [WORD]
passes() {
    compiler=$1
    system=$2
    name=$3
    shift 3
    exe=$dir/$compiler-$system/test/${name}_test.exe
    [ -f "$exe" ] || exe=$dir/$compiler-$system/test/windows/${name}_test.exe
    log=$(mktemp "$dir/run.XXXXXX")
    start=$(date +%s)
    VALET_WINE_LIMIT=300 sh "$run" "$exe" "$@" >"$log" 2>&1
    status=$?
    tests=$(sed -n 's/^\([1-9][0-9]*\) tests passed.*$/\1/p' "$log")
    what="$compiler, $system: ${name}_test${*:+ $*}"
    if [ "$status" -eq 0 ] && [ -n "$tests" ]; then
        good "$what: $tests tests passed, $(($(date +%s) - start)) s"
        notes "$system" "$log"
        grep -E '^   (10000 hand-offs|1000 waiters|timed parks|ended by|took|releases|waits that took)' "$log" |
            sed 's/^ */        /'
    else
        bad "$what: status $status"
        tail -n 20 "$log" | sed 's/^/        /'
    fi
}

# caught NAME SYSTEM FILE TEST OPTIONS EXPECTED OLD NEW: planted in that FILE; the TEST, which the
# library has passed, must fail with this text; or, where it hangs, not end well.
caught() {
    planted=$(mktemp -d "$dir/plant.XXXXXX")
    mkdir "$planted/sys"
    cp "sys/$2.c" sys/windows.h "$planted/sys"
    output=$({ python3 -S test/lib/plant.py "$planted/$3" "$7" "$8" &&
        program "$planted/test.exe" "$2" "$planted/sys/$2.c" "test/$4.c" "-I$planted"; } 2>&1) || {
        bad "planted in $3: $1: $output"
        return
    }
    limit=200
    [ "$6" != hangs ] || limit=6
    # Three tries: what a busy machine does in between may hide a fault of a moment.
    for _ in 1 2 3; do
        # shellcheck disable=SC2086 # a list of words
        VALET_WINE_LIMIT=$limit sh "$run" "$planted/test.exe" $5 >"$planted/said" 2>&1
        status=$?
        [ $status -eq 0 ] || break
    done
    seen=$(sed -n 's/^.*\(FAILED: .*\)$/\1/p' "$planted/said" | head -n 1)
    [ "$status" -ne 124 ] || seen=hangs
    case $6-$status-$seen in
    *-1-"FAILED: $6"* | hangs-124-* | hangs-1-FAILED*) good "planted in $3: $1: $seen" ;;
    *) bad "planted in $3: $1: not caught: status $status, $(tail -n 3 "$planted/said")" ;;
    esac
}

# fails NAME STATUS TEXT SECONDS: a bad program ends with this status, and says this
fails() {
    program "$dir/bad-$1.exe" windows sys/windows.c test/harness/bad_test.c "-DBAD=bad_$1" || return
    VALET_WINE_LIMIT=$4 sh "$run" "$dir/bad-$1.exe" >"$dir/bad-$1.txt" 2>&1
    status=$?
    echo "status $status" >>"$dir/bad-$1.txt"
    cat "$dir/bad-$1.txt"
    [ "$status" -eq "$2" ] && grep -q "$3" "$dir/bad-$1.txt"
}

# imports ARCHITECTURE EXE...: nothing but ntdll; says what of it
imports() {
    architecture=$1
    shift
    for exe; do
        llvm-readobj --coff-imports "$exe" >"$dir/imports" || return
        list=$(sed -n 's/^ *Name: //p' "$dir/imports" | tr '[:upper:]' '[:lower:]' | sort -u | xargs)
        functions=$(sed -n 's/^ *Symbol: \([A-Za-z_0-9]*\).*$/\1/p' "$dir/imports" | LC_ALL=C sort | xargs)
        echo "$(basename "$exe"): $list: $functions"
        [ "$list" = ntdll.dll ] && [ -n "$functions" ] && grep -q "^Arch: $architecture$" "$dir/imports" ||
            return
    done
}

# ---- the demo

# build_demo SYSTEM DIRECTORY [COMPILER ARGUMENT...]: on the library that gcc has built above
build_demo() {
    demo_of=$1 to=$2
    shift 2
    mkdir -p "$to" && sh test/demo/windows.sh "$demo_of" "$dir/gcc-$demo_of" "$@" &&
        mv "$dir/gcc-$demo_of/wc.exe" "$to"
}

# demo ARGUMENT...: its output goes to a file. Wine's own programs, which the first program starts, inherit
# it: a pipe would stay open for as long as they run.
demo() {
    VALET_WINE_LIMIT=${limit:-600} sh "$run" "$@" >"$dir/output" 2>&1
}

# same SYSTEM FILE OPTION...
same() {
    exe=$dir/demo-$1/wc.exe
    file=$2
    shift 2
    expected=$(right_counts "$file")
    demo "$exe" "$@" "$file"
    status=$?
    actual=$(cat "$dir/output")
    [ "status 0: $expected" = "status $status: $actual" ] || {
        printf 'right: %s\ndemo:  %s\nstatus %s\n' "$expected" "$actual" "$status"
        return 1
    }
}

# complains MESSAGE ARGUMENT...
complains() {
    message=$1
    shift
    demo "$dir/demo-windows/wc.exe" "$@"
    actual="status $?: $(cat "$dir/output")"
    [ "$actual" = "status 1: $message" ] || {
        echo "$actual"
        return 1
    }
}

# A line of one of the lists below
case ${1-} in
builds | passes)
    output=$("$@")
    printf '%s\n' "$output"
    exit
    ;;
esac

# in_parallel LIST: its lines, two at a time
in_parallel() {
    xargs -P 2 -L 1 sh test/windows/windows.sh <"$1" >"$1.results" 2>&1
    cat "$1.results"
    n=$(grep -c '^ok ' "$1.results")
    passed=$((passed + n))
    failed=$((failed + $(wc -l <"$1") - n)) # also a line that said nothing
}

for tool in wine:wine wineserver:wine x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64 clang:clang lld-link:lld \
    llvm-readobj:llvm; do
    command -v "${tool%:*}" >/dev/null || bad "needs the package ${tool#*:}"
done
[ "$failed" -eq 0 ] || counted windows

[ ! -d "$dir/prefix" ] || sh "$run" --end >/dev/null 2>&1
rm -rf "$dir"
mkdir -p "$dir"
trap 'sh "$run" --end >/dev/null 2>&1' EXIT
trap 'exit 1' HUP INT TERM
echo "        $(WINEDEBUG=-all wine --version)"

for compiler in gcc clang msvc arm64 arm64-msvc; do
    for system in $systems; do
        ! runs_here $compiler "$system" || echo "builds $compiler $system"
    done
done >"$dir/builds"
in_parallel "$dir/builds"
try 'a prefix of our own' sh "$run" --begin

# ---- what the programs ask for

for compiler in gcc clang msvc arm64 arm64-msvc; do
    case $compiler in
    arm64*) architecture=aarch64 ;;
    *) architecture=x86_64 ;;
    esac
    for system in $systems; do
        runs_here $compiler "$system" || continue
        try "imports ntdll alone: every program of $compiler, $system" imports $architecture \
            "$dir/$compiler-$system"/test/*.exe "$dir/$compiler-$system"/test/windows/*.exe
    done
done
for system in $systems; do
    try "the demo builds: $system" build_demo "$system" "$dir/demo-$system"
    try 'it imports ntdll alone' imports x86_64 "$dir/demo-$system/wc.exe"
    printf '%s\n' "$output" | sed 's/^/        /'
done
try_not 'another library is seen' imports x86_64 /usr/lib/x86_64-linux-gnu/wine/x86_64-windows/notepad.exe

# ---- the suite

begin_notes windows
begin_notes windows_keyed
# With few threads and rounds; a deep run has all of them for `windows`, and the stress for both. The longest first.
{
    for system in windows windows_keyed; do
        for name in stress windows waiters park futex clock locks time; do
            few=-few
            case $system-$name in windows-* | *-stress) ! deep || few= ;; esac
            echo passes gcc $system $name $few
        done
        echo passes gcc $system threads test_interrupts
        echo passes gcc $system threads test_a_
        echo passes gcc $system threads test_the_first
        for name in stress park; do
            echo passes gcc $system $name -few -early
        done
        for compiler in clang msvc; do
            runs_here $compiler "$system" || continue
            for name in stress waiters park futex locks; do
                echo passes $compiler $system $name -few
            done
        done
    done
    echo passes gcc windows_keyed stress -few -xp
    ! deep || echo passes gcc windows_keyed keyed test_20000_
    echo passes gcc windows_keyed keyed -xp test_20000_
    echo passes gcc windows_keyed keyed -early test_20000_
    for compiler in gcc clang msvc; do
        ! runs_here $compiler windows || echo passes $compiler windows address
        ! runs_here $compiler windows_keyed || echo passes $compiler windows_keyed keyed test_a_
    done
} >"$dir/runs"
in_parallel "$dir/runs"

# ---- the end of a process, when all threads but one are gone

# ends DIRECTORY CALL: 42, and no worker was woken, which would be another status
ends() {
    VALET_WINE_LIMIT=${limit:-600} sh "$run" "$1/detach.exe" "$2"
    status=$?
    echo "status $status"
    [ "$status" -eq 42 ]
}
for system in $systems; do
    try "a DLL with a worker builds: $system" detach "$dir/detach-$system" "$system" "sys/$system.c"
    before=$failed
    for call in 0 1 2 3 4 5 6 7; do
        try "the process ends, $system: a wake in the detach of a DLL, call $call" ends "$dir/detach-$system" $call
    done
    [ "$failed" -ne "$before" ] || note "$system" "a DLL's detach: parker waiters futex"
done
mkdir -p "$dir/detach-waits"
waits_for_the_dead() {
    cp sys/windows_keyed.c "$dir/detach-waits" &&
        python3 -S test/lib/plant.py "$dir/detach-waits/windows_keyed.c" 'if (RtlDllShutdownInProgress())' 'if (0)' &&
        detach "$dir/detach-waits" windows_keyed "$dir/detach-waits/windows_keyed.c"
}
try 'planted in windows_keyed.c: a post in the detach of a DLL: builds' waits_for_the_dead
hangs() {
    VALET_WINE_LIMIT=12 sh "$run" "$dir/detach-waits/detach.exe" "$1"
    [ $? -eq 124 ]
}
for call in 0 5; do
    try "... waits for a thread that is gone, call $call" hangs $call
done

# ---- what fails must be seen

for system in $systems; do
    try "what each program of $system has" rest "$system"
done
try 'the runner sees a failed check' fails check 1 'FAILED: 1 + 1 == 3: 2 is not 3' 200
try '... on another thread' fails check_on_another_thread 1 'FAILED: 1 + 1 == 3: 2 is not 3' 200
try '... a trap' fails trap 1 'FAILED: no trap' 200
try '... a late write' fails late_write 1 'FAILED: a fault' 200
try '... a thread that is never woken' fails hang 124 'status 124' 12

# in_background NAME SYSTEM FILE TEST OPTIONS EXPECTED OLD NEW: the same, two at a time
number=0
in_background() {
    turn 6 || return 0
    number=$((number + 1))
    (
        output=$(caught "$@")
        printf '%s\n' "$output"
    ) >>"$dir/caught" 2>&1 &
    [ $((number % 2)) -eq 1 ] || wait
}
in_background 'times are dates' windows sys/windows.h windows/time_test '' 'units(1000, 1001) == -1' \
    '*timeout = -(int64_t)' '*timeout = (int64_t)'
in_background 'timeouts are rounded down' windows sys/windows.h windows/time_test '' 'units(1000, 1001) == -1' \
    'valet_deadline_units(ns, 100)' '(ns / 100)'
in_background 'nanoseconds in place of hundreds' windows sys/windows.h windows/time_test '' 'units(1000, 1100) == -1' \
    'valet_deadline_units(ns, 100)' 'ns'
in_background 'ticks overflow' windows sys/windows.h windows/time_test '' 'ns_of(12345678901234567, 10000000) ==' \
    't / f * 1000000000u + t % f * 1000000000u / f' 't * 1000000000u / f'

in_background 'the clock of the wait is trusted' windows sys/windows.c windows/windows_test '-early test_a_timed' \
    'valet_now() >= deadline' 'valet_deadline_over(clock_ns(), deadline)' 'VALET_TIMEDOUT'
in_background 'no look at the word' windows sys/windows.c contract/futex_test as_expected '' \
    'if (valet_futex_look(word) != expected)' 'if (0)'
in_background 'no look after the deadline' windows sys/windows.c contract/futex_test a_timeout_uses_up \
    'valet_park_for(&late.second_done' 'return valet_sys_futex_wait(word, expected, 0);' \
    'return (void)word, (void)expected, VALET_TIMEDOUT;'
in_background 'half of the word is compared' windows sys/windows.c windows/address_test '' hangs \
    'sizeof expected, timeout' 'sizeof expected / 2, timeout'
in_background 'more than the word is compared' windows sys/windows.c windows/address_test '' 'valet_futex_wait(' \
    'sizeof expected, timeout' '2 * sizeof expected, timeout'
in_background 'one is woken for all' windows sys/windows.c windows/windows_test test_a_thousand hangs \
    'RtlWakeAddressAll(word)' 'RtlWakeAddressSingle(word)'
in_background 'nobody is woken for one' windows sys/windows.c contract/park_test test_ping hangs \
    'RtlWakeAddressSingle(word);' ';'

in_background 'the clock of the wait is trusted' windows_keyed sys/windows_keyed.c windows/windows_test \
    '-early test_a_timed' 'valet_now() >= deadline' \
    'if (r != STATUS_TIMEOUT)
            return VALET_ERR_SYSTEM' 'if (r != STATUS_TIMEOUT || !(seen & POSTED))
            return r == STATUS_TIMEOUT ? VALET_TIMEDOUT : VALET_ERR_SYSTEM'
in_background 'a release that was told as a timeout is awaited again' windows_keyed sys/windows_keyed.c \
    windows/keyed_test '-xp test_a_handle' hangs 'if (seen & LEFT)' 'if (0)'
in_background 'a timeout forgets its release' windows_keyed sys/windows_keyed.c windows/keyed_test test_a_handle hangs \
    'if (seen & LEFT)' 'if (seen & POSTED)'
in_background 'any status is a release' windows_keyed sys/windows_keyed.c windows/keyed_test test_a_refused hangs \
    'return r == STATUS_SUCCESS || (seen & LEFT) ?' 'return r == STATUS_SUCCESS || (seen | 1) ?'
in_background 'the handle is not used by both' windows_keyed sys/windows_keyed.c windows/keyed_test test_a_handle \
    hangs 'NtReleaseKeyedEvent(valet_sys_keyed_event(), key' 'NtReleaseKeyedEvent(NULL, key'
in_background 'another key' windows_keyed sys/windows_keyed.c contract/park_test test_ping hangs \
    'NtReleaseKeyedEvent(valet_sys_keyed_event(), key' \
        'NtReleaseKeyedEvent(valet_sys_keyed_event(), (const char *)key + 2'
wait
cat "$dir/caught"
n=$(grep -c '^ok ' "$dir/caught")
passed=$((passed + n))
failed=$((failed + number - n))

# ---- the demo

texts "$dir" 10000000
for system in $systems; do
    for file in empty control control.posix text; do
        try "the demo, $system: $file, 4 workers, chunks of 7" same "$system" "$dir/$file" -w 4 -c 7
    done
    try "the demo, $system: 10 MB, unprintable words, 4 workers" same "$system" "$dir/binary.posix" -w 4
    try "the demo, $system: 10 MB, 4 workers" same "$system" "$dir/binary" -w 4
    try "the demo, $system: 10 MB, 8 workers, chunks of 1000" same "$system" "$dir/binary" -w 8 -c 1000
done
try 'the demo: no file' complains "wc: $dir/none: no such file or directory" "$dir/none"
try 'the demo: a directory' complains "wc: $dir: is a directory" "$dir"
try 'the demo, a lost notify: builds' build_demo windows "$dir/demo-lost" -DDEMO_PLANTED_BUG=2
lost() {
    limit=12 demo "$dir/demo-lost/wc.exe" -w 1 -c 1 "$dir/text"
    [ $? -eq 124 ]
}
try 'planted: a lost notify hangs the demo' lost
try '... and without it, the same' same windows "$dir/text" -w 1 -c 1

counted windows
