#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: musl_source.sh DIR. Leave Debian's source of musl, unpacked, as DIR, which is new. It is fetched
# once, to build/musl-source; a mirror that does not answer is asked again, for some minutes.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build
kept=$PWD/build/musl-source
case $1 in /*) dir=$1 ;; *) dir=$PWD/$1 ;; esac

fetch() {
    rm -rf "$kept.new"
    mkdir -p "$kept.new/lists/partial" "$kept.new/cache/archives/partial"
    cd "$kept.new"
    # A list of our own, with what apt derives from it: the machine's need not name source packages, and
    # stays as it is.
    cat >sources.list <<END_OF_LIST
deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main
END_OF_LIST
    apt="apt-get -q -o Dir::Etc::sourcelist=$PWD/sources.list -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::lists=$PWD/lists -o Dir::Cache=$PWD/cache -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any"
    for pause in 5 10 20 40 0; do
        rm -rf musl*
        # shellcheck disable=SC2086 # words
        if timeout 300 $apt update && timeout 300 $apt source musl && [ "$(find musl-*/ -maxdepth 0 | wc -l)" -eq 1 ]; then
            mv musl-*/ "$kept"
            cd "$kept"
            rm -rf "$kept.new"
            return
        fi
        sleep $pause
    done
    echo "musl_source.sh: no source package musl from deb.debian.org in five tries" >&2
    return 1
}

# Several builds may ask at the same time.
(
    flock 9
    [ -d "$kept" ] || fetch
) 9>"$kept.lock"
mkdir -p "$(dirname "$dir")"
rm -rf "$dir"
cp -a "$kept" "$dir"
