/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD 10 and later: __futex, futex kind. Older: the row netbsd_park.
 *
 * WAIT_BITSET takes an absolute monotonic time. Private and plain callers do not meet: the flag is
 * set in both calls. Seven arguments, timeout and val2 being two, unlike on Linux. Sources:
 * NetBSD/src sys/kern/sys_futex.c, sys/sys/futex.h, sys/sys/errno.h, sys/sys/time.h,
 * maksymlanko/netbsd-src sys/kern/syscalls.master.
 */
#include <stddef.h>

#define VALET_TV_NSEC long /* beside a time_t of 64 bits on each CPU */

#include "arch/arch.h"
#include "sys/deadline.h"
#include "sys/futex_word.h"
#include "sys/kernel_timespec.h"
#include "valet_sys.h"

#define SYS___futex            166
#define SYS___clock_gettime50  427
#define FUTEX_WAKE             1
#define FUTEX_WAIT_BITSET      9
#define FUTEX_PRIVATE_FLAG     128
#define FUTEX_BITSET_MATCH_ANY 0xffffffff
#define CLOCK_REALTIME         0
#define CLOCK_MONOTONIC        3
#define EINTR                  4
#define EFAULT                 14
#define EAGAIN                 35
#define ETIMEDOUT              60

VALET_INLINE uint64_t clock_of(int clock)
{
    struct timespec t = timespec_of(0);
    if (VALET_TRAP_NETBSD(SYS___clock_gettime50, clock, (long)&t, 0, 0, 0, 0, 0) != 0)
        return 0; /* cannot fail */
    return ns_of(&t);
}

VALET_UNPROTECTED static uint64_t clock_ns(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

uint64_t valet_sys_now_realtime(void)
{
    return clock_of(CLOCK_REALTIME);
}

/*
 * Whether the word is mapped. A plain wake, unlike a private one, looks the memory up; a wake of 0
 * threads wakes none.
 */
VALET_UNPROTECTED static int is_mapped(const uint32_t *word)
{
    return VALET_TRAP_NETBSD(SYS___futex, (long)word, FUTEX_WAKE, 0, 0, 0, 0, 0) != -EFAULT;
}

VALET_INLINE int wait(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    struct timespec t;
    long until = 0;
    if (deadline != VALET_FOREVER) {
        t = timespec_of(deadline);
        until = (long)&t;
    }
    int operation = FUTEX_WAIT_BITSET | (flags & VALET_SHARED ? 0 : FUTEX_PRIVATE_FLAG);
    long r = VALET_TRAP_NETBSD(SYS___futex, (long)word, operation, (long)(int32_t)expected, until,
                               0, 0, (long)FUTEX_BITSET_MATCH_ANY);
    /* 0: woken, perhaps by a stranger who used this address before. EINTR: a signal handler ran;
     * under SA_RESTART the kernel goes back to sleep by itself. */
    if (r == -EINTR && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;
    if (r == 0 || r == -EINTR)
        return VALET_OK;
    if (r == -EAGAIN) /* the word differed; or it cannot be read, and whoever asks again spins */
        return is_mapped(word) ? VALET_CHANGED : VALET_ERR_SYSTEM;
    if (r == -ETIMEDOUT && deadline != VALET_FOREVER) /* after INT_MAX ticks (248 days) at most */
        return valet_deadline_over(clock_ns(), deadline);
    /* EINVAL: not for these arguments. ENOMEM, ENFILE: the kernel has no room for a futex. ENOSYS,
     * anything else: no such call here (before 10). */
    return VALET_ERR_SYSTEM;
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return wait(word, expected, deadline, 0);
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    return wait(word, expected, deadline, flags);
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    /* The kernel compares first, and does not call a thread late that was woken meanwhile. */
    return valet_sys_futex_wait(word, expected, 0);
}

/* The number woken, also 0 for an address that is gone. */
VALET_UNPROTECTED static inline long wake(uint32_t *word, int count, int private)
{
    return VALET_TRAP_NETBSD(SYS___futex, (long)word, FUTEX_WAKE | private, count, 0, 0, 0, 0);
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    wake(word, valet_futex_count(count), FUTEX_PRIVATE_FLAG); /* a negative one is refused */
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_SHARED | VALET_SYS_COUNTS;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    int private = flags & VALET_SHARED ? 0 : FUTEX_PRIVATE_FLAG;
    return valet_futex_woken(wake(word, valet_futex_count(count), private));
}
