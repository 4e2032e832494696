/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * illumos: lwp_park(2), sema kind.
 *
 * The kernel keeps one unpark for a thread that is not parked. That mark belongs to the thread, not
 * to our semaphore: libc uses it too, a poster that is late leaves one behind, and every end of a
 * park, be it by a signal, takes it away. So the truth is a flag in the semaphore; the mark only
 * ends a park early. libc's own parks look again as well.
 *
 * Subcode 0 parks only while a flag in a page that libc shares with the kernel says so; 4 sets the
 * flag first, and needs no libc. The calls are private to libc, and have been as they are since
 * 2006; no promise of the system says that they will stay. Sources: illumos/illumos-gate
 * usr/src/uts/common/syscall/lwpsys.c, .../lwp_self.c, .../sys/syscall.h,
 * usr/src/uts/common/os/condvar.c, .../schedctl.c, usr/src/lib/libc/amd64/inc/SYS.h (the errors).
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "arch/arch.h"
#include "core/deadline.h"
#include "valet_sys.h"

#define SYS_lwp_park      77
#define SYS_lwp_self      164
#define SYS_clock_gettime 191
#define UNPARK            1 /* subcodes of lwp_park */
#define SET_AND_PARK      4
#define CLOCK_HIGHRES     4 /* which CLOCK_MONOTONIC is, too */
#define EINTR             4
#define ETIME             62
#define ERESTART          91

/* The kernel turns a time into nanoseconds of 64 bits with a sign. 68 years; then we look again. */
#define LONGEST_NS (INT32_MAX * UINT64_C(1000000000))

struct timespec {
    int64_t tv_sec, tv_nsec;
};

_Static_assert(sizeof(struct timespec) == 16 && sizeof(long) == 8, "the 64-bit ABI");

struct os_sema {
    int lwp; /* the owner's, for the poster */
    atomic_bool posted;
};

_Static_assert(sizeof(struct os_sema) <= sizeof(struct valet_sema), "the semaphore is too small");
_Static_assert(_Alignof(struct os_sema) <= _Alignof(struct valet_sema), "... or not aligned");

static struct os_sema *os_sema(struct valet_sema *s)
{
    return (struct os_sema *)(void *)s;
}

/* The convention is FreeBSD's, but what these calls return is an int: the upper half is anything.
 */
static int call(long number, long a, long b, long c)
{
    return (int)valet_trap_bsd(number, a, b, c, 0, 0, 0);
}

static uint64_t clock_ns(void)
{
    struct timespec t = {0, 0};
    if (call(SYS_clock_gettime, CLOCK_HIGHRES, (long)&t, 0) != 0)
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
    sema->lwp = call(SYS_lwp_self, 0, 0, 0);
    atomic_init(&sema->posted, false);
    return sema->lwp > 0 ? VALET_OK : VALET_ERR_SYSTEM; /* cannot fail */
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    struct os_sema *sema = os_sema(s);
    /* acquire: pairs with POSTED */
    while (!atomic_load_explicit(&sema->posted, memory_order_acquire)) {
        struct timespec left; /* made anew each time: the kernel leaves the remaining time in it */
        long timeout = 0;
        if (deadline != VALET_FOREVER) {
            uint64_t now = clock_ns();
            if (now == 0)
                return VALET_ERR_UNSUPPORTED;
            uint64_t ns = valet_deadline_left(now, deadline);
            if (ns == 0)
                return VALET_TIMEDOUT;
            if (ns > LONGEST_NS)
                ns = LONGEST_NS;
            left.tv_sec = (int64_t)(ns / 1000000000u);
            left.tv_nsec = (int64_t)(ns % 1000000000u);
            timeout = (long)&left;
        }
        int r = call(SYS_lwp_park, SET_AND_PARK, timeout, 0);
        /* 0: unparked, perhaps for something else. EINTR, ERESTART: a signal handler ran, or a
         * debugger was there. ETIME: the time is over by the wall clock, or somebody has set that
         * clock: ours decides, above. */
        if (r == 0 || r == -EINTR || r == -ERESTART || (r == -ETIME && deadline != VALET_FOREVER))
            continue;
        /* EFAULT, EINVAL: not for these arguments. ENOSYS, anything else: no such call here. */
        return VALET_ERR_SYSTEM;
    }
    return VALET_OK;
}

void valet_sys_sema_post(struct valet_sema *s)
{
    struct os_sema *sema = os_sema(s);
    long lwp = sema->lwp; /* from the next line on the owner may return, and its frame is gone */
    atomic_store_explicit(&sema->posted, true, memory_order_release); /* POSTED */
    /* ESRCH: the owner has seen the flag, and has exited since. */
    call(SYS_lwp_park, UNPARK, lwp, 0);
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    (void)s;
}
