/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Redox: src/syscall/futex.rs of redox-os/kernel. With the faults of 2024 and 2025: entries of
 * waiters that timed out stay in the queue and eat wake-ups, and a timed wait that was woken says
 * that it timed out.
 */
#include "kernel.h"

#include <stdatomic.h>

#define EINTR     4
#define EAGAIN    11
#define EFAULT    14
#define ENOSYS    38
#define ETIMEDOUT 110

const enum convention system_convention = LIKE_LINUX;

struct time_spec {
    int64_t seconds;
    int32_t ns;
};

/* By address, roughly: that two words share a count makes no difference to a wake of all. */
static atomic_int stale[1024];

static atomic_int *stale_on(const void *word)
{
    return &stale[(uintptr_t)word / 4 % 1024];
}

static int wait(const void *word, uint32_t expected, const struct time_spec *until)
{
    uint64_t deadline = until == 0 ? KERNEL_FOREVER : kernel_ns(until->seconds, until->ns);
    if (kernel_refuses)
        return ENOSYS;
    if (kernel_whim())
        return (int[]){0, EINTR, until != 0 ? ETIMEDOUT : 0}[kernel_random(3)];
    switch (kernel_sleep(word, expected, deadline)) {
    case WOKEN:
        return until != 0 && kernel_random(2) == 0 ? ETIMEDOUT : 0;
    case DIFFERS:
        return EAGAIN;
    case EXPIRED:
        atomic_fetch_add(stale_on(word), 1);
        return ETIMEDOUT;
    case INTERRUPTED:
        atomic_fetch_add(stale_on(word), 1);
        return 0;
    default:
        return EFAULT;
    }
}

/* The number of entries taken off the queue. */
static unsigned wake(const void *word, uint32_t count)
{
    KERNEL_MUST(count >= 1 && count <= INT32_MAX, count);
    unsigned eaten = 0;
    for (int seen = atomic_load(stale_on(word)); eaten < count && seen > 0;)
        if (atomic_compare_exchange_weak(stale_on(word), &seen, seen - 1)) {
            seen--;
            eaten++;
        }
    return eaten < count ? eaten + kernel_wake(word, count - eaten) : eaten;
}

void system_call(struct call *c)
{
    const void *word = (const void *)c->a[0];
    switch (c->number) {
    case 240: /* futex */
        if (c->a[1] == 0 /* WAIT */) {
            c->error = wait(word, (uint32_t)c->a[2], (const void *)c->a[3]);
        } else {
            KERNEL_MUST(c->a[1] == 1 /* WAKE */, c->a[1]);
            c->result = wake(word, (uint32_t)c->a[2]);
        }
        return;
    case 265: { /* clock_gettime */
        KERNEL_MUST(c->a[0] == 4 /* monotonic */, c->a[0]);
        struct kernel_time now = kernel_time(kernel_now());
        *(struct time_spec *)c->a[1] = (struct time_spec){now.seconds, (int32_t)now.ns};
        return;
    }
    default:
        kernel_panic("a call of Redox", c->number);
    }
}
