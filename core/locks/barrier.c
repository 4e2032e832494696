/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Barrier: a list of nodes as in queue.c, and a count of threads that are still to come, in the low
 * half of its word; the high half keeps how many they are.
 *
 * A thread pushes its node first, and is counted then. So the last one finds all of them in the
 * list, and nobody else in the object: it sets both words back, and wakes all, itself too, which
 * does no harm. Who waits looks at its own node only. So whoever has returned may free the object,
 * or come again for the next round.
 */
#include "core/assert.h"
#include "core/locks/list.h"
#include "core/locks/queue.h"
#include "valet_locks.h"

#define HALF (sizeof(uintptr_t) * 4) /* bits */

VALET_UNPROTECTED int valet_barrier_wait(struct valet_barrier *b)
{
    VALET_UNFILLED struct valet_node n;
    valet_wordptr *word = (valet_wordptr *)&b->word, *count = (valet_wordptr *)&b->count;
    n.parker = (struct valet_parker)VALET_PARKER_INIT;
    /* relaxed: here and below ARRIVE orders the words and the nodes */
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    do {
        n.older = (struct valet_node *)seen;
    } while (!atomic_compare_exchange_weak_explicit(word, &seen, (uintptr_t)&n,
                                                    memory_order_relaxed, memory_order_relaxed));
    /* release: ARRIVE, for the last one, which acquires */
    uintptr_t left = atomic_fetch_sub_explicit(count, 1, memory_order_acq_rel);
    VALET_ASSERT(left << HALF != 0); /* else more threads are here than it is for */
    uintptr_t all = left >> HALF;
    if (left << HALF >> HALF != 1) {
        valet_list_await(&n.parker);
        return VALET_OK;
    }
    atomic_store_explicit(count, all << HALF | all, memory_order_relaxed);
    struct valet_node *out = valet_newest(atomic_load_explicit(word, memory_order_relaxed));
    atomic_store_explicit(word, 0, memory_order_relaxed);
    valet_list_wake(out);
    return VALET_CHOSEN;
}
