/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD 10 and later: __futex, futex kind. Older: the row netbsd_park.
 *
 * WAIT_BITSET takes an absolute monotonic time. Private and plain callers do not meet: the flag is
 * set in both calls. Seven arguments, timeout and val2 being two, unlike on Linux.
 *
 * A wait that a handler interrupts is over, or (seen on 10.99.12, under SA_RESTART) set back to its
 * trap. If the wake came first, it has been woken. (Not so on a branch of sys_futex.c, 1.12.4: that
 * tells EINTR then, and sets nothing back, unlike what was seen.)
 *
 * Sources: NetBSD/src sys/kern/sys_futex.c 1.18 (futex_wait), sys/arch/x86/x86/syscall.c,
 * sys/arch/aarch64/aarch64/syscall.c, sys/arch/riscv/riscv/syscall.c (ERESTART), sys/sys/futex.h,
 * sys/sys/errno.h, sys/sys/time.h, maksymlanko/netbsd-src sys/kern/syscalls.master.
 */
#include <stddef.h>

#define VALET_CANCELLABLE_TRAP VALET_CANCELLABLE_NETBSD(166) /* SYS___futex */

#define VALET_TV_NSEC long /* beside a time_t of 64 bits on each CPU */

#include "arch/arch.h"
#include "sys/cancel.h"
#include "sys/deadline.h"
#include "sys/futex_word.h"
#include "sys/kernel_timespec.h"
#include "valet_sys.h"

#define SYS___futex            166
#define SYS___clock_gettime50  427
#define FUTEX_WAKE             1
#define FUTEX_CMP_REQUEUE      4
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

VALET_INLINE long wait_trap(const uint32_t *cancel, uint32_t *word, int operation,
                            uint32_t expected, long until)
{
    long value = (int32_t)expected, any = (long)FUTEX_BITSET_MATCH_ANY;
    if (cancel == NULL)
        return VALET_TRAP_NETBSD(SYS___futex, (long)word, operation, value, until, 0, 0, any);
    return valet_cancellable_trap(cancel, SYS___futex, (long)word, operation, value, until, 0, 0,
                                  any);
}

VALET_INLINE int wait(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags,
                      const uint32_t *cancel)
{
    struct timespec t;
    long until = 0;
    if (deadline != VALET_FOREVER) {
        t = timespec_of(deadline);
        until = (long)&t;
    }
    int operation = FUTEX_WAIT_BITSET | (flags & VALET_SHARED ? 0 : FUTEX_PRIVATE_FLAG);
    long r = wait_trap(cancel, word, operation, expected, until);
    if (valet_is_cancelled(cancel, r))
        return VALET_INTERRUPTED;
    /* 0: woken, perhaps by a stranger who used this address before. EINTR: a signal handler ran;
     * under SA_RESTART the kernel goes back to sleep by itself. */
    if (r == -EINTR && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;
    if (r == 0 || r == -EINTR)
        return VALET_OK;
    if (r == -EAGAIN) /* the word differed; or it cannot be read, and whoever asks again spins */
        return is_mapped(word) ? VALET_CHANGED : VALET_ERR_SYSTEM;
    if (r == -ETIMEDOUT && deadline != VALET_FOREVER) /* after INT_MAX ticks (248 days) at most */
        return valet_deadline_over_unasked(clock_ns(), deadline);
    /* EINVAL: not for these arguments. ENOMEM, ENFILE: the kernel has no room for a futex. ENOSYS,
     * anything else: no such call here (before 10). */
    return VALET_ERR_SYSTEM;
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return wait(word, expected, deadline, 0, NULL);
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    return wait(word, expected, deadline, flags, NULL);
}

int valet_sys_futex_wait_cancellable(uint32_t *word, uint32_t expected, uint64_t deadline,
                                     unsigned flags, const uint32_t *cancel)
{
    return wait(word, expected, deadline, flags, cancel);
}

bool valet_sys_cancel_redirect(uintptr_t *pc)
{
    return valet_cancellable_redirect(pc);
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
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_SHARED | VALET_REQUEUE | VALET_CANCELLABLE |
           VALET_SYS_COUNTS;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    int private = flags & VALET_SHARED ? 0 : FUTEX_PRIVATE_FLAG;
    return valet_futex_woken(wake(word, valet_futex_count(count), private));
}

int valet_sys_futex_requeue(uint32_t *from, uint32_t expected, uint32_t wake, uint32_t *to,
                            uint32_t requeue, unsigned flags)
{
    /* The kernel looks at it only where it has a queue of it: where somebody waits. */
    if (valet_futex_look(from) != expected)
        return VALET_CHANGED;
    int private = flags & VALET_SHARED ? 0 : FUTEX_PRIVATE_FLAG;
    long r = VALET_TRAP_NETBSD(SYS___futex, (long)from, FUTEX_CMP_REQUEUE | private, (long)wake, 0,
                               (long)to, (long)requeue, (long)(int32_t)expected);
    if (r >= 0) /* some number: the sum of two has an error of precedence in it */
        return VALET_OK;
    if (r == -EAGAIN) /* as for a wait */
        return is_mapped(from) ? VALET_CHANGED : VALET_ERR_SYSTEM;
    /* EFAULT: a shared word is not mapped. EINVAL: not for these arguments. ENOMEM, ENFILE: the
     * kernel has no room for a futex. ENOSYS, anything else: no such call here. */
    return VALET_ERR_SYSTEM;
}
