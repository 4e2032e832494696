#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: fetch.sh DIR. Leave the kernels that Debian 12 has for virtual machines in DIR, each below its CPU's
# name, and the release that it calls itself by in DIR/CPU/release; for riscv64, which Debian 12 lacks, that of
# Debian 13. The packages are fetched, which apt checks against Debian's signature, and unpacked: nothing is
# installed. A mirror that does not answer is asked again, for some minutes.
set -eu
[ ! -f "$1/riscv64/release" ] || exit 0
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/test/lib/apt.sh"
new=$1.new
rm -rf "$new"
mkdir -p "$new"
kept=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$new"

apt_lists deb
apt_cpus amd64 arm64

# fetch CPU ARCHITECTURE PACKAGE IMAGE: what the package without a number depends on is the kernel of today. tar ends
# with the kernel: most of a package, its modules, comes after it, and dpkg-deb says that nobody takes it.
fetch() {
    package=$(apt-cache depends "$3:$2" | sed -n 's/^ *Depends: *//p')
    release=${package%:*} release=${release#linux-image-}
    [ -n "$release" ] || return 1
    rm -rf "$1"
    mkdir -p "$1"
    timeout 300 apt-get download "linux-image-$release:$2" &&
        dpkg-deb --fsys-tarfile "linux-image-$release"_*.deb |
        tar -x -C "$1" --strip-components=2 --occurrence "./boot/$4-$release" &&
        mv "$1/$4-$release" "$1/vmlinuz" && echo "$release" >"$1/release"
}

get() {
    rm -f ./*.deb
    timeout 300 apt-get update && fetch x86_64 amd64 linux-image-cloud-amd64 vmlinuz &&
        fetch aarch64 arm64 linux-image-cloud-arm64 vmlinuz
}
get_13() {
    rm -f ./*.deb
    timeout 300 apt-get update && fetch riscv64 riscv64 linux-image-riscv64 vmlinux
}
five_times kernels get
sed -i 's/ bookworm / trixie /' sources.list
apt_cpus amd64 riscv64
five_times 'kernel of Debian 13' get_13
rm -rf lists cache ./*.deb
cd /
rm -rf "$kept"
mv "$kept.new" "$kept"
