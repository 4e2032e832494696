/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the threads of the checker's guest do: scenarios.h lists it. Freestanding code, compiled for
 * every system and linked with the library.
 */
#include <stdatomic.h>
#include <stddef.h>

#include "guest.h"

#define LOST __attribute__((noinline)) /* a frame of its own, which dies at its return */

static struct valet_parker parker;
static struct valet_waiters waiters;
static uint32_t word, other;
static _Atomic(void *) published;
static _Atomic int flag;

/* Each is written by one thread and read by the end function: nobody else's business. */
static struct {
    _Alignas(16) int result;
} of[4];
static struct {
    _Alignas(16) int plain;
} data[4];

static int taken(void)
{
    int r = valet_park_until(&parker, 0);
    EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
    return r == VALET_OK;
}

/* ---- parker ---------------------------------------------------------------------------------- */

THREAD(token_first_0)
{
    EXPECT(CALL(0, valet_park_until(&parker, 0)) == VALET_TIMEDOUT);
    DO(0, valet_unpark(&parker));
    EXPECT(CALL(0, valet_park(&parker)) == VALET_OK);
    DO(0, valet_unpark(&parker));
    DO(0, valet_unpark(&parker));
    EXPECT(CALL(0, valet_park_for(&parker, 0)) == VALET_OK);
    EXPECT(CALL(0, valet_park_for(&parker, 0)) == VALET_TIMEDOUT);
}

/* A token beats a deadline that has passed; without one it is a timeout, and not a sleep. */
THREAD(past_deadline_0)
{
    DO(0, valet_unpark(&parker));
    EXPECT(CALL(0, valet_park_until(&parker, PAST)) == VALET_OK);
    EXPECT(CALL(2, valet_park_until(&parker, PAST)) == VALET_TIMEDOUT);
    DO(0, valet_unpark(&parker));
    EXPECT(CALL(0, valet_park(&parker)) == VALET_OK);
}

THREAD(park_unpark_0)
{
    EXPECT(CALL(1, valet_park(&parker)) == VALET_OK);
    EXPECT(data[1].plain == 1);
}
THREAD(park_unpark_1)
{
    data[1].plain = 1;
    DO(1, valet_unpark(&parker));
}
THREAD(end_park_unpark)
{
    EXPECT(taken() == 0);
}

/* The word is used again. */
THREAD(park_park_0)
{
    EXPECT(CALL(1, valet_park(&parker)) == VALET_OK);
    atomic_store_explicit(&flag, 1, memory_order_release);
    EXPECT(CALL(1, valet_park(&parker)) == VALET_OK);
}
THREAD(park_park_1)
{
    DO(1, valet_unpark(&parker));
    while (atomic_load_explicit(&flag, memory_order_acquire) == 0)
        ;
    DO(1, valet_unpark(&parker));
}
THREAD(end_park_park)
{
    EXPECT(taken() == 0);
}

THREAD(park_2_unparks_0)
{
    EXPECT(CALL(1, valet_park(&parker)) == VALET_OK);
    of[0].result = CALL(0, valet_park_until(&parker, 0));
}
THREAD(park_2_unparks_1)
{
    DO(1, valet_unpark(&parker));
}
THREAD(park_2_unparks_2)
{
    DO(1, valet_unpark(&parker));
}
THREAD(end_park_2_unparks)
{
    /* two tokens: merged into one, or the second taken or left */
    EXPECT((of[0].result == VALET_OK) + taken() <= 1);
}

THREAD(timed_unpark_0)
{
    of[0].result = timed(CALL(1, valet_park_until(&parker, DEADLINE)));
}
THREAD(timed_unpark_1)
{
    DO(1, valet_unpark(&parker));
}
THREAD(end_timed_unpark)
{
    EXPECT(of[0].result != VALET_ERR_BUSY);
    EXPECT((of[0].result == VALET_OK) + taken() == 1);
}

/* By the wall clock, whoever looks at it. What has none says so, and nothing was done. */
THREAD(wall_unpark_0)
{
    uint64_t ahead;
    DO(0, ahead = valet_now_realtime()); /* first: else the other might move in between */
    ahead -= check_clock();
    if (!(valet_features() & VALET_REALTIME)) {
        EXPECT(CALL(0, valet_park_with(&parker, DEADLINE, VALET_REALTIME)) ==
               VALET_ERR_UNSUPPORTED);
        of[0].result = VALET_TIMEDOUT;
        return;
    }
    of[0].result = timed(CALL(1, valet_park_with(&parker, DEADLINE + ahead, VALET_REALTIME)));
}
THREAD(wall_unpark_1)
{
    DO(1, valet_unpark(&parker));
}
THREAD(end_wall_unpark)
{
    EXPECT((of[0].result == VALET_OK) + taken() == 1);
}

/*
 * The wall clock is set, forwards or back, while a thread sleeps by it, or before: it wakes no
 * earlier than that clock says, and within a slice of a second where the kernel does not follow.
 * Of thread 0 when it came back, of thread 1 when it set the clock: in 1024 ns since the start.
 */
#define UNITS(ns) ((int)((ns) >> 10))
static int since_start(uint64_t clock)
{
    uint64_t ns = clock - (DEADLINE - 500000);
    return ns >> 41 ? INT32_MAX : UNITS(ns);
}
static void park_by_the_wall(uint64_t later)
{
    uint64_t ahead;
    DO(0, ahead = valet_now_realtime());
    ahead -= check_clock();
    atomic_store_explicit(&flag, 1, memory_order_relaxed);
    if (valet_features() & VALET_REALTIME)
        EXPECT(CALL(1, valet_park_with(&parker, DEADLINE + ahead + later, VALET_REALTIME)) ==
               VALET_TIMEDOUT);
    data[0].plain = since_start(check_clock());
}
static void move_wall(int ms)
{
    while (atomic_load_explicit(&flag, memory_order_relaxed) == 0)
        ;
    data[1].plain = since_start(check_move_wall(ms));
}
THREAD(wall_forward_0)
{
    park_by_the_wall(3000000000u);
}
THREAD(wall_forward_1)
{
    move_wall(3000);
}
THREAD(end_wall_forward)
{
    int due = data[1].plain > UNITS(500000) ? data[1].plain : UNITS(500000);
    if (valet_features() & VALET_REALTIME)
        EXPECT(data[0].plain >= UNITS(500000) && data[0].plain <= due + UNITS(1001000000));
}
THREAD(wall_back_0)
{
    park_by_the_wall(0);
}
THREAD(wall_back_1)
{
    move_wall(-2000);
}
THREAD(end_wall_back)
{
    if (valet_features() & VALET_REALTIME && data[1].plain < UNITS(500000))
        EXPECT(data[0].plain >= UNITS(2000500000) && data[0].plain <= UNITS(3001500000));
}
/* Back and then forwards: the sleep for all that was left after the first would miss the second. */
THREAD(wall_back_again_0)
{
    park_by_the_wall(0);
}
THREAD(wall_back_again_1)
{
    move_wall(-2000);
    move_wall(2000);
}
THREAD(end_wall_back_again)
{
    int due = data[1].plain > UNITS(500000) ? data[1].plain : UNITS(500000);
    if (valet_features() & VALET_REALTIME)
        EXPECT(data[0].plain >= UNITS(500000) && data[0].plain <= due + UNITS(1001000000));
}

/* 292 years: where seconds and ns as signed 64 bits overflow. */
THREAD(far_unpark_0)
{
    EXPECT(CALL(1, valet_park_until(&parker, (uint64_t)INT64_MAX + 1)) == VALET_OK);
}
THREAD(far_unpark_1)
{
    DO(1, valet_unpark(&parker));
}

THREAD(timed_for_0)
{
    uint64_t start = check_clock();
    of[0].result = CALL(1, valet_park_for(&parker, 300000));
    EXPECT(of[0].result != VALET_TIMEDOUT || check_clock() >= start + 300000);
}
THREAD(timed_for_1)
{
    DO(1, valet_unpark(&parker));
}
THREAD(end_timed_for)
{
    EXPECT((of[0].result == VALET_OK) + taken() == 1);
}

/* With two unparks, a park after a timeout is sure of a token, and one after a token is not. */
THREAD(timed_2_unparks_park_0)
{
    of[0].result = timed(CALL(1, valet_park_until(&parker, DEADLINE)));
    if (of[0].result == VALET_TIMEDOUT)
        EXPECT(CALL(1, valet_park(&parker)) == VALET_OK);
}
THREAD(timed_2_unparks_park_1)
{
    DO(1, valet_unpark(&parker));
}
THREAD(timed_2_unparks_park_2)
{
    DO(1, valet_unpark(&parker));
}

/* Whoever has the token hands it on; a second parker is turned away or finds one. It can also take
 * the one that the first was woken for, who then sleeps again: so more calls than one. */
static void park_and_pass(int i)
{
    int r = CALL(4, valet_park(&parker));
    EXPECT(r == VALET_OK || r == VALET_ERR_BUSY);
    of[i].result = r;
    if (r == VALET_OK)
        DO(1, valet_unpark(&parker));
}
THREAD(busy_0)
{
    park_and_pass(0);
}
THREAD(busy_1)
{
    park_and_pass(1);
}
THREAD(busy_2)
{
    DO(1, valet_unpark(&parker));
}
THREAD(end_busy)
{
    EXPECT(of[0].result == VALET_OK || of[1].result == VALET_OK);
    EXPECT(taken() == 1);
}

THREAD(busy_timed_0)
{
    of[0].result = timed(CALL(4, valet_park_until(&parker, DEADLINE)));
}
THREAD(busy_timed_1)
{
    of[1].result = timed(CALL(4, valet_park_until(&parker, DEADLINE)));
}
THREAD(busy_timed_2)
{
    DO(1, valet_unpark(&parker));
}
THREAD(end_busy_timed)
{
    EXPECT((of[0].result == VALET_OK) + (of[1].result == VALET_OK) + taken() == 1);
    EXPECT(of[0].result != VALET_ERR_BUSY || of[1].result != VALET_ERR_BUSY);
}

/* The parker dies with the frame of the thread that parked, whatever the unparker still does. */
LOST static void park_on_stack(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    atomic_store_explicit(&published, &p, memory_order_release);
    EXPECT(CALL(1, valet_park(&p)) == VALET_OK);
}
THREAD(park_free_0)
{
    park_on_stack();
}
static void *wait_for_published(void)
{
    void *p;
    while ((p = atomic_load_explicit(&published, memory_order_acquire)) == NULL)
        ;
    return p;
}
THREAD(park_free_1)
{
    struct valet_parker *p = wait_for_published();
    DO(1, valet_unpark(p));
}

LOST static void timed_park_on_stack(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    atomic_store_explicit(&published, &p, memory_order_release);
    if (timed(CALL(1, valet_park_until(&p, DEADLINE))) == VALET_TIMEDOUT)
        EXPECT(CALL(1, valet_park(&p)) == VALET_OK); /* the one unpark is still to come */
}
THREAD(timed_free_0)
{
    timed_park_on_stack();
}
THREAD(timed_free_1)
{
    struct valet_parker *p = wait_for_published();
    DO(1, valet_unpark(p));
}

THREAD(park_3_unparks_0)
{
    EXPECT(CALL(1, valet_park(&parker)) == VALET_OK);
}
THREAD(park_3_unparks_1)
{
    DO(1, valet_unpark(&parker));
}
THREAD(park_3_unparks_2)
{
    DO(1, valet_unpark(&parker));
}
THREAD(park_3_unparks_3)
{
    DO(1, valet_unpark(&parker));
}

/* One thread gives up, then another parks: what the first has left in the kernel is in nobody's
 * way. */
THREAD(park_handover_0)
{
    if (timed(CALL(1, valet_park_until(&parker, DEADLINE))) == VALET_OK)
        DO(1, valet_unpark(&parker));
    atomic_store_explicit(&flag, 1, memory_order_release);
}
THREAD(park_handover_1)
{
    while (atomic_load_explicit(&flag, memory_order_acquire) == 0)
        ;
    EXPECT(CALL(1, valet_park(&parker)) == VALET_OK);
}
THREAD(park_handover_2)
{
    DO(1, valet_unpark(&parker));
}

/* A kernel that refuses, and is asked a few times: no hot loop, no false wake, and the next call is
 * not BUSY. */
#define TRIES 4
THREAD(sandbox_park_0)
{
    int r = CALL(TRIES, valet_park(&parker));
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
    of[0].result = r;
    if (r == VALET_ERR_SYSTEM) {
        r = CALL(0, valet_park_until(&parker, 0));
        EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
        of[0].result = r;
    }
}
THREAD(sandbox_park_1)
{
    DO(1, valet_unpark(&parker));
}
THREAD(end_sandbox_park)
{
    EXPECT((of[0].result == VALET_OK) + taken() == 1);
}

/* ---- waiters --------------------------------------------------------------------------------- */

/* Wait until the state is not `expected`, and see it. */
static void wait_on(unsigned expected, int calls)
{
    EXPECT(CALL(calls, valet_compare_and_wait(&waiters, expected)) == VALET_OK);
}

static int wait_timed(unsigned expected, int calls)
{
    return timed(CALL(calls, valet_compare_and_wait_until(&waiters, expected, DEADLINE)));
}

static void store(unsigned state, int calls)
{
    DO(calls, valet_store_and_wake(&waiters, state));
}

THREAD(wait_store_0)
{
    wait_on(0, 1);
    EXPECT(data[1].plain == 1 && valet_waiters_state(&waiters) == 2);
}
THREAD(wait_store_1)
{
    data[1].plain = 1;
    store(2, 1);
}

THREAD(wait_2_store_0)
{
    wait_on(0, 1);
}
THREAD(wait_2_store_1)
{
    wait_on(0, 1);
}
THREAD(wait_2_store_2)
{
    store(2, 2);
}

THREAD(wait_3_store_0)
{
    wait_on(0, 1);
}
THREAD(wait_3_store_1)
{
    wait_on(0, 1);
}
THREAD(wait_3_store_2)
{
    wait_on(0, 1);
}
THREAD(wait_3_store_3)
{
    store(2, 3);
}

/*
 * Where the one clock is the host's, it may be set back: a thread whose deadline had come by then,
 * as another one has seen that gave up, is still woken by a store. In units, as for the wall clock.
 */
static int wait_by_the_clock(void)
{
    uint64_t ahead;
    DO(0, ahead = valet_now());
    ahead -= check_clock();
    atomic_fetch_add_explicit(&flag, 1, memory_order_relaxed);
    while (atomic_load_explicit(&flag, memory_order_relaxed) != 2)
        ;
    return CALL(4, valet_compare_and_wait_until(&waiters, 0, DEADLINE + ahead));
}
THREAD(wait_set_back_0)
{
    EXPECT(wait_by_the_clock() == VALET_TIMEDOUT);
    check_move_wall(-2000);
    store(2, 2);
    data[0].plain = since_start(check_clock());
}
THREAD(wait_set_back_1)
{
    int r = wait_by_the_clock();
    EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
    data[1].plain = since_start(check_clock());
}
THREAD(end_wait_set_back)
{
    EXPECT(data[1].plain <= data[0].plain + UNITS(1001000000));
}

/* The lost wake-up of the seed: registered for a state that is gone before the sleep begins, while
 * another thread waits for the new one. */
THREAD(wait_cycle_0)
{
    wait_on(0, 2);
}
THREAD(wait_cycle_1)
{
    store(2, 2);
}
THREAD(wait_cycle_2)
{
    EXPECT(wait_timed(2, 2) == VALET_OK || valet_waiters_state(&waiters) == 2);
}

/* The state goes and comes back: a waiter that did not see it waits on, and has registered. */
THREAD(wait_back_0)
{
    wait_on(0, 4);
}
THREAD(wait_back_1)
{
    wait_on(0, 4);
}
THREAD(wait_back_2)
{
    store(1, 2);
    store(0, 2);
    store(3, 2);
}

THREAD(wait_timed_untimed_0)
{
    of[0].result = wait_timed(0, 1);
}
THREAD(wait_timed_untimed_1)
{
    wait_on(0, 1);
}
THREAD(wait_timed_untimed_2)
{
    store(2, 2);
}

/* compare_exchange wakes nobody and forgets nobody. */
THREAD(wait_exchange_0)
{
    wait_on(0, 2);
}
THREAD(wait_exchange_1)
{
    unsigned expected = 0;
    EXPECT(valet_waiters_compare_exchange(&waiters, &expected, 1));
    EXPECT(!valet_waiters_compare_exchange(&waiters, &expected, 1) && expected == 1);
    store(2, 1);
}

THREAD(wait_exchange_timed_0)
{
    of[0].result = wait_timed(0, 2);
}
THREAD(wait_exchange_timed_1)
{
    unsigned expected = 0;
    EXPECT(valet_waiters_compare_exchange(&waiters, &expected, 1));
    store(2, 2);
}
THREAD(wait_exchange_timed_2)
{
    wait_on(1, 2);
}

/* A change without a wake-up is not lost, whatever a waiter that gives up is doing. */
THREAD(wait_exchange_kept_0)
{
    of[0].result = wait_timed(0, 2);
}
THREAD(wait_exchange_kept_1)
{
    unsigned expected = 0;
    EXPECT(valet_waiters_compare_exchange(&waiters, &expected, 1));
}
THREAD(end_wait_exchange_kept)
{
    EXPECT(valet_waiters_state(&waiters) == 1);
}

/* A wake tells of an exchange. */
static void exchange_and_wake(int calls)
{
    unsigned expected = 0;
    EXPECT(valet_waiters_compare_exchange(&waiters, &expected, 1));
    DO(calls, valet_waiters_wake(&waiters));
    EXPECT(valet_waiters_state(&waiters) == 1);
}
THREAD(wait_wake_0)
{
    wait_on(0, 1);
}
THREAD(wait_wake_1)
{
    exchange_and_wake(1);
}
THREAD(wait_wake_timed_0)
{
    of[0].result = wait_timed(0, 1);
}
THREAD(wait_wake_timed_1)
{
    wait_on(0, 1);
}
THREAD(wait_wake_timed_2)
{
    exchange_and_wake(2);
}

/* A system that has no flag says so, and nothing was done. */
static unsigned interrupts(void)
{
    return valet_features() & VALET_INTERRUPTIBLE;
}
static int how_it_ended(int r)
{
    EXPECT(r == VALET_OK || r == (interrupts() ? VALET_INTERRUPTED : VALET_ERR_UNSUPPORTED));
    return r;
}
THREAD(park_interrupted_0)
{
    of[0].result =
        how_it_ended(CALL(1, valet_park_with(&parker, VALET_FOREVER, VALET_INTERRUPTIBLE)));
}
THREAD(park_interrupted_1)
{
    DO(1, valet_unpark(&parker));
}
THREAD(end_park_interrupted)
{
    EXPECT((of[0].result == VALET_OK) + taken() == 1);
}

/* Who leaves takes nothing from the other. */
THREAD(wait_interrupted_0)
{
    how_it_ended(
        CALL(2, valet_compare_and_wait_with(&waiters, 0, VALET_FOREVER, VALET_INTERRUPTIBLE)));
}
THREAD(wait_interrupted_1)
{
    wait_on(0, 1);
}
THREAD(wait_interrupted_2)
{
    store(2, 2);
}

LOST static void wait_on_stack(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    atomic_store_explicit(&published, &w, memory_order_release);
    EXPECT(CALL(1, valet_compare_and_wait(&w, 3)) == VALET_OK);
}
THREAD(wait_free_0)
{
    wait_on_stack();
}
THREAD(wait_free_1)
{
    struct valet_waiters *w = wait_for_published();
    DO(1, valet_store_and_wake(w, 4));
}

/* The waker makes one call at most, whatever the number of waiters; a waiter that is woken or finds
 * the rest to be woken makes one call more. */
static void delegate(unsigned state)
{
    DO(1, valet_store_and_delegate(&waiters, state));
}

THREAD(delegate_0)
{
    wait_on(0, 2);
    EXPECT(data[1].plain == 1 && valet_waiters_state(&waiters) == 2);
}
THREAD(delegate_1)
{
    data[1].plain = 1;
    delegate(2);
}

THREAD(delegate_2_0)
{
    wait_on(0, 2);
}
THREAD(delegate_2_1)
{
    wait_on(0, 2);
}
THREAD(delegate_2_2)
{
    delegate(2);
}

THREAD(delegate_3_0)
{
    wait_on(0, 2);
}
THREAD(delegate_3_1)
{
    wait_on(0, 2);
}
THREAD(delegate_3_2)
{
    wait_on(0, 2);
}
THREAD(delegate_3_3)
{
    delegate(2);
}

/* The one that is woken may be the one whose deadline comes. */
THREAD(delegate_timed_0)
{
    of[0].result = wait_timed(0, 2);
}
THREAD(delegate_timed_1)
{
    wait_on(0, 2);
}
THREAD(delegate_timed_2)
{
    delegate(2);
}

/* A deadline that has come for one and is late for the one that is woken: where the system then
 * answers "timed out", the third is still to be woken. */
THREAD(delegate_late_0)
{
    of[0].result = wait_timed(0, 2);
}
THREAD(delegate_late_1)
{
    of[1].result = wait_timed(0, 2);
}
THREAD(delegate_late_2)
{
    wait_on(0, 2);
}
THREAD(delegate_late_3)
{
    delegate(2);
}

/* A newcomer, and one that may have been woken, wait for the new state. */
THREAD(delegate_newcomer_0)
{
    wait_on(0, 3);
}
THREAD(delegate_newcomer_1)
{
    delegate(2);
}
THREAD(delegate_newcomer_2)
{
    EXPECT(wait_timed(2, 3) == VALET_OK || valet_waiters_state(&waiters) == 2);
}

THREAD(delegate_exchange_0)
{
    wait_on(0, 4);
}
THREAD(delegate_exchange_1)
{
    wait_on(0, 4);
}
THREAD(delegate_exchange_2)
{
    unsigned expected = 2;
    delegate(2);
    EXPECT(valet_waiters_compare_exchange(&waiters, &expected, 1));
    EXPECT(!valet_waiters_compare_exchange(&waiters, &expected, 3) && expected == 1);
}

/* Each kind of store after the other, and a state that comes back. */
THREAD(delegate_store_0)
{
    wait_on(0, 6);
}
THREAD(delegate_store_1)
{
    wait_on(0, 6);
}
THREAD(delegate_store_2)
{
    delegate(1);
    store(0, 2);
    delegate(3);
}

THREAD(delegate_again_0)
{
    wait_on(0, 6);
}
THREAD(delegate_again_1)
{
    wait_on(0, 6);
}
THREAD(delegate_again_2)
{
    delegate(1);
    delegate(0);
    delegate(3);
}

/* The first is of the state that is there. */
THREAD(delegate_same_0)
{
    wait_on(0, 6);
}
THREAD(delegate_same_1)
{
    delegate(0);
    delegate(3);
}

/* The last of two waiters to return frees the word, whatever the waker still does. */
static _Atomic int returned;
LOST static void delegate_on_stack(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    atomic_store_explicit(&published, &w, memory_order_release);
    EXPECT(CALL(2, valet_compare_and_wait(&w, 3)) == VALET_OK);
    while (atomic_load_explicit(&returned, memory_order_acquire) == 0)
        ;
}
THREAD(delegate_free_0)
{
    delegate_on_stack();
}
THREAD(delegate_free_1)
{
    struct valet_waiters *w = wait_for_published();
    EXPECT(CALL(2, valet_compare_and_wait(w, 3)) == VALET_OK);
    atomic_store_explicit(&returned, 1, memory_order_release);
}
THREAD(delegate_free_2)
{
    struct valet_waiters *w = wait_for_published();
    DO(1, valet_store_and_delegate(w, 4));
}

THREAD(sandbox_wait_0)
{
    int r = CALL(TRIES, valet_compare_and_wait(&waiters, 0));
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
    EXPECT(r != VALET_OK || valet_waiters_state(&waiters) == 1);
}
THREAD(sandbox_wait_1)
{
    store(1, 1);
}

/* ---- futex ----------------------------------------------------------------------------------- */

static _Atomic uint32_t *futex(void)
{
    return (_Atomic uint32_t *)&word;
}

static void wait_while_0(uint32_t *w)
{
    while (atomic_load_explicit((_Atomic uint32_t *)w, memory_order_acquire) == 0) {
        int r = CALL(1, valet_futex_wait(w, 0, VALET_FOREVER));
        EXPECT(r == VALET_OK || r == VALET_CHANGED);
    }
}

static void futex_wait_while_0(void)
{
    wait_while_0(&word);
}

THREAD(futex_wait_wake_0)
{
    futex_wait_while_0();
}
THREAD(futex_wait_wake_1)
{
    atomic_store_explicit(futex(), 1, memory_order_release);
    DO(1, valet_futex_wake(&word, 1));
    DO(0, valet_futex_wake(&word, 0));
}

THREAD(futex_wake_one_0)
{
    futex_wait_while_0();
}
THREAD(futex_wake_one_1)
{
    futex_wait_while_0();
}
THREAD(futex_wake_one_2)
{
    atomic_store_explicit(futex(), 1, memory_order_release);
    DO(2, valet_futex_wake(&word, UINT32_MAX));
}

/* The same without a second waiter: the sema kind's queue has too many states with it. test/c11
 * searches that. */
THREAD(futex_timed_wake_0)
{
    of[0].result = CALL(1, valet_futex_wait(&word, 0, DEADLINE));
    EXPECT(of[0].result >= 0);
    EXPECT(of[0].result != VALET_TIMEDOUT || check_clock() >= DEADLINE);
}
THREAD(futex_timed_wake_1)
{
    atomic_store_explicit(futex(), 1, memory_order_release);
    DO(1, valet_futex_wake(&word, 1));
}

/* What differs is seen without a call; a timeout counts from it. */
THREAD(futex_for_0)
{
    EXPECT(CALL(0, valet_futex_wait_for(&word, 7, 1)) == VALET_CHANGED);
    uint64_t start = check_clock();
    of[0].result = CALL(2, valet_futex_wait_for(&word, 0, 300000)); /* after a timeout it looks */
    EXPECT(of[0].result >= 0 && of[0].result != VALET_INTERRUPTED);
    EXPECT(of[0].result != VALET_TIMEDOUT || check_clock() >= start + 300000);
}
THREAD(futex_for_1)
{
    atomic_store_explicit(futex(), 1, memory_order_release);
    DO(1, valet_futex_wake(&word, 1));
}

/* Who is interrupted has used up no wake: only who was woken wakes the next. */
THREAD(futex_interrupted_0)
{
    int r = CALL(2, valet_futex_wait_with(&word, 0, VALET_FOREVER, VALET_INTERRUPTIBLE));
    EXPECT(r == VALET_OK || r == VALET_CHANGED ||
           r == (interrupts() ? VALET_INTERRUPTED : VALET_ERR_UNSUPPORTED));
    if (r >= 0 && r != VALET_INTERRUPTED)
        DO(1, valet_futex_wake(&word, 1));
}
THREAD(futex_interrupted_1)
{
    futex_wait_while_0();
    DO(1, valet_futex_wake(&word, 1));
}
THREAD(futex_interrupted_2)
{
    atomic_store_explicit(futex(), 1, memory_order_release);
    DO(1, valet_futex_wake(&word, 1));
}

THREAD(futex_timed_0)
{
    of[0].result = CALL(2, valet_futex_wait(&word, 0, DEADLINE)); /* after a timeout it looks */
    EXPECT(of[0].result >= 0);
    EXPECT(of[0].result != VALET_TIMEDOUT || check_clock() >= DEADLINE);
}
THREAD(futex_timed_1)
{
    futex_wait_while_0();
}
THREAD(futex_timed_2)
{
    atomic_store_explicit(futex(), 1, memory_order_release);
    DO(2, valet_futex_wake(&word, 2));
}

/*
 * A lock with timeouts: who gives up does not wake the next one; who is woken does. A timeout that
 * had used up the only wake would leave the other asleep.
 */
THREAD(futex_late_0)
{
    int r = CALL(2, valet_futex_wait(&word, 0, DEADLINE));
    EXPECT(r >= 0);
    EXPECT(r != VALET_TIMEDOUT || check_clock() >= DEADLINE);
    if (r != VALET_TIMEDOUT)
        DO(1, valet_futex_wake(&word, 1));
}
THREAD(futex_late_1)
{
    futex_wait_while_0();
}
THREAD(futex_late_2)
{
    atomic_store_explicit(futex(), 1, memory_order_release);
    DO(1, valet_futex_wake(&word, 1));
}

/* The signal of a cancellation: sent by a thread, has come by the checker, which runs on_cancel on
 * the thread that it interrupts, at `interrupted`. */
_Atomic uint32_t signalled;
uintptr_t interrupted;
static uint32_t cancelled;

THREAD(on_cancel)
{
    valet_cancel_redirect(&interrupted);
}

static void cancel(void)
{
    atomic_store_explicit((_Atomic uint32_t *)&cancelled, 1, memory_order_relaxed);
    atomic_store_explicit(&signalled, 1, memory_order_relaxed);
}

static int wait_cancellably(uint64_t deadline)
{
    return CALL(2, valet_futex_wait_cancellable(&word, 0, deadline, 0, &cancelled));
}

/* At whatever instruction the signal comes, the thread comes out. */
THREAD(cancel_wait_0)
{
    EXPECT(wait_cancellably(VALET_FOREVER) == VALET_INTERRUPTED);
}
THREAD(cancel_wait_1)
{
    cancel();
}

THREAD(cancel_timed_0)
{
    int r = wait_cancellably(DEADLINE);
    EXPECT(r == VALET_INTERRUPTED || r == VALET_TIMEDOUT);
    EXPECT(r != VALET_TIMEDOUT || check_clock() >= DEADLINE);
}
THREAD(cancel_timed_1)
{
    cancel();
}

/* A wake that it has used up is not given up for it. */
THREAD(cancel_wake_0)
{
    of[0].result = wait_cancellably(VALET_FOREVER);
    EXPECT(of[0].result == VALET_INTERRUPTED || of[0].result == VALET_OK);
}
THREAD(cancel_wake_1)
{
    cancel();
    uint32_t n = CALL(1, valet_futex_wake(&word, 1));
    of[1].result = check_woken();
    EXPECT(n == (uint32_t)of[1].result || n == VALET_FUTEX_UNKNOWN);
}
THREAD(end_cancel_wake)
{
    EXPECT((of[0].result == VALET_OK) == (of[1].result == 1));
}

/* Who waits moves, or is woken, in a call; then those that have moved are woken. */
static void change_and_requeue(uint32_t wake, uint32_t requeue)
{
    atomic_store_explicit(futex(), 1, memory_order_release);
    EXPECT(CALL(2, valet_futex_requeue(&word, 1, wake, &other, requeue, 0)) == VALET_OK);
}
THREAD(futex_requeue_0)
{
    futex_wait_while_0();
}
THREAD(futex_requeue_1)
{
    change_and_requeue(0, 1);
    DO(1, valet_futex_wake(&other, 1));
}

/* One is woken and one moves, where the system moves; elsewhere both are woken. */
THREAD(futex_requeue_2_0)
{
    futex_wait_while_0();
}
THREAD(futex_requeue_2_1)
{
    futex_wait_while_0();
}
THREAD(futex_requeue_2_2)
{
    change_and_requeue(1, 1);
    uint32_t woken;
    DO(2, woken = valet_futex_wake(&other, UINT32_MAX));
    EXPECT(woken <= 1 || woken == VALET_FUTEX_UNKNOWN);
}

/* Begins to wait for what the word has become: it stays, for the wake that comes there. */
THREAD(futex_requeue_changed_0)
{
    uint32_t seen = 0;
    atomic_compare_exchange_strong(futex(), &seen, 1);
    while (atomic_load_explicit(futex(), memory_order_acquire) == 1) {
        int r = CALL(1, valet_futex_wait(&word, 1, VALET_FOREVER));
        EXPECT(r == VALET_OK || r == VALET_CHANGED);
    }
}
THREAD(futex_requeue_changed_1)
{
    int r = CALL(2, valet_futex_requeue(&word, 0, 0, &other, 1, 0));
    EXPECT(r == VALET_OK || r == VALET_CHANGED);
    atomic_store_explicit(futex(), 2, memory_order_release);
    DO(1, valet_futex_wake(&word, 1));
}

/* Where it has moved to, its deadline comes: who says that it was not late passes the wake on. */
THREAD(futex_requeue_timed_0)
{
    int r = CALL(2, valet_futex_wait(&word, 0, DEADLINE));
    EXPECT(r >= 0);
    EXPECT(r != VALET_TIMEDOUT || check_clock() >= DEADLINE);
    if (r != VALET_TIMEDOUT)
        DO(1, valet_futex_wake(&other, 1));
}
THREAD(futex_requeue_timed_1)
{
    wait_while_0(&other);
}
THREAD(futex_requeue_timed_2)
{
    change_and_requeue(0, 1);
    atomic_store_explicit((_Atomic uint32_t *)&other, 1, memory_order_release);
    DO(1, valet_futex_wake(&other, 1));
}

/* A word that processes share: wait, wake and requeue say so, and meet. */
static void wait_shared_while_0(void)
{
    while (atomic_load_explicit(futex(), memory_order_acquire) == 0) {
        int r = CALL(1, valet_futex_wait_with(&word, 0, VALET_FOREVER, VALET_SHARED));
        EXPECT(r == VALET_OK || r == VALET_CHANGED ||
               (r == VALET_ERR_UNSUPPORTED && !(valet_features() & VALET_SHARED)));
        if (r == VALET_ERR_UNSUPPORTED)
            return;
    }
}
THREAD(futex_shared_0)
{
    wait_shared_while_0();
}
THREAD(futex_shared_1)
{
    atomic_store_explicit(futex(), 1, memory_order_release);
    DO(1, valet_futex_wake_with(&word, 1, VALET_SHARED));
}
THREAD(futex_shared_requeue_0)
{
    wait_shared_while_0();
}
THREAD(futex_shared_requeue_1)
{
    atomic_store_explicit(futex(), 1, memory_order_release);
    EXPECT(CALL(2, valet_futex_requeue(&word, 1, 0, &other, 1, VALET_SHARED)) ==
           (valet_features() & VALET_SHARED ? VALET_OK : VALET_ERR_UNSUPPORTED));
    DO(1, valet_futex_wake_with(&other, 1, VALET_SHARED));
}

/* Not a fault: the kernel reads the word, not the core. One of the BSDs answers "changed". */
THREAD(futex_unmapped_0)
{
    int r = CALL(6, valet_futex_wait((uint32_t *)8192, 0, VALET_FOREVER)); /* a retry is allowed */
    EXPECT(r == VALET_ERR_SYSTEM || r == VALET_CHANGED);
    DO(1, valet_futex_wake((uint32_t *)8192, 1));
    EXPECT(CALL(0, valet_futex_wait((uint32_t *)((char *)&word + 1), 0, VALET_FOREVER)) ==
           VALET_ERR_INVALID);
    EXPECT(CALL(0, valet_futex_wait(NULL, 0, VALET_FOREVER)) == VALET_ERR_INVALID);
}
