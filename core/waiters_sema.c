/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Waiters, sema kind: the queue is ours, a list of nodes on the waiters' stacks, newest first.
 *
 *   bits   meaning
 *   0-4    the user's state: compare_exchange and store_and_wake change it
 *   5      TAKEN
 *   6      OWED, never without TAKEN
 *   7-     the address of the newest node, or 0
 *
 *   value  meaning                     next, and by whom
 *   empty  nobody is in the list       nodes by a waiter, which pushes its own and sleeps;
 *                                      TAKEN by a waiter, which gives up, but is out already
 *   nodes  of those who wait           empty by store_and_wake, which then posts to each;
 *                                      empty by wake, which does the same;
 *                                      empty by a waiter, the only one, which gives up;
 *                                      TAKEN by a waiter, which gives up
 *   TAKEN  a waiter takes out its      nodes by that waiter, where some are left;
 *          node and those that are     empty by that waiter, where none is;
 *          done                        OWED by store_and_wake, which leaves the rest to it;
 *                                      OWED by wake, which does the same;
 *                                      OWED by a waiter, which gives up as well
 *   OWED   ... and has to look again   TAKEN by that waiter, which looks
 *
 * Pushing and "set the state and take them all" are each one compare-exchange of the whole word, so
 * a waiter is pushed only on the state that it expects, and a new state takes everyone who waited
 * for it. Whoever takes nodes out of the list posts to them.
 *
 * Only the one that has TAKEN walks the list, and nobody waits for it. It may lose its CPU, so who
 * finds TAKEN leaves word and goes its way:
 *
 *   a newcomer   pushes its node, as ever
 *   a waker      sets the state, if it has one to set, and OWED
 *   a leaver     marks its node LEAVING, sets OWED, and sleeps until it is posted
 *
 * The one that has TAKEN lets go of the list by a compare-exchange, which fails as long as there is
 * word for it. It lets go of the nodes that it took out only after that: as long as the list leads
 * to a node, the frame that the node is in has to live, and so has the next one, whose node it
 * changes.
 *
 * On its way it takes out every node whose deadline has come, so a crowd with one deadline is one
 * walk: the others find that they are OUT. They get no post, since the clock ends their sleep.
 * Where that may be set back meanwhile (VALET_SYS_SET_BACK) they would sleep on, in no list: so
 * there it takes out none for its deadline. The fate of a node:
 *
 *   fate     meaning                   next, and by whom
 *   WAITING  in the list               LEAVING by its owner, at its deadline or a refusal;
 *                                      OUT by the one that has TAKEN, for which it is over
 *   LEAVING  its owner stays for       OUT by the one that has TAKEN, which then posts;
 *            a post                    LEAVING by a waker, which posts
 *   OUT      the last touch            of its owner alone
 */
#include <stdbool.h>
#include <stddef.h>

#include "arch/arch.h"
#include "core/assert.h"
#include "core/with.h"
#include "core/word.h"
#include "valet.h"
#include "valet_sys.h"

#define STATE     ((uintptr_t)VALET_STATE_MAX)
#define TAKEN     ((uintptr_t)1 << VALET_STATE_BITS)
#define OWED      ((uintptr_t)2 << VALET_STATE_BITS)
#define NODE_BITS (STATE | TAKEN | OWED) /* what an address leaves room for */

enum { WAITING = 0, LEAVING = 1, OUT = 2 };

struct node {
    struct node *next; /* the one that came before it */
    uint64_t deadline;
    unsigned expected;
    valet_word32 fate;
    struct valet_sema sema;
};

static valet_wordptr *word_of(const struct valet_waiters *w)
{
    return (valet_wordptr *)&w->word;
}

static struct node *newest(uintptr_t word)
{
    return (struct node *)(word & ~NODE_BITS);
}

/* What has been taken out of the list: posted to once the list is let go of. */
struct out {
    struct node *woken, *over;
};

/*
 * Take out of the list who does not expect the state, whose deadline has come, who is LEAVING if
 * something is owed, and self. True: self was there. The walk goes on behind self: else those of a
 * crowd that are older would stay, for the next that gives up, or for a waker to post to each.
 */
static bool walk(struct node **link, const struct node *self, bool owed, unsigned state,
                 uint64_t now, struct out *out)
{
    bool found = false;
    for (struct node *n; (n = *link) != NULL;) {
        struct node **to = &out->over;
        if (n == self)
            found = true;
        else if (n->expected != state)
            to = &out->woken;
        /* relaxed: who sets it sets OWED after it, and that orders them */
        else if (n->deadline > now &&
                 !(owed && atomic_load_explicit(&n->fate, memory_order_relaxed) == LEAVING)) {
            link = &n->next;
            continue;
        }
        *link = n->next;
        if (n != self) {
            n->next = *to;
            *to = n;
        }
    }
    return found;
}

static void let_go(struct out out)
{
    for (struct node *n = out.over, *next; n != NULL; n = next) {
        next = n->next; /* before it is OUT, or posted: after that the node is gone */
        /* release: OVER, what this thread has read and changed of the node */
        if (atomic_exchange_explicit(&n->fate, OUT, memory_order_release) == LEAVING)
            valet_sys_sema_post(&n->sema);
    }
    for (struct node *n = out.woken, *next; n != NULL; n = next) {
        next = n->next;
        valet_sys_sema_post(&n->sema);
    }
}

/* With TAKEN, which the caller has just set in `seen`: take out self and those who are done, do
 * what is owed, and let go. True: self was in the list. */
static bool serve(valet_wordptr *word, uintptr_t seen, const struct node *self, uint64_t now)
{
    struct out out;
    out.woken = out.over = NULL;
    struct node *first = newest(seen), *top = first; /* the list, and the node that it began with */
    bool owed = false, found = false;
    do {
        found |= walk(&first, self, owed, (unsigned)(seen & STATE), now, &out);
        uintptr_t next;
        do {
            VALET_ASSERT(seen & TAKEN); /* it is ours until here */
            if (newest(seen) != top) {  /* those that came meanwhile lie on what was the top */
                struct node *last = newest(seen);
                while (last->next != top)
                    last = last->next;
                last->next = first;
                first = top = newest(seen);
            }
            owed = seen & OWED;
            next = owed ? seen & ~OWED : (uintptr_t)first | (seen & STATE);
            /* release: LET_GO of the list, pairs with TAKE. acquire, also where it fails: pairs
             * with OWE, and with PUSH of those that came */
        } while (!atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_acq_rel,
                                                        memory_order_acquire));
        seen = next;
    } while (owed);
    let_go(out);
    return found;
}

/* A wait has ended with r, and n may be in the list. r, or VALET_OK: woken. */
static int leave(valet_wordptr *word, struct node *n, bool oldest, int r)
{
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    while (oldest && newest(seen) == n && !(seen & TAKEN))
        /* It is the only one: nothing comes to lie below a node. acquire: TAKE, pairs with LET_GO
         */
        if (atomic_compare_exchange_weak_explicit(word, &seen, seen & STATE, memory_order_acquire,
                                                  memory_order_relaxed))
            return r;
    uint64_t now = valet_sys_features() & VALET_SYS_SET_BACK ? 0 : valet_sys_now();
    /* acquire: pairs with OVER; what comes after, OWE publishes */
    if (atomic_exchange_explicit(&n->fate, LEAVING, memory_order_acquire) == OUT)
        return r;
    for (;;) {
        /* acquire: TAKE, pairs with PUSH and LET_GO; release: OWE */
        uintptr_t next = (seen & TAKEN) ? seen | OWED : seen | TAKEN;
        if (!atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_acq_rel,
                                                   memory_order_relaxed))
            continue;
        if (!(seen & TAKEN) && serve(word, next, n, now))
            return r;
        break;
    }
    /* Its post is on its way: by a waker, or by the one that has the list. A system that refuses to
     * wait leaves only this loop. */
    while (valet_sys_sema_wait(&n->sema, VALET_FOREVER) != VALET_OK)
        valet_arch_relax();
    return atomic_load_explicit(&n->fate, memory_order_relaxed) == OUT ? r : VALET_OK;
}

/* Push a node and sleep once, if the state is expected. VALET_OK: look at the word again. */
VALET_INLINE int sleep_once(valet_wordptr *word, unsigned expected, uint64_t deadline,
                            unsigned flags)
{
    VALET_UNFILLED _Alignas(NODE_BITS + 1) struct node n;
    int r = valet_sys_sema_init(&n.sema);
    if (r != VALET_OK)
        return r;
    n.deadline = flags & VALET_REALTIME ? VALET_FOREVER : deadline; /* walk: by valet_sys_now */
    n.expected = expected;
    atomic_store_explicit(&n.fate, WAITING, memory_order_relaxed);
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed); /* a guess for the CAS */
    while ((seen & STATE) == expected) {
        n.next = newest(seen);
        bool oldest = n.next == NULL;
        /* release: PUSH, pairs with TAKE, whose thread reads the node */
        if (!atomic_compare_exchange_weak_explicit(word, &seen, (uintptr_t)&n | (seen & NODE_BITS),
                                                   memory_order_release, memory_order_relaxed))
            continue;
        r = flags != 0 ? valet_sema_sleep(&n.sema, deadline, flags)
                       : valet_sys_sema_wait(&n.sema, deadline);
        if (r != VALET_OK)
            r = leave(word, &n, oldest, r);
        break;
    }
    valet_sys_sema_fini(&n.sema);
    return r;
}

VALET_INLINE int wait_loop(valet_wordptr *word, unsigned expected, uint64_t deadline,
                           unsigned flags)
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
        r = sleep_once(word, expected, deadline, flags);
    }
}

#ifndef VALET_MACHINE_ONLY

void valet_waiters_init(struct valet_waiters *w, unsigned state)
{
    VALET_ASSERT(state <= STATE);
    w->word = state & STATE;
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

VALET_SLOW static int wait_until(valet_wordptr *word, unsigned expected, uint64_t deadline)
{
    return wait_loop(word, expected, deadline, 0);
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

/* Of a list that is out: the last node, which is the oldest, before the others. */
static void wake_all(struct node *n)
{
    struct node *oldest = n, *before = NULL;
    while (oldest != NULL && oldest->next != NULL) {
        before = oldest;
        oldest = oldest->next;
    }
    if (before != NULL) {
        before->next = NULL;
        oldest->next = n;
    }
    struct out out; /* not an initialiser, which gcc calls memset for on a Cortex-M0 */
    out.over = NULL;
    out.woken = oldest;
    let_go(out);
}

void valet_store_and_wake(struct valet_waiters *w, unsigned state)
{
    VALET_ASSERT(state <= STATE);
    valet_wordptr *word = word_of(w);
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed), next; /* a guess */
    do {
        next = state & STATE;
        if (seen & TAKEN) /* whoever has the list wakes them: OWED */
            next |= (seen & ~STATE) | OWED;
        /* release: SET, pairs with SEEN, and OWE. acquire: TAKE, pairs with PUSH and LET_GO. The
         * last look at the word: a woken waiter may free it. */
    } while (!atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (!(seen & TAKEN))
        wake_all(newest(seen));
}

void valet_store_and_delegate(struct valet_waiters *w, unsigned state)
{
    /* The queue is ours, so there is no rest that one waiter could wake in one call. */
    valet_store_and_wake(w, state);
}

void valet_waiters_wake(struct valet_waiters *w)
{
    valet_wordptr *word = word_of(w);
    /* relaxed: the change of the state has the order. This load sees the node of whoever was pushed
     * before that change, unless it is taken since, by who wakes it. */
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed), next;
    do {
        if (VALET_LIKELY((seen & ~STATE) == 0))
            return;
        next = (seen & TAKEN) ? seen | OWED : seen & STATE; /* whoever has the list wakes them */
        /* acquire: TAKE, pairs with PUSH and LET_GO */
    } while (!atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_acquire,
                                                    memory_order_relaxed));
    if (seen & TAKEN)
        return;
    wake_all(newest(seen));
}

#endif /* VALET_MACHINE_ONLY */
