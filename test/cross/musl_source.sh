#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: musl_source.sh DIR. Leave Debian's source of musl, unpacked, as DIR, which is new. It is fetched
# once, to build/musl-source; a mirror that does not answer is asked again, for some minutes.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build
kept=$PWD/build/musl-source
case $1 in /*) dir=$1 ;; *) dir=$PWD/$1 ;; esac

. test/lib/apt.sh

get() {
    rm -rf musl*
    timeout 300 apt-get update && timeout 300 apt-get source musl && [ "$(find musl-*/ -maxdepth 0 | wc -l)" -eq 1 ]
}

fetch() {
    rm -rf "$kept.new"
    mkdir -p "$kept.new"
    cd "$kept.new"
    apt_lists deb-src
    five_times 'source package musl' get || return
    mv musl-*/ "$kept"
    cd "$kept"
    rm -rf "$kept.new"
}

# Several builds may ask at the same time.
(
    flock 9
    [ -d "$kept" ] || fetch
) 9>"$kept.lock"
mkdir -p "$(dirname "$dir")"
rm -rf "$dir"
cp -a "$kept" "$dir"
