/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * FreeBSD: _umtx_op(2), futex kind.
 *
 * A waiter is queued before its word is compared, so one whose word has changed may still absorb a
 * wake-up: a wake of n threads is a lower bound on nothing but n queued ones. The core parks one
 * thread on a word, or wakes all.
 *
 * A wait that a handler interrupts is over, under SA_RESTART too: it never goes back to its trap.
 * If the wake came first, it has been woken.
 *
 * Sources: freebsd/freebsd-src sys/kern/kern_umtx.c (do_wait, umtx_abs_timeout_getsbt),
 * sys/kern/kern_synch.c (_sleep), lib/libsys/_umtx_op.2, sys/sys/umtx.h,
 * sys/sys/_clock_id.h, sys/kern/syscalls.master; sys/x86/include/_types.h (the time_t of i386).
 */
#include <stddef.h>

#define VALET_CANCELLABLE_TRAP VALET_CANCELLABLE_BSD

#ifdef __i386__ /* alone of all: a time_t of 32 bits */
#define VALET_TV_SEC  int32_t
#define VALET_TV_NSEC int32_t
#endif

#include "arch/arch.h"
#include "sys/cancel.h"
#include "sys/futex_word.h"
#include "sys/kernel_timespec.h"
#include "valet_sys.h"

#define SYS_clock_gettime         232
#define SYS__umtx_op              454
#define UMTX_OP_WAKE              3
#define UMTX_OP_WAIT_UINT         11
#define UMTX_OP_WAIT_UINT_PRIVATE 15
#define UMTX_OP_WAKE_PRIVATE      16
#define UMTX_ABSTIME              0x01
#define CLOCK_REALTIME            0
#define CLOCK_MONOTONIC           4
#define EINTR                     4
#define ETIMEDOUT                 60

struct _umtx_time {
    struct timespec _timeout;
    uint32_t _flags, _clockid;
};

/* More bytes than a timespec has are what tells the kernel that this is not a mere one. */
_Static_assert(sizeof(struct _umtx_time) == sizeof(struct timespec) + 8 &&
                   offsetof(struct _umtx_time, _flags) == sizeof(struct timespec) &&
                   offsetof(struct _umtx_time, _clockid) == sizeof(struct timespec) + 4,
               "struct _umtx_time");

/* Deadlines that are not told to the kernel. With a time_t of 64 bits it is told of all, and beyond
 * 2^31 s sleeps without end, which is never early; with one of 32 bits there is no telling. */
#ifdef __i386__
#define NEVER (INT32_MAX * UINT64_C(1000000000))
#else
#define NEVER VALET_FOREVER
#endif

VALET_INLINE uint64_t clock_of(int clock)
{
    struct timespec t = timespec_of(0);
    if (valet_trap_bsd(SYS_clock_gettime, clock, (long)&t, 0, 0, 0, 0) != 0)
        return 0; /* cannot fail, also not in capability mode */
    return ns_of(&t);
}

uint64_t valet_sys_now(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

uint64_t valet_sys_now_realtime(void)
{
    return clock_of(CLOCK_REALTIME);
}

VALET_INLINE long wait_trap(const uint32_t *cancel, uint32_t *word, int operation,
                            uint32_t expected, long size, long until)
{
    /* The kernel compares as many bits as a long has, the word's upper half being 0: expected must
     * not be extended by its sign. */
    long value = (long)(unsigned long)expected;
    if (cancel == NULL)
        return valet_trap_bsd(SYS__umtx_op, (long)word, operation, value, size, until, 0);
    return valet_cancellable_trap(cancel, SYS__umtx_op, (long)word, operation, value, size, until,
                                  0, 0);
}

VALET_INLINE int wait(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags,
                      const uint32_t *cancel)
{
    struct _umtx_time t;
    long size = 0, until = 0;
    if (deadline < NEVER) {
        t._timeout = timespec_of(deadline);
        t._flags = UMTX_ABSTIME;
        /* By the wall clock: whenever that is set, the kernel looks at it again. */
        t._clockid = flags & VALET_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        size = sizeof t;
        until = (long)&t;
    }
    int operation = flags & VALET_SHARED ? UMTX_OP_WAIT_UINT : UMTX_OP_WAIT_UINT_PRIVATE;
    long r = wait_trap(cancel, word, operation, expected, size, until);
    if (valet_is_cancelled(cancel, r))
        return VALET_INTERRUPTED;
    /* 0: woken, or the word differed; the kernel does not tell. EINTR: a signal handler ran,
     * whether under SA_RESTART or not. */
    if (r == -EINTR && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;
    if (r == 0 || r == -EINTR)
        return VALET_OK;
    if (r == -ETIMEDOUT && size != 0) /* the deadline has come, by that clock */
        return VALET_TIMEDOUT;
    /* EFAULT: the word is not mapped, or its page is protected at this moment. EINVAL: no such
     * operation in old releases. ENOSYS, anything else: no such call. */
    return VALET_ERR_SYSTEM;
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return wait(word, expected, deadline, 0, NULL);
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    return wait(word, expected, deadline, flags, NULL);
}

int valet_sys_futex_wait_cancellable(uint32_t *word, uint32_t expected, uint64_t deadline,
                                     unsigned flags, const uint32_t *cancel)
{
    return wait(word, expected, deadline, flags, cancel);
}

bool valet_sys_cancel_redirect(uintptr_t *pc)
{
    return valet_cancellable_redirect(pc);
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    /* The kernel compares first, and does not call a thread late that was woken meanwhile. A
     * handler that comes before it does has seen neither. A deadline of 0 would be none: later
     * kernels than 12.1 sleep until an sbintime_t, and for ever where that is 0. */
    return wait(word, expected, 1, VALET_INTERRUPTIBLE, NULL);
}

/* The count is a signed int. Always 0, also for an address that is gone. */
VALET_UNPROTECTED static inline void wake(uint32_t *word, long operation, int count)
{
    valet_trap_bsd(SYS__umtx_op, (long)word, operation, count, 0, 0, 0);
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    wake(word, UMTX_OP_WAKE_PRIVATE, valet_futex_count(count));
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_SYS_FOLLOWS | VALET_INTERRUPTIBLE | VALET_SHARED |
           VALET_CANCELLABLE;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    wake(word, flags & VALET_SHARED ? UMTX_OP_WAKE : UMTX_OP_WAKE_PRIVATE,
         valet_futex_count(count));
    return VALET_FUTEX_UNKNOWN;
}
