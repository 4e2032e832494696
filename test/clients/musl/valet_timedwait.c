/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Waits with an end, and those that are cancellation points: in place of musl's __timedwait.c. */
#include <errno.h>
#include <time.h>

#include "pthread_impl.h"

hidden long __cancel(void);

/* Programs that never cancel a thread link these, others that of pthread_cancel.c. */
static long no_cancel(void)
{
    return 0;
}
weak_alias(no_cancel, __cancel);
static volatile int dummy = 0;
weak_alias(dummy, __eintr_valid_flag);

/* What to wait for, and the flag of its clock. valet has two: by another one it is the time that is
 * left, and the clock is read last, so the sum is never early. */
static int deadline_of(clockid_t clk, const struct timespec *at, uint64_t *deadline,
                       unsigned *flags)
{
    struct timespec then, now = {0};
    time_t seconds = at->tv_sec;
    long ns = at->tv_nsec;
    if (ns < 0 || ns >= 1000000000L)
        return EINVAL;
    if (clk == CLOCK_REALTIME)
        *flags |= VALET_REALTIME;
    else if (clk != CLOCK_MONOTONIC) {
        if (__clock_gettime(clk, &then) || __clock_gettime(CLOCK_MONOTONIC, &now))
            return EINVAL;
        seconds -= then.tv_sec;
        if ((ns -= then.tv_nsec) < 0) {
            seconds--;
            ns += 1000000000L;
        }
    }
    if (seconds < 0)
        return ETIMEDOUT;
    if ((uint64_t)seconds < (VALET_FOREVER >> 1) / 1000000000u / 2) /* else a century: none */
        *deadline = ((uint64_t)seconds + (uint64_t)now.tv_sec) * 1000000000u + (uint64_t)ns +
                    (uint64_t)now.tv_nsec;
    return 0;
}

int __timedwait_cp(volatile int *addr, int val, clockid_t clk, const struct timespec *at, int priv)
{
    pthread_t self = __pthread_self();
    uint32_t *word = (uint32_t *)addr;
    uint64_t deadline = VALET_FOREVER;
    unsigned flags = VALET_INTERRUPTIBLE | (priv ? 0 : VALET_SHARED);
    int r = at ? deadline_of(clk, at, &deadline, &flags) : 0;
    if (r)
        return r;
    if (self->canceldisable == PTHREAD_CANCEL_DISABLE)
        r = valet_futex_wait_with(word, (uint32_t)val, deadline, flags);
    else
        r = valet_futex_wait_cancellable(word, (uint32_t)val, deadline, flags,
                                         (const uint32_t *)&self->cancel);
    switch (r) {
    case VALET_OK:
    case VALET_CHANGED:
        return 0;
    case VALET_TIMEDOUT:
        return ETIMEDOUT;
    case VALET_INTERRUPTED:
        if (self->cancel && self->canceldisable != PTHREAD_CANCEL_DISABLE)
            return (int)-__cancel();           /* returns where the caller asked for ECANCELED */
        return __eintr_valid_flag ? EINTR : 0; /* no handler interrupts, but old kernels say so */
    }
    a_crash(); /* no futex here: nothing above this could go on */
    return 0;
}

/* Not a cancellation point, and no place where a thread that may be cancelled at any time is. */
int __timedwait(volatile int *addr, int val, clockid_t clk, const struct timespec *at, int priv)
{
    int state;
    __pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    int r = __timedwait_cp(addr, val, clk, at, priv);
    __pthread_setcancelstate(state, 0);
    return r;
}
