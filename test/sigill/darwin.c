/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Darwin: ulock by trap, and the public functions made of it: bsd/kern/sys_ulock.c of
 * apple-oss-distributions/xnu, src/os of apple-oss-distributions/libplatform; answers as seen of
 * xnu-11417.
 */
#include "kernel.h"

#include <stddef.h>

#define ENOENT    2
#define EINTR     4
#define EFAULT    14
#define ETIMEDOUT 60
#define ENOSYS    78

#define NO_ERRNO 0x1000000u
#define WAKE_ALL 0x100u

const enum convention system_convention = LIKE_DARWIN;

/* What is woken or differs is one answer: how many others wait. An errno is negative. */
static int wait(const void *word, uint32_t expected, uint64_t deadline)
{
    if (kernel_refuses)
        return -ENOSYS;
    if (kernel_whim()) /* EFAULT: the page is not there at this moment */
        return (int[]){0, 3, -EINTR, -EFAULT}[kernel_random(4)];
    switch (kernel_sleep(word, expected, deadline)) {
    case EXPIRED:
        return -ETIMEDOUT;
    case INTERRUPTED:
        return -EINTR;
    case UNMAPPED:
        return -EFAULT;
    default:
        return (int)kernel_random(3);
    }
}

static int ulock_wait(uint32_t operation, const void *word, uint64_t value, uint32_t timeout_us)
{
    if (operation == (2 /* UNFAIR_LOCK */ | 0x40000 /* ADAPTIVE_SPIN */ | NO_ERRNO)) {
        KERNEL_MUST(value > UINT32_MAX, value); /* else it might go to sleep */
        return kernel_is_mapped(word) ? 0 : -EFAULT;
    }
    KERNEL_MUST(operation == (1 /* COMPARE_AND_WAIT */ | NO_ERRNO), operation);
    KERNEL_MUST(value <= UINT32_MAX, value);
    return wait(word, (uint32_t)value,
                timeout_us == 0 ? KERNEL_FOREVER : kernel_after((uint64_t)timeout_us * 1000));
}

static int wake(const void *word, bool all)
{
    return kernel_wake(word, all ? INT32_MAX : 1) != 0 ? 0 : -ENOENT;
}

void system_call(struct call *c)
{
    const void *word = (const void *)c->a[1];
    int r;
    switch (c->number) {
    case 515: /* ulock_wait */
        r = ulock_wait((uint32_t)c->a[0], word, c->a[2], (uint32_t)c->a[3]);
        break;
    case 516: /* ulock_wake */
        KERNEL_MUST(((uint32_t)c->a[0] & ~WAKE_ALL) == (1 | NO_ERRNO), c->a[0]);
        r = wake(word, ((uint32_t)c->a[0] & WAKE_ALL) != 0);
        break;
    default:
        kernel_panic("a call of Darwin", c->number);
    }
    c->result =
        (uint64_t)kernel_random(UINT32_MAX) << 32 | (uint32_t)r; /* 32 bits are the answer */
}

/* ---- the public functions -------------------------------------------------------------------- */

uint64_t clock_gettime_nsec_np(int clock);
int *__error(void);
int os_sync_wait_on_address(void *word, uint64_t expected, size_t size, uint32_t flags);
int os_sync_wait_on_address_with_timeout(void *word, uint64_t expected, size_t size, uint32_t flags,
                                         uint32_t clock, uint64_t timeout_ns);
int os_sync_wake_by_address_any(void *word, size_t size, uint32_t flags);
int os_sync_wake_by_address_all(void *word, size_t size, uint32_t flags);

uint64_t clock_gettime_nsec_np(int clock)
{
    KERNEL_MUST(clock == 8 /* UPTIME_RAW */, clock);
    return kernel_now();
}

int *__error(void)
{
    static _Thread_local int error;
    return &error;
}

static int with_errno(int r)
{
    if (r >= 0)
        return r;
    *__error() = -r;
    return -1;
}

static void check_address(uint64_t expected, size_t size, uint32_t flags)
{
    KERNEL_MUST(expected <= UINT32_MAX, expected);
    KERNEL_MUST(size == 4, size);
    KERNEL_MUST(flags == 0, flags);
}

int os_sync_wait_on_address(void *word, uint64_t expected, size_t size, uint32_t flags)
{
    check_address(expected, size, flags);
    return with_errno(wait(word, (uint32_t)expected, KERNEL_FOREVER));
}

int os_sync_wait_on_address_with_timeout(void *word, uint64_t expected, size_t size, uint32_t flags,
                                         uint32_t clock, uint64_t timeout_ns)
{
    check_address(expected, size, flags);
    KERNEL_MUST(clock == 32 /* MACH_ABSOLUTE_TIME */, clock);
    KERNEL_MUST(timeout_ns != 0, timeout_ns);
    return with_errno(wait(word, (uint32_t)expected, kernel_after(timeout_ns)));
}

int os_sync_wake_by_address_any(void *word, size_t size, uint32_t flags)
{
    check_address(0, size, flags);
    return with_errno(wake(word, false));
}

int os_sync_wake_by_address_all(void *word, size_t size, uint32_t flags)
{
    check_address(0, size, flags);
    return with_errno(wake(word, true));
}
