#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Does a trap meet a user's vector registers? For every system that traps and every CPU, by gcc and clang, in
# one file and by link-time optimisation; what is checked and how is at the head of codegen/vector.py. It prints
# one line a check.
set -u
cd "$(dirname "$0")/../.." || exit 1
rm -rf build/vector
exec python3 -B test/codegen/vector.py build/vector
