#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: musl.sh CPU DIR. musl for the use of Debian's compiler for that CPU: the package that Debian 12 has,
# fetched and unpacked without installing it; for riscv64, which has none there, it is built from the source
# package, and with STRENGTH=normal only its headers are made. Leaves DIR/include, DIR/lib, DIR/cc, a wrapper
# of that compiler, and DIR/cross.txt for Meson. Nothing of it enters the repository.
set -eu
cpu=$1
dir=$2
case ${STRENGTH:-deep}-$cpu in
normal-riscv64) what=install-headers ;;
*) what=install ;;
esac
[ ! -f "$dir/cross.txt" ] || exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
new=$dir/new
rm -rf "$new" "${dir:?}/include" "${dir:?}/lib"
cd "$(dirname "$0")/../.."
. test/lib/apt.sh

# Without the directories of which no program of ours links anything. musl's makefile cannot install where a path
# has a space: by another name of the directory, for that long
build() {
    none='aio|complex|crypt|dirent|ipc|legacy|mq|network|passwd|regex|search|termios'
    link=$(mktemp -d) && ln -s "$dir" "$link/musl" && sh test/cross/musl_source.sh "$new" && cd "$new" &&
        CC="$cpu-linux-gnu-gcc" CROSS_COMPILE="$cpu-linux-gnu-" ./configure --target="$cpu-linux-musl" \
            --prefix="$link/musl" --syslibdir="$link/musl/lib" --disable-shared --enable-wrapper=no &&
        sources=$(find ./src -maxdepth 1 | grep -vxE "./src/($none)" | xargs) &&
        make -s -j2 "SRC_DIRS=$sources ./src/malloc/mallocng ./crt" "$what"
    status=$?
    rm -rf "$link"
    return $status
}

# get ARCHITECTURE
get() {
    rm -rf ./*.deb tree
    timeout 300 apt-get update && timeout 300 apt-get download "musl-dev:$1" && dpkg-deb -x "$(echo ./*.deb)" tree
}

fetch() {
    mkdir "$new" && cd "$new" && apt_lists deb && apt_cpus "$1" && five_times "package musl-dev:$1" get "$1" &&
        mv "tree/usr/include/$cpu-linux-musl" "$dir/include" && mv "tree/usr/lib/$cpu-linux-musl" "$dir/lib"
}

case $cpu in
x86_64) set -- fetch amd64 ;;
aarch64) set -- fetch arm64 ;;
*) set -- build ;;
esac
("$@") >"$dir/log" 2>&1 || {
    tail -n 20 "$dir/log" >&2
    exit 1
}
rm -rf "$new"
[ "$what" = install ] || exit 0

# As musl's own wrapper does it: no header, library or start file but musl's.
cat >"$dir/cc.tmp" <<END
#!/bin/sh
case " \$* " in
*" -c "* | *" -E "* | *" -S "*) ;;
*)
    set -- -nostdlib -static "$dir/lib/crt1.o" "$dir/lib/crti.o" "\$@" -L"$dir/lib" \\
        -Wl,--start-group -lc -lgcc -lgcc_eh -Wl,--end-group "$dir/lib/crtn.o"
    ;;
esac
exec $cpu-linux-gnu-gcc -nostdinc -isystem "$dir/include" \\
    -isystem "\$($cpu-linux-gnu-gcc -print-file-name=include)" "\$@"
END
chmod +x "$dir/cc.tmp"
mv "$dir/cc.tmp" "$dir/cc"
cat >"$dir/cross.txt" <<END
[binaries]
c = '$dir/cc'
ar = '$cpu-linux-gnu-ar'
strip = '$cpu-linux-gnu-strip'
exe_wrapper = 'qemu-$cpu'

[host_machine]
system = 'linux'
cpu_family = '$cpu'
cpu = '$cpu'
endian = 'little'
END
