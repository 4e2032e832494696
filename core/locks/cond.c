/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Condition variable: a list as in queue.c, of those who wait to be notified. A notify takes nodes
 * out of it and puts them into the queue of the mutex, so that nobody is woken to find it taken.
 *
 *   bit      meaning                       set by                     cleared by
 *   ALL      all are to be notified,       who notifies and finds     who has the list
 *            never without TAKEN           TAKEN
 *   TAKEN, LEAVING, 4-                     as in queue.c
 *
 * Threads that are woken one after the other, each by the one before, leave CPUs idle in between.
 * So of those who are notified at once each HERD go together: the first is moved, and when it is
 * woken, wakes WAKES of the others before it wants the mutex, and each of these as many more. So
 * one that has no CPU holds up few. They are in no list then, and own nothing. But they were woken:
 * who of them finds the mutex taken has lost, and goes before those who came since.
 *
 * What becomes of a node that was moved, the one that has the mutex's list decides, as for any
 * other there. Its owner, if its deadline comes now, still looks for itself in this list, finds it
 * served, and waits for its token: a deadline that comes after the notify is none. Its `leaving`
 * names the word that it wants to be out of, so nobody takes it out of the other list for that.
 */
#include "arch/arch.h"
#include "core/deadline.h"
#include "core/locks/list.h"
#include "core/locks/owner.h"
#include "core/locks/queue.h"
#include "valet_locks.h"

#define ALL VALET_WAKING

#ifndef VALET_LOCKS_HERD
#define VALET_LOCKS_HERD 64
#endif
#ifndef VALET_LOCKS_WAKES
#define VALET_LOCKS_WAKES 8
#endif
_Static_assert(VALET_LOCKS_HERD <= 1 + VALET_LOCKS_WAKES + VALET_LOCKS_WAKES * VALET_LOCKS_WAKES,
               "a herd is the first, whom it wakes, and whom these wake");

static valet_wordptr *word_of(struct valet_cond *c)
{
    return (valet_wordptr *)&c->word;
}

VALET_INLINE int wait_loop(struct valet_cond *c, struct valet_mutex *m, uint64_t deadline,
                           unsigned flags)
{
    VALET_UNFILLED struct valet_node n;
    valet_wordptr *word = word_of(c), *mutex = (valet_wordptr *)&m->word;
    n.lost = 0;
    n.mutex = mutex;
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    do {
        valet_node_init(&n, seen);
        /* release: PUSH, pairs with TAKE */
    } while (!atomic_compare_exchange_weak_explicit(word, &seen,
                                                    (uintptr_t)&n | (seen & VALET_NODE_BITS),
                                                    memory_order_release, memory_order_relaxed));
    valet_mutex_unlock(m);
    int r = valet_list_park(&n.parker, deadline, flags);
    if (r != VALET_OK) {
        uintptr_t taken = valet_list_leave(word, &n);
        if (taken != 0)
            valet_queue_serve_cond(word, taken, 0);
        valet_list_await(&n.parker);
        if (n.fate != VALET_REMOVED)
            r = VALET_OK; /* it was notified before that */
    }
    if (n.fate != VALET_REMOVED)
        valet_list_wake(n.herd);
    uintptr_t woken = n.fate == VALET_WOKEN ? VALET_WAKING : 0;
    /* The caller has to hold it again, and nothing ends this wait: of the flags NO_POLL is left. A
     * system that refuses to park leaves only this loop. */
    while (n.fate != VALET_GRANTED &&
           valet_queue_lock_by(mutex, VALET_FOREVER, flags & VALET_NO_POLL, n.fate != VALET_REMOVED,
                               woken) != VALET_OK) {
        woken = 0;
        valet_arch_relax();
    }
    (void)valet_owner_begins(m, VALET_OK);
    return r;
}

#ifndef VALET_MACHINE_ONLY

/* Nodes that are out of the list, linked both ways: into the queue of their mutex, in one step; or
 * awake, the first of them, where nobody would look after it there. */
static void move(valet_wordptr *word, struct valet_node *newest, struct valet_node *oldest)
{
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    while (oldest != NULL) {
        if (seen & (VALET_LOCKED | VALET_WAKING | VALET_TAKEN)) {
            valet_node_over(oldest, seen);
            /* release: PUSH, pairs with TAKE */
            if (atomic_compare_exchange_weak_explicit(word, &seen,
                                                      (uintptr_t)newest | (seen & VALET_NODE_BITS),
                                                      memory_order_release, memory_order_relaxed))
                return;
        } else if (atomic_compare_exchange_weak_explicit(word, &seen, seen | VALET_WAKING,
                                                         memory_order_relaxed,
                                                         memory_order_relaxed)) {
            struct valet_node *first = oldest;
            seen |= VALET_WAKING;
            oldest = first->newer;
            valet_unpark(&first->parker);
        }
    }
}

VALET_UNPROTECTED void valet_queue_serve_cond(valet_wordptr *word, uintptr_t seen, size_t count)
{
    VALET_UNFILLED struct valet_list l;
    valet_list_init(&l);
    struct valet_node *out = NULL, *newest = NULL, *oldest = NULL;
    struct valet_node *waker = NULL, **end = NULL; /* of the herd; the end of whom it wakes */
    valet_wordptr *mutex = NULL;
    unsigned room = 0, wakes = 0; /* in the herd; how many more its waker may wake */
    for (;;) {
        seen = valet_list_look(&l, word, seen, &out);
        if (seen & ALL)
            count = SIZE_MAX;
        for (struct valet_node *n; (n = l.oldest) != NULL && count != 0; count--) {
            mutex = n->mutex;
            n->herd = NULL;
            if (room != 0) {
                room--;
                if (wakes == 0) {
                    waker = waker == newest ? waker->herd : waker->older;
                    end = &waker->herd;
                    wakes = VALET_LOCKS_WAKES;
                }
                wakes--;
                valet_list_take_out(&l, n, VALET_FREE, end);
                end = &n->older;
                continue;
            }
            room = VALET_LOCKS_HERD - 1;
            wakes = VALET_LOCKS_WAKES;
            valet_list_take_out(&l, n, VALET_WOKEN, &newest);
            waker = n;
            end = &n->herd;
            *(n->older ? &n->older->newer : &oldest) = n;
            n->newer = NULL;
            n->oldest = NULL;
        }
        /* release: LET_GO of the list, pairs with TAKE */
        if (atomic_compare_exchange_weak_explicit(word, &seen, valet_list_close(&l),
                                                  memory_order_release, memory_order_relaxed))
            break;
        /* acquire: pairs with PUSH and LEAVE */
        seen = atomic_load_explicit(word, memory_order_acquire);
    }
    if (oldest != NULL)
        move(mutex, newest, oldest);
    valet_list_wake(out);
}

VALET_SLOW static void notify(valet_wordptr *word, uintptr_t seen, size_t count)
{
    while (valet_newest(seen) != NULL) {
        /* All also for one: how many of these there were does not fit in. */
        uintptr_t next = seen | ((seen & VALET_TAKEN) ? ALL : VALET_TAKEN);
        /* acquire: TAKE, pairs with PUSH and LET_GO */
        if (!atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_acquire,
                                                   memory_order_relaxed))
            continue;
        if (!(seen & VALET_TAKEN))
            valet_queue_serve_cond(word, next, count);
        return;
    }
}

void valet_cond_notify_one(struct valet_cond *c)
{
    /* relaxed: who waits since before the caller unlocked the mutex, is seen by that */
    uintptr_t seen = atomic_load_explicit(word_of(c), memory_order_relaxed);
    if (seen != 0)
        notify(word_of(c), seen, 1);
}

void valet_cond_notify_all(struct valet_cond *c)
{
    uintptr_t seen = atomic_load_explicit(word_of(c), memory_order_relaxed); /* as above */
    if (seen != 0)
        notify(word_of(c), seen, SIZE_MAX);
}

VALET_UNPROTECTED int valet_cond_wait_until(struct valet_cond *c, struct valet_mutex *m,
                                            uint64_t deadline)
{
    return wait_loop(c, m, deadline, 0);
}

int valet_cond_wait(struct valet_cond *c, struct valet_mutex *m)
{
    return valet_cond_wait_until(c, m, VALET_FOREVER);
}

int valet_cond_wait_for(struct valet_cond *c, struct valet_mutex *m, uint64_t timeout_ns)
{
    uint64_t deadline;
    if (!valet_deadline_by(valet_now, timeout_ns, &deadline))
        return VALET_ERR_UNSUPPORTED;
    return valet_cond_wait_until(c, m, deadline);
}

#endif /* VALET_MACHINE_ONLY */
