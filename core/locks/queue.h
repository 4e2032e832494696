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

enum { VALET_WOKEN, VALET_GRANTED, VALET_REMOVED };

struct valet_node {
    _Alignas(VALET_NODE_ALIGNMENT) struct valet_parker parker;
    struct valet_node *older, *newer;
    struct valet_node *oldest; /* of the list; true of the newest node that knows it, else stale */
    valet_wordptr leaving;     /* the word that its owner wants to be out of, or 0 */
    uint32_t fate, lost;       /* lost: how often it was woken in vain */
    valet_wordptr *mutex;      /* of a condition variable's: where it goes when it is notified */
};

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

/* Unlock where somebody may be there. fair: hand the lock over to the one that comes first. */
void valet_queue_unlock(valet_wordptr *word, bool fair);

#endif
