/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* DragonFly: sys/kern/kern_umtx.c of DragonFlyBSD/DragonFlyBSD; answers as seen on 3.9. */
#include "kernel.h"

#define EINTR       4
#define EFAULT      14
#define EBUSY       16
#define EWOULDBLOCK 35
#define ENOSYS      78

#define TICK_US 10000

const enum convention system_convention = LIKE_BSD;

static int sleep_call(const void *word, uint32_t expected, int timeout_us)
{
    /* 0 is no limit in the newer kernels, and more than a second an error in the older ones */
    KERNEL_MUST(timeout_us >= 1 && timeout_us <= 1000000, timeout_us);
    if (kernel_refuses)
        return ENOSYS;
    if (kernel_whim()) {
        uint32_t how = kernel_random(3);
        if (how != 2)
            return how == 0 ? 0 : EINTR;
        timeout_us = timeout_us > TICK_US ? timeout_us - TICK_US : 0; /* early by a tick */
    }
    switch (kernel_sleep(word, expected, kernel_after((uint64_t)timeout_us * 1000))) {
    case WOKEN:
        return 0;
    case DIFFERS:
        return EBUSY;
    case EXPIRED:
        return EWOULDBLOCK;
    case INTERRUPTED:
        return EINTR;
    default:
        return EFAULT;
    }
}

void system_call(struct call *c)
{
    const void *word = (const void *)c->a[0];
    switch (c->number) {
    case 232: /* clock_gettime */
        KERNEL_MUST(c->a[0] == 4 /* monotonic */, c->a[0]);
        *(struct kernel_time *)c->a[1] = kernel_time(kernel_now());
        return;
    case 469: /* umtx_sleep */
        c->error = sleep_call(word, (uint32_t)c->a[1], (int)c->a[2]);
        return;
    case 470: /* umtx_wakeup: 1 is one, any other number all */
        kernel_wake(word, (int)c->a[1] == 1 ? 1 : INT32_MAX);
        return;
    default:
        kernel_panic("a call of DragonFly", c->number);
    }
}
