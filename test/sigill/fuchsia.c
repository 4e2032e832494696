/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Fuchsia: docs/reference/syscalls and zircon/kernel/object/futex_context.cc of vsrinivas/fuchsia.
 */
#include "kernel.h"

#define ZX_OK                0
#define ZX_ERR_NOT_SUPPORTED (-2)
#define ZX_ERR_INVALID_ARGS  (-10)
#define ZX_ERR_BAD_STATE     (-20)
#define ZX_ERR_TIMED_OUT     (-21)

int32_t zx_futex_wait(const uint32_t *word, uint32_t expected, uint32_t owner, int64_t deadline);
int32_t zx_futex_wake(const uint32_t *word, uint32_t count);
int32_t zx_futex_requeue(const uint32_t *from, uint32_t wake, uint32_t expected, const uint32_t *to,
                         uint32_t move, uint32_t owner);
int64_t zx_clock_get_monotonic(void);

int64_t zx_clock_get_monotonic(void)
{
    return (int64_t)kernel_now();
}

int32_t zx_futex_wait(const uint32_t *word, uint32_t expected, uint32_t owner, int64_t deadline)
{
    KERNEL_MUST(owner == 0, owner);
    uint64_t until = deadline < 0 ? 0 : deadline < INT64_MAX ? (uint64_t)deadline : KERNEL_FOREVER;
    if (kernel_refuses)
        return ZX_ERR_NOT_SUPPORTED;
    if (kernel_whim()) /* a stranger's wake; or the slack of a timer, that makes it early */
        return until != KERNEL_FOREVER && kernel_random(2) == 0 ? ZX_ERR_TIMED_OUT : ZX_OK;
    for (;;)
        switch (kernel_sleep(word, expected, until)) {
        case WOKEN:
            return ZX_OK;
        case DIFFERS:
            return ZX_ERR_BAD_STATE;
        case EXPIRED:
            return ZX_ERR_TIMED_OUT;
        case UNMAPPED:
            return ZX_ERR_INVALID_ARGS;
        case INTERRUPTED: /* there are no signals */
            break;
        }
}

int32_t zx_futex_wake(const uint32_t *word, uint32_t count)
{
    KERNEL_MUST(count >= 1, count);
    kernel_wake(word, count);
    return ZX_OK;
}

int32_t zx_futex_requeue(const uint32_t *from, uint32_t wake, uint32_t expected, const uint32_t *to,
                         uint32_t move, uint32_t owner)
{
    KERNEL_MUST(owner == 0, owner);
    KERNEL_MUST(from != to, from != to);
    KERNEL_MUST(wake <= INT32_MAX && move <= INT32_MAX, wake | move); /* Linux refuses more */
    switch (kernel_requeue(from, expected, wake, to, move)) {
    case WOKEN:
        return ZX_OK;
    case DIFFERS:
        return ZX_ERR_BAD_STATE;
    default:
        return ZX_ERR_INVALID_ARGS;
    }
}
