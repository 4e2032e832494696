/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Without a clock every call that needs one says so, at once, and leaves nothing behind; all others
 * work. Linked without clock.c: the library's own valet_sys_now answers.
 */
#include "test.h"

#ifdef __aarch64__
/* It would find the generic timer. This is an integrator who does not want it. */
uint64_t valet_sys_now(void);
uint64_t valet_sys_now(void)
{
    return 0;
}
#endif

static void test_there_is_no_clock(void)
{
    CHECK_EQ(valet_now(), 0);
}

static void test_timed_calls_are_not_supported(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    uint32_t word = 7;
    for (int i = 0; i < 3; i++) { /* again: nobody is left parked */
        CHECK_EQ(valet_park_for(&p, 1), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_park_until(&p, 1), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_compare_and_wait_until(&w, 3, 1), VALET_ERR_UNSUPPORTED);
        CHECK_EQ(valet_futex_wait(&word, 7, 1), VALET_ERR_UNSUPPORTED);
    }
}

static void test_what_needs_no_clock_works(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    CHECK_EQ(valet_park_for(&p, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_park_until(&p, 0), VALET_TIMEDOUT);
    valet_unpark(&p);
    CHECK_EQ(valet_park_for(&p, 1), VALET_OK);
    valet_unpark(&p);
    CHECK_EQ(valet_park_for(&p, VALET_FOREVER), VALET_OK);
    valet_unpark(&p);
    CHECK_EQ(valet_park_until(&p, 1), VALET_OK); /* a token beats everything */

    struct valet_waiters w = VALET_WAITERS_INIT(3);
    CHECK_EQ(valet_compare_and_wait_until(&w, 3, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_compare_and_wait_until(&w, 4, 1), VALET_OK);
    uint32_t word = 7;
    CHECK_EQ(valet_futex_wait(&word, 8, 1), VALET_CHANGED);
    CHECK_EQ(valet_futex_wait(&word, 7, 0), VALET_TIMEDOUT);
}

static void park(void *p)
{
    CHECK_EQ(valet_park_until(p, VALET_FOREVER), VALET_OK);
}

static void test_a_park_without_a_deadline_ends(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    struct test_thread *t = test_start(park, &p);
    test_until_parked(&p);
    valet_unpark(&p);
    test_join(t);
}

TEST_PROGRAM(TEST(test_there_is_no_clock), TEST(test_timed_calls_are_not_supported),
             TEST(test_what_needs_no_clock_works), TEST(test_a_park_without_a_deadline_ends));
