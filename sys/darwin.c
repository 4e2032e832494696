/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * macOS 10.12, iOS 10 and later: ulock by trap, futex kind. darwin_os_sync.c is the same through
 * the public interface of macOS 14.4 and iOS 17.4, which the App Store accepts.
 *
 * ulock_wait takes a u32 of microseconds that counts from the call, and 0 is none. ulock_wait2 has
 * nanoseconds, but only since macOS 11: cutting the sleep does without it. NO_ERRNO makes an error
 * a negative result.
 *
 * The clock is libSystem's clock_gettime_nsec_np, the one undefined symbol: no call of the kernel's
 * own tells monotonic time on x86_64, and the page that libSystem computes it from has no layout
 * that Apple keeps. CLOCK_UPTIME_RAW is the clock that ulock counts by; both stop while the machine
 * sleeps. Sources: apple-oss-distributions/xnu bsd/kern/sys_ulock.c, bsd/sys/ulock.h,
 * bsd/kern/syscalls.master, libsyscall/wrappers/mach_absolute_time.s, clock_gettime(3).
 */
#include <stdbool.h>

#include "arch/arch.h"
#include "sys/deadline.h"
#include "valet_sys.h"

#define SYS_ulock_wait             515
#define SYS_ulock_wake             516
#define UL_COMPARE_AND_WAIT        0x1
#define UL_UNFAIR_LOCK             0x2
#define UL_COMPARE_AND_WAIT_SHARED 0x3
#define ULF_WAKE_ALL               0x100
#define ULF_WAIT_ADAPTIVE_SPIN     0x40000
#define ULF_NO_ERRNO               0x1000000
#define CLOCK_REALTIME             0
#define CLOCK_UPTIME_RAW           8
#define ENOENT                     2
#define EINTR                      4
#define EFAULT                     14
#define ETIMEDOUT                  60

#define LONGEST_NS (UINT32_MAX * UINT64_C(1000))

_Static_assert(sizeof(long) == 8, "the 64-bit ABI");

uint64_t clock_gettime_nsec_np(int clock);

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

/*
 * The kernel reads the word where it cannot wait for memory: EFAULT may mean that the page is not
 * there at this moment. The core's next look at the word would fetch it; but a word that is not
 * mapped must be an error and not a fault. So let the kernel fetch it: for this operation it first
 * reads the word where it can wait, finds it different (no 32-bit word is 2^32), and returns.
 * Kernels that do not know the flag refuse it (up to which release: not verified). False: the word
 * is not mapped.
 */
static bool fetch_page(const uint32_t *word)
{
    int r = (int)valet_trap_darwin(SYS_ulock_wait,
                                   UL_UNFAIR_LOCK | ULF_WAIT_ADAPTIVE_SPIN | ULF_NO_ERRNO,
                                   (long)word, (long)1 << 32, 1, 0, 0);
    return r != -EFAULT;
}

/* Waiters and wakers of one word must use the same one. Of a shared word the key is the page. */
static inline long opcode(unsigned flags)
{
    return flags & VALET_SHARED ? UL_COMPARE_AND_WAIT_SHARED : UL_COMPARE_AND_WAIT;
}

/* The number of other waiters, or -errno. As 32 bits: the upper half of the register is junk. */
VALET_INLINE int ulock_wait(const uint32_t *word, uint32_t expected, uint32_t timeout_us,
                            unsigned flags)
{
    return (int)valet_trap_darwin(SYS_ulock_wait, opcode(flags) | ULF_NO_ERRNO, (long)word,
                                  (long)(unsigned long)expected, (long)timeout_us, 0, 0);
}

VALET_INLINE int sleep_for(uint32_t *word, uint32_t expected, uint32_t timeout_us,
                           uint64_t deadline, unsigned flags)
{
    int r = ulock_wait(word, expected, timeout_us, flags);
    for (int tries = 3; r == -EFAULT && tries > 0 && fetch_page(word); tries--)
        r = ulock_wait(word, expected, timeout_us, flags);
    /* 0 and more: woken, perhaps for nothing, or the word differed. EINTR: a signal handler ran. */
    if (r == -EINTR && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;
    if (r >= 0 || r == -EINTR)
        return VALET_OK;
    if (r == -ETIMEDOUT && timeout_us != 0) /* the sleep, as it was cut, is over */
        return valet_deadline_over(clock_ns(), deadline);
    /* EFAULT: the word is not mapped. EDOM: somebody waits on it with another opcode. ENOMEM: the
     * kernel has no room for a waiter. EINVAL, ENOSYS, anything else: no such call here. */
    return VALET_ERR_SYSTEM;
}

VALET_INLINE int wait(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    uint32_t timeout_us = 0;
    if (deadline != VALET_FOREVER) {
        uint64_t ns;
        int status = valet_deadline_sleep(clock_ns(), deadline, LONGEST_NS, &ns);
        if (status != VALET_OK)
            return status;
        timeout_us = (uint32_t)valet_deadline_units(ns, 1000);
    }
    return sleep_for(word, expected, timeout_us, deadline, flags);
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

/* 0, but not how many, and those on their way out of the kernel count as asleep. ENOENT: nobody
 * waits, also where the address is gone. EDOM: a stranger waits there now. */
static inline int wake(uint32_t *word, long how_many, unsigned flags)
{
    return (int)valet_trap_darwin(SYS_ulock_wake, opcode(flags) | ULF_NO_ERRNO | how_many,
                                  (long)word, 0, 0, 0, 0);
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    wake(word, count == 1 ? 0 : ULF_WAKE_ALL, 0); /* one or all */
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_SHARED | VALET_SYS_COUNTS;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    int r = wake(word, count == 1 ? 0 : ULF_WAKE_ALL, flags);
    return r == -ENOENT ? 0 : VALET_FUTEX_UNKNOWN;
}
