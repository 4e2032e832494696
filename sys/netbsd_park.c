/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD before 10: ___lwp_park60 and _lwp_unpark, sema kind. Works on later ones as well.
 *
 * The kernel keeps one unpark for a thread that is not parked. libpthread uses it too: its parks
 * look again as ours do (by_id.h), so a stray one that we leave is no worse.
 * Sources: NetBSD/src sys/kern/sys_lwp.c, sys/sys/lwp.h, lib/libpthread/pthread.c,
 * maksymlanko/netbsd-src sys/kern/syscalls.master.
 */
#define VALET_TV_NSEC long /* beside a time_t of 64 bits on each CPU */

#include "arch/arch.h"
#include "sys/by_id.h"
#include "sys/deadline.h"
#include "sys/kernel_timespec.h"
#include "valet_sys.h"

#define SYS__lwp_self         311
#define SYS__lwp_unpark       321
#define SYS___clock_gettime50 427
#define SYS____lwp_park60     478
#define CLOCK_REALTIME        0
#define CLOCK_MONOTONIC       3
#define TIMER_ABSTIME         1
#define EINTR                 4
#define EALREADY              37
#define ETIMEDOUT             60

VALET_INLINE uint64_t clock_of(int clock)
{
    struct timespec t = timespec_of(0);
    if (VALET_TRAP_NETBSD(SYS___clock_gettime50, clock, (long)&t, 0, 0, 0, 0, 0) != 0)
        return 0; /* cannot fail */
    return ns_of(&t);
}

/* By its name one of the functions that have traps. */
VALET_SYS_CALL static uint64_t valet_sys_clock(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

uint64_t valet_sys_now(void)
{
    return valet_sys_clock();
}

uint64_t valet_sys_now_realtime(void)
{
    return clock_of(CLOCK_REALTIME);
}

/* Until an unpark, the deadline, or for no reason. */
VALET_INLINE int sleep_with(uint64_t deadline, unsigned flags)
{
    struct timespec t; /* made anew each time: kernels since 10 leave the remaining time in it */
    long until = 0;
    if (deadline != VALET_FOREVER) {
        t = timespec_of(deadline);
        until = (long)&t;
    }
    long r =
        VALET_TRAP_NETBSD(SYS____lwp_park60, CLOCK_MONOTONIC, TIMER_ABSTIME, until, 0, 0, 0, 0);
    /* 0: unparked. EALREADY: it had come before, perhaps for somebody else. EINTR: a signal
     * handler ran, whether under SA_RESTART or not. */
    if (r == -EINTR && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;
    if (r == 0 || r == -EALREADY || r == -EINTR)
        return VALET_OK;
    if (r == -ETIMEDOUT && deadline != VALET_FOREVER) /* after INT_MAX ticks (248 days) at most */
        return valet_deadline_over_unasked(valet_sys_clock(), deadline);
    /* ESRCH: for a thread to unpark first, which is not asked for. EINVAL: not for these
     * arguments. ENOSYS, anything else: no such call here. */
    return VALET_ERR_SYSTEM;
}

VALET_UNPROTECTED static int sleep_until(uint64_t deadline)
{
    return sleep_with(deadline, 0);
}

VALET_UNPROTECTED static int sleep_interruptibly(uint64_t deadline)
{
    return sleep_with(deadline, VALET_INTERRUPTIBLE);
}

int valet_sys_sema_init(struct valet_sema *s)
{
    long lwp = VALET_TRAP_NETBSD(SYS__lwp_self, 0, 0, 0, 0, 0, 0, 0);
    by_id_init(s, (uint64_t)lwp);
    return lwp > 0 ? VALET_OK : VALET_ERR_SYSTEM; /* cannot fail */
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    return by_id_wait(s, deadline, sleep_until);
}

void valet_sys_sema_post(struct valet_sema *s)
{
    /* ESRCH: the owner has seen the flag, and has exited since. */
    VALET_TRAP_NETBSD(SYS__lwp_unpark, (long)by_id_post(s), 0, 0, 0, 0, 0, 0);
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    (void)s;
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_REQUEUE;
}

int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    (void)flags; /* that one */
    return by_id_wait(s, deadline, sleep_interruptibly);
}
