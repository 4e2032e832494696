#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The figures that the library is held to and that do not depend on time: bytes of code of one parker,
# bytes of stack of a parked thread, both on every system and CPU, and instructions of the fast paths.
# Each is printed beside its bound, with PASS or FAIL. Usage: figures.sh [README]; README: only those that
# the README has, for test/doc/readme.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/compile/together.sh
# shellcheck disable=SC2034 # used there
good_word='PASS   ' bad_word='FAIL   '
dir=build/figures${1:+-$1}
rm -rf "$dir"
mkdir -p "$dir"

# compile CPU NAME ARGUMENT...: by that compiler
compile() {
    for_cpu=$1 by=$2
    shift 2
    [ "$for_cpu" != aarch64 ] || set -- -mno-outline-atomics "$@"
    case $by-$for_cpu in
    gcc-x86_64) gcc "$@" ;;
    gcc-arm) arm-linux-gnueabihf-gcc "$@" ;;
    gcc-i386) i686-linux-gnu-gcc "$@" ;;
    gcc-ppc64le) powerpc64le-linux-gnu-gcc "$@" ;;
    gcc-*) "$for_cpu-linux-gnu-gcc" "$@" ;;
    *) clang "--target=$for_cpu-linux-gnu" "$@" ;;
    esac
}

# freestanding COMMAND...: with the options of the library
freestanding() {
    "$@" -std=c11 -ffreestanding -fPIC -fvisibility=hidden -ffunction-sections -fno-stack-protector \
        -fno-asynchronous-unwind-tables -I. -Iinclude
}

# bytes WHAT COMPILER BYTES MOST: a bound for gcc 12 and clang 14; what another one takes more is printed
gcc=$(gcc -dumpversion | cut -d . -f 1)
clang=$(clang -dumpversion | cut -d . -f 1)
bytes() {
    case $2-$gcc-$clang in
    gcc-12-* | clang-*-14) ;;
    *) [ "${3:-0}" -le "$4" ] || { good "$1: $3 (by gcc 12 and clang 14 at most $4)" && return; } ;;
    esac
    bound "$1" "$3" "$4"
}

# functions_of PROGRAM: the sum of their sizes
functions_of() {
    llvm-nm -S --defined-only "$1" |
        awk '$3 ~ /[tT]/ && $4 != "start" {print $2}' | while read -r hex; do echo $((0x$hex)); done |
        awk '{sum += $1} END {print sum}'
}

# parker CPU COMPILER LEVEL BOUND [spin]: function sizes of a program that parks and unparks, whether it
# polls (-Dspin=) or not: that changes one object of it
parker() {
    out=$dir/$1-$2$3
    mkdir -p "$out"
    for file in core/park_futex.c core/now.c sys/linux.c test/figures/figures.c; do
        [ -z "${5:-}" ] || [ $file = core/park_futex.c ] || continue
        freestanding compile "$1" "$2" ${5:+-DVALET_SPIN=1} "$3" -DSIZE -c "$file" \
            -o "$out/$(basename "$file" .c).o" || return
    done
    ld.lld --gc-sections -e start "$out"/*.o -o "$out/program" || return
    bytes "code of one parker, $1, $2 $3${5:+, that polls}" "$2" "$(functions_of "$out/program")" "$4"
}

# locks CPU COMPILER MUTEX ALL: function sizes with -Os of lock and unlock of a mutex, beside the parker's, and of all
# of core/locks/ but the calls with flags, which are objects of their own
locks() {
    out=$dir/locks-$1-$2
    mkdir -p "$out"
    for file in core/locks/*.c; do
        case $file in *_with.c) continue ;; esac
        freestanding compile "$1" "$2" -Os -c "$file" -o "$out/$(basename "$file" .c).o" || return
    done
    ld.lld -r "$out"/*.o -o "$out/all" || return
    freestanding compile "$1" "$2" -Os -DSIZE_OF_MUTEX -c test/figures/figures.c -o "$out/start.o" || return
    ld.lld --gc-sections --unresolved-symbols=ignore-all -e start "$out"/*.o -o "$out/program" || return
    bytes "code of a mutex beside its parker, $1, $2 -Os" "$2" "$(functions_of "$out/program")" "$3"
    bytes "code of all locks beside the core, $1, $2 -Os" "$2" "$(functions_of "$out/all")" "$4"
}

parker x86_64 gcc -Os 320
parker x86_64 gcc -O2 384
parker x86_64 clang -Os 384
parker x86_64 clang -O2 384
parker aarch64 gcc -Os 544
parker aarch64 gcc -O2 544
parker aarch64 clang -Os 544
parker aarch64 clang -O2 544
parker riscv64 gcc -Os 384
parker riscv64 gcc -O2 384
parker riscv64 clang -Os 384
parker riscv64 clang -O2 384
parker x86_64 gcc -Os 512 spin
parker x86_64 gcc -O2 576 spin
parker x86_64 clang -Os 640 spin
parker x86_64 clang -O2 640 spin
parker aarch64 gcc -Os 832 spin
parker aarch64 gcc -O2 832 spin
parker aarch64 clang -Os 832 spin
parker aarch64 clang -O2 832 spin
parker riscv64 gcc -Os 640 spin
parker riscv64 gcc -O2 640 spin
parker riscv64 clang -Os 640 spin
parker riscv64 clang -O2 640 spin
locks x86_64 gcc 1024 6144
locks x86_64 clang 1152 6144
locks aarch64 gcc 1280 6144
locks aarch64 clang 1472 6272
locks riscv64 gcc 1024 6144
locks riscv64 clang 1024 6144

# stack OPTION...: bytes that a parked thread uses, measured: on its own stack, which stack.c paints
stack() {
    for file in core/park_futex.c core/now.c sys/linux.c; do
        freestanding gcc -O2 "$@" -c "$file" -o "$dir/stack-$(basename "$file" .c).o" || return
    done
    gcc -O2 -Iinclude -pthread test/figures/stack.c "$dir"/stack-*.o -o "$dir/stack" && timeout 60 "$dir/stack"
}
bound 'stack of a parked thread, x86_64, futex kind' "$(stack)" 96
bound '... that polls' "$(stack -DVALET_SPIN=1)" 96
bound '... without a red zone' "$(stack -mno-red-zone -DVALET_SPIN=1)" 112

# account OPTION FILE...: the same of the deepest chain, by the compiler, in whose account a frame has its return
# address. What is left by a jump counts for one, so it can only be too much.
account() {
    option=$1
    shift
    for file; do
        freestanding gcc -O2 ${option:+"$option"} -fstack-usage -c "$file" -o "$dir/su-$(basename "$file" .c).o" ||
            return
    done
    cat "$dir"/su-*.su | awk '
        $1 ~ /:(valet_park|poll_then_park|park_slow|valet_sys_futex_wait)$/ {sum += $2}
        $1 ~ /:(valet_mutex_lock|valet_rwlock_read_lock|wait_in_line|valet_queue_lock)$/ {sum += $2}
        END {print sum}'
    rm -f "$dir"/su-*
}
in_a_mutex=$(account -DVALET_SPIN=1 core/locks/mutex.c core/locks/queue.c core/park_futex.c sys/linux.c)
bound '... in a mutex' "$in_a_mutex" 320
in_a_rwlock=$(account -DVALET_SPIN=1 core/locks/rwlock.c core/locks/queue.c core/park_futex.c sys/linux.c)
bound '... in a lock for readers and writers' "$in_a_rwlock" 320
bound '... sema kind, without the system'"'"'s own' "$(account '' core/park_sema.c)" 384

# of_a_round INSTRUCTIONS: of a run of 1000 rounds; what a run of the loop alone takes, $loop, is not in it
of_a_round() { echo $((($1 - loop + 500) / 1000)); }

# emulated_instructions_of CPU PROGRAM: qemu writes a line for each, and now and then one twice. One instruction at a
# time is -singlestep before QEMU 8.1.
case $(qemu-aarch64 -help) in
*one-insn-per-tb*) one=-one-insn-per-tb ;;
*) one=-singlestep ;;
esac
emulated_instructions_of() {
    "qemu-$1" "$one" -d exec,nochain -D "$2.trace" "$2" && grep -c '^Trace' "$2.trace"
    rm -f "$2.trace"
}

# library CPU: by gcc -O2
library() {
    spin=1
    case $1 in arm | i386) spin=0 ;; esac # 32 bits: no poll
    freestanding compile "$1" gcc -O2 "-DVALET_SPIN=$spin" -c core/park_futex.c -o "$dir/park.o" &&
        freestanding compile "$1" gcc -O2 "-DVALET_SPIN=$spin" -c core/waiters_futex.c -o "$dir/waiters.o" &&
        freestanding compile "$1" gcc -O2 -c sys/linux.c -o "$dir/linux.o"
}

# instructions CPU WHAT: of a run, through the call, of that library
instructions() {
    run=$dir/run-$1-$2
    compile "$1" gcc -O2 -I. -Iinclude "-D$2" -DROUNDS=1000 test/figures/figures.c \
        "$dir/park.o" "$dir/waiters.o" "$dir/linux.o" -static -o "$run" || return
    case $1 in
    x86_64) instructions_of "$run" ;;
    *) emulated_instructions_of "$1" "$run" ;;
    esac
}

# fast_paths CPU BOUND...: four, and a fifth where a division of 64 bits would be a call
fast_paths() {
    cpu=$1
    shift
    rm -f "$dir"/*.o
    library "$cpu" || bad "the library for $cpu"
    loop=$(instructions "$cpu" NOTHING)
    for what in 'UNPARK unpark, nobody parked' 'PAIR unpark and park with a token' \
        'WAIT wait for a state that is there' 'SET store and wake nobody'; do
        bound "instructions, $cpu: ${what#* }" "$(of_a_round "$(instructions "$cpu" "${what%% *}")")" "$1"
        shift
    done
    [ $# = 0 ] || bound "instructions, $cpu: a deadline into seconds and ns" \
        "$(of_a_round "$(instructions "$cpu" SPLIT)")" "$1"
}
fast_paths x86_64 11 22 13 9
fast_paths aarch64 10 20 11 11
fast_paths riscv64 11 22 14 11
[ "${1:-}" != README ] || counted figures
# What i386 takes more than x86_64 are arguments on the stack; ARMv7 and POWER have barriers of their own.
fast_paths arm 11 24 18 12 40
fast_paths i386 18 30 18 20 60
fast_paths ppc64le 11 24 16 12
fast_paths s390x 9 18 12 10

# What valet.h and valet(7) say of any call of the library, by gcc -O2; the system's own functions are not in it, but
# for Linux'.
graphs=$PWD/$dir/graphs
# graph CPU WHAT [FILE]: those of these units of the core, and of this file
graph() (
    top=$PWD cpu=$1 of=$2 file=${3-} spin=1
    case $1-$2 in arm-* | i386-* | *-sema) spin=0 ;; esac
    set -- freestanding compile "$1" gcc -O2 -DVALET_SPIN=$spin -fcallgraph-info=su "-I$top" "-I$top/include"
    mkdir -p "$graphs/$cpu-$of" && cd "$graphs/$cpu-$of" && together "$of" "$top" "$@" &&
        { [ -z "$file" ] || "$@" -c "$top/$file" -o file.o; }
)
any_call() { # CPU KIND MOST
    deepest=$(python3 -B test/figures/deepest.py "$graphs/$1-locks" "$graphs/$1-$2")
    bytes "stack of any call, $1, $2 kind (${deepest#* })" gcc "${deepest%% *}" "$3"
}
said='at most \([0-9]*\) bytes of stack on the futex kind, \([0-9]*\) on the sema kind,'
for page in include/valet.h include/man/valet.7; do
    most=$(sed -n "s/.*$said.*/\1 \2/p" $page)
    try "$page says what any call takes" [ "$most" = '640 1024' ]
done
for cpu in x86_64 aarch64 riscv64 i386; do
    # The locks are the same ones for both kinds.
    if ! graph $cpu locks || ! graph $cpu futex sys/linux.c || ! graph $cpu sema; then
        bad "the graphs for $cpu"
    fi
    any_call $cpu futex 640
    any_call $cpu sema 1024
done

# unit WHAT: instructions of a run in the user's own unit, the one file, by gcc -O2
unit() {
    gcc -std=gnu11 -O2 "-I$dir/unit" -DONE_UNIT "-D$1" -DROUNDS=1000 test/figures/figures.c -o "$dir/unit-$1" &&
        instructions_of "$dir/unit-$1"
}
# changes WHAT: atomic read-modify-writes that are in its loop; those of the slow paths are in functions of their own
changes() {
    objdump -d --no-show-raw-insn "$dir/unit-$1" |
        awk '/<main>:$/ {on = 1} on && /^$/ {exit} on && /\tlock |\txchg / {n++} END {print n + 0}'
}
mkdir -p "$dir/unit"
python3 core/amalgamate.py . linux futex linux.c x86_64 1 0 "$dir/unit/valet.c" "$dir/unit/valet.h" "$dir/unit/d" ||
    bad 'the one file'
loop=$(unit NOTHING)
bound 'instructions, x86_64, in one unit: lock and unlock a mutex' "$(of_a_round "$(unit LOCK)")" 10
bound '... atomic read-modify-writes' "$(changes LOCK)" 2
bound 'instructions, x86_64, in one unit: notify nobody' "$(of_a_round "$(unit NOTIFY)")" 6
bound 'instructions, x86_64, in one unit: call once what is done' "$(of_a_round "$(unit ONCE)")" 6
unchanged() { [ "$(changes "$1")" -eq 0 ]; }
try '... no atomic read-modify-write: notify nobody' unchanged NOTIFY
try '... nor: call once what is done' unchanged ONCE
try_not 'planted: a lock is taken in that' unchanged LOCK

# Cortex-M, -Dos=bare: one parker, a whole program that parks and unparks, and the fast paths on a board.
# cortexm CORE COMPILER LEVEL DIRECTORY ARGUMENT...: figures.c as a program, each file a unit of its own; $only: of one
# that is there this file alone is compiled again
only=
cortexm() {
    core=$1 by=$2 level=$3 out=$4
    shift 4
    case $by-$core in
    gcc-*) by='arm-none-eabi-gcc -mthumb' ;;
    *-m0) by='clang --target=thumbv6m-none-eabi' ;;
    *) by='clang --target=thumbv8m.main-none-eabi -mfloat-abi=soft' ;;
    esac
    [ -n "$only" ] || rm -rf "$out"
    mkdir -p "$out"
    for file in ${only:-core/park_futex.c core/waiters_futex.c core/now.c sys/bare.c test/figures/figures.c \
        test/figures/cortexm.c}; do
        # shellcheck disable=SC2086 # words on purpose
        $by "-mcpu=cortex-$core" "$level" -std=c11 -ffreestanding -ffunction-sections -fno-stack-protector \
            -fno-asynchronous-unwind-tables -fstack-usage -I. -Iinclude "$@" -c "$file" \
            -o "$out/$(basename "$file" .c).o" || return
    done
    ld.lld --gc-sections -T test/figures/cortexm.ld "$out"/*.o -o "$out/program"
}

# cortexm_parker CORE COMPILER LEVEL CODE STACK FLASH: bounds, in bytes
cortexm_parker() {
    out=$dir/cortex-$1-$2$3
    cortexm "$1" "$2" "$3" "$out" -DPAIR -DROUNDS=1 || return
    bound "code of one parker, Cortex-$(echo "$1" | tr m M), $2 $3" "$(llvm-nm -S --defined-only "$out/program" |
        awk '$4 != "main" && $4 != "start" && $3 ~ /[tTwW]/ {print $2}' |
        while read -r hex; do echo $((0x$hex)); done | awk '{sum += $1} END {print sum}')" "$4"
    # Nothing is pushed for a call: a frame has the return address.
    [ "$2" != gcc ] || bound '... stack of a parked thread' "$(cat "$out"/*.su |
        awk '$1 ~ /:(valet_park|park_slow|valet_sys_(futex_wait|atomic_begin))$/ {sum += $2} END {print sum}')" "$5"
    bound '... flash of a program that parks and unparks' "$(llvm-size -A "$out/program" |
        awk '$1 == ".text" || $1 == ".data" {sum += $2} END {print sum}')" "$6"
}
cortexm_parker m33 gcc -Os 400 96 480
cortexm_parker m33 gcc -O2 400 96 480
cortexm_parker m33 clang -Os 400 96 480
cortexm_parker m33 clang -O2 400 96 480
cortexm_parker m0 gcc -Os 480 112 560
cortexm_parker m0 clang -Os 480 112 560

# cortexm_instructions WHAT: of a run, by gcc -O2
cortexm_instructions() {
    case $one in
    -singlestep) set -- "$1" -singlestep ;;
    *) set -- "$1" -accel tcg,one-insn-per-tb=on ;;
    esac
    cortexm m33 gcc -O2 "$dir/board" "-D$1" -DROUNDS=1000 || return
    timeout 60 qemu-system-arm -M mps2-an505 -nodefaults -display none -semihosting-config enable=on,target=native \
        "$2" ${3:+"$3"} -d exec,nochain -D "$dir/trace" -kernel "$dir/board/program" >/dev/null 2>&1 &&
        grep -c '^Trace' "$dir/trace"
}
loop=$(cortexm_instructions NOTHING)
only=test/figures/figures.c
for what in 'UNPARK 12 unpark, nobody parked' 'PAIR 24 unpark and park with a token' \
    'WAIT 14 wait for a state that is there' 'SET 12 store and wake nobody'; do
    most=${what#* }
    bound "instructions, Cortex-M33: ${most#* }" "$(of_a_round "$(cortexm_instructions "${what%% *}")")" "${most%% *}"
done

# What one parker takes on each system and CPU, as in test/figures/sizes.txt: each row is in both. The bounds of code
# and stack are for clang 14; by another version these two are printed, and what is judged is the rest.
sizes() { # MEASURED
    awk -v clang="$clang" 'NR == FNR {if (!/^#/) {most[$1, $3] = $0; left++} next}
        {
            split(most[$1, $3], m); left -= (m[1] != ""); delete most[$1, $3]
            ok = m[1] != "" && $2 == m[2] && $4 > 0 && $5 <= m[5] && (clang != 14 || $4 <= m[4] && $6 <= m[6])
            printf "%s one parker, %s, %s: %d bytes of code, %d of data, %d of stack (%s %d, %d, %d)\n",
                ok ? "PASS" : "FAIL", $1, $3, $4, $5, $6,
                clang == 14 ? "at most" : "clang " clang "; by 14 at most", m[4], m[5], m[6]
        }
        END {
            verdict = left == 0 ? "PASS" : "FAIL"
            printf "%s rows of test/figures/sizes.txt that were not measured: %d\n", verdict, left
        }' \
        test/figures/sizes.txt "$1" >"$dir/judged"
    while read -r verdict what; do
        if [ "$verdict" = PASS ]; then good "$what"; else bad "$what"; fi
    done <"$dir/judged"
}
sh test/compile/compile.sh sizes >"$dir/sizes"
sizes "$dir/sizes"

# The test itself: a figure above its bound is seen.
larger() (
    failed=0 gcc=12 # whichever it is
    parker x86_64 gcc -Os 100
    [ "$failed" -eq 0 ]
)
slower() (
    failed=0
    library "$1" && loop=$(instructions "$1" NOTHING) && n=$(of_a_round "$(instructions "$1" PAIR)") &&
        [ "$n" -gt 0 ] || exit 0 # nothing was measured
    bound 'instructions of unpark, nobody parked' "$n" "$2"
    [ "$failed" -eq 0 ]
)
nothing() (
    failed=0
    bound 'code that does not compile' '' 384
    [ "$failed" -eq 0 ]
)
try_not 'planted: a parker of more bytes than its bound' larger
try_not 'planted: the instructions of two calls for those of one' slower x86_64 11
try_not '... on aarch64' slower aarch64 10
try_not 'planted: no figure' nothing
deeper() (
    failed=0 gcc=12
    any_call x86_64 futex 100
    [ "$failed" -eq 0 ]
)
try_not 'planted: a call that takes more stack than a page says' deeper
# The first word is said of the graphs of the locks when they are edited so.
said_of_graph() {
    rm -rf "$dir/planted"
    cp -r "$graphs/x86_64-locks" "$dir/planted"
    sed -i "$2" "$dir"/planted/*.ci
    python3 -B test/figures/deepest.py "$dir/planted" "$graphs/x86_64-futex" 2>&1 | grep -q "$1"
}
try 'planted: a call of itself' said_of_graph 'valet_mutex_unlock calls itself' \
    '/sourcename: "valet_mutex_unlock"/s/targetname: "[^"]*"/targetname: "valet_mutex_unlock"/'
try 'planted: a frame without a bound' said_of_graph 'a frame without a bound' 's/bytes (static)/bytes (dynamic)/'
try 'planted: a call that is not there' said_of_graph 'there is no valet_cond_wait_with' \
    's/"valet_cond_wait_with"/"valet_cond_wait_other"/'
not_all() (
    failed=0
    sed "$1" "$dir/sizes" >"$dir/others"
    sizes "$dir/others"
    [ "$failed" -eq 0 ]
)
try_not 'planted: a system that was not measured' not_all 1d
try_not 'planted: ... and another twice in its place' not_all '1d; 2p'
try_not 'planted: a word of data' not_all '1s/ 0 / 8 /'
if [ "$clang" = 14 ]; then
    try_not 'planted: ten times the code' not_all '1s/   \([0-9]*\)     0/   \10     0/'
else
    skip 'planted: ten times the code' "the bounds are for clang 14, and here is clang $clang"
fi
counted figures
