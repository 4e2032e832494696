/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Fuchsia: zx_futex_wait, zx_futex_wake and zx_futex_requeue, futex kind.
 *
 * By the vDSO's symbols, which libzircon.so supplies: the kernel refuses a trap from anywhere else.
 * Times are signed. The owner of a futex is for priority inheritance, of which there is none here.
 * Sources: vsrinivas/fuchsia docs/reference/syscalls/futex_wait.md, futex_wake.md,
 * futex_requeue.md, clock_get_monotonic.md, docs/concepts/kernel/vdso.md,
 * zircon/kernel/object/futex_context.cc.
 */
#include "sys/deadline.h"
#include "valet_sys.h"

#define ZX_OK             0
#define ZX_ERR_BAD_STATE  (-20)
#define ZX_ERR_TIMED_OUT  (-21)
#define ZX_HANDLE_INVALID 0
#define ZX_TIME_INFINITE  INT64_MAX

int32_t zx_futex_wait(const uint32_t *word, uint32_t expected, uint32_t new_owner,
                      int64_t deadline);
int32_t zx_futex_wake(const uint32_t *word, uint32_t count);
int32_t zx_futex_requeue(const uint32_t *from, uint32_t wake, uint32_t expected, const uint32_t *to,
                         uint32_t requeue, uint32_t new_owner);
int64_t zx_clock_get_monotonic(void);

static uint64_t clock_ns(void)
{
    return (uint64_t)zx_clock_get_monotonic(); /* since the start of the machine: positive */
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    int64_t until = deadline < (uint64_t)ZX_TIME_INFINITE ? (int64_t)deadline : ZX_TIME_INFINITE;
    int32_t r = zx_futex_wait(word, expected, ZX_HANDLE_INVALID, until);
    if (r == ZX_OK) /* woken, perhaps by a stranger who used this address before */
        return VALET_OK;
    if (r == ZX_ERR_BAD_STATE) /* the word differed */
        return VALET_CHANGED;
    if (r == ZX_ERR_TIMED_OUT && until != ZX_TIME_INFINITE) /* a job's timer slack may be early */
        return valet_deadline_over_unasked(clock_ns(), deadline);
    /* INVALID_ARGS: the word is not mapped, perhaps for a moment, or not aligned; anything else is
     * not documented. */
    return VALET_ERR_SYSTEM;
}

int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    /* The kernel compares first, and does not call a thread late that was woken meanwhile. */
    return valet_sys_futex_wait(word, expected, 0);
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    zx_futex_wake(word, count); /* all: UINT32_MAX, as here. OK also for an address that is gone */
}

unsigned valet_sys_features(void)
{
    return VALET_REQUEUE;
}

int valet_sys_futex_requeue(uint32_t *from, uint32_t expected, uint32_t wake, uint32_t *to,
                            uint32_t requeue, unsigned flags)
{
    (void)flags; /* there are no shared words */
    int32_t r = zx_futex_requeue(from, wake, expected, to, requeue, ZX_HANDLE_INVALID);
    if (r == ZX_OK)
        return VALET_OK;
    if (r == ZX_ERR_BAD_STATE) /* the word differed */
        return VALET_CHANGED;
    /* INVALID_ARGS: the first word is not mapped, or one is not aligned, or both are one; anything
     * else is not documented. */
    return VALET_ERR_SYSTEM;
}

uint64_t valet_sys_now_realtime(void)
{
    return 0; /* that clock is a handle, which a process is given at its start */
}

/* The rest is not called. */

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    (void)flags;
    return valet_sys_futex_wait(word, expected, deadline);
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    (void)flags;
    valet_sys_futex_wake(word, count);
    return VALET_FUTEX_UNKNOWN;
}
