/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The queue under the locks: a list of nodes on the waiters' stacks, newest first.
 *
 *   bit      meaning                       set by                       cleared by
 *   LOCKED   the lock is held, or on its   who takes the lock, also     who holds it, unless it
 *            way to who gets it            past those who wait          hands it over
 *   TAKEN    one thread has the list       who unlocks, or gives up     that thread
 *   WAKING   one waiter was woken, and     who lets go of the list,     that waiter, which takes
 *            will look                     or notifies (cond.c)         the lock, or sees LOCKED
 *   LEAVING  a node has to be taken out,   who gives up and finds       who has the list
 *            never without TAKEN           TAKEN
 *   4-       the newest node, or 0         a waiter, or who notifies    who has the list
 *
 * The rule: where there are nodes there is LOCKED, WAKING or TAKEN, and behind each of these is a
 * thread that will look after them: the holder unlocks, the one that was woken takes the lock or
 * sleeps again, the one that has the list lets go of it. So a waiter pushes its node only over
 * LOCKED, and who notifies over any of the three; an unlock that leaves nodes behind does so only
 * with one of the other two; the one that was woken clears WAKING only over LOCKED; and who lets go
 * of the list, where neither LOCKED nor WAKING is set, wakes one. Each is one compare-exchange.
 *
 * Only the one that has TAKEN follows the links or changes them, and nobody spins on it:
 *
 *   a newcomer   pushes its node, as ever
 *   who unlocks  clears LOCKED and returns; the one that has the list wakes somebody
 *   a leaver     says in its node that it is leaving, sets LEAVING, and parks until it is out; if
 *                it has the list itself, it takes out all who are leaving
 *
 * It lets go by a compare-exchange, which fails if more came meanwhile. What it took out is woken
 * after that, and that is its last touch of each: a node stays where it is until its owner has the
 * token. The word is not touched after that compare-exchange, so whoever gets the lock may free it.
 *
 * A lock may be taken past those who wait, since a thread that runs is faster than one that has to
 * be woken. One that was woken and has lost goes back to the old end of the list. After LOSSES such
 * rounds the lock is handed over to it: LOCKED stays set, and it has the lock when it wakes.
 *
 * The fate of a node that is out, which the one that had the list has decided:
 *
 *   WOKEN    it owns WAKING and tries again
 *   GRANTED  it has the lock
 *   REMOVED  its owner gave up
 *   FREE     it was woken, tries again, and owns nothing: one of a herd (cond.c)
 */
#include "core/locks/queue.h"
#include "arch/arch.h"
#include "core/assert.h"
#include "core/locks/list.h"

VALET_INLINE int lock_loop(valet_wordptr *word, uint64_t deadline, unsigned flags, uint32_t lost,
                           uintptr_t woken)
{
    VALET_UNFILLED struct valet_node n;
    n.lost = lost;
    int r = VALET_OK;
    unsigned first = (flags & VALET_NO_POLL) ? VALET_LOCKS_POLL : 0, polls = first;
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    for (;;) {
        if (!(seen & VALET_LOCKED)) {
            /* acquire: LOCK, pairs with UNLOCK */
            if (atomic_compare_exchange_weak_explicit(word, &seen, (seen | VALET_LOCKED) & ~woken,
                                                      memory_order_acquire, memory_order_relaxed))
                return VALET_OK;
            continue;
        }
        if (r != VALET_OK) {
            /* relaxed: it gives nothing to anyone */
            if (!woken ||
                atomic_compare_exchange_weak_explicit(word, &seen, seen & ~woken,
                                                      memory_order_relaxed, memory_order_relaxed))
                return r;
            continue;
        }
        if (polls != VALET_LOCKS_POLL) {
            valet_queue_poll(polls++);
            seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess */
            continue;
        }

        valet_node_init(&n, seen);
        /* release: PUSH, pairs with TAKE, whose thread reads the node; or it came before that
         * thread let go, and it acquires once more */
        if (!atomic_compare_exchange_weak_explicit(
                word, &seen, (uintptr_t)&n | (seen & VALET_NODE_BITS & ~woken),
                memory_order_release, memory_order_relaxed))
            continue;
        r = valet_list_park(&n.parker, deadline, flags);
        if (r != VALET_OK) {
            uintptr_t taken = valet_list_leave(word, &n);
            if (taken != 0)
                valet_queue_serve(word, taken, 0, UINT32_MAX);
            valet_list_await(&n.parker);
        }
        if (n.fate != VALET_WOKEN)
            return n.fate == VALET_GRANTED ? VALET_OK : r;
        woken = VALET_WAKING;
        n.lost++;
        polls = first;
        seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess */
    }
}

#ifndef VALET_MACHINE_ONLY

VALET_UNPROTECTED void valet_queue_serve(valet_wordptr *word, uintptr_t seen, uintptr_t held,
                                         uint32_t losses)
{
    VALET_UNFILLED struct valet_list l;
    valet_list_init(&l);
    struct valet_node *out = NULL;
    uintptr_t set = 0;
    for (;;) {
        seen = valet_list_look(&l, word, seen, &out);
        if (set == 0 && l.oldest != NULL && (held || !(seen & (VALET_LOCKED | VALET_WAKING)))) {
            uint32_t fate = VALET_GRANTED;
            if (l.oldest->lost >= losses) {
                held = 0; /* LOCKED stays */
            } else {
                set = VALET_WAKING;
                fate = VALET_WOKEN;
            }
            valet_list_take_out(&l, l.oldest, fate, &out);
        }
        uintptr_t kept = seen & (VALET_LOCKED | VALET_WAKING) & ~held;
        uintptr_t next = valet_list_close(&l) | kept | set;
        /* release: LET_GO of the list, pairs with TAKE, and UNLOCK, pairs with LOCK */
        if (atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_release,
                                                  memory_order_relaxed))
            break;
        /* acquire: pairs with PUSH and LEAVE */
        seen = atomic_load_explicit(word, memory_order_acquire);
    }
    valet_list_wake(out);
}

VALET_SLOW int valet_queue_lock(valet_wordptr *word, uint64_t deadline, uint32_t lost,
                                uintptr_t woken)
{
    return lock_loop(word, deadline, 0, lost, woken);
}

VALET_SLOW void valet_queue_unlock(valet_wordptr *word, bool fair)
{
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed);  /* a guess for the CAS */
    uintptr_t others = fair ? VALET_TAKEN : VALET_TAKEN | VALET_WAKING; /* look after the queue */
    for (;;) {
        VALET_ASSERT(seen & VALET_LOCKED); /* else the caller does not hold it */
        if (valet_newest(seen) == NULL || (seen & others)) {
            /* release: UNLOCK, pairs with LOCK */
            if (atomic_compare_exchange_weak_explicit(word, &seen, seen & ~VALET_LOCKED,
                                                      memory_order_release, memory_order_relaxed))
                return;
            /* acquire: TAKE, pairs with PUSH and LET_GO */
        } else if (atomic_compare_exchange_weak_explicit(word, &seen, seen | VALET_TAKEN,
                                                         memory_order_acquire,
                                                         memory_order_relaxed)) {
            valet_queue_serve(word, seen | VALET_TAKEN, VALET_LOCKED,
                              fair ? 0 : VALET_LOCKS_LOSSES);
            return;
        }
    }
}

#endif /* VALET_MACHINE_ONLY */
