/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Waits by the wall clock, and what they do when it is set: which a test may do on few hosts. */
#include "load.h"
#include "test.h"

#define HAS_WALL (valet_features() & VALET_REALTIME)

/* The three ways to wait, of which nothing but the deadline, or a handler, ends one. */
static struct {
    struct valet_parker p;
    struct valet_waiters w;
    _Alignas(4) uint32_t word;
} asleep;

static int wait_by(unsigned way, uint64_t deadline, unsigned flags)
{
    int r;
    switch (way) {
    case 0:
        return valet_park_with(&asleep.p, deadline, flags);
    case 1:
        return valet_compare_and_wait_with(&asleep.w, 0, deadline, flags);
    default:
        do
            r = valet_futex_wait_with(&asleep.word, 0, deadline, flags);
        while (r == VALET_OK); /* for no reason */
        return r;
    }
}

static void test_a_wall_clock_is_there_or_not(void)
{
    CHECK_EQ(valet_now_realtime() != 0, HAS_WALL != 0);
    if (HAS_WALL)
        return;
    valet_unpark(&asleep.p);
    for (unsigned way = 0; way < 3; way++) {
        CHECK_EQ(wait_by(way, VALET_FOREVER, VALET_REALTIME), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(wait_by(way, 0, VALET_REALTIME), VALET_ERR_UNSUPPORTED);
    }
    CHECK_EQ(valet_park_until(&asleep.p, 0), VALET_OK);
}

static void test_it_counts_nanoseconds(void)
{
    if (!HAS_WALL)
        return;
    for (unsigned tries = 0;; tries++) { /* between two looks the thread may lose its CPU */
        uint64_t wall = valet_now_realtime(), now = valet_now();
        test_sleep(5 * MS);
        wall = valet_now_realtime() - wall;
        now = valet_now() - now;
        if (wall > now / 2 && wall / 2 < now)
            break;
        CHECK(tries < 1000);
    }
}

static void test_deadlines_of_the_wall_clock(void)
{
    if (!HAS_WALL)
        return;
    for (unsigned way = 0; way < 3; way++)
        for (unsigned flags = VALET_REALTIME; flags <= (VALET_REALTIME | VALET_NO_POLL);
             flags += VALET_NO_POLL) {
            CHECK_EQ(wait_by(way, 0, flags), VALET_TIMEDOUT);
            CHECK_EQ(wait_by(way, 1, flags), VALET_TIMEDOUT);
            CHECK_EQ(wait_by(way, valet_now_realtime(), flags), VALET_TIMEDOUT);
            const uint64_t ahead[] = {1, 100 * US, 3 * MS};
            for (unsigned i = 0; i < 3; i++) {
                uint64_t deadline = valet_now_realtime() + ahead[i];
                CHECK_EQ(wait_by(way, deadline, flags), VALET_TIMEDOUT);
                CHECK(valet_now_realtime() >= deadline);
            }
            valet_unpark(&asleep.p);
            CHECK_EQ(valet_park_with(&asleep.p, 1, flags), VALET_OK);
            valet_unpark(&asleep.p);
            CHECK_EQ(valet_park_with(&asleep.p, VALET_FOREVER, flags), VALET_OK);
            CHECK_EQ(valet_compare_and_wait_with(&asleep.w, 1, 1, flags), VALET_OK);
            CHECK_EQ(valet_futex_wait_with(&asleep.word, 1, VALET_FOREVER, flags), VALET_CHANGED);
        }
}

/* ---- while it is set ------------------------------------------------------------------------- */

struct sleeper {
    unsigned way, flags;
    uint64_t deadline;
    int result;
    atomic_uint returned;
};

static void sleep_by_the_wall(void *argument)
{
    struct sleeper *s = argument;
    s->result = wait_by(s->way, s->deadline, s->flags);
    atomic_store(&s->returned, 1);
}

static struct sleeper sleepers[3];
static struct test_thread *threads[3];

static void send_to_sleep(uint64_t ahead, unsigned flags)
{
    for (unsigned way = 0; way < 3; way++) {
        struct sleeper *s = &sleepers[way];
        s->way = way;
        s->flags = VALET_REALTIME | flags;
        s->deadline = valet_now_realtime() + ahead;
        s->result = -1;
        atomic_store(&s->returned, 0);
        threads[way] = test_start(sleep_by_the_wall, s);
    }
    test_sleep(50 * MS);
}

static void all_return(int result)
{
    for (unsigned way = 0; way < 3; way++) {
        test_join(threads[way]);
        CHECK_EQ(sleepers[way].result, result);
    }
}

static void test_a_clock_that_is_set_back(void)
{
    if (!HAS_WALL || !test_move_clock(0))
        return;
    uint64_t over;
    for (;;) {
        over = valet_now() + 2 * S;
        send_to_sleep(2 * S, 0);
        CHECK(test_move_clock(-(int64_t)(1000 * S)));
        if (valet_now() < over)
            break;
        CHECK(test_move_clock((int64_t)(1000 * S))); /* it was slow: they may be on their way out */
        all_return(VALET_TIMEDOUT);
    }
    while (valet_now() < over + 500 * MS)
        test_sleep(50 * MS);
    for (unsigned way = 0; way < 3; way++)
        CHECK_EQ(atomic_load(&sleepers[way].returned), 0);
    CHECK(test_move_clock((int64_t)(1000 * S)));
    all_return(VALET_TIMEDOUT);
}

static void test_a_clock_that_is_set_forward(void)
{
    if (!HAS_WALL || !test_move_clock(0))
        return;
    send_to_sleep(1000 * S, 0);
    for (unsigned way = 0; way < 3; way++)
        CHECK_EQ(atomic_load(&sleepers[way].returned), 0);
    uint64_t set = valet_now();
    CHECK(test_move_clock((int64_t)(2000 * S)));
    all_return(VALET_TIMEDOUT); /* else 1000 s later */
    test_report("ends after the clock was set", (valet_now() - set) / US, "us");
    CHECK(test_move_clock(-(int64_t)(2000 * S)));
}

/* What else ends a wait does so by this clock, too, also in a later slice. */
static void test_a_wake_beats_the_wall_clock(void)
{
    if (!HAS_WALL)
        return;
    for (unsigned slices = 0; slices < 2; slices++) {
        send_to_sleep(1000 * S, 0);
        if (slices == 1)
            test_sleep(1100 * MS);
        __atomic_store_n(&asleep.word, 1, __ATOMIC_RELEASE);
        do { /* one that was about to sleep has seen the word */
            valet_futex_wake(&asleep.word, VALET_FUTEX_ALL);
            test_sleep(MS);
        } while (!atomic_load(&sleepers[2].returned));
        valet_unpark(&asleep.p);
        valet_store_and_wake(&asleep.w, 1);
        CHECK_EQ(sleepers[2].result, VALET_CHANGED);
        sleepers[2].result = VALET_OK;
        all_return(VALET_OK);
        asleep.word = 0;
        valet_waiters_init(&asleep.w, 0);
    }
}

static void test_a_handler_ends_a_wait_by_the_wall_clock(void)
{
    if (!HAS_WALL || !(valet_features() & VALET_INTERRUPTIBLE))
        return;
    send_to_sleep(1000 * S, VALET_INTERRUPTIBLE);
    for (unsigned way = 0; way < 3; way++)
        do {
            test_interrupt(threads[way], NULL, NULL);
            test_sleep(100 * US);
        } while (!atomic_load(&sleepers[way].returned));
    all_return(VALET_INTERRUPTED);
}

TEST_PROGRAM(TEST(test_a_wall_clock_is_there_or_not), TEST(test_it_counts_nanoseconds),
             TEST(test_deadlines_of_the_wall_clock), TEST(test_a_clock_that_is_set_back),
             TEST(test_a_clock_that_is_set_forward), TEST(test_a_wake_beats_the_wall_clock),
             TEST(test_a_handler_ends_a_wait_by_the_wall_clock));
