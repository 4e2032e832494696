/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The ring of test/demo/ring.h on parkers and one object of waiters, by hand: what the benchmark
 * measures of the peers.
 *
 *   a worker  that finds no chunk to count says that it is idle and parks on its own parker; the
 *             reader unparks one idle worker for each chunk
 *   reader    that finds the ring full parks on its parker; every worker that empties a chunk
 *             unparks it, which costs one atomic exchange while it is not parked
 *   the end   is a state that one waits for: the last worker sets DONE
 *
 * test/c11/pool.c explores it.
 */
#ifndef VALET_BENCH_RING_H
#define VALET_BENCH_RING_H

#include <stdatomic.h>
#include <valet.h> /* the peer's, or in test/c11 our own */

enum { RUNNING, DONE };

/* Each in a cache line of its own. */
static struct place {
    _Alignas(64) struct valet_parker parker;
} places[WORKERS_MAX], place_of_reader;

/* How many chunks were put into the ring and taken from it; chunk n is ring[n % workers_count]. */
static atomic_size_t put_count, taken_count;
static _Atomic uint32_t idle; /* bit n: workers[n] has nothing to do and is, or will be, parked */
static atomic_bool at_end;    /* no more chunks will be put */
static atomic_size_t left;    /* workers that have finished */
static struct valet_waiters state = VALET_WAITERS_INIT(RUNNING);
/* true: a chunk goes from the reader to the workers; false: back again. */
static atomic_bool full[WORKERS_MAX];

static void park(struct worker *me, struct place *place)
{
    me->waits++;
    /* Other results than VALET_OK are mistakes, or a system that lets nobody park. */
    if (valet_park(&place->parker) != VALET_OK)
        fail("cannot park a thread", "", "");
}

static void unpark(struct worker *me, struct place *place)
{
    me->wakes++;
    valet_unpark(&place->parker);
}

/* The oldest chunk that nobody has taken, or NULL. */
static struct chunk *take(void)
{
    size_t taken = atomic_load_explicit(&taken_count, memory_order_relaxed); /* a guess */
    do {
        /* Not ==: nothing orders the two looks, `taken` may be the newer. acquire: the chunk, pairs
         * with PUT. seq_cst: see ring_take */
        if (taken >= atomic_load_explicit(&put_count, memory_order_seq_cst))
            return NULL;
        /* relaxed: only decides who takes it */
    } while (!atomic_compare_exchange_weak_explicit(&taken_count, &taken, taken + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return &ring[taken % workers_count];
}

/*
 * The next chunk to count; parks until there is one. NULL: there will be none.
 *
 * No chunk may be put and no worker woken for it because none seems idle, while the worker parks
 * because there seems to be no chunk. seq_cst on these four forbids it: whichever of the two writes
 * comes second, the look after it sees the first.
 *
 *   worker: idle |= bit                reader: put_count++  (PUT)
 *           take, looks at put_count           looks at idle  (unpark_idle)
 *
 * An unpark that comes before the park is kept; one that is not needed any more makes a later park
 * return at once. Both are harmless, as a worker that returns from park only looks again.
 */
static struct chunk *ring_take(struct worker *me)
{
    uint32_t bit = (uint32_t)1 << (me - workers);
    for (;;) {
        /* Look in this order: after at_end nothing is put. acquire: pairs with END */
        bool end = atomic_load_explicit(&at_end, memory_order_acquire);
        struct chunk *c = take();
        if (c != NULL || end)
            return c;
        atomic_fetch_or_explicit(&idle, bit, memory_order_seq_cst);
        c = take();
        if (c == NULL)
            park(me, &places[me - workers]);
        /* The reader may have cleared it already. relaxed: at worst the bit is set for a worker
         * that is awake, and it looks for chunks before it parks. */
        atomic_fetch_and_explicit(&idle, ~bit, memory_order_relaxed);
        if (c != NULL)
            return c;
    }
}

static void ring_give_back(struct worker *me, struct chunk *c)
{
    /* release: EMPTIED, the bytes may be overwritten */
    atomic_store_explicit(&full[c - ring], false, memory_order_release);
    unpark(me, &place_of_reader);
}

static void ring_leave(struct worker *me)
{
    (void)me;
    /* acquire and release: the last worker passes on what all of them counted */
    if (atomic_fetch_add_explicit(&left, 1, memory_order_acq_rel) + 1 == workers_count)
        valet_store_and_wake(&state, DONE);
}

static void unpark_idle(struct worker *me)
{
    uint32_t seen = atomic_load_explicit(&idle, memory_order_seq_cst);
    while (seen != 0) {
        uint32_t bit = seen & (0 - seen); /* the lowest */
        /* relaxed: the parker orders what the worker must see. Only this thread clears the bit of
         * a parked worker; a worker that found a chunk itself may come before us. */
        if (atomic_fetch_and_explicit(&idle, ~bit, memory_order_relaxed) & bit) {
            size_t n = 0;
            while (bit >> n != 1)
                n++;
            unpark(me, &places[n]);
            return;
        }
        seen &= ~bit;
    }
}

static struct chunk *ring_empty(struct worker *me)
{
    /* relaxed: the reader alone puts */
    size_t n = atomic_load_explicit(&put_count, memory_order_relaxed) % workers_count;
    /* acquire: pairs with EMPTIED */
    while (atomic_load_explicit(&full[n], memory_order_acquire))
        park(me, &place_of_reader);
    return &ring[n];
}

static void ring_put(struct worker *me, struct chunk *c)
{
    /* relaxed: PUT comes after it and passes it on */
    atomic_store_explicit(&full[c - ring], true, memory_order_relaxed);
    size_t count = atomic_load_explicit(&put_count, memory_order_relaxed); /* its own */
    /* release: PUT. seq_cst: see ring_take */
    atomic_store_explicit(&put_count, count + 1, memory_order_seq_cst);
    unpark_idle(me);
}

static void ring_finish(struct worker *me)
{
    /* release: END, all chunks have been put */
    atomic_store_explicit(&at_end, true, memory_order_release);
    for (size_t i = 0; i < workers_count; i++)
        unpark(me, &places[i]);
    if (valet_compare_and_wait(&state, RUNNING) != VALET_OK)
        fail("cannot wait for the workers", "", "");
}

#endif
