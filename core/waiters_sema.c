/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Waiters, sema kind: the queue is ours, a list of nodes on the waiters' stacks, newest first.
 *
 *   bits   meaning
 *   0-4    the user's state: compare_exchange and store_and_wake change it
 *   5      LOCK
 *   6-     the address of the newest node, or 0
 *
 *   value  meaning                     next, and by whom
 *   empty  nobody is in the list       nodes by a waiter, which pushes its own and sleeps;
 *                                      LOCK by a waiter, which gives up
 *   nodes  of those who wait           empty by store_and_wake, which then posts to each;
 *                                      LOCK by a waiter, which gives up
 *   LOCK   a waiter unlinks its node,  nodes by that waiter, where some are left;
 *          if it is still there        empty by that waiter, where none is
 *
 * Pushing and "set the state and take them all" are each one compare-exchange of the whole word, so
 * a waiter is pushed only on the state that it expects, and a new state takes everyone who waited
 * for it. Whoever takes the list posts every node in it. A waiter whose deadline has come takes
 * LOCK to unlink its node, at the cost of a walk over those that came later; if the node is no
 * longer there, its post is on its way and the waiter stays for it.
 *
 * The state may change under LOCK (by compare_exchange), so unlocking is a compare-exchange too.
 */
#include <stdbool.h>
#include <stddef.h>

#include "arch/arch.h"
#include "core/assert.h"
#include "core/word.h"
#include "valet.h"
#include "valet_sys.h"

#define STATE ((uintptr_t)VALET_STATE_MAX)
#define LOCK  ((uintptr_t)1 << VALET_STATE_BITS)

struct node {
    _Alignas(64) struct valet_sema sema; /* the alignment keeps the low bits of the word free */
    struct node *next;                   /* the one that came before it */
};

_Static_assert(_Alignof(struct node) > (STATE | LOCK), "an address leaves room for state and lock");

static valet_wordptr *word_of(const struct valet_waiters *w)
{
    return (valet_wordptr *)&w->word;
}

static struct node *newest(uintptr_t word)
{
    return (struct node *)(word & ~(STATE | LOCK));
}

unsigned valet_waiters_state(const struct valet_waiters *w)
{
    /* acquire: SEEN, pairs with SET */
    return (unsigned)(atomic_load_explicit(word_of(w), memory_order_acquire) & STATE);
}

bool valet_waiters_compare_exchange(struct valet_waiters *w, unsigned *expected, unsigned desired)
{
    VALET_ASSERT(desired <= STATE);
    valet_wordptr *word = word_of(w);
    /* acquire, here and where the CAS fails: SEEN, pairs with SET */
    uintptr_t seen = atomic_load_explicit(word, memory_order_acquire);
    do {
        if ((seen & STATE) != *expected) {
            *expected = (unsigned)(seen & STATE);
            return false;
        }
        /* release: SET, pairs with SEEN; it also hands on the nodes (a release sequence of PUSH) */
    } while (!atomic_compare_exchange_weak_explicit(word, &seen,
                                                    (seen & ~STATE) | (desired & STATE),
                                                    memory_order_acq_rel, memory_order_acquire));
    return true;
}

/* Unlink n. False: a waker has it, and its post is on its way. */
static bool withdraw(valet_wordptr *word, struct node *n)
{
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    for (;;) {
        if (seen & LOCK) {
            valet_arch_relax();
            seen = atomic_load_explicit(word, memory_order_relaxed);
            continue;
        }
        /* acquire: pairs with PUSH of every node in the list and with UNLINK of the last holder */
        if (atomic_compare_exchange_weak_explicit(word, &seen, seen | LOCK, memory_order_acquire,
                                                  memory_order_relaxed))
            break;
    }
    struct node *first = newest(seen), **link = &first;
    while (*link != NULL && *link != n)
        link = &(*link)->next;
    bool found = *link == n;
    if (found)
        *link = n->next;
    seen |= LOCK;
    /* release: UNLINK, pairs with whoever walks the list next */
    while (!atomic_compare_exchange_weak_explicit(word, &seen, (uintptr_t)first | (seen & STATE),
                                                  memory_order_release, memory_order_relaxed))
        VALET_ASSERT(seen & LOCK); /* it is ours until here */
    return found;
}

/* Push a node and sleep once, if the state is expected. VALET_OK: look at the word again. */
static int sleep_once(valet_wordptr *word, unsigned expected, uint64_t deadline)
{
    struct node n;
    int r = valet_sys_sema_init(&n.sema);
    if (r != VALET_OK)
        return r;
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    while ((seen & STATE) == expected) {
        if (seen & LOCK) {
            valet_arch_relax();
            seen = atomic_load_explicit(word, memory_order_relaxed);
            continue;
        }
        n.next = newest(seen);
        /* release: PUSH, pairs with TAKE_ALL and with the acquire of withdraw, which read the node
         */
        if (!atomic_compare_exchange_weak_explicit(word, &seen, (uintptr_t)&n | expected,
                                                   memory_order_release, memory_order_relaxed))
            continue;
        r = valet_sys_sema_wait(&n.sema, deadline);
        if (r != VALET_OK && !withdraw(word, &n)) {
            /* As in park_sema.c: the poster is about to touch this frame. */
            while (valet_sys_sema_wait(&n.sema, VALET_FOREVER) != VALET_OK)
                valet_arch_relax();
            r = VALET_OK;
        }
        break;
    }
    valet_sys_sema_fini(&n.sema);
    return r;
}

__attribute__((noinline, cold)) static int wait_until(valet_wordptr *word, unsigned expected,
                                                      uint64_t deadline)
{
    if (expected > STATE)
        return VALET_ERR_INVALID;
    int r = deadline == 0 ? VALET_TIMEDOUT : VALET_OK;
    for (;;) {
        /* acquire: SEEN, pairs with SET */
        uintptr_t seen = atomic_load_explicit(word, memory_order_acquire);
        if ((seen & STATE) != expected)
            return VALET_OK;
        if (r != VALET_OK)
            return r;
        r = sleep_once(word, expected, deadline);
    }
}

/* A leaf where there is nothing to wait for. All that is not a plain state is for wait_until. */
static inline int compare_and_wait(valet_wordptr *word, unsigned expected, uint64_t deadline)
{
    /* acquire: SEEN, pairs with SET */
    uintptr_t seen = atomic_load_explicit(word, memory_order_acquire);
    if (VALET_LIKELY((seen | expected) <= STATE && seen != expected))
        return VALET_OK;
    return wait_until(word, expected, deadline);
}

int valet_compare_and_wait(struct valet_waiters *w, unsigned expected)
{
    return compare_and_wait(word_of(w), expected, VALET_FOREVER);
}

int valet_compare_and_wait_until(struct valet_waiters *w, unsigned expected, uint64_t deadline)
{
    return compare_and_wait(word_of(w), expected, deadline);
}

void valet_store_and_wake(struct valet_waiters *w, unsigned state)
{
    VALET_ASSERT(state <= STATE);
    valet_wordptr *word = word_of(w);
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    for (;;) {
        if (seen & LOCK) {
            valet_arch_relax();
            seen = atomic_load_explicit(word, memory_order_relaxed);
            continue;
        }
        /* release: SET, pairs with SEEN. acquire: TAKE_ALL, pairs with PUSH and UNLINK. The last
         * look at the word: a woken waiter may free it. */
        if (atomic_compare_exchange_weak_explicit(word, &seen, state & STATE, memory_order_acq_rel,
                                                  memory_order_relaxed))
            break;
    }
    for (struct node *n = newest(seen), *next; n != NULL; n = next) {
        next = n->next; /* before the post: after it the node is gone */
        valet_sys_sema_post(&n->sema);
    }
}

void valet_store_and_delegate(struct valet_waiters *w, unsigned state)
{
    /* The queue is ours, so there is no rest that one waiter could wake in one call. */
    valet_store_and_wake(w, state);
}
