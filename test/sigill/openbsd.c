/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * OpenBSD, by trap and by libc: openbsd/src and cjeker/src sys/kern/sys_futex.c. An error is the
 * result itself, as seen on 6.5, or an error, as seen on 7.4: here the one or the other, by chance.
 */
#include "kernel.h"

#define EINTR     4
#define EFAULT    14
#define EAGAIN    35
#define ETIMEDOUT 60
#define ENOSYS    78
#define ECANCELED 88

const enum convention system_convention = LIKE_OPENBSD;

static int wait(const void *word, int expected, const struct kernel_time *timeout)
{
    uint64_t deadline = KERNEL_FOREVER;
    if (timeout != 0)
        deadline = kernel_after(kernel_ns(timeout->seconds, timeout->ns));
    if (kernel_refuses)
        return ENOSYS;
    if (kernel_whim())
        return (int[]){0, EINTR, ECANCELED}[kernel_random(3)];
    if (kernel_pass(word))
        return 0;
    switch (kernel_sleep(word, (uint32_t)expected, deadline)) {
    case WOKEN:
        return 0;
    case DIFFERS:
        return EAGAIN;
    case EXPIRED:
        return ETIMEDOUT;
    case INTERRUPTED:
        return kernel_random(2) == 0 ? EINTR : ECANCELED;
    default:
        return EFAULT;
    }
}

static int wake(const void *word, int count)
{
    KERNEL_MUST(count >= 1, count);
    if (count == 1 && kernel_wake_passing(word))
        return 1;
    return (int)kernel_wake(word, (uint32_t)count);
}

/* The result, or the negative errno. The numbers are not Linux': 0x80 is "private". */
static int futex_call(const void *word, int op, int value, const struct kernel_time *timeout)
{
    if (op == (2 /* WAKE */ | 0x80)) {
        KERNEL_MUST(timeout == 0, (uintptr_t)timeout);
        return wake(word, value);
    }
    KERNEL_MUST(op == (1 /* WAIT */ | 0x80), op);
    int e = wait(word, value, timeout);
    return kernel_random(2) == 0 ? e : -e;
}

void system_call(struct call *c)
{
    switch (c->number) {
    case 83: { /* futex */
        int r =
            futex_call((const void *)c->a[0], (int)c->a[1], (int)c->a[2], (const void *)c->a[3]);
        c->result = (uint64_t)r;
        c->error = r < 0 ? -r : 0;
        return;
    }
    case 87: /* clock_gettime */
        KERNEL_MUST(c->a[0] == 3 /* monotonic */, c->a[0]);
        *(struct kernel_time *)c->a[1] = kernel_time(kernel_now());
        return;
    default:
        kernel_panic("a call of OpenBSD", c->number);
    }
}

/* ---- libc, under names that do not get into this program's own libc's way ------------------- */

int openbsd_futex(const uint32_t *word, int op, int value, const struct kernel_time *timeout,
                  uint32_t *word2);
int openbsd_clock_gettime(int clock, struct kernel_time *t);
int *__errno(void);

int *__errno(void)
{
    static _Thread_local int error;
    return &error;
}

int openbsd_futex(const uint32_t *word, int op, int value, const struct kernel_time *timeout,
                  uint32_t *word2)
{
    KERNEL_MUST(word2 == 0, (uintptr_t)word2);
    int r = futex_call(word, op, value, timeout);
    if (r >= 0)
        return r;
    *__errno() = -r;
    return -1;
}

int openbsd_clock_gettime(int clock, struct kernel_time *t)
{
    KERNEL_MUST(clock == 3 /* monotonic */, clock);
    *t = kernel_time(kernel_now());
    return 0;
}
