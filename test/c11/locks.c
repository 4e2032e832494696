/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the threads do with locks: as scenario.c, on the core's parker and on one that is nothing
 * but its contract. One loss is enough here to be handed the lock, and nobody polls.
 */
#include <stdatomic.h>

#include "core/locks/queue.h"
#include "scenarios.h"
#include "valet_locks.h"

#define DEADLINE 1000u

void check_expect(bool good, const char *file, int line);

#define EXPECT(x)    check_expect(x, __FILE__, __LINE__)
#define THREAD(name) void name(void)

static struct valet_mutex mutex;

/* What the mutex guards: a second thread in the section, or one that does not see what the last one
 * wrote, is a data race. */
static struct {
    _Alignas(8) int count;
} guarded;
static struct {
    _Alignas(8) int got;
} of[4];

static void section(void)
{
    guarded.count++;
}

static void lock_once(void)
{
    EXPECT(valet_mutex_lock(&mutex) == VALET_OK);
    section();
    valet_mutex_unlock(&mutex);
}

static void lock_timed(int i)
{
    int r = valet_mutex_lock_until(&mutex, DEADLINE);
    EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
    if (r != VALET_OK)
        return;
    of[i].got = 1;
    section();
    valet_mutex_unlock(&mutex);
}

/* At the end nobody is left in the word, and each section has taken place. */
static void expect_end(int untimed)
{
    EXPECT(mutex.word == 0);
    EXPECT(guarded.count == untimed + of[0].got + of[1].got + of[2].got + of[3].got);
}

THREAD(mutex_lock_0)
{
    lock_once();
}
THREAD(mutex_lock_1)
{
    lock_once();
}
THREAD(end_mutex_lock)
{
    expect_end(2);
}

THREAD(mutex_timed_0)
{
    lock_once();
}
THREAD(mutex_timed_1)
{
    lock_timed(1);
}
THREAD(end_mutex_timed)
{
    expect_end(1);
}

THREAD(mutex_3_0)
{
    lock_once();
}
THREAD(mutex_3_1)
{
    lock_once();
}
THREAD(mutex_3_2)
{
    lock_once();
}
THREAD(end_mutex_3)
{
    expect_end(3);
}

THREAD(mutex_3_timed_0)
{
    lock_once();
}
THREAD(mutex_3_timed_1)
{
    lock_once();
}
THREAD(mutex_3_timed_2)
{
    lock_timed(2);
}
THREAD(end_mutex_3_timed)
{
    expect_end(2);
}

/* A leaver against the holder, against one that is woken, and against another leaver. */
THREAD(mutex_2_timed_0)
{
    lock_once();
}
THREAD(mutex_2_timed_1)
{
    lock_timed(1);
}
THREAD(mutex_2_timed_2)
{
    lock_timed(2);
}
THREAD(end_mutex_2_timed)
{
    expect_end(1);
}

/* A deadline is not late by somebody's section, which lasts until the leaver has left. */
static _Atomic int left;
THREAD(mutex_leaves_0)
{
    lock_once();
}
THREAD(mutex_leaves_1)
{
    EXPECT(valet_mutex_lock(&mutex) == VALET_OK);
    while (atomic_load_explicit(&left, memory_order_relaxed) == 0)
        ;
    section();
    valet_mutex_unlock(&mutex);
}
THREAD(mutex_leaves_2)
{
    lock_timed(2);
    atomic_store_explicit(&left, 1, memory_order_relaxed);
}
THREAD(end_mutex_leaves)
{
    expect_end(2);
}

/* ... nor is that of the second of two who leave while a third has the list. */
THREAD(mutex_2_leave_0)
{
    lock_once();
}
THREAD(mutex_2_leave_1)
{
    int r = valet_mutex_lock_until(&mutex, DEADLINE);
    EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
    if (r != VALET_OK)
        return;
    of[1].got = 1;
    section();
    while (atomic_load_explicit(&left, memory_order_relaxed) == 0)
        ;
    valet_mutex_unlock(&mutex);
}
THREAD(mutex_2_leave_2)
{
    lock_timed(2);
    atomic_store_explicit(&left, 1, memory_order_relaxed);
}
THREAD(end_mutex_2_leave)
{
    expect_end(1);
}

static void lock_fair(void)
{
    EXPECT(valet_mutex_lock(&mutex) == VALET_OK);
    section();
    valet_mutex_unlock_fair(&mutex);
}
THREAD(mutex_fair_0)
{
    lock_fair();
}
THREAD(mutex_fair_1)
{
    lock_fair();
}
THREAD(mutex_fair_2)
{
    lock_once();
}
THREAD(end_mutex_fair)
{
    expect_end(3);
}

THREAD(mutex_fair_timed_0)
{
    lock_fair();
}
THREAD(mutex_fair_timed_1)
{
    lock_timed(1);
}
THREAD(mutex_fair_timed_2)
{
    lock_timed(2);
}
THREAD(end_mutex_fair_timed)
{
    expect_end(1);
}

THREAD(mutex_try_0)
{
    lock_once();
}
THREAD(mutex_try_1)
{
    lock_once();
}
THREAD(mutex_try_2)
{
    if (valet_mutex_try_lock(&mutex)) {
        of[2].got = 1;
        section();
        valet_mutex_unlock(&mutex);
    }
}
THREAD(end_mutex_try)
{
    expect_end(2);
}

/* One that comes again and again: the other loses, and then is handed the mutex. */
THREAD(mutex_again_0)
{
    for (int i = 0; i < 3; i++)
        lock_once();
}
THREAD(mutex_again_1)
{
    lock_once();
}
THREAD(end_mutex_again)
{
    expect_end(4);
}

/* Who comes last frees it, by a plain write: whatever else still touches the word is a race. */
static int users;
static void free_if_last(void)
{
    EXPECT(valet_mutex_lock(&mutex) == VALET_OK);
    int left = --users;
    valet_mutex_unlock(&mutex);
    if (left == 0)
        mutex.word = 0x10;
}
THREAD(setup_mutex_free)
{
    users = 3;
}
THREAD(mutex_free_0)
{
    free_if_last();
}
THREAD(mutex_free_1)
{
    free_if_last();
}
THREAD(mutex_free_2)
{
    free_if_last();
}
THREAD(end_mutex_free)
{
    EXPECT(mutex.word == 0x10);
}

/* ... also one that has given up before, and got it then. */
THREAD(setup_mutex_free_timed)
{
    users = 3;
}
THREAD(mutex_free_timed_0)
{
    free_if_last();
}
THREAD(mutex_free_timed_1)
{
    free_if_last();
}
THREAD(mutex_free_timed_2)
{
    int r = valet_mutex_lock_until(&mutex, DEADLINE);
    EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
    if (r == VALET_OK)
        valet_mutex_unlock(&mutex);
    free_if_last();
}
THREAD(end_mutex_free_timed)
{
    EXPECT(mutex.word == 0x10);
}

/* A system that refuses, to whom it likes: that one does not get it, the others do. */
static void lock_refused(int i)
{
    int r = valet_mutex_lock(&mutex);
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
    if (r != VALET_OK)
        return;
    of[i].got = 1;
    section();
    valet_mutex_unlock(&mutex);
}
THREAD(mutex_sandbox_0)
{
    lock_refused(0);
}
THREAD(mutex_sandbox_1)
{
    lock_refused(1);
}
THREAD(mutex_sandbox_2)
{
    lock_refused(2);
}
THREAD(end_mutex_sandbox)
{
    EXPECT(of[0].got + of[1].got + of[2].got >= 2);
    expect_end(0);
}

THREAD(mutex_4_0)
{
    lock_once();
}
THREAD(mutex_4_1)
{
    lock_once();
}
THREAD(mutex_4_2)
{
    lock_once();
}
THREAD(mutex_4_3)
{
    lock_once();
}
THREAD(end_mutex_4)
{
    expect_end(4);
}

/* The first thread has it from the start: which of four takes one that is free is for mutex_4. */
THREAD(setup_mutex_4_timed)
{
    EXPECT(valet_mutex_lock(&mutex) == VALET_OK);
}
THREAD(mutex_4_timed_0)
{
    section();
    valet_mutex_unlock(&mutex);
}
THREAD(mutex_4_timed_1)
{
    lock_once();
}
THREAD(mutex_4_timed_2)
{
    lock_once();
}
THREAD(mutex_4_timed_3)
{
    lock_timed(3);
}
THREAD(end_mutex_4_timed)
{
    expect_end(3);
}

/* A handler comes at any moment: against the holder, and against two that hand it over. */
static void lock_shaken(int i)
{
    int r = valet_mutex_lock_with(&mutex, VALET_FOREVER, VALET_INTERRUPTIBLE);
    EXPECT(r == VALET_OK || r == VALET_INTERRUPTED);
    if (r != VALET_OK)
        return;
    of[i].got = 1;
    section();
    valet_mutex_unlock_fair(&mutex);
}
THREAD(mutex_with_0)
{
    lock_once();
}
THREAD(mutex_with_1)
{
    lock_shaken(1);
}
THREAD(end_mutex_with)
{
    expect_end(1);
}
THREAD(mutex_with_fair_0)
{
    lock_fair();
}
THREAD(mutex_with_fair_1)
{
    lock_shaken(1);
}
THREAD(mutex_with_fair_2)
{
    lock_shaken(2);
}
THREAD(end_mutex_with_fair)
{
    expect_end(1);
}

/* ---- condition variable ---------------------------------------------------------------------- */

static struct valet_cond cond;
static int ready, inside; /* guarded */

static void lock(void)
{
    EXPECT(valet_mutex_lock(&mutex) == VALET_OK);
}

/* Until it is ready. has: it has the mutex already. */
static void wait_untimed(bool has)
{
    if (!has)
        lock();
    while (ready == 0)
        EXPECT(valet_cond_wait(&cond, &mutex) == VALET_OK);
    section();
    valet_mutex_unlock(&mutex);
}

/* Once, and what is told. */
static void wait_timed_once(int i, bool has)
{
    if (!has)
        lock();
    if (ready == 0) {
        inside++;
        int r = valet_cond_wait_until(&cond, &mutex, DEADLINE);
        EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
        of[i].got = r == VALET_OK;
        inside--;
    }
    section();
    valet_mutex_unlock(&mutex);
}

static void make_ready(void)
{
    lock();
    ready = 1;
    section();
    valet_mutex_unlock(&mutex);
}

static void expect_nobody(int sections)
{
    EXPECT(mutex.word == 0 && cond.word == 0);
    EXPECT(guarded.count == sections);
}

THREAD(cond_wait_0)
{
    wait_untimed(false);
}
THREAD(cond_wait_1)
{
    make_ready();
    valet_cond_notify_one(&cond);
}
THREAD(end_cond_wait)
{
    expect_nobody(2);
}

/* With the mutex held: the node moves, and nobody is woken for nothing. */
static void make_ready_held(void (*notify)(struct valet_cond *))
{
    lock();
    ready = 1;
    section();
    notify(&cond);
    valet_mutex_unlock(&mutex);
}
THREAD(cond_held_0)
{
    wait_untimed(false);
}
THREAD(cond_held_1)
{
    make_ready_held(valet_cond_notify_one);
}
THREAD(end_cond_held)
{
    expect_nobody(2);
}

THREAD(cond_all_0)
{
    wait_untimed(false);
}
THREAD(cond_all_1)
{
    wait_untimed(false);
}
THREAD(cond_all_2)
{
    make_ready_held(valet_cond_notify_all);
}
THREAD(end_cond_all)
{
    expect_nobody(3);
}

THREAD(cond_all_free_0)
{
    wait_untimed(false);
}
THREAD(cond_all_free_1)
{
    wait_untimed(false);
}
THREAD(cond_all_free_2)
{
    make_ready();
    valet_cond_notify_all(&cond);
}
THREAD(end_cond_all_free)
{
    expect_nobody(3);
}

/* Three, of whom the first wakes the second, and this one the third (c11.sh, herd3). */
THREAD(cond_herd_0)
{
    wait_untimed(false);
}
THREAD(cond_herd_1)
{
    wait_untimed(false);
}
THREAD(cond_herd_2)
{
    wait_untimed(false);
}
THREAD(cond_herd_3)
{
    make_ready();
    valet_cond_notify_all(&cond);
}
THREAD(end_cond_herd)
{
    expect_nobody(4);
}

/* All are told of it who wait, also the one whose deadline comes while it is with the other. */
THREAD(setup_cond_all_timed)
{
    lock();
}
THREAD(cond_all_timed_0)
{
    wait_untimed(true);
}
THREAD(cond_all_timed_1)
{
    wait_timed_once(1, false);
}
THREAD(cond_all_timed_2)
{
    make_ready_held(valet_cond_notify_all);
}
THREAD(end_cond_all_timed)
{
    expect_nobody(3);
}

/* The notify of one that waits is not lost, whatever its deadline: it is told of it, or had given
 * up before. */
static int notified;
static void notify_and_note(void)
{
    lock();
    notified = inside;
    valet_cond_notify_one(&cond);
    section();
    valet_mutex_unlock(&mutex);
}
THREAD(cond_timed_0)
{
    wait_timed_once(0, false);
}
THREAD(cond_timed_1)
{
    notify_and_note();
}
THREAD(end_cond_timed)
{
    EXPECT(of[0].got <= notified);
    expect_nobody(2);
}

/* Two with deadlines, and one notify: not both are told of it; and while it moves, its deadline
 * comes. The first has the mutex from the start. */
THREAD(setup_cond_2_timed)
{
    lock();
}
THREAD(cond_2_timed_0)
{
    wait_timed_once(0, true);
}
THREAD(cond_2_timed_1)
{
    wait_timed_once(1, false);
}
THREAD(cond_2_timed_2)
{
    notify_and_note();
}
THREAD(end_cond_2_timed)
{
    EXPECT(of[0].got + of[1].got <= (notified != 0));
    expect_nobody(3);
}

/* One waits without a deadline, one with: the notify that the second does not get, the first gets,
 * and if the second has got it, it hands it on. */
THREAD(cond_handed_on_0)
{
    wait_untimed(false);
}
static void wait_and_hand_on(void)
{
    lock();
    if (ready == 0 && valet_cond_wait_until(&cond, &mutex, DEADLINE) == VALET_OK)
        valet_cond_notify_one(&cond);
    section();
    valet_mutex_unlock(&mutex);
}
THREAD(cond_handed_on_1)
{
    wait_and_hand_on();
}
THREAD(cond_handed_on_2)
{
    make_ready_held(valet_cond_notify_one);
}
THREAD(end_cond_handed_on)
{
    expect_nobody(3);
}

/* Two that notify, of whom one may find the list taken: both waiters are woken. The first has the
 * mutex from the start. */
THREAD(setup_cond_2_notifies)
{
    lock();
}
THREAD(cond_2_notifies_0)
{
    wait_untimed(true);
}
THREAD(cond_2_notifies_1)
{
    wait_untimed(false);
}
THREAD(cond_2_notifies_2)
{
    make_ready();
    valet_cond_notify_one(&cond);
}
THREAD(cond_2_notifies_3)
{
    make_ready();
    valet_cond_notify_one(&cond);
}
THREAD(end_cond_2_notifies)
{
    expect_nobody(4);
}

/* Freed by who was notified, while the notify may still go on. */
THREAD(cond_free_0)
{
    lock();
    inside = 1;
    while (ready == 0)
        EXPECT(valet_cond_wait(&cond, &mutex) == VALET_OK);
    valet_mutex_unlock(&mutex);
    cond.word = 0x10;
}
THREAD(cond_free_1)
{
    lock();
    ready = 1;
    int waits = inside;
    valet_mutex_unlock(&mutex);
    if (waits)
        valet_cond_notify_one(&cond);
}
THREAD(end_cond_free)
{
    EXPECT(cond.word == 0x10);
}

/* A handler comes, also while the node moves: who was notified is told so, and hands it on. */
static void wait_shaken(int i, bool hands_on)
{
    lock();
    if (ready == 0) {
        inside++;
        int r = valet_cond_wait_with(&cond, &mutex, DEADLINE, VALET_INTERRUPTIBLE);
        EXPECT(r == VALET_OK || r == VALET_INTERRUPTED || r == VALET_TIMEDOUT);
        of[i].got = r == VALET_OK;
        inside--;
        if (r == VALET_OK && hands_on)
            valet_cond_notify_one(&cond);
    }
    section();
    valet_mutex_unlock(&mutex);
}
THREAD(cond_with_0)
{
    wait_shaken(0, false);
}
THREAD(cond_with_1)
{
    lock();
    notified = inside;
    ready = 1;
    valet_cond_notify_one(&cond);
    section();
    valet_mutex_unlock(&mutex);
}
THREAD(end_cond_with)
{
    EXPECT(of[0].got <= notified);
    expect_nobody(2);
}
THREAD(cond_with_3_0)
{
    wait_untimed(false);
}
THREAD(cond_with_3_1)
{
    wait_shaken(1, true);
}
THREAD(cond_with_3_2)
{
    make_ready_held(valet_cond_notify_one);
}
THREAD(end_cond_with_3)
{
    expect_nobody(3);
}

/* ---- barrier --------------------------------------------------------------------------------- */

static struct valet_barrier barrier = VALET_BARRIER_INIT(2), barrier_of_3 = VALET_BARRIER_INIT(3);
static struct {
    _Alignas(8) int came, chosen;
} round_of[4];

/* All that were written before are seen after, and one is told that it is the last. */
static void meet(struct valet_barrier *b, int i, int threads)
{
    round_of[i].came++;
    int r = valet_barrier_wait(b);
    EXPECT(r == VALET_OK || r == VALET_CHOSEN);
    round_of[i].chosen += r == VALET_CHOSEN;
    for (int k = 0; k < threads; k++)
        EXPECT(round_of[k].came == round_of[i].came);
}
static void expect_rounds(int rounds)
{
    EXPECT(round_of[0].chosen + round_of[1].chosen + round_of[2].chosen == rounds);
    EXPECT(barrier.word == 0 && barrier_of_3.word == 0);
}
THREAD(barrier_wait_0)
{
    meet(&barrier, 0, 2);
}
THREAD(barrier_wait_1)
{
    meet(&barrier, 1, 2);
}
THREAD(end_barrier_wait)
{
    expect_rounds(1);
}

/* Who is let go comes again, while the last one is still waking. (What each wrote is read in the
 * second round only, after which nobody writes.) */
static void meet_twice(int i)
{
    int r = valet_barrier_wait(&barrier_of_3);
    round_of[i].chosen += r == VALET_CHOSEN;
    meet(&barrier_of_3, i, 3);
}
THREAD(barrier_again_0)
{
    meet_twice(0);
}
THREAD(barrier_again_1)
{
    meet_twice(1);
}
THREAD(barrier_again_2)
{
    meet_twice(2);
}
THREAD(end_barrier_again)
{
    expect_rounds(2);
}

/* Freed by one that has returned, whichever; the others may still be in their calls. */
THREAD(barrier_free_0)
{
    (void)!valet_barrier_wait(&barrier_of_3);
    barrier_of_3.word = 0x10;
    barrier_of_3.count = 0x10;
}
THREAD(barrier_free_1)
{
    (void)!valet_barrier_wait(&barrier_of_3);
}
THREAD(barrier_free_2)
{
    (void)!valet_barrier_wait(&barrier_of_3);
}
THREAD(end_barrier_free)
{
    EXPECT(barrier_of_3.word == 0x10 && barrier_of_3.count == 0x10);
}

/* A system that refuses: all meet, nevertheless. */
THREAD(barrier_sandbox_0)
{
    meet(&barrier, 0, 2);
}
THREAD(barrier_sandbox_1)
{
    meet(&barrier, 1, 2);
}
THREAD(end_barrier_sandbox)
{
    expect_rounds(1);
}

/* ---- semaphore ------------------------------------------------------------------------------- */

static struct valet_sem sem = VALET_SEM_INIT(0), permit = VALET_SEM_INIT(1);
static struct {
    _Alignas(8) int plain;
} given[4];

static void give(int i, unsigned n)
{
    given[i].plain = 1;
    valet_sem_release(&sem, n);
}
static void take(int i)
{
    EXPECT(valet_sem_acquire(&sem) == VALET_OK);
    EXPECT(given[i].plain == 1);
}
/* With a deadline, and without one if that has come. */
static void take_timed(int i)
{
    int r = valet_sem_acquire_until(&sem, DEADLINE);
    EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
    if (r == VALET_OK)
        EXPECT(given[i].plain == 1);
    of[i].got = r == VALET_OK;
}
static void expect_permits(unsigned n)
{
    while (n-- != 0)
        EXPECT(valet_sem_try_acquire(&sem));
    EXPECT(!valet_sem_try_acquire(&sem));
    EXPECT(sem.line.word == 0 && sem.count == 0);
}
THREAD(sem_take_0)
{
    take(1);
}
THREAD(sem_take_1)
{
    give(1, 1);
}
THREAD(end_sem_take)
{
    expect_permits(0);
}

/* Two sleep, and one release is for both: the second gets what the first has left. */
THREAD(sem_2_take_0)
{
    take(2);
}
THREAD(sem_2_take_1)
{
    take(2);
}
THREAD(sem_2_take_2)
{
    give(2, 2);
}
THREAD(end_sem_2_take)
{
    expect_permits(0);
}

/* Two that release, one after the other has been here: none is lost. */
THREAD(sem_2_give_0)
{
    EXPECT(valet_sem_acquire(&sem) == VALET_OK);
    EXPECT(valet_sem_acquire(&sem) == VALET_OK);
    EXPECT(given[1].plain == 1 && given[2].plain == 1);
}
THREAD(sem_2_give_1)
{
    give(1, 1);
}
THREAD(sem_2_give_2)
{
    give(2, 1);
}
THREAD(end_sem_2_give)
{
    expect_permits(0);
}

THREAD(sem_timed_0)
{
    take_timed(1);
}
THREAD(sem_timed_1)
{
    give(1, 1);
}
THREAD(end_sem_timed)
{
    expect_permits(of[1].got == 0);
}

/* The one that comes first gives up: the one behind it is the front then. */
THREAD(sem_2_timed_0)
{
    take_timed(2);
}
THREAD(sem_2_timed_1)
{
    take(2);
}
THREAD(sem_2_timed_2)
{
    give(2, 2);
}
THREAD(end_sem_2_timed)
{
    expect_permits(of[2].got == 0);
}

/* As a mutex. */
static void take_turns(void)
{
    EXPECT(valet_sem_acquire(&permit) == VALET_OK);
    section();
    valet_sem_release(&permit, 1);
}
THREAD(sem_mutex_0)
{
    take_turns();
}
THREAD(sem_mutex_1)
{
    take_turns();
}
THREAD(sem_mutex_2)
{
    take_turns();
}
THREAD(end_sem_mutex)
{
    EXPECT(guarded.count == 3);
    EXPECT(valet_sem_try_acquire(&permit) && !valet_sem_try_acquire(&permit));
}

/* Freed by who takes the last, while the releases may still go on. */
THREAD(sem_free_0)
{
    EXPECT(valet_sem_acquire(&sem) == VALET_OK);
    EXPECT(valet_sem_acquire(&sem) == VALET_OK);
    sem.count = 0x10;
    sem.line.word = 0x10;
}
THREAD(sem_free_1)
{
    valet_sem_release(&sem, 1);
}
THREAD(sem_free_2)
{
    valet_sem_release(&sem, 1);
}
THREAD(end_sem_free)
{
    EXPECT(sem.count == 0x10 && sem.line.word == 0x10);
}

/* A system that refuses, to whom it likes. */
THREAD(sem_sandbox_0)
{
    int r = valet_sem_acquire(&sem);
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
    of[0].got = r == VALET_OK;
}
THREAD(sem_sandbox_1)
{
    int r = valet_sem_acquire(&sem);
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
    of[1].got = r == VALET_OK;
}
THREAD(sem_sandbox_2)
{
    valet_sem_release(&sem, 2);
}
THREAD(end_sem_sandbox)
{
    EXPECT(of[0].got + of[1].got >= 1);
    expect_permits(of[0].got + of[1].got == 1);
}

static void take_shaken(int i)
{
    int r = valet_sem_acquire_with(&sem, VALET_FOREVER, VALET_INTERRUPTIBLE);
    EXPECT(r == VALET_OK || r == VALET_INTERRUPTED);
    if (r == VALET_OK)
        EXPECT(given[i].plain == 1);
    of[i].got = r == VALET_OK;
}
THREAD(sem_with_0)
{
    take_shaken(1);
}
THREAD(sem_with_1)
{
    give(1, 1);
}
THREAD(end_sem_with)
{
    expect_permits(of[1].got == 0);
}
THREAD(sem_with_3_0)
{
    take_shaken(2);
}
THREAD(sem_with_3_1)
{
    take(2);
}
THREAD(sem_with_3_2)
{
    give(2, 2);
}
THREAD(end_sem_with_3)
{
    expect_permits(of[2].got == 0);
}

/* ---- rwlock ---------------------------------------------------------------------------------- */

static struct valet_rwlock rwlock = VALET_RWLOCK_INIT;
static struct {
    _Alignas(8) int count; /* guarded */
} shelf;

/* A writer beside another one, or beside a reader, is a data race. */
static void write_shelf(void)
{
    shelf.count++;
}
static int read_shelf(void)
{
    return shelf.count;
}

static void write_once(void)
{
    EXPECT(valet_rwlock_write_lock(&rwlock) == VALET_OK);
    write_shelf();
    valet_rwlock_write_unlock(&rwlock);
}
static void read_once(void)
{
    EXPECT(valet_rwlock_read_lock(&rwlock) == VALET_OK);
    EXPECT(read_shelf() < 9); /* which is a read */
    valet_rwlock_read_unlock(&rwlock);
}
static void write_timed(int i)
{
    int r = valet_rwlock_write_lock_until(&rwlock, DEADLINE);
    EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
    if (r != VALET_OK)
        return;
    of[i].got = 1;
    write_shelf();
    valet_rwlock_write_unlock(&rwlock);
}
static void read_timed(void)
{
    int r = valet_rwlock_read_lock_until(&rwlock, DEADLINE);
    EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
    if (r != VALET_OK)
        return;
    EXPECT(read_shelf() < 9); /* which is a read */
    valet_rwlock_read_unlock(&rwlock);
}
/* Nobody holds it, nor is in line; it can be taken. */
static void expect_shelf(int writes)
{
    EXPECT(rwlock.line.word == 0 && rwlock.holders <= 2);
    EXPECT(valet_rwlock_write_try_lock(&rwlock));
    EXPECT(read_shelf() == writes + of[0].got + of[1].got + of[2].got);
}
THREAD(rwlock_write_0)
{
    write_once();
}
THREAD(rwlock_write_1)
{
    write_once();
}
THREAD(end_rwlock_write)
{
    expect_shelf(2);
}

THREAD(rwlock_read_0)
{
    read_once();
}
THREAD(rwlock_read_1)
{
    write_once();
}
THREAD(end_rwlock_read)
{
    expect_shelf(1);
}

THREAD(rwlock_2_read_0)
{
    read_once();
}
THREAD(rwlock_2_read_1)
{
    read_once();
}
THREAD(rwlock_2_read_2)
{
    write_once();
}
THREAD(end_rwlock_2_read)
{
    expect_shelf(1);
}

THREAD(rwlock_2_write_0)
{
    read_once();
}
THREAD(rwlock_2_write_1)
{
    write_once();
}
THREAD(rwlock_2_write_2)
{
    write_once();
}
THREAD(end_rwlock_2_write)
{
    expect_shelf(2);
}

/* The first in line gives up: against a holder that leaves, and against one that comes. */
THREAD(rwlock_timed_0)
{
    read_once();
}
THREAD(rwlock_timed_1)
{
    write_timed(1);
}
THREAD(end_rwlock_timed)
{
    expect_shelf(0);
}
THREAD(rwlock_2_timed_0)
{
    write_once();
}
THREAD(rwlock_2_timed_1)
{
    write_timed(1);
}
THREAD(rwlock_2_timed_2)
{
    read_timed();
}
THREAD(end_rwlock_2_timed)
{
    expect_shelf(1);
}
THREAD(rwlock_timed_write_0)
{
    read_once();
}
THREAD(rwlock_timed_write_1)
{
    write_timed(1);
}
THREAD(rwlock_timed_write_2)
{
    write_once();
}
THREAD(end_rwlock_timed_write)
{
    expect_shelf(1);
}

/* The one whose deadline has come calls off what another one has begun meanwhile. The first has the
 * lock from the start. */
THREAD(setup_rwlock_calls_off)
{
    EXPECT(valet_rwlock_read_lock(&rwlock) == VALET_OK);
}
THREAD(rwlock_calls_off_0)
{
    valet_rwlock_read_unlock(&rwlock);
    read_once();
}
THREAD(rwlock_calls_off_1)
{
    write_timed(1);
}
THREAD(rwlock_calls_off_2)
{
    if (!valet_rwlock_write_try_lock(&rwlock))
        return;
    of[2].got = 1;
    write_shelf();
    valet_rwlock_write_unlock(&rwlock);
}
THREAD(end_rwlock_calls_off)
{
    expect_shelf(0);
}

/* Two who have lost come into the line at once: one that was woken and finds it taken, and one that
 * has come past it and goes back to sleep, since the lock is held. The holder, which was first in
 * line itself, waits for that; other things may come of it. */
static uintptr_t look_at(uintptr_t *word)
{
    return atomic_load_explicit((_Atomic uintptr_t *)word, memory_order_relaxed);
}
THREAD(setup_rwlock_2_lost)
{
    EXPECT(valet_mutex_lock(&rwlock.line) == VALET_OK && valet_rwlock_write_try_lock(&rwlock));
}
THREAD(rwlock_2_lost_0)
{
    while (valet_newest(look_at(&rwlock.line.word)) == NULL)
        ;
    valet_mutex_unlock(&rwlock.line);
    while (look_at(&rwlock.line.word) & VALET_WAKING)
        ;
    while (!(look_at(&rwlock.holders) & 2)) /* DRAIN */
        ;
    write_shelf();
    valet_rwlock_write_unlock(&rwlock);
}
THREAD(rwlock_2_lost_1)
{
    write_once();
}
THREAD(rwlock_2_lost_2)
{
    write_once();
}
THREAD(end_rwlock_2_lost)
{
    expect_shelf(3);
}

/* A writer that has given up stops no reader: the second comes while the first is still inside. */
static void read_until_left(void)
{
    EXPECT(valet_rwlock_read_lock(&rwlock) == VALET_OK);
    while (atomic_load_explicit(&left, memory_order_relaxed) == 0)
        ;
    valet_rwlock_read_unlock(&rwlock);
}
static void read_and_leave(void)
{
    read_once();
    atomic_store_explicit(&left, 1, memory_order_relaxed);
}
THREAD(rwlock_leaves_0)
{
    read_until_left();
}
THREAD(rwlock_leaves_1)
{
    write_timed(1);
}
THREAD(rwlock_leaves_2)
{
    read_and_leave();
}
THREAD(end_rwlock_leaves)
{
    expect_shelf(0);
}

/* A writer that becomes a reader lets another one in, and no writer. */
static void write_then_read(void)
{
    EXPECT(valet_rwlock_write_lock(&rwlock) == VALET_OK);
    write_shelf();
    int count = read_shelf();
    valet_rwlock_downgrade(&rwlock);
    EXPECT(read_shelf() == count);
    valet_rwlock_read_unlock(&rwlock);
}
THREAD(rwlock_downgrade_0)
{
    write_then_read();
}
THREAD(rwlock_downgrade_1)
{
    write_once();
}
THREAD(rwlock_downgrade_2)
{
    read_once();
}
THREAD(end_rwlock_downgrade)
{
    expect_shelf(2);
}
THREAD(rwlock_downgrade_lets_in_0)
{
    EXPECT(valet_rwlock_write_lock(&rwlock) == VALET_OK);
    write_shelf();
    valet_rwlock_downgrade(&rwlock);
    while (atomic_load_explicit(&left, memory_order_relaxed) == 0)
        ;
    valet_rwlock_read_unlock(&rwlock);
}
THREAD(rwlock_downgrade_lets_in_1)
{
    read_and_leave();
}
THREAD(end_rwlock_downgrade_lets_in)
{
    expect_shelf(1);
}
THREAD(rwlock_downgrade_timed_0)
{
    write_then_read();
}
THREAD(rwlock_downgrade_timed_1)
{
    write_timed(1);
}
THREAD(rwlock_downgrade_timed_2)
{
    read_once();
}
THREAD(end_rwlock_downgrade_timed)
{
    expect_shelf(1);
}

THREAD(rwlock_try_0)
{
    write_once();
}
THREAD(rwlock_try_1)
{
    write_timed(1);
}
THREAD(rwlock_try_2)
{
    if (valet_rwlock_read_try_lock(&rwlock)) {
        EXPECT(read_shelf() < 9); /* which is a read */
        valet_rwlock_read_unlock(&rwlock);
    }
}
THREAD(end_rwlock_try)
{
    expect_shelf(1);
}

/* Freed by the writer that has it last, while the others may still be in their unlocks. */
static _Atomic int leavers;
static void read_and_count(void)
{
    EXPECT(valet_rwlock_read_lock(&rwlock) == VALET_OK);
    atomic_fetch_add_explicit(&leavers, 1, memory_order_relaxed);
    valet_rwlock_read_unlock(&rwlock);
}
static void free_when_alone(int others)
{
    while (atomic_load_explicit(&leavers, memory_order_relaxed) != others)
        ;
    EXPECT(valet_rwlock_write_lock(&rwlock) == VALET_OK);
    valet_rwlock_write_unlock(&rwlock);
    rwlock.holders = 0x10;
    rwlock.line.word = 0x10;
}
THREAD(rwlock_free_0)
{
    read_and_count();
}
THREAD(rwlock_free_1)
{
    free_when_alone(1);
}
THREAD(end_rwlock_free)
{
    EXPECT(rwlock.holders == 0x10 && rwlock.line.word == 0x10);
}
THREAD(rwlock_free_timed_0)
{
    read_and_count();
}
THREAD(rwlock_free_timed_1)
{
    int r = valet_rwlock_write_lock_until(&rwlock, DEADLINE);
    if (r == VALET_OK)
        valet_rwlock_write_unlock(&rwlock);
    free_when_alone(1);
}
THREAD(end_rwlock_free_timed)
{
    EXPECT(rwlock.holders == 0x10 && rwlock.line.word == 0x10);
}

static void write_refused(int i)
{
    int r = valet_rwlock_write_lock(&rwlock);
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
    if (r != VALET_OK)
        return;
    of[i].got = 1;
    write_shelf();
    valet_rwlock_write_unlock(&rwlock);
}
THREAD(rwlock_sandbox_0)
{
    int r = valet_rwlock_read_lock(&rwlock);
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
    if (r != VALET_OK)
        return;
    EXPECT(read_shelf() < 9); /* which is a read */
    valet_rwlock_read_unlock(&rwlock);
}
THREAD(rwlock_sandbox_1)
{
    write_refused(1);
}
THREAD(rwlock_sandbox_2)
{
    write_refused(2);
}
THREAD(end_rwlock_sandbox)
{
    EXPECT(of[1].got + of[2].got >= 1);
    expect_shelf(0);
}

/* Handed to the first in line, whoever else comes. */
THREAD(rwlock_fair_0)
{
    EXPECT(valet_rwlock_read_lock(&rwlock) == VALET_OK);
    EXPECT(read_shelf() < 9); /* which is a read */
    valet_rwlock_read_unlock_fair(&rwlock);
}
THREAD(rwlock_fair_1)
{
    EXPECT(valet_rwlock_write_lock(&rwlock) == VALET_OK);
    write_shelf();
    valet_rwlock_write_unlock_fair(&rwlock);
}
THREAD(rwlock_fair_2)
{
    write_once();
}
THREAD(end_rwlock_fair)
{
    expect_shelf(2);
}

/* A handler ends the wait of the first in line. */
THREAD(rwlock_with_0)
{
    read_once();
}
THREAD(rwlock_with_1)
{
    int r = valet_rwlock_write_lock_with(&rwlock, VALET_FOREVER, VALET_INTERRUPTIBLE);
    EXPECT(r == VALET_OK || r == VALET_INTERRUPTED);
    if (r != VALET_OK)
        return;
    of[1].got = 1;
    write_shelf();
    valet_rwlock_write_unlock(&rwlock);
}
THREAD(end_rwlock_with)
{
    expect_shelf(0);
}
THREAD(rwlock_with_leaves_0)
{
    read_until_left();
}
THREAD(rwlock_with_leaves_1)
{
    int r = valet_rwlock_write_lock_with(&rwlock, DEADLINE, VALET_INTERRUPTIBLE);
    if (r == VALET_OK)
        valet_rwlock_write_unlock(&rwlock);
}
THREAD(rwlock_with_leaves_2)
{
    int r;
    do
        r = valet_rwlock_read_lock_with(&rwlock, VALET_FOREVER, VALET_INTERRUPTIBLE);
    while (r == VALET_INTERRUPTED);
    EXPECT(r == VALET_OK && read_shelf() == 0);
    valet_rwlock_read_unlock(&rwlock);
    atomic_store_explicit(&left, 1, memory_order_relaxed);
}
THREAD(end_rwlock_with_leaves)
{
    expect_shelf(0);
}
