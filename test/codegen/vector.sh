#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Does a trap meet a user's vector registers? For every system that traps and every CPU, by gcc and clang, in
# one file and by link-time optimisation; what is checked and how is at the head of codegen/vector.py. Each
# strength looks at the same: the wider form of vector.py (STRENGTH=deep) still calls two things faults that are
# none, functions that gcc folded into one and a helper of sys/cloudabi.c. It prints one line a check.
set -u
cd "$(dirname "$0")/../.." || exit 1
rm -rf build/vector
STRENGTH=normal exec python3 -B test/codegen/vector.py build/vector
