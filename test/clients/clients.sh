#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The language runtimes' clients, on an installed library as a user has it: the Rust crate by Debian's
# cargo, and valet.hpp by g++ and clang++, also under ThreadSanitizer. Then with planted faults, each of
# which their tests must notice.
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

# cxx COMPILER...: with the options of the test
cxx() {
    "$@" -std=c++20 -g -Wall -Wextra -Wpedantic -Wconversion -Wshadow -pthread -I"$root/include"
}

cpp() { # CLIENTS OUTPUT LIBRARY COMPILER...: compiles the test
    clients=$1 output=$2 library=$3
    shift 3
    cxx "$@" "$clients/cpp/clients_test.cpp" "$library" -o "$output" >"$dir/log" 2>&1
}

# run PROGRAM OUTPUT: it ends by itself, within 15 s of CPU time and however long that takes
run() {
    python3 test/lib/watch.py 15 "$1" >"$2" 2>&1
}

passes() { # COMPILER...
    name=$dir/$(echo "$*" | tr -c 'a-z0-9\n' '-')
    if cpp test/clients "$name" "$root/lib/libvalet.a" "$@" -Werror && run "$name" "$name.log" &&
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
passes g++ -O2
passes clang++ -O2
! deep || passes g++ -O3 -DSANITIZED -fsanitize=undefined,address

# The library's own code too, so that its orders are seen.
for file in core/park_futex.c core/waiters_futex.c core/futex_futex.c core/now.c sys/linux.c; do
    clang -fsanitize=thread -O1 -std=c11 -I. -Iinclude -c "$file" -o "$dir/$(basename "$file" .c).o"
done
ar rcs "$dir/tsan.a" "$dir"/*.o
if cpp test/clients "$dir/tsan" "$dir/tsan.a" clang++ -O1 -DSANITIZED -fsanitize=thread &&
    run "$dir/tsan" "$dir/tsan.log"; then
    good 'C++ under ThreadSanitizer'
else
    bad 'C++ under ThreadSanitizer'
    tail -n 20 "$dir/log" "$dir/tsan.log"
fi
# ... and that they are needed: where it cannot see them, it sees a race.
if cpp test/clients "$dir/tsan-blind" "$root/lib/libvalet.a" clang++ -O1 -DSANITIZED -fsanitize=thread &&
    ! run "$dir/tsan-blind" "$dir/tsan.log" && grep -q 'data race' "$dir/tsan.log"; then
    good 'planted: the orders of the library hidden from ThreadSanitizer: data race'
else
    bad 'planted, and not noticed: the orders of the library hidden from ThreadSanitizer'
fi

# Planted faults; in C++ with the headers of the standard compiled once
standard=$dir/standard.hpp
cat test/clients/cpp/valet.hpp test/clients/cpp/clients_test.cpp | grep '^#include <.*>$' >"$standard"
cxx g++ -O2 -x c++-header "$standard" -o "$standard.gch" >"$dir/log" 2>&1 ||
    bad "the standard's headers: $(cat "$dir/log")"
python3 test/lib/plant.py --list test/clients/bugs | some 4 >"$dir/bugs"
while read -r name language _ says; do
    tree=$dir/planted
    rm -rf "$tree"
    cp -r test/clients "$tree"
    if ! python3 test/lib/plant.py --bug test/clients/bugs "$name" "$tree" >"$dir/log" 2>&1; then
        bad "$name: $(cat "$dir/log")"
        continue
    fi
    log=$dir/$name.log caught=no
    if [ "$language" = rust ]; then
        cargo "$tree/rust" "$dir/rust-planted" test --no-run >"$log" 2>&1 || {
            bad "$name: does not compile"
            continue
        }
        sed -n 's/.*(\(.*\/deps\/[a-z]*-.*\))$/\1/p' "$log" >"$dir/names"
        while read -r program; do
            run "$program" "$log" || { caught=yes && break; }
        done <"$dir/names"
    else
        cpp "$tree" "$dir/planted.out" "$root/lib/libvalet.a" g++ -O2 -Werror=invalid-pch -include "$standard" || {
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
