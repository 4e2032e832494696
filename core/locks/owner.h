/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The owner of a mutex, where the build says who a thread is (VALET_LOCK_OWNER, valet_locks.h);
 * elsewhere nothing. Only the thread itself writes its id, and takes it away before it unlocks. So
 * whoever reads its own id is the owner, whatever others do meanwhile: no order is needed.
 */
#ifndef VALET_CORE_LOCKS_OWNER_H
#define VALET_CORE_LOCKS_OWNER_H

#include "core/assert.h"
#include "core/word.h"
#include "valet_locks.h"

/* The calling thread has got it, if the answer says so. */
static inline int valet_owner_begins(struct valet_mutex *m, int answer)
{
#ifdef VALET_LOCK_OWNER
    if (answer == VALET_OK)
        atomic_store_explicit((valet_wordptr *)&m->owner, VALET_LOCK_OWNER(), memory_order_relaxed);
#else
    (void)m;
#endif
    return answer;
}

/* ... is about to lock it. */
static inline void valet_owner_is_another(struct valet_mutex *m)
{
#ifdef VALET_LOCK_OWNER
    VALET_ASSERT(atomic_load_explicit((valet_wordptr *)&m->owner, memory_order_relaxed) !=
                 VALET_LOCK_OWNER());
#else
    (void)m;
#endif
}

/* ... gives it up. */
static inline void valet_owner_ends(struct valet_mutex *m)
{
#ifdef VALET_LOCK_OWNER
    VALET_ASSERT(atomic_load_explicit((valet_wordptr *)&m->owner, memory_order_relaxed) ==
                 VALET_LOCK_OWNER());
    atomic_store_explicit((valet_wordptr *)&m->owner, 0, memory_order_relaxed);
#else
    (void)m;
#endif
}

#endif
