/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Many rounds over a foreign kernel (kernel.h), and what happens when it refuses. */
#include "kernel.h"
#include "load.h"
#include "test.h"

/* ROUNDS: of the hand-off; a tenth of it are wake-alls. */

static void report(unsigned rounds, uint64_t start, uint64_t whims)
{
    test_report("rounds", rounds, "");
    test_report("time", (kernel_now() - start) / MS, "ms");
    test_report("ended for no reason", kernel_whims() - whims, "waits");
}

static struct {
    struct valet_parker ping, pong;
    unsigned data; /* plain: the parkers order it */
} table;

static void play_pong(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK_EQ(valet_park(&table.pong), VALET_OK);
        CHECK_EQ(table.data, 2 * i + 1);
        table.data = 2 * i + 2;
        valet_unpark(&table.ping);
    }
}

static void test_hand_off(void)
{
    uint64_t start = kernel_now(), whims = kernel_whims();
    struct test_thread *t = test_start(play_pong, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        table.data = 2 * i + 1;
        valet_unpark(&table.pong);
        CHECK_EQ(valet_park(&table.ping), VALET_OK);
        CHECK_EQ(table.data, 2 * i + 2);
    }
    test_join(t);
    report(ROUNDS, start, whims);
}

#define WAITERS 3u
static struct {
    struct valet_waiters w;
    struct valet_parker last;
    atomic_uint left;
    unsigned data; /* plain: the waiters' word orders it */
} hall;

static void wait_in_hall(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS / 10; i++) {
        CHECK_EQ(valet_compare_and_wait(&hall.w, i % 2), VALET_OK);
        CHECK_EQ(hall.data, i + 1);
        if (atomic_fetch_add(&hall.left, 1) == WAITERS - 1)
            valet_unpark(&hall.last);
    }
}

static void test_wake_all(void)
{
    struct test_thread *t[WAITERS];
    uint64_t start = kernel_now(), whims = kernel_whims();
    for (unsigned i = 0; i < WAITERS; i++)
        t[i] = test_start(wait_in_hall, NULL);
    for (unsigned i = 0; i < ROUNDS / 10; i++) {
        if (i % 4 == 0) /* often they still run */
            test_until_waited(&hall.w);
        hall.data = i + 1;
        valet_store_and_wake(&hall.w, (i + 1) % 2);
        CHECK_EQ(valet_park(&hall.last), VALET_OK);
        atomic_store(&hall.left, 0);
    }
    for (unsigned i = 0; i < WAITERS; i++)
        test_join(t[i]);
    report(ROUNDS / 10, start, whims);
}

/* Whatever the system calls its refusal: an error at once, not a wait without end. */
static void test_a_kernel_that_refuses(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    atomic_store(&kernel_refuses, true);
    CHECK_EQ(valet_park(&p), VALET_ERR_SYSTEM);
    CHECK_EQ(valet_park_for(&p, 1 * S), VALET_ERR_SYSTEM);
    CHECK_EQ(valet_compare_and_wait(&w, 3), VALET_ERR_SYSTEM);
    valet_unpark(&p);
    CHECK_EQ(valet_park(&p), VALET_OK); /* needs no kernel */
    atomic_store(&kernel_refuses, false);
    CHECK_EQ(valet_park_for(&p, 1 * MS), VALET_TIMEDOUT);
}

TEST_PROGRAM(TEST(test_a_kernel_that_refuses), TEST(test_hand_off), TEST(test_wake_all));
