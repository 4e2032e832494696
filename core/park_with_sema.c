/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Parker, sema kind: the park with flags, in an object of its own. Its machine is that of the
 * others, once more. */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#include "core/park_sema.c"
#endif

VALET_UNPROTECTED int valet_park_with(struct valet_parker *p, uint64_t deadline, unsigned flags)
{
    int r = valet_with_flags(flags, 0);
    if (r != VALET_OK)
        return r;
    if (take_token(word_of(p)))
        return VALET_OK;
    flags &= ~VALET_NO_POLL;
    return flags != 0 ? park_loop(word_of(p), deadline, flags) : park_slow(word_of(p), deadline);
}
