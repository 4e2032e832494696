/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Fuchsia: zx_futex_wait and zx_futex_wake, futex kind.
 *
 * By the vDSO's symbols, which libzircon.so supplies: the kernel refuses a trap from anywhere else.
 * Times are signed. The owner of a futex is for priority inheritance, of which there is none here.
 * Sources: vsrinivas/fuchsia docs/reference/syscalls/futex_wait.md, futex_wake.md,
 * clock_get_monotonic.md, docs/concepts/kernel/vdso.md, zircon/kernel/object/futex_context.cc.
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
        return valet_deadline_over(clock_ns(), deadline);
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
