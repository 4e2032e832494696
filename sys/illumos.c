/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * illumos: lwp_park(2), sema kind.
 *
 * The kernel keeps one unpark for a thread that is not parked, and every end of a park, be it by a
 * signal, takes it away. libc uses it too: its parks look again as ours do (by_id.h).
 *
 * Subcode 0 parks only while a flag in a page that libc shares with the kernel says so; 4 sets the
 * flag first, and needs no libc. The calls are private to libc, and have been as they are since
 * 2006; no promise of the system says that they will stay. Sources: illumos/illumos-gate
 * usr/src/uts/common/syscall/lwpsys.c, .../lwp_self.c, .../sys/syscall.h,
 * usr/src/uts/common/os/condvar.c, .../schedctl.c, usr/src/lib/libc/amd64/inc/SYS.h (the errors).
 */
#include "arch/arch.h"
#include "sys/by_id.h"
#include "sys/deadline.h"
#include "sys/kernel_timespec.h"
#include "valet_sys.h"

#define SYS_lwp_park      77
#define SYS_lwp_self      164
#define SYS_clock_gettime 191
#define UNPARK            1 /* subcodes of lwp_park */
#define SET_AND_PARK      4
#define CLOCK_REALTIME    3
#define CLOCK_HIGHRES     4 /* which CLOCK_MONOTONIC is, too */
#define EINTR             4
#define ETIME             62
#define ERESTART          91

/* The kernel turns a time into nanoseconds of 64 bits with a sign. 68 years; then we look again. */
#define LONGEST_NS (INT32_MAX * UINT64_C(1000000000))

/* The convention is FreeBSD's, but what these calls return is an int: the upper half is anything.
 */
static int call(long number, long a, long b, long c)
{
    return (int)valet_trap_bsd(number, a, b, c, 0, 0, 0);
}

VALET_INLINE uint64_t clock_of(int clock)
{
    struct timespec t = timespec_of(0);
    if (call(SYS_clock_gettime, clock, (long)&t, 0) != 0)
        return 0; /* cannot fail */
    return ns_of(&t);
}

VALET_UNPROTECTED static uint64_t clock_ns(void)
{
    return clock_of(CLOCK_HIGHRES);
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

uint64_t valet_sys_now_realtime(void)
{
    return clock_of(CLOCK_REALTIME);
}

/* Until an unpark, the deadline, or for no reason. */
VALET_INLINE int sleep_with(uint64_t deadline, unsigned flags)
{
    struct timespec left; /* made anew each time: the kernel leaves the remaining time in it */
    long timeout = 0;
    if (deadline != VALET_FOREVER) {
        uint64_t ns;
        int status = valet_deadline_sleep(clock_ns(), deadline, LONGEST_NS, &ns);
        if (status != VALET_OK)
            return status;
        left = timespec_of(ns);
        timeout = (long)&left;
    }
    int r = call(SYS_lwp_park, SET_AND_PARK, timeout, 0);
    /* 0: unparked, perhaps for something else. EINTR, ERESTART: a signal handler ran, or a debugger
     * was there. ETIME: the time is over by the wall clock, or somebody has set that clock: ours
     * decides, above. */
    if ((r == -EINTR || r == -ERESTART) && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;
    if (r == 0 || r == -EINTR || r == -ERESTART || (r == -ETIME && deadline != VALET_FOREVER))
        return VALET_OK;
    /* EFAULT, EINVAL: not for these arguments. ENOSYS, anything else: no such call here. */
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
    int lwp = call(SYS_lwp_self, 0, 0, 0);
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
    call(SYS_lwp_park, UNPARK, (long)by_id_post(s), 0);
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
