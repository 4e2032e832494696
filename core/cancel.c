/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A wait that cancellation ends, in an object of its own, for both kinds: it is the system's, where
 * there is one. */
#include "core/with.h"
#include "core/word.h"
#include "valet.h"
#include "valet_sys.h"

/* Not called, where VALET_CANCELLABLE is not among the features. */
#ifndef VALET_CANCEL
#define VALET_CANCEL 0
#endif
#if !VALET_CANCEL
__attribute__((weak)) int valet_sys_futex_wait_cancellable(uint32_t *word, uint32_t expected,
                                                           uint64_t deadline, unsigned flags,
                                                           const uint32_t *cancel)
{
    (void)word;
    (void)expected;
    (void)deadline;
    (void)flags;
    (void)cancel;
    return VALET_ERR_UNSUPPORTED;
}

__attribute__((weak)) bool valet_sys_cancel_redirect(uintptr_t *pc)
{
    (void)pc;
    return false;
}
#endif

/* A deadline is over, and no trap has looked at *cancel. */
static inline int over(const uint32_t *cancel)
{
    /* relaxed: it says that a signal comes, and hands on nothing */
    bool is_set = atomic_load_explicit((const valet_word32 *)cancel, memory_order_relaxed) != 0;
    return is_set ? VALET_INTERRUPTED : VALET_TIMEDOUT;
}

/* As valet_futex_sleep, by the cancellable wait. */
static VALET_UNPROTECTED int cancellable_sleep(uint32_t *word, uint32_t expected, uint64_t deadline,
                                               unsigned flags, const uint32_t *cancel)
{
    for (;;) {
        uint64_t until = deadline;
        unsigned how = flags;
        int r = valet_with_slice(&until, &how);
        if (r != VALET_OK)
            return r == VALET_TIMEDOUT ? over(cancel) : r;
        r = valet_sys_futex_wait_cancellable(word, expected, until, how, cancel);
        if (!valet_with_goes_on(r, deadline, flags, how))
            return r;
    }
}

int valet_futex_wait_cancellable(uint32_t *word, uint32_t expected, uint64_t deadline,
                                 unsigned flags, const uint32_t *cancel)
{
    if (!(valet_features() & VALET_CANCELLABLE))
        return VALET_ERR_UNSUPPORTED;
    int r = valet_with_flags(flags, VALET_SHARED);
    if (r != VALET_OK)
        return r;
    if (!valet_is_word(word) || !valet_is_word(cancel))
        return VALET_ERR_INVALID;
    r = deadline == 0 ? over(cancel)
                      : cancellable_sleep(word, expected, deadline, flags & ~VALET_NO_POLL, cancel);
    if (r != VALET_TIMEDOUT && r != VALET_INTERRUPTED)
        return r;
    /* A difference beats both: some systems spend a wake on a thread that then answers so. */
    int look = valet_futex_wait(word, expected, 0);
    return look == VALET_TIMEDOUT ? r : look;
}

bool valet_cancel_redirect(uintptr_t *pc)
{
    return valet_sys_cancel_redirect(pc);
}
