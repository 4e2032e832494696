#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: suite.sh DIRECTORY all|quick [MESON OPTIONS...]. Set up, build and test one configuration.
#        suite.sh DIRECTORY all|quick --setup NAME. Test it again, by another setup of its tests.
set -eu
dir=$1
mode=$2
shift 2
again=
if [ "${1-}" = --setup ]; then
    again=$2
else
    rm -rf "$dir"
    meson setup "$dir" -Dwerror=true "$@"
    ninja -C "$dir" -j2
fi
only=
[ "$mode" = all ] || only='--suite quick'
[ -z "$again" ] || only="$only --setup $again"
status=0
# shellcheck disable=SC2086 # an option, or nothing
meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes 2 $only || status=$?
# Meson's own record: one JSON object a test
python3 - "$dir/meson-logs/testlog${again:+-$again}.json" <<'END' || status=1
import json, sys
results = [json.loads(line)["result"] for line in open(sys.argv[1])]
good = sum(r in ("OK", "EXPECTEDFAIL") for r in results)
skip = results.count("SKIP")
print(f"suite: {good} passed, {len(results) - good - skip} failed, {skip} skipped")
sys.exit(good + skip != len(results) or not results)
END
exit $status
