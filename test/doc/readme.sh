#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The README as a stranger follows it: every block of code in it is used, in the order in which it stands.
# A block with a name ("```c first.c") is written to that file of a copy of the tree; the lines of an sh
# block are run there, as printed, but for those of the form `sh test/...`, which must be steps of all.sh (or
# all.sh itself, which must be what CI runs). Every file named is there. What it states and another file or a
# command states as well is the same (test/doc/readme.py).
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
root=$PWD
dir=$root/build/readme
rm -rf "$dir"
mkdir -p "$dir"
# The README's own command takes what pkg-config prints without quotes: installed where no path has a space.
there=$(mktemp -d) || exit 1
trap 'rm -rf "$there"' EXIT

# A block a file: NN.sh or, for one with a name, NN.file (the name in its first line)
blocks() {
    python3 - "$1" "$2" <<'END'
import re, sys
text = open(sys.argv[1]).read()
fences = re.findall(r"^```(.*)\n((?:.*\n)*?)```$", text, re.M)
if 2 * len(fences) != len(re.findall(r"^ *```", text, re.M)):
    sys.exit("a fence that is not closed, or indented")
if re.search(r"^    \S", re.sub(r"^```.*\n(?:.*\n)*?```$", "", text, flags=re.M), re.M):
    sys.exit("an indented block: fence it, so that it is tested")
for n, (info, body) in enumerate(fences):
    language, _, name = info.partition(" ")
    if language == "sh" and not name:
        open(f"{sys.argv[2]}/{n:02}.sh", "w").write(body)
    elif name:
        open(f"{sys.argv[2]}/{n:02}.file", "w").write(name + "\n" + body)
    else:
        sys.exit(f"a block that no test uses: {info or 'no language'}")
END
}

# command LINE: one line of an sh block
command() {
    line=${1%%  *\#*} # a remark
    case $line in
    'sh test/all.sh'*) grep -q 'exec sh test/all.sh deep$' .ci/run ;;
    'sh test/'*) grep -q "| $line\( \|\$\)" test/lib/steps ;;
    *)
        # Installed below DESTDIR, and found there.
        (cd "$dir/tree" && DESTDIR=$there PKG_CONFIG_SYSROOT_DIR=$there \
            PKG_CONFIG_PATH=$there/usr/local/lib/$(gcc -print-multiarch)/pkgconfig sh -e -c "$line")
        ;;
    esac
}

# follow FILE: all blocks, as checks; up to the first that fails
follow() {
    before=$failed
    rm -rf "$dir/blocks" "$dir/tree/external" # set up anew; the rest of the tree is slow to build
    mkdir -p "$dir/blocks" "$dir/tree"
    if [ ! -e "$dir/tree/README.md" ]; then
        git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - | tar -xf - -C "$dir/tree"
        git -C "$dir/tree" init -q && git -C "$dir/tree" add -A
    fi
    try 'every block has a use' blocks "$1" "$dir/blocks"
    for block in "$dir"/blocks/*; do
        [ "$failed" -eq "$before" ] || return
        case $block in
        *.file)
            name=$(head -n 1 "$block")
            mkdir -p "$(dirname "$dir/tree/$name")"
            tail -n +2 "$block" >"$dir/tree/$name"
            good "block: $name"
            ;;
        *.sh)
            while IFS= read -r line; do
                [ -z "$line" ] || try "as printed: $line" command "$line"
                [ "$failed" -eq "$before" ] || return
            done <"$block"
            ;;
        esac
    done
}

follow README.md
lines=$(wc -l <"$dir/tree/first.c")
bound 'lines of the first program' "$lines" 20
left() { [ -z "$(git -C "$dir/tree" ls-files --others --exclude-standard)" ]; }
try 'what the commands leave, git does not see' left
: >"$dir/tree/litter"
try_not 'planted: a file more' left
rm "$dir/tree/litter"
says() { [ "$("$dir/tree/first")" = 'parked, and woken' ]; }
try 'the first program says what it should' says

try 'mman finds valet(7) where it was installed' mman -M "$there/usr/local/share/man" -O width=72 valet

# Projects outside that say what the README says, around its first program
outside() { # DIRECTORY FILE: the project's, from stdin
    mkdir -p "$1" && cat >"$1/$2" && cp "$dir/tree/first.c" "$1/"
}
by_meson() {
    mkdir -p "$dir/meson/subprojects" && ln -sfn "$root" "$dir/meson/subprojects/valet" &&
        outside "$dir/meson" meson.build <<'END' &&
project('outside', 'c')
executable('first', 'first.c', dependencies: [dependency('valet'), dependency('threads')])
END
        meson setup "$dir/by-meson" "$dir/meson" && ninja -C "$dir/by-meson" &&
            [ "$("$dir/by-meson/first")" = 'parked, and woken' ]
}
by_cmake() {
    outside "$dir/cmake" CMakeLists.txt <<'END' &&
cmake_minimum_required(VERSION 3.16)
project(outside C)
find_package(valet REQUIRED)
add_executable(first first.c)
target_link_libraries(first PRIVATE valet::valet)
END
        cmake -S "$dir/cmake" -B "$dir/by-cmake" "-DCMAKE_PREFIX_PATH=$there/usr/local" &&
        cmake --build "$dir/by-cmake" && [ "$("$dir/by-cmake/first")" = 'parked, and woken' ]
}
try 'the Meson project builds, and runs' by_meson
try 'the CMake project builds, and runs' by_cmake
for words in "dependency('valet')" 'find_package(valet REQUIRED)' 'valet::valet'; do
    try "so says the README: $words" grep -qF "\`$words\`" README.md
done

# What it states and others state as well
mkdir -p "$dir/shown"
states() { # WHAT [FILE]
    python3 -B test/doc/readme.py "${page:-README.md}" "$@"
}
try 'at most 220 lines, of 132 characters' states lines
try 'the table of systems is that of sys/meson.build' states systems
try 'what is shown of each system has its rig' states shown
try 'who wakes more than asked' states departures
try 'the files of core/ to compile in a build of your own are all' states build
page=sys/README.md
try 'who has which flag, and tells how many it woke' states features
page=
try 'the times of all.sh are those of its steps' states times
case $(gcc -dumpversion)-$(clang -dumpversion) in
12-14.*)
    printed() { sh test/figures/figures.sh README >"$dir/figures"; }
    try 'figures are printed' printed
    try 'the table of figures has what is printed' states figures "$dir/figures"
    ;;
*)
    skip 'the table of figures' \
        "it is of gcc 12 and clang 14; here are gcc $(gcc -dumpversion), clang $(clang -dumpversion)"
    : >"$dir/figures"
    ;;
esac
for kept in $(basename -s .json test/bench/*.json); do
    try "what the last run showed: $kept.json" python3 test/bench/shown.py "test/bench/$kept.json" "$dir/shown"
    page=test/bench/README.md
    try "the tables of that run" states benchmark "$dir/shown/$kept.md"
done
for picture in handoff.svg wakeall.svg; do
    try "drawn from that run: $picture" cmp "$dir/shown/$picture" test/bench/$picture
done

for file in $(grep -o '](\([^)]*\))' README.md | tr -d '()]' | grep -v '^http' | sort -u); do
    case $file in
    '#'*) try "a heading: $file" grep -qi "^## ${file#?}\$" README.md ;;
    *) try "named and there: $file" test -e "$file" ;;
    esac
done
# shellcheck disable=SC2016 # the backquotes are the README's
grep -o '`sh test/[^`]*`' README.md | tr -d '`' | sed 's/ quick$//' | sort -u >"$dir/steps"
while IFS= read -r line; do
    try "a step: $line" command "$line"
done <"$dir/steps"
# shellcheck disable=SC2013 # words, not lines
for script in $(grep -o 'test/[a-z_/]*\.sh' README.md | sort -u); do
    try "named and there: $script" test -f "$script"
done

# The test itself: what must not pass.
planted() { # WHAT FROM TO of README.md
    turn 5 || return 0
    sed "s|$2|$3|" README.md >"$dir/planted.md"
    ! cmp -s README.md "$dir/planted.md" || {
        bad "planted: $1: nothing changed"
        return
    }
    # shellcheck disable=SC2030,SC2031 # a count of its own
    said=$(follow "$dir/planted.md")
    case $said in
    *FAILED*) good "planted: $1: seen" ;;
    *) bad "planted: $1: not seen" ;;
    esac
}
planted 'a block without a language' '^```c first.c' '```'
planted 'an indented block' '^```sh' '    sh test/demo.sh'
planted 'a program that does not compile' 'puts(message)' 'puts(massage)'
planted 'a command that is no step' 'sh test/demo.sh ' 'sh test/lib/setup.sh '
planted 'an option that does not exist' '-Dexternal_kind=sema' '-Dexternal_sort=sema'
misstated() { # NAME SAID SED of README.md: what `states` is asked then
    name=$1 said=$2
    sed "$3" README.md >"$dir/misstated.md"
    shift 3
    page=$dir/misstated.md
    if cmp -s README.md "$page"; then
        bad "planted: $name: nothing changed"
    elif states "$@" >"$dir/said" 2>&1; then
        bad "planted: $name: not seen"
    elif grep -qF "$said" "$dir/said"; then
        good "planted: $name: $said"
    else
        bad "planted: $name: seen: $(cat "$dir/said")"
    fi
}
misstated 'a page too long' 'lines, of 220' 's/^## .*/&\n\n\n/' lines
misstated 'fewer lines that are longer' 'characters, of 132' '/^and context of/{N; N; s/\n/ /g}' lines
misstated 'a row less' 'illumos: None in the page' '/^. .illumos/d' systems
misstated 'a row of no system' 'plan9: futex, x86_64 aarch64 riscv64 in the page' 's/^| .redox./| plan9/' systems
misstated 'another kind' \
    'sgx: futex, x86_64 in the page, sema, x86_64 in sys' 's/^\(. .sgx.*\) sema /\1 futex /' systems
misstated 'a CPU more' 'dragonfly: futex, x86_64 aarch64 in the page, futex, x86_64 in sys' \
    's/^\(. .dragonfly.*\) x86_64 /\1 x86_64, aarch64 /' systems
misstated 'a claim without a rig' 'illumos: parallel: a claim, and no rig' \
    's/^\(. .illumos.* model\) |/\1, parallel |/' shown
misstated 'a rig without a claim' 'sgx: model: a rig, and no claim' 's/^\(. .sgx.*\) model, /\1 /' shown
misstated 'a row that wakes all' 'README.md: redox is not named' \
    's/^\(  is not 1, on .bare.\) and .redox. /\1 /' departures
misstated 'a row that wakes as asked' 'README.md: linux does not' \
    "/^- .valet_futex_wake. wakes all/s/darwin/linux/" departures
misstated 'a file less to compile' 'sema: core/cancel.c is not compiled' 's/ .core.cancel.c.,//' build
misstated 'a file more to compile' 'futex: core/with.h is not in' 's/ \(.\)core.cancel.c.,/& \1core\/with.h\1,/' build
misstated 'a time too short' 'all.sh deep: 9 minutes' '/^. .sh test.all.sh deep/s/[0-9]* minutes/9 minutes/' times
misstated 'a time that was cut since' 'all.sh deep: 60 minutes' \
    '/^. .sh test.all.sh deep/s/[0-9]* minutes/60 minutes/' times
if [ -s "$dir/figures" ]; then
    misstated 'another figure' 'code of one parker, riscv64, gcc -O2: not 999' 's/ 352, 366,/ 352, 999,/' figures \
        "$dir/figures"
    misstated 'a figure less' 'not in the page: instructions, riscv64: unpark and park' 's/ 9, 20 |/ |/' figures \
        "$dir/figures"
fi
sed '0,/instruction", "[0-9.]*"/s//instruction", "0.9"/' test/bench/shown.json >"$dir/shown.json"
python3 test/bench/shown.py "$dir/shown.json" "$dir/shown"
page=test/bench/README.md
try_not 'planted: another number in the table of the run' states benchmark "$dir/shown/shown.md"
counted readme
