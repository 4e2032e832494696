#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: model.sh [quick] [ROW]. Run the library's machine code for each system against the model of
# its kernel, at every interleaving (model/model.h, model/table), then plant each of model/bugs and
# see it found. quick: each row on its first CPU only, and at visible operations only; STRENGTH=normal: on
# another one of its CPUs from row to row, and a twelfth of the bugs. Objects go to build/model, or to $MODEL_BUILD.
set -eu
test=$(cd "$(dirname "$0")/.." && pwd)
. "$test/lib/tools.sh"
root=$(dirname "$test")
build=${MODEL_BUILD:-$root/build/model}
. "$root/test/lib/count.sh"
. "$root/test/compile/together.sh"
export MODEL_BUILD="$build"

# object TREE UNIT FILES COMMAND...: $o, in $objects, which is for that command: the files in one. One that another
# image has is not made again, but where a bug is planted in what it was made from: these files are in TREE/planted.
object() {
    tree_of=$1 o=$objects/$2.o files_of=$3
    shift 3
    [ -e "$o" ] || made "$root" "$@"
    if [ "$tree_of" != "$root" ] && grep -qFf "$tree_of/planted" "$o.d"; then
        o=${tree_of%/*}/${o##*/}
        made "$tree_of" "$@"
    fi
}

# made TREE COMMAND...: $o of $files_of, and what it was made from
made() {
    from=$1
    shift
    # without the looks of a futex wake at a taken queue: each would be a state
    # shellcheck disable=SC2086 # a list of words
    unit_text $files_of | "$@" -DVALET_FUTEX_LOOKS=0 -I"$from" -I"$from/include" -MMD -MF "$o.d.$$" -x c - -o "$o.$$"
    mv "$o.d.$$" "$o.d"
    mv "$o.$$" "$o"
}

# Build the image of the row in $name, $file, ... for $1, a CPU, from the sources $2, in $3.
image() (
    cpu=$1 tree=$2 out=$3
    mkdir -p "$out"
    case $cpu in
    x86_64) machine=-mgeneral-regs-only ;;
    aarch64) machine='-mgeneral-regs-only -mno-outline-atomics' ;;
    aarch64_lse) machine='-mgeneral-regs-only -march=armv8.1-a' ;;
    riscv64) machine='-march=rv64imac -mabi=lp64 -mno-relax' ;;
    i686) machine=-mgeneral-regs-only ;;
    armv7a) machine='-mthumb -mfloat-abi=soft -mfpu=none' ;;
    riscv32) machine='-march=rv32imac -mabi=ilp32 -mno-relax' ;;
    esac
    target=${cpu%_lse}-$target prefix=
    case $target in
    aarch64-apple*) target=arm64-${target#aarch64-} prefix=_ ;;
    *-apple*) prefix=_ ;;
    esac
    common="clang -target $target $machine $cflags -c"
    # what another file has is called, not inlined, though it be in the same unit: as a build of the files has it
    flags='-std=c11 -ffreestanding -O2 -g -fPIC -fsemantic-interposition -fno-stack-protector -fno-unwind-tables
        -fno-asynchronous-unwind-tables -ffunction-sections'
    objects=$build/objects/$(printf '%s' "$common $flags" | cksum | tr ' ' -)
    mkdir -p "$objects"
    {
        units "$kind"
        [ "$file" = - ] || echo "${file%.c} sys/$file"
        for s in $locks; do
            echo "$(basename "$s" .c)-alone $s"
        done
    } >"$out/units"
    set --
    while read -r unit files; do
        # shellcheck disable=SC2086 # lists of words, here and below
        object "$tree" "$unit" "$files" $common $flags
        set -- "$@" "$o"
    done <"$out/units"
    scenarios=test/model/scenario.c
    [ -z "$locks" ] || scenarios=test/model/locks.c
    # shellcheck disable=SC2086
    object "$root" "${scenarios##*/}" "$scenarios" $common $flags
    set -- "$@" "$o"
    for s in check_enter check_leave check_expect check_clock check_woken check_move_wall \
        $("$build/checker" --symbols "$model"); do
        printf '.globl %s%s\n.p2align 4\n%s%s: .long 0\n' "$prefix" "$s" "$prefix" "$s"
    done >"$out/stubs.s"
    stubs=$objects/stubs-$(cksum <"$out/stubs.s" | tr ' ' -).o
    if [ ! -e "$stubs" ]; then
        $common "$out/stubs.s" -o "$stubs.$$"
        mv "$stubs.$$" "$stubs"
    fi
    set -- "$stubs" "$@"
    if [ -n "$prefix" ]; then
        "$ld64" -arch "${target%%-*}" -platform_version macos 11.0 11.0 -e _check_enter \
            -o "$out/image" "$@"
    else
        ld.lld -static -e check_enter --image-base=0x100000 -z norelro -z max-page-size=4096 \
            --build-id=none -o "$out/image" "$@"
    fi
)

# Take a line of the table apart.
row() {
    name=$1 file=$2 kind=$3 model=$4 cpus=$5 target=$6
    shift 6
    cflags='' check='' locks=''
    for o in "$@"; do
        case $o in
        factor=*) check="$check -c ${o#factor=}" ;;
        deep) check="$check -d" ;;
        small) check="$check -o" ;;
        locks)
            check="$check -a"
            locks='core/locks/queue.c core/locks/queue_with.c core/locks/mutex.c core/locks/cond.c'
            ;;
        no-clock) check="$check -n" ;;
        no-kernel) check="$check -u" ;;
        *) cflags="$cflags $o" ;;
        esac
    done
}

# Jobs: "honest", "check CPU LINE OF THE TABLE", "bug NAME ROW CPU SCENARIO print|- WORDS OF THE VERDICT". Each
# prints lines of results that end in "ok" or begin with "FAILED".
job_check() {
    cpu=$1
    shift
    row "$@"
    out=$build/$name-$cpu
    if ! image "$cpu" "$root" "$out" >"$out.log" 2>&1; then
        echo "FAILED $name/$cpu does not build:"
        cat "$out.log"
        return
    fi
    [ "$mode" = all ] || check="$check -q"
    case $cpu in aarch64 | riscv64 | armv7a | riscv32) check="$check -p" ;; esac
    # shellcheck disable=SC2086
    timeout 300 "$build/checker" $check -l -k "$kind" -M "$model" -r "$name/$cpu" "$out/image" 2>&1 ||
        [ $? = 1 ] || echo "FAILED $name/$cpu did not come to an end"
}

# The model of Linux against the kernel of this machine; then the same with the model made wrong.
job_honest() {
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror "$test/model/honest.c" "$test/model/kernel_linux.c" -lpthread \
        -o "$build/honest"
    if timeout 60 "$build/honest"; then
        echo 'honest: the model of Linux answers as this kernel does  ok'
    else
        echo 'FAILED honest: the model of Linux does not answer as this kernel does'
    fi
    sed 's/count > 0 ? (uint64_t)count : 1/count > 0 ? (uint64_t)count : 0/' "$test/model/kernel_linux.c" \
        >"$build/kernel_wrong.c"
    gcc -std=gnu11 -I"$test/model" "$test/model/honest.c" "$build/kernel_wrong.c" -lpthread -o "$build/honest_wrong"
    if timeout 60 "$build/honest_wrong" >"$build/honest.log"; then
        echo 'FAILED honest: a wake of 0 that wakes nobody is not noticed'
    else
        echo 'honest: a wake of 0 that wakes nobody is noticed  ok'
    fi
    # The checker made wrong, with all its other parts: it repeats a run whatever that reads.
    sed 's/memcmp(guest(k, a->address), &a->value, a->size) != 0/k == NULL/' "$test/model/cpu.c" >"$build/cpu_wrong.c"
    mkdir "$build/wrong"
    cp "$build"/parts/*.o "$build/wrong"
    gcc -std=gnu11 -O1 -I"$root/include" -I"$test/model" -c "$build/cpu_wrong.c" -o "$build/wrong/cpu.o"
    gcc "$build"/wrong/*.o -lunicorn -o "$build/checker_wrong"
    read -r name file kind model cpus target <<END
$(grep '^external_sema ' "$test/model/table")
END
    target=${target%% *} cflags='' locks=''
    image riscv64 "$root" "$build/honest_image" >"$build/honest.log" 2>&1
    timeout 60 "$build/checker_wrong" -c 3 -p -k sema -M external_sema -r wrong "$build/honest_image/image" \
        >"$build/honest.log" 2>&1 || true
    if grep -q 'is not what it was' "$build/honest.log"; then
        echo 'honest: a run that is repeated though it reads something else is noticed  ok'
    else
        echo 'FAILED honest: a run that is repeated though it reads something else is not noticed'
    fi
}

job_bug() {
    bug=$1 wanted=$2 cpu=$3 scenario=$4 print=$5
    shift 5
    says=$*
    out=$build/bug-$bug
    mkdir -p "$out/tree"
    cp -r "$root/core" "$root/sys" "$root/arch" "$root/include" "$out/tree/"
    # shellcheck disable=SC2046
    row $(grep -E "^$wanted .* ([a-z0-9_,]*,)?${cpu}[, ]" "$test/model/table" | head -n 1)
    python3 -S "$test/lib/plant.py" --bug "$test/model/bugs" "$bug" "$out/tree" >"$out.log" 2>&1 &&
        planted=yes || planted=
    sed -n "/^bug $bug\$/,/^bug /s|^in |/|p" "$test/model/bugs" >"$out/tree/planted"
    if ! { [ "$planted" ] && image "$cpu" "$out/tree" "$out" >>"$out.log" 2>&1; }; then
        echo "FAILED bug $bug cannot be planted:"
        cat "$out.log"
        return
    fi
    # shellcheck disable=SC2086
    timeout 300 "$build/checker" $check -q -f -l -s "$scenario" -k "$kind" -M "$model" -r "$name/$cpu" \
        "$out/image" >"$out.log" 2>&1 || true
    verdict=$(grep -e '^FAILED' "$out.log" || true)
    case $verdict in
    *"${says#-}"*) [ -n "$verdict" ] || verdict='not found' ;;
    *) verdict='not found' ;;
    esac
    if [ "$verdict" = 'not found' ]; then
        echo "FAILED bug $bug is not found in $scenario on $name/$cpu"
        cat "$out.log"
        return
    fi
    [ "$print" = - ] || grep -v -e ' ok$' -e '^FAILED' "$out.log"
    echo "bug $bug: ${verdict#FAILED }  ok"
}

if [ "${1:-}" = job ]; then
    mode=$2 job=$3
    shift 3
    "job_$job" "$@"
    exit 0
fi

mode=all
case ${STRENGTH:-deep} in quick | normal) mode=$STRENGTH ;; esac
[ "${1:-}" != quick ] || { mode=quick && shift; }
only=${1:-}
for need in clang/clang ld.lld/lld llvm-symbolizer/llvm gcc/gcc python3/python3 \
    /usr/include/unicorn/unicorn.h/libunicorn-dev; do
    command -v "${need%/*}" >/dev/null || [ -e "${need%/*}" ] ||
        { echo "model: no ${need%/*}: install ${need##*/}" >&2 && exit 1; }
done
ld64=$(tool ld64.lld)
export ld64
rm -rf "$build"
mkdir -p "$build/out"
set --
for s in "$test"/model/*.c; do
    case $s in
    */scenario.c | */locks.c | */honest.c) ;;
    *) set -- "$@" "$s" ;;
    esac
done
mkdir "$build/parts"
(cd "$build/parts" && gcc -std=gnu11 -O2 -g -Wall -Wextra -Werror -I"$root/include" -c "$@")
gcc "$build"/parts/*.o -lunicorn -o "$build/checker"

{
    [ "${only:-linux}" != linux ] || echo honest
    row=0
    grep -v -e '^#' -e '^$' "$test/model/table" | while read -r name file kind model cpus rest; do
        row=$((row + 1))
        [ -z "$only" ] || [ "$only" = "$name" ] || continue
        case $mode-$cpus in
        quick-*) cpus=${cpus%%,*} ;;
        normal-*) cpus=$(echo "$cpus" | awk -F , -v row=$row '{print $(row % NF + 1)}') ;;
        esac
        case $mode-$rest in quick-*deep | normal-*deep) continue ;; esac
        for cpu in $(echo "$cpus" | tr , ' '); do
            echo "check $cpu $name $file $kind $model $cpus $rest"
        done
    done
    python3 -S "$test/lib/plant.py" --list "$test/model/bugs" | some 12 | while read -r bug row rest; do
        [ -z "$only" ] || [ "$only" = "$row" ] || continue
        echo "bug $bug $row $rest"
    done
} | awk '{ printf "%03d %s\n", NR, $0 }' >"$build/jobs"
# shellcheck disable=SC2016 # the inner shell's
xargs -r -P 2 -L 1 sh -c 'n=$3 && mode=$2 && script=$1 && shift 3 &&
    sh "$script" job "$mode" "$@" >"$MODEL_BUILD/out/$n" 2>&1' - "$test/model/model.sh" "$mode" <"$build/jobs"

cat "$build"/out/*
passed=$(cat "$build"/out/* | grep -c ' ok$' || true)
failed=$(cat "$build"/out/* | grep -c '^FAILED' || true)
echo "model: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
