#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Is each acquire and release of the source in the machine code? For every CPU, by gcc and clang, at -O2,
# -O3 and -Os; what is checked and how is at the head of codegen/check.py. It prints one line a check.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/tools.sh
rm -rf build/codegen
! newer=$(newer_clang) || set -- "$newer"
exec python3 -B test/codegen/check.py build/codegen "$@"
