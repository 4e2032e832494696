/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The futex where the system wakes one known thread: the requeue, in an object of its own. It moves
 * nodes within the table that the other calls have, with the two queues TAKEN: so a waiter that
 * leaves finds in its fate where it is, and leaves its note there. Nobody waits for TAKEN: who
 * finds it on the first queue leaves OWED, as a wake does, and who finds it on the second wakes
 * what it would have moved.
 *
 * "Compare the word, then move" is no one step either: a thread that has yet to look might find a
 * word that has changed since, sleep on that, and be moved. So those are woken first, to look
 * again; the word is compared; and only who slept before that is moved.
 */
#ifndef VALET_HAS_MACHINE /* where that file is in this one already */
#define VALET_MACHINE_ONLY
#define VALET_AT_FORK 1 /* the core's own is in the other object */
#include "core/futex_sema.c"
#endif

/* Wake those that have yet to look at the word. */
static void settle(struct bucket *b, const uint32_t *word, struct out *out)
{
    for (struct node *n = b->first, *next; n != NULL; n = next) {
        if (n->word != word) {
            next = n->last_of_row->next;
            continue;
        }
        next = n->next;
        uintptr_t fate;
        do
            /* acquire: ASLEEP, what LOOKED released */
            fate = atomic_load_explicit(&n->fate, memory_order_acquire);
        while ((fate & FATE) == CHECKING &&
               !atomic_compare_exchange_weak_explicit(&n->fate, &fate, OUT, memory_order_relaxed,
                                                      memory_order_relaxed));
        if ((fate & FATE) == CHECKING)
            move_out(b, n, out);
    }
}

/* The second queue, or NULL: another thread has it. */
static struct bucket *take_second(struct bucket *b, struct out *out)
{
    uintptr_t seen = atomic_load_explicit(&b->word, memory_order_relaxed);
    unsigned looks = 0;
    do {
        for (; seen & TAKEN && looks < VALET_FUTEX_LOOKS; looks++) {
            valet_arch_relax();
            seen = atomic_load_explicit(&b->word, memory_order_relaxed);
        }
        if (seen & TAKEN)
            return NULL;
        /* acquire: TAKE, as in futex_sema.c */
    } while (!atomic_compare_exchange_weak_explicit(&b->word, &seen, TAKEN, memory_order_acquire,
                                                    memory_order_relaxed));
    read_notes(b, newest(seen), out);
    return b;
}

VALET_UNPROTECTED int valet_futex_requeue(uint32_t *from, uint32_t expected, uint32_t wake,
                                          uint32_t *to, uint32_t requeue, unsigned flags)
{
    int r = valet_requeue_takes(from, to, flags);
    if (r != VALET_OK)
        return r;
    /* relaxed, here and below: the user's own orders */
    if (atomic_load_explicit((valet_word32 *)from, memory_order_relaxed) != expected)
        return VALET_CHANGED;
    struct bucket *b = bucket_of(from), *second = bucket_of(to);
    struct note *notes = NULL;
    if (take_or_owe(b, &notes) != TAKEN)
        return VALET_OK; /* nobody; or OWED, which wakes them */
    struct out out = {.end = &out.first};
    read_notes(b, notes, &out);
    settle(b, from, &out);
    if (atomic_load_explicit((valet_word32 *)from, memory_order_relaxed) != expected) {
        let_go(b, &out, NULL);
        return VALET_CHANGED;
    }
    if (second != b)
        second = requeue != 0 ? take_second(second, &out) : NULL;
    for (struct node *n = b->first, *next; n != NULL && (wake | requeue) != 0; n = next) {
        if (n->word != from) {
            next = n->last_of_row->next;
            continue;
        }
        next = n->next;
        uint32_t *count = wake != 0 ? &wake : &requeue;
        uintptr_t fate = (uintptr_t)b | ASLEEP;
        if (count == &wake || second == NULL)
            *count -= wake_node(b, n, &out);
        /* relaxed: its owner finds TAKEN there, until it is */
        else if (atomic_compare_exchange_strong_explicit(
                     &n->fate, &fate, (uintptr_t)second | ASLEEP, memory_order_relaxed,
                     memory_order_relaxed)) {
            unlink_node(b, n);
            n->word = to;
            append(second, n);
            requeue--;
        }
    }
    if (second != NULL && second != b)
        let_go_queue(second, &out);
    let_go(b, &out, NULL);
    return VALET_OK;
}
