#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Two clients of the library that have no system under them, on boards of QEMU, each built against an
# installed valet as its user would:
#
#   test/clients/kernel    a preemptive kernel, -Dos=external of both kinds; and the same program with
#                          the spinning backend, -Dos=bare, whose CPUs never sleep
#   test/clients/picolibc  a C library's locks, -Dos=bare
#
# Then the same with a fault, which must be seen for what it is.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=build/clients-bare
rm -rf "$dir"
mkdir -p "$dir"

# library CPU KIND: installed below $dir/CPU-KIND
library() {
    to=$dir/$1-$2
    case $2 in
    busy) set -- "$1" -Dos=bare ;;
    *) set -- "$1" -Dos=external "-Dexternal_kind=$2" ;;
    esac
    cross=test/cross/$1-bare.txt
    shift
    timeout 120 meson setup "$to/build" --cross-file "$cross" "$@" -Dtests=false --prefix "$PWD/$to" \
        --libdir lib --buildtype release &&
        timeout 120 meson install -C "$to/build"
}

# with_valet CPU KIND COMPILER...: and what pkg-config adds, which quotes it as a shell needs it
with_valet() {
    options=$(PKG_CONFIG_LIBDIR=$dir/$1-$2/lib/pkgconfig pkg-config --cflags --libs valet) || return
    shift 2
    eval "set -- \"\$@\" $options"
    timeout 120 "$@"
}

# common COMPILER...: $faulty where a fault is planted, which may leave something unused, and is to be seen within
# 3 s; of picolibc, where all CPUs spin for that long, within 1 s
common() {
    long=3000000000u
    case $* in *picolibc.specs*) long=1000000000u ;; esac
    if [ "$faulty" = yes ]; then set -- "$@" -w -DLONG=$long; else set -- "$@" -Wall -Wextra -Werror; fi
    "$@" -O2 -fno-pie -no-pie -static -nostartfiles -fno-stack-protector -fno-asynchronous-unwind-tables \
        -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -Itest/bare -Itest/harness
}

# kernel CPU KIND SOURCES PROGRAM
kernel() {
    cpu=$1 kind=$2 program=$4
    set -- "$3/kernel.c" "$3/switch-$cpu.S" "$3/contract-$kind.c" "$3/program.c"
    case $cpu in
    aarch64) board=aarch64 && set -- "$@" -mno-outline-atomics -mgeneral-regs-only ;;
    riscv64) board=riscv && set -- "$@" -march=rv64imac_zicsr -mabi=lp64 -mcmodel=medany -mno-relax ;;
    esac
    common with_valet "$cpu" "$kind" "$cpu-linux-gnu-gcc" -std=c11 -ffreestanding -nostdlib \
        -T "test/bare/$board.ld" "$@" "test/bare/$board.c" "test/bare/$board.S" -o "$program"
}

# picolibc CPU SOURCES PROGRAM. count.c counts the calls of the locks, on their way there.
picolibc() {
    cpu=$1 sources=$2 program=$3
    set -- "$sources/locks.c" "$sources/board.c" "$sources/program.c" "$sources/count.c"
    case $cpu in
    aarch64)
        cc=aarch64-linux-gnu-gcc address=0x40080000 board=aarch64
        set -- "$@" -mno-outline-atomics -mgeneral-regs-only
        ;;
    riscv64)
        cc=riscv64-unknown-elf-gcc address=0x80000000 board=riscv
        # as its libc.a
        set -- "$@" test/bare/clock.c -march=rv64imac -misa-spec=2.2 -mabi=lp64 -mcmodel=medany
        ;;
    esac
    lock=-Wl,--wrap=__retarget_lock_
    common with_valet "$cpu" busy "$cc" --specs=picolibc.specs -DPICOLIBC_INTEGER_PRINTF_SCANF -std=gnu11 \
        -T "$sources/picolibc.ld" "-Wl,--defsym=load_address=$address" -I. \
        "$@" "test/bare/$board.c" "test/bare/$board.S" \
        ${lock}acquire ${lock}acquire_recursive ${lock}try_acquire ${lock}try_acquire_recursive \
        ${lock}release ${lock}release_recursive -Wl,--wrap=valet_park_until -Wl,--wrap=main -o "$program"
}

# runs CPU PROGRAM: prints what it says
runs() {
    test/bare/run.sh -t 400 "$1" "$2" >"$2.out" || { cat "$2.out" && return 1; }
}

# idle CPU KIND: both of its CPUs slept nearly all of the time in which all threads were parked; or,
# while threads wait by spinning, none of it. The time is the host's, which may stop a CPU that is awake
# for as long as it likes: what sleeps shows so in one run of eight.
idle() {
    for run in 1 2 3 4 5 6 7 8; do
        [ "$run" -eq 1 ] || runs "$1" "$dir/kernel-$1-$2" || return 1
        awk -v kind="$2" '
            /^idle, cpu/ { cpus++; if (kind == "busy" ? $4 != "0.0" : $4 < 90) wrong = 1 }
            END { exit cpus != 2 || wrong }' "$dir/kernel-$1-$2.out" && return
    done
    return 1
}

faulty=no
for cpu in aarch64 riscv64; do
    for kind in futex sema busy; do
        which="$cpu, $kind"
        program=$dir/kernel-$cpu-$kind
        try "valet for $which" library $cpu $kind
        try "kernel, $which: built" kernel $cpu $kind test/clients/kernel "$program"
        try "kernel, $which: runs" runs $cpu "$program"
        try "kernel, $which: the share of time that its CPUs sleep" idle $cpu $kind
        tail -n 3 "$program.out" | sed 's/^/        /'
    done
    program=$dir/picolibc-$cpu
    try "picolibc, $cpu: built" picolibc $cpu test/clients/picolibc "$program"
    try "picolibc, $cpu: runs" runs $cpu "$program"
    tail -n 3 "$program.out" | sed 's/^/        /'
done

# planted CPU KIND TEXT [FILE SED]...: the client with some of its files, of test/clients, edited by sed;
# it fails, and says TEXT. KIND is picolibc or one of the kernel's. Most programs give up by themselves
# after 3 s; one whose CPUs sleep for ever is ended from outside. On a loaded host 3 s are over early,
# and a race may not come about: a fault has three runs to show itself.
planted() {
    cpu=$1 kind=$2 text=$3
    shift 3
    client=kernel
    [ "$kind" != picolibc ] || client=picolibc
    rm -rf "$work"
    cp -r test/clients/$client "$work" || return 1
    while [ $# -ne 0 ]; do
        sed "$2" "test/clients/$1" >"$work/${1#*/}"
        ! cmp -s "test/clients/$1" "$work/${1#*/}" || { echo "does not apply to $1" && return 1; }
        shift 2
    done
    case $client in
    kernel) kernel "$cpu" "$kind" "$work" "$work/program" ;;
    picolibc) picolibc "$cpu" "$work" "$work/program" ;;
    esac || return 1
    for limit in 15 40 120; do
        test/bare/run.sh -t $limit -x "$text" "$cpu" "$work/program" && return
    done
    return 1
}

# plant NAME CPU KIND TEXT [FILE SED]...: as planted, four at a time; `harvest` waits for them and counts them
plants=0
plant() {
    turn 5 || return 0
    [ $((plants % 4)) -ne 0 ] || wait
    plants=$((plants + 1))
    work=$dir/planted-$plants
    echo "planted, $2, $3: $1" >"$work.name"
    shift
    (planted "$@" >"$work.said" 2>&1 && : >"$work.caught") &
}

caught() {
    cat "$work.said"
    [ -e "$work.caught" ]
}

harvest() {
    wait
    for work in "$dir"/planted-*.name; do
        work=${work%.name}
        try "$(cat "$work.name")" caught
    done
}

# Widens a window that is a few instructions wide. The fault is where it stands.
delay='for (uint64_t until = kernel_now() + 2000000; kernel_now() < until;) ;'
waited_in_vain='kernel_now() < give_up'
faulty=yes
for cpu in aarch64 riscv64; do
    plant 'looks at the word before it has the lock' $cpu futex "deadlock\\|$waited_in_vain" kernel/contract-futex.c "
        /^int valet_sys_futex_wait/,/^}/{
            s/uintptr_t before/bool changed = __atomic_load_n(word, __ATOMIC_RELAXED) != expected; $delay &/
            s/if (__atomic_load_n.*{/if (changed) {/
        }"
    plant 'looks for the post before it has the lock' $cpu sema "deadlock\\|$waited_in_vain" kernel/contract-sema.c "
        /^int valet_sys_sema_wait/,/^}/{
            s/uintptr_t before/bool seen = sema->posted; $delay &/
            s/if (!sema->posted)/if (!seen)/
        }"
    plant 'calls a sleep cut short a timeout' $cpu futex 'valet_now() >= deadline' kernel/contract-futex.c \
        's/kernel_block(deadline)/kernel_block(deadline \/ 2)/'
    plant 'sends no interrupt to a CPU that sleeps' $cpu futex \
        "$waited_in_vain\\|timed out .* in: the other CPU is woken" kernel/kernel.c 's/bare_ipi(i);//'
    plant 'takes interrupts between the look at the queue and WFI' $cpu sema 'timed out .* in: deadlines' \
        kernel/kernel.c "s/__asm__ volatile(\"wfi\" ::: \"memory\");/bare_unmask(1); $delay & bare_mask();/"
    plant 'does not preempt' $cpu sema "$waited_in_vain" kernel/kernel.c \
        's/slice_end = kernel_now() + KERNEL_TICK/slice_end = kernel_now() + HOUR/'
done
no_lock='/^static void acquire/{n;s/{/{ return;/;}'
for cpu in aarch64 riscv64; do
    plant 'a lock that is not recursive' $cpu picolibc 'nobody unparked a CPU' picolibc/locks.c \
        's/== cpu + 1/== CPUS + 1/'
    plant 'a release that does not unpark' $cpu picolibc 'nobody unparked a CPU' picolibc/locks.c \
        's/valet_mutex_unlock(.*;/(void)0;/'
    plant 'no lock at all' $cpu picolibc 'atomic_load(&through) == 0' picolibc/locks.c "$no_lock"
    plant 'no lock at all, and only the heap to tell' $cpu picolibc 'FAILED: cpu\|FAULT\|timed out' \
        picolibc/locks.c "$no_lock" picolibc/program.c '/board_run(use_recursion)/d; /board_run(use_environment)/d' \
        picolibc/board.c "s/char \*block = top;/& $(echo "$delay" | sed 's/kernel_now/valet_now/g')/"
done
harvest
counted clients-bare
