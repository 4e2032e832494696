/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The futex where the kernel has one: the requeue, in an object of its own. */
#include "core/futex.h"
#include "valet.h"
#include "valet_sys.h"

/* What a system does that cannot move threads. An embedder has his own with VALET_WITH_REQUEUE,
 * where there is no weak symbol. It is in the file that calls it: elsewhere Windows would not find
 * it. */
#ifndef VALET_WITH_REQUEUE
#define VALET_WITH_REQUEUE 0
#endif
#if !VALET_WITH_REQUEUE
__attribute__((weak)) int valet_sys_futex_requeue(uint32_t *from, uint32_t expected, uint32_t wake,
                                                  uint32_t *to, uint32_t requeue, unsigned flags)
{
    (void)to;
    /* relaxed: the user's own orders */
    if (atomic_load_explicit((valet_word32 *)from, memory_order_relaxed) != expected)
        return VALET_CHANGED;
    valet_futex_wake_with(from, wake + requeue, flags);
    return VALET_OK;
}
#endif

int valet_futex_requeue(uint32_t *from, uint32_t expected, uint32_t wake, uint32_t *to,
                        uint32_t requeue, unsigned flags)
{
    int r = valet_requeue_takes(from, to, flags);
    if (r != VALET_OK)
        return r;
    if (wake > INT32_MAX)
        wake = INT32_MAX;
    if (requeue > INT32_MAX)
        requeue = INT32_MAX;
    return valet_sys_futex_requeue(from, expected, wake, to, requeue, flags);
}
