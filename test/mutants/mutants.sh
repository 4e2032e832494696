#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Faults planted in the library, one at a time; the tests must notice each. Usage: mutants.sh DIR [WORD]
# builds below DIR; with WORD only the faults whose line contains it.
#
# The faults are in test/mutants/bugs, each with the test that is known to notice it: that one runs first, and
# all that may only if it does not. A fault that no longer applies is a failure. Faults that show only where
# one thread comes between two instructions of another are not there but in test/c11/bugs, where they are
# found for certain.
# Builds are linux, posix, cond-posix (with a condition variable) and x86-linux (i386) by gcc, tsan-linux and
# tsan-posix by clang's ThreadSanitizer, which alone sees a missing order on a CPU that has it anyway, and
# green, the sema kind on the scheduler of test/green, whose test holds a thread where it wants. A test that
# hangs has noticed, too: all its threads sleep and go on sleeping, or it has used several times the CPU time
# that it needs without a fault. So a machine under load catches nothing.
set -u
[ $# -ge 1 ] || { echo 'usage: mutants.sh DIR [WORD]' >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd) || exit 1
only=${2:-}
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
. test/lib/count.sh
rm -rf "${dir:?}"/*

kind_of() {
    case $1 in
    *linux) echo futex ;;
    *) echo sema ;;
    esac
}

# compile BUILD ARGUMENTS OF THE COMPILER...: with what is in the directory $tree instead of the tree's
compile() {
    build=$1
    shift
    case $build in
    tsan-*) set -- clang -fsanitize=thread -O1 "$@" ;;
    cond-*) set -- gcc -O1 -DVALET_POSIX_SEM=0 "$@" ;;
    x86-*) set -- i686-linux-gnu-gcc -static -O1 -Wno-psabi "$@" ;;
    *) set -- gcc -O1 "$@" ;;
    esac
    futex=1
    [ "$(kind_of "$build")" = futex ] || futex=0
    "$@" -std=gnu11 -w -pthread "-I$tree" "-I$tree/include" "-I$root" "-I$root/include" "-I$root/test/harness" \
        -DVALET_TEST_FUTEX_KIND=$futex "-DVALET_TEST_OS_${build#*-}"
}

# library BUILD: its sources
library() {
    for file in park waiters futex park_with waiters_with futex_with futex_requeue; do
        echo "core/${file}_$(kind_of "$1").c"
    done
    echo core/cancel.c core/now.c
    [ "$1" = green ] || echo "sys/${1#*-}.c"
}

# tests BUILD FILE: which programs may notice a fault in FILE, the likely ones first. PROGRAM:WORD
# runs the tests of a program whose name contains WORD.
tests() {
    case $1-$2 in
    green-*) echo contract_sema ;;
    tsan-*park*) echo park:merged park:ping stress:unpark stress:producers ;;
    tsan-*waiters*) echo waiters:visible waiters:once stress:states waiters:crowd ;;
    tsan-*futex*) echo futex:mutex stress:queue ;;
    linux-*locks*) echo polls ;;
    linux-*park*) echo spin park ;;
    *park*) echo park ;;
    *waiters*) echo waiters ;;
    *futex*) echo futex ;;
    *deadline*) echo deadline ;;
    *spin*) echo spin ;;
    *) echo park waiters futex ;;
    esac
    case $1 in
    linux | x86-linux) echo sandbox sleep stress ;;
    posix | cond-posix) echo sleep stress ;;
    esac
}

# object BUILD NAME FILE: what is no part of the library is compiled once, when it is first asked for
object() (
    flock 7
    # shellcheck disable=SC2030 # of what is no part of the library, nothing is changed
    tree=$root
    [ -e "$dir/$1/$2.o" ] || compile "$1" -c "$root/$3" -o "$dir/$1/$2.o"
) 7>>"$dir/$1/$2.lock"

# link BUILD PROGRAM OUTPUT, in the mutant's directory, $tree. Three tests are compiled with what they test, and need
# nothing else of the library.
link() {
    object "$1" hosted test/harness/hosted.c && object "$1" test test/harness/test.c || return
    case $2 in
    deadline | polls | spin)
        compile "$1" "$root/test/contract/$2_test.c" "$dir/$1/hosted.o" "$dir/$1/test.o" -o "$3"
        return
        ;;
    esac
    [ -e lib1.o ] || make_library "$1" || return
    case $2 in
    contract_sema)
        compile "$1" "$root"/test/green/contract_sema_test.c "$root"/test/green/control.c "$root"/test/green/host.c \
            "$root"/test/green/sched.c "$root"/test/green/switch.S "$root"/test/green/sys_sema.c \
            "$dir/$1/test.o" lib*.o -o "$3" -Wl,--wrap=valet_sys_now -Wl,--wrap=valet_sys_sema_init \
            -Wl,--wrap=valet_sys_sema_wait -Wl,--wrap=valet_sys_sema_post -Wl,--wrap=valet_sys_sema_fini
        ;;
    *)
        object "$1" "$2" "test/contract/$2_test.c" &&
            compile "$1" "$dir/$1/$2.o" "$dir/$1/hosted.o" "$dir/$1/test.o" lib*.o -o "$3"
        ;;
    esac
}

# make_library BUILD: lib*.o in the current directory, $tree; what was made without a file that is changed there, as
# the compiler noted, is that of the control
make_library() {
    n=0
    for source in $(library "$1"); do
        n=$((n + 1)) from=$root
        # shellcheck disable=SC2031
        [ ! -e "$tree/$source" ] || from=$tree
        if [ ! -e planted ]; then
            compile "$1" -MMD -c "$from/$source" -o "lib$n.o" || return
        elif grep -qFf planted "$dir/$1/control/lib$n.d"; then
            compile "$1" -c "$from/$source" -o "lib$n.o" || return
        else
            ln -s "$dir/$1/control/lib$n.o" .
        fi
    done
}

# run SECONDS EACH: a program, or PROGRAM:WORD. 0 passed; its CPU time is left in cpu.txt, or the last words
# of a failure in said.txt
run() {
    limit=$1 word=${2#"${2%:*}"}
    set -- "./${2%:*}"
    [ -z "$word" ] || set -- "$1" "${word#:}"
    TSAN_OPTIONS=halt_on_error=1 python3 -S "$root/test/lib/watch.py" --used cpu.txt "$limit" "$@" >out.txt 2>&1
    status=$?
    case $status in
    0) return 0 ;;
    124) echo "$(grep '^test_' out.txt | tail -n 1): hangs" >said.txt ;;
    *)
        said=$(grep -m 1 -e 'FAILED:' -e 'WARNING: ThreadSanitizer' out.txt | sed 's/.*FAILED: //; s/ (pid.*//')
        echo "$(grep '^test_' out.txt | tail -n 1): ${said:-status $status}" >said.txt
        ;;
    esac
    return 1
}

# control BUILD: the library without a fault, and its programs as they are asked for
control() {
    mkdir -p "$dir/$1/control"
    (cd "$dir/$1/control" && tree=$PWD && make_library "$1")
}

# measure BUILD EACH: without a fault it passes, and how long it takes is the measure. Once for each.
measure() (
    cd "$dir/$1/control" || exit 1
    tree=$PWD
    flock 8
    [ ! -e "../$2.limit" ] || exit 0
    program=${2%:*}
    [ -x "$program" ] || link "$1" "$program" "$program" || exit 1
    run 120 "$2" || exit 1
    awk '{ print $1 * 4 + 1 }' cpu.txt >"../$2.limit"
) 8>"$dir/$1/lock"

# plant NUMBER NAME BUILD FIRST FILE: one fault; the result is a line in a file
plant() {
    number=$1 name=$2 build=$3 first=$4 file=$5
    result=$dir/result.$number
    (
        tree=$dir/trees/$name
        cd "$tree" || { echo "STALE $name" >"$result"; exit; }
        # Where the tests of an order have threads meet by chance: three runs, before a fault survives.
        for attempt in 1 2 3; do
            for each in ${first#-} $(tests "$build" "$file"); do
                program=${each%:*}
                [ -x "$program" ] || link "$build" "$program" "$program" ||
                    { echo "STALE $name: $program cannot be linked" >"$result"; exit; }
                measure "$build" "$each" || {
                    said=$(cat "$dir/$build/control/said.txt")
                    echo "SURVIVED $name: without it, $build $each fails, too: $said" >"$result"
                    exit
                }
                if ! run "$(cat "$dir/$build/$each.limit")" "$each"; then
                    echo "caught $build, $name: by $each, run $attempt ($(cut -c 1-110 said.txt))" >"$result"
                    exit
                fi
            done
        done
        echo "SURVIVED $name" >"$result"
    )
    rm -rf "${dir:?}/trees/$name"
    echo >&9
}

# Four at a time: each takes a line out of the pipe, and puts it back.
mkfifo "$dir/slots"
exec 9<>"$dir/slots"
printf '\n\n\n\n' >&9

python3 -S test/lib/plant.py --each test/mutants/bugs "$dir/trees" >"$dir/all" || exit 1
while read -r name build first _; do
    file=''
    [ ! -e "$dir/trees/$name" ] || read -r file <"$dir/trees/$name/planted"
    case "$name $build $file" in
    *"$only"*) echo "$name $build $first $file" ;;
    esac
done <"$dir/all" | some 8 >"$dir/list"
count=0
builds=
runs_i386() {
    echo 'int main(void) { return 0; }' >"$dir/i386.c"
    i686-linux-gnu-gcc -static "$dir/i386.c" -o "$dir/i386" && "$dir/i386" 2>/dev/null
}
if grep -q ' x86-linux ' "$dir/list" && ! runs_i386; then
    grep ' x86-linux ' "$dir/list" | sed 's/ .*/: left out, as no program for i386 runs here/'
    sed -i '/ x86-linux /d' "$dir/list"
fi
while read -r name build first file; do
    case " $builds " in
    *" $build "*) ;;
    *)
        builds="$builds $build"
        control "$build" || exit 1
        ;;
    esac
    count=$((count + 1))
    read -r _ <&9
    plant $count "$name" "$build" "$first" "$file" &
done <"$dir/list"
wait
[ $count -gt 0 ] || { echo "no fault matches $only"; exit 1; }
survived=0 caught=0
for i in $(seq $count); do
    line=$(cat "$dir/result.$i" 2>/dev/null || echo "SURVIVED number $i left no result")
    case $line in
    caught*)
        caught=$((caught + 1))
        line=${line#caught }
        ;;
    *) survived=$((survived + 1)) ;;
    esac
    echo "$line"
done
echo "mutants: $caught caught, $survived survived"
[ $survived -eq 0 ]
