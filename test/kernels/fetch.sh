#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: fetch.sh DIR. Leave the kernels that Debian 12 has for virtual machines in DIR, each below its CPU's
# name, and the release that it calls itself by in DIR/CPU/release. The packages are fetched, which apt
# checks against Debian's signature, and unpacked: nothing is installed. A mirror that does not answer is
# asked again, for some minutes.
set -eu
[ ! -d "$1" ] || exit 0
new=$1.new
rm -rf "$new"
mkdir -p "$new/lists/partial" "$new/cache/archives/partial"
kept=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$new"

# Lists and a state of our own: the machine's need know no other CPU, and stay as they are.
: >status
cat >sources.list <<END_OF_LIST
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main
END_OF_LIST
options="-q -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Architectures::=arm64
    -o Dir::Etc::sourcelist=$PWD/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$PWD/lists
    -o Dir::State::status=$PWD/status -o Dir::Cache=$PWD/cache -o APT::Sandbox::User=root
    -o APT::Update::Error-Mode=any"

# fetch CPU ARCHITECTURE: what the package without a number depends on is the kernel of today
fetch() {
    # shellcheck disable=SC2086 # words
    package=$(apt-cache $options depends "linux-image-cloud-$2:$2" | sed -n 's/^ *Depends: *//p')
    release=${package%:*} release=${release#linux-image-}
    [ -n "$release" ] || return 1
    rm -rf "$1"
    mkdir -p "$1"
    # shellcheck disable=SC2086 # words
    timeout 300 apt-get $options download "linux-image-$release:$2" && dpkg-deb --fsys-tarfile "linux-image-$release"_*.deb |
        tar -x -C "$1" --strip-components=2 "./boot/vmlinuz-$release" && mv "$1/vmlinuz-$release" "$1/vmlinuz" && echo "$release" >"$1/release"
}

for pause in 5 10 20 40 0; do
    rm -f ./*.deb
    # shellcheck disable=SC2086 # words
    if timeout 300 apt-get $options update && fetch x86_64 amd64 && fetch aarch64 arm64; then
        rm -rf lists cache ./*.deb
        cd /
        mv "$kept.new" "$kept"
        exit 0
    fi
    sleep $pause
done
echo "fetch.sh: no kernels from deb.debian.org in five tries" >&2
exit 1
