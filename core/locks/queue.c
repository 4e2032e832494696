/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The queue under the locks: a list of nodes on the waiters' stacks, newest first.
 *
 *   bit      meaning                       set by                       cleared by
 *   LOCKED   the lock is held, or on its   who takes the lock, also     who holds it, unless it
 *            way to who gets it            past those who wait          hands it over
 *   TAKEN    one thread has the list       who unlocks, or gives up     that thread
 *   WAKING   one waiter was woken, and     who lets go of the list      that waiter, which takes
 *            will look                                                  the lock, or sees LOCKED
 *   LEAVING  a node has to be taken out,   who gives up and finds       who has the list
 *            never without TAKEN           TAKEN
 *   4-       the newest node, or 0         a waiter                     who has the list
 *
 * The rule: where there are nodes there is LOCKED, WAKING or TAKEN, and behind each of these is a
 * thread that will look after them: the holder unlocks, the one that was woken takes the lock or
 * sleeps again, the one that has the list lets go of it. So a waiter pushes its node only over
 * LOCKED; an unlock that leaves nodes behind does so only with one of the other two; the one that
 * was woken clears WAKING only over LOCKED; and who lets go of the list, where neither LOCKED nor
 * WAKING is set, wakes one. Each is one compare-exchange.
 *
 * Only the one that has TAKEN follows the links or changes them, and nobody waits for it:
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
 * The fate of a node, which the one that has the list decides:
 *
 *   WAITING  in the list
 *   WOKEN    out; it owns WAKING and tries again
 *   GRANTED  out; it has the lock
 *   REMOVED  out, since its owner gave up
 */
#include "core/locks/queue.h"
#include "arch/arch.h"
#include "core/assert.h"

/* Rounds of looks at a lock before a thread queues, each twice as long: some 6 us. For threads
 * that run in parallel; 0 where a thread that waits had better leave its CPU to others at once. */
#ifndef VALET_LOCKS_POLL
#define VALET_LOCKS_POLL 8
#endif

/* A waiter that was woken in vain so often is handed the lock the next time. */
#ifndef VALET_LOCKS_LOSSES
#define VALET_LOCKS_LOSSES 4
#endif

/* As the thread that has it knows the list; top: the node in the word when it looked last. */
struct list {
    struct valet_node *top, *newest, *oldest;
};

static void unlink_node(struct list *l, const struct valet_node *n)
{
    *(n->newer ? &n->newer->older : &l->newest) = n->older;
    *(n->older ? &n->older->newer : &l->oldest) = n->newer;
}

/* Nodes that were pushed since the last look learn who came after them, and one that has lost goes
 * to the old end. Each node is walked once, by whoever has the list. */
static void merge(struct list *l, struct valet_node *top)
{
    struct valet_node *n = top, *lost = n->lost ? n : NULL;
    while (n->oldest == NULL && n->older != l->top) {
        n->older->newer = n;
        n = n->older;
        if (n->lost)
            lost = n;
    }
    if (l->top == NULL) {
        l->oldest = n->oldest; /* n has been walked before, or was alone */
    } else {
        n->older = l->newest;
        *(l->newest ? &l->newest->newer : &l->oldest) = n;
    }
    l->top = l->newest = top;
    if (lost == NULL)
        return;
    unlink_node(l, lost);
    lost->older = NULL;
    lost->newer = l->oldest;
    *(l->oldest ? &l->oldest->older : &l->newest) = lost;
    l->oldest = lost;
}

static void take_out(struct list *l, struct valet_node *n, uint32_t fate, struct valet_node **out)
{
    unlink_node(l, n);
    n->fate = fate;
    n->older = *out;
    *out = n;
}

/*
 * With TAKEN, which the caller has just set in the word: take out those who are leaving, if `seen`
 * says that there are such; wake the one that comes first, if that is due; let go.
 *
 * held     VALET_LOCKED: the caller holds the lock and gives it up; else 0
 * losses   it hands it over, to one that has lost so often
 */
static void serve(valet_wordptr *word, uintptr_t seen, uintptr_t held, uint32_t losses)
{
    struct list l = {NULL, NULL, NULL};
    struct valet_node *out = NULL;
    uintptr_t set = 0, next;
    for (;;) {
        VALET_ASSERT(seen & VALET_TAKEN); /* it is ours until here */
        /* Cleared before the walk: another one that leaves then changes the word. acquire: pairs
         * with LEAVE of all who came before, and with PUSH */
        uintptr_t leaving = seen & VALET_LEAVING;
        if (leaving)
            seen = atomic_fetch_and_explicit(word, ~VALET_LEAVING, memory_order_acquire) &
                   ~VALET_LEAVING;
        if (valet_newest(seen) != l.top)
            merge(&l, valet_newest(seen));
        if (leaving)
            for (struct valet_node *n = l.newest, *older; n != NULL; n = older) {
                older = n->older;
                /* relaxed: LEAVE orders it for those who had set LEAVING, and others may stay */
                if (atomic_load_explicit(&n->leaving, memory_order_relaxed) == (uintptr_t)word)
                    take_out(&l, n, VALET_REMOVED, &out);
            }
        if (set == 0 && l.oldest != NULL && (held || !(seen & (VALET_LOCKED | VALET_WAKING)))) {
            uint32_t fate = VALET_GRANTED;
            if (l.oldest->lost >= losses) {
                held = 0; /* LOCKED stays */
            } else {
                set = VALET_WAKING;
                fate = VALET_WOKEN;
            }
            take_out(&l, l.oldest, fate, &out);
        }
        if (l.newest != NULL)
            l.newest->oldest = l.oldest;
        next = (uintptr_t)l.newest | (seen & (VALET_LOCKED | VALET_WAKING) & ~held) | set;
        /* release: LET_GO of the list, pairs with TAKE, and UNLOCK, pairs with LOCK */
        if (atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_release,
                                                  memory_order_relaxed))
            break;
        /* acquire: pairs with PUSH and LEAVE */
        seen = atomic_load_explicit(word, memory_order_acquire);
    }
    for (struct valet_node *n = out; n != NULL; n = out) {
        out = n->older; /* before it is woken: after that it is gone */
        valet_unpark(&n->parker);
    }
}

/* A park has ended without a token: be out of the list when this returns. The node's fate tells
 * whether it was chosen before that. Whoever takes it out, the token says when. */
static void leave(valet_wordptr *word, struct valet_node *n)
{
    /* relaxed: LEAVE orders it */
    atomic_store_explicit(&n->leaving, (uintptr_t)word, memory_order_relaxed);
    /* A guess for the CAS; no older than our push. Without a node in it, ours is out. */
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (valet_newest(seen) != NULL) {
        uintptr_t next = seen | VALET_TAKEN | VALET_LEAVING;
        /* release: LEAVE, for the one that has the list. It clears LEAVING and acquires, also
         * where that is us; so this is no TAKE */
        if (!atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_release,
                                                   memory_order_relaxed))
            continue;
        if (!(seen & VALET_TAKEN))
            serve(word, next, 0, UINT32_MAX);
        break;
    }
    /* A system that refuses to park leaves only this loop. */
    while (valet_park(&n->parker) != VALET_OK)
        valet_arch_relax();
}

VALET_SLOW int valet_queue_lock(valet_wordptr *word, uint64_t deadline)
{
    VALET_UNFILLED struct valet_node n;
    n.lost = 0;
    int r = deadline == 0 ? VALET_TIMEDOUT : VALET_OK;
    uintptr_t woken = 0; /* or WAKING, which is ours to clear */
    unsigned polls = 0;
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
            for (unsigned i = 1u << polls++; i != 0; i--)
                valet_arch_relax();
            seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess */
            continue;
        }

        n.parker = (struct valet_parker)VALET_PARKER_INIT;
        n.older = valet_newest(seen);
        n.newer = NULL;
        n.oldest = n.older == NULL ? &n : NULL;
        n.fate = VALET_WAITING;
        atomic_store_explicit(&n.leaving, 0, memory_order_relaxed); /* PUSH orders it */
        /* release: PUSH, pairs with TAKE, whose thread reads the node; or it came before that
         * thread let go, and it acquires once more */
        if (!atomic_compare_exchange_weak_explicit(
                word, &seen, (uintptr_t)&n | (seen & VALET_NODE_BITS & ~woken),
                memory_order_release, memory_order_relaxed))
            continue;
        r = valet_park_until(&n.parker, deadline);
        if (r != VALET_OK)
            leave(word, &n);
        if (n.fate != VALET_WOKEN)
            return n.fate == VALET_GRANTED ? VALET_OK : r;
        woken = VALET_WAKING;
        n.lost++;
        polls = 0;
        seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess */
    }
}

VALET_SLOW void valet_queue_unlock(valet_wordptr *word, bool fair)
{
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    for (;;) {
        VALET_ASSERT(seen & VALET_LOCKED); /* else the caller does not hold it */
        if (valet_newest(seen) == NULL || (seen & VALET_TAKEN) ||
            (!fair && (seen & VALET_WAKING))) {
            /* release: UNLOCK, pairs with LOCK */
            if (atomic_compare_exchange_weak_explicit(word, &seen, seen & ~VALET_LOCKED,
                                                      memory_order_release, memory_order_relaxed))
                return;
            /* acquire: TAKE, pairs with PUSH and LET_GO */
        } else if (atomic_compare_exchange_weak_explicit(word, &seen, seen | VALET_TAKEN,
                                                         memory_order_acquire,
                                                         memory_order_relaxed)) {
            serve(word, seen | VALET_TAKEN, VALET_LOCKED, fair ? 0 : VALET_LOCKS_LOSSES);
            return;
        }
    }
}
