#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: bench.sh [all|quick|posix|locks|show|--check] [WORD...]. Measure valet beside what a user would pick instead,
# and beside floors written by hand. Prints its tables, and leaves below build/bench what is named at the head of
# bench/run.py: the tables, two pictures, and what test/bench keeps of them. With a WORD only the measurements
# whose name has one: see MEASUREMENTS there, and bench/locks.py.
#
#   (none)    all peers, seven rounds; 28 minutes, also on a machine that has other work
#   posix     what has a bound in time, of -Dos=posix beside the futex kind, glibc and musl, nine rounds; 5 minutes
#   locks     valet_locks.h, of -Dos=linux and posix, beside eight others' locks, 11 rounds; 11 minutes
#   quick     only the floors, valet, glibc and musl, three rounds; 4 minutes: to see that it works
#   show      print the last run again
#   --check   the figures that the library is held to and that depend on no time, each with its bound
#
# Every program takes its turn in each of the rounds, in random order; a ratio is taken within a round,
# and medians of the rounds are shown. Each program checks what its threads did (test/bench/bench.c).
set -eu
cd "$(dirname "$0")/.."
mode=${1:-all}
case $mode in
all) sets='base peers' ;;
quick | posix) sets=base ;;
locks) sets=locks ;;
show) exec python3 test/bench/run.py build/bench show ;;
--check) sh test/lib/setup.sh && exec sh test/figures/figures.sh ;;
*)
    echo "usage: bench.sh [all|quick|posix|locks|show|--check] [WORD...]" >&2
    exit 2
    ;;
esac
[ $# -eq 0 ] || shift

packages=
case $mode in
all | locks)
    packages="cargo libabsl-dev libc++-dev libc++abi-dev
        libnsync-dev librust-parking-lot-dev rustc"
    ;;
esac
# shellcheck disable=SC2086 # a list of words
sh test/lib/setup.sh $packages

bench=test/bench
dir=$PWD/build/bench
rm -rf "$dir"
mkdir -p "$dir/programs" "$dir/static"
warn='-Wall -Wextra -Werror'
common="$warn -O2 -ffunction-sections -fdata-sections -I$bench"

quietly() {
    "$@" >"$dir/log" 2>&1 || {
        tail -n 30 "$dir/log" >&2
        echo "bench: failed: $*" >&2
        exit 1
    }
}

# harness NAME COMPILER: bench.c and pool.c for one libc
harness() {
    for file in bench pool size; do
        # shellcheck disable=SC2086 # lists of words, here and below
        quietly $2 -std=gnu11 $common -I$bench/pool -c $bench/$file.c -o "$dir/$1-$file.o"
    done
    # shellcheck disable=SC2086
    quietly $2 -std=gnu11 $common -static -Wl,--gc-sections -pthread -DNOTHING $bench/size.c -o "$dir/static/nothing-$1"
}

# link NAME LIBC LINKER PEER.o...: the program, and a static one that parks and unparks once. Debian
# has no static nsync.
link() {
    name=$1 libc=$2 linker=$3
    shift 3
    how=
    [ "$libc" != musl ] || how=-static
    # shellcheck disable=SC2086
    quietly $linker $how -pthread "$dir/$libc-bench.o" "$dir/$libc-pool.o" "$@" -o "$dir/programs/$name"
    [ "$name" != nsync ] || return 0
    # shellcheck disable=SC2086
    quietly $linker -static -Wl,--gc-sections -pthread "$dir/$libc-size.o" "$@" -o "$dir/static/$name"
}

# peer NAME LIBC COMPILER FILE [ARGUMENT...]: one of peers/; what comes after -- is for the linker only
peer() {
    name=$1 libc=$2 compiler=$3 file=$4
    shift 4
    (
        linker=
        for argument; do
            shift
            [ "$argument" != -- ] || linker=yes
            [ -n "$linker" ] || set -- "$@" "$argument"
        done
        # shellcheck disable=SC2086
        quietly $compiler $common "$@" -c "$bench/peers/$file" -o "$dir/$name.o"
    )
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        shift
    done
    [ $# -eq 0 ] || shift
    link "$name" "$libc" "$compiler" "$dir/$name.o" "$@"
}

# crate NAME DIRECTORY [FEATURE]: $dir/NAME.a, by Debian's cargo and Debian's crates, not others that may be in PATH
crate() {
    mkdir -p "$dir/crate"
    cp -r "$2/." "$dir/crate"
    (
        cd "$dir/crate"
        PATH=/usr/bin:/bin CARGO_HOME=$dir/cargo quietly /usr/bin/cargo build --offline --release \
            --features "${3-}" --config 'source.crates-io.replace-with="debian"' \
            --config 'source.debian.directory="/usr/share/cargo/registry"'
    )
    cp "$dir"/crate/target/release/libbench_*.a "$dir/$1.a"
}
rust() { # NAME [FEATURE]
    crate "$1" $bench/peers/rust "${2-}"
    link "$1" glibc gcc "$dir/$1.a"
}

# library NAME OPTION...
library() {
    name=$1
    shift
    quietly meson setup "$dir/$name" -Dtests=false -Doptimization=2 "$@"
    quietly ninja -C "$dir/$name"
}
library valet
library valet-posix -Dos=posix
if [ "$mode" != locks ]; then
    library valet-sleep -Dspin=disabled
    CC=musl-gcc library valet-posix-musl -Dos=posix
fi
quietly meson compile -C "$dir/valet" amalgamation
lib=$dir/valet/libvalet.a posix=$dir/valet-posix/libvalet.a

# locks_of NAME COMPILER WORD...: one of locks/
locks_of() {
    name=$1 compiler=$2
    shift 2
    case $compiler in musl*) libc=musl ;; *) libc=glibc ;; esac
    quietly "$compiler" "$dir/$libc-locks.o" "$@" "@$dir/common" -pthread -o "$dir/programs/$name"
}

for set in $sets; do
    case $set in
    locks)
        echo "$common" >"$dir/common" # as a file of options, also of those that pkg-config knows
        pkg-config --libs absl_synchronization absl_base >"$dir/absl"
        locks=$bench/locks
        quietly gcc -std=gnu11 "@$dir/common" -c $locks/locks.c -o "$dir/glibc-locks.o"
        quietly musl-gcc -std=gnu11 "@$dir/common" -c $locks/locks.c -o "$dir/musl-locks.o"
        locks_of atomic gcc -std=gnu11 $locks/floor.c -DATOMIC
        locks_of raw gcc -std=gnu11 $locks/floor.c
        locks_of valet gcc -std=gnu11 $locks/valet.c -Iinclude "$lib"
        locks_of valet-unit gcc -std=gnu11 $locks/valet.c "-I$dir/valet/core" -DONE_UNIT
        locks_of valet-posix gcc -std=gnu11 $locks/valet.c -Iinclude "$posix"
        locks_of glibc gcc -std=gnu11 $locks/posix.c
        locks_of musl musl-gcc -std=gnu11 -static $locks/posix.c
        locks_of libstdc++ g++ -std=c++20 $locks/cpp.cpp
        locks_of libc++ clang++ -stdlib=libc++ -std=c++20 $locks/cpp.cpp -lc++abi
        locks_of nsync gcc -std=gnu11 $locks/nsync.c -lnsync
        locks_of absl g++ -std=c++17 $locks/absl.cpp "@$dir/absl"
        crate rust-std $locks/rust
        locks_of rust-std gcc "$dir/rust-std.a"
        crate parking_lot $locks/rust lot
        locks_of parking_lot gcc "$dir/parking_lot.a"
        ;;
    base)
        harness glibc gcc
        harness musl musl-gcc
        peer raw glibc 'gcc -std=gnu11' floor.c -DRAW=1 -DATOMIC=0 -DSPIN=0
        peer raw-each glibc 'gcc -std=gnu11' floor.c -DRAW=1 -DEACH=1 -DATOMIC=0 -DSPIN=0
        peer atomic glibc 'gcc -std=gnu11' floor.c -DRAW=0 -DATOMIC=1 -DSPIN=0
        peer spin glibc 'gcc -std=gnu11' floor.c -DRAW=0 -DATOMIC=0 -DSPIN=1
        peer valet glibc 'gcc -std=gnu11' valet.c -Iinclude -- "$lib"
        peer valet-sleep glibc 'gcc -std=gnu11' valet.c -Iinclude -- "$dir/valet-sleep/libvalet.a"
        peer valet-clock glibc 'gcc -std=gnu11' valet.c -Iinclude -DLIBC_CLOCK -- "$lib"
        peer valet-unit glibc 'gcc -std=gnu11' valet.c "-I$dir/valet/core" -DONE_UNIT
        peer valet-delegate glibc 'gcc -std=gnu11' valet.c -Iinclude -DDELEGATE -- "$lib"
        peer valet-futex glibc 'gcc -std=gnu11' valet.c -Iinclude -DFUTEX -- "$lib"
        peer valet-posix glibc 'gcc -std=gnu11' valet.c -Iinclude -- "$posix"
        peer valet-posix-futex glibc 'gcc -std=gnu11' valet.c -Iinclude -DFUTEX -- "$posix"
        peer valet-posix-musl musl 'musl-gcc -std=gnu11' valet.c -Iinclude -- "$dir/valet-posix-musl/libvalet.a"
        peer glibc-sem glibc 'gcc -std=gnu11' posix.c -DSEM
        peer glibc-cond glibc 'gcc -std=gnu11' posix.c
        peer musl-sem musl 'musl-gcc -std=gnu11' posix.c -DSEM
        peer musl-cond musl 'musl-gcc -std=gnu11' posix.c
        ;;
    peers)
        peer libstdc++-sem glibc 'g++ -std=c++20' cpp.cpp
        peer libstdc++-atomic glibc 'g++ -std=c++20' cpp.cpp -DATOMIC
        peer libc++-sem glibc 'clang++ -stdlib=libc++ -std=c++20' cpp.cpp -- -lc++abi
        peer libc++-atomic glibc 'clang++ -stdlib=libc++ -std=c++20' cpp.cpp -DATOMIC -- -lc++abi
        peer nsync glibc 'gcc -std=gnu11' nsync.c -- -lnsync
        # shellcheck disable=SC2046
        peer absl glibc 'g++ -std=c++17' absl.cpp -- $(pkg-config --libs absl_synchronization)
        rust rust-std
        rust parking_lot lot
        ;;
    esac
done
exec python3 $bench/run.py "$dir" "$mode" "$@"
