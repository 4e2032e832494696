/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Hosted systems: a thread that waits sleeps. A loop that looks again and again would pass every
 * other test; here the CPU time of the process gives it away. */
#define _POSIX_C_SOURCE 200809L

#include <time.h>

#include "load.h"
#include "test.h"

static struct valet_parker parker;
static struct valet_waiters waiters;
static _Alignas(4) uint32_t word;
static atomic_bool done;

static uint64_t soon(void)
{
    return valet_now() + 200 * MS;
}

static void parks(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_park(&parker), VALET_OK);
}

static void parks_timed(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_park_until(&parker, soon()), VALET_TIMEDOUT);
}

static void waits(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_compare_and_wait(&waiters, 0), VALET_OK);
}

static void waits_timed(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, soon()), VALET_TIMEDOUT);
}

static void futex_waits(void *unused)
{
    (void)unused;
    int r = valet_futex_wait(&word, 0, VALET_FOREVER);
    CHECK(r == VALET_OK || r == VALET_CHANGED); /* the latter if it had no CPU until the wake */
}

static void futex_waits_timed(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_futex_wait(&word, 0, soon()), VALET_TIMEDOUT);
}

/* By the wall clock a time_t of 32 bits ends in 2038, and seconds and ns of 64 in 292 years. */
static uint64_t far;

static void parks_by_the_wall_clock(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_park_with(&parker, far, VALET_REALTIME), VALET_OK);
}

static uint64_t cpu_time(void)
{
    struct timespec t;
    CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * S + (uint64_t)t.tv_nsec;
}

/* Who looks again and again computes all the time. But where this machine itself has no CPU for a
 * while, that is counted to whoever had it, be it for a moment: so once in four is enough. */
static void check_uses_little(const char *what, uint64_t (*use)(void (*run)(void *)),
                              void (*run)(void *), uint64_t most)
{
    uint64_t used = use(run);
    for (unsigned tries = 1; used >= most && tries < 4; tries++)
        used = use(run);
    test_report(what, used / US, "us of CPU");
    CHECK(used < most);
}

/* 200 ms of waiting. */
static uint64_t cpu_of_a_wait(void (*run)(void *))
{
    struct test_thread *t = test_start(run, NULL);
    test_sleep(20 * MS);
    uint64_t before = cpu_time();
    test_sleep(150 * MS);
    uint64_t used = cpu_time() - before;
    valet_unpark(&parker);
    valet_store_and_wake(&waiters, 1);
    __atomic_store_n(&word, 1, __ATOMIC_RELAXED);
    valet_futex_wake(&word, 1);
    test_join(t);
    (void)!valet_park_for(&parker, 0); /* a token may be left, or not */
    valet_store_and_wake(&waiters, 0);
    __atomic_store_n(&word, 0, __ATOMIC_RELAXED);
    return used;
}

/* Less than a fifth of it computing. */
static void check_sleeps(const char *what, void (*run)(void *))
{
    check_uses_little(what, cpu_of_a_wait, run, 30 * MS);
}

static void test_waiting_threads_sleep(void)
{
    check_sleeps("valet_park", parks);
    check_sleeps("valet_compare_and_wait", waits);
    check_sleeps("valet_futex_wait", futex_waits);
}

static void test_far_deadlines_by_the_wall_clock_sleep(void)
{
    const uint64_t years[] = {INT32_MAX * S - 1, INT32_MAX * S,           UINT32_MAX * S,
                              INT64_MAX,         (uint64_t)INT64_MAX + 1, VALET_FOREVER - 1};
    for (unsigned i = 0; i < 6 && (valet_features() & VALET_REALTIME); i++) {
        far = years[i];
        check_sleeps("valet_park_with, years ahead", parks_by_the_wall_clock);
    }
}

/* Their deadline comes within the time that the CPU is watched. */
static uint64_t cpu_of_a_timed_wait(void (*run)(void *))
{
    uint64_t before = cpu_time();
    struct test_thread *t = test_start(run, NULL);
    test_join(t);
    return cpu_time() - before;
}

static void check_sleeps_timed(const char *what, void (*run)(void *))
{
    check_uses_little(what, cpu_of_a_timed_wait, run, 40 * MS);
}

static void test_waiting_threads_sleep_until_their_deadline(void)
{
    check_sleeps_timed("valet_park_until", parks_timed);
    check_sleeps_timed("valet_compare_and_wait_until", waits_timed);
    check_sleeps_timed("valet_futex_wait", futex_waits_timed);
}

/* Both records of waiters on one word: those of state 0 and of state 1. */
static void waits_for_another(void *unused)
{
    (void)unused;
    for (;;) {
        unsigned s = valet_waiters_state(&waiters);
        if (atomic_load(&done)) /* said before the last state is set: that one is not waited on */
            return;
        CHECK_EQ(valet_compare_and_wait(&waiters, s), VALET_OK);
    }
}

static uint64_t cpu_of_waiters(void (*unused)(void *))
{
    (void)unused;
    test_sleep(20 * MS);
    uint64_t before = cpu_time();
    test_sleep(150 * MS);
    return cpu_time() - before;
}

static void test_waiters_sleep_again_when_they_were_woken(void)
{
    struct test_thread *t[4];
    for (int i = 0; i < 4; i++)
        t[i] = test_start(waits_for_another, NULL);
    for (unsigned s = 1; s <= 20; s++) {
        test_until_waited(&waiters);
        if (s % 2) {
            unsigned e = valet_waiters_state(&waiters);
            CHECK(valet_waiters_compare_exchange(&waiters, &e, s));
            test_sleep(1 * MS);
        }
        valet_store_and_wake(&waiters, s);
    }
    check_uses_little("4 threads in valet_compare_and_wait", cpu_of_waiters, NULL, 30 * MS);
    atomic_store(&done, true);
    valet_store_and_wake(&waiters, 31);
    for (int i = 0; i < 4; i++)
        test_join(t[i]);
}

TEST_PROGRAM(TEST(test_waiting_threads_sleep), TEST(test_far_deadlines_by_the_wall_clock_sleep),
             TEST(test_waiting_threads_sleep_until_their_deadline),
             TEST(test_waiters_sleep_again_when_they_were_woken));
