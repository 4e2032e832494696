#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: numbers.sh CPU=INCLUDE_DIRECTORY... Our table of call numbers equals musl's headers, or, where those of that
# CPU are not at hand, the kernel's.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
for pair in "$@"; do
    cpu=${pair%%=*}
    header=${pair#*=}/asm/unistd.h
    [ -f "$header" ] || header=${pair#*=}/bits/syscall.h
    compile() {
        [ "$cpu" != arm ] || set -- -mfloat-abi=soft "$@"
        clang --target="$cpu-unknown-linux-musl" -std=c11 -Wall -Werror -fsyntax-only -ffreestanding -I. \
            -isystem "${pair#*=}" "-DSYSCALL_H=\"$(realpath "$header")\"" "$@" test/numbers/numbers_test.c
    }
    try "$cpu: our numbers are those of $header" compile
    try_not "$cpu: a planted difference is seen" compile -DPLANTED_BUG
done
counted numbers
