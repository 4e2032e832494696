#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Every system that this machine cannot run, on each of its CPUs: core/ and its file in sys/ compile
# for the system's own target, link in its own object format, and leave undefined only the symbols in
# the table below; no data, no thread-local storage, no constructor, position independent. The sema
# kind's futex table is the one exception.
#
# Usage: compile.sh [sizes [SYSTEM CPU]]. With sizes: what one parker takes on each, and on the systems that can
# run here; by clang -Os, without a poll, as lines of system, kind, CPU, and bytes of code, data and stack
# (figures/parker.py).
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/lib/tools.sh
. test/compile/together.sh
dir=build/compile
ld64=${ld64:-$(tool ld64.lld)} || exit 1
export ld64 # to the processes of single checks
levels='-Os -O2 -O3'
deep || levels=-O2

# system, kind, target, CPUs, documented symbols as the object format spells them, sorted
os_sync='___error _clock_gettime_nsec_np _os_sync_wait_on_address _os_sync_wait_on_address_with_timeout'
os_sync="$os_sync _os_sync_wake_by_address_all _os_sync_wake_by_address_any"
zx='zx_clock_get_monotonic zx_futex_requeue zx_futex_wait zx_futex_wake'
table="
freebsd        futex unknown-freebsd   x86_64,aarch64,riscv64,i386
openbsd        futex unknown-openbsd   x86_64,aarch64,riscv64,i386
openbsd_libc   futex unknown-openbsd   x86_64,aarch64,riscv64,i386 __errno clock_gettime futex
netbsd         futex unknown-netbsd    x86_64,aarch64,riscv64,i386
netbsd_park    sema  unknown-netbsd    x86_64,aarch64,riscv64,i386
dragonfly      futex unknown-dragonfly x86_64
illumos        sema  pc-solaris2.11    x86_64
darwin         futex apple-macos11     x86_64,arm64           _clock_gettime_nsec_np
darwin_os_sync futex apple-macos11     x86_64,arm64           $os_sync
fuchsia        futex unknown-fuchsia   x86_64,aarch64,riscv64 $zx
redox          futex unknown-redox     x86_64,aarch64,riscv64
cloudabi       sema  unknown-cloudabi  x86_64,aarch64
sgx            sema  unknown-none-elf  x86_64                 get_tcs_addr usercall
"

# strict COMMAND...
strict() {
    "$@" -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wcast-align -Wundef -Wvla -Werror -ffreestanding -fno-stack-protector
}

# find SYSTEM: its row as kind, target, cpus, symbols. No process is started: this runs hundreds of times
find() {
    while read -r name kind target cpus symbols; do
        [ "$name" != "$1" ] || return 0
    done <<END
$table
END
    return 1
}

# compile CC CPU ARGUMENT...: for the target of the row that `find` has found
compile() {
    cc=$1 for_cpu=$2
    shift 2
    [ "$cc-$target" != clang-unknown-cloudabi ] || set -- -fno-sanitize=safe-stack "$@" # as sys/meson.build
    [ "$cc-$for_cpu" != clang-aarch64 ] || set -- -mno-outline-atomics "$@"
    case $cc-$for_cpu in
    gcc-x86_64) gcc "$@" ;; # only in ELF, where Linux' is every system's
    gcc-i386) i686-linux-gnu-gcc "$@" ;;
    clang-*) clang "--target=$for_cpu-$target" "$@" ;;
    esac
}

# dylib CPU OUTPUT OBJECT...: the symbols of the row come from elsewhere
dylib() {
    for symbol in $symbols; do
        set -- "$@" -U "$symbol"
    done
    arch=$1 linked_as=$2
    shift 2
    "$ld64" -dylib -arch "$arch" -platform_version macos 11 11 -undefined error -U dyld_stub_binder "$@" -o "$linked_as"
}

elf() {
    case $1 in
    x86_64) echo elf_x86_64 ;;
    aarch64) echo aarch64linux ;;
    riscv64) echo elf64lriscv ;;
    i386) echo elf_i386 ;;
    esac
}

# holds SYSTEM CPU DIRECTORY: the properties of the objects there, linked
holds() {
    find "$1" || return 1
    linked=yes
    case $target in
    apple-*)
        # ld64.lld 14 has no -r: the objects are looked at, and linked as a dylib.
        have=$(llvm-nm "$3"/*.o | awk '
            NF == 2 && $1 == "U" { used[$2] }
            NF == 3 { defined[$3] }
            END { for (s in used) if (!(s in defined)) print s }' | LC_ALL=C sort | xargs)
        extra=$(llvm-size -A "$3"/*.o |
            awk '/^__(data|bss|common|thread_|mod_init|init_offsets)/ && $2 != 0 { print $1 }')
        dylib "$2" "$3/linked" "$3"/*.o || linked=no
        ;;
    *)
        ld.lld -m "$(elf "$2")" -r "$3"/*.o -o "$3/linked" || linked=no
        readelf -SsW "$3/linked" | sed 's/^ *\[ *[0-9]*\] //' >"$3/dump"
        # but for what the linker itself defines
        have=$(awk '$7 == "UND" && NF == 8 && $8 != "_GLOBAL_OFFSET_TABLE_" { print $8 }' "$3/dump" |
            LC_ALL=C sort | xargs)
        # allocated sections that are not empty, and writable or thread-local
        extra=$(awk -v kind="$kind" '$7 ~ /^[AWXTMS]*[WT]/ && $5 !~ /^0+$/ &&
            (kind == "futex" || $1 != ".bss.valet_futex_table_2") { print $1 }' "$3/dump")
        # Position independent: a shared object without text relocations.
        ld.lld -m "$(elf "$2")" -shared -z text --unresolved-symbols=ignore-all "$3"/*.o -o "$3/so" ||
            linked=no
        ;;
    esac
    [ "$have" = "$symbols" ] || echo "undefined: '$have', not '$symbols'"
    [ -z "$extra" ] || echo "sections: $extra"
    [ "$linked" = yes ] && [ "$have" = "$symbols" ] && [ -z "$extra" ]
}

# build SYSTEM CPU COMPILER LEVEL DIRECTORY
build() {
    rm -rf "$5"
    mkdir -p "$5"
    find "$1" || return 1
    core=$root/$dir/core-$kind-$3-$2$4
    [ "$3" = gcc ] || core=$core-$target
    (cd "$5" && source=$root/sys/$1.c &&
        set -- strict compile "$3" "$2" "$4" -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections \
            -I"$root" -I"$root/include" &&
        built "$core" "$kind" "$@" && ln "$core"/*.o . && "$@" -c "$source")
}

# built DIRECTORY KIND COMPILER ARGUMENT...: the core, once for all that ask: the target is all that is said of a system
built() (
    mkdir -p "$1" && cd "$1" || exit
    what=$2
    shift 2
    flock 7
    [ -e built ] || { together "$what" "$root" "$@" && : >built; }
) 7>>"$1.lock"

check_one() {
    build "$1" "$2" "$3" "$4" "$dir/$1-$2-$3$4" && holds "$1" "$2" "$dir/$1-$2-$3$4"
}

# OpenBSD: each record names a trap, there is one for each number, and no trap is without.
trap_names='syscall|svc|ecall|int'
check_records() {
    so=$1/so
    llvm-objcopy --dump-section .openbsd.syscalls="$dir/records" "$so" "$dir/copy" || return 1
    numbers=
    # shellcheck disable=SC2046 # a list of words
    set -- $(od -An -v -tu4 "$dir/records")
    while [ $# -ge 2 ]; do
        llvm-objdump -d --start-address="$1" --stop-address=$(($1 + 2)) "$so" |
            grep -qwE "$trap_names" || {
            echo "record $2: no trap at $1"
            return 1
        }
        numbers="$numbers $2"
        shift 2
    done
    traps=$(llvm-objdump -d "$so" | grep -cwE "$trap_names")
    [ "$traps-$numbers" = '2- 83 87' ] || {
        echo "$traps traps, on record:$numbers"
        return 1
    }
}

# part TARGET CPU FILE OBJECT: of a parker, and its frames beside it
part() {
    target=$1 cpu=$2 file=$3 part=$4
    set --
    case $target in
    *-windows-*) ;;
    *) set -- -fPIC ;;
    esac
    [ "$cpu" != wasm32 ] || set -- "$@" -matomics -mbulk-memory
    mkdir -p "${part%/*}"
    compile clang "$cpu" -std=c11 -Os -ffreestanding -fno-stack-protector -ffunction-sections -fstack-usage "$@" \
        -I. -Iinclude -c "$file" -o "$part"
}

root=$PWD
if [ "${1-}" = sizes ]; then
    # Systems that the tests run, and so are not in the table above; an embedder's own is what core/ takes.
    table="linux futex unknown-linux-gnueabi x86_64,aarch64,riscv64,i386,powerpc64le,riscv32,s390x,thumbv7a
posix sema  unknown-linux-gnu x86_64
bare futex unknown-none-elf x86_64,aarch64,riscv64
external_futex futex unknown-none-elf x86_64,aarch64,riscv64
external_sema sema  unknown-none-elf x86_64,aarch64,riscv64
wasm futex unknown-unknown wasm32
windows futex pc-windows-msvc x86_64,aarch64,i386
windows_keyed sema  pc-windows-msvc x86_64,aarch64,i386
$table"
    # A row's parts, and where; the core's are the same ones for all rows of a target and CPU.
    out=$dir/parkers
    rm -rf "$out"
    mkdir -p "$out"
    : >"$out/parts"
    : >"$out/rows"
    printf '%s\n' "$table" | awk -v only="${2-}" -v on="${3-}" -v out="$out" '
        NF >= 4 && (only == "" || only == $1) {
            n = split($4, cpus, ",")
            for (i = 1; i <= n; i++) {
                if (on != "" && on != cpus[i]) continue
                of = $3 " " cpus[i]; to = out "/" $3 "-" cpus[i]; row = $1 " " $2 " " cpus[i]
                files = split("core/park_" $2 ".c core/now.c" ($1 ~ /^external_/ ? "" : " sys/" $1 ".c"), file, " ")
                for (f = 1; f <= files; f++) {
                    object = file[f]; sub(/.*\//, to "/", object); sub(/c$/, "o", object)
                    print of, file[f], object > (out "/parts")
                    row = row " " object
                }
                print row > (out "/rows")
            }
        }'
    sort -u "$out/parts" | xargs -P 2 -n 24 sh test/compile/compile.sh parts
    LC_ALL=C sort "$out/rows" | python3 -B test/figures/parker.py
    exit
fi
if [ "${1-}" = parts ]; then # of the above, in its own process
    shift
    while [ $# -ge 4 ]; do
        part "$1" "$2" "$3" "$4"
        shift 4
    done
    exit
fi
if [ $# -eq 4 ]; then # one check of the list below, in its own process
    try "$1 $2 $3 $4" check_one "$@"
    exit
fi

rm -rf "$dir"/core-*
mkdir -p "$dir"
printf '%s\n' "$table" | while read -r system kind target cpus symbols; do
    [ -n "$system" ] || continue
    for cpu in $(echo "$cpus" | tr , ' '); do
        for level in $levels; do
            echo "$system $cpu clang $level"
        done
        case $cpu-$target in
        x86_64-apple-*) ;;
        x86_64-* | i386-*) echo "$system $cpu gcc -O2" ;;
        esac
    done
done >"$dir/list"
xargs -P 2 -n 4 sh test/compile/compile.sh <"$dir/list" >"$dir/results"
cat "$dir/results"
passed=$(grep -c '^ok ' "$dir/results")
failed=$(($(wc -l <"$dir/list") - passed)) # also a check that said nothing

for cpu in x86_64 aarch64 riscv64 i386; do
    for level in $levels; do
        try "openbsd $cpu clang $level: the records" check_records "$dir/openbsd-$cpu-clang$level"
    done
done

# The object formats that the table has no row for: COFF and WebAssembly. The core with an embedder's own
# system under it, where undefined is the contract and nothing else; and Windows, where it is ntdll's part.
# foreign TARGET KIND LEVEL [SYSTEM SYMBOLS]: with a system, on the core of the check without
foreign() {
    out=$dir/foreign-$1-${4-$2}$3 core=$root/$dir/foreign-$1-$2$3
    rm -rf "$out"
    mkdir -p "$out"
    (
        cd "$out" || exit 1
        kind=$2 source=${4:+$root/sys/$4.c}
        set -- strict clang --target="$1" "$3" -I"$root" -I"$root/include"
        case $3 in *wasm32*) set -- "$@" -matomics -mbulk-memory ;; esac
        if [ -n "$source" ]; then
            cp "$core"/*.o . && "$@" -c "$source"
        else
            together "$kind" "$root" "$@"
        fi
    ) || return 1
    contract='valet_sys_futex_look valet_sys_futex_wait valet_sys_futex_wake valet_sys_now'
    [ "$2" = futex ] || contract="valet_sys_now $(printf 'valet_sys_sema_%s ' fini init post)valet_sys_sema_wait"
    case $1-$2 in # nothing is optional there
    *-windows-*-futex) contract="valet_sys_features $contract valet_sys_now_realtime valet_sys_futex_wait_with
        valet_sys_futex_wake_with" ;;
    *-windows-*) contract="valet_sys_at_fork valet_sys_features $contract valet_sys_now_realtime
        valet_sys_sema_wait_with" ;;
    esac
    contract=$(spelled "$1" "$(echo "${5-$contract}" | xargs -n 1 | LC_ALL=C sort | xargs)")
    foreign_holds "$out" "$2" "$contract"
}

# spelled TARGET 'SYMBOL[@BYTES]...': the bytes of a function's arguments are in its name on x86 with 32 bits alone
spelled() {
    case $1 in
    i686-*) underscore=_ bytes='&' ;;
    *) underscore='' bytes='' ;;
    esac
    echo "$2" | tr ' ' '\n' | sed "s/^/$underscore/; s/@.*/$bytes/" | xargs
}

# foreign_holds DIRECTORY KIND CONTRACT: nothing else undefined, and no data
foreign_holds() {
    llvm-nm "$1"/*.o >"$1/names"
    have=$(awk '
        NF == 2 && $1 == "U" && $2 !~ /^__(linear_memory|stack_pointer|indirect_function_table)$/ { used[$2] }
        NF == 3 { defined[$3] }
        END { for (s in used) if (!(s in defined)) print s }' "$1/names" | LC_ALL=C sort | xargs)
    [ "$have" = "$3" ] || { echo "undefined: '$have', not '$3'" && return 1; }
    # The table of the sema kind's futex is its only data.
    data=$(awk -v kind="$2" '
        NF == 3 && $2 ~ /^[bBdDcC]$/ && (kind == "futex" || $3 !~ /^_?valet_futex_table_2$/)' "$1/names" |
        xargs)
    [ -z "$data" ] || { echo "data: $data" && return 1; }
}
ntdll='NtQuerySystemTime@4 RtlQueryPerformanceCounter@4 RtlQueryPerformanceFrequency@4 RtlWaitOnAddress@16'
ntdll="$ntdll RtlWakeAddressAll@4 RtlWakeAddressSingle@4"
keyed='NtQueryPerformanceCounter@8 NtQuerySystemTime@4 NtReleaseKeyedEvent@16 NtWaitForKeyedEvent@16'
keyed="$keyed RtlDllShutdownInProgress@0"
for target in x86_64-pc-windows-gnu x86_64-pc-windows-msvc aarch64-pc-windows-msvc i686-pc-windows-gnu \
    i686-pc-windows-msvc wasm32-unknown-unknown; do
    for level in $levels; do
        for kind in futex sema; do
            try "core for $target, $kind kind, $level" foreign $target $kind "$level"
        done
        case $target in *-windows-*)
            try "windows, $target, $level" foreign $target futex "$level" windows "$ntdll"
            try "windows_keyed, $target, $level" foreign $target sema "$level" windows_keyed "$keyed"
            ;;
        esac
    done
done
# foreign_not TARGET SEEN CODE: planted in Windows
foreign_not() {
    rm -rf "$dir/planted"
    cp -r "$dir/foreign-$1-windows-O2" "$dir/planted"
    printf '%s\n' "$3" >"$dir/plant.c"
    clang --target="$1" -O2 -ffreestanding -c "$dir/plant.c" -o "$dir/planted/plant.o"
    said=$(foreign_holds "$dir/planted" futex "$(spelled "$1" "$ntdll")")
    case $?-$said in
    1-*"$2"*) good "planted in windows for $1: $said" ;;
    *) bad "planted in windows for $1, not seen: $2: $said" ;;
    esac
}
foreign_not aarch64-pc-windows-msvc planted_symbol 'void planted_symbol(void); void f(void) { planted_symbol(); }'
foreign_not aarch64-pc-windows-msvc 'data: ' 'int variable = 1;'
foreign_not i686-pc-windows-msvc 'aulldiv' 'unsigned long long f(unsigned long long a, unsigned long long b);
    unsigned long long f(unsigned long long a, unsigned long long b) { return a / b; }'
# ... and a function of ntdll that is not called as it is there
mkdir -p "$dir/cdecl/sys"
cp sys/windows.c sys/windows.h "$dir/cdecl/sys"
python3 -S test/lib/plant.py "$dir/cdecl/sys/windows.h" '__attribute__((stdcall))' ''
called_as_c() {
    rm -rf "$dir/planted"
    cp -r "$dir/foreign-i686-pc-windows-msvc-windows-O2" "$dir/planted"
    (cd "$dir/planted" && strict clang --target=i686-pc-windows-msvc -O2 "-I../cdecl" "-I$root" "-I$root/include" \
        -c ../cdecl/sys/windows.c) || return 1
    ! foreign_holds "$dir/planted" futex "$(spelled i686- "$ntdll")"
}
try 'planted in windows for i686: calls of C: seen' called_as_c

# The rows are those of sys/meson.build, with its kinds and CPUs, but for the systems that the tests run.
agrees() { # TABLE
    python3 -B test/lib/systems.py | grep -vE '^(linux|posix|bare|external|wasm|windows|windows_keyed) ' |
        awk '{ print $1, $2, $4 }' | sort >"$dir/rows"
    printf '%s\n' "$1" | sed 's/arm64/aarch64/; s/i386/x86/' | awk 'NF { print $1, $2, $4 }' | sort | diff "$dir/rows" -
}
try 'systems, kinds and CPUs are those of sys/meson.build' agrees "$table"
disagrees() { # WHAT SEEN SED of test/compile/compile.sh, in a copy of its table
    said=$(agrees "$(printf '%s\n' "$table" | sed "$3")") && said='nothing wrong'
    case $said in
    *"$2"*) good "planted: $1: seen" ;;
    *) bad "planted: $1: not seen: $said" ;;
    esac
}
disagrees 'a CPU less' '> cloudabi sema x86_64' '/^cloudabi/s/,aarch64//'
disagrees 'a CPU more' '> dragonfly futex x86_64,aarch64' '/^dragonfly/s/x86_64/&,aarch64/'
disagrees 'another kind' '> redox sema' '/^redox/s/futex/sema/'
disagrees 'a system less' '< sgx sema x86_64' '/^sgx/d'

# The check itself: each fault is planted in a copy, and must be seen for what it is.
# plant SYSTEM CPU SEEN CODE [OR SEEN]
plant() {
    rm -rf "$dir/planted"
    cp -r "$dir/$1-$2-clang-O2" "$dir/planted"
    printf '%s\n' "$4" >"$dir/plant.c"
    find "$1"
    compile clang "$2" -O2 -fPIC -ffreestanding -c "$dir/plant.c" -o "$dir/planted/plant.o"
    said=$(holds "$1" "$2" "$dir/planted" 2>&1) && said="$said nothing wrong"
    case $said in
    *"$3"* | *"${5:-$3}"*) good "planted in $1 for $2: $3" ;;
    *) bad "planted in $1 for $2, not seen: $3: $said" ;;
    esac
}
for where in freebsd:x86_64 cloudabi:aarch64 darwin:arm64; do
    set -- "${where%:*}" "${where#*:}"
    plant "$@" 'nothing wrong' 'static int g(void) { return 1; } int f(void) { return g(); }'
    plant "$@" 'planted_symbol' 'void planted_symbol(void); void f(void) { planted_symbol(); }'
    plant "$@" 'data' 'int variable = 1;'
    plant "$@" "$(case $1 in darwin) echo common ;; *) echo bss ;; esac)" 'int variable;'
    plant "$@" "$(case $1 in darwin) echo thread_ ;; *) echo tdata ;; esac)" '_Thread_local int variable = 1;'
    # FreeBSD's are .ctors by clang 14, .init_array by clang 19.
    plant "$@" init '__attribute__((constructor)) void f(void) { __asm__ volatile(""); }' \
        "$(case $1 in freebsd) echo ctors ;; *) echo init ;; esac)"
done
# shellcheck disable=SC2016 # the dollar is assembly
plant freebsd x86_64 'valet_now' '__asm__("movabs $valet_now, %rax");'
plant netbsd riscv64 'valet_now' '__asm__(".8byte valet_now");'
plant openbsd aarch64 'nothing wrong' '__asm__("svc #0");'
try_not 'planted in openbsd for aarch64: a trap without a record' check_records "$dir/planted"
counted compile
