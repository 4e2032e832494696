/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Once: waiters, whose state says how far it is. All orders are theirs (SET, SEEN).
 *
 *   state    meaning                      next, and by whom
 *   FRESH    nobody has begun, or who     RUNNING by begin
 *            had begun has abandoned it
 *   RUNNING  one thread does it           DONE by done; FRESH by abandon
 *   DONE     it is done, for ever
 */
#include "core/assert.h"
#include "core/word.h"
#include "valet_locks.h"

enum { FRESH = 0, RUNNING = 1, DONE = 2 };

/* flags: of the call with flags, or 0, where the compiler knows that there are none. */
VALET_INLINE int begin_loop(struct valet_waiters *w, uint64_t deadline, unsigned flags)
{
    for (;;) {
        unsigned seen = FRESH;
        if (valet_waiters_compare_exchange(w, &seen, RUNNING))
            return VALET_CHOSEN;
        if (seen == DONE)
            return VALET_OK;
        int r = flags != 0 ? valet_compare_and_wait_with(w, RUNNING, deadline, flags)
                           : valet_compare_and_wait_until(w, RUNNING, deadline);
        if (r != VALET_OK)
            return r;
    }
}

#ifndef VALET_MACHINE_ONLY

bool valet_once_is_done(const struct valet_once *o)
{
    return valet_waiters_state(&o->waiters) == DONE;
}

VALET_SLOW static int begin_slow(struct valet_waiters *w)
{
    return begin_loop(w, VALET_FOREVER, 0);
}

int valet_once_begin(struct valet_once *o)
{
    return VALET_LIKELY(valet_once_is_done(o)) ? VALET_OK : begin_slow(&o->waiters);
}

void valet_once_done(struct valet_once *o)
{
    VALET_ASSERT(valet_waiters_state(&o->waiters) == RUNNING); /* else nobody has begun */
    valet_store_and_wake(&o->waiters, DONE);
}

void valet_once_abandon(struct valet_once *o)
{
    VALET_ASSERT(valet_waiters_state(&o->waiters) == RUNNING); /* else nobody has begun */
    valet_store_and_wake(&o->waiters, FRESH);
}

int valet_once_call(struct valet_once *o, void (*function)(void *argument), void *argument)
{
    int r = valet_once_begin(o);
    if (VALET_LIKELY(r != VALET_CHOSEN))
        return r;
    function(argument);
    valet_once_done(o);
    return VALET_OK;
}

#endif /* VALET_MACHINE_ONLY */
