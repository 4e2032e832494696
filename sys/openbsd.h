/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the two ways into OpenBSD's futex(2) share: openbsd.c traps, openbsd_libc.c calls libc.
 *
 * The numbers are not Linux's: WAIT is 1. The PRIVATE flag is always set, since newer kernels keep
 * flagged and unflagged callers apart; it is what makes 6.4 the oldest release. Timeouts count from
 * the call, in clock ticks, and the kernel cuts long ones (INT_MAX ticks, 248 days) and then says
 * that they are over: so the sleep is cut here, and ETIMEDOUT asks the clock.
 * Sources: openbsd/src sys/kern/sys_futex.c, sys/sys/futex.h, sys/sys/errno.h, sys/sys/_time.h,
 * lib/libc/sys/futex.2.
 */
#ifndef VALET_SYS_OPENBSD_H
#define VALET_SYS_OPENBSD_H

#include <stdint.h>

#include "core/deadline.h"
#include "valet_sys.h"

#define FUTEX_WAIT         1
#define FUTEX_WAKE         2
#define FUTEX_PRIVATE_FLAG 0x80
#define CLOCK_MONOTONIC    3
#define EINTR              4
#define EAGAIN             35
#define ETIMEDOUT          60
#define ECANCELED          88

#define LONGEST_NS (UINT64_C(86400) * 1000000000u)

struct timespec {
    int64_t tv_sec, tv_nsec;
};

_Static_assert(sizeof(struct timespec) == 16 && sizeof(long) == 8, "the 64-bit ABI");

static inline uint64_t ns_of(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

/* What to sleep, at most a day. False: the deadline has come. */
static inline bool timeout_of(uint64_t now, uint64_t deadline, struct timespec *t)
{
    uint64_t left = valet_deadline_left(now, deadline);
    if (left > LONGEST_NS)
        left = LONGEST_NS;
    t->tv_sec = (int64_t)(left / 1000000000u);
    t->tv_nsec = (int64_t)(left % 1000000000u);
    return left != 0;
}

/* The outcome of a wait that ended with this errno, or 0. VALET_TIMEDOUT: of the sleep, as it was
 * cut. */
static inline int status_of(int error, uint64_t deadline)
{
    /* 0: woken. EINTR, ECANCELED: a signal handler ran, without and with SA_RESTART. */
    if (error == 0 || error == EINTR || error == ECANCELED)
        return VALET_OK;
    if (error == EAGAIN) /* the word differed */
        return VALET_CHANGED;
    if (error == ETIMEDOUT && deadline != VALET_FOREVER)
        return VALET_TIMEDOUT;
    /* EFAULT: the word is not mapped. ENOSYS: before 6.4. EINVAL: not for these arguments. EPERM:
     * the stack is not MAP_STACK memory. Anything else, too, will be the same next time. */
    return VALET_ERR_SYSTEM;
}

/* As a signed int: OpenBSD wakes nobody for a negative count. */
static inline int count_of(uint32_t count)
{
    return count < INT32_MAX ? (int)count : INT32_MAX;
}

#endif
