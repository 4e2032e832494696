/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Waiters, futex kind: the wait with flags, in an object of its own. Its machine is that of the
 * others, once more. */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#include "core/waiters_futex.c"
#endif

VALET_UNPROTECTED int valet_compare_and_wait_with(struct valet_waiters *w, unsigned expected,
                                                  uint64_t deadline, unsigned flags)
{
    int r = valet_with_flags(flags, 0);
    return r != VALET_OK ? r
                         : wait_loop(word_of(w), expected, deadline, !(flags & VALET_NO_POLL),
                                     flags & ~VALET_NO_POLL);
}
