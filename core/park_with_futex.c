/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Parker, futex kind: the park with flags, in an object of its own. Its machine is that of the
 * others, once more. */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#include "core/park_futex.c"
#endif

VALET_UNPROTECTED int valet_park_with(struct valet_parker *p, uint64_t deadline, unsigned flags)
{
    valet_word32 *word = word_of(p);
    int r = valet_with_flags(flags, 0);
    if (r != VALET_OK)
        return r;
    if (take_token(word))
        return VALET_OK;
#if VALET_SPIN
    if (!(flags & VALET_NO_POLL) &&
        (flags & VALET_REALTIME ? deadline != 0
                                : deadline == VALET_FOREVER || is_worth_a_poll(word, deadline))) {
        r = poll_then_park(word, 0); /* in vain: it does not park yet */
        if (r != VALET_TIMEDOUT)
            return r;
    }
#endif
    flags &= ~VALET_NO_POLL;
    return flags != 0 ? park_loop(word, deadline, flags) : park_slow(word, deadline);
}
