#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The pages: mandoc finds nothing to remark, they have every function, parameter and status of the headers,
# and their examples run. Doxygen reads the headers without a warning. The design page is held to the code,
# and its diagrams to the tables in core/, whose steps are those that the C11 explorer sees (test/c11).
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=$PWD/build/doc
rm -rf "$dir"
mkdir -p "$dir"

# The pages that are to be installed are not yet there for mandoc to find.
lint() {
    mandoc -T lint -W style "$1" 2>&1 |
        grep -v -e 'mandoc.db lacks' -e 'referenced manual not found: Xr valet' >"$dir/lint"
    sed -n 's/^\.Xr \(valet[a-z_]*\) \([37]\).*/\1.\2/p' "$1" | while read -r other; do
        [ -e "$(dirname "$1")/$other" ] || echo "no page: $other" >>"$dir/lint"
    done
    cat "$dir/lint"
    [ ! -s "$dir/lint" ]
}
for page in include/man/*.[37]; do
    try "mandoc, $page" lint "$page"
    try "installed: $page" grep -q "'man/$(basename "$page")'" include/meson.build
done
try 'the pages have all that the headers have' python3 test/doc/check.py . include/man
examples() {
    for page in include/man/*.3; do
        sed -n '/^\.Bd -literal/,/^\.Ed/p' "$page" | sed '/^\./d' >"build/doc/$(basename "$page").h"
    done
    for header in valet valet_locks; do
        awk '/^ \*\// {on = 0} on && sub(/^ \*( {5})?/, ""); /^ \* .*:$/ {on = 1}' "include/$header.h" \
            >"build/doc/$header.h.h"
    done
    gcc -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -pthread -I. -Iinclude -Ibuild/doc test/doc/examples.c \
        core/*_futex.c core/cancel.c core/now.c core/locks/*.c sys/linux.c -o build/doc/examples &&
        timeout 300 build/doc/examples
}
try 'the examples of the pages and of the headers compile, and run' examples
try 'Doxygen' doxygen test/doc/Doxyfile

try 'the design page names what is there' python3 test/doc/design.py
try 'the diagrams are those of the tables' python3 test/doc/diagram.py check
try 'the porting guide names what a port adds' python3 test/doc/porting.py sys/README.md

# tracer KIND: the explorer, which prints the steps as well. Its parts are built as in c11.sh.
guest() {
    gcc -std=c11 -g -O1 -fsanitize=thread -ffreestanding -fno-inline -fno-omit-frame-pointer \
        -fno-optimize-sibling-calls -fno-pie -fno-stack-protector \
        -DVALET_FUTEX_LOOKS=0 -w -I. -Iinclude @test/c11/registers -c "$1" -o "$2" &&
        objcopy --set-section-flags .bss=alloc,load,contents --rename-section .bss=guest --rename-section .data=guest \
            "$2"
}
tracer() {
    mkdir -p "$dir/$1"
    number=1
    [ "$1" = futex ] || number=2
    for part in c11/explore c11/moves c11/memory c11/hooks c11/table doc/trace; do
        registers=''
        [ "$part" != c11/hooks ] || registers=@test/c11/registers
        gcc -std=gnu11 -g -O2 ${registers:+"$registers"} -Wall -Wextra -Werror -fno-pie -Iinclude -Itest/c11 \
            "-DVALET_C11_KIND=$number" \
            -c "test/$part.c" -o "$dir/$1/$(basename "$part").o" || return
    done
    for file in core/park_"$1".c core/waiters_"$1".c core/futex_"$1".c core/park_with_"$1".c core/waiters_with_"$1".c \
        core/futex_with_"$1".c core/futex_requeue_"$1".c core/now.c test/c11/scenario.c test/c11/litmus.c; do
        guest "$file" "$dir/$1/$(basename "$file" .c).o" || return
    done
    gcc -no-pie -Wl,--wrap=write_message "$dir/$1"/*.o -o "$dir/$1/explore"
}
# seen MACHINE: park_futex and so on
seen() {
    case $1 in park*) scenarios=park_ ;; *) scenarios=wait_ ;; esac
    "$dir/${1#*_}/explore" -s "$scenarios" >"$dir/$1.seen" && python3 test/doc/diagram.py seen "$1" "$dir/$1.seen"
}
for kind in futex sema; do
    try "the explorer, with a trace, $kind kind" tracer $kind
    for machine in park_$kind waiters_$kind; do
        try "every step of the table of core/$machine.c is seen, and no other" seen "$machine"
    done
done

# What must be seen: in a copy, and called by its name
plant() { # WHAT SAID FILE SED COMMAND...
    what=$1 said=$2 file=$3 edit=$4
    shift 4
    rm -rf "$dir/tree"
    mkdir -p "$dir/tree/build/doc"
    cp -r core sys arch include "$dir/tree/" && mkdir "$dir/tree/test" &&
        for part in doc c11 model lib contract faults numbers syscalls; do cp -r "test/$part" "$dir/tree/test/"; done
    sed -i "$edit" "$dir/tree/$file"
    if cmp -s "$file" "$dir/tree/$file"; then
        bad "planted: $what: nothing changed"
    elif (cd "$dir/tree" && "$@") >"$dir/said" 2>&1; then
        bad "planted: $what: not seen"
    elif grep -q "$said" "$dir/said"; then
        good "planted: $what: $(grep "$said" "$dir/said" | head -n 1 | cut -c 1-90)"
    else
        bad "planted: $what: something else is seen: $(tail -n 2 "$dir/said")"
    fi
}
pages() { python3 test/doc/check.py . include/man; }
mandocs() { lint include/man/valet_park.3; }
plant 'a function more' 'valet_more(' include/valet.h \
    's/^VALET_API uint64_t valet_now(void);/&\nVALET_API void valet_more(struct valet_parker *p);/' pages
plant 'another type of a parameter' 'valet_futex_wait is not' include/valet.h \
    's/uint32_t expected, uint64_t deadline) /uint32_t expected, uint32_t deadline) /' pages
plant 'a status more' 'VALET_MORE is in no page' include/valet.h \
    's/VALET_ERR_SYSTEM = -4 /VALET_ERR_SYSTEM = -4, VALET_MORE = -5 /
    s/VALET_ERR_SYSTEM = -4/&,\n    VALET_MORE = -5/' pages
plant 'another value' 'VALET_CHANGED is not given' include/valet.h 's/VALET_CHANGED = 2/VALET_CHANGED = 3/' pages
plant 'a status that one function has more' 'VALET_ERR_BUSY of valet_futex_wait' include/valet.h \
    's/ \*           VALET_CHANGED, the word was not expected/&\n *           VALET_ERR_BUSY, planted/' pages
plant 'a value of a macro that is another' 'not in a header: #define VALET_STATE_BITS 5' include/valet.h \
    's/VALET_STATE_BITS 5/VALET_STATE_BITS 6/' pages
plant 'a status that one function has less' 'no function answers VALET_ERR_BUSY' include/valet.h \
    '/^ \*           VALET_ERR_BUSY, another/d' pages
plant 'a struct that is another' 'not in a header: struct valet_sema' include/valet_sys.h \
    's/uint64_t os\[16\]/uint64_t os[8]/' pages
plant 'a function less' 'valet_now is in no header' include/valet.h '/^VALET_API uint64_t valet_now(void);/d' pages
plant 'a function of the contract less in the page' 'valet_sys_sema_fini(' include/man/valet_sys.7 \
    '/^.Fn valet_sys_sema_fini/d' pages
plant 'a parameter that is not explained' 'count of valet_futex_wake' include/man/valet_futex.3 \
    's/^.Fa count$/.Fa word/' pages
plant 'another herd' 'woken at a time' core/locks/cond.c 's/LOCKS_HERD 64/LOCKS_HERD 32/' pages
plant 'a macro that mandoc does not know' 'Xy' include/man/valet_park.3 's/^.Sh SEE ALSO/.Xy\n&/' mandocs
plant 'a mistake in an example' 'valet_unpark' include/man/valet_park.3 \
    's/^ *valet_unpark(&parker);/valet_unpark(parker);/' examples
plant 'a parameter that has no comment' 'count' include/valet_sys.h '/^ \* count     how many/d' doxygen \
    test/doc/Doxyfile

porting() { # WHAT SAID FROM TO of sys/README.md, in a copy
    sed "s|$3|$4|" sys/README.md >"$dir/porting.md"
    said=$(python3 test/doc/porting.py "$dir/porting.md") && said='nothing'
    case $said in
    *"$2"*) good "planted: $1: $said" ;;
    *) bad "planted: $1: seen: $said" ;;
    esac
}
porting 'a file that is not there' 'not there: sys/no.meson' sys/meson.build sys/no.meson
porting 'a file without a row' 'no row for illumos: test/static/headers.sh' test/compile/compile.sh \
    test/static/headers.sh
porting 'a command that is no step' 'no step: test/lib/setup.sh' '^sh test/compile/compile.sh' 'sh test/lib/setup.sh'
porting 'a step less' 'no step 3' '[*][*]3[.] What' '**4. What'
porting 'a place less in the check-list' 'check-list: test/model/table' '^. .test/model/table. .*' ''
porting 'a system that is excepted, and there' 'redox: excepted, and in test/model/table' 'posix\(. .wasm.*run here\)' \
    'redox\1'
# Each place of the check-list, without one system
for place in sys/meson.build meson_options.txt README.md test/compile/compile.sh test/figures/sizes.txt \
    test/model/table test/model/bugs test/fuzz/fuzz.sh test/fuzz/kernel.c; do
    sed 's/redox/plan9/g' "$place" >"$dir/without"
    said=$(python3 test/doc/porting.py sys/README.md "$place=$dir/without") && said='nothing'
    case $said in
    *"redox: not in $place"*) good "planted: a system less in $place: seen" ;;
    *) bad "planted: a system less in $place: seen: $said" ;;
    esac
done

page() { python3 test/doc/design.py; }
diagrams() { python3 test/doc/diagram.py check; }
traced() { python3 test/doc/diagram.py seen "$machine" "$dir/$machine.seen"; }
plant 'an order that is not in the page' 'not in the page: ANEW of park_futex' core/park_futex.c \
    's/release: UNPARK, pairs with TAKE/release: ANEW, pairs with TAKE/' page
plant 'an order that is no longer' 'not in core/: MEND of' core/README.md \
    's/^| waiters_sema | OVER /| waiters_sema | MEND /' page
plant 'a bug that nobody plants' 'no planted bug: waiter-registers-twice' core/README.md \
    's/waiter-registers-once/waiter-registers-twice/' page
plant 'a scenario that is not there' 'no scenario: park_unpark' test/c11/scenarios.h \
    's/S(park_unpark,/S(park_3_parks,/' page
plant 'a step that the diagram has not' 'park_futex.svg is not' core/park_futex.c \
    's/PARKED by park; NOTIFIED by unpark/NOTIFIED by unpark; EMPTY by unpark/' diagrams
plant 'a diagram that was edited' 'waiters_futex.svg is not' core/waiters_futex.svg 's/>OWED</>LAST</' diagrams
plant 'a state that is not in the code' 'the code' core/park_sema.c 's/^#define NOTIFIED /#define NOTICED  /' diagrams
plant 'a table that is not one' 'no table' core/waiters_sema.c 's/^ \*   value  meaning/ *   values meaning/' diagrams
plant 'somebody unknown' "who is 'a writer'" core/waiters_futex.c 's/WAITERS by a waiter,/WAITERS by a writer,/' \
    diagrams
machine=waiters_futex
plant 'a step less in the table' 'OWED -> neither by store_and_wake: not in the table' core/waiters_futex.c \
    's/neither by a waiter, which then wakes all;$/neither by a waiter, which then wakes all/' traced
machine=waiters_sema
plant 'a step more in the table' 'TAKEN -> empty by store_and_wake: never seen' core/waiters_sema.c \
    's/empty by that waiter, where none is/empty by store_and_wake/' traced
counted doc
