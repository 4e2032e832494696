#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: numbers.sh CPU=INCLUDE_DIRECTORY... Our table of call numbers equals musl's headers.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
for pair in "$@"; do
    cpu=${pair%%=*}
    header=${pair#*=}/bits/syscall.h
    compile() {
        clang --target="$cpu-unknown-linux-musl" -std=c11 -Wall -Werror -fsyntax-only -ffreestanding -I. \
            "-DMUSL_SYSCALL_H=\"$(realpath "$header")\"" "$@" test/numbers/numbers_test.c
    }
    try "$cpu: our numbers are musl's ($(grep -c '__NR_' "$header") numbers there)" compile
    try_not "$cpu: a planted difference is seen" compile -DPLANTED_BUG
done
counted numbers
