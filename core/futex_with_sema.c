/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The futex where the system wakes one known thread: the wait with flags, in an object of its own.
 * The table is the same. */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#define VALET_AT_FORK 1 /* the core's own is in the other object */
#include "core/futex_sema.c"
#endif

VALET_UNPROTECTED int valet_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline,
                                            unsigned flags)
{
    int r = valet_with_flags(flags, VALET_SHARED);
    return r != VALET_OK ? r : queue_and_sleep(word, expected, deadline, flags & ~VALET_NO_POLL);
}

/* No sema kind has words that processes share. */
uint32_t valet_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    (void)flags;
    return valet_futex_wake(word, count);
}
