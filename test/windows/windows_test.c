/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the programs of every host do not look at: the calls to ntdll, and the numbers promised. */
#include "control.h"
#include "load.h"
#include "nt.h"
#include "test.h"

static uint64_t ms_since(uint64_t begin)
{
    return (valet_now() - begin) / MS;
}

/* ---- numbers --------------------------------------------------------------------------------- */

#define ROUNDS 10000

static struct {
    struct valet_parker ping, pong;
    unsigned turns; /* plain: the parkers order it */
} table;

static void return_balls(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK_EQ(valet_park(&table.ping), VALET_OK);
        table.turns++;
        valet_unpark(&table.pong);
    }
}

static void test_ten_thousand_hand_offs(void)
{
    struct test_thread *t = test_start(return_balls, NULL);
    uint64_t begin = valet_now();
    for (unsigned i = 0; i < ROUNDS; i++) {
        valet_unpark(&table.ping);
        CHECK_EQ(valet_park(&table.pong), VALET_OK);
        CHECK_EQ(table.turns, i + 1);
    }
    test_report("10000 hand-offs there and back", ms_since(begin), "ms");
    test_join(t);
}

#define MANY 1000

static struct {
    struct valet_waiters w;
    atomic_uint returned;
} hall;

static void wait_in_hall(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_compare_and_wait(&hall.w, 0), VALET_OK);
    atomic_fetch_add(&hall.returned, 1);
}

static void test_a_thousand_waiters(void)
{
    static struct test_thread *t[MANY];
    unsigned before = control_waits();
    for (unsigned i = 0; i < MANY; i++)
        t[i] = test_start(wait_in_hall, NULL);
    while (control_waits() - before < MANY) /* all are in their call, or at its door */
        test_yield();
    test_sleep(20 * MS);
    CHECK_EQ(atomic_load(&hall.returned), 0);
    uint64_t begin = valet_now();
    valet_store_and_wake(&hall.w, 1);
    test_until(&hall.returned, MANY);
    test_report("1000 waiters, woken by one call", ms_since(begin), "ms");
    for (unsigned i = 0; i < MANY; i++)
        test_join(t[i]);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void park_once(void *p)
{
    CHECK_EQ(valet_park(p), VALET_OK);
}

/* A thread that is parked sleeps: one call, however long. */
static void test_a_park_is_one_call(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    unsigned before = control_waits();
    struct test_thread *t = test_start(park_once, &p);
    test_until_parked(&p);
    test_sleep(50 * MS);
    valet_unpark(&p);
    test_join(t);
    CHECK_EQ(control_waits() - before, 1);
}

/* So does one that has a deadline. Where its wait ends early it waits for the rest, of which there
 * is half as much each time, down to one unit of 100 ns: 18 calls for 20 ms. */
static void test_a_timed_park_sleeps(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    unsigned before = control_waits();
    for (int i = 0; i < 20; i++) {
        uint64_t deadline = valet_now() + 20 * MS;
        CHECK_EQ(valet_park_until(&p, deadline), VALET_TIMEDOUT);
        CHECK(valet_now() >= deadline);
    }
    test_report("calls for 20 timed parks", control_waits() - before, "");
    CHECK(control_waits() - before <= 20 * 20);
}

static void test_nothing_is_called_while_nobody_sleeps(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    struct valet_waiters w = VALET_WAITERS_INIT(0);
    unsigned before = control_waits();
    for (int i = 0; i < 100; i++) {
        valet_unpark(&p);
        CHECK_EQ(valet_park(&p), VALET_OK);
        CHECK_EQ(valet_park_until(&p, 0), VALET_TIMEDOUT);
        CHECK_EQ(valet_park_until(&p, 1), VALET_TIMEDOUT);
        CHECK_EQ(valet_compare_and_wait(&w, 1), VALET_OK);
        valet_store_and_wake(&w, 0);
    }
    CHECK_EQ(control_waits() - before, 0);
}

TEST_PROGRAM(TEST(test_ten_thousand_hand_offs), TEST(test_a_thousand_waiters),
             TEST(test_a_park_is_one_call), TEST(test_a_timed_park_sleeps),
             TEST(test_nothing_is_called_while_nobody_sleeps));
