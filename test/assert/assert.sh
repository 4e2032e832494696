#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# -Dassertions=true: each assertion of core/ that is about the library's own words and queues traps, on
# memory that is no object of the library or on a fault that is planted; where all is well none does; and
# without the option there is no byte of them.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
top=$PWD dir=$PWD/build/assert
rm -rf "$dir"
mkdir -p "$dir"

# build OUT BASE TREE OPTIONS FILE...: the program, of those files, with the headers of that tree, and of all other
# objects of BASE, a program that is there
build() {
    out=$1 base=$2 tree=$3 options=$4
    shift 4
    rm -rf "$out.objects"
    if [ -n "$base" ]; then cp -r "$base.objects" "$out.objects"; else mkdir "$out.objects"; fi || return
    # shellcheck disable=SC2086 # a list of words
    (cd "$out.objects" && gcc -std=gnu11 -O2 -w -pthread "-I$tree" "-I$tree/include" $options -c "$@") &&
        gcc -pthread "$out.objects"/*.o -o "$out"
}
# whole KIND
whole() {
    file=linux
    [ "$1" = futex ] || file=posix
    build "$dir/$1" '' "$top" -DVALET_ASSERTIONS "$top/test/assert/assert_test.c" "$top"/core/*_"$1".c \
        "$top/core/now.c" "$top"/core/locks/*.c "$top/sys/$file.c"
}
# with_owners KIND: who owns a mutex is known where the build says who a thread is
with_owners() {
    build "$dir/$1-owners" "$dir/$1" "$top" '-DVALET_ASSERTIONS -DVALET_LOCK_OWNER=who' \
        "$top/test/assert/assert_test.c" "$top"/core/locks/*.c
}
# traps PROGRAM WHAT: it ends by SIGILL, and by nothing else
traps() {
    timeout 10 "$1" "$2"
    [ $? -eq 132 ]
}

for kind in futex sema; do
    try "$kind kind: builds" whole $kind
    try "$kind kind: no trap where all is well" timeout 10 "$dir/$kind" time_out
    for what in park_a_stranger unpark_a_stranger unlock_what_is_free finish_what_nobody_began \
        count_below_nothing release_too_many read_unlock_what_is_free write_unlock_what_is_free \
        read_unlock_what_is_written write_unlock_what_is_read fair_unlock_what_is_free downgrade_a_reader \
        come_to_a_barrier_for_none; do
        try "$kind kind: $what" traps "$dir/$kind" $what
    done
    try "$kind kind, with owners: builds" with_owners $kind
    try "$kind kind, with owners: no trap where all is well" timeout 10 "$dir/$kind-owners" time_out
    for what in unlock_what_is_free lock_twice lock_twice_until lock_twice_for lock_twice_with \
        unlock_a_strangers unlock_fair_a_strangers wait_with_a_strangers; do
        try "$kind kind, with owners: $what" traps "$dir/$kind-owners" $what
    done
done
# archive NAME OPTION...: the locks, in an archive
archive() (
    mkdir -p "$dir/$1" && cd "$dir/$1" && shift &&
        gcc -w "-I$top" "-I$top/include" "$@" -c "$top"/core/*_futex.c "$top/core/now.c" "$top"/core/locks/*.c \
            "$top/sys/linux.c" && ar rc all.a ./*.o
)
# has NAME FUNCTION: that archive has it
has() {
    nm "$dir/$1/all.a" 2>"$dir/log" | grep -q " T $2\$"
}
# asks OPTION FUNCTION SYMBOL: a caller of it with that option, or none, wants that symbol of the linker
asks() {
    printf '#include "valet_locks.h"\nvoid *f = (void *)%s;\n' "$2" |
        gcc -w -Iinclude ${1:+"$1"} -x c -c - -o "$dir/asks.o" && nm "$dir/asks.o" | grep -q " U $3\$"
}
try 'locks without owners' archive plain
try 'locks with owners' archive owned -DVALET_LOCK_OWNER=who
for call in mutex_unlock mutex_unlock_fair sem_release rwlock_downgrade rwlock_read_unlock rwlock_read_unlock_fair \
    rwlock_write_unlock rwlock_write_unlock_fair cond_wait cond_wait_until cond_wait_for cond_wait_with; do
    call=valet_$call
    owned=${call}_owned
    try "$call, without owners" asks '' "$call" "$call"
    try '... is there' has plain "$call"
    try_not '... not with them' has owned "$call"
    try "$call, with owners" asks -DVALET_LOCK_OWNER=who "$call" "$owned"
    try '... is there' has owned "$owned"
    try_not '... not without them' has plain "$owned"
done
for what in wait_for_a_stranger store_to_a_stranger delegate_to_a_stranger; do
    try "futex kind: $what" traps "$dir/futex" $what
done

# plant KIND WHAT FILE OLD NEW [OLD NEW]...
plant() {
    name=$1 what=$2 file=$3 tree=$dir/tree
    shift 3
    rm -rf "$tree"
    mkdir -p "$tree" && cp -r core sys arch include "$tree"
    if ! python3 -S test/lib/plant.py "$tree/$file" "$@"; then
        bad "planted, $what: no longer applies"
    elif ! build "$dir/planted" "$dir/$name" "$tree" -DVALET_ASSERTIONS "$tree/$file"; then
        bad "planted, $what: does not compile"
    else
        try "planted, $what: traps" traps "$dir/planted" time_out
    fi
}
plant futex 'a waiter leaves both flags' core/waiters_futex.c 'seen | WAITERS,' 'seen | WAITERS | OWED,'
plant futex 'a parker leaves another value' core/park_futex.c \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \
    'atomic_store(word, 7); (void)!valet_park_until((struct valet_parker *)word, 0); if (0)'
plant sema 'a parker leaves an odd address' core/park_sema.c \
    'word, &seen, EMPTY, memory_order_relaxed, memory_order_relaxed)' \
    'word, &seen, 5, memory_order_relaxed, memory_order_relaxed)'
# who is alone goes out by a way of its own, which these do not have
plant sema 'somebody takes the list away' core/waiters_sema.c 'while (oldest &&' 'while (0 &&' \
    'found |= walk(' 'seen &= ~TAKEN; found |= walk('
plant sema 'a node is unlinked twice' core/futex_sema.c 'while (newest(seen) == &n' 'while (0 && newest(seen) == &n' \
    'unlink_node(b, n); let_go' 'unlink_node(b, n); unlink_node(b, n); let_go'
plant sema 'unlinking forgets the last' core/futex_sema.c 'while (newest(seen) == &n' 'while (0 && newest(seen) == &n' \
    '*(n->next ? &n->next->previous : &b->last) = n->previous;' \
    'if (n->next) n->next->previous = n->previous;'

# Without the option: the code is that of a file without the lines.
mkdir -p "$dir/without/core/locks"
for file in core/park_futex core/park_sema core/waiters_futex core/waiters_sema core/futex_futex core/futex_sema \
    core/locks/queue core/locks/once core/locks/latch core/locks/sem core/locks/rwlock core/locks/barrier \
    core/locks/mutex core/locks/cond; do
    sed 's/VALET_ASSERT(.*);/;/' $file.c >"$dir/without/$file.c"
    for tree in . "$dir/without"; do
        gcc -std=c11 -Os -ffreestanding -I. -Iinclude -c "$tree/$file.c" -o "$dir/object.o" &&
            objdump -dr --no-show-raw-insn "$dir/object.o" | tail -n +4 >"$dir/code-$(basename "$tree")"
    done
    try "no byte of an assertion without the option: $file.c" cmp "$dir/code-." "$dir/code-without"
done
gcc -std=c11 -Os -ffreestanding -DVALET_ASSERTIONS -I. -Iinclude -c core/park_futex.c -o "$dir/object.o"
objdump -dr --no-show-raw-insn "$dir/object.o" | tail -n +4 >"$dir/code-with"
gcc -std=c11 -Os -ffreestanding -I. -Iinclude -c core/park_futex.c -o "$dir/object.o"
objdump -dr --no-show-raw-insn "$dir/object.o" | tail -n +4 >"$dir/code-without"
try_not '... with it there are some' cmp "$dir/code-with" "$dir/code-without"
counted assert
