/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD before 10: ___lwp_park60 and _lwp_unpark, sema kind. Works on later ones as well.
 *
 * The kernel keeps one unpark for a thread that is not parked. But that mark belongs to the thread,
 * not to our semaphore: libpthread uses it too, and a poster that is late leaves one behind for the
 * thread's next park, of whatever kind. So the truth is a flag in the semaphore; the mark only ends
 * a park early. A stray one that we leave is no worse: libpthread's parks look again as well.
 * Sources: NetBSD/src sys/kern/sys_lwp.c, sys/sys/lwp.h, lib/libpthread/pthread.c,
 * maksymlanko/netbsd-src sys/kern/syscalls.master.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "arch/arch.h"
#include "valet_sys.h"

#define SYS__lwp_self         311
#define SYS__lwp_unpark       321
#define SYS___clock_gettime50 427
#define SYS____lwp_park60     478
#define CLOCK_MONOTONIC       3
#define TIMER_ABSTIME         1
#define EINTR                 4
#define EALREADY              37
#define ETIMEDOUT             60

struct timespec {
    int64_t tv_sec, tv_nsec;
};

_Static_assert(sizeof(struct timespec) == 16 && sizeof(long) == 8, "the 64-bit ABI");

struct os_sema {
    long lwp; /* the owner's, for the poster */
    atomic_bool posted;
};

_Static_assert(sizeof(struct os_sema) <= sizeof(struct valet_sema), "the semaphore is too small");
_Static_assert(_Alignof(struct os_sema) <= _Alignof(struct valet_sema), "... or not aligned");

static struct os_sema *os_sema(struct valet_sema *s)
{
    return (struct os_sema *)(void *)s;
}

static uint64_t clock_ns(void)
{
    struct timespec t = {0, 0};
    if (VALET_TRAP_NETBSD(SYS___clock_gettime50, CLOCK_MONOTONIC, (long)&t, 0, 0, 0, 0, 0) != 0)
        return 0; /* cannot fail */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

int valet_sys_sema_init(struct valet_sema *s)
{
    struct os_sema *sema = os_sema(s);
    sema->lwp = VALET_TRAP_NETBSD(SYS__lwp_self, 0, 0, 0, 0, 0, 0, 0);
    atomic_init(&sema->posted, false);
    return sema->lwp > 0 ? VALET_OK : VALET_ERR_SYSTEM; /* cannot fail */
}

/* Sleep until an unpark, the deadline, or for no reason. 0 or -errno. */
static long lwp_park(uint64_t deadline)
{
    struct timespec t; /* made anew each time: kernels since 10 leave the remaining time in it */
    long until = 0;
    if (deadline != VALET_FOREVER) {
        t.tv_sec = (int64_t)(deadline / 1000000000u);
        t.tv_nsec = (int64_t)(deadline % 1000000000u);
        until = (long)&t;
    }
    return VALET_TRAP_NETBSD(SYS____lwp_park60, CLOCK_MONOTONIC, TIMER_ABSTIME, until, 0, 0, 0, 0);
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    struct os_sema *sema = os_sema(s);
    /* acquire: pairs with POSTED */
    while (!atomic_load_explicit(&sema->posted, memory_order_acquire)) {
        long r = lwp_park(deadline);
        /* 0: unparked. EALREADY: it had come before, perhaps for somebody else. EINTR: a signal
         * handler ran, whether under SA_RESTART or not. */
        if (r == 0 || r == -EALREADY || r == -EINTR)
            continue;
        /* ESRCH: for a thread to unpark first, which is not asked for. EINVAL: not for these
         * arguments. ENOSYS, anything else: no such call here. */
        if (r != -ETIMEDOUT || deadline == VALET_FOREVER)
            return VALET_ERR_SYSTEM;
        /* The kernel sleeps for INT_MAX clock ticks (248 days) at most. */
        if (clock_ns() >= deadline && !atomic_load_explicit(&sema->posted, memory_order_acquire))
            return VALET_TIMEDOUT;
    }
    return VALET_OK;
}

void valet_sys_sema_post(struct valet_sema *s)
{
    struct os_sema *sema = os_sema(s);
    long lwp = sema->lwp; /* from the next line on the owner may return, and its frame is gone */
    atomic_store_explicit(&sema->posted, true, memory_order_release); /* POSTED */
    /* ESRCH: the owner has seen the flag, and has exited since. */
    VALET_TRAP_NETBSD(SYS__lwp_unpark, lwp, 0, 0, 0, 0, 0, 0);
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    (void)s;
}
