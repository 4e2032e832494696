/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The futex, where the system can only wake one known thread: a fixed table of queues, chosen by
 * the word's address. This is the one global of the library, and only its callers link it.
 *
 * A bucket's lock guards its queue, and makes "compare the word, then queue" one step with respect
 * to "look for waiters": a waker has changed the word before it takes the lock, so a waiter either
 * sees the change or is found. First in, first out. A node lies on its waiter's stack; whoever
 * unlinks it owns what follows: the waker posts, after it has released the lock, and the waiter
 * does not leave before that post.
 */
#include <stdbool.h>
#include <stddef.h>

#include "arch/arch.h"
#include "core/assert.h"
#include "core/word.h"
#include "valet.h"
#include "valet_sys.h"

struct node {
    struct valet_sema sema;
    struct node *next, *previous;
    uint32_t *word;
    bool queued; /* false once a waker has unlinked it */
};

struct bucket {
    /* 1 or 0; held for a few instructions a node, never across a call to the system. A whole word:
     * gcc calls a library for atomic bytes on riscv64. */
    valet_word32 locked;
    struct node *first, *last;
};

#define BUCKET_BITS 6
static struct bucket table[1 << BUCKET_BITS];

static struct bucket *lock_bucket(const uint32_t *word)
{
    /* Fibonacci hashing: the top bits of a product by 2^32 / golden ratio */
    uint32_t key = (uint32_t)((uintptr_t)word >> 2) * 0x9e3779b9u;
    struct bucket *b = &table[key >> (32 - BUCKET_BITS)];
    /* acquire: LOCK, pairs with UNLOCK */
    while (atomic_exchange_explicit(&b->locked, 1, memory_order_acquire))
        valet_arch_relax();
    return b;
}

static void unlock_bucket(struct bucket *b)
{
    atomic_store_explicit(&b->locked, 0, memory_order_release); /* UNLOCK, pairs with LOCK */
}

static void append(struct bucket *b, struct node *n)
{
    VALET_ASSERT((b->first == NULL) == (b->last == NULL));
    n->next = NULL;
    n->previous = b->last;
    *(b->last ? &b->last->next : &b->first) = n;
    b->last = n;
}

static void unlink_node(struct bucket *b, struct node *n)
{
    VALET_ASSERT(n->queued);
    *(n->previous ? &n->previous->next : &b->first) = n->next;
    *(n->next ? &n->next->previous : &b->last) = n->previous;
    n->queued = false;
}

int valet_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    if (word == NULL || (uintptr_t)word % sizeof *word != 0)
        return VALET_ERR_INVALID;
    struct node n;
    int r = valet_sys_sema_init(&n.sema);
    if (r != VALET_OK)
        return r;
    n.word = word;
    n.queued = true;

    struct bucket *b = lock_bucket(word);
    /* relaxed: the lock orders this with the waker; the user's own load orders the data */
    if (atomic_load_explicit((valet_word32 *)word, memory_order_relaxed) != expected)
        r = VALET_CHANGED;
    else if (deadline == 0)
        r = VALET_TIMEDOUT;
    else
        append(b, &n);
    unlock_bucket(b);

    if (r == VALET_OK) {
        r = valet_sys_sema_wait(&n.sema, deadline);
        if (r != VALET_OK) {
            b = lock_bucket(word);
            bool taken = !n.queued;
            if (!taken)
                unlink_node(b, &n);
            unlock_bucket(b);
            if (taken) { /* a waker chose us: its post is on its way, and this wait was woken */
                while (valet_sys_sema_wait(&n.sema, VALET_FOREVER) != VALET_OK)
                    valet_arch_relax();
                r = VALET_OK;
            }
        }
    }
    valet_sys_sema_fini(&n.sema);
    return r;
}

void valet_futex_wake(uint32_t *word, uint32_t count)
{
    if (count == 0)
        return;
    struct node *woken = NULL, **end = &woken;
    struct bucket *b = lock_bucket(word);
    for (struct node *n = b->first, *next; n != NULL && count != 0; n = next) {
        next = n->next;
        if (n->word != word)
            continue;
        unlink_node(b, n);
        n->next = NULL;
        *end = n;
        end = &n->next;
        count--;
    }
    unlock_bucket(b);
    for (struct node *n = woken, *next; n != NULL; n = next) {
        next = n->next; /* before the post: after it the node is gone */
        valet_sys_sema_post(&n->sema);
    }
}
