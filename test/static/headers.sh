#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Every header compiles alone, that is, it includes what it uses; and twice, so its guard works. The
# public ones also as C++. clang does the CPUs that gcc has no compiler for here.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh

# compiles HEADER COMPILER...: the last line is something to compile where a header only has macros
compiles() {
    header=$1
    shift
    printf '#include "%s"\n#include "%s"\ntypedef int unused;\n' "$header" "$header" |
        "$@" -Wall -Wextra -Wpedantic -Werror -I. -Iinclude -fsyntax-only -
}

for header in valet.h valet_locks.h valet_sys.h; do
    try "$header, gcc, C11" compiles "$header" gcc -std=c11 -x c
    try "$header, clang, C11" compiles "$header" clang -std=c11 -x c
    try "$header, g++, C++17" compiles "$header" g++ -std=c++17 -x c++
    try "$header, clang++, C++17" compiles "$header" clang++ -std=c++17 -x c++
done

for standard in c++17 c++20; do
    for compiler in g++ clang++; do
        try "valet_locks.hpp, $compiler, $standard" compiles valet_locks.hpp $compiler -std=$standard -x c++
    done
done
# initialisers DIRECTORY: each of the headers there, behind that for C++, with warnings that few ask for
initialisers() {
    mkdir -p build
    sed -n 's/^#define \(VALET_\([A-Z]*\)_INIT\)\( .*\)\?$/struct valet_\L\2\E a_\L\2\E = \1;/p
        s/^#define \(VALET_\([A-Z]*\)_INIT\)(.*/struct valet_\L\2\E a_\L\2\E = \1(3);/p' \
        "$1/valet.h" "$1/valet_locks.h" | sort -u >build/initialisers
    [ "$(wc -l <build/initialisers)" -eq 9 ] || { echo 'not nine' && return 1; }
    for by in 'g++ -Wuseless-cast' clang++; do
        # shellcheck disable=SC2086 # a list of words
        { echo '#include "valet_locks.hpp"' && cat build/initialisers; } |
            $by -std=c++17 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wold-style-cast \
                -Wzero-as-null-pointer-constant -Werror "-I$1" -x c++ -fsyntax-only - || return
    done
}
try 'the initialisers, in C++ that wants no cast of C' initialisers include
edited() { # SED of include/valet.h, in a copy
    mkdir -p build/headers && cp include/valet*.h* build/headers/ && sed -i "$1" build/headers/valet.h
}
try 'a header with a cast of C' edited 's/static_cast<uintptr_t>(number)/(uintptr_t)(number)/'
try_not 'planted: ... is seen' initialisers build/headers
# aligned DIRECTORY: each object of the headers there to the size of its words, by a CPU whose types want two bytes
aligned() {
    mkdir -p build
    sed -n 's/^struct \(valet_[a-z]*\) {$/_Static_assert(_Alignof(struct \1) == sizeof(uintptr_t), "\1");/p' \
        "$1"/valet*.h >build/aligned
    [ "$(wc -l <build/aligned)" -eq 10 ] || { echo 'not ten' && return 1; }
    { printf '#include "%s.h"\n' valet_locks valet_sys && cat build/aligned; } |
        m68k-linux-gnu-gcc -std=c11 "-I$1" -x c -fsyntax-only -
}
try 'each object, aligned on m68k' aligned include
try 'a header that does not align' edited 's/^#if defined __BIGGEST_ALIGNMENT__.*/#if 0/'
try_not 'planted: ... is seen' aligned build/headers
# Without a library of C++, nor exceptions
for compiler in g++ clang++; do
    try "valet_locks.hpp, $compiler, freestanding" compiles valet_locks.hpp $compiler -std=c++17 -x c++ \
        -ffreestanding -nostdinc++ -fno-exceptions -fno-rtti
done

for header in core/*.h core/locks/*.h sys/*.h arch/arch.h; do
    try "$header, gcc" compiles "$header" gcc -std=c11 -ffreestanding -x c
    try "$header, clang" compiles "$header" clang -std=c11 -ffreestanding -x c
done

# The root of the sources is searched before the C library's <sys/...>: a header of ours by such a name
# would be taken for it. Those that the machine has, and some that BSDs have.
is_taken() {
    case $1 in
    sys/clock.h | sys/futex.h | sys/time.h | sys/timespec.h | sys/umtx.h | sys/lwp.h | sys/types.h) return 0 ;;
    esac
    [ -n "$(find /usr/include /usr/*/include -path "*/$1" -print -quit 2>/dev/null)" ]
}
for header in sys/*.h; do
    try_not "no system's own: $header" is_taken "$header"
done
try 'a name that is taken is seen' is_taken sys/wait.h
try '... one of BSD' is_taken sys/timespec.h

for header in arch/*.h; do
    cpu=$(basename "$header" .h)
    case $cpu in # by the compiler's name
    arch | riscv) continue ;; # riscv: in that of each width
    arm) cpu=armv7a-none-eabi ;;
    generic) cpu=mips64el ;;
    x86) cpu=i386 ;;
    esac
    for each in "$header" arch/arch.h; do
        try "$each, clang, $cpu" compiles "$each" clang --target="$cpu" -std=c11 -ffreestanding -x c
    done
    case $cpu in
    aarch64 | riscv64)
        try "$header, gcc, $cpu" compiles "$header" "$cpu-linux-gnu-gcc" -std=c11 -ffreestanding -x c
        ;;
    esac
done

counted headers
