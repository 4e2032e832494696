#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The core in all executions that C11 allows (test/c11/README.md). Usage: c11.sh [quick]
#
#   quick   litmus tests, and the scenarios of both kinds
#   else    also each memory order of the core weakened, which some scenario must find: the table of
#           the orders; and planted bugs
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=build/c11
rm -rf "$dir"

# What the explorer looks into. No inlining, and frame pointers: a frame ends where its function does.
# An object of its own section, to find all variables of the library and the scenarios.
# $spin: with a poll of two looks before a park sleeps, or nothing.
guest() {
    # shellcheck disable=SC2086 # a list of words
    gcc -std=c11 -g -O1 -fsanitize=thread -ffreestanding -fno-inline -fno-omit-frame-pointer \
        -fno-optimize-sibling-calls -fno-pie -fno-stack-protector -DVALET_FUTEX_LOOKS=0 -DVALET_TRIES=2 -w "-I$1" \
        "-I$1/include" $spin $trap -c "$2" -o "$3" &&
        objcopy --set-section-flags .bss=alloc,load,contents --rename-section .bss=guest \
            --rename-section .data=guest "$3"
}

# of VARIANT: the kind of system, $spin, and the file of sys/ that is explored instead of a model of it, or nothing.
#   spin    the futex kind, polling
#   by_id   all systems that wake a thread by its id: sys/by_id.h, in sgx.c, where no call is inline assembly
#   keyed   sys/windows_keyed.c
#   lock    sys/cloudabi.c; its trap is a call, by $trap
of() {
    kind=$1 spin='' system='' trap=''
    case $1 in
    spin) kind=futex spin='-DVALET_SPIN=1 -DVALET_SPIN_LOOKS=2 -DVALET_SPIN_LOOKS_FRESH=2' ;;
    by_id) kind=sema system=sys/sgx.c ;;
    keyed) kind=sema system=sys/windows_keyed.c ;;
    lock) kind=sema system=sys/cloudabi.c trap='-DVALET_ARCH_H -include test/c11/trap.h' ;;
    esac
}

# explorer KIND: its parts; what it explores lies beside them
explorer() {
    out=$dir/$1
    of "$1"
    mkdir -p "$out" || return
    number=1
    [ "$kind" = futex ] || number=2
    for part in explore moves memory hooks table; do
        gcc -std=gnu11 -g -O2 -Wall -Wextra -Werror -fno-pie -Iinclude "-DVALET_C11_KIND=$number" \
            -c "test/c11/$part.c" -o "$out/$part.o" || return
    done
    for file in core/park_"$kind".c core/waiters_"$kind".c core/futex_"$kind".c core/now.c $system \
        test/c11/scenario.c test/c11/litmus.c test/c11/demo.c; do
        guest . "$file" "$out/$(basename "$file" .c).o" || return
    done
    gcc -no-pie "$out"/*.o -o "$out/explore"
}

# scenarios of a file of the core begin with the same word
prefix() {
    basename "$1" | sed 's/_.*//; s/waiters/wait/'
}

# tree: a copy of the sources, to be changed
tree() {
    rm -rf "$dir/tree" && mkdir -p "$dir/tree/test" && cp -r arch core include sys "$dir/tree/" &&
        cp -r test/c11 test/demo "$dir/tree/test/"
}

# changed VARIANT FILE: the explorer with FILE as it is in the copy
changed() {
    of "$1"
    case $2 in
    test/demo/wc.c) source=test/c11/demo.c ;; # which includes it
    sys/by_id.h) source=$system ;;
    *) source=$2 ;;
    esac
    rm -rf "$dir/changed" && mkdir -p "$dir/changed" && cp "$dir/$1"/*.o "$dir/changed/" &&
        guest "$dir/tree" "$dir/tree/$source" "$dir/changed/$(basename "$source" .c).o" &&
        gcc -no-pie "$dir"/changed/*.o -o "$dir/changed/explore"
}

# must_find LABEL SCENARIO [WORDS]: it must find something in a scenario that begins so, and say WORDS. A
# limit of the explorer that was met is not a find.
must_find() {
    output=$(timeout 300 "$dir/changed/explore" -q "$2" 2>&1)
    status=$?
    line=$(printf '%s\n' "$output" | grep '^FAILED')
    found=$(printf '%s\n' "$line" |
        sed 's/^FAILED *\([^ ]*\) *\([0-9]*\) states *\([0-9]*\) steps .* s  \(.*\)/\1: \4 (\2 states, \3 steps)/')
    if [ $status -ne 1 ] || [ -z "$line" ]; then
        bad "$1  NOT FOUND (exit status $status)"
    else
        case $found in
        *'more than'*) bad "$1  $found" ;;
        *"${3:-}"*) good "$1  $found" ;;
        *) bad "$1  $found, instead of: $3" ;;
        esac
    fi
}

for each in futex sema 'spin park' 'by_id park' 'keyed park' 'lock park'; do
    variant=${each% *}
    try "explorer, $variant" explorer "$variant"
    # shellcheck disable=SC2086 # options or nothing
    output=$(timeout 600 "$dir/$variant/explore" ${1:+-s} ${each#"$variant"} 2>&1)
    status=$?
    printf '%s\n' "$output"
    passed=$((passed + $(printf '%s\n' "$output" | grep -c '^ok ')))
    failed=$((failed + $(printf '%s\n' "$output" | grep -c '^FAILED')))
    [ $status -le 1 ] || bad "explorer, $variant: exit status $status"
done
[ "${1:-}" != quick ] || counted c11

# Each order of the core weakened, and each seq_cst of the demo.
echo
# Not those of word.h: it only mends a compiler.
try 'every order is written out (orders.py)' sh -c \
    "find core sys/by_id.h sys/cloudabi.c sys/windows_keyed.c -name '*.[ch]' ! -name word.h | sort | xargs python3 test/c11/orders.py >$dir/orders"
try 'every order is written out (clang)' clang -std=c11 -fsyntax-only -ffreestanding \
    -Werror=atomic-implicit-seq-cst -I. -Iinclude core/*.c
python3 test/c11/orders.py --seq-cst test/demo/wc.c >>"$dir/orders" || bad 'orders of the demo'
some 5 <"$dir/orders" >"$dir/weaken"
while read -r file line column order weaker; do
    case $file in
    core/park_futex.c) variant=spin scenario=park ;;
    core/*_futex.c) variant=futex scenario=$(prefix "$file") ;;
    core/*_sema.c) variant=sema scenario=$(prefix "$file") ;;
    sys/by_id.h) variant=by_id scenario=park ;;
    sys/windows_keyed.c) variant=keyed scenario=park ;;
    sys/cloudabi.c) variant=lock scenario=park ;;
    test/demo/*) variant=sema scenario=demo ;;
    *)
        bad "$file:$line: an order outside of the files that are explored"
        continue
        ;;
    esac
    label=$(printf '%-26s %-8s-> %-8s' "$file:$line" "$order" "$weaker")
    tree || exit 1
    python3 test/c11/orders.py --weaken "$file" "$line" "$column" "$weaker" >"$dir/tree/$file"
    if cmp -s "$file" "$dir/tree/$file"; then
        bad "$label  cannot be weakened"
    elif changed "$variant" "$file"; then
        must_find "$label" "$scenario"
    else
        bad "$label  does not compile"
    fi
done <"$dir/weaken"

# Planted bugs.
echo
python3 test/lib/plant.py --list test/c11/bugs >"$dir/all" || bad 'the list of bugs'
some 5 <"$dir/all" >"$dir/bugs"
while read -r name kind scenario _ says; do
    label=$(printf '%-46s' "$name")
    tree || exit 1
    file=$(sed -n "/^bug $name\$/,/^in /s/^in //p" test/c11/bugs)
    if python3 test/lib/plant.py --bug test/c11/bugs "$name" "$dir/tree" && changed "$kind" "$file"; then
        must_find "$label" "$scenario" "$says"
    else
        bad "$label  cannot be planted"
    fi
done <"$dir/bugs"
counted c11
