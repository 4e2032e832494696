/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * OpenBSD, static programs: futex(2) by trap, futex kind. See openbsd.h for the call itself.
 *
 * The kernel kills a program that makes a call from a place that is not on record. In a static
 * program the record is its section .openbsd.syscalls; in a dynamic one it is libc.so's, and the
 * row openbsd_libc is for those. A record names one place for each number, so a program that also
 * links libc.a's futex or clock_gettime has two, which the kernel takes for "anywhere" (1.37 of
 * syscall_mi.h; that every release does so is not verified). The stack must be MAP_STACK memory.
 *
 * So there is no cancellable wait (cancel.h): its trap would be a second place of futex, in each
 * program that links this file, and then any place would do. One trap for all calls will not do:
 * the handler of a cancellation has the program counter alone, by which a wait that is to be left
 * and a wake that is to be made would be the same.
 *
 * Sources: cjeker/src sys/sys/syscall_mi.h (pin_check), sys/kern/exec_elf.c (elf_read_pintable),
 * openbsd/src sys/kern/syscalls.master, pinsyscalls(2).
 */
#include "sys/openbsd.h"

#include "arch/arch.h"

VALET_TRAP_OPENBSD(valet_openbsd_futex, 83);
VALET_TRAP_OPENBSD(valet_openbsd_clock_gettime, 87);

VALET_INLINE uint64_t clock_of(int clock)
{
    struct timespec t;
    if (valet_openbsd_clock_gettime(clock, (long)&t, 0, 0, 0, 0) != 0)
        return 0; /* cannot fail */
    return ns_of(&t);
}

VALET_UNPROTECTED static uint64_t clock_ns(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

uint64_t valet_sys_now_realtime(void)
{
    return clock_of(CLOCK_REALTIME);
}

VALET_INLINE int sleep_for(uint32_t *word, uint32_t expected, long timeout, uint64_t deadline,
                           unsigned flags)
{
    long r = valet_openbsd_futex((long)word, FUTEX_WAIT | private_flag(flags), (long)expected,
                                 timeout, 0, 0);
    /* Old kernels (seen in 6.5) return the errno as if it were the result, newer ones (7.4) as an
     * error. Nothing else is ever positive here. */
    int status = status_of((int)(r < 0 ? -r : r), deadline, flags);
    return status == VALET_TIMEDOUT ? valet_deadline_over(clock_ns(), deadline) : status;
}

VALET_INLINE int wait(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    struct timespec t;
    long timeout = 0;
    if (deadline != VALET_FOREVER) {
        int r = timeout_of(clock_ns(), deadline, &t);
        if (r != VALET_OK)
            return r;
        timeout = (long)&t;
    }
    return sleep_for(word, expected, timeout, deadline, flags);
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return wait(word, expected, deadline, 0);
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    return wait(word, expected, deadline, flags);
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    struct timespec t = timespec_of(SHORTEST_NS);
    return sleep_for(word, expected, (long)&t, 0, VALET_INTERRUPTIBLE);
}

/* The number woken; 0 also for an address that is gone. */
static inline long wake(uint32_t *word, int count, unsigned flags)
{
    return valet_openbsd_futex((long)word, FUTEX_WAKE | private_flag(flags), count, 0, 0, 0);
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    wake(word, valet_futex_count(count), 0);
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_SHARED | VALET_SYS_COUNTS;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    return valet_futex_woken(wake(word, valet_futex_count(count), flags));
}
