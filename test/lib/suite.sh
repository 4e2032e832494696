#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: suite.sh DIRECTORY [MESON OPTIONS...]. Set up, build and test one configuration.
#        suite.sh DIRECTORY --setup NAME. Test it again, by another setup of its tests.
# STRENGTH=quick leaves out the stress. The long form of each test is in a deep run alone, in each build but those that
# differ from build/linux or build/posix in little: in how the same code was compiled, or, under QEMU, in the CPU or the
# libc: rounds by the thousand and crowds of threads try the same core there, on the same cores of this machine; nor in
# a sanitizer's, which judges each access by itself. A directory of another name has it. Of the boards but x86_64's a
# normal run has the quick tests only, and so, with the stress, has a deep one where another board has the rest; without
# it, where the embedder's board has four CPUs. Debugging symbols are where gdb's test or a sanitizer's report wants
# them.
set -eu
dir=$1
shift
again=
if [ "${1-}" = --setup ]; then
    again=$2
    shift 2
else
    rm -rf "$dir"
    case $dir in
    */linux | */posix | *-[at]san) ;;
    *) set -- -Ddebug=false "$@" ;;
    esac
    meson setup "$dir" -Dwerror=true "$@"
    ninja -C "$dir" -j2
fi
set --
case ${STRENGTH:-deep}-$dir in
quick-*) set -- --suite quick ;;
normal-build/board-* | normal-build/bare-aarch64 | normal-build/bare-riscv64) set -- --suite quick ;;
*/board-embedder-rv32-* | */board-embedder-armv7-*) set -- --suite quick ;;
*/board-riscv32* | */board-armv7 | */board-m[47] | */bare-*-clang) set -- --suite quick --suite stress ;;
normal-* | *-single | *-assert | *-gcc3 | *-clang | *-clang3 | */linux-musl | *-noclock | *-[at]san | */linux-*64 | \
    */posix-*64) export VALET_TEST_SHORT=1 ;;
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
