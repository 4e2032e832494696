#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The language runtimes' clients, on an installed library as a user has it: the Rust crate by Debian's
# cargo; valet.hpp, and the installed valet_locks.hpp, by g++ and clang++, also under ThreadSanitizer.
# Then with planted faults, each of which their tests must notice.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=$PWD/build/clients
rm -rf "$dir"
mkdir -p "$dir"
root=$dir/root

if ! { meson setup "$dir/lib" -Dtests=false --prefix=/ --libdir=lib &&
    DESTDIR=$root meson install -C "$dir/lib"; } >"$dir/log" 2>&1; then
    tail "$dir/log"
    exit 1
fi

# Debian's, not one that is before it in PATH
cargo() { # DIRECTORY TARGET-DIRECTORY COMMAND WORDS...
    (
        cd "$1" || exit 1
        target=$2 command=$3
        shift 3
        PATH=/usr/bin:$PATH VALET_LIB_DIR=$root/lib RUSTFLAGS='-D warnings' RUSTDOCFLAGS='-D warnings' \
            timeout -k 5 900 cargo "$command" --offline --locked --release --target-dir "$target" "$@"
    )
}

if cargo test/clients/rust "$dir/rust" test >"$dir/rust.log" 2>&1; then
    grep '^test .* \.\.\. ok$' "$dir/rust.log" >"$dir/names"
    while read -r _ name; do
        good "Rust: $name"
    done <"$dir/names"
else
    bad "the Rust crate's tests"
    tail -n 30 "$dir/rust.log"
fi

# No std: what the crate's own code asks for is the C library and core.
cargo test/clients/rust "$dir/rust-std" rustc -- --emit=obj -C codegen-units=1 -C panic=abort >"$dir/log" 2>&1 ||
    { bad 'the crate as an object'; tail "$dir/log"; }
object=$(find "$dir/rust-std" -name 'valet-*.o' | head -n 1)
unknown=$(nm -u "$object" | grep -v -e ' valet_' -e '4core' || true)
calls=$(nm -u "$object" | grep -c ' valet_')
if [ -z "$unknown" ] && [ "$calls" -gt 5 ]; then
    good "the Rust crate ($(PATH=/usr/bin:$PATH rustc --version)) needs $calls functions of valet, and no std"
else
    bad "the Rust crate needs: $unknown ($calls of valet)"
fi

# cxx COMPILER...: with the options of the tests, before which others come
cxx() {
    "$@" -Wall -Wextra -Wpedantic -Wconversion -Wshadow -pthread -I"$root/include"
}

# cpp CLIENTS TEST OUTPUT LIBRARY COMPILER...: compiles that test; of C++20 where nothing else is said
cpp() {
    clients=$1 test=$2 output=$3 library=$4 compiler=$5
    shift 5
    cxx "$compiler" -std=c++20 "$@" "$clients/cpp/$test.cpp" "$library" -o "$output" >"$dir/log" 2>&1
}

# tsan TEST OUTPUT LIBRARY: under ThreadSanitizer; compiled once
tsan() {
    [ -e "$dir/$1.tsan.o" ] || cxx clang++ -std=c++20 -O1 -DSANITIZED -fsanitize=thread -c "test/clients/cpp/$1.cpp" \
        -o "$dir/$1.tsan.o" >"$dir/log" 2>&1 || return
    cxx clang++ -fsanitize=thread "$dir/$1.tsan.o" "$3" -o "$2" >"$dir/log" 2>&1
}

# run PROGRAM OUTPUT: it ends by itself, within 15 s of CPU time and however long that takes
run() {
    python3 test/lib/watch.py 15 "$1" >"$2" 2>&1
}

passes() { # TEST COMPILER...
    program=$1 name=$dir/$(echo "$*" | tr -c 'a-z0-9_\n' '-')
    shift
    if cpp test/clients "$program" "$name" "$root/lib/libvalet.a" "$@" -Werror && run "$name" "$name.log" &&
        [ "$(tail -n 1 "$name.log")" = passed ]; then
        grep '^test_' "$name.log" >"$dir/names"
        while read -r test; do
            good "C++, $*: $test"
        done <"$dir/names"
    else
        bad "C++, $*"
        tail -n 20 "$dir/log" "$name.log"
    fi
}
passes clients_test g++ -O2
passes clients_test clang++ -O2
! deep || passes clients_test g++ -O3 -DSANITIZED -fsanitize=undefined,address
passes locks_test g++ -O2 -std=c++17
passes locks_test clang++ -O2

# The library's own code too, so that its orders are seen.
for file in core/*_futex.c core/now.c core/locks/*.c sys/linux.c; do
    clang -fsanitize=thread -O1 -std=c11 -I. -Iinclude -c "$file" -o "$dir/$(basename "$file" .c).o"
done
ar rcs "$dir/tsan.a" "$dir"/*.o
for test in clients_test $(! deep || echo locks_test); do
    if tsan "$test" "$dir/tsan" "$dir/tsan.a" && run "$dir/tsan" "$dir/tsan.log"; then
        good "C++ under ThreadSanitizer: $test"
    else
        bad "C++ under ThreadSanitizer: $test"
        tail -n 20 "$dir/log" "$dir/tsan.log"
    fi
done
# ... and that they are needed: where it cannot see them, it sees a race, and ends with the first.
if tsan clients_test "$dir/tsan-blind" "$root/lib/libvalet.a" &&
    ! TSAN_OPTIONS=halt_on_error=1 run "$dir/tsan-blind" "$dir/tsan.log" && grep -q 'data race' "$dir/tsan.log"; then
    good 'planted: the orders of the library hidden from ThreadSanitizer: data race'
else
    bad 'planted, and not noticed: the orders of the library hidden from ThreadSanitizer'
fi

# Planted faults, compiled the fast way: it is the tests that are tried. In C++ with the headers of the standard
# compiled once.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=0
standard=$dir/standard.hpp
cat test/clients/cpp/valet.hpp test/clients/cpp/*_test.cpp | grep '^#include <.*>$' | grep -v linux/ >"$standard"
cxx g++ -std=c++20 -O0 -x c++-header "$standard" -o "$standard.gch" >"$dir/log" 2>&1 ||
    bad "the standard's headers: $(cat "$dir/log")"
python3 -S test/lib/plant.py --list test/clients/bugs | some 4 >"$dir/bugs"
while read -r name language _ says; do
    tree=$dir/planted
    rm -rf "$tree"
    cp -r test/clients "$tree"
    mkdir "$tree/include"
    cp include/valet_locks.hpp "$tree/include"
    if ! python3 -S test/lib/plant.py --bug test/clients/bugs "$name" "$tree" >"$dir/log" 2>&1; then
        bad "$name: $(cat "$dir/log")"
        continue
    fi
    log=$dir/$name.log caught=no
    if [ "$language" = rust ]; then
        cargo "$tree/rust" "$dir/rust-planted" test --test contract --test seed --no-run >"$log" 2>&1 || {
            bad "$name: does not compile"
            continue
        }
        sed -n 's/.*(\(.*\/deps\/[a-z]*-.*\))$/\1/p' "$log" >"$dir/names"
        while read -r program; do
            run "$program" "$log" || { caught=yes && break; }
        done <"$dir/names"
    else
        case $language in cpp) program=clients_test ;; *) program=locks_test ;; esac
        cpp "$tree" $program "$dir/planted.out" "$root/lib/libvalet.a" g++ -O0 -Werror=invalid-pch \
            -include "$standard" -I"$tree/include" || {
            bad "$name: does not compile"
            continue
        }
        run "$dir/planted.out" "$log" || caught=yes
    fi
    # Rust names the tests that pass, too.
    grep -v '\.\.\. ok$' "$log" >"$dir/said"
    if [ "$caught" = yes ] && grep -qF "$says" "$dir/said"; then
        good "planted: $name: $(grep -F "$says" "$dir/said" | tail -n 1 | cut -c 1-80)"
    else
        bad "planted, and not noticed: $name"
        tail -n 5 "$log"
    fi
done <"$dir/bugs"
counted clients
