# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# Sourced by the tests of the demo: the texts that it counts, and what is right.

# texts DIRECTORY BYTES: write them; `binary` has so many bytes. wc of coreutils 9.1 (Debian 12) counts a word
# only if it has a printable character, that of 9.7 (Debian 13) and POSIX count unprintable ones, too. The words
# of `control` and `binary` all have one and are the same words to both; those of the two *.posix have not.
texts() {
    rm -f "$1"/*.right
    : >"$1/empty"
    printf 'x' >"$1/one-byte"
    printf '\n' >"$1/one-line"
    printf 'one two\n three' >"$1/no-newline"
    printf 'a\001\001\001b \200c\200c\200 \001x y\177\n\240z\t\v\f\rd\0e' >"$1/control"
    printf 'a\001\001\001b \200\200c\200\200 \001 \177\n\240\t\v\f\rd\0e' >"$1/control.posix"
    head -c 4500 test/demo/wc.c >"$1/text" # not a multiple of any chunk of the tests
    python3 -c 'import random, re, sys
random.seed(1)
data = random.randbytes(int(sys.argv[2]))
open(sys.argv[1] + "/binary.posix", "wb").write(data)
open(sys.argv[1] + "/binary", "wb").write(
    re.sub(rb"(?<!\S)[^\s!-~]+(?!\S)", lambda word: b"x" + word[0][1:], data))' "$1" "$2"
}

# right_counts FILE: the line that is right, from wc or, for *.posix, from Python, whose words are those of POSIX:
# what isspace divides. POSIXLY_CORRECT: else byte 160 divides, too, says wc of coreutils 9.7. Each
# file is counted once.
right_counts() {
    [ -e "$1.right" ] || counts_of "$1" >"$1.right"
    cat "$1.right"
}
counts_of() {
    case $1 in
    *.posix)
        python3 -c 'import sys
data = open(sys.argv[1], "rb").read()
width = len(str(len(data)))
print(f"{data.count(10):{width}} {len(data.split()):{width}} {len(data)} {sys.argv[1]}")' "$1"
        ;;
    *) POSIXLY_CORRECT=1 LC_ALL=C wc "$1" ;;
    esac
}
