#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The figures that the library is held to and that do not depend on time: bytes of code of one parker,
# bytes of stack of a parked thread, instructions of the fast paths. Each is printed beside its bound.
set -u
cd "$(dirname "$0")/.." || exit 1
. test/count.sh
dir=build/figures
rm -rf "$dir"
mkdir -p "$dir"
flags='-std=c11 -ffreestanding -fPIC -fvisibility=hidden -ffunction-sections -fno-stack-protector -fno-asynchronous-unwind-tables -I. -Iinclude -Isys'

# parker CPU COMPILER LEVEL BOUND [spin]: function sizes of a program that parks and unparks, whether it
# polls (-Dspin=) or not
parker() {
    case $2-$1 in
    gcc-x86_64) cc=gcc ;;
    gcc-*) cc=$1-linux-gnu-gcc ;;
    *) cc="clang --target=$1-linux-gnu" ;;
    esac
    [ "$1" != aarch64 ] || cc="$cc -mno-outline-atomics"
    out=$dir/$1-$2$3${5:-}
    mkdir -p "$out"
    for file in core/park_futex.c core/now.c sys/linux.c; do
        # shellcheck disable=SC2086 # lists of words
        $cc $flags ${5:+-DVALET_SPIN=1} $3 -c $file -o "$out/$(basename $file .c).o" || return
    done
    # shellcheck disable=SC2086
    $cc $flags $3 -DSIZE -c test/figures.c -o "$out/start.o" || return
    ld.lld --gc-sections -e start "$out"/*.o -o "$out/program" || return
    size=$(llvm-nm -S --defined-only "$out/program" |
        awk '$3 ~ /[tT]/ && $4 != "start" {print $2}' | while read -r hex; do echo $((0x$hex)); done |
        awk '{sum += $1} END {print sum}')
    bound "code of one parker, $1, $2 $3${5:+, that polls}" "$size" "$4"
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

# stack FLAGS FILE...: bytes of the deepest chain, by the compiler's own account. The public function,
# park_slow and the backend's wait are one chain, and each call is a return address more.
stack() {
    options=$1
    shift
    for file; do
        # shellcheck disable=SC2086
        gcc $flags -O2 $options -fstack-usage -c "$file" -o "$dir/su-$(basename "$file" .c).o" || return
    done
    cat "$dir"/su-*.su | awk '
        $1 ~ /:(valet_park|poll_then_park|park_slow|sleep_once|valet_sys_futex_wait)$/ {sum += $2; calls++}
        END {print sum + 8 * calls}'
    rm -f "$dir"/su-*
}
bound 'stack of a parked thread, x86_64, futex kind' "$(stack '' core/park_futex.c sys/linux.c)" 96
bound '... that polls' "$(stack -DVALET_SPIN=1 core/park_futex.c sys/linux.c)" 96
bound '... without a red zone' "$(stack -mno-red-zone core/park_futex.c sys/linux.c)" 112
bound '... token kind, without the system'"'"'s own' "$(stack '' core/park_token.c)" 384

# instructions WHAT
instructions() {
    # shellcheck disable=SC2086
    gcc $flags -O2 -DVALET_SPIN=1 -c core/park_futex.c -o "$dir/park.o" && gcc $flags -O2 -c sys/linux.c -o "$dir/linux.o" &&
        gcc -O2 -Iinclude "-D$1" test/figures.c "$dir/park.o" "$dir/linux.o" -static -o "$dir/run-$1" &&
        instructions_of_a_round "$dir/run-$1"
}
loop=$(instructions NOTHING)
bound 'instructions of unpark, nobody parked' "$(($(instructions UNPARK) - loop))" 11
bound 'instructions of unpark and park with a token' "$(($(instructions PAIR) - loop))" 22

# The test itself: a figure above its bound is seen.
larger() (
    failed=0
    parker x86_64 gcc -Os 300
    [ "$failed" -eq 0 ]
)
slower() (
    failed=0
    bound 'instructions of unpark, nobody parked' "$(($(instructions PAIR) - loop))" 11
    [ "$failed" -eq 0 ]
)
nothing() (
    failed=0
    bound 'code that does not compile' '' 384
    [ "$failed" -eq 0 ]
)
try_not 'planted: a parker of more bytes than its bound' larger
try_not 'planted: the instructions of two calls for those of one' slower
try_not 'planted: no figure' nothing
counted figures
