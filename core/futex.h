/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The futex with a timeout: the same for both kinds, by the one with a deadline. */
#ifndef VALET_CORE_FUTEX_H
#define VALET_CORE_FUTEX_H

#include "core/deadline.h"
#include "core/word.h"
#include "valet.h"

/* Looks at the word itself, which valet_futex_wait does not where the kernel has a futex. */
static inline int valet_futex_for(uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    if (!valet_is_word(word))
        return VALET_ERR_INVALID;
    /* Before the clock is asked, which may be a system call. relaxed: the user's own load orders */
    if (atomic_load_explicit((valet_word32 *)word, memory_order_relaxed) != expected)
        return VALET_CHANGED;
    uint64_t deadline;
    if (timeout_ns == 0)
        return VALET_TIMEDOUT;
    if (!valet_deadline_after(timeout_ns, &deadline))
        return VALET_ERR_UNSUPPORTED;
    return valet_futex_wait(word, expected, deadline);
}

/* VALET_OK: what valet_futex_requeue was given is such as it takes. */
static inline int valet_requeue_takes(const uint32_t *from, const uint32_t *to, unsigned flags)
{
    if (flags & ~VALET_SHARED)
        return VALET_ERR_INVALID;
    if (flags & ~valet_features())
        return VALET_ERR_UNSUPPORTED;
    return valet_is_word(from) && valet_is_word(to) && from != to ? VALET_OK : VALET_ERR_INVALID;
}

#endif
