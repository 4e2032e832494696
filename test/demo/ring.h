/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The ring between wc's reader and its workers. Chunk n is ring[n % workers_count]. One mutex
 * guards whose each chunk is; three waits:
 *
 *   a worker  that finds no chunk to count waits until the ring is `filled`; the reader notifies
 *             one worker for each chunk, which costs one load while nobody waits
 *   reader    that finds the next chunk full waits until it is `emptied`; a worker notifies it
 *             for each chunk
 *   the end   the reader waits once more, until the last worker has left
 *
 * Who is notified while the mutex is held goes on when it is unlocked: nobody is woken to find it
 * taken. A ring this small makes both sides wait by turns. That is the purpose here; a program that
 * is meant to be fast would give each worker a second chunk.
 */
#ifndef VALET_DEMO_RING_H
#define VALET_DEMO_RING_H

#include "valet_locks.h"

static struct valet_mutex mutex = VALET_MUTEX_INIT;
static struct valet_cond filled = VALET_COND_INIT;
static struct valet_cond emptied = VALET_COND_INIT;

/* Guarded by the mutex. A chunk that is full is the workers', and of these who has taken it. */
static bool full[WORKERS_MAX];
static size_t put_count, taken_count;
static bool at_end;       /* no more chunks will be put */
static size_t left_count; /* workers that have finished */

static void lock(struct worker *me)
{
    me->locks++;
    /* Other results than VALET_OK are mistakes, or a system that lets nobody park. */
    if (valet_mutex_lock(&mutex) != VALET_OK)
        fail("cannot lock the ring", "", "");
}

static void wait(struct worker *me, struct valet_cond *condition)
{
    me->waits++;
    if (valet_cond_wait(condition, &mutex) != VALET_OK)
        fail("cannot wait", "", "");
}

static void notify(struct worker *me, struct valet_cond *condition)
{
    me->wakes++;
    valet_cond_notify_one(condition);
}

/* The next chunk, for the reader to fill. */
static struct chunk *ring_empty(struct worker *me)
{
    lock(me);
    size_t n = put_count % workers_count;
    while (full[n])
        wait(me, &emptied);
    valet_mutex_unlock(&mutex);
    return &ring[n];
}

/* ... which it has filled. */
static void ring_put(struct worker *me, struct chunk *c)
{
    lock(me);
    full[c - ring] = true;
    put_count++;
#if DEMO_PLANTED_BUG != 2
    notify(me, &filled);
#endif
    valet_mutex_unlock(&mutex);
}

/* The next chunk, for a worker to count. NULL: there will be none. */
static struct chunk *ring_take(struct worker *me)
{
    lock(me);
    while (taken_count == put_count && !at_end)
        wait(me, &filled);
    struct chunk *c = taken_count == put_count ? NULL : &ring[taken_count++ % workers_count];
    valet_mutex_unlock(&mutex);
    return c;
}

/* ... which it has counted. */
static void ring_give_back(struct worker *me, struct chunk *c)
{
    lock(me);
    full[c - ring] = false;
    notify(me, &emptied);
    valet_mutex_unlock(&mutex);
}

/* A worker has counted all that it will. */
static void ring_leave(struct worker *me)
{
    lock(me);
    left_count++;
    notify(me, &emptied);
    valet_mutex_unlock(&mutex);
}

/* The reader has put all chunks: returns when the workers have counted them. */
static void ring_finish(struct worker *me)
{
    lock(me);
    at_end = true;
    me->wakes++;
    valet_cond_notify_all(&filled);
    while (left_count != workers_count)
        wait(me, &emptied);
    valet_mutex_unlock(&mutex);
}

#endif
