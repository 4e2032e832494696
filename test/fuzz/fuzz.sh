#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: fuzz.sh [quick]. The libFuzzer targets of test/fuzz, on the unchanged sources:
#
#   units     deadlines and timeouts in every system's unit, against 128-bit integers
#   answers   any answer of the kernel, in any order, to each call, with each flag, on each system
#   program   random programs of 2 to 6 threads, both kinds, against a reference
#
# quick: only the corpora. Else each target also runs for FUZZ_SECONDS (10) from FUZZ_SEED (1: the same
# inputs each time, as far as they get), and each planted fault must be found by the corpus. Findings
# are left in build/fuzz/findings. To grow a corpus:
# build/fuzz/TARGET -merge=1 test/fuzz/corpus/TARGET DIRECTORY.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
mode=${1:-all}
seconds=10
deep || seconds=3
seconds=${FUZZ_SECONDS:-$seconds}
dir=build/fuzz
mkdir -p $dir/findings
lld=-fuse-ld=lld # faster, where it is there: the quick tests do not install it
command -v ld.lld >/dev/null || lld=''

# fuzzed kernel|green FIRST ARGUMENT...: compile, with the headers of the directory FIRST before the tree's
fuzzed() {
    under=$1 first=$2
    shift 2
    case $under in
    kernel) set -- -fsanitize=fuzzer-no-link,address,undefined -Itest/fuzz/fake "-I$first" "$@" ;;
    green)
        set -- -fsanitize=fuzzer-no-link,undefined -Itest/fuzz/green -iquote test/green -DGREEN "-I$first" "$@"
        ;;
    esac
    timeout 300 clang -O1 -gline-tables-only -Wall -Wextra -Werror -fno-sanitize-recover=all "$@" \
        -Itest/fuzz -I. -Iinclude
}

# name, whether of the sema kind, file, more options
systems() {
    cat <<'END'
linux 0 sys/linux.c
freebsd 0 sys/freebsd.c
netbsd 0 sys/netbsd.c
netbsd_park 1 sys/netbsd_park.c
openbsd 0 sys/openbsd.c
openbsd_libc 0 sys/openbsd_libc.c
dragonfly 0 sys/dragonfly.c
illumos 1 sys/illumos.c
darwin 0 sys/darwin.c
darwin_os_sync 0 sys/darwin_os_sync.c
fuchsia 0 sys/fuchsia.c
redox 0 sys/redox.c
cloudabi 1 sys/cloudabi.c
sgx 1 sys/sgx.c
posix 1 sys/posix.c -DVALET_POSIX_SEM=0
posix_realtime 1 sys/posix.c -Wp,-DVALET_POSIX_SEM=0,-DVALET_POSIX_SETCLOCK=0
bare 0 sys/bare.c
wasm 0 sys/wasm.c -D__wasm_atomics__
windows 0 sys/windows.c
windows_keyed 1 sys/windows_keyed.c
green_futex 0 test/green/sys_futex.c
green_sema 1 test/green/sys_sema.c
END
}
# compile_system NAME OUTPUT FIRST: the library for one system, from the directory FIRST if it has it
compile_system() {
    system=$1 output=$2 first=$3
    while read -r name sema file more; do
        [ "$name" != "$system" ] || break
    done <<END
$(systems)
END
    under=kernel
    [ "$name" = "${name#green_}" ] || under=green
    set --
    ! grep -q '^unsigned valet_sys_features' "$file" || set -- -DVALET_WITH=1
    ! grep -q '^int valet_sys_futex_requeue' "$file" || set -- "$@" -DVALET_WITH_REQUEUE=1
    ! grep -q '^int valet_sys_at_fork' "$file" || set -- "$@" -DVALET_AT_FORK=1
    ! grep -q '^int valet_sys_futex_wait_cancellable' "$file" || set -- "$@" -DVALET_CANCEL=1
    fuzzed $under "$first" -std=c11 -include test/fuzz/rename.h "-DSYSTEM=$name" "-DSEMA=$sema" \
        "-DFILE=\"$file\"" "$@" ${more:+"$more"} -c test/fuzz/system.c -o "$output"
}

# compile_target TARGET|kernel|fail OUTPUT FIRST: what is not the library
compile_target() {
    case $1 in
    program | fail) under=green ;;
    *) under=kernel ;;
    esac
    fuzzed $under "$3" -std=gnu11 -c "test/fuzz/$1.c" -o "$2"
}

# link TARGET OUTPUT DIRECTORY: with the systems in DIRECTORY, and the target if it is there
link() {
    this=$3/target_$1.o
    [ -e "$this" ] || this=$dir/objects/target_$1.o
    case $1 in
    program)
        timeout 300 clang ${lld:+"$lld"} -fsanitize=fuzzer,undefined "$this" $dir/objects/target_fail.o \
            test/green/switch.S "$3"/green_*.o -o "$2"
        ;;
    *)
        output=$2 from=$3
        set -- "$this" $dir/objects/target_kernel.o $dir/objects/target_fail.o
        for object in "$from"/*.o; do
            case ${object##*/} in
            green_* | target_*) ;;
            *) set -- "$@" "$object" ;;
            esac
        done
        timeout 300 clang ${lld:+"$lld"} -fsanitize=fuzzer,address,undefined "$@" -o "$output"
        ;;
    esac
}

# replay PROGRAM TARGET: each input of the corpus once; what is wrong is left in $1.log
replay() {
    timeout 300 "$1" -runs=0 -timeout=60 -artifact_prefix=$dir/findings/ "test/fuzz/corpus/$2" >"$1.log" 2>&1
}

what_is_wrong() {
    grep -m 1 -e '^WRONG' -e ERROR -e 'runtime error' "$1"
}

# fuzz TARGET LENGTH: from the corpus, without writing to it
fuzz() {
    rm -rf "$dir/new-$1"
    mkdir -p "$dir/new-$1"
    if timeout $((seconds * 2 + 300)) "$dir/$1" "-max_total_time=$seconds" "-seed=${FUZZ_SEED:-1}" "-max_len=$2" \
        -timeout=60 -print_final_stats=1 -artifact_prefix=$dir/findings/ "$dir/new-$1" "test/fuzz/corpus/$1" \
        >"$dir/$1.log" 2>&1; then
        good "$1, $seconds s: $(sed -n 's/^stat::number_of_executed_units: *//p' "$dir/$1.log") executions," \
            "$(grep -o 'cov: [0-9]* ft: [0-9]*' "$dir/$1.log" | tail -n 1)"
    else
        bad "$1: $(what_is_wrong "$dir/$1.log"); the input is in $dir/findings"
    fi
}

# plant NAME TARGET SYSTEM FILE OLD NEW: does the corpus find it in the library for one system? Only the one whose
# turn it is.
plants=0
plant() {
    plants=$((plants + 1))
    [ "$plants" = "$wanted" ] || return 0
    tree=$dir/plant/$plants
    rm -rf "$tree"
    mkdir -p "$tree/objects" "$tree/test"
    cp -r core sys include "$tree"
    cp $dir/objects/*.o "$tree/objects"
    rm "$tree"/objects/target_*
    python3 -S test/lib/plant.py "$tree/$4" "$5" "$6" || { bad "planted, $1: no longer applies" && return; }
    if ! { compile_system "$3" "$tree/objects/$3.o" "$tree" &&
        { [ "$4" != core/deadline.h ] || compile_target "$2" "$tree/objects/target_$2.o" "$tree"; } &&
        link "$2" "$tree/target" "$tree/objects"; } >"$tree/log" 2>&1; then
        bad "planted, $1: does not compile"
    elif replay "$tree/target" "$2"; then
        bad "planted, $1: not found"
    else
        good "planted, $1: $(what_is_wrong "$tree/target.log" | cut -c 1-110)"
    fi
    rm -rf "$tree"
}

# Two at a time: each job is a process of this script.
two_at_a_time() {
    xargs -P 2 -I '{}' sh -c 'sh test/fuzz/fuzz.sh job {}'
}
if [ "$mode" = job ]; then
    case $2 in
    system) compile_system "$3" "$dir/objects/$3.o" . ;;
    compile) compile_target "$3" "$dir/objects/target_$3.o" . ;;
    link) link "$3" "$dir/$3" $dir/objects ;;
    fuzz) fuzz "$3" "$4" ;;
    plant)
        wanted=$3
        . test/fuzz/plants.sh
        ;;
    esac
    exit
fi

every_file() {
    for file in sys/*.c; do
        systems | grep -q " $file" || { echo "no row for $file" && return 1; }
    done
}
build() {
    rm -rf "${dir:?}/objects"
    mkdir -p "$dir/objects"
    {
        systems | sed 's/^\([^ ]*\).*/system \1/'
        printf 'compile %s\n' units answers program kernel fail
    } | two_at_a_time && printf 'link %s\n' units answers program | two_at_a_time
}
try 'each file of sys/ is fuzzed' every_file
try 'the library for each system, and the targets' build
for target in units answers program; do
    try "$target: $(find "test/fuzz/corpus/$target" -type f | wc -l) inputs of the corpus" \
        replay "$dir/$target" "$target"
done
if [ "$mode" = quick ] || [ "$failed" -ne 0 ]; then
    counted fuzz
fi

wanted=none
. test/fuzz/plants.sh
{
    printf 'fuzz %s\n' 'units 32' 'answers 128' 'program 160'
    seq "$plants" | some 5 | sed 's/^/plant /'
} >$dir/list
two_at_a_time <$dir/list >$dir/jobs
cat $dir/jobs
passed=$((passed + $(grep -c '^ok ' $dir/jobs)))
failed=$((failed + $(grep -c '^FAILED ' $dir/jobs)))
[ "$(grep -c -e '^ok ' -e '^FAILED ' $dir/jobs)" -eq "$(wc -l <$dir/list)" ] || bad 'a job ended without a word'
counted fuzz
