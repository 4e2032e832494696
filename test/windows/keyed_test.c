/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Keyed events: deadlines against releases, and the integrator's handle. */
#include "load.h"
#include "nt.h"
#include "objects.h"
#include "test.h"

/* ---- the handle hook ------------------------------------------------------------------------- */

NTSTATUS NTAPI NtCreateKeyedEvent(HANDLE *event, uint32_t access, const void *attributes,
                                  uint32_t flags);

static _Atomic(HANDLE) event; /* null at first: the system's own */

void *valet_sys_keyed_event(void);
void *valet_sys_keyed_event(void)
{
    return atomic_load(&event);
}

/* ---- deadlines against releases -------------------------------------------------------------- */

#define DUELS 16

/*
 * Each parker has one round after the other: it says when to wake it, parks until a deadline, and
 * takes the one token of the round by a second park if the first one timed out. It moves the moment
 * towards whichever side lost, so that about half of the parks end either way, and most within a
 * few microseconds of both.
 */
static struct duel {
    struct valet_parker p;
    _Atomic uint64_t wake_at; /* 0: not now */
    unsigned woken, timedout;
} duels[DUELS];

static unsigned rounds;
static atomic_uint fighting;

static void fight(void *duel)
{
    struct duel *d = duel;
    uint32_t random = (uint32_t)(d - duels) + 1;
    int64_t offset = 0;
    d->woken = d->timedout = 0;
    for (unsigned i = 0; i < rounds; i++) {
        /* The waker is told the same time ahead, whether before or after the deadline. */
        uint64_t ahead = valet_now() + 100 * US + test_random(&random) % (200 * US);
        uint64_t deadline = ahead + (offset < 0 ? (uint64_t)-offset : 0);
        uint64_t jitter = test_random(&random) % (20 * US);
        atomic_store(&d->wake_at, deadline + (uint64_t)offset + jitter);
        int r = valet_park_until(&d->p, deadline);
        if (r == VALET_TIMEDOUT) {
            CHECK(valet_now() >= deadline);
            r = valet_park(&d->p);
            d->timedout++;
            offset -= 5000;
        } else {
            d->woken++;
            offset += 5000;
        }
        CHECK_EQ(r, VALET_OK);
    }
    atomic_fetch_sub(&fighting, 1);
}

static void race(unsigned parks)
{
    struct test_thread *t[DUELS];
    unsigned woken = 0, timedout = 0, sent = 0;
    rounds = parks / DUELS;
    atomic_store(&fighting, DUELS);
    uint64_t begin = valet_now();
    for (unsigned i = 0; i < DUELS; i++)
        t[i] = test_start(fight, &duels[i]);
    while (atomic_load(&fighting) != 0) {
        for (unsigned i = 0; i < DUELS; i++) {
            uint64_t wake_at = atomic_load(&duels[i].wake_at);
            if (wake_at == 0 || valet_now() < wake_at)
                continue;
            atomic_store(&duels[i].wake_at, 0);
            valet_unpark(&duels[i].p); /* blocks until the release is taken */
            sent++;
        }
        test_yield();
    }
    for (unsigned i = 0; i < DUELS; i++) {
        test_join(t[i]);
        CHECK_EQ(valet_park_until(&duels[i].p, 0), VALET_TIMEDOUT); /* no token is left */
        woken += duels[i].woken;
        timedout += duels[i].timedout;
    }
    test_report("timed parks", woken + timedout, "");
    test_report("ended by a token", woken, "");
    test_report("ended by their deadline", timedout, "");
    test_report("took", (valet_now() - begin) / MS, "ms");
    CHECK_EQ(sent, woken + timedout);
    /* A few rounds may all end on one side, where the waker is late. */
    CHECK(rounds < 1000 || (woken != 0 && timedout != 0));
}

static void test_20000_parks_against_deadlines(void)
{
    race(20000);
}

static void test_a_handle_of_our_own(void)
{
    enum { STANDARD_RIGHTS_REQUIRED = 0xf0000, KEYEDEVENT_WAIT = 1, KEYEDEVENT_WAKE = 2 };
    HANDLE own;
    CHECK_EQ(NtCreateKeyedEvent(&own, STANDARD_RIGHTS_REQUIRED | KEYEDEVENT_WAIT | KEYEDEVENT_WAKE,
                                NULL, 0),
             STATUS_SUCCESS);
    atomic_store(&event, own);
    race(2000);
    atomic_store(&event, NULL);
    CHECK_EQ(NtClose(own), STATUS_SUCCESS);
}

/* ---- a handle that the system refuses, as XP refuses null ------------------------------------ */

static struct valet_parker refused;
static atomic_bool stop;

/* A token is taken, or the call fails at once; it never waits, never hangs, never says BUSY. */
static void park_refused(void *count)
{
    unsigned n = 0;
    while (!atomic_load(&stop)) {
        int r = n++ % 2 ? valet_park(&refused) : valet_park_for(&refused, 3600 * S);
        CHECK(r == VALET_OK || r == VALET_ERR_SYSTEM);
        if (r == VALET_OK)
            atomic_fetch_add((atomic_uint *)count, 1);
    }
}

static void test_a_refused_handle_is_an_error(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    struct valet_waiters w = VALET_WAITERS_INIT(0);
    uint32_t word = 0;
    atomic_store(&event, (HANDLE)0x7ffffff4);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(valet_park(&p), VALET_ERR_SYSTEM);
        CHECK_EQ(valet_park_for(&p, 3600 * S), VALET_ERR_SYSTEM);
        CHECK_EQ(valet_compare_and_wait(&w, 0), VALET_ERR_SYSTEM);
        CHECK_EQ(valet_compare_and_wait_until(&w, 0, valet_now() + 3600 * S), VALET_ERR_SYSTEM);
        CHECK_EQ(valet_futex_wait(&word, 0, VALET_FOREVER), VALET_ERR_SYSTEM);
        valet_unpark(&p);
        CHECK_EQ(valet_park(&p), VALET_OK);
    }
    for (int operation = PARK; operation < OPERATIONS; operation++)
        test_been_through(operation);
    /* Posts are refused like waits: neither side may wait for the other for ever. */
    atomic_uint taken = 0;
    struct test_thread *t = test_start(park_refused, &taken);
    for (unsigned i = 0; i < 100000 || atomic_load(&taken) < 100; i++) {
        valet_unpark(&refused);
        if (i % 256 == 0)
            test_yield();
    }
    atomic_store(&stop, true);
    test_join(t);
    test_report("tokens taken all the same", atomic_load(&taken), "");
    atomic_store(&event, NULL);
}

TEST_PROGRAM(TEST(test_20000_parks_against_deadlines), TEST(test_a_handle_of_our_own),
             TEST(test_a_refused_handle_is_an_error));
