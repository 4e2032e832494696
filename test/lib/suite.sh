#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: suite.sh DIRECTORY [MESON OPTIONS...]. Set up, build and test one configuration.
#        suite.sh DIRECTORY --setup NAME. Test it again, by another setup of its tests.
# STRENGTH=quick leaves out the stress. The long form of each test is, in a normal run, in build/linux and build/posix,
# in a deep one in each build but those that differ from one of these in little: in how the same code was compiled, or,
# under QEMU, in the libc. A directory of another name has it. Of build/board-* a normal run has the quick
# tests only, and so, with the stress, has a deep one where another board has the rest; without it, where the
# embedder's board has four CPUs.
set -eu
dir=$1
shift
again=
if [ "${1-}" = --setup ]; then
    again=$2
    shift 2
else
    rm -rf "$dir"
    meson setup "$dir" -Dwerror=true "$@"
    ninja -C "$dir" -j2
fi
set --
case ${STRENGTH:-deep}-$dir in
quick-*) set -- --suite quick ;;
normal-build/linux | normal-build/posix) ;;
normal-build/board-*) set -- --suite quick ;;
*/board-embedder-rv32-* | */board-embedder-armv7-*) set -- --suite quick ;;
*/board-riscv32* | */board-armv7 | */board-m[47]) set -- --suite quick --suite stress ;;
normal-* | *-single | *-assert | *-gcc3 | */linux-clang | */posix-aarch64 | */linux-riscv64 | *-musl-aarch64 | \
    *-musl-riscv64) export VALET_TEST_SHORT=1 ;;
esac
[ -z "$again" ] || set -- "$@" --setup "$again"
status=0
meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes 2 "$@" || status=$?
# Meson's own record: one JSON object a test
python3 - "$dir/meson-logs/testlog${again:+-$again}.json" <<'PYTHON' || status=1
import json, sys
results = [json.loads(line)["result"] for line in open(sys.argv[1])]
good = sum(r in ("OK", "EXPECTEDFAIL") for r in results)
skip = results.count("SKIP")
print(f"suite: {good} passed, {len(results) - good - skip} failed, {skip} skipped")
sys.exit(good + skip != len(results) or not results)
PYTHON
exit $status
