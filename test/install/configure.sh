#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# `meson setup` with a wrong choice says in one line what is wrong, and what to do; with a right one it goes on.
# A system that is not the compiler's is the wrong choice of a newcomer: no archive of another system's is built.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=$PWD/build/configure
rm -rf "$dir"
mkdir -p "$dir"

# setup TREE OPTIONS...: what it says, in $dir/said
setup() {
    tree=$1
    shift
    rm -rf "$dir/build"
    meson setup "$dir/build" "$tree" -Dtests=false "$@" >"$dir/said" 2>&1
}
# refused TREE SAID OPTIONS...: by that line
refused() {
    in=$1 said=$2
    shift 2
    ! setup "$in" "$@" || { echo "it goes on: $*" && return 1; }
    grep -q "ERROR: Problem encountered: $said" "$dir/said" || { tail -n 3 "$dir/said" && return 1; }
}
# takes TREE FILE OPTIONS...: it goes on, with that file of sys/
takes() {
    in=$1 file=$2
    shift 2
    setup "$in" "$@" || { tail -n 3 "$dir/said" && return 1; }
    grep -q "sys/$file" "$dir/build/build.ninja"
}
# cross SYSTEM CPU: a file for a machine that is not here; nothing is built
cross() {
    cat >"$dir/$1-$2.txt" <<CROSS
[binaries]
c = 'gcc'
ar = 'ar'
[properties]
skip_sanity_check = true
[host_machine]
system = '$1'
cpu_family = '$2'
cpu = '$2'
endian = 'little'
CROSS
    echo "--cross-file=$dir/$1-$2.txt"
}

# A compiler for Linux, and every row; with STRENGTH=normal each third
python3 -B test/lib/systems.py | some 3 >"$dir/rows"
# foreign TREE SYSTEM: the line has the cross file's system, and a cross file that is there
foreign() {
    refused "$1" "-Dos=$2 .* linux\. .* a cross file with system = " "-Dos=$2" || return
    grep -q "system = '[a-z]*'" "$dir/said" || { echo 'no system is named' && return 1; }
    file=$(sed -n 's/.*--cross-file \([^ ]*\).*/\1/p' "$dir/said")
    case $2-$file in
    bare- | wasm- | windows-) echo 'no cross file is named' && return 1 ;;
    *-) ;;
    *) test -f "$file" || { echo "no such file: $file" && return 1; } ;;
    esac
}
while read -r system _ file _; do
    case $system in
    linux | posix) try "-Dos=$system, native" takes . "$file" "-Dos=$system" ;;
    external) try '-Dos=external, native' setup . -Dos=external ;;
    *) try "-Dos=$system, native: refused" foreign . "$system" ;;
    esac
done <"$dir/rows"

# Other machines
try 'wasm32 without a system: wasm' takes . wasm.c --cross-file test/cross/wasm32.txt
try 'NetBSD: netbsd' takes . netbsd.c "$(cross netbsd x86_64)"
try '... or netbsd_park' takes . netbsd_park.c "$(cross netbsd x86_64)" -Dos=netbsd_park
try 'a system without a name here, and a row' takes . freebsd.c "$(cross midnightbsd x86_64)" -Dos=freebsd
try '... and none' refused . 'no row for "midnightbsd"' "$(cross midnightbsd x86_64)"
try 'dragonfly on aarch64: refused' refused . '-Dos=dragonfly is for x86_64, and this compiler for aarch64' \
    "$(cross dragonfly aarch64)" -Dos=dragonfly
try '... by itself, too' refused . 'no row for "dragonfly" on aarch64' "$(cross dragonfly aarch64)"
try 'wasm without wasm32: refused' refused . '-Dos=wasm is for wasm32, and this compiler for riscv64' \
    "$(cross none riscv64)" -Dos=wasm
try 'bare on a CPU without a header: refused' refused . '-Dos=bare is for .*, and this compiler for m68k' \
    "$(cross none m68k)" -Dos=bare
try 'linux on one: refused' refused . '-Dos=linux is for .*, and this compiler for m68k' \
    "$(cross linux m68k)" -Dos=linux
try '... by itself, too' refused . 'no row for "linux" on m68k' "$(cross linux m68k)"
try 'posix on one' takes . posix.c "$(cross linux m68k)" -Dos=posix

# The language
for standard in c99 gnu89; do
    try "$standard: refused" refused . "valet is written in C11: .*, not $standard\$" "-Dc_std=$standard"
done
try 'c17' takes . linux.c -Dc_std=c17

# What a row cannot be
try 'a hook that posix does not have: refused' refused . '-Dhook=required is for .*bare.*, not for posix' \
    -Dos=posix -Dhook=required
try '... nor linux in a shared library: refused' refused . \
    '-Dhook=required is for static libraries only' -Dhook=required -Ddefault_library=both
no_atomics() { # ROW
    i686-linux-gnu-gcc -march=i386 -std=c11 -I. -Iinclude -c "sys/$1.c" -o /dev/null 2>&1 |
        grep 'error.*no atomic instructions'
}
try 'linux on a CPU without atomic instructions: an error' no_atomics linux
try 'posix on one' no_atomics posix
try 'the hook of linux' takes . linux.c -Dhook=required
for row in none:x86_64:bare windows:x86_64:windows_keyed; do
    system=${row%%:*} os=${row##*:}
    try "the hook of $os" takes . "$os.c" "$(cross "$system" x86_64)" "-Dos=$os" -Dhook=required
done
try 'the hook of external' setup . -Dos=external -Dexternal_kind=sema -Dhook=required
for linkage in shared both; do
    try "external, $linkage: refused" refused . '-Dos=external is for static libraries only' -Dos=external \
        "-Ddefault_library=$linkage"
done

# What must be seen: without each condition, in a copy
planted() { # WHAT SAID FILE FROM TO CHECK...
    turn 3 || return 0
    what=$1 answer=$2 edited=$3 edit="s/$4/$5/"
    shift 5
    rm -rf "$dir/tree"
    mkdir "$dir/tree"
    cp -r meson.build meson_options.txt core sys arch include "$dir/tree/"
    sed -i "$edit" "$dir/tree/$edited"
    if cmp -s "$edited" "$dir/tree/$edited"; then
        bad "planted: $what: nothing changed"
    elif answer_is=$("$@" 2>&1); then
        bad "planted: $what: not seen"
    else
        case $answer_is in
        *"$answer"*) good "planted: $what: $answer" ;;
        *) bad "planted: $what: something else is seen: $answer_is" ;;
        esac
    fi
}
planted 'any system' 'it goes on: -Dos=windows' sys/meson.build '^if machine in machines and' 'if false and' \
    refused "$dir/tree" 'such' -Dos=windows
planted 'a row that no machine has' 'no system is named' sys/meson.build "'darwin', 'darwin_os_sync'" \
    "'darwin'" foreign "$dir/tree" darwin_os_sync
planted 'a cross file that is not there' 'no such file: test/cross/x86_64-window.txt' sys/meson.build \
    '@0@-windows.txt' '@0@-window.txt' foreign "$dir/tree" windows
planted 'any CPU' 'it goes on: ' sys/meson.build '^if cpu not in cpus' 'if false' \
    refused "$dir/tree" '-Dos=dragonfly is for' "$(cross dragonfly aarch64)" -Dos=dragonfly
planted 'the first row of a machine, on any CPU' '-Dos=bare is for' sys/meson.build \
    ' and cpu in systems.row..2..split()' '' takes "$dir/tree" wasm.c --cross-file test/cross/wasm32.txt
planted 'a hook of any row' 'it goes on: -Dos=posix -Dhook=required' sys/meson.build 'if os not in hooks' \
    'hooks += {os: []}\n  if false' \
    refused "$dir/tree" 'such' -Dos=posix -Dhook=required
planted 'a shared library of any row' 'it goes on: -Dos=external' meson.build 'if os in unshared' 'if false' \
    refused "$dir/tree" 'such' -Dos=external -Ddefault_library=shared
planted 'any C' 'it goes on: -Dc_std=c99' meson.build "'c99', " '' refused "$dir/tree" 'valet is written' -Dc_std=c99
counted configure
