#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Run every test. Usage: all.sh [quick]
#
# Builds below build/, one directory a configuration, and keeps the output of each step in build/log/.
# A step that cannot run fails, and says what is missing; the few tests that are impossible on one
# host say so, end with 77 and are counted as skipped. The last line counts what ran:
#
#   N passed, N failed, N skipped
#
set -u
cd "$(dirname "$0")/.." || exit 1
mode=${1:-all}
case $mode in
all | quick) ;;
*)
    echo "usage: all.sh [quick]" >&2
    exit 2
    ;;
esac

passed=0
failed=0
skipped=0
log=build/log
rm -rf "$log"
mkdir -p "$log"

# say NAME RESULT FILE SECONDS: one line a step, and the end of its output where it failed
say() {
    printf '%-46s %s (%s s)\n' "$1" "$2" "$4"
    case $2 in
    *FAILED*) tail -n 25 "$3" | sed 's/^/    | /' ;;
    esac
}

# check NAME SECONDS COMMAND...: one test, by its exit status
check() {
    name=$1
    limit=$2
    shift 2
    file=$log/$(echo "$name" | tr -c 'A-Za-z0-9\n' '-')
    start=$(date +%s)
    timeout -k 10 "$limit" "$@" </dev/null >"$file" 2>&1
    status=$?
    seconds=$(($(date +%s) - start))
    case $status in
    0)
        passed=$((passed + 1))
        say "$name" ok "$file" $seconds
        ;;
    77)
        skipped=$((skipped + 1))
        say "$name" "skipped: $(tail -n 1 "$file")" "$file" $seconds
        ;;
    124 | 137)
        failed=$((failed + 1))
        echo "out of time: $limit s" >>"$file"
        say "$name" FAILED "$file" $seconds
        ;;
    *)
        failed=$((failed + 1))
        say "$name" FAILED "$file" $seconds
        ;;
    esac
    return $status
}

# group NAME SECONDS COMMAND...: many tests, counted by the command: its last line that reads
# "...: N passed, N failed" or "..., N skipped" (mutants: caught, survived) is added up. An exit status
# without it is a failure.
group() {
    name=$1
    limit=$2
    shift 2
    file=$log/$(echo "$name" | tr -c 'A-Za-z0-9\n' '-')
    start=$(date +%s)
    timeout -k 10 "$limit" "$@" </dev/null >"$file" 2>&1
    status=$?
    seconds=$(($(date +%s) - start))
    count=$(sed -n 's/^[^:]*: *\([0-9]*\) [pc][a-z]*, \([0-9]*\) [fs][a-z]*\(, \([0-9]*\) skipped\)*$/\1 \2 \4/p' "$file" | tail -n 1)
    # shellcheck disable=SC2086 # two or three numbers
    set -- ${count:-0 0}
    p=$1
    f=$2
    s=${3:-0}
    [ "$status" -eq 0 ] && [ "$f" -eq 0 ] && [ "$p" -gt 0 ] || [ "$f" -gt 0 ] || f=1
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
    result=ok
    [ "$f" -eq 0 ] || result=FAILED
    say "$name" "$result: $p passed, $f failed, $s skipped" "$file" $seconds
    [ "$f" -eq 0 ]
}

# suite NAME DIRECTORY [MESON OPTIONS...]: one configuration, built and tested by Meson
suite() {
    name=$1
    dir=build/$2
    shift 2
    group "$name" 1200 sh test/lib/suite.sh "$dir" "$mode" "$@"
}

# beside STEPS: a function of steps that measure no time, run on the side; its counts are added by `together`
lanes=
beside() {
    ( # shellcheck disable=SC2030 # counts of its own
        passed=0 failed=0 skipped=0
        "$1"
        echo "$passed $failed $skipped" >"$log/lane.$1"
    ) &
    lanes="$lanes $1"
}

# together: wait for the lanes. One that was killed has left no counts, and is a failure.
together() {
    wait
    for lane in $lanes; do
        read -r p f s <"$log/lane.$lane" || {
            echo "$lane: ended without its counts"
            p=0 f=1 s=0
        }
        # shellcheck disable=SC2031 # as above
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done
    lanes=
}

sh test/lib/setup.sh || exit 1

. test/lib/steps.sh

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
