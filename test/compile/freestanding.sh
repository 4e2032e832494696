#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Freestanding means: whatever the compiler, its level and the CPU, the linked library has no undefined
# symbol, no data, no thread-local storage, no constructor, and is position independent. The sema
# kind's futex table is the one exception, and only where it is called.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/compile/together.sh
root=$PWD
dir=build/freestanding
rm -rf "$dir"
mkdir -p "$dir"

# compile CPU COMPILER VARIANT ARGUMENT...
compile() {
    on=$1 by=$2 variant=$3
    shift 3
    case $variant-$on in
    plain-aarch64) set -- -mno-outline-atomics "$@" ;;
    lse-aarch64) set -- -mno-outline-atomics -march=armv8.1-a "$@" ;;
    integer-x86_64) set -- -mgeneral-regs-only -mno-red-zone "$@" ;;
    integer-aarch64) set -- -mgeneral-regs-only -mno-outline-atomics "$@" ;;
    integer-riscv64) set -- -march=rv64imac -mabi=lp64 "$@" ;;
    plain-riscv32) set -- -march=rv32imac -mabi=ilp32 "$@" ;;
    plain-arm) set -- -march=armv7-a -mthumb -mfloat-abi=soft "$@" ;;
    a32-arm) set -- -march=armv7-a -marm -mfloat-abi=soft "$@" ;;
    m-arm) set -- -march=armv7-m -mthumb -mfloat-abi=soft "$@" ;;
    m0-arm) set -- -march=armv6-m -mthumb -mfloat-abi=soft "$@" ;;
    m33-arm) set -- -march=armv8-m.main -mthumb -mfloat-abi=soft "$@" ;;
    pair-riscv32) set -- -march=rv32imc -mabi=ilp32 "$@" ;;
    esac
    case $by-$on-$variant in # for a board, where the system makes a difference
    gcc-arm-m[03]*) on=board && set -- arm-none-eabi-gcc "$@" ;;
    clang-arm-m[03]*) on=board && set -- clang --target=arm-none-eabi "$@" ;;
    clang-riscv32-pair) on=board && set -- clang --target=riscv32-none-elf "$@" ;;
    esac
    case $by-$on in
    *-board) ;;
    gcc-x86_64) set -- gcc "$@" ;;
    gcc-arm) set -- arm-linux-gnueabi-gcc "$@" ;;
    gcc-riscv32) set -- riscv64-linux-gnu-gcc "$@" ;;
    gcc-i386) set -- i686-linux-gnu-gcc "$@" ;;
    clang-arm) set -- clang --target=arm-linux-gnueabi "$@" ;;
    gcc-*) set -- "$on-linux-gnu-gcc" "$@" ;;
    clang-*) set -- clang "--target=$on-linux-gnu" "$@" ;;
    esac
    "$@" -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -ffreestanding -fno-stack-protector \
        -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections
}

# link CPU ARGUMENT... GNU's starts in a sixth of the time of LLD, which has no s390x before 18. But where there is
# Thumb of the Cortex-M0 alone it makes no table of calls.
link() {
    of=$1
    shift
    case $of in
    x86_64) ld "$@" ;;
    riscv32) riscv64-linux-gnu-ld -m elf32lriscv "$@" ;;
    arm) ld.lld -m armelf_linux_eabi "$@" ;;
    i386) i686-linux-gnu-ld "$@" ;;
    *) "$of-linux-gnu-ld" "$@" ;;
    esac
}

# built DIRECTORY WHAT COMPILER ARGUMENT...: the core of that kind, or the locks, once for all that ask. In few units,
# which have all functions that the files have; with $apart "yes" an object a file, as a build has them, by each
# compiler for one CPU; "lean": without the calls with flags.
built() {
    [ ! -e "$1/built" ] || return 0
    mkdir -p "$1"
    (
        cd "$1" || exit
        what=$2
        shift 2
        case $apart-$what in
        yes-locks) "$@" -c "$root"/core/locks/*.c ;;
        yes-*) "$@" -c "$root/core/now.c" "$root/core/cancel.c" "$root"/core/*_"$what".c ;;
        lean-*) together "$what plain" "$root" "$@" ;;
        *) together "$what" "$root" "$@" ;;
        esac && : >built
    )
}

# what the embedder supplies; -rest: to who does not call the futex; $pair: where there are no atomic instructions
pair=
contract() {
    case $1 in
    external-futex) echo "${pair}valet_sys_futex_look valet_sys_futex_wait valet_sys_futex_wake valet_sys_now" ;;
    external-futex-rest) echo "${pair}valet_sys_futex_wait valet_sys_futex_wake valet_sys_now" ;;
    external-sema*) echo "${pair}valet_sys_now $(printf 'valet_sys_sema_%s ' fini init post)valet_sys_sema_wait" ;;
    esac
}

# What a linker itself defines: where the table of addresses is; on POWER, functions that save registers.
linkers='^(_GLOBAL_OFFSET_TABLE_|\\.TOC\\.|_(save|rest)(gpr0|gpr1|fpr)_[0-9]+)$'

# holds FILE SYSTEM TABLE: the properties of one relocatable file with everything in it. .toc is POWER's table of
# addresses.
holds() {
    readelf -SsW "$1" | awk -v contract="$(contract "$2")" -v table="$3" -v linkers="$linkers" '
        { sub(/^ *\[ *[0-9]+\] /, "") }
        $7 == "UND" && NF == 8 && $8 !~ linkers { used[$8] }
        # allocated sections that are not empty, and writable (as is what runs at start) or thread-local
        $7 ~ /^[AWXTMS]*[WT]/ && $5 !~ /^0+$/ && $1 != table && $1 != ".toc" { say("writable section: " $1) }
        END {
            for (n = split(contract, names, " "); n > 0; n--) {
                if (!(names[n] in used)) say("not undefined: " names[n])
                delete used[names[n]]
            }
            for (name in used) say("undefined: " name)
            exit bad || NR < 10
        }
        function say(what) { print what; bad = 1 }'
}

# check_one CPU COMPILER LEVEL VARIANT SYSTEM. The flags are the same for each system: so the core is compiled once for
# all of them, a linux or bare file for its own.
check_one() {
    cpu=$1 cc=$2 level=$3 variant=$4 system=$5
    out=$dir/$cpu-$cc-$level-$variant-$system objects=$dir/$cpu-$cc-$level-$variant
    mkdir -p "$out"
    kind=${system#*-} own='' apart=no pair=
    case $variant$level-$cpu-$cc in
    plain-O2-x86_64-gcc | plain-O2-aarch64-clang) apart=yes ;;
    *-O2-*) ;;
    *) apart=lean ;;
    esac
    case $system in linux-* | bare-*) own=${system%-*} ;; esac
    case $variant in m0 | pair) pair='valet_sys_atomic_begin valet_sys_atomic_end ' ;; esac
    set -- compile "$cpu" "$cc" "$variant" "$level" "-I$root" "-I$root/include"
    built "$objects/$kind" "$kind" "$@" && built "$objects/locks" locks "$@" || return 1
    [ -z "$own" ] || "$@" -c "sys/$own.c" -o "$objects/$own.o" || return 1
    set -- "$objects/$kind"/*.o "$objects/locks"/*.o ${own:+"$objects/$own.o"}
    link "$cpu" -r "$@" -o "$out/all" || return 1
    table=none
    [ "$system" != external-sema ] || table=.bss.valet_futex_table_2
    holds "$out/all" "$system" "$table" || return 1
    # position independent: a shared object without text relocations
    link "$cpu" -shared -z text --unresolved-symbols=ignore-all "$@" -o "$out/so" || return 1
    # without the caller of the table there is no table
    for object; do
        shift
        case $object in
        */futex_* | */cancel.o | */*-futex.o) ;;
        *) set -- "$@" "$object" ;;
        esac
    done
    link "$cpu" -r "$@" -o "$out/rest" || return 1
    holds "$out/rest" "$system-rest" none
}

# variants CPU SYSTEM
variants() {
    case $1-$2 in
    aarch64-linux-*) echo plain integer lse ;;
    arm-linux-*) echo plain a32 ;;
    arm-*) echo plain a32 m m0 m33 ;;
    riscv32-linux-* | i386-* | powerpc64le-* | s390x-* | m68k-*) echo plain ;;
    riscv32-*) echo plain pair ;;
    *) echo plain integer ;;
    esac
}

# leveled VARIANT: at each level, in a deep run
leveled() { case $1 in plain | m0 | m33 | pair) ;; *) false ;; esac; }

for cpu in x86_64 aarch64 riscv64 riscv32 arm i386 powerpc64le s390x m68k; do
    for cc in gcc clang; do
        for system in linux-futex bare-futex external-futex external-sema; do
            case $cpu-$system-$cc in
            x86_64-* | aarch64-* | riscv64-* | m68k-external-*-gcc) ;;
            m68k-*) continue ;; # no other row, no clang
            i386-bare-* | powerpc64le-bare-* | s390x-bare-* | *-external-futex-*) continue ;; # no row; in linux-futex
            *-linux-*-gcc | *-sema-gcc) ;;
            *) deep || continue ;;
            esac
            for kind in $(variants $cpu $system); do
                for level in -Os -O2 -O3; do
                    { deep && leveled "$kind"; } || [ $level = -O2 ] || continue
                    try "$cpu $cc $system $kind $level" check_one $cpu $cc $level "$kind" $system
                done
            done
        done
    done
done

# in_units TREE: each file of the core is in a unit
in_units() {
    for what in futex sema locks; do units "$what"; done | tr ' ' '\n' | grep '\.c$' | sort -u >"$dir/in-units"
    (cd "$1" && find core -name '*.c') | sort | diff "$dir/in-units" -
}
try 'each file of the core is in a unit' in_units .
mkdir -p "$dir/tree"
cp -r core "$dir/tree/"
: >"$dir/tree/core/other.c"
try_not 'planted: one that is in none' in_units "$dir/tree"

# The check itself: each fault is planted in a copy, and must be seen.
# plant WHAT CPU CODE
plant() {
    printf '%s\n' "$3" >"$dir/plant.c"
    compile "$2" gcc plain -O2 -c "$dir/plant.c" -o "$dir/plant.o" || bad "planted: $1: it does not compile"
    link "$2" -r "$dir/plant.o" "$dir/$2-gcc--O2-plain-linux-futex/all" -o "$dir/planted"
    try_not "planted: $1" holds "$dir/planted" linux-futex none
}
plant 'an undefined symbol' x86_64 'void memcpy_(void); void f(void); void f(void) { memcpy_(); }'
plant 'a variable' x86_64 'int variable = 1;'
plant 'a zero variable' x86_64 'int variable;'
plant 'thread-local storage' x86_64 '_Thread_local int variable;'
plant 'a constructor' x86_64 \
    'void f(void); __attribute__((constructor)) void f(void) { __asm__ volatile(""); }'
for cpu in riscv32 arm; do
    plant "a division of 64 bits on $cpu" $cpu 'unsigned long long f(unsigned long long ns);
        unsigned long long f(unsigned long long ns) { return ns / 1000000000; }'
done
plant 'an atomic operation of 64 bits' riscv32 'unsigned long long f(unsigned long long *p);
    unsigned long long f(unsigned long long *p) { return __atomic_exchange_n(p, 1, __ATOMIC_RELAXED); }'
counted freestanding
