/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the two ways into OpenBSD's futex(2) share: openbsd.c traps, openbsd_libc.c calls libc.
 *
 * The numbers are not Linux's: WAIT is 1. The PRIVATE flag is set for words that are not shared,
 * since newer kernels keep flagged and unflagged callers apart; it is what makes 6.4 the oldest
 * release. Without it, on memory that is not mapped as shared, the key is the mere address, of
 * whatever process: only the caller can know. Timeouts count from
 * the call, in clock ticks, and the kernel cuts long ones (INT_MAX ticks, 248 days) and then says
 * that they are over: so the sleep is cut here, and ETIMEDOUT asks the clock.
 * Sources: openbsd/src sys/kern/sys_futex.c, sys/sys/futex.h, sys/sys/errno.h, sys/sys/_time.h,
 * lib/libc/sys/futex.2.
 */
#ifndef VALET_SYS_OPENBSD_H
#define VALET_SYS_OPENBSD_H

#include <stdint.h>

#define VALET_TV_NSEC long /* beside a time_t of 64 bits on each CPU */

#include "sys/deadline.h"
#include "sys/futex_word.h"
#include "sys/kernel_timespec.h"
#include "valet_sys.h"

#define FUTEX_WAIT         1
#define FUTEX_WAKE         2
#define FUTEX_PRIVATE_FLAG 0x80
#define CLOCK_REALTIME     0
#define CLOCK_MONOTONIC    3
#define EINTR              4
#define EAGAIN             35
#define ETIMEDOUT          60
#define ECANCELED          88

#define LONGEST_NS (UINT64_C(86400) * 1000000000u)

/* For a look at the word after the deadline: the kernel compares it, and then sleeps for a tick. A
 * handler that ends that has said nothing of the word. */
#define SHORTEST_NS 1

static inline int private_flag(unsigned flags)
{
    return flags & VALET_SHARED ? 0 : FUTEX_PRIVATE_FLAG;
}

/* What to sleep, at most a day. Not VALET_OK: the answer of the wait. */
static inline int timeout_of(uint64_t now, uint64_t deadline, struct timespec *t)
{
    uint64_t ns = 0;
    int status = valet_deadline_sleep(now, deadline, LONGEST_NS, &ns);
    *t = timespec_of(ns);
    return status;
}

/* The outcome of a wait that ended with this errno, or 0. VALET_TIMEDOUT: of the sleep, as it was
 * cut. */
static inline int status_of(int error, uint64_t deadline, unsigned flags)
{
    /* 0: woken. EINTR, ECANCELED: a signal handler ran, without and with SA_RESTART. */
    if ((error == EINTR || error == ECANCELED) && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;
    if (error == 0 || error == EINTR || error == ECANCELED)
        return VALET_OK;
    if (error == EAGAIN) /* the word differed */
        return VALET_CHANGED;
    if (error == ETIMEDOUT && deadline != VALET_FOREVER)
        return VALET_TIMEDOUT;
    /* EFAULT: the word is not mapped, or its page is protected at this moment. ENOSYS: before 6.4.
     * EINVAL: not for these arguments. EPERM: the stack is not MAP_STACK memory. Nothing else is
     * known. */
    return VALET_ERR_SYSTEM;
}

#endif
