/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * DragonFly BSD: umtx_sleep(2) and umtx_wakeup(2), futex kind.
 *
 * A timeout is an int of microseconds that counts from the call, and 0 is none; the kernel fires it
 * up to a clock tick early, cuts long ones by a sysctl and once refused those above a second. So no
 * sleep is longer than a second or shorter than a microsecond, and the clock alone says whether the
 * deadline has come. The key is the physical page, which a fork may change under a sleeper: it too
 * looks again after a second. Sources: DragonFlyBSD/DragonFlyBSD sys/kern/kern_umtx.c,
 * sys/kern/syscalls.master, sys/sys/time.h, lib/libc/sys/umtx.2.
 */
#include "arch/arch.h"
#include "sys/deadline.h"
#include "sys/kernel_timespec.h"
#include "valet_sys.h"

#define SYS_clock_gettime 232
#define SYS_umtx_sleep    469
#define SYS_umtx_wakeup   470
#define CLOCK_REALTIME    0
#define CLOCK_MONOTONIC   4
#define EINTR             4
#define EBUSY             16
#define EWOULDBLOCK       35

#define LONGEST_NS 1000000000u

VALET_INLINE uint64_t clock_of(int clock)
{
    struct timespec t = timespec_of(0);
    if (valet_trap_bsd(SYS_clock_gettime, clock, (long)&t, 0, 0, 0, 0) != 0)
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

VALET_INLINE int sleep_for(uint32_t *word, uint32_t expected, long timeout_us, uint64_t deadline,
                           unsigned flags)
{
    long r =
        valet_trap_bsd(SYS_umtx_sleep, (long)word, (long)(int32_t)expected, timeout_us, 0, 0, 0);
    /* 0: woken, perhaps for nothing. EINTR: a signal handler ran, whether under SA_RESTART or not.
     */
    if (r == -EINTR && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;
    if (r == 0 || r == -EINTR)
        return VALET_OK;
    if (r == -EBUSY) /* the word differed */
        return VALET_CHANGED;
    if (r == -EWOULDBLOCK) /* this sleep is over */
        return deadline == VALET_FOREVER ? VALET_OK : valet_deadline_over(clock_ns(), deadline);
    /* EFAULT, EINVAL: the word is not mapped, or not writable, perhaps for a moment. ENOSYS,
     * anything else: no such call. */
    return VALET_ERR_SYSTEM;
}

VALET_INLINE int wait(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    long timeout_us = LONGEST_NS / 1000;
    if (deadline != VALET_FOREVER) {
        uint64_t ns;
        int status = valet_deadline_sleep(clock_ns(), deadline, LONGEST_NS, &ns);
        if (status != VALET_OK)
            return status;
        timeout_us = (long)valet_deadline_units(ns, 1000);
    }
    return sleep_for(word, expected, timeout_us, deadline, flags);
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return wait(word, expected, deadline, 0);
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    return wait(word, expected, deadline, flags);
}

/* After the deadline: the kernel compares the word, and then sleeps for the shortest time. A
 * handler that ends that has said nothing of the word. */
int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    return sleep_for(word, expected, 1, 0, VALET_INTERRUPTIBLE);
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    /* 1 wakes one, any other number wakes all. Results: 0; EFAULT, the address is gone and so are
     * its waiters. */
    valet_trap_bsd(SYS_umtx_wakeup, (long)word, count == 1, 0, 0, 0, 0);
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_SHARED;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    (void)flags; /* the key is the page, of whatever process */
    valet_sys_futex_wake(word, count);
    return VALET_FUTEX_UNKNOWN;
}
