#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Run the tests. Usage: all.sh [quick|normal|deep] [WORD...]
#
#   quick    the inner loop, in two minutes
#   normal   every system, CPU and rig, each at a bounded size; if nothing is said
#   deep     the same at full size, and the other Debian: what must pass before a change lands
#
# With a WORD only the steps whose name contains it, and what they need. One run at a time in one tree. test/lib/steps
# is the table of steps; test/README.md says what each shows. All is built below build/; what a step said is kept in
# build/log/. One that cannot run fails and says what is missing; the few tests that are impossible on one
# host say so, end with 77 and are counted as skipped. The last line counts what ran:
#
#   N passed, N failed, N skipped
#
set -eu
cd "$(dirname "$0")/.."
case ${1-} in
quick) sh test/lib/setup.sh --only gcc libc6-dev meson ninja-build clang libclang-rt-dev ;;
*) sh test/lib/setup.sh ;;
esac
exec /usr/bin/python3 test/lib/run.py "$@"
