/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The futex, where the system can only wake one known thread: a fixed table of queues, chosen by
 * the word's address. This is the one global of the library, and only its callers link it.
 *
 * A bucket is a queue, first in, first out, and a word:
 *
 *   bits  meaning
 *   0     TAKEN: one thread, and no other, has the queue
 *   1     OWED: it has to wake all of the bucket, since a waker found TAKEN
 *   2     QUEUED: the queue is not empty. Without TAKEN only
 *   3-    the newest note of those who came, or want to leave, since the queue was last taken;
 *         or 0. Without TAKEN there is one at most
 *
 * Nobody waits for TAKEN, since the thread that has it may lose its CPU, or be interrupted by a
 * handler that wakes. A waiter leaves a note, by one compare-exchange, and so does one that wants
 * to leave and finds TAKEN: it then sleeps until it is posted. A waiter that finds a note takes the
 * queue and reads it, so a waker has few to read, however many have come. A waker that finds TAKEN
 * looks a few times, sets OWED and goes its way; more threads wake than had to, which every wait
 * allows. The one that has TAKEN lets go by a compare-exchange that fails as long as there is a
 * note, or something is owed.
 *
 * "Compare the word, then queue" is no one step here: a waiter leaves its note first and looks at
 * the word after it, while nobody waits for it. A waker has changed the word before it takes the
 * queue: so either the waiter sees that, or the waker finds the note. In between it has yet to look
 * again, and may be about to leave: so a wake counts only those that sleep. The fate of a node,
 * until it is LEAVING or OUT with the address of the bucket where it is:
 *
 *   fate      meaning                      next, and by whom
 *   CHECKING  it left its note, and has    ASLEEP by its owner;
 *             yet to look at the word      LEAVING by its owner, since the word has changed;
 *                                          OUT by a waker, which does not count it
 *   ASLEEP    until a post or its          LEAVING by its owner;
 *             deadline                     OUT by a waker, which counts it;
 *                                          ASLEEP in another bucket by a requeue, which has both
 *   LEAVING   by a note, or by taking the  none: no waker touches it
 *             queue itself; it stays until
 *             it is out of the queue
 *   OUT       a waker took it out of the   none: it stays for that post, but for one that
 *             queue, and is going to post  was its own waker
 *
 * Nodes that came one after the other for one word are a row, and a waker steps over each row of
 * another word as a whole: a crowd that waits for one word costs the wakers of others nothing.
 */
#include <stdbool.h>
#include <stddef.h>

#include "arch/arch.h"
#include "core/assert.h"
#include "core/futex.h"
#include "core/with.h"
#include "core/word.h"
#include "valet.h"
#include "valet_sys.h"

#define TAKEN  ((uintptr_t)1)
#define OWED   ((uintptr_t)2)
#define QUEUED ((uintptr_t)4)
#define BITS   (TAKEN | OWED | QUEUED)

/* How often a waker looks at TAKEN before it gives its wake away. */
#ifndef VALET_FUTEX_LOOKS
#define VALET_FUTEX_LOOKS 64
#endif

enum { CHECKING = 0, ASLEEP = 1, LEAVING = 2, OUT = 3, FATE = 3 /* the bits */ };

struct note {
    _Alignas(BITS + 1) struct note *next; /* the one that was left before it */
    struct node *node;
};

_Static_assert(_Alignof(struct note) > BITS, "structs are packed: #pragma pack?");

struct node {
    struct valet_sema sema;
    struct note comes, leaves;
    struct node *next, *previous; /* in the queue, or next among those that are out of it */
    struct node *last_of_row;     /* of the first of a row; else NULL */
    struct node *first_of_row;    /* of the last of a row; else NULL */
    const uint32_t *word;
    valet_wordptr fate;
};

struct bucket {
    valet_wordptr word;
    struct node *first, *last; /* of the one that has TAKEN */
};

#define BUCKET_BITS 6

/* Nodes that are out of the queue, in their order. */
struct out {
    struct node *first, **end;
};

/* One table in each linked image, however often this file is in it. What another version of this
 * file would hold in it has another name. */
#ifdef _WIN32
#define ONE_A_LINK __attribute__((selectany))
#else
#define ONE_A_LINK __attribute__((weak, visibility("hidden")))
#endif
ONE_A_LINK struct table {
    struct bucket bucket[1 << BUCKET_BITS];
    valet_word32 noted; /* the system calls forget() in the child of a fork */
} valet_futex_table_2 = {.noted = 0};

/* Systems that have fork() have it of their own, and those for Windows, where nothing is weak. So
 * has an embedder with VALET_AT_FORK: a linker takes nothing out of his archive for what is here,
 * if weak. */
#ifdef _WIN32
#define VALET_AT_FORK 1
#endif
#ifndef VALET_AT_FORK
#define VALET_AT_FORK 0
#endif
#if !VALET_AT_FORK
__attribute__((weak)) int valet_sys_at_fork(void (*child)(void))
{
    (void)child;
    return VALET_OK;
}
#endif

/* In the child of a fork: what is in the table are nodes of threads that are not here, and one of
 * them may have had TAKEN. */
static void forget(void)
{
    for (unsigned i = 0; i < 1u << BUCKET_BITS; i++) {
        struct bucket *b = &valet_futex_table_2.bucket[i];
        atomic_store_explicit(&b->word, 0, memory_order_relaxed);
        b->first = b->last = NULL;
    }
}

/* Several threads may do it at first: forgetting twice is forgetting. */
static int forget_at_fork(void)
{
    valet_word32 *noted = &valet_futex_table_2.noted;
    if (atomic_load_explicit(noted, memory_order_relaxed))
        return VALET_OK;
    int r = valet_sys_at_fork(forget);
    if (r == VALET_OK)
        atomic_store_explicit(noted, 1, memory_order_relaxed);
    return r;
}

static struct bucket *bucket_of(const uint32_t *word)
{
    /* Fibonacci hashing: the top bits of a product by 2^32 / golden ratio */
    uint32_t key = (uint32_t)((uintptr_t)word >> 2) * 0x9e3779b9u;
    return &valet_futex_table_2.bucket[key >> (32 - BUCKET_BITS)];
}

static struct note *newest(uintptr_t word)
{
    return (struct note *)(word & ~BITS);
}

static void append(struct bucket *b, struct node *n)
{
    VALET_ASSERT((b->first == NULL) == (b->last == NULL));
    struct node *before = b->last;
    n->next = NULL;
    n->previous = before;
    n->last_of_row = n->first_of_row = n;
    if (before != NULL && before->word == n->word) {
        n->last_of_row = NULL;
        n->first_of_row = before->first_of_row;
        n->first_of_row->last_of_row = n;
        before->first_of_row = NULL;
    }
    *(b->last ? &b->last->next : &b->first) = n;
    b->last = n;
}

static void unlink_node(struct bucket *b, struct node *n)
{
    VALET_ASSERT(*(n->previous ? &n->previous->next : &b->first) == n); /* it is there */
    if (n->last_of_row != NULL && n->first_of_row == NULL) {
        n->next->last_of_row = n->last_of_row;
        n->last_of_row->first_of_row = n->next;
    } else if (n->last_of_row == NULL && n->first_of_row != NULL) {
        n->previous->first_of_row = n->first_of_row;
        n->first_of_row->last_of_row = n->previous;
    }
    *(n->previous ? &n->previous->next : &b->first) = n->next;
    *(n->next ? &n->next->previous : &b->last) = n->previous;
}

static void move_out(struct bucket *b, struct node *n, struct out *out)
{
    unlink_node(b, n);
    n->next = NULL;
    *out->end = n;
    out->end = &n->next;
}

/* Do what the notes say, the oldest first. */
static void read_notes(struct bucket *b, struct note *newest_one, struct out *out)
{
    struct note *turned = NULL;
    for (struct note *note = newest_one, *next; note != NULL; note = next) {
        next = note->next;
        note->next = turned;
        turned = note;
    }
    for (struct note *note = turned, *next; note != NULL; note = next) {
        next = note->next;
        if (note == &note->node->comes)
            append(b, note->node);
        else
            move_out(b, note->node, out);
    }
}

/* Take a node out of the queue, but for one that leaves. True: it slept. */
static bool wake_node(struct bucket *b, struct node *n, struct out *out)
{
    uintptr_t fate = atomic_load_explicit(&n->fate, memory_order_relaxed);
    do {
        if (fate == LEAVING)
            return false;
        /* relaxed: the post orders what comes of it */
    } while (!atomic_compare_exchange_weak_explicit(&n->fate, &fate, OUT, memory_order_relaxed,
                                                    memory_order_relaxed));
    move_out(b, n, out);
    return (fate & FATE) == ASLEEP;
}

/* How many slept, of those that it wakes. */
static uint32_t wake_on(struct bucket *b, const uint32_t *word, uint32_t count, struct out *out)
{
    uint32_t woken = 0;
    for (struct node *n = b->first, *next; n != NULL && woken != count; n = next) {
        if (word != NULL && n->word != word) {
            next = n->last_of_row->next;
            continue;
        }
        next = n->next;
        if (wake_node(b, n, out))
            woken++;
    }
    return woken;
}

/* Let go of the queue, once there is nothing more to do. */
static void let_go_queue(struct bucket *b, struct out *out)
{
    for (;;) {
        uintptr_t seen = TAKEN;
        /* release: LET_GO, pairs with TAKE */
        if (atomic_compare_exchange_strong_explicit(&b->word, &seen, b->first ? QUEUED : 0,
                                                    memory_order_release, memory_order_relaxed))
            break;
        /* acquire: pairs with NOTE */
        seen = atomic_exchange_explicit(&b->word, TAKEN, memory_order_acquire);
        read_notes(b, newest(seen), out);
        if (seen & OWED)
            wake_on(b, NULL, UINT32_MAX, out);
    }
}

/* And then of the nodes that are out. True: so is self, the caller's own, as one of all. It gets no
 * post: where a post waits for its owner, it would for itself. */
static bool let_go(struct bucket *b, struct out *out, const struct node *self)
{
    bool found = false;
    let_go_queue(b, out);
    for (struct node *n = out->first, *next; n != NULL; n = next) {
        next = n->next; /* before the post: after it the node is gone */
        if (self == NULL || n != self)
            valet_sys_sema_post(&n->sema);
        else
            found = true;
    }
    return found;
}

/* Its post is on its way. A system that refuses to wait leaves only this loop. */
static void stay(struct node *n)
{
    while (valet_sys_sema_wait(&n->sema, VALET_FOREVER) != VALET_OK)
        valet_arch_relax();
}

/* Out of the queue, for the reason r. r, or VALET_OK: woken before. b: where it began to wait. */
VALET_UNPROTECTED static int leave(struct bucket *b, struct node *n, int r)
{
    uintptr_t seen = atomic_load_explicit(&b->word, memory_order_relaxed); /* a guess for the CAS */
    while (newest(seen) == &n->comes && !(seen & TAKEN))
        /* Nobody has read its note, and there is no other. */
        if (atomic_compare_exchange_weak_explicit(&b->word, &seen, seen & QUEUED,
                                                  memory_order_relaxed, memory_order_relaxed))
            return r;
    uintptr_t fate = atomic_exchange_explicit(&n->fate, LEAVING, memory_order_relaxed);
    if (fate == OUT) {
        stay(n);
        return VALET_OK;
    }
    b = (struct bucket *)(fate & ~(uintptr_t)FATE); /* of which seen is no more than a guess, too */
    uintptr_t next;
    do {
        n->leaves.next = newest(seen);
        next = (seen & TAKEN) ? (uintptr_t)&n->leaves | (seen & BITS) : TAKEN;
        /* release: NOTE; acquire: TAKE, pairs with NOTE and LET_GO */
    } while (!atomic_compare_exchange_weak_explicit(&b->word, &seen, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (seen & TAKEN) {
        stay(n);
        return r;
    }
    struct out out = {.end = &out.first};
    read_notes(b, newest(seen), &out);
    unlink_node(b, n);
    let_go(b, &out, NULL);
    return r;
}

VALET_INLINE int queue_and_sleep(uint32_t *word, uint32_t expected, uint64_t deadline,
                                 unsigned flags)
{
    if (!valet_is_word(word))
        return VALET_ERR_INVALID;
    /* relaxed, here and below: the user's own load orders the data */
    if (atomic_load_explicit((valet_word32 *)word, memory_order_relaxed) != expected)
        return VALET_CHANGED;
    if (deadline == 0)
        return VALET_TIMEDOUT;
    int r = forget_at_fork();
    if (r != VALET_OK)
        return r;
    VALET_UNFILLED struct node n;
    r = valet_sys_sema_init(&n.sema);
    if (r != VALET_OK)
        return r;
    n.comes.node = n.leaves.node = &n;
    n.word = word;
    struct bucket *b = bucket_of(word);
    atomic_store_explicit(&n.fate, (uintptr_t)b, memory_order_relaxed); /* CHECKING, which is 0 */
    uintptr_t seen = atomic_load_explicit(&b->word, memory_order_relaxed), next; /* a guess */
    do {
        n.comes.next = newest(seen);
        bool reads = newest(seen) != NULL && !(seen & TAKEN);
        next = reads ? TAKEN : (uintptr_t)&n.comes | (seen & BITS);
        /* release: NOTE, pairs with TAKE. acquire: TAKE, pairs with NOTE and LET_GO; and pairs with
         * NOBODY: it changed the word before */
    } while (!atomic_compare_exchange_weak_explicit(&b->word, &seen, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    bool woken = false;
    if (next == TAKEN) {
        struct out out = {.end = &out.first};
        read_notes(b, newest(seen), &out);
        append(b, &n);
        woken = let_go(b, &out, &n);
    }
    uintptr_t fate = (uintptr_t)b; /* CHECKING */
    /* release: LOOKED, for a requeue that finds it ASLEEP: its look at the word is no older */
    if (woken)
        r = VALET_OK; /* by itself */
    else if (atomic_load_explicit((valet_word32 *)word, memory_order_relaxed) != expected)
        r = VALET_CHANGED;
    else if (atomic_compare_exchange_strong_explicit(&n.fate, &fate, (uintptr_t)b | ASLEEP,
                                                     memory_order_release, memory_order_relaxed))
        r = flags != 0 ? valet_sema_sleep(&n.sema, deadline, flags)
                       : valet_sys_sema_wait(&n.sema, deadline);
    else
        stay(&n);
    if (r != VALET_OK)
        r = leave(b, &n, r);
    valet_sys_sema_fini(&n.sema);
    return r;
}

/* For a waker. TAKEN: it has the queue, and notes to read; 0: nobody is there; else another has the
 * queue, and wakes all of the bucket. */
static inline uintptr_t take_or_owe(struct bucket *b, struct note **notes)
{
    uintptr_t seen = atomic_load_explicit(&b->word, memory_order_relaxed), next;
    unsigned looks = 0;
    do {
        for (; seen & TAKEN && looks < VALET_FUTEX_LOOKS; looks++) {
            valet_arch_relax();
            seen = atomic_load_explicit(&b->word, memory_order_relaxed);
        }
        next = (seen & TAKEN) ? seen | OWED : seen ? TAKEN : 0;
        /* release: NOBODY, also where it finds TAKEN, or 0: pairs with NOTE of who comes later.
         * acquire: TAKE, pairs with NOTE and LET_GO */
    } while (!atomic_compare_exchange_weak_explicit(&b->word, &seen, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    *notes = newest(seen);
    return next;
}

#ifndef VALET_MACHINE_ONLY

VALET_UNPROTECTED int valet_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return queue_and_sleep(word, expected, deadline, 0);
}

int valet_futex_wait_for(uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    return valet_futex_for(word, expected, timeout_ns);
}

VALET_UNPROTECTED uint32_t valet_futex_wake(uint32_t *word, uint32_t count)
{
    if (count == 0)
        return 0;
    struct bucket *b = bucket_of(word);
    struct note *notes = NULL;
    uintptr_t next = take_or_owe(b, &notes);
    if (next != TAKEN)
        return next == 0 ? 0 : VALET_FUTEX_UNKNOWN;
    struct out out = {.end = &out.first};
    read_notes(b, notes, &out);
    uint32_t woken = wake_on(b, word, count, &out);
    let_go(b, &out, NULL);
    return woken;
}

#endif /* VALET_MACHINE_ONLY */
