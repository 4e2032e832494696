#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Clients of the binary, as a stranger has it: linked from archives in every order, embedded in shared objects, as a
# shared library, built by the CMake file or Makefile that he has, through generators of bindings, under
# sanitizers and under valgrind. Usage: binary.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
root=$PWD
here=$root/test/install/binary
dir=$root/build/binary
rm -rf "$dir"
mkdir -p "$dir"
# Installed where no path has a space: pkgconf 1.8 puts PKG_CONFIG_SYSROOT_DIR twice before one that has.
away=$(mktemp -d) || exit 1
trap 'rm -rf "$away"' EXIT
cc_is="gcc -std=c11 -O2 -Wall -Wextra -Werror"

# seen NAME SAID COMMAND...: a command that must fail, and say why
seen() {
    what=$1 wanted=$2
    shift 2
    if answer=$("$@" 2>&1); then
        bad "$what: should have failed"
    else
        case $answer in
        *"$wanted"*) good "$what: $wanted" ;;
        *) bad "$what: something else is seen: $(printf '%s\n' "$answer" | tail -n 5)" ;;
        esac
    fi
}

# installed NAME OPTIONS...: a build of the tree in $away/NAME
installed() {
    name=$1
    shift
    meson setup "$dir/$name" -Dtests=false -Dlibdir=lib --prefix="$away/$name" "$@" && meson install -C "$dir/$name"
}
try 'linux, static and shared' installed linux -Ddefault_library=both
try 'posix, static' installed posix -Dos=posix
try 'posix, shared' installed posix-shared -Dos=posix -Ddefault_library=shared
# take NAME: by pkg-config
take() {
    PKG_CONFIG_LIBDIR=$away/$1/lib/pkgconfig
    LD_LIBRARY_PATH=$away/$1/lib
    export PKG_CONFIG_LIBDIR LD_LIBRARY_PATH
}

# ---- archives: a hook that lies in one --------------------------------------------------------------

# row TREE FILE DIRECTORY FLAGS...: libvalet.a of that system there, by $cc_is
row() {
    tree=$1 file=$2 kind=$3 to=$4
    shift 4
    rm -rf "$to"
    mkdir -p "$to"
    (cd "$to" && $cc_is -ffreestanding -fno-stack-protector -I"$tree" -I"$tree/include" "$@" -c \
        "$tree/core/park_$kind.c" "$tree/core/waiters_$kind.c" "$tree/core/futex_$kind.c" "$tree/core/now.c" \
        "$tree/sys/$file.c" && ar rc libvalet.a ./*.o)
}
# ordered LINKER WORD...: the program, linked in that order, does as it should; 3: it has no hook, and
# nobody said so; 4: the linker did
ordered() {
    ld=$1
    shift
    $cc_is "-fuse-ld=$ld" "$dir/timed.o" "$@" -o "$dir/timed" >"$dir/said" 2>&1 || {
        grep -q 'undefined.*valet_sys_now' "$dir/said" && return 4
        return 1
    }
    "$dir/timed"
}
valet=$dir/bare/libvalet.a board=$dir/libboard.a
# found ... and a hook, never silence: WORD is "must" where an archive with the hook comes after its user
sound() {
    must=$1
    shift
    ordered "$@"
    case $must-$? in
    *-0 | may-4) return 0 ;;
    *) return 1 ;;
    esac
}
client() {
    $cc_is -Iinclude -c "$here/timed.c" -o "$dir/timed.o" && $cc_is -Iinclude -c "$here/board.c" -o "$dir/board.o" &&
        ar rc "$board" "$dir/board.o"
}
try 'a client of bare, and its board' client
try 'bare, hook required' row "$root" bare futex "$dir/bare" -DVALET_HOOK=1
try 'bare, hook weak' row "$root" bare futex "$dir/weak"
for ld in bfd lld; do
    for order in 'must valet board' 'may board valet' 'must board valet board' 'must valet board valet' \
        'must -Wl,--start-group board valet -Wl,--end-group'; do
        words=$(echo "${order#* }" | sed "s|valet|$valet|g; s|board|$board|g")
        # shellcheck disable=SC2086 # a list of words
        try "the hook in an archive, $ld: ${order#* }" sound "${order%% *}" $ld $words
    done
    try "a weak hook, and an object, $ld" ordered $ld "$dir/weak/libvalet.a" "$dir/board.o"
    silent() {
        ordered "$1" "$dir/weak/libvalet.a" "$board"
        [ $? -eq 3 ]
    }
    try "planted: a weak hook, and an archive, $ld: no clock, in silence" silent $ld
done
# The clock of a libc that has the vDSO's, in its archive
try 'linux, hook required' row "$root" linux futex "$dir/libc" -DVALET_HOOK=1
try 'linux: the clock in an archive' ordered bfd "$dir/libc/libvalet.a" "$board"
missed() {
    ordered bfd "$dir/libc/libvalet.a"
    [ $? -eq 4 ]
}
try '... and without it the linker says so' missed
try 'linux, hook weak' row "$root" linux futex "$dir/trap"
try 'linux: the clock in an object' ordered bfd "$dir/trap/libvalet.a" "$dir/board.o"
keyed() { # FLAGS...: whose event is it?
    cc_is="x86_64-w64-mingw32-gcc -std=c11 -O2 -Wall -Wextra -Werror"
    row "$root" windows_keyed sema "$dir/keyed" "$@" && $cc_is -Iinclude -c "$here/board.c" -o "$dir/keyed/b.o" &&
        ar rc "$dir/keyed/libboard.a" "$dir/keyed/b.o" &&
        $cc_is -Iinclude "$here/timed.c" -L"$dir/keyed" -lvalet -lboard -lntdll -o "$dir/keyed.exe" &&
        x86_64-w64-mingw32-nm "$dir/keyed.exe" >"$dir/keyed/names" || return
    grep -q event_of_the_board "$dir/keyed/names" || { echo 'no event of the board' && return 1; }
}
try 'windows_keyed: the hook in an archive' keyed -DVALET_HOOK=1
seen 'planted: a weak hook' 'no event of the board' keyed
cc_is="gcc -std=c11 -O2 -Wall -Wextra -Werror"

# ---- shared objects and the shared library ----------------------------------------------------------

# plugins DIRECTORY LINUX POSIX: each is the words that embed that row
plugins() {
    to=$1
    rm -rf "$to"
    mkdir -p "$to"
    # shellcheck disable=SC2086 # lists of words
    $cc_is -fPIC -shared -DRUN=run -I"$away/linux/include" "$here/plugin.c" $2 -o "$to/linux.so" &&
        $cc_is -fPIC -shared -DRUN=run -I"$away/posix/include" "$here/plugin.c" $3 -o "$to/posix.so" &&
        $cc_is -DRUN=run_here -I"$away/posix/include" "$here/two.c" "$here/plugin.c" $3 -Wl,-E -o "$to/two" &&
        "$to/two" "$to/linux.so" "$to/posix.so" && "$to/two" "$to/posix.so" "$to/linux.so"
}
exports_none() {
    ! nm -D --defined-only "$1"/*.so "$1/two" | grep valet_
}
try 'two shared objects and a program, each with a row' plugins "$dir/archives" "$away/linux/lib/libvalet.a" \
    "$away/posix/lib/libvalet.a"
try '... none of which exports it' exports_none "$dir/archives"
one_file() { # NAME
    meson compile -C "$dir/$1" amalgamation
}
try 'the one file of both' one_file linux
try '... and' one_file posix
try 'two shared objects and a program, each with a one file' plugins "$dir/files" "$dir/linux/core/valet.c" \
    "$dir/posix/core/valet.c"
try '... none of which exports it' exports_none "$dir/files"
visible() { # an archive as a build has it that says nothing
    row "$root" linux futex "$dir/visible-linux" -fPIC && row "$root" posix sema "$dir/visible-posix" -fPIC &&
        plugins "$dir/visible" "$dir/visible-linux/libvalet.a" "$dir/visible-posix/libvalet.a"
}
seen 'planted: archives that export' 'not its own calls' visible
seen '... and are seen to' ' T valet_unpark' exports_none "$dir/visible"

api() { # the functions of the public headers
    gcc -E -P "-I$away/linux/include" -x c - <<'END' | grep -o 'valet_[a-z_]*(' | tr -d '(' | LC_ALL=C sort -u
#include <valet_locks.h>
END
}
exports() {
    nm -D --defined-only "$1" | awk '{print $3}' | LC_ALL=C sort >"$dir/exported"
    api | diff - "$dir/exported"
}
by_pkg_config() { # NAME COMPILER FLAGS...
    take "$1"
    shift
    # shellcheck disable=SC2046 # a list of words
    "$@" -pthread "$here/client.c" $(pkg-config --cflags --libs valet) -o "$dir/client" && "$dir/client"
}
for which in linux posix-shared; do
    try "$which: the shared library exports its headers, and no more" exports "$away/$which/lib/libvalet.so"
    try "... a program takes it" by_pkg_config "$which" gcc
    version() {
        readelf -d "$dir/client" | grep -q 'NEEDED.*libvalet\.so\.0\.1\]' &&
            [ "$(readlink "$away/$which/lib/libvalet.so.0.1")" = libvalet.so.0.1.0 ]
    }
    try '... by its minor version' version
done
seen 'planted: the exports of another library' '< valet_compare_and_wait' exports "$dir/archives/linux.so"

# ---- a stranger's builds, as they are ---------------------------------------------------------------

cp "$here/client.c" "$dir/client.cc"
for words in 'gcc -std=c99' 'clang -std=c17 -Wpedantic -Werror' 'gcc -std=gnu11 -O3 -flto' 'gcc -static' \
    'gcc -static-pie -fPIE' 'gcc -fvisibility=hidden -fno-plt -Wl,-z,now' \
    'clang -fuse-ld=lld -Wl,--gc-sections -fstack-protector-all'; do
    turn 3 || continue
    # shellcheck disable=SC2086 # a list of words
    try "by pkg-config: $words" by_pkg_config posix $words
done
by_make() {
    take linux
    cat >"$dir/Makefile" <<'END'
CFLAGS += $(shell pkg-config --cflags valet)
LDLIBS += $(shell pkg-config --libs valet) -pthread
client: client.c
END
    cp "$here/client.c" "$dir/client.c" && rm -f "$dir/client" && make -C "$dir" client && "$dir/client"
}
try 'by a Makefile' by_make
# cmake NAME OPTIONS...: C and C++, a shared library that has the static one in it, and a program of that
by_cmake() {
    name=$1
    shift
    mkdir -p "$dir/cmake"
    cp "$here/plugin.c" "$here/two.c" "$here/client.c" "$dir/client.cc" "$dir/cmake/"
    cat >"$dir/cmake/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(stranger C CXX)
find_package(valet 0.1 REQUIRED)
find_package(Threads REQUIRED)
enable_testing()
foreach(source client.c client.cc)
  string(REPLACE . _ name ${source})
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE valet::valet Threads::Threads)
  add_test(NAME ${name} COMMAND ${name})
endforeach()
add_library(plugin SHARED plugin.c)
target_compile_definitions(plugin PRIVATE RUN=run_here)
target_link_libraries(plugin PRIVATE valet::valet Threads::Threads)
add_executable(two two.c)
target_link_libraries(two PRIVATE plugin ${CMAKE_DL_LIBS})
add_test(NAME two COMMAND two)
END
    take "$name"
    rm -rf "$dir/cmake/build"
    cmake -S "$dir/cmake" -B "$dir/cmake/build" "-DCMAKE_PREFIX_PATH=$away/$name" "$@" &&
        cmake --build "$dir/cmake/build" && (cd "$dir/cmake/build" && ctest --output-on-failure)
}
try 'by CMake, static' by_cmake linux -DCMAKE_BUILD_TYPE=Debug
try 'by CMake, shared, interprocedural' by_cmake posix-shared -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON
mv "$away/linux/lib/libvalet.a" "$away/linux/lib/hidden.a"
seen 'planted: no library, CMake' 'libvalet.a' by_cmake linux
mv "$away/linux/lib/hidden.a" "$away/linux/lib/libvalet.a"

# ---- bindings --------------------------------------------------------------------------------------

# wide HEADERS COMPILER: an initialiser whose state is a long
wide() {
    printf '#include <valet.h>\nstruct valet_waiters f(long);\nstruct valet_waiters f(long state)\n{\n%s\n%s\n}\n' \
        'struct valet_waiters w = VALET_WAITERS_INIT(state);' 'return w;' |
        "$2" -Wall -Wextra -Wconversion -Werror "-I$1" -xc++ -fsyntax-only -
}
for cc in g++ clang++; do
    try "VALET_WAITERS_INIT of a long, $cc" wide "$away/linux/include" $cc
done
edited() { # NAME SED of include/valet.h, in a copy
    mkdir -p "$dir/$1" && cp "$away/linux/include/"*.h "$dir/$1/" && sed -i "$2" "$dir/$1/valet.h" &&
        ! cmp -s "$dir/$1/valet.h" "$away/linux/include/valet.h"
}
try 'a header without the cast' edited wide 's/static_cast<uintptr_t>(number)/(number)/'
seen 'planted: ... is seen' narrow wide "$dir/wide" clang++

cat >"$dir/bound.py" <<'END'
"""By cffi: the header as the compiler's preprocessor leaves it, and the shared library."""
import subprocess, sys, threading
import cffi

headers, library = sys.argv[1:]
ffi = cffi.FFI()
ffi.cdef(subprocess.run(["gcc", "-E", "-P", "-D__attribute__(x)=", f"-I{headers}", "-x", "c", "-"], text=True,
                        check=True, input="#include <valet.h>", capture_output=True).stdout)
valet = ffi.dlopen(library)
forever = 2 ** 64 - 1
parker, waiters, got = ffi.new("struct valet_parker *"), ffi.new("struct valet_waiters *"), []
valet.valet_waiters_init(waiters, 5)
def park():
    got.append(valet.valet_park_until(parker, forever))
    got.append(valet.valet_compare_and_wait(waiters, 5))
thread = threading.Thread(target=park)
thread.start()
valet.valet_unpark(parker)
valet.valet_store_and_wake(waiters, 6)
thread.join()
assert got == [valet.VALET_OK, valet.VALET_OK] and valet.valet_waiters_state(waiters) == 6, got
assert valet.valet_park_for(parker, 1) == valet.VALET_TIMEDOUT
END
bound() { # HEADERS: /usr/bin: Debian's, which has Debian's cffi
    /usr/bin/python3 "$dir/bound.py" "$1" "$away/linux/lib/libvalet.so"
}
try 'cffi takes header and shared library' bound "$away/linux/include"
try 'a header with a function inside' edited inline \
    's/^VALET_API uint64_t valet_now(void);/&\nstatic inline int planted(void) { return 1; }/'
seen 'planted: ... which cffi does not take' CDefError bound "$dir/inline"

cat >"$dir/bound.rs" <<'END'
#![allow(non_camel_case_types, non_upper_case_globals, dead_code)]
include!("bound_valet.rs");
static mut PARKER: valet_parker = valet_parker { word: 0 };
static mut WAITERS: valet_waiters = valet_waiters { word: 0 };
fn main() {
    unsafe { valet_waiters_init(&mut WAITERS, VALET_STATE_MAX) };
    let thread = std::thread::spawn(|| unsafe {
        let parked = valet_park_until(&mut PARKER, VALET_FOREVER);
        (parked, valet_compare_and_wait(&mut WAITERS, VALET_STATE_MAX))
    });
    unsafe { valet_unpark(&mut PARKER) };
    unsafe { valet_store_and_wake(&mut WAITERS, 0) };
    assert_eq!(thread.join().unwrap(), (valet_status_VALET_OK, valet_status_VALET_OK));
    let mut word = 7u32;
    unsafe { valet_futex_wake(&mut word, VALET_FUTEX_ALL) };
    assert_eq!(unsafe { valet_futex_wait(&mut word, 7, 0) }, valet_status_VALET_TIMEDOUT);
}
END
rust() { # HEADERS
    bindgen "$1/valet.h" --allowlist-function 'valet_.*' --allowlist-type 'valet_.*' --allowlist-var 'VALET_.*' \
        -o "$dir/bound_valet.rs" -- "-I$1" -D__BINDGEN__ && PATH=/usr/bin:$PATH rustc --edition 2021 \
        "$dir/bound.rs" -L "$away/linux/lib" -l static=valet -o "$dir/bound" && "$dir/bound"
}
try 'bindgen and rustc take header and static library' rust "$away/linux/include"
try 'a header whose VALET_FOREVER is a macro for bindgen, too' edited macro 's/^#ifdef __BINDGEN__.*/#if 0/'
seen 'planted: ... is seen' 'cannot find value' rust "$dir/macro"

# ---- sanitizers and valgrind ------------------------------------------------------------------------

# sanitized WORDS SOURCES...: what a sanitizer reports is an exit status
sanitized() {
    words=$1
    shift
    # shellcheck disable=SC2086 # a list of words
    $words -g -O1 -pthread -I"$away/linux/include" "$here/client.c" "$@" -o "$dir/sanitized" &&
        TSAN_OPTIONS=exitcode=99 "$dir/sanitized"
}
installed_one=$away/linux/lib/libvalet.a
for words in 'gcc -fsanitize=address,undefined' 'clang -fsanitize=address,undefined' 'gcc -fsanitize=leak' \
    'clang -fsanitize=safe-stack'; do
    try "the installed library: $words" sanitized "$words" "$installed_one"
done
for words in 'gcc -fsanitize=thread' 'clang -fsanitize=thread' 'clang -fsanitize=memory'; do
    try "the one file, with the client's flags: $words" sanitized "$words" "$dir/linux/core/valet.c"
done
for cc in gcc clang; do
    seen "as the README says, not the installed library: $cc -fsanitize=thread" 'data race' sanitized \
        "$cc -fsanitize=thread" "$installed_one"
done

try 'posix, for valgrind' installed valgrind -Dos=posix -Dvalgrind=true
try 'linux, for valgrind' installed valgrind-linux -Dvalgrind=true
try 'installed: helgrind.supp' test -f "$away/valgrind/share/valet/helgrind.supp"
under() { # NAME TOOL
    gcc -g -O1 -pthread -DNO_LOCK -DROUNDS=20 -I"$away/$1/include" "$here/client.c" "$away/$1/lib/libvalet.a" \
        -o "$dir/under" && timeout 300 valgrind --quiet --fair-sched=yes --tool="$2" --error-exitcode=99 \
        --suppressions="$away/valgrind/share/valet/helgrind.supp" "$dir/under"
}
for tool in memcheck helgrind drd; do
    for which in valgrind valgrind-linux; do
        try "$which: $tool reports nothing" under "$which" $tool
    done
    case $tool in
    memcheck) try "... nor of the library without the option" under linux $tool ;;
    helgrind) seen "planted: the library without the option, $tool" 'data race' under linux $tool ;;
    drd) seen "planted: the library without the option, $tool" 'Conflicting' under linux $tool ;;
    esac
done
counted binary
