#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The demo counts what wc counts, on three CPUs, whatever the file, the workers and the chunks; it says
# what is wrong when it cannot; it does not hang; and this comparison finds two planted bugs.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/demo/texts.sh
dir=build/demo-test
rm -rf "$dir"
mkdir -p "$dir"

# demo CPU ARGUMENT...: run it, for a minute at most
demo() {
    cpu=$1
    shift
    if [ "$cpu" = "$(uname -m)" ]; then
        timeout 60 "$dir/$cpu/wc" "$@"
    else
        timeout 60 "qemu-$cpu" "$dir/$cpu/wc" "$@"
    fi
}

# same CPU FILE OPTION...
same() {
    cpu=$1
    file=$2
    shift 2
    expected=$(right_counts "$file")
    actual=$(demo "$cpu" "$@" "$file") || return
    [ "$actual" = "$expected" ] || {
        printf 'right: %s\ndemo:  %s\n' "$expected" "$actual"
        return 1
    }
}

# complains MESSAGE COMMAND...: status 1, and nothing is said but this
complains() {
    message="status 1: $1"
    shift
    actual=$("$@" 2>&1)
    actual="status $?: $actual"
    [ "$actual" = "$message" ] || {
        echo "$actual"
        return 1
    }
}

misused() {
    actual=$(demo "$native" "$@" 2>&1)
    actual="status $?: $actual"
    [ "$(echo "$actual" | head -n 1)" = 'status 1: usage: wc [-v] [-w WORKERS] [-c BYTES] FILE' ] || {
        echo "$actual"
        return 1
    }
}

# alone CPU: no library is loaded, nothing is undefined
alone() {
    ! llvm-readelf -lW "$dir/$1/wc" | grep -E 'INTERP|DYNAMIC' && [ -z "$(llvm-nm -u "$dir/$1/wc")" ]
}

texts "$dir" 3000000
head -c 10000 "$dir/binary" >"$dir/binary-small"

for cpu in x86_64 aarch64 riscv64; do
    try "$cpu: builds" sh test/demo/build.sh "$cpu" "$dir/$cpu"
    try "$cpu: needs no library" alone "$cpu"
    for workers in 1 2 8; do
        for file in empty one-byte one-line no-newline control control.posix text binary-small; do
            for chunk in 1 2 7 4096; do
                try "$cpu: $file, $workers workers, chunks of $chunk" \
                    same "$cpu" "$dir/$file" -w $workers -c $chunk
            done
        done
        for file in binary binary.posix; do
            try "$cpu: $file, $workers workers" same "$cpu" "$dir/$file" -w $workers
        done
    done
    try "$cpu: no file" complains "wc: $dir/none: no such file or directory" \
        demo "$cpu" "$dir/none"
    try "$cpu: a directory" complains "wc: $dir: is a directory" demo "$cpu" "$dir"
done

native=$(uname -m)
for arguments in '' '-w 0 x' '-w 33 x' '-c 0 x' '-c 1073741825 x' '-c 1k x' '-w' '-x x' '- x' 'x y'; do
    # shellcheck disable=SC2086 # a list of words
    try "misused: '$arguments'" misused $arguments
done
try 'no memory' complains 'wc: not enough memory for the chunks' \
    timeout 60 prlimit --as=1000000000 "$dir/$native/wc" -c 1000000000 "$dir/text"
# The chunks fit, the stacks do not.
try 'no thread' complains 'wc: cannot start a thread' \
    timeout 60 prlimit --as=1000000 "$dir/$native/wc" -w 32 -c 1 "$dir/text"
full() {
    demo "$native" "$dir/text" >/dev/full
}
try 'output to a full disk' complains '' full

# Chunks of one byte: a wait and a notify for nearly each, with every race between them.
often() {
    head -c 1000 "$dir/text" >"$dir/kilobyte"
    n=0
    while [ "$n" -lt 200 ]; do
        same "$native" "$dir/kilobyte" -w 8 -c 1 || return
        n=$((n + 1))
    done
}
try '200 times with chunks of one byte' often

# The planted bugs. Each is seen only where it should be.
build_planted() { # BUG: on the same library
    mkdir "$dir/planted-$1" && sh test/demo/build.sh "$native" "$dir/planted" "-DDEMO_PLANTED_BUG=$1" &&
        mv "$dir/planted/wc" "$dir/planted-$1"
}
for bug in 1 2 3; do
    try "planted bug $bug: builds" build_planted $bug
done
# planted BUG STATUS ARGUMENT...: 124 is that of one that hangs
planted() {
    bug=$1
    expected=$2
    shift 2
    limit=60
    [ "$expected" -ne 124 ] || limit=5
    timeout "$limit" "$dir/planted-$bug/wc" "$@" >"$dir/planted-$bug/counts"
    status=$?
    [ "$status" = "$expected" ] || {
        echo "status $status, not $expected"
        return 1
    }
}
# counted_right BUG FILE: whether its last run did
counted_right() {
    [ "$(cat "$dir/planted-$1/counts")" = "$(right_counts "$2")" ]
}
try 'planted bug 1: ends' planted 1 0 "$dir/text"
try 'planted bug 1: one chunk has no border' counted_right 1 "$dir/text"
try 'planted bug 1: ends with borders' planted 1 0 -c 7 "$dir/text"
try_not 'planted bug 1: words on borders count twice' counted_right 1 "$dir/text"
try 'planted bug 2: a lost notify hangs' planted 2 124 -w 1 -c 1 "$dir/binary-small"
try 'planted bug 2: the same without it' same "$native" "$dir/binary-small" -w 1 -c 1
try 'planted bug 3: ends with text' planted 3 0 "$dir/text"
try 'planted bug 3: text has no unprintable bytes' counted_right 3 "$dir/text"
for file in control control.posix; do
    try "planted bug 3: ends with $file" planted 3 0 "$dir/$file"
    try_not "planted bug 3: unprintable bytes divide words: $file" counted_right 3 "$dir/$file"
done

# The one for a board: both cores got all, and were idle for a share of the time.
on_a_board() {
    sh test/demo/board.sh "$dir/board" >"$dir/board.out" 2>&1 || { cat "$dir/board.out" && return 1; }
    [ "$(grep -cE '^core [01]: 500 samples, [0-9]+ lost, [1-9][0-9]* parks, idle [1-9][0-9]* % of the time$' \
        "$dir/board.out")" -eq 2 ] || { cat "$dir/board.out" && return 1; }
}
try 'on a board: two cores are fed by interrupts' on_a_board
board_hangs() {
    grep -v "^        valet_unpark(&other->parker);" test/demo/board.c >"$dir/board.c"
    ! cmp -s "$dir/board.c" test/demo/board.c || return 1
    sh test/demo/board.sh "$dir/planted-board" "$dir/board.c" 3 >"$dir/board.out" 2>&1
    [ $? -eq 124 ]
}
try 'planted on a board: a handler that does not unpark hangs' board_hangs

counted demo
