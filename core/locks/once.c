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

bool valet_once_is_done(const struct valet_once *o)
{
    return valet_waiters_state(&o->waiters) == DONE;
}

VALET_SLOW static int begin_slow(struct valet_waiters *w)
{
    for (;;) {
        unsigned seen = FRESH;
        if (valet_waiters_compare_exchange(w, &seen, RUNNING))
            return VALET_CHOSEN;
        if (seen == DONE)
            return VALET_OK;
        int r = valet_compare_and_wait(w, RUNNING);
        if (r != VALET_OK)
            return r;
    }
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
