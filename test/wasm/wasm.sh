#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# WebAssembly: the suite in Node and in headless Chromium, the contract of sys/wasm.c, the builds and
# threads that may not block, the demo, and planted bugs. Node 18 (Debian 12) or later.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/demo/texts.sh
. test/faults/each.sh
dir=build/wasm-test
rm -rf "$dir"
mkdir -p "$dir"

for tool in node:nodejs chromium:chromium wasm-ld:lld clang:clang; do
    command -v "${tool%:*}" >/dev/null || bad "needs the package ${tool#*:}"
done
[ "$failed" -eq 0 ] || counted wasm
runtime="Node $(node -p process.version), V8 $(node -p process.versions.v8)"
echo "        $runtime"

# ---- builds

# threaded ARGUMENT...: by clang, for WebAssembly with threads
threaded() {
    clang --target=wasm32 -matomics -mbulk-memory -mmutable-globals -std=c11 -O2 -Wall -Wextra -Werror -ffreestanding \
        -I. -Iinclude "$@"
}

configure() { # DIRECTORY CROSS-FILE [OPTION...]
    out=$1
    cross=$2
    shift 2
    meson setup "$out" --cross-file "test/cross/$cross" -Dos=wasm -Ddebug=false "$@" && ninja -C "$out" -j2
}

# library OUTPUT LIBRARY... [LINKER OPTION]: a module of the library's calls, for contract.mjs
library() {
    out=$1
    shift
    for call in sys_futex_wait sys_futex_wake park park_until park_for unpark compare_and_wait \
        compare_and_wait_until store_and_wake futex_wait futex_wake; do
        set -- "$@" "--export=valet_$call"
    done
    mkdir -p "$(dirname "$out")"
    wasm-ld --no-entry --import-memory --initial-memory=131072 --max-memory=131072 -z stack-size=16384 \
        --whole-archive "$@" -o "$out"
}

# without FILE OUTPUT: the library that is built with threads, without that file of it
without() {
    cp "$dir/threads/libvalet.a" "$2" && llvm-ar t "$2" | grep -qx "$1" && llvm-ar d "$2" "$1"
}

# program OUTPUT TEST SYSTEM [COMPILER ARGUMENT...]: a test program, on that file in place of sys/wasm.c
program() {
    out=$1
    test=$2
    system=$3
    shift 3
    mkdir -p "$(dirname "$out")"
    threaded -Itest/harness -DVALET_TEST_FUTEX_KIND=1 -DVALET_TEST_OS_wasm "$@" "$system" "$test" \
        test/harness/test.c test/wasm/host.c "$dir/core.a" -nostdlib -o "$out" \
        -Wl,--no-entry,--import-memory,--shared-memory,--initial-memory=33554432,--max-memory=33554432 \
        -Wl,--export=__stack_pointer,--wrap=valet_sys_futex_wait
}

try 'built with threads' configure "$dir/threads" wasm32.txt
try '... and the core alone' without sys_wasm.c.o "$dir/core.a"
try 'built without atomics' configure "$dir/single" wasm32-single.txt -Dtests=false
try 'a module, shared memory' library "$dir/shared.wasm" "$dir/threads/libvalet.a" --shared-memory
try 'a module, memory of its own' library "$dir/unshared.wasm" "$dir/threads/libvalet.a"
try 'a module, no atomics' library "$dir/single.wasm" "$dir/single/libvalet.a"
try 'hooks in C: compiled' threaded -c test/wasm/hooks.c -o "$dir/hooks.o"
try 'hooks in C: a module' library "$dir/hooks.wasm" "$dir/threads/libvalet.a" "$dir/hooks.o" --shared-memory

# ---- what a module asks for

# imports MODULE EXPECTED...
imports() {
    module=$1
    shift
    # shellcheck disable=SC2016 # JavaScript
    list=$(node -p 'WebAssembly.Module.imports(new WebAssembly.Module(require("fs").readFileSync(process.argv[1])))
        .map((i) => `${i.module}.${i.name}`).sort().join(" ")' "$module")
    [ "$list" = "$*" ] || {
        echo "$list"
        return 1
    }
}
imported() {
    try "imports of $(basename "$1"): $(shift && echo "$*")" imports "$@"
}
imported "$dir/shared.wasm" env.memory valet.may_block valet.now
imported "$dir/single.wasm" env.memory valet.now
imported "$dir/hooks.wasm" env.memory
for program in park waiters futex clock locks stress; do
    imported "$dir/threads/test/${program}_test" env.memory host.exit host.write valet.may_block valet.now
done

# ---- the suite in Node, by Meson

programs='park waiters futex clock locks stress'
# shellcheck disable=SC2086 # a list of words
meson test -C "$dir/threads" --no-rebuild --setup node $programs >"$dir/meson.log" 2>&1
log=$dir/threads/meson-logs/testlog-node.txt
# in_node PROGRAM LOG: by the log of that run
in_node() {
    awk -v program="$1" '/^test: / {on = $NF == program} on' "$2" >"$dir/said" &&
        tests=$(sed -n 's/.*\b\([1-9][0-9]*\) tests passed$/\1/p' "$dir/said") && [ -n "$tests" ] &&
        seconds=$(sed -n 's/^duration: *//p' "$dir/said") && grep -qx 'result: *exit status 0' "$dir/said"
}
for program in $programs; do
    if in_node "$program" "$log"; then
        good "$runtime: ${program}_test: $tests tests passed, $seconds"
    else
        bad "$runtime: ${program}_test"
        tail -n 20 "$dir/said"
    fi
done
# Each of V8's compilers alone.
by_compiler() { # NODE OPTION...
    try "... $*: park_test" timeout 300 node "$@" test/wasm/node.mjs "$dir/threads/test/park_test"
}
by_compiler --no-liftoff
by_compiler --liftoff --no-wasm-tier-up
try_not 'planted: a program that did not run' in_node none "$log"
sed '/^result:/s/ 0$/ 1/' "$log" >"$dir/log"
try_not 'planted: one that failed at its end' in_node park "$dir/log"

# ---- the contract, and what fails must be seen

# checks MODULE: each line is a check
checks() {
    timeout 300 node test/wasm/contract.mjs "$dir/$1.wasm" >"$dir/$1.txt" 2>&1
    status=$?
    cat "$dir/$1.txt"
    sed -n 's/^ok *[a-z]*: \(.*: .*\)/\1/p' "$dir/$1.txt" >>build/threads/wasm
    passed=$((passed + $(grep -c '^ok ' "$dir/$1.txt")))
    failed=$((failed + $(grep -c '^FAILED ' "$dir/$1.txt")))
    [ $status -eq 0 ] || grep -q '^FAILED ' "$dir/$1.txt" || bad "$1: status $status"
}
begin_notes wasm
checks shared
checks unshared
checks single

# fails NAME STATUS TEXT SECONDS: a bad program ends with this status, and says this
fails() {
    program "$dir/bad/$1" test/harness/bad_test.c sys/wasm.c "-DBAD=bad_$1" || return
    timeout "$4" node test/wasm/node.mjs "$dir/bad/$1" >"$dir/bad/$1.txt" 2>&1
    status=$?
    cat "$dir/bad/$1.txt"
    echo "status $status"
    [ "$status" -eq "$2" ] && grep -q "$3" "$dir/bad/$1.txt"
}
try 'the runner sees a failed check' fails check 1 'FAILED: 1 + 1 == 3: 2 is not 3' 300
try '... on another thread' fails check_on_another_thread 1 'FAILED: 1 + 1 == 3: 2 is not 3' 300
try '... a trap' fails trap 1 'thread 1: TRAP: RuntimeError: unreachable' 300
try '... a late write' fails late_write 1 'FAILED: a page was written to after test_unmap' 300
try '... more threads than there are' fails too_many_threads 1 'FAILED: i < THREADS' 300
try '... a thread that is never woken' fails hang 124 '' 10

# Node 20's compiler. What it does to a wait that is not in a function of its own:
# reset NAME [COMPILER ARGUMENT...]; reset counts 300 where all is well
reset() {
    name=$1
    shift
    threaded "$@" test/wasm/reset.c -nostdlib -o "$dir/$name.wasm" \
        -Wl,--no-entry,--import-memory,--shared-memory,--initial-memory=131072,--max-memory=131072
}
counts() { # NAME EXPECTED [NODE OPTION...]
    name=$1
    expected=$2
    shift 2
    actual=$(timeout 120 node "$@" -p 'new WebAssembly.Instance(
        new WebAssembly.Module(require("fs").readFileSync(process.argv[1])),
        {env: {memory: new WebAssembly.Memory({initial: 2, maximum: 2, shared: true})}}).exports.reset(100)' \
        "$dir/$name.wasm")
    echo "$actual of 300 waits"
    test "$actual" "$expected" 300
}
reset leaf -DLEAF && reset inline
try 'a wait in a leaf: no local is reset' counts leaf -eq
try 'a wait in its loop, by the optimizing compiler: no local is reset' counts inline -eq --no-liftoff
case $(node -p process.versions.v8) in
11.3.*) try 'a wait in its loop: V8 11.3 resets a local, so the leaf is needed' counts inline -lt ;;
10.*) try 'a wait in its loop: V8 10 resets no local' counts inline -eq ;;
*) echo "        a wait in its loop, in this V8: $(counts inline -eq)" ;;
esac

# ---- planted bugs in sys/wasm.c

# plant DIRECTORY OLD NEW of sys/wasm.c, in a copy there
plant() {
    mkdir -p "$1" && cp sys/wasm.c "$1" && python3 -S test/lib/plant.py "$1/wasm.c" "$2" "$3"
}
number=0
# caught NAME MODULE CHECK OLD NEW of sys/wasm.c: contract.mjs's CHECK, which the library has passed, must fail
caught() {
    turn 6 || return 0
    number=$((number + 1))
    planted=$dir/plant-$number
    memory=
    [ "$2" != shared ] || memory=--shared-memory
    output=$({ plant "$planted" "$4" "$5" &&
        threaded -Wno-unused-parameter -c "$planted/wasm.c" -o "$planted/wasm.o" &&
        library "$planted/$2.wasm" "$dir/core.a" "$planted/wasm.o" ${memory:+"$memory"}; } 2>&1) || {
        bad "planted: $1: $output"
        return
    }
    # What node itself has to say, on the standard error, is no verdict.
    timeout 5 node test/wasm/contract.mjs "$planted/$2.wasm" "$3" >"$planted/said.txt" 2>"$planted/node.txt"
    status=$?
    said=$(grep -m 1 '^FAILED ' "$planted/said.txt")
    case $status-$said in
    124-) good "planted: $1: never ends in '$3'" ;;
    1-FAILED*) good "planted: $1: $(echo "$said" | cut -c 9-110)" ;;
    *) bad "planted: $1: not caught by '$3': $status $(cat "$planted/said.txt" "$planted/node.txt")" ;;
    esac
}
caught 'the deadline is passed as a timeout' shared 'a deadline' \
    'timeout = (int64_t)ns;' 'timeout = (int64_t)deadline;'
caught 'nanoseconds are taken for milliseconds' shared 'a deadline' \
    'timeout = (int64_t)ns;' 'timeout = (int64_t)(ns / 1000000);'
caught 'a timeout is taken for a wake' shared 'a deadline' \
    'return VALET_TIMEDOUT;
    default' 'return VALET_OK;
    default'
caught 'a word that differs is taken for a timeout' shared 'a word that differs' \
    'return VALET_CHANGED;' 'return VALET_TIMEDOUT;'
caught 'a word that differs is taken for a wake' shared 'a word that differs' \
    'return VALET_CHANGED;' 'return VALET_OK;'
caught 'our own clock is not asked' shared 'a clock slower than the engine' \
    'if (r != VALET_TIMEDOUT)' ''
caught 'the deadline itself is not yet it' shared 'a deadline that has passed' \
    'valet_deadline_sleep(clock_ns(), deadline,' 'valet_deadline_sleep(clock_ns(), deadline + 1,'
caught 'no clock is no obstacle' shared 'no clock' \
    'if (status != VALET_OK)' 'if (status == VALET_ERR_UNSUPPORTED) ns = deadline; else if (status != VALET_OK)'
caught 'a wait on 64 bits' shared 'a deadline' \
    'atomic_wait32((int *)word, (int)expected' 'atomic_wait64((long long *)(void *)word, (int)expected'
caught 'every wake is for one' shared 'a count wakes so many' '(int *)word, count)' '(int *)word, 1)'
caught 'every wake is for all' shared 'a count wakes so many' '(int *)word, count)' '(int *)word, UINT32_MAX)'
caught 'a wake is for one too many' shared 'a count wakes so many' '(int *)word, count)' '(int *)word, count + 1)'
caught 'the wake is for another word' shared 'a count wakes so many' '(int *)word, count)' '(int *)word + 1, count)'
caught 'nobody asks whether it may block' unshared 'where no thread may block' \
    'if (!valet_wasm_may_block())' 'if (0)'

# and in core/: unpark wakes one
wakes_one() {
    mkdir -p "$dir/one/core" && cp core/word.h "$dir/one/core" &&
        python3 -S test/lib/plant.py "$dir/one/core/word.h" 'VALET_WAKE_PARKED VALET_SYS_ALL' 'VALET_WAKE_PARKED 1' &&
        threaded -iquote "$dir/one" -c core/park_futex.c -o "$dir/one/park.o" &&
        without core_park_futex.c.o "$dir/one/core.a" &&
        library "$dir/one/shared.wasm" "$dir/one/core.a" "$dir/one/park.o" --shared-memory || return
    timeout 60 node test/wasm/contract.mjs "$dir/one/shared.wasm" 'a stranger queued before the parked thread' \
        >"$dir/one/said.txt"
    [ $? -eq 1 ] && grep -q '^FAILED ' "$dir/one/said.txt"
}
try 'planted: an unpark of one: taken by a stranger' wakes_one

# and in the suite, by its threads
early() {
    plant "$dir/early" 'valet_deadline_sleep(clock_ns(),' 'valet_deadline_sleep(clock_ns() + 1000000000,' &&
        program "$dir/early/park_test" test/contract/park_test.c "$dir/early/wasm.c" || return
    timeout 300 node test/wasm/node.mjs "$dir/early/park_test" >"$dir/early/park.txt" 2>&1
    [ $? -eq 1 ] && grep -q 'FAILED: valet_now() >= start + timeout' "$dir/early/park.txt"
}
try 'planted: timeouts come a second early: caught by park_test' early

# ---- the demo

demo() {
    timeout 300 node test/demo/wasm.mjs "$dir/$1/wc.wasm" "$2" "$3" "$4" "$5" "$6"
}
same() { # FILE WORKERS CHUNK
    expected=$(right_counts "$1")
    actual=$(demo demo -w "$2" -c "$3" "$1") || return
    [ "$actual" = "$expected" ] || {
        printf 'right: %s\ndemo:  %s\n' "$expected" "$actual"
        return 1
    }
}
complains() { # MESSAGE ARGUMENT...
    message=$1
    shift
    timeout 60 node test/demo/wasm.mjs "$dir/demo/wc.wasm" "$@" >"$dir/complaint.txt" 2>&1
    # Node may warn, as of a file of certificates that is not there.
    actual="status $?: $(grep -v '^Warning: ' "$dir/complaint.txt")"
    [ "$actual" = "status 1: $message" ] || {
        echo "$actual"
        return 1
    }
}
build_demo() { # DIRECTORY [COMPILER ARGUMENT...]: on the library that is built with threads
    mkdir -p "$1" && to=$1 && shift && sh test/demo/wasm.sh "$dir/threads" "$@" && mv "$dir/threads/wc.wasm" "$to"
}
try 'demo: builds' build_demo "$dir/demo"
imported "$dir/demo/wc.wasm" demo.error demo.exit demo.open demo.read demo.start demo.write env.memory \
    valet.may_block valet.now
texts "$dir" 10000000
for file in empty control control.posix text; do
    for workers in 1 4; do
        try "demo: $file, $workers workers, chunks of 7" same "$dir/$file" $workers 7
    done
done
try 'demo: 10 MB, unprintable words, 4 workers' same "$dir/binary.posix" 4 65536
try 'demo: 10 MB, 4 workers' same "$dir/binary" 4 65536
try 'demo: 10 MB, 8 workers' same "$dir/binary" 8 1000
try 'demo: no file' complains "wc: $dir/none: no such file or directory" "$dir/none"
try 'demo: no memory' complains 'wc: not enough memory for the chunks' -c 1073741824 "$dir/text"
try 'demo, a lost notify: builds' build_demo "$dir/demo-lost" -DDEMO_PLANTED_BUG=2
lost() {
    timeout 10 node test/demo/wasm.mjs "$dir/demo-lost/wc.wasm" -w 1 -c 1 "$dir/text" >/dev/null
    [ $? -eq 124 ]
}
try 'planted: a lost notify hangs the demo' lost
try '... and without it, the same' same "$dir/text" 1 1

# ---- the browser

# chromium PROGRAMS [FAIL]: each line is a check
chromium() {
    timeout -k 10 600 node test/wasm/browser.mjs "$1" "$dir/shared.wasm" "$dir/browser" ${2:+"$2"} \
        >"$dir/browser.txt" 2>&1
    status=$?
    cat "$dir/browser.txt"
    passed=$((passed + $(grep -c '^ok ' "$dir/browser.txt")))
    failed=$((failed + $(grep -c '^FAILED ' "$dir/browser.txt")))
    [ $status -eq 0 ] || grep -q '^FAILED ' "$dir/browser.txt" || bad "Chromium: status $status"
}
chromium "$dir/threads/test"
chromium "$dir/early" FAIL

counted wasm
