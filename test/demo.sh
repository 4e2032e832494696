#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The demo: count the words of a text of 50 MB or more with a pool of threads on locks of valet, in a
# static program without a C library, on three CPUs; compare with wc. Debian, x86_64: first natively, which needs
# a compiler, Meson and ninja, then on the other two, under QEMU. Usage: demo.sh [CPU...]
set -eu
cd "$(dirname "$0")/.."
sh test/lib/setup.sh --only gcc libc6-dev meson ninja-build

die() {
    echo "demo: $*" >&2
    exit 1
}

out=build/demo-output
text=$out/text
mkdir -p "$out"

# Text that every Debian with a compiler has: as much of it, or as often, as it takes.
find /usr/include /usr/share/common-licenses /usr/share/doc -type f \
    \( -name '*.h' -o -name copyright -o -path '*/common-licenses/*' \) -print0 |
    LC_ALL=C sort -z >"$out/files"
# Of it what is ASCII: wc of coreutils 9.1 (Debian 12) counts no word of other bytes alone, that of 9.7 does.
# xargs would report that head has enough.
xargs -0 cat <"$out/files" 2>"$out/xargs.log" | LC_ALL=C tr -cd '\t-\r -~' | head -c 60000000 >"$out/once"
[ -s "$out/once" ] || die 'found no text under /usr/include and /usr/share'
: >"$text"
while [ "$(wc -c <"$text")" -lt 50000000 ]; do
    cat "$out/once" >>"$text"
done
expected=$(LC_ALL=C wc "$text")

run() { # WHERE COMMAND...
    where=$1
    shift
    "$@" -v "$text" >"$out/counts" 2>"$out/cost" || die "$where: $(cat "$out/cost" "$out/counts")"
    [ "$(cat "$out/counts")" = "$expected" ] || die "$where: not the same as wc
  wc:   $expected
  demo: $(cat "$out/counts")"
}

echo 'Words of headers and licences, counted by 4 threads without a C library, on locks of valet:'
format='%-8s %8s %8s %9s %6s %6s %6s %6s  %s\n'
# shellcheck disable=SC2059 # the format is a constant
printf "$format" cpu lines words bytes ms locks waits wakes ''
[ $# -gt 0 ] || set -- x86_64 aarch64 riscv64
for cpu; do
    case $cpu in
    aarch64) sh test/lib/setup.sh --only gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user ;;
    riscv64) sh test/lib/setup.sh --only gcc-riscv64-linux-gnu libc6-dev-riscv64-cross qemu-user ;;
    esac
    sh test/demo/build.sh "$cpu" "build/demo-$cpu"
    if [ "$cpu" = "$(uname -m)" ]; then
        run "$cpu" "build/demo-$cpu/wc"
    else
        run "$cpu" "qemu-$cpu" "build/demo-$cpu/wc"
    fi
    # shellcheck disable=SC2046 # "LINES WORDS BYTES NAME MS ms, CHUNKS chunks, LOCKS locks, WAITS waits, WAKES wakes"
    set -- $(cat "$out/counts" "$out/cost")
    # shellcheck disable=SC2059
    printf "$format" "$cpu" "$1" "$2" "$3" "$5" "$9" "${11}" "${13}" 'same as wc'
done
echo 'How often it locked its mutex, waited for a condition variable and notified one, by its own count.'

# What of that reached the kernel. A run of its own, as strace slows down what it looks at.
sh test/lib/setup.sh --only strace
cpu=$(uname -m)
run "strace on $cpu" strace -f --seccomp-bpf -e trace=futex -o "$out/strace" "build/demo-$cpu/wc"
waits=$(grep -c 'futex(.*FUTEX_WAIT' "$out/strace") || die 'strace saw no futex wait'
wakes=$(grep -c 'futex(.*FUTEX_WAKE' "$out/strace") || die 'strace saw no futex wake'
# shellcheck disable=SC2046 # as above
set -- $(cat "$out/cost")
echo "$cpu again, under strace: for $5 locks, $7 waits and $9 wakes there were $waits system calls to wait"
echo "and $wakes to wake, by strace's count; all others needed none."
