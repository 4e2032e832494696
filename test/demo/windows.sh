#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: windows.sh SYSTEM DIR [COMPILER ARGUMENT...]. Build the library for Windows in DIR, SYSTEM being
# windows or windows_keyed, and the demo with it: DIR/wc.exe. The arguments are for the demo only. A library that is
# set up there is taken as it is.
set -eu
system=$1
dir=$2
shift 2
root=$(cd "$(dirname "$0")/../.." && pwd)
[ -f "$dir/build.ninja" ] || meson setup --cross-file="$root/test/cross/x86_64-windows.txt" "-Dos=$system" \
    -Dtests=false -Doptimization=2 -Ddebug=false "$dir" "$root"
ninja -C "$dir" libvalet.a
# No stack probes, which are libgcc's: nt_arguments and all frames are small.
x86_64-w64-mingw32-gcc -std=c11 -O2 -Wall -Wextra -Werror -ffreestanding -fno-stack-protector \
    -mno-stack-arg-probe -nostdlib -Wl,-e,start -Wl,--subsystem,console -I "$root" -I "$root/include" \
    "$@" "$root/test/demo/wc.c" "$root/test/demo/windows.c" "$root/test/windows/arguments.c" \
    "$dir/libvalet.a" -lntdll -o "$dir/wc.exe"
