#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: static.sh BUILD... What can be found without running: format, clang-tidy and cppcheck on
# the library as each build compiles it, shellcheck, licences.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/lib/tools.sh

# git where there is a checkout, else what lies here
files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then git ls-files; else
        find . -type f -not -path './build*' -not -path './.git/*' | sed 's|^\./||'
    fi
}
sources=$(files | grep -E '\.(c|h|cc|hpp)$')
scripts=$(files | grep -E '\.sh$|^\.ci/run$')

if format=$(clang_format); then
    # shellcheck disable=SC2086 # a list of words
    try 'clang-format' "$format" --dry-run --Werror $sources
else
    skip 'clang-format' "the format is that of version $format_version; here is $(clang-format --version)"
    format=clang-format
fi
# shellcheck disable=SC2086 # a list of words
try 'shellcheck' shellcheck $scripts

licence() {
    missing=
    for file in $(files | grep -E '\.(c|h|cc|hpp|S|ld|sh|py|js|mjs|txt|html)$|(^|/)meson.build$|^\.ci/run$' |
        grep -v meson_options); do
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT OR Apache-2.0' || missing="$missing $file"
    done
    [ -z "$missing" ] || echo "no SPDX line:$missing"
    [ -z "$missing" ]
}
try 'a licence line in every file' licence

# short_lines FILE...: none is longer than .editorconfig allows. Rows of a table and blocks of code cannot be broken.
short_lines() {
    python3 - "$@" <<'END'
import re, sys

with open(".editorconfig", encoding="utf-8") as file:
    longest = {end: int(most) for names, most in
               re.findall(r"^\[(.*)\]\n(?:(?!\[).*\n)*?max_line_length = (\d+)", file.read(), re.M)
               for end in re.findall(r"\*\.(\w+)", names)}
status = 0
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        text = file.read()
    block = False
    end = name.rpartition(".")[2]
    for number, line in enumerate(text.split("\n"), 1):
        block ^= end == "md" and line.lstrip().startswith("```")
        if len(line) > longest[end] and not (end == "md" and (block or line.startswith(("|", "    ")))):
            print(f"{name}:{number}: {len(line)} characters, not {longest[end]}")
            status = 1
sys.exit(status)
END
}
# shellcheck disable=SC2046 # a list of words
try 'no line is too long' short_lines $(files | grep -E '\.(sh|py|md)$')

# aliases FILE...: a system's own view of a struct valet_sema is one that may alias it
aliases() {
    awk '/^struct os_sema \{/ { inside = 1 }
        inside && /^}/ {
            if ($0 !~ /^} __attribute__\(\(may_alias\)\);/) { print FILENAME ": " $0; bad = 1 }
            inside = 0
            n++
        }
        END { exit bad || !n }' "$@"
}
try 'each view of a semaphore may alias it' aliases sys/*.[ch] test/green/sys_sema.c

# check FILE...: cppcheck. constParameterPointer (not in 2.10) asks for other types than valet.h and valet_sys.h
# have. badBitmaskCheck, knownConditionTrueFalse: the weak functions' answers are 0, and so is a state of a node. Newer
# ones look at some branches only, unless told to look at all, and try names of functions (VALET_LOCK_OWNER) as 1.
case $(cppcheck --help) in
*--check-level=*) level=--check-level=exhaustive ;;
*) level=--quiet ;;
esac
check() {
    cppcheck --quiet "$level" --max-configs=24 --std=c11 --language=c --error-exitcode=1 --inline-suppr \
        --enable=warning,style,performance,portability --suppress=missingIncludeSystem \
        --suppress=unusedStructMember --suppress=constParameterPointer \
        --suppress='badBitmaskCheck:*core/now.c' --suppress='badBitmaskCheck:*core/futex_sema.c' \
        --suppress='knownConditionTrueFalse:*core/futex_sema.c' --suppress='knownConditionTrueFalse:*core/cancel.c' \
        -UVALET_LOCK_OWNER --include=test/static/cppcheck.h -I. -Iinclude "$@"
}

# Of a later build, the files that no earlier one has.
seen=
for build; do
    library=$(python3 - "$build" "$seen" <<'END'
import json, os, sys
for entry in json.load(open(sys.argv[1] + "/compile_commands.json")):
    path = os.path.relpath(os.path.join(entry["directory"], entry["file"]))
    if path.startswith(("core/", "sys/")) and path not in sys.argv[2].split():
        print(path)
END
    )
    seen="$seen $library"
    # shellcheck disable=SC2086 # a list of words
    try "clang-tidy, $build" clang-tidy --quiet -p "$build" $library
    # shellcheck disable=SC2086 # a list of words
    try "cppcheck, $build" check $library
done

# The systems that are not built here, as this machine's compiler sees them.
for file in sys/*.c; do
    case $file in sys/linux.c | sys/posix.c) continue ;; esac
    try "clang-tidy, $file" clang-tidy --quiet "$file" -- -std=c11 -ffreestanding -I. -Iinclude
    try "cppcheck, $file" check "$file"
done

# Each tool is shown one fault of its kind.
mkdir -p build/planted
printf '%121s\n' '#' >build/planted/long.sh
try_not 'planted: a line of 121 characters in a script' short_lines build/planted/long.sh
printf '| %140s |\n\n%-133s\n' '' sentence >build/planted/long.md
longer() {
    [ "$(short_lines "$1")" = "$1:3: 133 characters, not 132" ]
}
try 'planted: a long line in a page, and a row, which may be' longer build/planted/long.md
printf 'struct os_sema {\n    int posted;\n};\n' >build/planted/alias.c
try_not 'planted: a view that may not' aliases build/planted/alias.c
printf 'int f( int x ){return x;}\n' >build/planted/format.c
try_not 'planted: a badly formatted line' "$format" --dry-run --Werror --style=file:.clang-format build/planted/format.c
cat >build/planted/tidy.c <<'END'
int f(int *x);
int f(int *x)
{
    int y = *x;
    if (x == 0)
        return 1;
    return y / (y - y);
}
END
try_not 'planted: a division by zero (clang-tidy)' clang-tidy --quiet --config-file=.clang-tidy build/planted/tidy.c --
printf 'int f(void);\nint f(void)\n{\n    int a[2] = {1, 2};\n    return a[2];\n}\n' >build/planted/check.c
try_not 'planted: an index out of range (cppcheck)' cppcheck --quiet --error-exitcode=1 build/planted/check.c
cat >build/planted/register.c <<'END'
int f(void)
{
    register long r10 __asm__("r10") = 1;
    int a[2] = {1, 2};
    return a[2] + (int)r10;
}
END
out_of_range() {
    check "$1" 2>&1 | grep -F arrayIndexOutOfBounds
}
try '... behind a variable that is a register' out_of_range build/planted/register.c
# shellcheck disable=SC2016 # to be checked, not run
printf '#!/bin/sh\nrm $1\n' >build/planted/shell.sh
try_not 'planted: an unquoted word (shellcheck)' shellcheck build/planted/shell.sh
counted static
