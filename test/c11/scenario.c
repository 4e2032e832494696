/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the threads do: scenarios.h lists it. Compiled as the library is, with a hook before each
 * access; functions named check_* are the explorer's. A race on plain data is found by itself, so
 * that to read what another thread wrote is to ask for happens-before.
 */
#include <stdatomic.h>
#include <stddef.h>

#include "scenarios.h"
#include "valet.h"

#define DEADLINE 1000u

void check_expect(bool good, const char *file, int line);
bool check_knows(const void *place); /* the last plain write to it happens before */

#define EXPECT(x)    check_expect(x, __FILE__, __LINE__)
#define THREAD(name) void name(void)
#define FRAME        __attribute__((noinline)) /* of its own: it dies at the return */

static struct valet_parker parker;
static struct valet_waiters waiters;
static _Atomic(void *) published;
static _Atomic int flag;

/* Of one thread each, and read at the end. */
static struct {
    _Alignas(8) int result;
    _Alignas(8) bool knew[4];
} of[4];
static struct {
    _Alignas(8) int plain;
} data[4];

static int timed(int r)
{
    EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
    return r;
}

/* A token that is there at the end. */
static int left(void)
{
    return timed(valet_park_until(&parker, 0)) == VALET_OK;
}

static void wait_for_flag(void)
{
    while (atomic_load_explicit(&flag, memory_order_acquire) == 0)
        ;
}

static void *wait_for_published(void)
{
    void *p;
    while ((p = atomic_load_explicit(&published, memory_order_acquire)) == NULL)
        ;
    return p;
}

/* ---- parker ---------------------------------------------------------------------------------- */

static void unpark_with_data(int i)
{
    data[i].plain = 1;
    valet_unpark(&parker);
}

THREAD(park_unpark_0)
{
    EXPECT(valet_park(&parker) == VALET_OK);
    EXPECT(data[1].plain == 1);
}
THREAD(park_unpark_1)
{
    unpark_with_data(1);
}
THREAD(end_park_unpark)
{
    EXPECT(!left());
}

/* The word is used again, and the data written anew. */
THREAD(park_park_0)
{
    EXPECT(valet_park(&parker) == VALET_OK);
    EXPECT(data[1].plain == 1);
    atomic_store_explicit(&flag, 1, memory_order_release);
    EXPECT(valet_park(&parker) == VALET_OK);
    EXPECT(data[1].plain == 2);
}
THREAD(park_park_1)
{
    unpark_with_data(1);
    wait_for_flag();
    data[1].plain = 2;
    valet_unpark(&parker);
}
THREAD(end_park_park)
{
    EXPECT(!left());
}

/* Tokens merged into one: the park that takes it knows what was before each of them. No token is
 * left only if none came after it. */
static void know(int i, int unparks)
{
    for (int j = 1; j <= unparks; j++)
        of[i].knew[j] = check_knows(&data[j]);
}
static void expect_merged(int unparks)
{
    if (!left())
        for (int j = 1; j <= unparks; j++)
            EXPECT(of[0].knew[j]);
}
THREAD(park_2_unparks_0)
{
    EXPECT(valet_park(&parker) == VALET_OK);
    know(0, 2);
    EXPECT(of[0].knew[1] || of[0].knew[2]);
}
THREAD(park_2_unparks_1)
{
    unpark_with_data(1);
}
THREAD(park_2_unparks_2)
{
    unpark_with_data(2);
}
THREAD(end_park_2_unparks)
{
    expect_merged(2);
}

THREAD(park_3_unparks_0)
{
    EXPECT(valet_park(&parker) == VALET_OK);
    know(0, 3);
}
THREAD(park_3_unparks_1)
{
    unpark_with_data(1);
}
THREAD(park_3_unparks_2)
{
    unpark_with_data(2);
}
THREAD(park_3_unparks_3)
{
    unpark_with_data(3);
}
THREAD(end_park_3_unparks)
{
    expect_merged(3);
}

/* The unpark and the deadline: one token, taken or left. */
THREAD(park_timed_0)
{
    of[0].result = timed(valet_park_until(&parker, DEADLINE));
    if (of[0].result == VALET_OK)
        EXPECT(data[1].plain == 1);
}
THREAD(park_timed_1)
{
    unpark_with_data(1);
}
THREAD(end_park_timed)
{
    EXPECT((of[0].result == VALET_OK) + left() == 1);
}

/* After a timeout, and after a token, another park finds what is left. */
THREAD(park_timed_2_unparks_0)
{
    if (timed(valet_park_for(&parker, DEADLINE)) == VALET_TIMEDOUT)
        EXPECT(valet_park(&parker) == VALET_OK);
    know(0, 2);
    EXPECT(of[0].knew[1] || of[0].knew[2]);
}
THREAD(park_timed_2_unparks_1)
{
    unpark_with_data(1);
}
THREAD(park_timed_2_unparks_2)
{
    unpark_with_data(2);
}
THREAD(end_park_timed_2_unparks)
{
    expect_merged(2);
}

/* Whoever has the token hands it on, with what it has written; a second parker is turned away or
 * finds one. */
static void park_and_pass(int i)
{
    int r = valet_park(&parker);
    EXPECT(r == VALET_OK || r == VALET_ERR_BUSY);
    of[i].result = r;
    if (r == VALET_OK) {
        data[0].plain++;
        valet_unpark(&parker);
    }
}
THREAD(park_busy_0)
{
    park_and_pass(0);
}
THREAD(park_busy_1)
{
    park_and_pass(1);
}
THREAD(park_busy_2)
{
    data[0].plain++;
    valet_unpark(&parker);
}
THREAD(end_park_busy)
{
    EXPECT(of[0].result == VALET_OK || of[1].result == VALET_OK);
    EXPECT(left());
}

static void park_once_timed(int i)
{
    int r = valet_park_until(&parker, DEADLINE);
    EXPECT(r == VALET_OK || r == VALET_ERR_BUSY || r == VALET_TIMEDOUT);
    of[i].result = r;
}
THREAD(park_busy_timed_0)
{
    park_once_timed(0);
}
THREAD(park_busy_timed_1)
{
    park_once_timed(1);
}
THREAD(park_busy_timed_2)
{
    valet_unpark(&parker);
}
THREAD(end_park_busy_timed)
{
    EXPECT((of[0].result == VALET_OK) + (of[1].result == VALET_OK) + left() == 1);
    EXPECT(of[0].result != VALET_ERR_BUSY || of[1].result != VALET_ERR_BUSY);
}

/* One thread gives up, then another parks: not BUSY, and no token is lost between them. */
THREAD(park_handover_0)
{
    if (timed(valet_park_until(&parker, DEADLINE)) == VALET_OK)
        valet_unpark(&parker);
    atomic_store_explicit(&flag, 1, memory_order_release);
}
THREAD(park_handover_1)
{
    wait_for_flag();
    EXPECT(valet_park(&parker) == VALET_OK);
    EXPECT(data[2].plain == 1);
}
THREAD(park_handover_2)
{
    unpark_with_data(2);
}

/* The parker dies with the frame of the thread that parked, whatever the unparker still does. */
FRAME static void park_on_stack(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    atomic_store_explicit(&published, &p, memory_order_release);
    EXPECT(valet_park(&p) == VALET_OK);
}
THREAD(park_free_0)
{
    park_on_stack();
}
THREAD(park_free_1)
{
    valet_unpark(wait_for_published());
}

FRAME static void park_on_stack_timed(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    atomic_store_explicit(&published, &p, memory_order_release);
    if (timed(valet_park_until(&p, DEADLINE)) == VALET_TIMEDOUT)
        EXPECT(valet_park(&p) == VALET_OK); /* the one unpark is still to come */
}
THREAD(park_free_timed_0)
{
    park_on_stack_timed();
}
THREAD(park_free_timed_1)
{
    valet_unpark(wait_for_published());
}

/* A system that refuses: the next call is not BUSY, and a token is not lost. */
THREAD(park_sandbox_0)
{
    int r = valet_park(&parker);
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
    if (r == VALET_ERR_SYSTEM)
        r = timed(valet_park_until(&parker, 0));
    of[0].result = r;
}
THREAD(park_sandbox_1)
{
    valet_unpark(&parker);
}
THREAD(end_park_sandbox)
{
    EXPECT((of[0].result == VALET_OK) + left() == 1);
}

THREAD(park_rendezvous_0)
{
    park_timed_2_unparks_0();
}
THREAD(park_rendezvous_1)
{
    unpark_with_data(1);
}
THREAD(park_rendezvous_2)
{
    unpark_with_data(2);
}

/* ---- waiters --------------------------------------------------------------------------------- */

static void wait_on(unsigned expected)
{
    EXPECT(valet_compare_and_wait(&waiters, expected) == VALET_OK);
}

static int wait_timed(unsigned expected)
{
    return timed(valet_compare_and_wait_until(&waiters, expected, DEADLINE));
}

static void store_with_data(int i, unsigned state)
{
    data[i].plain++;
    valet_store_and_wake(&waiters, state);
}

THREAD(wait_store_0)
{
    wait_on(0);
    EXPECT(data[1].plain == 1 && valet_waiters_state(&waiters) == 2);
}
THREAD(wait_store_1)
{
    store_with_data(1, 2);
}

/* compare_exchange gives on what was before it, wakes nobody and forgets nobody. */
THREAD(wait_exchange_0)
{
    wait_on(0);
    EXPECT(data[1].plain >= 1);
    if (valet_waiters_state(&waiters) == 2)
        EXPECT(data[2].plain == 1);
}
THREAD(wait_exchange_1)
{
    unsigned expected = 0;
    data[1].plain = 1;
    EXPECT(valet_waiters_compare_exchange(&waiters, &expected, 1));
    EXPECT(!valet_waiters_compare_exchange(&waiters, &expected, 0 + 1) || expected == 1);
    data[2].plain = 1;
    valet_store_and_wake(&waiters, 2);
}

/* An exchange that fails has seen what was before the state that it reports, by its first look, or
 * since another thread was faster. */
static void exchange_or_see(unsigned desired, int i)
{
    unsigned expected = 0;
    data[i].plain = 1;
    if (!valet_waiters_compare_exchange(&waiters, &expected, desired))
        EXPECT(expected != 0 && data[expected].plain == 1);
}
THREAD(wait_exchange_fails_0)
{
    exchange_or_see(1, 1);
}
THREAD(wait_exchange_fails_1)
{
    exchange_or_see(2, 2);
}
THREAD(wait_exchange_fails_2)
{
    unsigned state = valet_waiters_state(&waiters);
    if (state != 0)
        EXPECT(data[state].plain == 1);
}

/* A mutex: an exchange that succeeds has seen the last store of the state that it changes. */
static void count_in_mutex(void)
{
    unsigned expected = 0;
    while (!valet_waiters_compare_exchange(&waiters, &expected, 1)) {
        wait_on(1);
        expected = 0;
    }
    data[0].plain++;
    valet_store_and_wake(&waiters, 0);
}
THREAD(wait_mutex_0)
{
    count_in_mutex();
}
THREAD(wait_mutex_1)
{
    count_in_mutex();
}
THREAD(end_wait_mutex)
{
    EXPECT(data[0].plain == 2);
}

static void wait_for_1(void)
{
    wait_on(0);
    EXPECT(data[2].plain == 1);
}
THREAD(wait_2_store_0)
{
    wait_for_1();
}
THREAD(wait_2_store_1)
{
    wait_for_1();
}
THREAD(wait_2_store_2)
{
    store_with_data(2, 1);
}

static void wait_for_1_timed(void)
{
    if (wait_timed(0) == VALET_OK)
        EXPECT(data[2].plain == 1);
}
THREAD(wait_2_timed_0)
{
    wait_for_1_timed();
}
THREAD(wait_2_timed_1)
{
    wait_for_1_timed();
}
THREAD(wait_2_timed_2)
{
    store_with_data(2, 1);
}

THREAD(wait_timed_untimed_0)
{
    wait_for_1_timed();
}
THREAD(wait_timed_untimed_1)
{
    wait_for_1();
}
THREAD(wait_timed_untimed_2)
{
    store_with_data(2, 1);
}

/* Registered for a state that is gone before the sleep begins, while another thread waits for the
 * new one. */
THREAD(wait_cycle_0)
{
    wait_on(0);
}
THREAD(wait_cycle_1)
{
    valet_store_and_wake(&waiters, 2);
}
THREAD(wait_cycle_2)
{
    EXPECT(wait_timed(2) == VALET_OK || valet_waiters_state(&waiters) == 2);
}

/* The list of waiters goes through an exchange, while one of them gives up. */
THREAD(wait_exchange_timed_0)
{
    wait_timed(0);
}
THREAD(wait_exchange_timed_1)
{
    unsigned expected = 0;
    EXPECT(valet_waiters_compare_exchange(&waiters, &expected, 1));
    valet_store_and_wake(&waiters, 2);
}
THREAD(wait_exchange_timed_2)
{
    wait_on(1);
}

/* An exchange, and a wake that tells of it. */
static void exchange_and_wake(int i)
{
    unsigned expected = 0;
    data[i].plain++;
    EXPECT(valet_waiters_compare_exchange(&waiters, &expected, 1));
    valet_waiters_wake(&waiters);
}
THREAD(wait_wake_0)
{
    wait_on(0);
    EXPECT(data[1].plain == 1);
}
THREAD(wait_wake_1)
{
    exchange_and_wake(1);
}
THREAD(end_wait_wake)
{
    EXPECT(valet_waiters_state(&waiters) == 1);
}

THREAD(wait_2_wake_0)
{
    wait_for_1();
}
THREAD(wait_2_wake_1)
{
    wait_for_1();
}
THREAD(wait_2_wake_2)
{
    exchange_and_wake(2);
}

/* ... while one of two gives up. A wake without a change leaves the state, and nobody asleep that
 * was not. */
THREAD(wait_wake_timed_0)
{
    wait_for_1_timed();
}
THREAD(wait_wake_timed_1)
{
    wait_for_1();
}
THREAD(wait_wake_timed_2)
{
    valet_waiters_wake(&waiters);
    exchange_and_wake(2);
}

/* An exchange and a store, of two threads, while one waits. */
THREAD(wait_exchange_store_0)
{
    wait_on(0);
    unsigned state = valet_waiters_state(&waiters);
    if (state != 0)
        EXPECT(data[state].plain == 1);
}
THREAD(wait_exchange_store_1)
{
    exchange_or_see(1, 1);
}
THREAD(wait_exchange_store_2)
{
    store_with_data(2, 2);
}
THREAD(end_wait_exchange_store)
{
    EXPECT(valet_waiters_state(&waiters) == 2);
}

/* The state goes and comes back: a waiter that did not see it waits on, and has registered. */
THREAD(wait_back_0)
{
    wait_on(0);
    if (valet_waiters_state(&waiters) == 3)
        EXPECT(data[1].plain == 3);
}
THREAD(wait_back_1)
{
    store_with_data(1, 1);
    store_with_data(1, 0);
    store_with_data(1, 3);
}

/* What an exchange changes stays, whatever a waiter that gives up is doing. */
THREAD(wait_exchange_kept_0)
{
    wait_timed(0);
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

/* The object dies with the frame of its last waiter. */
FRAME static void wait_on_stack(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    atomic_store_explicit(&published, &w, memory_order_release);
    EXPECT(valet_compare_and_wait(&w, 3) == VALET_OK);
}
THREAD(wait_free_0)
{
    wait_on_stack();
}
THREAD(wait_free_1)
{
    valet_store_and_wake(wait_for_published(), 4);
}

FRAME static void wait_on_stack_timed(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    atomic_store_explicit(&published, &w, memory_order_release);
    if (timed(valet_compare_and_wait_until(&w, 3, DEADLINE)) == VALET_TIMEDOUT)
        EXPECT(valet_compare_and_wait(&w, 3) == VALET_OK);
}
THREAD(wait_free_timed_0)
{
    wait_on_stack_timed();
}
THREAD(wait_free_timed_1)
{
    valet_store_and_wake(wait_for_published(), 4);
}

/* ... and not before, whoever of them takes the other out of the list. */
FRAME static void wait_on_stack_for_2(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    atomic_store_explicit(&published, &w, memory_order_release);
    if (timed(valet_compare_and_wait_until(&w, 3, DEADLINE)) == VALET_TIMEDOUT)
        EXPECT(valet_compare_and_wait(&w, 3) == VALET_OK);
    wait_for_flag();
}
THREAD(wait_free_2_timed_0)
{
    wait_on_stack_for_2();
}
THREAD(wait_free_2_timed_1)
{
    timed(valet_compare_and_wait_until(wait_for_published(), 3, DEADLINE));
    atomic_store_explicit(&flag, 1, memory_order_release);
}
THREAD(wait_free_2_timed_2)
{
    valet_store_and_wake(wait_for_published(), 4);
}

THREAD(wait_sandbox_0)
{
    int r = valet_compare_and_wait(&waiters, 0);
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
    if (r == VALET_OK)
        EXPECT(valet_waiters_state(&waiters) == 1 && data[1].plain == 1);
}
THREAD(wait_sandbox_1)
{
    store_with_data(1, 1);
}

THREAD(wait_rendezvous_0)
{
    wait_for_1_timed();
}
THREAD(wait_rendezvous_1)
{
    wait_for_1();
}
THREAD(wait_rendezvous_2)
{
    store_with_data(2, 1);
}

/* Two waiters, two wakers. */
static void wait_for_any(void)
{
    wait_on(0);
    unsigned state = valet_waiters_state(&waiters);
    EXPECT(state != 0 && data[state].plain == 1);
}
THREAD(wait_2_stores_0)
{
    wait_for_any();
}
THREAD(wait_2_stores_1)
{
    wait_for_any();
}
THREAD(wait_2_stores_2)
{
    store_with_data(2, 2);
}
THREAD(wait_2_stores_3)
{
    store_with_data(3, 3);
}

/* Nodes are unlinked from a longer list, also from its middle and its end. */
THREAD(wait_3_timed_0)
{
    wait_timed(0);
}
THREAD(wait_3_timed_1)
{
    wait_timed(0);
}
THREAD(wait_3_timed_2)
{
    wait_on(0);
}
THREAD(wait_3_timed_3)
{
    valet_store_and_wake(&waiters, 1);
}

/* One was woken, but is at its deadline, and takes the list: there is only another in it, which
 * gives up as well. */
THREAD(wait_alone_0)
{
    wait_timed(0);
}
THREAD(wait_alone_1)
{
    wait_timed(1);
}
THREAD(wait_alone_2)
{
    valet_store_and_wake(&waiters, 1);
}
THREAD(end_wait_alone)
{
    EXPECT(valet_waiters_state(&waiters) == 1);
}

/* All give up, and nobody comes to wake them. */
static void give_up(void)
{
    EXPECT(wait_timed(0) == VALET_TIMEDOUT);
}
THREAD(wait_crowd_0)
{
    give_up();
}
THREAD(wait_crowd_1)
{
    give_up();
}
THREAD(wait_crowd_2)
{
    give_up();
}

/* The account of their polls is enough for one: of three, another two sleep at once, and earn. */
THREAD(wait_account_0)
{
    give_up();
}
THREAD(wait_account_1)
{
    give_up();
}
THREAD(wait_account_2)
{
    give_up();
}
THREAD(end_wait_account)
{
#if VALET_SPIN
    EXPECT(atomic_load((_Atomic uint32_t *)&waiters.word + 1) == (1u << 16 | 2));
#endif
}

/* The clock lets one that gives up say of others, too, that their deadline has come. */
THREAD(wait_late_0)
{
    wait_for_1_timed();
}
THREAD(wait_late_1)
{
    wait_for_1_timed();
}
THREAD(wait_late_2)
{
    store_with_data(2, 1);
}

/* ... and these wait again, with a node where the old one was. */
static void wait_again(void)
{
    if (wait_timed(0) == VALET_TIMEDOUT)
        wait_for_1();
}
THREAD(wait_late_again_0)
{
    wait_again();
}
THREAD(wait_late_again_1)
{
    wait_again();
}
THREAD(wait_late_again_2)
{
    store_with_data(2, 1);
}

/* One is refused while the other is at its deadline. */
static void wait_refused(void)
{
    int r = valet_compare_and_wait_until(&waiters, 0, DEADLINE);
    EXPECT(r == VALET_TIMEDOUT || r == VALET_ERR_SYSTEM);
}
THREAD(wait_late_sandbox_0)
{
    wait_refused();
}
THREAD(wait_late_sandbox_1)
{
    wait_refused();
}

THREAD(wait_3_late_0)
{
    wait_timed(0);
}
THREAD(wait_3_late_1)
{
    wait_timed(0);
}
THREAD(wait_3_late_2)
{
    wait_on(0);
}
THREAD(wait_3_late_3)
{
    valet_store_and_wake(&waiters, 1);
}

/* Two stores, while two give up, and one waits for the state between the two. */
static void wait_at_1(void)
{
    EXPECT(valet_compare_and_wait(&waiters, 1) == VALET_OK);
}
static void store_1_and_2(void)
{
    valet_store_and_wake(&waiters, 1);
    valet_store_and_wake(&waiters, 2);
}
THREAD(wait_owed_0)
{
    wait_timed(0);
}
THREAD(wait_owed_1)
{
    wait_timed(0);
}
THREAD(wait_owed_2)
{
    wait_at_1();
}
THREAD(wait_owed_3)
{
    store_1_and_2();
}
THREAD(wait_owed_late_0)
{
    wait_timed(0);
}
THREAD(wait_owed_late_1)
{
    wait_timed(0);
}
THREAD(wait_owed_late_2)
{
    wait_at_1();
}
THREAD(wait_owed_late_3)
{
    store_1_and_2();
}

/* An exchange, which wakes nobody, and a store of the state that is there already: it wakes who is
 * on record, while two give up. */
THREAD(wait_record_0)
{
    wait_timed(0);
}
THREAD(wait_record_1)
{
    wait_timed(0);
}
THREAD(wait_record_2)
{
    wait_on(0);
}
THREAD(wait_record_3)
{
    unsigned expected = 0;
    EXPECT(valet_waiters_compare_exchange(&waiters, &expected, 1));
    valet_store_and_wake(&waiters, 1);
}

/* One waiter is woken, and wakes the rest. */
static void delegate_with_data(int i, unsigned state)
{
    data[i].plain++;
    valet_store_and_delegate(&waiters, state);
}

THREAD(wait_delegate_0)
{
    wait_on(0);
    EXPECT(data[1].plain == 1 && valet_waiters_state(&waiters) == 2);
}
THREAD(wait_delegate_1)
{
    delegate_with_data(1, 2);
}

THREAD(wait_2_delegate_0)
{
    wait_for_1();
}
THREAD(wait_2_delegate_1)
{
    wait_for_1();
}
THREAD(wait_2_delegate_2)
{
    delegate_with_data(2, 1);
}

/* A wake before the one that was woken has woken the rest. */
THREAD(wait_delegate_wake_0)
{
    wait_for_1();
}
THREAD(wait_delegate_wake_1)
{
    wait_for_1();
}
THREAD(wait_delegate_wake_2)
{
    delegate_with_data(2, 1);
    valet_waiters_wake(&waiters);
}

THREAD(wait_delegate_timed_0)
{
    wait_for_1_timed();
}
THREAD(wait_delegate_timed_1)
{
    wait_for_1();
}
THREAD(wait_delegate_timed_2)
{
    delegate_with_data(2, 1);
}

THREAD(wait_delegate_cycle_0)
{
    wait_on(0);
}
THREAD(wait_delegate_cycle_1)
{
    delegate_with_data(1, 2);
}
THREAD(wait_delegate_cycle_2)
{
    if (wait_timed(2) == VALET_TIMEDOUT)
        EXPECT(data[1].plain == 1);
}

THREAD(wait_delegate_store_0)
{
    wait_on(0);
}
THREAD(wait_delegate_store_1)
{
    wait_on(0);
}
THREAD(wait_delegate_store_2)
{
    valet_store_and_delegate(&waiters, 1);
    valet_store_and_wake(&waiters, 2);
}

/* A delegate of the state that is there wakes one thread, which waits again. */
THREAD(wait_delegate_same_0)
{
    wait_on(0);
}
THREAD(wait_delegate_same_1)
{
    valet_store_and_delegate(&waiters, 0);
    valet_store_and_delegate(&waiters, 1);
}

FRAME static void delegate_wait_on_stack(void)
{
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    atomic_store_explicit(&published, &w, memory_order_release);
    EXPECT(valet_compare_and_wait(&w, 3) == VALET_OK);
}
THREAD(wait_delegate_free_0)
{
    delegate_wait_on_stack();
}
THREAD(wait_delegate_free_1)
{
    valet_store_and_delegate(wait_for_published(), 4);
}

/* ---- futex ----------------------------------------------------------------------------------- */

static uint32_t word[512]; /* a user's; far enough apart, some of them share a queue */

static _Atomic uint32_t *atomic_of(uint32_t *w)
{
    return (_Atomic uint32_t *)w;
}

static void wait_while_0(uint32_t *w)
{
    while (atomic_load_explicit(atomic_of(w), memory_order_acquire) == 0) {
        int r = valet_futex_wait(w, 0, VALET_FOREVER);
        EXPECT(r == VALET_OK || r == VALET_CHANGED);
    }
}

static void wake_with_data(int i, uint32_t *w, uint32_t count)
{
    data[i].plain = 1;
    atomic_store_explicit(atomic_of(w), 1, memory_order_release);
    valet_futex_wake(w, count);
}

THREAD(futex_wake_0)
{
    wait_while_0(word);
    EXPECT(data[1].plain == 1);
}
THREAD(futex_wake_1)
{
    wake_with_data(1, word, 1);
}

THREAD(futex_2_waiters_0)
{
    wait_while_0(word);
}
THREAD(futex_2_waiters_1)
{
    wait_while_0(word);
}
THREAD(futex_2_waiters_2)
{
    wake_with_data(2, word, 1);
    valet_futex_wake(word, UINT32_MAX);
}

/* One of them gives up; the wakes of one thread each are enough for both. */
THREAD(futex_timed_0)
{
    int r = valet_futex_wait(word, 0, DEADLINE);
    EXPECT(r == VALET_OK || r == VALET_CHANGED || r == VALET_TIMEDOUT);
}
THREAD(futex_timed_1)
{
    wait_while_0(word);
}
THREAD(futex_timed_2)
{
    wake_with_data(2, word, 2);
}

/* Two words of one queue; each wakes its own. The hash is that of core/futex_sema.c. */
static uint32_t *other_word(void)
{
    for (uint32_t *w = word + 2; w < word + 512; w++)
        if ((uint32_t)((uintptr_t)w >> 2) * 0x9e3779b9u >> 26 ==
            (uint32_t)((uintptr_t)word >> 2) * 0x9e3779b9u >> 26)
            return w;
    EXPECT(false);
    return word;
}
THREAD(futex_bucket_0)
{
    wait_while_0(word);
}
THREAD(futex_bucket_1)
{
    wait_while_0(other_word());
}
THREAD(futex_bucket_2)
{
    wake_with_data(2, word, 1);
    wake_with_data(2, other_word(), 1);
}

/* What a thread does at its first wait has been done: states that are few of interest. */
THREAD(setup_futex_2_wakers)
{
    valet_futex_wait(word, 0, DEADLINE);
}
THREAD(futex_2_wakers_0)
{
    wait_while_0(word);
}
THREAD(futex_2_wakers_1)
{
    wait_while_0(word);
}
THREAD(futex_2_wakers_2)
{
    wake_with_data(2, word, 1);
}
THREAD(futex_2_wakers_3)
{
    wake_with_data(3, word, 1);
}

/* Two words of one queue, and a waker for each, of whom one may find the queue taken: what it
 * leaves to the other is not forgotten, whoever comes meanwhile. */
static void wait_once(uint32_t *w)
{
    int r = valet_futex_wait(w, 0, VALET_FOREVER);
    EXPECT(r == VALET_OK || r == VALET_CHANGED);
}
THREAD(setup_futex_owed)
{
    valet_futex_wait(word, 0, DEADLINE);
}
THREAD(futex_owed_0)
{
    wait_once(word);
}
THREAD(futex_owed_1)
{
    wait_once(other_word());
}
THREAD(futex_owed_2)
{
    wake_with_data(2, word, 1);
}
THREAD(futex_owed_3)
{
    wake_with_data(3, other_word(), 1);
}

/* One waiter, and two that wake at a time. */
THREAD(futex_wakers_0)
{
    wait_while_0(word);
}
THREAD(futex_wakers_1)
{
    wake_with_data(1, word, 1);
}
THREAD(futex_wakers_2)
{
    wake_with_data(2, word, 1);
}

/* Who begins to wait for what the word no longer is, does not use up the wake of one that waits for
 * what it is. */
static void wait_for(uint32_t expected)
{
    int r = valet_futex_wait(word, expected, VALET_FOREVER);
    EXPECT(r == VALET_OK || r == VALET_CHANGED);
}
THREAD(futex_stale_0)
{
    wait_for(1);
}
THREAD(futex_stale_1)
{
    wait_for(0);
}
THREAD(futex_stale_2)
{
    atomic_store_explicit(atomic_of(word), 1, memory_order_release);
    valet_futex_wake(word, UINT32_MAX);
    atomic_store_explicit(atomic_of(word), 2, memory_order_release);
    valet_futex_wake(word, 1);
}

/* All give up, and nobody comes to wake them. */
static void futex_give_up(void)
{
    int r = valet_futex_wait(word, 0, DEADLINE);
    EXPECT(r == VALET_TIMEDOUT);
}
THREAD(futex_crowd_0)
{
    futex_give_up();
}
THREAD(futex_crowd_1)
{
    futex_give_up();
}
THREAD(futex_crowd_2)
{
    futex_give_up();
}

static int wait_refused_futex(void)
{
    int r = valet_futex_wait(word, 0, VALET_FOREVER);
    EXPECT(r == VALET_OK || r == VALET_CHANGED || r == VALET_ERR_SYSTEM);
    return r;
}
THREAD(futex_sandbox_0)
{
    of[0].result = wait_refused_futex();
}
THREAD(futex_sandbox_1)
{
    of[1].result = wait_refused_futex();
}
THREAD(futex_sandbox_2)
{
    wake_with_data(2, word, 2);
}
THREAD(end_futex_sandbox)
{
    EXPECT(of[0].result != VALET_ERR_SYSTEM || of[1].result != VALET_ERR_SYSTEM);
}

/* A wake for one that reaches a thread whose deadline has come: it says so, and can pass it on. */
THREAD(futex_timed_pass_0)
{
    if (valet_futex_wait(word, 0, DEADLINE) == VALET_OK)
        valet_futex_wake(word, 1);
}
THREAD(futex_timed_pass_1)
{
    wait_while_0(word);
}
THREAD(futex_timed_pass_2)
{
    wake_with_data(2, word, 1);
}

/* Who waits on one word moves to another, of another queue or of the same, and is woken there. */
static void change_and_requeue(uint32_t *to, uint32_t wake, uint32_t requeue)
{
    data[3].plain = 1;
    atomic_store_explicit(atomic_of(word), 1, memory_order_release);
    EXPECT(valet_futex_requeue(word, 1, wake, to, requeue, 0) == VALET_OK);
}
static void wait_moved(void)
{
    wait_while_0(word);
    EXPECT(data[3].plain == 1);
}
THREAD(futex_requeue_moved_0)
{
    wait_moved();
}
THREAD(futex_requeue_moved_1)
{
    change_and_requeue(word + 1, 0, 1);
    valet_futex_wake(word + 1, 1);
}
THREAD(futex_requeue_bucket_0)
{
    wait_moved();
}
THREAD(futex_requeue_bucket_1)
{
    change_and_requeue(other_word(), 0, UINT32_MAX);
    valet_futex_wake(other_word(), 1);
}

/* Its deadline comes, wherever it is by then; and its node is not there when it has gone. */
THREAD(futex_requeue_leaves_0)
{
    int r = valet_futex_wait(word, 0, DEADLINE);
    EXPECT(r == VALET_OK || r == VALET_CHANGED || r == VALET_TIMEDOUT);
}
THREAD(futex_requeue_leaves_1)
{
    change_and_requeue(word + 1, 0, 1);
    valet_futex_wake(word + 1, 1);
    valet_futex_wake(word, 1);
}

/* A wake of one that has moved and gives up is for the other one there. */
THREAD(futex_requeue_timed_0)
{
    if (valet_futex_wait(word, 0, DEADLINE) != VALET_TIMEDOUT)
        valet_futex_wake(word + 1, 1);
}
THREAD(futex_requeue_timed_1)
{
    wait_while_0(word + 1);
}
THREAD(futex_requeue_timed_2)
{
    change_and_requeue(word + 1, 0, 1);
    wake_with_data(2, word + 1, 1);
}

/* One begins to wait for what the word has become: it stays, for the wake that comes there. */
THREAD(futex_requeue_changed_0)
{
    uint32_t seen = 0;
    if (atomic_compare_exchange_strong_explicit(atomic_of(word), &seen, 1, memory_order_relaxed,
                                                memory_order_relaxed))
        wait_for(1);
}
THREAD(futex_requeue_changed_1)
{
    int r = valet_futex_requeue(word, 0, 0, word + 1, 1, 0);
    EXPECT(r == VALET_OK || r == VALET_CHANGED);
    atomic_store_explicit(atomic_of(word), 2, memory_order_relaxed);
    valet_futex_wake(word, 1);
}

/* The word comes back to what one waits for, after all that waited for it have been woken: that one
 * has begun to wait after the requeue compared, or sees no other value. */
THREAD(setup_futex_requeue_again)
{
    *word = 1;
}
THREAD(futex_requeue_again_0)
{
    wait_for(1);
}
THREAD(futex_requeue_again_1)
{
    uint32_t seen = 0;
    atomic_compare_exchange_strong_explicit(atomic_of(word), &seen, 1, memory_order_relaxed,
                                            memory_order_relaxed);
}
THREAD(futex_requeue_again_2)
{
    atomic_store_explicit(atomic_of(word), 0, memory_order_relaxed);
    valet_futex_wake(word, UINT32_MAX);
    int r = valet_futex_requeue(word, 0, 0, word + 1, 1, 0);
    EXPECT(r == VALET_OK || r == VALET_CHANGED);
    atomic_store_explicit(atomic_of(word), 2, memory_order_relaxed);
    valet_futex_wake(word, UINT32_MAX);
}

/* One is woken, and one moves: no more, of those that sleep. */
THREAD(futex_requeue_counts_0)
{
    wait_moved();
}
THREAD(futex_requeue_counts_1)
{
    wait_moved();
}
THREAD(futex_requeue_counts_2)
{
    change_and_requeue(word + 1, 1, 1);
    uint32_t woken = valet_futex_wake(word + 1, UINT32_MAX);
    EXPECT(woken <= 1 || woken == VALET_FUTEX_UNKNOWN);
}

THREAD(futex_requeue_one_0)
{
    wait_moved();
}
THREAD(futex_requeue_one_1)
{
    wait_moved();
}
THREAD(futex_requeue_one_2)
{
    change_and_requeue(word + 1, 0, 1);
    uint32_t woken = valet_futex_wake(word + 1, UINT32_MAX);
    EXPECT(woken <= 1 || woken == VALET_FUTEX_UNKNOWN);
    valet_futex_wake(word, UINT32_MAX);
}

/* Who would have moved is woken, if another has the second queue. */
THREAD(futex_requeue_taken_0)
{
    wait_once(word);
}
THREAD(futex_requeue_taken_1)
{
    wait_once(word + 1);
}
THREAD(futex_requeue_taken_2)
{
    change_and_requeue(word + 1, 0, 1);
    valet_futex_wake(word + 1, UINT32_MAX);
}
THREAD(futex_requeue_taken_3)
{
    wake_with_data(2, word + 1, 1);
}

/* There and back: each wakes where it has moved them to. */
THREAD(futex_requeue_back_0)
{
    wait_moved();
}
THREAD(futex_requeue_back_1)
{
    change_and_requeue(word + 1, 0, 1);
    valet_futex_wake(word + 1, 1);
}
THREAD(futex_requeue_back_2)
{
    EXPECT(valet_futex_requeue(word + 1, 0, 0, word, 1, 0) == VALET_OK);
    valet_futex_wake(word, 1);
}

THREAD(futex_requeue_answers_0)
{
    EXPECT(valet_futex_requeue(word, 1, 1, word + 1, 1, 0) == VALET_CHANGED);
    EXPECT(valet_futex_requeue(word, 0, 1, word + 1, 1, 0) == VALET_OK);
    EXPECT(valet_futex_requeue(word, 0, 1, word, 1, 0) == VALET_ERR_INVALID);
}

/* A lock that forgets its waiters when a wake has found nobody (contract/futex_test.c); one thread
 * has it at first. The upper bits count the unlocks. */
enum { LOCKED = 1, CONTENDED = 2, UNLOCK = 4 };
static void unlock_forgetful(void)
{
    uint32_t seen = atomic_load_explicit(atomic_of(word), memory_order_relaxed), next;
    do
        next = (seen & ~(uint32_t)LOCKED) + UNLOCK;
    while (!atomic_compare_exchange_strong_explicit(atomic_of(word), &seen, next,
                                                    memory_order_release, memory_order_relaxed));
    if (seen & CONTENDED && valet_futex_wake(word, 1) == 0)
        atomic_compare_exchange_strong_explicit(atomic_of(word), &next, next & ~(uint32_t)CONTENDED,
                                                memory_order_relaxed, memory_order_relaxed);
}
static void lock_forgetful(void)
{
    uint32_t seen = atomic_load_explicit(atomic_of(word), memory_order_relaxed);
    for (;;) {
        if (!(seen & LOCKED)) {
            if (atomic_compare_exchange_strong_explicit(atomic_of(word), &seen, seen | LOCKED,
                                                        memory_order_acquire, memory_order_relaxed))
                return;
        } else if (atomic_compare_exchange_strong_explicit(atomic_of(word), &seen, seen | CONTENDED,
                                                           memory_order_relaxed,
                                                           memory_order_relaxed)) {
            valet_futex_wait(word, seen | CONTENDED, VALET_FOREVER);
            seen = atomic_load_explicit(atomic_of(word), memory_order_relaxed);
        }
    }
}
THREAD(setup_futex_forgetful)
{
    *word = LOCKED;
}
THREAD(futex_forgetful_0)
{
    data[0].plain++;
    unlock_forgetful();
}
THREAD(futex_forgetful_1)
{
    lock_forgetful();
    data[0].plain++;
    unlock_forgetful();
}
THREAD(futex_forgetful_2)
{
    lock_forgetful();
    data[0].plain++;
    unlock_forgetful();
}
THREAD(end_futex_forgetful)
{
    EXPECT(data[0].plain == 3);
}

/* ---- flags: an interruption takes nothing -----------------------------------------------------
 */

static int park_interruptibly(uint64_t deadline)
{
    int r = valet_park_with(&parker, deadline, VALET_INTERRUPTIBLE | VALET_NO_POLL);
    EXPECT(r == VALET_OK || r == VALET_INTERRUPTED ||
           (r == VALET_TIMEDOUT && deadline != VALET_FOREVER));
    return r;
}
THREAD(flags_park_0)
{
    if (park_interruptibly(VALET_FOREVER) == VALET_INTERRUPTED)
        EXPECT(valet_park(&parker) == VALET_OK);
    EXPECT(data[1].plain == 1);
}
THREAD(flags_park_1)
{
    unpark_with_data(1);
}
THREAD(end_flags_park)
{
    EXPECT(!left());
}

THREAD(flags_park_timed_0)
{
    of[0].result = park_interruptibly(DEADLINE);
}
THREAD(flags_park_timed_1)
{
    unpark_with_data(1);
}
THREAD(flags_park_timed_2)
{
    unpark_with_data(2);
}
THREAD(end_flags_park_timed)
{
    EXPECT(of[0].result == VALET_OK || left());
}

static int wait_interruptibly(void)
{
    int r = valet_compare_and_wait_with(&waiters, 0, VALET_FOREVER,
                                        VALET_INTERRUPTIBLE | VALET_NO_POLL);
    EXPECT(r == VALET_OK || r == VALET_INTERRUPTED);
    return r;
}
static void wait_for_1_interruptibly(void)
{
    if (wait_interruptibly() == VALET_INTERRUPTED)
        wait_on(0);
    EXPECT(data[2].plain == 1);
}
THREAD(flags_wait_0)
{
    wait_for_1_interruptibly();
}
THREAD(flags_wait_1)
{
    store_with_data(2, 1);
}

/* One of two leaves for good, and takes nothing with it from the other. */
THREAD(flags_2_wait_0)
{
    wait_interruptibly();
}
THREAD(flags_2_wait_1)
{
    wait_for_1();
}
THREAD(flags_2_wait_2)
{
    store_with_data(2, 1);
}
THREAD(flags_delegate_0)
{
    wait_interruptibly();
}
THREAD(flags_delegate_1)
{
    wait_for_1();
}
THREAD(flags_delegate_2)
{
    delegate_with_data(2, 1);
}

/* Who is interrupted has used up no wake: only who was woken wakes the next. */
THREAD(flags_futex_0)
{
    int r = valet_futex_wait_with(word, 0, VALET_FOREVER, VALET_INTERRUPTIBLE);
    EXPECT(r == VALET_OK || r == VALET_CHANGED || r == VALET_INTERRUPTED);
    if (r != VALET_INTERRUPTED)
        valet_futex_wake(word, 1);
}
THREAD(flags_futex_1)
{
    wait_while_0(word);
    valet_futex_wake(word, 1);
}
THREAD(flags_futex_2)
{
    wake_with_data(2, word, 1);
}

/* The mutex that everybody builds: 0 free, 1 locked, 2 locked and waited for. */
static void count_in_futex_mutex(void)
{
    uint32_t seen = 0;
    if (!atomic_compare_exchange_strong_explicit(atomic_of(word), &seen, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        while (atomic_exchange_explicit(atomic_of(word), 2, memory_order_acquire) != 0)
            valet_futex_wait(word, 2, VALET_FOREVER);
    data[0].plain++;
    if (atomic_exchange_explicit(atomic_of(word), 0, memory_order_release) == 2)
        valet_futex_wake(word, 1);
}
THREAD(futex_mutex_0)
{
    count_in_futex_mutex();
}
THREAD(futex_mutex_1)
{
    count_in_futex_mutex();
}
THREAD(end_futex_mutex)
{
    EXPECT(data[0].plain == 2);
}

/* ---- two flags: what only fences order ------------------------------------------------------- */

/* An event that wakes only if somebody waits: each side sets its flag and looks at the other's. */
static _Atomic uint32_t waiting;

static void event_wait(void)
{
    while (atomic_load_explicit(atomic_of(word), memory_order_acquire) == 0) {
        atomic_fetch_add_explicit(&waiting, 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst); /* EVENT, pairs with the other */
        if (atomic_load_explicit(atomic_of(word), memory_order_relaxed) == 0)
            valet_park(&parker);
        atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
    }
}
static void event_set(void)
{
    atomic_store_explicit(atomic_of(word), 1, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* EVENT */
    if (atomic_load_explicit(&waiting, memory_order_relaxed) != 0)
        valet_unpark(&parker);
}

THREAD(event_fences_0)
{
    event_wait();
    EXPECT(data[1].plain == 1);
}
THREAD(event_fences_1)
{
    data[1].plain = 1;
    event_set();
}

THREAD(event_2_fences_0)
{
    event_wait();
}
THREAD(event_2_fences_1)
{
    event_set();
}
THREAD(event_2_fences_2)
{
    event_set();
}
