#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: setup.sh [PACKAGE...]. Install what the tests need, and these, on Debian, as root; with --only first
# these alone. Says what it installs and how far it is. Does nothing, quickly, where all of it is there.
set -eu

packages='
bindgen
binutils
cargo
chromium
clang
clang-format
clang-tidy
cmake
cppcheck
doxygen
dpkg-dev
g++
gcc
gcc-aarch64-linux-gnu
gcc-arm-none-eabi
gcc-arm-linux-gnueabi
gcc-arm-linux-gnueabihf
gcc-hppa-linux-gnu
gcc-i686-linux-gnu
gcc-m68k-linux-gnu
gcc-mingw-w64-x86-64
gcc-mips64el-linux-gnuabi64
gcc-powerpc64-linux-gnu
gcc-powerpc64le-linux-gnu
gcc-riscv64-linux-gnu
gcc-riscv64-unknown-elf
gcc-s390x-linux-gnu
gdb
git
graphviz
libc6-dev
libc6-dev-arm64-cross
libc6-dev-armel-cross
libc6-dev-armhf-cross
libc6-dev-hppa-cross
libc6-dev-i386-cross
libc6-dev-m68k-cross
libc6-dev-mips64el-cross
libc6-dev-ppc64-cross
libc6-dev-ppc64el-cross
libc6-dev-riscv64-cross
libc6-dev-s390x-cross
libclang-rt-dev
librust-parking-lot-dev
librust-rand-dev
libunicorn-dev
lld
llvm
make
mandoc
meson
musl-tools
ninja-build
picolibc-aarch64-linux-gnu
picolibc-riscv64-unknown-elf
pkg-config
python3
python3-cffi
qemu-system-arm
qemu-system-misc
qemu-system-x86
qemu-user
rustc
shellcheck
strace
valgrind
wine
'

if [ "${1-}" = --only ]; then
    packages=
    shift
fi
missing=
# One question for all takes as long as one for a single package. It fails, and tells of the others, where it does not
# know one.
# shellcheck disable=SC2086 # a list of words
known=$(dpkg-query -W -f '${Package} ${Status}\n' $packages "$@" 2>/dev/null || true)
for package in $packages "$@"; do
    case "
$known
" in
    *"
$package install ok installed
"*) ;;
    *) missing="$missing $package" ;;
    esac
done
# Node comes in other packages, too.
[ -z "$packages" ] || command -v node >/dev/null || missing="$missing nodejs"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "setup: not root; install these packages and run again:$missing" >&2
    exit 1
fi
# Steps that run at the same time may want packages, and apt does not wait for another one by itself.
exec 8<"$0"
flock 8
echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# A mirror that does not answer is asked again. (What a package starts does not keep the lock.)
apt_get() { apt-get -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300 "$@" 8<&-; }

# install PACKAGE...: apt tells its progress to descriptor 3; of this each tenth of what is fetched, and each
# package that was asked for.
install() {
    {
        apt_get -o APT::Status-Fd=3 install -yq --no-install-recommends "$@" 3>&1 >>"$log" 2>&1
        echo "ended:$?"
    } | awk -F: -v asked=" $* " '
        $1 == "dlstatus" && int($3 / 10) > fetched {
            fetched = int($3 / 10)
            printf "setup: %3d%% fetched\n", 10 * fetched
        }
        $1 == "pmstatus" && / Installed | installed/ && index(asked, " " $2 " ") { printf "setup: %3d%% %s\n", $3, $2 }
        $1 == "ended" { status = $2 }
        { fflush() }
        END { exit status }'
}

# A machine whose lists are old, or that has none yet, may not find a package at the first try.
# shellcheck disable=SC2086 # a list of words
if ! install $missing; then
    apt_get update -q >"$log" 2>&1 || true
    if ! install $missing; then
        tail -n 20 "$log" >&2
        echo "setup: apt-get could not install:$missing" >&2
        exit 1
    fi
fi
