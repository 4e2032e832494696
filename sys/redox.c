/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Redox: futex, futex kind, by Linux' trap convention on every CPU. Kernels since April 2024, which
 * take an absolute monotonic time.
 *
 * Waiters that timed out or were interrupted stay in the kernel's queue and are counted by a wake,
 * which may thus wake nobody: every wake here is a wake of all. Until January 2026 every end of a
 * timed wait was called a timeout: the clock decides. Sources: redox-os/kernel
 * src/syscall/futex.rs, src/arch/, redox-os/syscall src/flag.rs, src/number.rs, src/data.rs,
 * src/error.rs.
 */
#include <stddef.h>

#include "arch/arch.h"
#include "sys/deadline.h"
#include "valet_sys.h"

#define SYS_FUTEX         240
#define SYS_CLOCK_GETTIME 265
#define FUTEX_WAIT        0
#define FUTEX_WAKE        1
#define CLOCK_REALTIME    1
#define CLOCK_MONOTONIC   4
#define EINTR             4
#define EAGAIN            11
#define ETIMEDOUT         110

struct TimeSpec {
    int64_t tv_sec;
    int32_t tv_nsec, padding;
};

_Static_assert(sizeof(struct TimeSpec) == 16 && offsetof(struct TimeSpec, tv_nsec) == 8 &&
                   sizeof(long) == 8,
               "the 64-bit ABI");

VALET_INLINE uint64_t clock_of(int clock)
{
    struct TimeSpec t;
    t.tv_sec = t.tv_nsec = t.padding = 0;
    if (valet_trap_linux(SYS_CLOCK_GETTIME, clock, (long)&t, 0, 0, 0, 0) != 0)
        return 0; /* cannot fail */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
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

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    struct TimeSpec t;
    long until = 0;
    if (deadline != VALET_FOREVER) {
        /* The kernel trusts the time, and hangs on a negative one: stay within signed ns, 292
         * years, whatever it computes with. */
        uint64_t at = deadline < INT64_MAX ? deadline : INT64_MAX;
        t.tv_sec = (int64_t)(at / 1000000000u);
        t.tv_nsec = (int32_t)(at % 1000000000u);
        until = (long)&t;
    }
    long r = valet_trap_linux(SYS_FUTEX, (long)word, FUTEX_WAIT, (long)expected, until, 0, 0);
    /* 0: woken, perhaps by a stale entry; or interrupted in the sleep. EINTR: a signal was pending
     * before it. */
    if (r == 0 || r == -EINTR)
        return VALET_OK;
    if (r == -EAGAIN) /* the word differed */
        return VALET_CHANGED;
    if (r == -ETIMEDOUT && deadline != VALET_FOREVER) /* or woken, before January 2026 */
        return valet_deadline_over_unasked(clock_ns(), deadline);
    /* EFAULT: the word is not mapped, or its page is protected at this moment. EINVAL: it is not
     * aligned. ENOSYS, anything else: no such call. */
    return VALET_ERR_SYSTEM;
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    (void)flags; /* as with a wake */
    return valet_sys_futex_wait(word, expected, deadline);
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    return valet_sys_futex_wait(word, expected, 0); /* every wake is for all */
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    (void)count; /* all: see above. EFAULT: the address is gone and so are its waiters */
    valet_trap_linux(SYS_FUTEX, (long)word, FUTEX_WAKE, INT32_MAX, 0, 0, 0);
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_SHARED;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    (void)flags; /* the key is the page, of whatever process */
    valet_sys_futex_wake(word, count);
    return VALET_FUTEX_UNKNOWN;
}
