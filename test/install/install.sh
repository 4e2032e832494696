#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: install.sh BUILD. `meson install`, and projects outside that find the library by pkg-config,
# by CMake and as a Meson subproject; the same bytes from builds in different directories.
set -u
build=$1
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=$PWD/build/install
rm -rf "$dir"
mkdir -p "$dir/outside"
# Installed where no path has a space: pkgconf 1.8 puts PKG_CONFIG_SYSROOT_DIR twice before one that has.
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
try 'meson install' env DESTDIR="$root" meson install -C "$build" --no-rebuild
prefix=$root$(meson introspect --buildoptions "$build" | python3 -c '
import json, sys
print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
for file in include/valet.h include/valet_locks.h include/valet_locks.hpp include/valet_sys.h include/valet_config.h \
    share/man/man3/valet_cond.3 share/man/man3/valet_mutex.3 share/man/man3/valet_park.3 \
    share/man/man3/valet_waiters.3 share/man/man3/valet_futex.3 share/man/man7/valet.7 share/man/man7/valet_sys.7; do
    try "installed: $file" test -f "$prefix/$file"
done
pc=$(find "$prefix" -name valet.pc)
try 'installed: valet.pc' test -f "$pc"
library=$(dirname "$(dirname "$pc")")
PKG_CONFIG_LIBDIR=$(dirname "$pc")
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR="$root"
cat >"$dir/outside/main.c" <<'END'
#include <valet.h>
int main(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    valet_unpark(&p);
    return valet_park(&p) == VALET_OK && valet_park_for(&p, 1000000) == VALET_TIMEDOUT ? 0 : 1;
}
END
cp "$dir/outside/main.c" "$dir/outside/main.cc"
cat >"$dir/outside/locks.cc" <<'END'
#include <mutex>
#include <valet_locks.hpp>
int main()
{
    valet::mutex a, b;
    std::scoped_lock hold(a, b);
    return a.try_lock() || b.try_lock_for(std::chrono::milliseconds(1)) ? 1 : 0;
}
END

# pkg-config, which quotes what it prints as a shell needs it. valet_sys.h is there too, for those who bring a
# system.
outside() { # COMPILER FILE
    set -- "$1" -Wall -Wextra -Wpedantic -Werror -include valet_sys.h "$dir/outside/$2" -o "$dir/outside/program"
    eval "set -- \"\$@\" $(pkg-config --cflags --libs valet)"
    "$@" && "$dir/outside/program"
}
try 'a C project outside, by pkg-config' outside gcc main.c
try 'a C++ project outside, by pkg-config' outside g++ main.cc
try '... with the locks of C++' outside g++ locks.cc
told() {
    [ "$(pkg-config --variable=os valet)-$(pkg-config --variable=kind valet)" = linux-futex ]
}
try 'pkg-config tells the system and the kind' told
# configured DIRECTORY SYSTEM KIND: the header tells them to the preprocessor
configured() {
    printf '#include <valet_config.h>\n#if VALET_KIND == VALET_KIND_%s && VALET_SYSTEM_%s\nVALET_SYSTEM\n#endif\n' \
        "$3" "$(echo "$2" | tr '[:lower:]' '[:upper:]')" | gcc -E -P -Wundef -Werror "-I$1" - | grep -qx "\"$2\""
}
try 'valet_config.h does so, too' configured "$prefix/include" linux FUTEX
try_not 'planted: it is of the other kind' configured "$prefix/include" linux SEMA

# CMake, from where it was installed and from where the whole tree was moved to
cat >"$dir/outside/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(outside C)
find_package(valet ${WANTED} REQUIRED)
if(NOT "${VALET_OS}-${VALET_KIND}" STREQUAL "${TOLD}")
  message(FATAL_ERROR "system and kind: ${VALET_OS}-${VALET_KIND}")
endif()
add_executable(program main.c)
target_link_libraries(program PRIVATE valet::valet)
END
by_cmake() { # PREFIX OS-KIND VERSION
    rm -rf "$dir/outside/cmake"
    cmake -S "$dir/outside" -B "$dir/outside/cmake" "-DCMAKE_PREFIX_PATH=$1" "-DTOLD=$2" "-DWANTED=$3" &&
        cmake --build "$dir/outside/cmake" && "$dir/outside/cmake/program"
}
version=$(meson introspect --projectinfo "$build" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["version"])')
cp -r "$prefix" "$dir/moved"
# The version that the header states, which is Meson's
stated() {
    printf '#include <valet.h>\nVALET_VERSION_MAJOR.VALET_VERSION_MINOR.VALET_VERSION_PATCH\n' |
        gcc -E -P "-I$1" - | tail -n 1 | tr -d ' '
}
states() { [ "$(stated "$1")" = "$version" ]; }
try "valet.h is of version $version" states "$prefix/include"
mkdir -p "$dir/later"
sed 's/\(define VALET_VERSION_MINOR \).*/\1 99/' "$prefix/include/valet.h" >"$dir/later/valet.h"
try_not 'planted: valet.h of another version' states "$dir/later"
try 'a project outside, by CMake, its version asked for' by_cmake "$prefix" linux-futex "$version"
try '... from where the tree was moved to' by_cmake "$dir/moved" linux-futex ''
try_not '... of a later version' by_cmake "$prefix" linux-futex "${version%.*}.99"
try_not '... of another major version' by_cmake "$prefix" linux-futex 99

# A Meson subproject, fetched as the example wrap file says, but for its url; of the tree as it is now
git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - |
    (mkdir "$dir/tree" && cd "$dir/tree" && tar -xf -)
(cd "$dir/tree" && git init -q && git add -A && git -c user.name=test -c user.email=test commit -qm tree)
cat >"$dir/outside/meson.build" <<'END'
project('outside', 'c', default_options: ['c_std=c11'])
exe = executable('program', 'main.c', dependencies: dependency('valet'))
test('program', exe)
END
by_subproject() {
    rm -rf "$dir/outside/meson" "$dir/outside/subprojects"
    mkdir "$dir/outside/subprojects"
    sed "s|^url = .*|url = file://$dir/tree|" include/package/valet.wrap >"$dir/outside/subprojects/valet.wrap"
    meson setup "$dir/outside/meson" "$dir/outside" "$@" && ninja -C "$dir/outside/meson" &&
        meson test -C "$dir/outside/meson"
}
try 'a Meson project outside, by the wrap file' by_subproject
try '... of the posix row, which needs threads' by_subproject -Dvalet:os=posix

# Another row by CMake: what it depends on comes with it.
posix() {
    meson setup "$dir/tree/build-posix" "$dir/tree" -Dos=posix -Dtests=false -Dlibdir=lib &&
        DESTDIR=$dir/posix meson install -C "$dir/tree/build-posix" &&
        configured "$dir/posix/usr/local/include" posix SEMA &&
            by_cmake "$dir/posix/usr/local" posix-sema "$version"
}
try 'the posix row, by CMake' posix

# The same bytes: from another directory, deeper, and a build directory outside of it
twice() { # NAME TREE BUILD MESON-OPTIONS...
    name=$1 tree=$2 where=$3
    shift 3
    meson setup "$where" "$tree" -Dtests=false "$@" && DESTDIR=$dir/$name meson install -C "$where"
}
mkdir -p "$dir/a/much/deeper/directory"
cp -r "$dir/tree" "$dir/a/much/deeper/directory/valet"
try 'built in its tree' twice one "$dir/tree" "$dir/tree/build"
try 'built outside of a copy' twice two "$dir/a/much/deeper/directory/valet" "$dir/elsewhere"
same() { diff -r "$dir/one" "$dir/two" && [ "$(find "$dir/one" -type f | wc -l)" -ge 12 ]; }
try 'the installed files are the same, byte by byte' same
debug() {
    readelf --debug-dump=info "$dir/one${library#"$root"}/libvalet.a" | grep -q 'DW_AT_name .*park_futex.c'
}
try '... with debug information' debug

mv "$prefix/include/valet.h" "$prefix/include/hidden.h"
try_not 'planted: no installed header, pkg-config' outside gcc main.c
mv "$prefix/include/hidden.h" "$prefix/include/valet.h"
mv "$library/libvalet.a" "$library/hidden.a"
try_not 'planted: no installed library, CMake' by_cmake "$prefix" linux-futex ''
sed -i "s/'-ffile-prefix-map=.*format(root)/'-Wall'/" "$dir/a/much/deeper/directory/valet/meson.build"
sed -i 's/^VALET_API int valet_park(/VALET_API int valet_perk(/' "$dir/tree/include/valet.h"
(cd "$dir/tree" && git -c user.name=test -c user.email=test commit -qam planted)
try_not 'planted: another header, subproject' by_subproject
rm -rf "$dir/two" "$dir/elsewhere"
try 'planted: names of directories, built' twice two "$dir/a/much/deeper/directory/valet" "$dir/elsewhere"
try_not '... and seen' same
counted install
