/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* FreeBSD: freebsd/freebsd-src sys/kern/kern_umtx.c; answers as seen on 12.1. */
#include "kernel.h"

#define EINTR     4
#define EFAULT    14
#define ETIMEDOUT 60
#define ENOSYS    78

const enum convention system_convention = LIKE_BSD;

/* A long is as wide as time_t, also on i386. */
struct time {
    long seconds, ns;
};

struct umtx_time {
    struct time time;
    uint32_t flags, clock;
};

static int wait(const void *word, uint64_t expected, uint64_t size, const struct umtx_time *t)
{
    uint64_t deadline = KERNEL_FOREVER;
    /* a long is compared: any of the upper bits of 64, and the call never sleeps */
    KERNEL_MUST(expected <= UINT32_MAX, expected);
    if (t != 0) {
        KERNEL_MUST(size == sizeof *t, size);
        KERNEL_MUST(t->flags == 1 /* absolute */, t->flags);
        KERNEL_MUST(t->clock == 4 /* monotonic */, t->clock);
        KERNEL_MUST(t->time.seconds != 0 || t->time.ns != 0, 0); /* for ever, later than 12.1 */
        if (t->time.seconds < INT32_MAX)
            deadline = kernel_ns(t->time.seconds, t->time.ns);
    }
    if (kernel_refuses)
        return ENOSYS;
    if (kernel_whim())
        return kernel_random(2) == 0 ? EINTR : 0;
    if (kernel_pass(word))
        return 0;
    switch (kernel_sleep(word, (uint32_t)expected, deadline)) {
    case EXPIRED:
        return ETIMEDOUT;
    case INTERRUPTED:
        return EINTR;
    case UNMAPPED:
        return EFAULT;
    default:
        return 0;
    }
}

static void wake(const void *word, uint64_t count)
{
    KERNEL_MUST(count >= 1 && count <= INT32_MAX, count);
    if (count != 1 || !kernel_wake_passing(word))
        kernel_wake(word, (uint32_t)count);
}

void system_call(struct call *c)
{
    struct kernel_time now;
    switch (c->number) {
    case 232: /* clock_gettime */
        KERNEL_MUST(c->a[0] == 4 /* monotonic */, c->a[0]);
        now = kernel_time(kernel_now());
        *(struct time *)c->a[1] = (struct time){(long)now.seconds, now.ns};
        return;
    case 454: /* _umtx_op */
        if (c->a[1] == 15 /* WAIT_UINT_PRIVATE */) {
            c->error = wait((const void *)c->a[0], c->a[2], c->a[3], (const void *)c->a[4]);
        } else {
            KERNEL_MUST(c->a[1] == 16 /* WAKE_PRIVATE */, c->a[1]);
            wake((const void *)c->a[0], c->a[2]);
        }
        return;
    default:
        kernel_panic("a call of FreeBSD", c->number);
    }
}
