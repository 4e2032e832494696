#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: fetch.sh DIR. Leave the kernels that Debian 12 has for virtual machines in DIR, each below its CPU's
# name, and the release that it calls itself by in DIR/CPU/release. The packages are fetched, which apt
# checks against Debian's signature, and unpacked: nothing is installed. A mirror that does not answer is
# asked again, for some minutes.
set -eu
[ ! -d "$1" ] || exit 0
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/test/lib/apt.sh"
new=$1.new
rm -rf "$new"
mkdir -p "$new"
kept=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$new"

apt_lists deb
apt_cpus amd64 arm64

# fetch CPU ARCHITECTURE: what the package without a number depends on is the kernel of today
fetch() {
    package=$(apt-cache depends "linux-image-cloud-$2:$2" | sed -n 's/^ *Depends: *//p')
    release=${package%:*} release=${release#linux-image-}
    [ -n "$release" ] || return 1
    rm -rf "$1"
    mkdir -p "$1"
    timeout 300 apt-get download "linux-image-$release:$2" &&
        dpkg-deb --fsys-tarfile "linux-image-$release"_*.deb |
        tar -x -C "$1" --strip-components=2 "./boot/vmlinuz-$release" &&
        mv "$1/vmlinuz-$release" "$1/vmlinuz" && echo "$release" >"$1/release"
}

get() {
    rm -f ./*.deb
    timeout 300 apt-get update && fetch x86_64 amd64 && fetch aarch64 arm64
}
five_times kernels get
rm -rf lists cache ./*.deb
cd /
mv "$kept.new" "$kept"
