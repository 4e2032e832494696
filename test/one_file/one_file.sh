#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: one_file.sh BUILD. The single file: by `meson compile amalgamation`, and for every row of
# sys/meson.build that compiles here (all but external by its own file): without a warning in gcc and
# clang, by itself and inside a user's file, where it leaves no symbol. The instructions of its fast paths.
# The suites on it are steps of their own (-Dsingle_file=true).
set -u
build=$1
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=$PWD/build/amalgamation
rm -rf "$dir"
mkdir -p "$dir"
# strict [-O0] COMPILER...
strict() {
    level=-O2
    case $1 in -O*) level=$1 && shift ;; esac
    "$@" -std=c11 "$level" -Wall -Wextra -Wpedantic -Wconversion -Werror
}

# write SYSTEM KIND FILE CPUS TREE: $dir/SYSTEM/valet.c; with SPIN=1 one that polls
write() {
    mkdir -p "$dir/$1"
    python3 -S "$5/core/amalgamate.py" "$5" "$1" "$2" "$3" "$4" "${SPIN:-0}" 0 "$dir/$1/valet.c" "$dir/$1/valet.h" \
        "$dir/$1/d"
}

try 'meson compile amalgamation' meson compile -C "$build" amalgamation
try 'valet.h lies beside it' cmp include/valet.h "$build/core/valet.h"
try '... and valet_locks.h' cmp include/valet_locks.h "$build/core/valet_locks.h"
cpus=$(sed -n 's|^#include "arch/\(.*\)\.h".*|\1|p' arch/arch.h | paste -s -d ,)
fresh() {
    SPIN=1 write linux futex linux.c "$cpus" . &&
        cmp "$dir/linux/valet_config.h" "$build/core/valet_config.h" &&
        cmp "$dir/linux/valet_config.h" "$build/include/valet_config.h" &&
        tail -n +5 "$dir/linux/valet.c" >"$dir/1" && tail -n +5 "$build/core/valet.c" >"$dir/2" && cmp "$dir/1" "$dir/2"
}
try 'it is what the script writes' fresh

# What a user's file is left with: its own function, in the sema kind the table that all such files
# share, and in one row traps of which the system wants one each.
leaves() {
    case $kind-$1 in
    *-openbsd) echo 'valet_openbsd_clock_gettime valet_openbsd_futex' ;;
    sema-*) echo 'valet_futex_table_2' ;;
    esac
}

# symbols OBJECT: a line each, of type, binding, section or UND, and name. nm takes ten times as long where LLVM has a
# plugin for it.
symbols() { readelf -sW "$1" | awk '$1 ~ /^[0-9]+:$/ && NF == 8 { print $4, $5, $7, $8 }'; }

# compiled SYSTEM COMPILER FLAGS...: by itself and in a user's file
compiled() {
    system=$1
    shift
    strict "$@" -ffreestanding -c "$dir/$system/valet.c" -o "$dir/$system/valet.o" &&
        strict "$@" -D_POSIX_C_SOURCE=200809L -I"$dir/$system" -c test/one_file/user.c -o "$dir/$system/user.o" ||
            return 1
    left=$(symbols "$dir/$system/user.o" | awk '$2 != "LOCAL" && $3 != "UND" && $4 != "user" { print $4 }' |
        LC_ALL=C sort | xargs)
    [ "$left" = "$(leaves "$system")" ] || echo "left: $left"
    [ "$left" = "$(leaves "$system")" ]
}

# cross SYSTEM CPU: where the tree's own file compiles for that CPU, so does the single one; quickly
cross() {
    strict -O0 clang --target="$2-unknown-none-elf" -ffreestanding -c "$dir/$1/valet.c" -o "$dir/$1/$2.o"
}

rows=$(python3 -B test/lib/systems.py | awk '$1 != "external" { print $1 ":" $2 ":" $3 }')
rows="$rows external:futex:- external:sema:-"
count=0
for row in $rows; do
    count=$((count + 1))
    system=${row%%:*} file=${row##*:} kind=${row#*:}
    kind=${kind%:*}
    try "$system, $kind kind, written" write "$system" "$kind" "$file" x86_64,aarch64,riscv64 .
    for cc in gcc clang; do
        case $((count % 2))-$cc in 0-gcc | 1-clang) deep || continue ;; esac # by one, or by the other
        try "$system, $kind kind, $cc" compiled "$system" $cc
    done
    [ "$file" != posix.c ] || continue # needs a libc of that CPU
    for cpu in aarch64 riscv64; do
        [ "$file" = - ] || clang --target=$cpu-unknown-none-elf -std=c11 -Werror -ffreestanding -fsyntax-only \
            -I. -Iinclude \
            "sys/$file" 2>/dev/null || continue
        turn 2 || continue
        try "$system, $kind kind, $cpu" cross "$system" $cpu
    done
done
# The rows whose locks do not poll, as meson.build has them
locks_sleep() {
    wanted=$(sed -n "s/^if os in \[\(.*\)\] # a thread that waits.*/\1/p" meson.build | tr -d "',")
    there=$(cd "$dir" && grep -l '^#define VALET_LOCKS_POLL 0$' ./*/valet.c | sed 's|^./||; s|/.*||' | sort | xargs)
    [ -n "$there" ] && [ "$there" = "$wanted" ]
}
try 'locks do not poll where they do not in the library' locks_sleep
files=$(find sys -name '*.c' | wc -l)
if [ "$count" -eq $((files + 2)) ]; then good "rows: $count"; else bad "rows: $count, files of sys/: $files"; fi

one_cpu() {
    write linux futex linux.c aarch64 . &&
        clang --target=aarch64-linux-gnu -std=c11 -ffreestanding -fsyntax-only "$dir/linux/valet.c" &&
        ! gcc -std=c11 -fsyntax-only "$dir/linux/valet.c" 2>/dev/null
}
try 'for one CPU it is for no other' one_cpu
try '... and for those again' write linux futex linux.c x86_64,aarch64,riscv64 .

# posix in a strict C, behind a header that has settled what the others say: a line that helps.
late() { # FLAGS...
    printf '#include <stdio.h>\n#define VALET_STATIC\n#include "valet.c"\n' >"$dir/posix/late.c"
    gcc -std=c11 -fsyntax-only -w "$@" "$dir/posix/late.c"
}
try 'posix, behind a header, with what it needs' late -D_POSIX_C_SOURCE=200809L
helps() { late -O2 2>&1 | grep -q 'error "valet: include valet.c before any header'; }
try '... and without: a line that helps' helps

# A hook that the user's file has: no weak symbol is left, and it is the one that is called. Without VALET_HOOK (or
# VALET_AT_FORK) the file's own is static, and a second one an error.
hooked() { # SYSTEM COMPILER FLAGS...
    system=$1
    shift
    strict "$@" -ffreestanding -I"$dir/$system" -c test/one_file/hook.c -o "$dir/$system/hook.o" || return 1
    symbols "$dir/$system/hook.o" | grep '^[FN][A-Z]* WEAK' && return 1 # a function, defined or not
    case $system in bare | linux) gcc "$dir/$system/hook.o" -o "$dir/$system/hook" && "$dir/$system/hook" ;; esac
}
for row in bare:HOOK:valet_sys_now linux:HOOK:valet_sys_now windows_keyed:HOOK:valet_sys_keyed_event \
    external:AT_FORK:valet_sys_at_fork; do
    system=${row%%:*} hook=${row##*:} macro=${row#*:}
    macro=VALET_${macro%:*}
    for cc in gcc clang; do
        try "$system: its user has the hook, $cc" hooked "$system" $cc "-DHOOK_OF_$system" "-D$macro=1"
        try_not "... and the file too, $cc" hooked "$system" $cc "-DHOOK_OF_$system"
    done
    needs() {
        strict gcc -ffreestanding "-D$macro=1" -c "$dir/$system/valet.c" -o "$dir/$system/needs.o" &&
            symbols "$dir/$system/needs.o" | grep -q " GLOBAL UND $hook\$"
    }
    try "$system: by itself it needs the hook where it is told so" needs
done

# openbsd: two files of users have one trap for each number between them, and one record of it.
pair() { # LINKER COMPILER FLAGS...
    ld=$1
    shift
    for each in one two; do
        strict "$@" -ffreestanding -fno-stack-protector -fPIC -I"$dir/openbsd" "-DNAME=$each" -c \
            test/one_file/pair.c -o "$dir/openbsd/$each.o" || return 1
    done
    $ld -shared "$dir/openbsd/one.o" "$dir/openbsd/two.o" -o "$dir/openbsd/pair" || return 1
    size=$(llvm-size -A "$dir/openbsd/pair" | awk '$1 == ".openbsd.syscalls" {print $2}')
    [ "$size" = 16 ] || echo "bytes of records: $size"
    [ "$size" = 16 ]
}
write openbsd futex openbsd.c x86_64,aarch64,riscv64,x86 .
for cpu in x86_64 aarch64 riscv64 i386; do
    set -- clang "--target=$cpu-linux-gnu"
    [ "$cpu" != riscv64 ] || set -- "$@" -mno-relax # which lld does not do
    try "openbsd in two files, $cpu" pair ld.lld "$@"
done
try '... gcc, GNU ld' pair ld.bfd gcc
try '... gcc, link-time optimisation' pair 'gcc -flto -O2 -nostdlib' gcc -flto
try '... clang, link-time optimisation' pair 'clang -flto -O2 -fuse-ld=lld -nostdlib' clang -flto

# linux: two files of users have the instructions of a cancellable wait once between them, and one takes a thread out
# of the other's. Without their group, each would have some.
cancels() { # LINKER COMPILER FLAGS...
    ld=$1
    shift
    strict "$@" -pthread -I"$dir/linux" -DWAITS -c test/one_file/cancel.c -o "$dir/linux/waits.o" &&
        strict "$@" -pthread -I"$dir/linux" -c test/one_file/cancel.c -o "$dir/linux/cancels.o" &&
        $ld -pthread "$dir/linux/waits.o" "$dir/linux/cancels.o" -o "$dir/linux/cancels" || return 1
    times=$(objdump -d "$dir/linux/cancels" | grep -c '<valet_sys_cancellable_1>:')
    [ "$times" = 1 ] || echo "instructions: $times times"
    [ "$times" = 1 ] && timeout 20 "$dir/linux/cancels"
}
write linux futex linux.c x86_64,aarch64,riscv64 .
try 'linux in two files that cancel, gcc' cancels gcc gcc
try '... clang, lld' cancels 'clang -fuse-ld=lld' clang
try '... gcc, not position independent' cancels 'gcc -no-pie' gcc -fno-pic
try '... gcc, link-time optimisation' cancels 'gcc -flto -O2' gcc -flto
try '... clang, link-time optimisation' cancels 'clang -flto -O2 -fuse-ld=lld' clang -flto
# One of them is of a version that calls the instructions in another way: it has some by another name.
versions() { # NAME: of the older one's
    mkdir -p "$dir/older" && cp "$dir"/linux/*.h "$dir/older" && sed "
        s/(const uint32_t \*cancel, const long \*call) VALET_CANC/(const long *, const uint32_t *) VALET_CANC/
        s/VALET_CALL_CANCELLABLE(cancel, call)/VALET_CALL_CANCELLABLE(call, cancel)/
        s/\"endbr64.n.t\"  /\"endbr64; xchg %rdi, %rsi;\"/
        s/valet_sys_cancellable_1/$1/g" "$dir/linux/valet.c" >"$dir/older/valet.c" &&
        strict gcc -pthread -I"$dir/older" -DWAITS -DTIMED -c test/one_file/cancel.c -o "$dir/older/waits.o" &&
        strict gcc -pthread -I"$dir/linux" -DTIMED -c test/one_file/cancel.c -o "$dir/older/cancels.o" &&
        gcc -pthread "$dir/older/cancels.o" "$dir/older/waits.o" -o "$dir/older/cancels" &&
        timeout 20 "$dir/older/cancels"
}
try '... two versions, whose instructions are called in two ways' versions valet_sys_cancellable_0
try_not '... planted: by one name' versions valet_sys_cancellable_1
each_its_own() {
    sed 's/\.weak valet_sys_cancellable_1\\n/.local valet_sys_cancellable_1\\n/; s/"\.weak " name/".local " name/
        s/axG/ax/; s/%progbits,"/%progbits\\n"/; s/"valet_sys_cancellable_1,comdat\\n"/""/
        s/"\.hidden valet_sys_cancellable_1\\n"/""/; s/"\.hidden " name "\\n"/""/' \
        "$dir/linux/valet.c" >"$dir/valet.c" &&
        mv "$dir/valet.c" "$dir/linux"
}
try '... planted: instructions of its own in each file' each_its_own
try_not '... it is not taken out' cancels gcc gcc

# ntdll's functions have names of their own there, and on x86 what a linker adds to them: as in the tree's object.
decorated() { # SYSTEM
    system=$1
    set -- strict clang --target=i686-pc-windows-msvc -ffreestanding
    "$@" -c "$dir/$system/valet.c" -o "$dir/$system/i686.o" &&
        "$@" -I. -Iinclude -c "sys/$system.c" -o "$dir/$system/tree.o" || return 1
    for object in tree i686; do
        llvm-nm -u "$dir/$system/$object.o" | LC_ALL=C sort >"$dir/$system/$object.list"
    done
    [ "$(grep -c '@[0-9]*$' "$dir/$system/tree.list")" -ge 4 ] && cmp "$dir/$system/tree.list" "$dir/$system/i686.list"
}
for row in windows:futex windows_keyed:sema; do
    system=${row%:*}
    try "$system for x86, written" write "$system" "${row#*:}" "$system.c" x86_64,aarch64,x86 .
    try '... names what the tree does' decorated "$system"
    edit_out() { # as if its functions were C's
        sed 's/ VALET_STDCALL("@[0-9]*")//' "$dir/$system/valet.c" >"$dir/valet.c" && mv "$dir/valet.c" "$dir/$system"
    }
    try '... planted: names without their bytes' edit_out
    try_not '... they are not those' decorated "$system"
done

# Polling is a matter of VALET_SPIN, which the file defines as its build had it, and its user as he likes.
polls() {
    SPIN=1 write "$1" futex "$1.c" x86_64,aarch64,riscv64 . && compiled "$1" gcc && has_a_poll "$1" &&
        compiled "$1" clang && has_a_poll "$1" && cross "$1" aarch64 && cross "$1" riscv64
}
has_a_poll() {
    symbols "$dir/$1/valet.o" >"$dir/symbols" && grep -q 'poll_then_park$' "$dir/symbols" &&
        grep -q 'poll_first$' "$dir/symbols"
}
has_none() {
    compiled "$@" && ! symbols "$dir/$1/valet.o" | grep -q '_poll_'
}
has_one() {
    compiled "$@" && has_a_poll "$1"
}
kind=futex
for system in linux freebsd; do
    try "$system, that polls" polls $system
    for cc in gcc clang; do
        try "... and does not, by its user's wish, $cc" has_none $system $cc -DVALET_SPIN=0
    done
    try "$system, that does not poll" write $system futex $system.c x86_64,aarch64,riscv64 .
    for cc in gcc clang; do
        try "... so, $cc" has_none $system $cc
        try "... and does, by its user's wish, $cc" has_one $system $cc -DVALET_SPIN=1
    done
done

# The fast paths
instructions() { # COMPILER WHAT: of 10,000 rounds
    "$1" -std=c11 -O2 -I"$dir/linux" "-D$2" test/one_file/count.c -static -o "$dir/run" &&
        instructions_of "$dir/run" 2 3 4 5 6 7 8 9 10
}
of_a_round() { # COMPILER WHAT: what $loop, the same with nothing in the loop, does not take
    n=$(instructions "$1" "$2") && [ -n "$n" ] && echo $(((n - loop + 5000) / 10000))
}
SPIN=1 write linux futex linux.c x86_64 .
# Of the "or" that takes a mutex clang makes a loop of compare-exchanges, gcc a bit test and set.
for row in gcc:7:11:10 clang:7:9:12; do
    cc=${row%%:*} bounds=${row#*:} mutex=${row##*:}
    bounds=${bounds%:*}
    loop=$(instructions "$cc" NOTHING)
    bound "$cc -O2, one translation unit: instructions of unpark" "$(of_a_round "$cc" UNPARK)" "${bounds%:*}"
    bound "... of unpark and park with a token" "$(of_a_round "$cc" PAIR)" "${bounds#*:}"
    bound '... of lock and unlock of a mutex' "$(of_a_round "$cc" MUTEX)" "$mutex"
    atomic=$(objdump -d --no-show-raw-insn "$dir/run" | sed -n '/<main>:/,/^$/p' | grep -cE '\<lock |\<xchg .*\(')
    bound '... of these, atomic' "$atomic" 2
    bound '... of a once that is done' "$(of_a_round "$cc" ONCE)" 6
done

# The test itself.
planted() { # WHAT FILE SED CHECK...: the check must fail
    what=$1 file=$2 edit=$3
    shift 3
    rm -rf "$dir/tree"
    mkdir "$dir/tree"
    cp -r core sys arch include "$dir/tree/"
    sed -i "$edit" "$dir/tree/$file"
    cmp -s "$file" "$dir/tree/$file" && bad "planted: $what: nothing changed"
    try_not "planted: $what" "$@"
}
in_linux() { write linux futex linux.c x86_64 "$dir/tree" && compiled linux gcc; }
planted 'a helper with linkage' core/waiters_futex.c \
    's/^static inline \(int compare_and_wait\)/\1(valet_word32 *, unsigned, uint64_t);\n\1/' in_linux
planted 'a conversion' sys/linux.c 's/(long)expected, until/deadline | expected, until/' in_linux
planted 'a name that is not taken apart' core/amalgamate.py \
    's/return ({n for n in names if not/return ({n for n in names if n != "word_of" and not/' in_linux
apart() { write openbsd futex openbsd.c x86_64 "$dir/tree" && pair ld.lld clang; }
planted 'a trap in no group' arch/x86_64.h \
    's/\\"axG\\",@progbits," #name ",comdat/\\"ax\\",@progbits/
    s/\\"G\\",@progbits," #name ",comdat/\\"\\",@progbits/' apart
weak() { write bare futex bare.c x86_64 "$dir/tree" && compiled bare gcc; }
planted 'a hook that is weak with VALET_STATIC' sys/hook.h \
    's/^#define VALET_WEAK static/#define VALET_WEAK __attribute__((weak))/' weak
always() { write linux futex linux.c x86_64,aarch64,riscv64 "$dir/tree" && has_none linux gcc; }
planted 'a poll without its condition' core/park_futex.c 's/^#if VALET_SPIN$/#if 1/' always
twice() { write linux futex linux.c x86_64 "$dir/tree"; }
planted 'a header in a condition, and once more' core/now.c \
    's/^#include "valet_sys.h"/#include "core\/spin.h"\n&/' twice
slower() {
    write linux futex linux.c x86_64 "$dir/tree" &&
        loop=$(instructions gcc NOTHING) && [ "$(of_a_round gcc UNPARK)" -le 7 ]
}
in_locks() {
    write bare futex bare.c x86_64,aarch64,riscv64 "$dir/tree" && locks_sleep
}
planted 'locks that poll on bare metal' core/amalgamate.py 's/("bare", "external")/("external",)/' in_locks
write bare futex bare.c x86_64,aarch64,riscv64 .
in_late() {
    write posix sema posix.c x86_64,aarch64,riscv64 "$dir/tree" && helps
}
planted 'no word on a header that came first' sys/posix.c 's/^#ifndef CLOCK_MONOTONIC/#if 0/' in_late
write posix sema posix.c x86_64,aarch64,riscv64 .
planted 'an unpark that counts' core/park_futex.c \
    's/^ *valet_word32 \*word = word_of(p);$/&\n    static long n[2]; n[1] += ++n[0]; __asm__("" ::: "memory");/' slower
try_not 'planted: a CPU that is not there' write linux futex linux.c pdp11 .
counted amalgamation
