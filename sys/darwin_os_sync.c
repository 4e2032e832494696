/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * macOS 14.4, iOS 17.4 and later: os_sync_wait_on_address, the public interface, futex kind. Older
 * systems: darwin.c.
 *
 * Undefined symbols, all documented: the four functions below, clock_gettime_nsec_np, and __error,
 * which is what errno expands to. Timeouts count from the call, by the same clock as ours; 0 is
 * refused. Sources: apple-oss-distributions/libplatform include/os/os_sync_wait_on_address.h,
 * apple-oss-distributions/xnu bsd/kern/sys_ulock.c, clock_gettime(3).
 */
#include <stdbool.h>
#include <stddef.h>

#include "sys/deadline.h"
#include "valet_sys.h"

#define OS_SYNC_WAIT_ON_ADDRESS_NONE 0
#define OS_SYNC_WAKE_BY_ADDRESS_NONE 0
#define OS_SYNC_SHARED               1 /* of both, where processes share the word */
#define OS_CLOCK_MACH_ABSOLUTE_TIME  32
#define CLOCK_REALTIME               0
#define CLOCK_UPTIME_RAW             8
#define ENOENT                       2
#define EINTR                        4
#define ENOMEM                       12
#define EFAULT                       14
#define ETIMEDOUT                    60

#define LONGEST_NS (UINT64_C(86400) * 1000000000u) /* the kernel's own limit is not documented */

int os_sync_wait_on_address(void *word, uint64_t expected, size_t size, uint32_t flags);
int os_sync_wait_on_address_with_timeout(void *word, uint64_t expected, size_t size, uint32_t flags,
                                         uint32_t clock, uint64_t timeout_ns);
int os_sync_wake_by_address_any(void *word, size_t size, uint32_t flags);
int os_sync_wake_by_address_all(void *word, size_t size, uint32_t flags);
uint64_t clock_gettime_nsec_np(int clock);
int *__error(void);

static uint64_t clock_ns(void)
{
    return clock_gettime_nsec_np(CLOCK_UPTIME_RAW); /* 0: an unknown clock; this one is known */
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

uint64_t valet_sys_now_realtime(void)
{
    return clock_gettime_nsec_np(CLOCK_REALTIME);
}

VALET_INLINE int sleep_for(uint32_t *word, uint32_t expected, uint64_t left, uint64_t deadline,
                           unsigned flags)
{
    uint32_t shared = flags & VALET_SHARED ? OS_SYNC_SHARED : OS_SYNC_WAIT_ON_ADDRESS_NONE;
    int kept = *__error(), e, tries = 4;
    do {
        int r = deadline == VALET_FOREVER
                    ? os_sync_wait_on_address(word, expected, sizeof *word, shared)
                    : os_sync_wait_on_address_with_timeout(word, expected, sizeof *word, shared,
                                                           OS_CLOCK_MACH_ABSOLUTE_TIME, left);
        e = r < 0 ? *__error() : 0;
        /* EFAULT: the page is not there at this moment, or the word is not mapped: this interface
         * cannot tell the two apart. ENOMEM: the kernel has no room for a waiter at this moment.
         * Apple's header says of both to try again. */
    } while ((e == EFAULT || e == ENOMEM) && --tries != 0);
    *__error() = kept; /* errno is the user's: parking does not change it */
    /* 0: woken, perhaps for nothing, or the word differed. EINTR: a signal handler ran. */
    if (e == EINTR && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;
    if (e == 0 || e == EINTR)
        return VALET_OK;
    if (e == ETIMEDOUT && deadline != VALET_FOREVER) /* the sleep, as it was cut, is over */
        return valet_deadline_over(clock_ns(), deadline);
    /* EFAULT, ENOMEM: time and again. EINVAL: somebody waits on the word by other means. Anything
     * else is not for these arguments. */
    return VALET_ERR_SYSTEM;
}

VALET_INLINE int wait(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    uint64_t left = 0;
    if (deadline != VALET_FOREVER) {
        int status = valet_deadline_sleep(clock_ns(), deadline, LONGEST_NS, &left);
        if (status != VALET_OK)
            return status;
    }
    return sleep_for(word, expected, left, deadline, flags);
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return wait(word, expected, deadline, 0);
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    return wait(word, expected, deadline, flags);
}

/* After the deadline: the kernel compares the word, and then sleeps for the shortest time. A
 * handler that ends that has said nothing of the word. */
int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    return sleep_for(word, expected, 1, 0, VALET_INTERRUPTIBLE);
}

/* 0, but not how many, or -1 and an errno. ENOENT: nobody waits, also where the address is gone.
 * EINVAL: a stranger waits there now. */
static inline int wake(uint32_t *word, bool all, unsigned flags)
{
    uint32_t shared = flags & VALET_SHARED ? OS_SYNC_SHARED : OS_SYNC_WAKE_BY_ADDRESS_NONE;
    return all ? os_sync_wake_by_address_all(word, sizeof *word, shared)
               : os_sync_wake_by_address_any(word, sizeof *word, shared);
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    int kept = *__error();
    wake(word, !(count == 1), 0);
    *__error() = kept;
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_SHARED | VALET_SYS_COUNTS;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    int kept = *__error();
    bool nobody = wake(word, !(count == 1), flags) < 0 && *__error() == ENOENT;
    *__error() = kept;
    return nobody ? 0 : VALET_FUTEX_UNKNOWN;
}
