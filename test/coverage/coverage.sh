#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: coverage.sh [DIRECTORY...]. Which lines and which outcomes of conditions of core/ and sys/ the
# tests reach, per file: the suites on linux, posix and an external scheduler of both kinds, and for the
# systems that are not here the corpora of test/fuzz, whose kernel answers anything. What is not
# reached must be named in coverage_exceptions.txt, with its reason. There, too: a name of what is reached is
# a failure, unless it says `perhaps`, and so is a name of what is not in the source.
# A DIRECTORY is one more run: *.profraw, and in `programs` the paths of the programs.
set -u
case ${1-} in
/* | '') ;;
*) set -- "$PWD/$1" ;;
esac
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
mkdir -p build/coverage
dir=$(cd build/coverage && pwd)
rm -rf "${dir:?}"/*
flags='-fprofile-instr-generate -fcoverage-mapping'
# Programs fork, and end by _exit: the counters lie in the file itself, from the start.
continuous='-mllvm -runtime-counter-relocation'

# suite NAME OPTIONS...: build it and run its quick tests
suite() (
    name=$1
    shift
    export CC=clang LLVM_PROFILE_FILE="$dir/$name-%p%c.profraw"
    mkdir -p "$dir/$name.run"
    meson setup "$dir/$name" -Doptimization=1 "-Dc_args=$flags $continuous" "-Dc_link_args=$flags" "$@" &&
        ninja -C "$dir/$name" -j2 || return
    rm -f "$dir/$name"-*.profraw # of the compiler's own checks
    timeout 900 meson test -C "$dir/$name" --no-rebuild --suite quick --num-processes 2 --timeout-multiplier 20 ||
        return
    mv "$dir/$name"-*.profraw "$dir/$name.run"
    # In a program llvm-cov sees one function of a name: of a weak one and the system's, the weak.
    find "$dir/$name" '(' -name '*_test' -type f -perm -100 ')' -o -name 'sys_*.c.o' >"$dir/$name.run/programs"
)

# The corpora, by the script that knows how to build them, in a copy of the tree: with a compiler that
# measures.
fuzz() (
    mkdir -p "$dir/fuzz/bin" "$dir/fuzz.run"
    cp -r arch core include sys test "$dir/fuzz"
    # without the sanitizers, which say nothing of what is reached
    cat >"$dir/fuzz/bin/clang" <<END
#!/bin/sh
for word; do
    shift
    case \$word in -fsanitize=fuzzer*) word=\${word%%,*} ;; esac
    set -- "\$@" "\$word"
done
exec $(command -v clang) $flags "\$@"
END
    chmod +x "$dir/fuzz/bin/clang"
    PATH=$dir/fuzz/bin:$PATH LLVM_PROFILE_FILE="$dir/fuzz.run/%p.profraw" sh "$dir/fuzz/test/fuzz/fuzz.sh" quick ||
        return
    for target in units answers program; do
        echo "$dir/fuzz/build/fuzz/$target"
    done >"$dir/fuzz.run/programs"
)

try 'linux' suite linux -Dos=linux
try 'posix' suite posix -Dos=posix
try 'external scheduler, futex kind' suite external-futex -Dos=external -Dexternal_kind=futex
try 'external scheduler, sema kind' suite external-sema -Dos=external -Dexternal_kind=sema
try 'every system, by the corpora of test/fuzz' fuzz

# exported: the counts of $run, for all of its programs, and for the library alone
exported() {
    set --
    while IFS= read -r program; do
        set -- "$@" ${1:+-object} "$program"
    done <"$run/programs"
    llvm-cov export -skip-functions -skip-expansions -instr-profile="$run/profile" "$@" \
        -ignore-filename-regex='/(contract|fuzz|green|harness)/[a-z_]+[.][ch]$' >"$run/coverage.json" 2>"$run/log"
}

for run in "$dir"/*.run "$@"; do
    [ -s "$run/programs" ] || continue
    llvm-profdata merge -o "$run/profile" "$run"/*.profraw || bad "$run: no profile"
    exported || bad "$run: no coverage"
done

# report EXCEPTIONS: a line a file, then what is missing; fails where an exception is missing or stale
cat >"$dir/report.py" <<'END'
import collections, json, re, sys

exceptions_file, *reports = sys.argv[1:]
lines = collections.defaultdict(lambda: collections.defaultdict(int))  # file, line: how often
outcomes = collections.defaultdict(lambda: collections.defaultdict(int))  # file, line, column, outcome
ends = collections.defaultdict(lambda: (0, 0))  # file, line, column: the end of that condition
for report in reports:
    for file in json.load(open(report))["data"][0]["files"]:
        name = re.search(r"(?:^|/)((?:core|sys)/[a-z_]+\.[ch])$", file["filename"])
        if not name:
            continue
        name = name.group(1)
        # A line has the most of the regions that begin on it and of the one that it begins in.
        here = lines[name]
        starts = collections.defaultdict(list)
        for line, _, count, counted, entry, gap in file["segments"]:
            starts[line].append((count, counted, entry and counted and not gap))
        count, counted = 0, False
        for n in range(min(starts, default=0), max(starts, default=-1) + 1):
            counts = [c for c, _, begins in starts[n] if begins]
            if counts or counted:
                here[n] = max(here[n], count, *counts)
            if starts[n]:
                count, counted, _ = starts[n][-1]
        for l1, c1, l2, c2, true, false, *_ in file["branches"]:
            outcomes[name][l1, c1, "true"] += true
            outcomes[name][l1, c1, "false"] += false
            # Where a call is a macro in one build and none in another, only the start is the same.
            ends[name, l1, c1] = max(ends[name, l1, c1], (l2, c2))

names = set()  # of all that could be missing
missing = {}


def name_of(what):
    """The text, and which of them it is if the file has it again."""
    again = 2
    name = what
    while name in names:
        name = f"{what} ({again})"
        again += 1
    names.add(name)
    return name


for name in sorted(lines):
    text = open(name).read().split("\n")
    code = {n for n in lines[name]
            if re.search(r"\w", text[n - 1]) and not re.match(r"\s*(/?\*|//|else\b\W*$)", text[n - 1])}
    reached = {n for n in code if lines[name][n]}
    # a condition that is constant has no counts at all
    known = {w for w in outcomes[name] if outcomes[name][w[:2] + ("true",)] + outcomes[name][w[:2] + ("false",)]}
    taken = [w for w in known if outcomes[name][w]]
    print(f"        {name}: {len(reached)} of {len(code)} lines, {len(taken)} of {len(known)} outcomes of conditions")
    for n in sorted(code):
        what = name_of(f"{name}: {text[n - 1].strip()}")
        if n not in reached:
            missing[what] = n
    for l1, c1, outcome in sorted(outcomes[name]):
        l2, c2 = ends[name, l1, c1]
        if l1 == l2:
            words = text[l1 - 1][c1 - 1:c2 - 1]
        else:
            words = " ".join([text[l1 - 1][c1 - 1:], *text[l1:l2 - 1], text[l2 - 1][:c2 - 1]])
        what = name_of(f"{name}: never {outcome}: {' '.join(words.split())}")
        if (l1, c1, outcome) in known and not outcomes[name][l1, c1, outcome]:
            missing[what] = l1

reasons = {}
chance = set()
for line in open(exceptions_file):
    if line.strip() and not line.startswith("#"):
        what, dash, reason = line.strip().partition(" -- ")
        if not dash or not reason:
            sys.exit(f"no reason: {line}")
        if what.startswith("perhaps "):
            what = what[len("perhaps "):]
            chance.add(what)
        reasons[what] = reason
status = 0
for what, line in missing.items():
    if what in reasons:
        print(f"        not reached{', this time' if what in chance else ''}: {what} -- {reasons[what]}")
    else:
        print(f"not reached, and no reason (line {line}): {what}")
        status = 1
for what in sorted(reasons.keys() - missing.keys()):
    if what not in chance:
        print(f"stale, it was reached or is not there: {what}")
        status = 1
    elif what not in names:
        print(f"stale, it is not there: perhaps {what}")
        status = 1
sys.exit(status)
END
# report EXCEPTIONS [MORE]
report() {
    python3 "$dir/report.py" "$@" "$dir"/*.run/coverage.json
}
exceptions=test/coverage/exceptions.txt
report $exceptions >"$dir/report"
status=$?
cat "$dir/report"
for file in core/*.c sys/*.c; do
    grep -q "^        $file: " "$dir/report" || bad "$file: nothing of it was compiled"
done
if [ $status -eq 0 ]; then good 'what is not reached is named, and what is named is there'; else bad 'coverage'; fi

# Does it notice? planted NAME PATTERN [EXCEPTIONS [MORE]]: a line of the failed report has PATTERN.
planted() {
    name=$1 pattern=$2
    shift 2
    if report "$@" >"$dir/planted"; then
        bad "planted: $name: should have failed"
    elif grep -q "$pattern" "$dir/planted"; then
        good "planted: $name"
    else
        bad "planted: $name: $(grep -m 3 '^[a-z]' "$dir/planted")"
    fi
}
and_exception() {
    { cat $exceptions && echo "$1 -- planted"; } >"$dir/exceptions.txt"
}
reached='core/now.c: return valet_sys_now();'
and_exception "$reached"
planted 'an exception for a line that is reached' "^stale.*: $reached" "$dir/exceptions.txt"
and_exception 'perhaps core/now.c: no such line'
planted 'a reason for a line that is not there' '^stale.*: perhaps core/now.c: no such line' "$dir/exceptions.txt"
sed '0,/^\(core\|sys\)/{//d}' $exceptions >"$dir/exceptions.txt"
planted 'an exception less' '^not reached, and no reason' "$dir/exceptions.txt"
line=$(grep -n __builtin_trap core/assert.h | cut -d : -f 1) # compiled in none of the runs
cat >"$dir/one_more.json" <<END
{"data": [{"files": [{"filename": "core/assert.h",
                      "segments": [[$line, 1, 0, true, true, false], [$line, 9, 0, false, false, false]],
                      "branches": [[$line, 9, $line, 21, 7, 0, 0, 0, 4]]}]}]}
END
planted 'a line that no test reaches' "^not reached.*: core/assert.h: #define" $exceptions "$dir/one_more.json"
planted 'a condition that is always true' "^not reached.*: core/assert.h: never false: VALET_ASSERT" $exceptions \
    "$dir/one_more.json"
and_exception "perhaps $reached"
if report "$dir/exceptions.txt" | grep -q '^stale'; then
    bad 'what is perhaps not reached may be reached'
else
    good 'what is perhaps not reached may be reached'
fi
counted coverage
