/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The list under the locks, for the one thread that has it: TAKEN in the word, which queue.c
 * explains. Each object that has a list has a serve() of its own around it.
 */
#ifndef VALET_CORE_LOCKS_LIST_H
#define VALET_CORE_LOCKS_LIST_H

#include "arch/arch.h"
#include "core/assert.h"
#include "core/locks/queue.h"

/* As that thread knows the list; top: the node in the word when it looked last. */
struct valet_list {
    struct valet_node *top, *newest, *oldest;
};

/* Not an initialiser, which unoptimised clang would call memset for. */
static inline void valet_list_init(struct valet_list *l)
{
    l->top = NULL;
    l->newest = NULL;
    l->oldest = NULL;
}

static inline void valet_list_unlink(struct valet_list *l, const struct valet_node *n)
{
    *(n->newer ? &n->newer->older : &l->newest) = n->older;
    *(n->older ? &n->older->newer : &l->oldest) = n->newer;
}

/* Nodes that were pushed since the last look learn who came after them, and one that has lost goes
 * to the old end; of several, which the line of a rwlock has, or a herd (cond.c), the one that came
 * back first. Each node is walked once, by whoever has the list. */
static inline void valet_list_merge(struct valet_list *l, struct valet_node *top)
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
    valet_list_unlink(l, lost);
    lost->older = NULL;
    lost->newer = l->oldest;
    *(l->oldest ? &l->oldest->older : &l->newest) = lost;
    l->oldest = lost;
}

static inline void valet_list_take_out(struct valet_list *l, struct valet_node *n, uint32_t fate,
                                       struct valet_node **out)
{
    valet_list_unlink(l, n);
    n->fate = fate;
    n->older = *out;
    *out = n;
}

/* Before anything is done with the list, and again where it could not be let go of: sort in who
 * came, and take out who is leaving. What is in the word then. */
static inline uintptr_t valet_list_look(struct valet_list *l, valet_wordptr *word, uintptr_t seen,
                                        struct valet_node **out)
{
    VALET_ASSERT(seen & VALET_TAKEN); /* it is ours until it is let go of */
    /* Cleared before the walk: another one that leaves then changes the word. acquire: pairs
     * with LEAVE of all who came before, and with PUSH */
    uintptr_t leaving = seen & VALET_LEAVING;
    if (leaving)
        seen =
            atomic_fetch_and_explicit(word, ~VALET_LEAVING, memory_order_acquire) & ~VALET_LEAVING;
    if (valet_newest(seen) != l->top)
        valet_list_merge(l, valet_newest(seen));
    if (leaving)
        for (struct valet_node *n = l->newest, *older; n != NULL; n = older) {
            older = n->older;
            /* relaxed: LEAVE orders it for those who had set LEAVING, and others may stay */
            if (atomic_load_explicit(&n->leaving, memory_order_relaxed) == (uintptr_t)word)
                valet_list_take_out(l, n, VALET_REMOVED, out);
        }
    return seen;
}

/* What the word is to hold of the list, and the newest node of it. */
static inline uintptr_t valet_list_close(const struct valet_list *l)
{
    if (l->newest != NULL)
        l->newest->oldest = l->oldest;
    return (uintptr_t)l->newest;
}

static inline void valet_list_wake(struct valet_node *out)
{
    for (struct valet_node *n = out; n != NULL; n = out) {
        out = n->older; /* before it is woken: after that it is gone */
        valet_unpark(&n->parker);
    }
}

/* A park has ended without a token: say that n is to be out of the list. What is in the word, if
 * the list is the caller's now, who serves it; else 0. Then await the token, which says that n is
 * out; its fate tells whether it was chosen before that. */
static inline uintptr_t valet_list_leave(valet_wordptr *word, struct valet_node *n)
{
    /* relaxed: LEAVE orders it */
    atomic_store_explicit(&n->leaving, (uintptr_t)word, memory_order_relaxed);
    /* A guess for the CAS; no older than our push. Without a node in it, ours is out. */
    uintptr_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (valet_newest(seen) != NULL) {
        uintptr_t next = seen | VALET_TAKEN | VALET_LEAVING;
        /* release: LEAVE, for the one that has the list. It clears LEAVING and acquires, also
         * where that is us; so this is no TAKE */
        if (atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_release,
                                                  memory_order_relaxed))
            return (seen & VALET_TAKEN) ? 0 : next;
    }
    return 0;
}

/* Until the token that is on its way has come. */
static inline void valet_list_await(struct valet_parker *p)
{
    /* A system that refuses to park leaves only this loop. */
    while (valet_park(p) != VALET_OK)
        valet_arch_relax();
}

/* flags: of a _with call, or 0, where the compiler knows that there are none. */
VALET_INLINE int valet_list_park(struct valet_parker *p, uint64_t deadline, unsigned flags)
{
    return flags != 0 ? valet_park_with(p, deadline, flags) : valet_park_until(p, deadline);
}

#endif
