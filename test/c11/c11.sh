#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The core in all executions that C11 allows (test/c11/README.md). Usage: c11.sh [quick]
#
#   quick   litmus tests, and the scenarios of both kinds
#   else    also each memory order of the core weakened, which some scenario must find: the table of
#           the orders; and planted bugs
#
# Scenarios of seconds (DEEP in scenarios.h) are run whole in a deep run only.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=build/c11
rm -rf "$dir"

# What the explorer looks into. No inlining, also where the library asks for it, and frame pointers: a frame ends
# where its function does.
# An object of its own section, to find all variables of the library and the scenarios.
# No register is kept over a call (test/c11/registers; hooks.c as well): a state would have what is left in them.
# $spin: with a poll of two looks before a thread sleeps, or nothing. $debug: what a schedule is printed by.
debug=-g
# guest TREE SOURCE OUTPUT [-E]: the object; or its text alone, by which two variants may have the same object
guest() {
    # An assertion of the lock for readers and writers is an expectation: that the mutex is locked which it promised.
    asserts=''
    case $2 in */rwlock*.c) asserts='-include test/c11/asserts.h' ;; esac
    # shellcheck disable=SC2086 # a list of words
    gcc -std=c11 $debug -O1 -fsanitize=thread -ffreestanding -fno-inline -fno-omit-frame-pointer \
        -fno-optimize-sibling-calls -fno-pie -fno-stack-protector -DVALET_FUTEX_LOOKS=0 -DVALET_TRIES=2 -w "-I$1" \
        '-DVALET_INLINE=static VALET_UNPROTECTED' \
        -DVALET_LOCKS_POLL=0 -DVALET_LOCKS_LOSSES=1 -DVALET_LOCKS_HERD=1 "-I$1/include" $spin $trap \
        $asserts @test/c11/registers \
        ${4:--c} "$2" -o "$3" || return
    [ $# -gt 3 ] ||
        objcopy --set-section-flags .bss=alloc,load,contents --rename-section .bss=guest \
            --rename-section .data=guest "$3"
}

# of VARIANT: the kind of system, $spin, and the file of sys/ that is explored instead of a model of it, or nothing.
#   spin    the futex kind, polling
#   plain   the futex kind, as it is on a CPU without atomic read-modify-writes: core/atomic.h
#   by_id   all systems that wake a thread by its id: sys/by_id.h, in sgx.c, where no call is inline assembly
#   keyed   sys/windows_keyed.c
#   lock    sys/cloudabi.c; its trap is a call, by $trap
#   locks   core/locks/ alone, on a parker that is nothing but its contract
#   herd    the same; of those who are notified at once, two are woken together
#   herd3   ... three, one after the other
of() {
    kind=$1 spin='' system='' trap='' plain=0
    case $1 in
    spin)
        kind=futex
        spin='-DVALET_SPIN=1 -DVALET_SPIN_LOOKS=2 -DVALET_SPIN_LOOKS_LONGEST=2 -DVALET_SPIN_LOOKS_FRESH=2'
        ;;
    # gcc 14 takes such pointers for an error
    herd) kind=locks spin='-DVALET_LOCKS_HERD=2' ;;
    herd3) kind=locks spin='-DVALET_LOCKS_HERD=3 -DVALET_LOCKS_WAKES=1' ;;
    plain) kind=futex plain=1 trap='-include test/c11/plain.h -Wno-incompatible-pointer-types' ;;
    by_id) kind=sema system=sys/sgx.c ;;
    keyed) kind=sema system=sys/windows_keyed.c ;;
    lock) kind=sema system=sys/cloudabi.c trap='-DVALET_ARCH_H -include test/c11/trap.h' ;;
    esac
}

# explorer VARIANT: its parts; what it explores lies beside them: of those that are asked for a parker or waiters alone,
# no more than these. What two have alike is compiled once: the parts, and what is the same text.
explorer() {
    out=$dir/$1
    of "$1"
    case $kind in
    futex) number=1 ;;
    sema) number=2 ;;
    locks) number=4 ;;
    esac
    parts=$dir/parts-$number-$plain
    mkdir -p "$out" "$parts" "$dir/same" || return
    for part in explore moves memory hooks table; do
        registers=''
        [ "$part" != hooks ] || registers=@test/c11/registers
        [ -e "$parts/$part.o" ] ||
            gcc -std=gnu11 -g -O2 ${registers:+"$registers"} -Wall -Wextra -Werror -fno-pie -Iinclude \
                "-DVALET_C11_KIND=$number" "-DVALET_C11_PLAIN=$plain" -c "test/c11/$part.c" \
                -o "$parts/$part.o" || return
        ln "$parts/$part.o" "$out" || return
    done
    set -- "$1" core/now.c
    [ "$kind" = locks ] || set -- "$@" core/park_"$kind".c core/waiters_"$kind".c core/futex_"$kind".c \
        core/park_with_"$kind".c core/waiters_with_"$kind".c core/futex_with_"$kind".c core/futex_requeue_"$kind".c \
        ${system:+"$system"} test/c11/scenario.c
    case $1 in
    futex | sema) set -- "$@" core/locks/*.c test/c11/locks.c test/c11/pool.c test/c11/gates.c test/c11/litmus.c ;;
    locks | herd*)
        for file in core/locks/*.c test/c11/locks.c test/c11/demo.c; do
            case $file in
            */once*.c | */latch*.c) ;; # these are on the core's waiters
            *) set -- "$@" "$file" ;;
            esac
        done
        ;;
    esac
    shift
    for file; do
        same=$dir/same/$(guest . "$file" - -E | cksum | tr ' ' -).o
        [ -e "$same" ] || guest . "$file" "$same" || return
        ln "$same" "$out/$(basename "$file" .c).o" || return
    done
    gcc -no-pie "$out"/*.o -o "$out/explore"
}

# The copy of the sources in which one file at a time is changed, and put back afterwards.
mkdir -p "$dir/tree/test/bench"
cp -r arch core include sys "$dir/tree/"
cp -r test/c11 test/demo "$dir/tree/test/"
cp -r test/bench/pool "$dir/tree/test/bench/"

# rest KIND OBJECT: all other objects of an explorer, linked to one, which stays
rest() (
    cd "$dir/$1" || exit
    [ ! -e "rest/$2" ] || exit 0
    mkdir -p rest
    kept=$2
    set --
    for other in *.o; do
        [ "$other" = "$kept" ] || set -- "$@" "$other"
    done
    ld -r -S -o "rest/$kept" "$@"
)

# changed VARIANT FILE [SCENARIO]: the explorer with FILE as it is in the copy
changed() {
    of "$1"
    case $2-${3-} in
    core/*_*.c-flags_*) source=${2%_*}_with_${2##*_} ;; # which includes it
    core/locks/*.c-*_with*) source=${2%.c}_with.c ;;    # as well
    test/demo/*) source=test/c11/demo.c ;;              # as well
    test/bench/pool/*) source=test/c11/pool.c ;;        # as well
    sys/by_id.h-*) source=$system ;;
    core/locks/*.h-*) source=core/locks/queue.c ;;
    core/atomic.h-*) source=core/waiters_futex.c ;;
    *) source=$2 ;;
    esac
    object=${source##*/} object=${object%.c}.o
    debug=''
    guest "$dir/tree" "$dir/tree/$source" "$dir/changed.o" && rest "$1" "$object" &&
        gcc -no-pie "$dir/changed.o" "$dir/$1/rest/$object" -o "$dir/changed"
}

# must_find LABEL SCENARIO [WORDS]: it must find something in a scenario that begins so, and say WORDS. A
# limit of the explorer that was met is not a find.
must_find() {
    output=$(timeout 300 "$dir/changed" -q "$2" 2>&1)
    status=$?
    found=$(printf '%s\n' "$output" | sed -n '/^FAILED/{
        s/^FAILED *\([^ ]*\) *\([0-9]*\) states *\([0-9]*\) steps .* s  \(.*\)/\1: \4 (\2 states, \3 steps)/
        p
    }')
    if [ $status -ne 1 ] || [ -z "$found" ]; then
        bad "$1  NOT FOUND (exit status $status)"
    else
        case $found in
        *'more than'*) bad "$1  $found" ;;
        *"${3:-}"*) good "$1  $found" ;;
        *) bad "$1  $found, instead of: $3" ;;
        esac
    fi
}

short=
{ [ -z "${1:-}" ] && deep; } || short=-s
for each in futex sema 'spin park wait' 'plain -s park wait' 'by_id park' 'keyed park' 'lock park' locks \
    'herd cond_all demo_end' 'herd3 cond_herd'; do
    variant=${each%% *}
    try "explorer, $variant" explorer "$variant"
    # shellcheck disable=SC2086 # options or nothing
    output=$(timeout 600 "$dir/$variant/explore" $short ${each#"$variant"} 2>&1)
    status=$?
    printf '%s\n' "$output"
    passed=$((passed + $(printf '%s\n' "$output" | grep -c '^ok ')))
    failed=$((failed + $(printf '%s\n' "$output" | grep -c '^FAILED')))
    [ $status -le 1 ] || bad "explorer, $variant: exit status $status"
done
[ "${1:-}" != quick ] || counted c11

# Each order of the core weakened, and each seq_cst of the pool.
echo
# Not those of word.h, which only mends a compiler, nor of valgrind.h, which passes on what it is given.
orders() {
    find core sys/by_id.h sys/cloudabi.c sys/windows_keyed.c -name '*.[ch]' ! -name word.h ! -name valgrind.h |
        sort | xargs python3 test/c11/orders.py "$dir/weaker" >"$dir/orders"
}
try 'every order is written out (orders.py)' orders
try 'every order is written out (clang)' clang -std=c11 -fsyntax-only -ffreestanding \
    -Werror=atomic-implicit-seq-cst -I. -Iinclude core/*.c core/locks/*.c
python3 test/c11/orders.py --seq-cst "$dir/weaker" test/bench/pool/ring.h >>"$dir/orders" ||
    bad 'orders of the pool'
some 8 <"$dir/orders" >"$dir/chosen"
while read -r file line order weaker copy; do
    # Scenarios of a file of the core begin with its word.
    scenario=${file##*/} scenario=${scenario%.c} scenario=${scenario%_*}
    [ "$scenario" != waiters ] || scenario='wait'
    case $file in
    core/atomic.h) variant=plain scenario='wait' ;;
    core/locks/cond.c | core/locks/barrier.c | core/locks/sem.c | core/locks/rwlock.c) variant=locks ;;
    core/locks/once.c | core/locks/latch.c) variant=futex ;;
    core/locks/*) variant=locks scenario=mutex ;;
    core/park_futex.c) variant=spin ;;
    core/*_futex.c) variant=futex ;;
    core/*_sema.c) variant=sema ;;
    sys/by_id.h) variant=by_id scenario=park ;;
    sys/windows_keyed.c) variant=keyed scenario=park ;;
    sys/cloudabi.c) variant=lock scenario=park ;;
    test/bench/pool/*) variant=sema scenario=pool ;;
    *)
        bad "$file:$line: an order outside of the files that are explored"
        continue
        ;;
    esac
    label=$(printf '%-26s %-8s-> %-8s' "$file:$line" "$order" "$weaker")
    cp "$copy" "$dir/tree/$file"
    if cmp -s "$file" "$dir/tree/$file"; then
        bad "$label  cannot be weakened"
    elif changed "$variant" "$file"; then
        must_find "$label" "$scenario"
    else
        bad "$label  does not compile"
    fi
    cp "$file" "$dir/tree/$file"
done <"$dir/chosen"

# Planted bugs.
echo
python3 -S test/lib/plant.py --each test/c11/bugs "$dir/trees" >"$dir/all" || bad 'the list of bugs'
some 8 <"$dir/all" >"$dir/bugs"
while read -r name kind scenario _ says; do
    label=$(printf '%-46s' "$name")
    file=''
    if read -r file <"$dir/trees/$name/planted" && cp "$dir/trees/$name/$file" "$dir/tree/$file" &&
        changed "$kind" "$file" "$scenario"; then
        must_find "$label" "$scenario" "$says"
    else
        bad "$label  cannot be planted"
    fi
    cp "$file" "$dir/tree/$file"
done <"$dir/bugs"

# In the explorer itself: a variable is written, and it is not told.
if python3 -S test/lib/plant.py "$dir/tree/test/c11/memory.c" 'variable_is_written(words[x].address, words[x].size);' \
    '' &&
    gcc -std=gnu11 -O2 -fno-pie -Iinclude -DVALET_C11_KIND=1 -DVALET_C11_PLAIN=0 -c "$dir/tree/test/c11/memory.c" \
        -o "$dir/changed.o" && rest futex memory.o && gcc -no-pie "$dir/changed.o" "$dir/futex/rest/memory.o" \
    -o "$dir/changed"; then
    must_find 'the-explorer-is-not-told-of-a-write' wait 'nobody was seen to'
else
    bad 'the explorer: cannot be planted'
fi
counted c11
