/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Mutex: the lock with flags, in an object of its own. Its machine is that of the others, once
 * more. */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#include "core/locks/queue.c"
#endif
#include "core/locks/owner.h"
#include "core/with.h"

VALET_SLOW int valet_queue_lock_with(valet_wordptr *word, uint64_t deadline, unsigned flags,
                                     uint32_t lost, uintptr_t woken)
{
    return lock_loop(word, deadline, flags, lost, woken);
}

int valet_mutex_lock_with(struct valet_mutex *m, uint64_t deadline, unsigned flags)
{
    int r = valet_with_flags(flags, 0);
    if (r != VALET_OK)
        return r;
    valet_owner_is_another(m);
    if (valet_mutex_try_lock(m))
        return VALET_OK;
    if (deadline == 0)
        return VALET_TIMEDOUT;
    return valet_owner_begins(
        m, valet_queue_lock_with((valet_wordptr *)&m->word, deadline, flags, 0, 0));
}
