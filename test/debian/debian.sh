#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The other Debian, 13 on 12 and 12 on any other: the demo's native row, the quick tests and what its gcc's stack
# protector finds, in a chroot below build/, made by debootstrap from the mirror of this machine's own lists of
# packages, and removed again. Its mounts are in a name space that ends with it. Where that cannot be had it is
# skipped, and says why.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=$PWD/build/debian
root=$dir/root

skip() {
    echo "debian: $*"
    exit 77
}
[ "$(id -u)" -eq 0 ] || skip 'a chroot needs root'
unshare --mount true 2>/dev/null || skip 'no name space for the mounts of a chroot'
sh test/lib/setup.sh --only debootstrap debian-archive-keyring >/dev/null 2>&1 || skip 'debootstrap cannot be installed'
# shellcheck disable=SC2016 # apt's own
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | grep -m 1 '/debian/*$') ||
    skip 'this machine has no mirror of Debian'
other=trixie
! grep -q '^VERSION_CODENAME=trixie' /etc/os-release || other=bookworm

rm -rf --one-file-system "$dir"
mkdir -p "$dir"
trap 'rm -rf --one-file-system "$root"' EXIT
trap 'exit 143' INT TERM HUP

bootstrap() {
    timeout -k 10 600 debootstrap --variant=minbase --include=ca-certificates "$other" "$root" "$mirror"
}
if ! bootstrap >"$dir/log" 2>&1; then
    tail -n 3 "$dir/log"
    skip "debootstrap of $other from $mirror does not end well"
fi
good "$other, by debootstrap from $mirror: Debian $(cat "$root/etc/debian_version")"
eval "$(apt-config shell proxy Acquire::http::Proxy)"
[ -z "${proxy-}" ] || echo "Acquire::http::Proxy \"$proxy\";" >"$root/etc/apt/apt.conf.d/proxy"
echo 'Acquire::Languages "none";' >"$root/etc/apt/apt.conf.d/languages"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
tree=$root/root/valet
mkdir -p "$tree"
tar -cf - --exclude='./build*' --exclude=./.git . | tar -xf - -C "$tree"

# inside COMMAND: in the tree, with /proc and /dev
inside() {
    # shellcheck disable=SC2016 # the inner shell's
    timeout -k 10 900 unshare --mount sh -c 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
        exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh -c "cd /root/valet && $2"' \
        - "$root" "$1"
}

# said COMMAND PATTERN: it ends well, and says such a line
said() {
    inside "$1" >"$dir/said" 2>&1
    status=$?
    tail -n 25 "$dir/said"
    [ "$status" -eq 0 ] && grep -q "$2" "$dir/said"
}
try "$other: the demo, natively" said 'sh test/demo.sh x86_64' '^x86_64 .*same as wc$'
printf '%s\n' "$output" | grep '^x86_64' | sed 's/^/        /'
try "$other: the quick tests" said 'sh test/all.sh quick' '^[1-9][0-9]* passed, 0 failed, [0-9]* skipped$'
printf '%s\n' "$output" | tail -n 1 | sed 's/^/        /'
# What a stack protector protects depends on what the compiler has inlined.
# shellcheck disable=SC2016 # the inner shell's
unprotected='for file in core/*.c core/locks/*.c sys/linux.c; do for level in -O2 -Os; do
    gcc -std=c11 -w $level -ffreestanding -fstack-protector-strong -I. -Iinclude -c $file -o /tmp/valet.o &&
        ! nm -u /tmp/valet.o | grep __stack_chk_fail || { echo "$file, $level"; exit 1; }
done; done; echo unprotected'
try "$other: nothing that its gcc protects" said "$unprotected" '^unprotected$'
# The same, and the same looks at it, where something is wrong
try 'planted: no function without protection' sed -i \
    's/^#define VALET_UNPROTECTED __attr.*/#define VALET_UNPROTECTED/' "$tree/include/valet_sys.h"
try_not '... and gcc protects one' said "$unprotected" '^unprotected$'
try 'planted: an unpark that wakes nobody' python3 -S test/lib/plant.py "$tree/core/park_futex.c" \
    'valet_sys_futex_wake((uint32_t *)word, VALET_WAKE_PARKED);' '(void)word;'
try_not '... and the demo hangs' said 'timeout 30 sh test/demo.sh x86_64' '^x86_64 .*same as wc$'
counted debian
