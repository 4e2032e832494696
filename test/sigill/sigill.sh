#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: sigill.sh [WORD]. The systems that this machine cannot run, in real parallelism: the
# library's machine code for each, on each of its CPUs, with its traps overwritten by illegal
# instructions (on x86_64 and i386 by breakpoints) and the other kernel played by the signal's handler
# (sigill/kernel.h). x86_64 and i386 run natively, the others by qemu-user. Each kernel ends 5 of 100 waits
# for no reason.
#
#   rounds    hand-offs of two threads, a tenth as many wake-alls of three; a kernel that refuses; a
#             caller with full registers; waits that signals cancel, where there are such
#   contract  the contract's own programs, and some of the stress tests; with STRENGTH=normal on one CPU of each
#             system, another one from system to system
#   bug       a fault of sigill/bugs is planted, and must be seen
#
# With WORD: only those lines of the list that contain it. Objects go to build/sigill, or to
# $SIGILL_BUILD.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
root=$PWD
mkdir -p "${SIGILL_BUILD:-build/sigill}"
dir=$(cd "${SIGILL_BUILD:-build/sigill}" && pwd) || exit 1
rounds=12000
deep || rounds=5000
export VALET_TEST_SHORT=1 # of the programs: a signal for each call is what takes the time

# system, kind, kernel in sigill/, CPUs, and where a stub is inlined: a harmless call by it. -: the
# compiler sees a function call.
table='
freebsd        futex freebsd   x86_64,aarch64,riscv64,i386 valet_trap_bsd(232,4,(long)t,c,d,e,f)
openbsd        futex openbsd   x86_64,aarch64,riscv64,i386 -
openbsd_libc   futex openbsd   x86_64,aarch64,riscv64,i386 -
netbsd         futex netbsd    x86_64,aarch64,riscv64,i386 VALET_TRAP_NETBSD(427,by_call(3),by_call((long)t),c,d,e,f,g)
netbsd_park    sema  netbsd    x86_64,aarch64,riscv64,i386 VALET_TRAP_NETBSD(427,by_call(3),by_call((long)t),c,d,e,f,g)
dragonfly      futex dragonfly x86_64                 valet_trap_bsd(232,4,(long)t,c,d,e,f)
darwin         futex darwin    x86_64,aarch64         valet_trap_darwin(516,0x1000001,(long)t,c,d,e,f)
darwin_os_sync futex darwin    x86_64,aarch64         -
fuchsia        futex fuchsia   x86_64,aarch64,riscv64 -
redox          futex redox     x86_64,aarch64,riscv64 valet_trap_linux(265,4,(long)t,c,d,e,f)
cloudabi       sema  cloudabi  x86_64,aarch64         valet_trap_bsd(1,1,c,d,e,f,g)
sgx            sema  sgx       x86_64                 -
'

# find SYSTEM: its row
find() {
    while read -r name kind kernel cpus call; do
        [ "$name" != "$1" ] || return 0
    done <<END
$table
END
    return 1
}

# machine CPU: its tools, what its code needs of the compiler, what runs its programs, and a script for that; a word
# or none each
machine() {
    script=''
    case $1 in
    x86_64) tools='' flag='' run='' ;;
    aarch64) tools=aarch64-linux-gnu- flag=-mno-outline-atomics run=qemu-aarch64 ;;
    riscv64) tools=riscv64-linux-gnu- flag=-mno-relax run=qemu-riscv64 ;;
    i386) tools=i686-linux-gnu- flag=-fno-pie run=python3 script=test/cross/x86.py ;;
    esac
}

# compile TREE OPTIONS...: with the headers of a copy of the library
compile() {
    tree=$1
    shift
    "${tools}gcc" ${flag:+"$flag"} -O2 -Wall -Wextra -Werror -pthread -I"$tree" -I"$tree/include" "$@"
}

# core TREE KIND OUT: the objects of core/, there
core() {
    mkdir -p "$3"
    (cd "$3" && compile "$1" -std=c11 -ffreestanding -fno-stack-protector -ffunction-sections -c "$1"/core/*_"$2".c \
        "$1/core/cancel.c" "$1/core/now.c")
}

# machine_of CPU KERNEL...: what is the same for all systems and both kinds, compiled once; and these kernels
machine_of() {
    machine "$1"
    out=$dir/$1
    mkdir -p "$out"
    shift
    for source in harness/test harness/hosted sigill/registers_test sigill/kernel sigill/machine "$@"; do
        compile "$root" -O1 -std=gnu11 -Itest/harness -DVALET_TEST_OS_sigill -c "test/$source.c" \
            -o "$out/${source##*/}.o" || return 1
    done
}

# programs CPU KIND: what is the same for all systems
programs() {
    machine "$1"
    futex=1 out=$dir/$1-$2
    mkdir -p "$out"
    [ "$2" = futex ] || futex=0
    for source in contract/park_test contract/waiters_test contract/futex_test contract/stress_test \
        sigill/handoff_test sigill/cancel_test; do
        compile "$root" -O1 -std=gnu11 -Itest/harness "-DROUNDS=${SIGILL_ROUNDS:-$rounds}u" \
            -DVALET_TEST_OS_sigill -DVALET_TEST_FUTEX_KIND=$futex -c "test/$source.c" \
            -o "$out/${source##*/}.o" || return 1
    done
    core "$root" "$2" "$out/core"
}

# library SYSTEM CPU TREE OUT CORE: one object, its code in a section of its own, with the number of its traps, by a
# disassembler, as a symbol; and what takes these, if there are any. The objects of core/ are those in CORE, or made.
library() {
    find "$1" && machine "$2" || return 1
    rm -rf "$4"
    mkdir -p "$4/parts"
    [ -e "$5" ] || core "$3" "$kind" "$5" || return 1
    compile "$3" -std=c11 -ffreestanding -fno-stack-protector -ffunction-sections \
        -c "$3/sys/$1.c" -o "$4/parts/$1.o" || return 1
    [ "$call" = - ] || compile "$3" -std=c11 "-DCALL=$call" -c test/sigill/registers.c \
        -o "$4/parts/registers.o" || return 1
    echo 'SECTIONS { valet_text : { *(.text .text.*) } }' >"$4/one.ld"
    "${tools}ld" -r --force-group-allocation -T "$4/one.ld" "$4"/parts/*.o "$5"/*.o -o "$4/library.o" || return 1
    traps=$("${tools}objdump" -d -j valet_text --no-show-raw-insn "$4/library.o" |
        grep -cE "$(printf '\t')(syscall|svc|ecall|int )")
    # this program has a libc of its own, which is another
    "${tools}objcopy" --redefine-sym futex=openbsd_futex --redefine-sym clock_gettime=openbsd_clock_gettime \
        --add-symbol "traps=$traps,global" "$4/library.o" || return 1
    [ "$traps" -eq 0 ] || ln "$dir/$2/machine.o" "$4"
}

# unchanged SYSTEM CPU: the library of the tree, for both jobs
unchanged() {
    find "$1"
    (flock 7 && { [ -e "$dir/$1-$2/library.o" ] || library "$1" "$2" "$root" "$dir/$1-$2" "$dir/$2-$kind/core"; }) \
        7>>"$dir/$1-$2.lock"
}

# execute SYSTEM CPU OUT PROGRAM SECONDS [WORD]: link it, and run all its tests or one
execute() {
    find "$1" && machine "$2" || return 1
    if [ ! -e "$3/$4" ]; then
        test=$dir/$2-$kind/${4}_test.o
        [ -e "$test" ] || test=$dir/$2/${4}_test.o
        compile "$root" -static "$3"/*.o "$dir/$2/kernel.o" "$dir/$2/$kernel.o" "$dir/$2/test.o" "$dir/$2/hosted.o" \
            "$test" -o "$3/$4" || return 1
    fi
    timeout -k 5 "$5" ${run:+"$run"} ${script:+"$script"} "$3/$4" ${6:+"$6"}
    status=$?
    [ "$status" -ne 124 ] || echo "no end within $5 s"
    return "$status"
}

# summary: the figures of the hand-off program, in one line
summary() {
    awk '/^   rounds:/ { n = $2 }
        /^   time:/ { ms = $2 }
        /^   ended for no reason:/ {
            printf "%s%d %s in %d ms, %d waits ended for no reason", sep, n, what[i++], ms, $5
            sep = "; "
        }
        BEGIN { what[0] = "hand-offs"; what[1] = "wake-alls of three" }' "$1"
}

# job_rounds SYSTEM CPU
job_rounds() {
    out=$dir/$1-$2
    unchanged "$1" "$2" || return 1
    execute "$1" "$2" "$out" handoff 600 >"$out/said" || {
        cat "$out/said" >&2
        return 1
    }
    kept=
    [ "$call" = - ] || { execute "$1" "$2" "$out" registers 600 >&2 && kept='; registers kept'; } ||
        return 1
    if grep -q 'VALET_CANCELLABLE_TRAP' "sys/$1.c"; then
        SIGILL_PERCENT=0 execute "$1" "$2" "$out" cancel 600 >"$out/cancelled" || {
            cat "$out/cancelled" >&2
            return 1
        }
        kept="$kept; $(awk '/^   waits:/ { n = $2 } /^   taken out/ { out = $(NF) } /^   woken:/ {
            printf "%d waits cancelled, %d in front of the trap, %d woken first", n, out, $2 }' "$out/cancelled")"
    fi
    # these two, and all of them
    [ "$(grep -c '^   rounds:' "$out/said")" = 2 ] && echo "$(summary "$out/said")$kept"
}

# job_contract SYSTEM CPU: QEMU is slow, so less there; and on i386, which is the same core
job_contract() {
    find "$1"
    unchanged "$1" "$2" || return 1
    if [ "$2" = x86_64 ]; then
        list='park waiters stress:unpark_against stress:random stress:queue'
    else
        list='park waiters:asleep stress:unpark_against'
    fi
    for one in $list; do
        execute "$1" "$2" "$dir/$1-$2" "${one%:*}" 600 "$(word "$one")" >&2 || return 1
    done
    # Kernels that do not tell "changed" from "woken" are let off the tests of exact results; the
    # others give them when they have no whims, and core/futex_sema.c gives them always.
    case $1 in
    freebsd | darwin*) futex='mutex count disturb far' ;;
    *) futex='test' ;;
    esac
    percent=0
    [ "$kind" = futex ] || percent=5
    for one in $futex; do
        SIGILL_PERCENT=$percent execute "$1" "$2" "$dir/$1-$2" futex 600 "$one" >&2 || return 1
    done
    echo "$list futex:$futex" | sed 's/:test$//'
}

# word PROGRAM:WORD
word() {
    case $1 in
    *:*) echo "${1#*:}" ;;
    esac
}

# job_bug NAME SYSTEM CPU PROGRAM - SAYS...
job_bug() {
    bug=$1 system=$2 cpu=$3 one=$4
    shift 5
    says=$*
    out=$dir/bug-$bug
    rm -rf "$out" && mkdir -p "$out/tree" && cp -r arch core include sys "$out/tree" &&
        python3 -S test/lib/plant.py --bug test/sigill/bugs "$bug" "$out/tree" || return 1
    find "$system" || return 1
    core=$dir/$cpu-$kind/core
    ! sed -n "/^bug $bug\$/,/^bug /s/^in //p" test/sigill/bugs | grep -qv '^sys/.*\.c$' || core=$out/core
    library "$system" "$cpu" "$out/tree" "$out/built" "$core" || return 1
    # ten times as many whims, so that a few rounds suffice; a wait that is cancelled has none
    percent=50
    [ "$one" != cancel ] || percent=0
    # What may hang does so in a second or two; what is to say something has the time for that.
    case $says in - | 'no end') seconds=15 ;; *) seconds=300 ;; esac
    if SIGILL_PERCENT=$percent execute "$system" "$cpu" "$out/built" "${one%:*}" "$seconds" "$(word "$one")" \
        >"$out/said" 2>&1; then
        echo 'not seen'
        return 1
    fi
    [ "$says" = - ] || grep -F -e "$says" "$out/said" || { tail -n 5 "$out/said" && return 1; }
    [ "$says" != - ] || tail -n 1 "$out/said"
}

# one KIND ARGUMENTS...: a line of the list. Prints its result.
if [ "${1:-}" = one ]; then
    shift
    kind_of_job=$1
    shift
    case $kind_of_job in
    bug) title="bug $1 in $2 $3:" ;;
    *) title="$kind_of_job $1 $2:" ;;
    esac
    log=$dir/log/$(echo "$title" | tr -c 'A-Za-z0-9_\n' -)
    if line=$("job_$kind_of_job" "$@" 2>"$log"); then
        good "$title $line"
    else
        bad "$title $line"
        tail -n 8 "$log" | sed 's/^/        /'
    fi
    exit
fi

for need in gcc aarch64-linux-gnu-gcc/gcc-aarch64-linux-gnu riscv64-linux-gnu-gcc/gcc-riscv64-linux-gnu \
    i686-linux-gnu-gcc/gcc-i686-linux-gnu qemu-aarch64/qemu-user qemu-riscv64/qemu-user python3; do
    command -v "${need%/*}" >/dev/null || {
        echo "sigill: no ${need%/*}: install ${need#*/}" >&2
        exit 1
    }
done
only=${1:-}
rm -rf "$dir"
mkdir -p "$dir/log"
list() {
    python3 -S test/lib/plant.py --list test/sigill/bugs | some 5 | sed 's/^/bug /'
    for kind_of_job in rounds contract; do
        row=0
        printf '%s\n' "$table" | while read -r name kind kernel cpus call; do
            row=$((row + 1))
            deep || [ $kind_of_job = rounds ] ||
                cpus=$(echo "$cpus" | awk -F , -v row=$row 'NF {print $(row % NF + 1)}')
            for cpu in $(echo "${cpus:-}" | tr , ' '); do
                echo "$kind_of_job $name $cpu"
            done
        done
    done
}
list | grep -F -e "$only" >"$dir/list"
kernels_of() {
    printf '%s\n' "$table" | awk -v cpu="$1" '$4 ~ "(^|,)" cpu "(,|$)" {print "sigill/" $3}' | sort -u
}
for cpu in x86_64 aarch64 riscv64 i386; do
    # shellcheck disable=SC2046 # a list of words
    ! grep -q " $cpu" "$dir/list" || machine_of $cpu $(kernels_of $cpu) || bad "the kernels for $cpu"
    for kind in futex sema; do
        ! grep -q " $cpu" "$dir/list" || programs $cpu $kind ||
            bad "the programs for $cpu, $kind kind"
    done
done
# Two at a time: most of each is two threads of which one sleeps.
xargs -P 2 -L 1 sh test/sigill/sigill.sh one <"$dir/list" >"$dir/results"
cat "$dir/results"
passed=$(grep -c '^ok ' "$dir/results")
failed=$((failed + $(wc -l <"$dir/list") - passed)) # also a job that said nothing
counted sigill
