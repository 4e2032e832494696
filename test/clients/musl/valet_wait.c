/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Waits with an end, on words of this process. */
#include <errno.h>
#include <time.h>

#include "pthread_impl.h"

/* One wait. 0: look at the word again. */
int __valet_wait(volatile int *addr, int val, uint64_t deadline)
{
    pthread_t self = __pthread_self();
    int handlers = self->valet_handlers;
    switch (valet_futex_wait((uint32_t *)addr, (uint32_t)val, deadline)) {
    case VALET_TIMEDOUT:
        return ETIMEDOUT;
    case VALET_OK:
        /* valet does not say whether a wake or a signal ended the wait. Where a handler has
         * returned meanwhile (see valet_restore.c) and the word is as it was, it was the signal; a
         * wake that came as well was for a change that another thread has used up. */
        return self->valet_handlers != handlers && *addr == val ? EINTR : 0;
    case VALET_CHANGED:
        return 0;
    }
    a_crash(); /* no futex here: nothing above this could go on */
    return 0;
}

/* Programs that never cancel a thread link this one, others that of valet_cancel.c. */
weak_alias(__valet_wait, __valet_wait_cp);

/*
 * The deadline in ns of valet_now(), which on Linux is CLOCK_MONOTONIC: read here by the vDSO,
 * where valet_now() would be a system call. That clock is read last, so the sum is never early. A
 * step of a clock that can be set goes unseen while a thread waits, as in musl's own wait.
 */
static int deadline_of(clockid_t clk, const struct timespec *at, uint64_t *deadline)
{
    struct timespec then, now;
    *deadline = VALET_FOREVER;
    if (!at)
        return 0;
    if (at->tv_nsec < 0 || at->tv_nsec >= 1000000000L)
        return EINVAL;
    if (__clock_gettime(clk, &then) || __clock_gettime(CLOCK_MONOTONIC, &now))
        return EINVAL;
    if (at->tv_sec < then.tv_sec || (at->tv_sec == then.tv_sec && at->tv_nsec < then.tv_nsec))
        return ETIMEDOUT;
    uint64_t seconds = (uint64_t)at->tv_sec - (uint64_t)then.tv_sec + (uint64_t)now.tv_sec;
    if (seconds < (VALET_FOREVER >> 1) / 1000000000u) /* else centuries: no deadline */
        *deadline = seconds * 1000000000u + (uint64_t)now.tv_nsec + (uint64_t)at->tv_nsec -
                    (uint64_t)then.tv_nsec;
    return 0;
}

int __timedwait_cp(volatile int *addr, int val, clockid_t clk, const struct timespec *at, int priv)
{
    uint64_t deadline;
    if (!priv)
        return __shared_timedwait_cp(addr, val, clk, at, 0);
    int r = deadline_of(clk, at, &deadline);
    return r ? r : __valet_wait_cp(addr, val, deadline);
}

/* Not a cancellation point, and no place where a thread that may be cancelled at any time is. */
int __timedwait(volatile int *addr, int val, clockid_t clk, const struct timespec *at, int priv)
{
    uint64_t deadline;
    int state;
    if (!priv)
        return __shared_timedwait(addr, val, clk, at, 0);
    int r = deadline_of(clk, at, &deadline);
    if (r)
        return r;
    __pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    r = __valet_wait(addr, val, deadline);
    __pthread_setcancelstate(state, 0);
    return r;
}
