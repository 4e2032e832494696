/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The scenarios of locks, as scenario.c has the others: nobody polls there, and one loss is enough
 * to be handed the lock. A thread sleeps at most twice for a mutex then, and once more if it gives
 * up; who lets go of a list wakes everybody in it at most.
 */
#include "guest.h"
#include "valet_locks.h"

#define LOCK   3
#define UNLOCK 2

static struct valet_mutex mutex;
static struct valet_cond cond;

/* What the mutex guards: not more than one thread is inside, and none is forgotten. */
static volatile int inside, count, ready, waiting, notified;
static struct {
    _Alignas(16) int result;
} of[4];

static void section(void)
{
    EXPECT(inside == 0);
    inside = 1;
    count = count + 1;
    inside = 0;
}

static void lock(void)
{
    EXPECT(CALL(LOCK, valet_mutex_lock(&mutex)) == VALET_OK);
}

static void unlock(void)
{
    DO(UNLOCK, valet_mutex_unlock(&mutex));
}

static void lock_once(void)
{
    lock();
    section();
    unlock();
}

static void section_if(int i, int result)
{
    of[i].result = result;
    if (result != VALET_OK)
        return;
    section();
    DO(UNLOCK, valet_mutex_unlock_fair(&mutex));
}

static void expect_end(int sections)
{
    EXPECT(mutex.word == 0 && cond.word == 0);
    EXPECT(count == sections);
}

THREAD(mutex_2_0)
{
    lock_once();
}
THREAD(mutex_2_1)
{
    lock_once();
}
THREAD(end_mutex_2)
{
    expect_end(2);
}

/* Its deadline comes at any moment, also while it is handed the mutex. */
THREAD(mutex_timed_0)
{
    lock_once();
}
THREAD(mutex_timed_1)
{
    section_if(1, timed(CALL(LOCK + UNLOCK, valet_mutex_lock_until(&mutex, DEADLINE))));
}
THREAD(end_mutex_timed)
{
    expect_end(1 + (of[1].result == VALET_OK));
}

/* A handler does. */
THREAD(mutex_signal_0)
{
    lock_once();
}
THREAD(mutex_signal_1)
{
    int r = CALL(LOCK + UNLOCK, valet_mutex_lock_with(&mutex, VALET_FOREVER, VALET_INTERRUPTIBLE));
    EXPECT(r == VALET_OK || r == VALET_INTERRUPTED);
    section_if(1, r);
}
THREAD(end_mutex_signal)
{
    expect_end(1 + (of[1].result == VALET_OK));
}

/* The node moves to the mutex, or its owner is woken. */
THREAD(cond_notify_0)
{
    lock();
    while (!ready)
        EXPECT(CALL(LOCK + UNLOCK, valet_cond_wait(&cond, &mutex)) == VALET_OK);
    section();
    unlock();
}
THREAD(cond_notify_1)
{
    lock();
    ready = 1;
    section();
    unlock();
    DO(UNLOCK, valet_cond_notify_one(&cond));
}
THREAD(end_cond_notify)
{
    expect_end(2);
}

/* Its deadline comes meanwhile: it was notified, or the notify was for nobody. */
THREAD(cond_timed_0)
{
    lock();
    of[0].result = VALET_TIMEDOUT;
    if (!ready) {
        waiting = 1;
        of[0].result =
            timed(CALL(2 * (LOCK + UNLOCK), valet_cond_wait_until(&cond, &mutex, DEADLINE)));
        waiting = 0;
    }
    section();
    unlock();
}
THREAD(cond_timed_1)
{
    lock();
    ready = 1;
    notified = waiting;
    DO(UNLOCK, valet_cond_notify_one(&cond)); /* it moves */
    section();
    unlock();
}
THREAD(end_cond_timed)
{
    expect_end(2);
    EXPECT((of[0].result == VALET_OK) <= notified);
}
