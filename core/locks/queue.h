/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The queue under the locks: the word, the node, and what the locks share. queue.c has the rules.
 *
 * It rests on valet.h alone: each waiter has a parker in its node, on its stack.
 */
#ifndef VALET_CORE_LOCKS_QUEUE_H
#define VALET_CORE_LOCKS_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/arch.h"
#include "core/word.h"
#include "valet.h"

/* The low bits of the word; the others are the address of the newest node, or 0. */
#define VALET_LOCKED    ((uintptr_t)1)
#define VALET_TAKEN     ((uintptr_t)2)
#define VALET_WAKING    ((uintptr_t)4)
#define VALET_LEAVING   ((uintptr_t)8)
#define VALET_NODE_BITS ((uintptr_t)15) /* what an address leaves room for */

/* Twice what the bits need, so that the compiler aligns the stack itself: musl (1.2.3) starts the
 * threads of riscv64 on one that is aligned to 8 bytes, where the ABI has 16. On these two the
 * machine's own instructions would have noticed that. */
#if defined __x86_64__ || defined __aarch64__
#define VALET_NODE_ALIGNMENT (VALET_NODE_BITS + 1)
#else
#define VALET_NODE_ALIGNMENT (2 * (VALET_NODE_BITS + 1))
#endif

/* A waiter that was woken in vain so often is handed the lock the next time. */
#ifndef VALET_LOCKS_LOSSES
#define VALET_LOCKS_LOSSES 4
#endif

/* Looks at a lock before a thread queues, each after twice as long as the one before: 10 us in all
 * where the pause takes 13 ns.
 * For threads that run in parallel; 0 where a thread that waits had better leave its CPU to others
 * at once. The first look comes no sooner, since each takes the cache line from who has the lock.
 */
#ifndef VALET_LOCKS_POLL
#define VALET_LOCKS_POLL 8
#endif

static inline void valet_queue_poll(unsigned look)
{
    for (unsigned i = 3u << look; i != 0; i--)
        valet_arch_relax();
}

enum { VALET_WOKEN, VALET_GRANTED, VALET_REMOVED, VALET_FREE };

struct valet_node {
    _Alignas(VALET_NODE_ALIGNMENT) struct valet_parker parker;
    struct valet_node *older, *newer;
    struct valet_node *oldest; /* of the list; true of the newest node that knows it, else stale */
    valet_wordptr leaving;     /* the word that its owner wants to be out of, or 0 */
    uint32_t fate, lost;       /* lost: how often it was woken in vain */
    union {                    /* of a condition variable's node */
        valet_wordptr *mutex;  /* where it goes when it is notified */
        struct valet_node *herd; /* then: whom it wakes when it is woken */
    };
};

_Static_assert(_Alignof(struct valet_node) > VALET_NODE_BITS, "structs are packed: #pragma pack?");

static inline struct valet_node *valet_newest(uintptr_t word)
{
    return (struct valet_node *)(word & ~VALET_NODE_BITS);
}

/* What a node says of those before it, when it is pushed over `seen`. */
static inline void valet_node_over(struct valet_node *n, uintptr_t seen)
{
    n->older = valet_newest(seen);
    n->oldest = n->older == NULL ? n : NULL;
}

/* A new node, to be pushed over `seen`. */
static inline void valet_node_init(struct valet_node *n, uintptr_t seen)
{
    n->parker = (struct valet_parker)VALET_PARKER_INIT;
    valet_node_over(n, seen);
    n->newer = NULL;
    n->fate = VALET_WOKEN;
    atomic_store_explicit(&n->leaving, 0, memory_order_relaxed); /* PUSH orders it */
}

/* Lock where it was not free at first sight. VALET_OK, VALET_TIMEDOUT, or why it cannot block.
 * deadline: not 0. lost: as in the node. woken: WAKING, where the caller was woken for this lock,
 * so that it has lost at least once; else 0. */
int valet_queue_lock(valet_wordptr *word, uint64_t deadline, uint32_t lost, uintptr_t woken);

/* The same with flags of a _with call, or 0. */
int valet_queue_lock_with(valet_wordptr *word, uint64_t deadline, unsigned flags, uint32_t lost,
                          uintptr_t woken);

/* By either. flags: of a _with call, or 0, where the compiler knows that there are none. */
VALET_INLINE int valet_queue_lock_by(valet_wordptr *word, uint64_t deadline, unsigned flags,
                                     uint32_t lost, uintptr_t woken)
{
    return flags != 0 ? valet_queue_lock_with(word, deadline, flags, lost, woken)
                      : valet_queue_lock(word, deadline, lost, woken);
}

/*
 * With TAKEN, which the caller has just set in the word: take out those who are leaving, if `seen`
 * says that there are such; wake the one that comes first, if that is due; let go.
 *
 * held     VALET_LOCKED: the caller holds the lock and gives it up; else 0
 * losses   it hands it over, to one that has lost so often
 */
void valet_queue_serve(valet_wordptr *word, uintptr_t seen, uintptr_t held, uint32_t losses);

/* The same with the list of a condition variable: take out who is leaving; notify that many of the
 * others, or all where somebody has left word for all; let go. */
void valet_queue_serve_cond(valet_wordptr *word, uintptr_t seen, size_t count);

/* Unlock where somebody may be there. fair: hand the lock over to the one that comes first. */
void valet_queue_unlock(valet_wordptr *word, bool fair);

#endif
