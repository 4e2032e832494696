/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The loops of codegen/vector.c, run where the kernel does destroy what a trap does not keep
 * (QEMU's user mode keeps it all): a job is finished and the thread that waits for it is woken, by
 * a system call; the elements of the next jobs must be right, too.
 *
 * LOSES: the planted fault, a trap in the loop. Then tests must find a wrong element.
 */
/* As if in a file of their own: a compiler that knew the lengths would make other loops. */
#if defined __clang__
#define USER __attribute__((noinline))
#else
#define USER __attribute__((noipa))
#endif
#include "test/codegen/vector.c"

#include "test.h"

enum { JOBS = 4 };

#ifdef LOSES
#define LOST true
#else
#define LOST false
#endif
/* RISC-V adds a number from a register of its own to a vector: there is nothing to lose. */
#ifdef __riscv
#define LOST_SUM false
#else
#define LOST_SUM LOST
#endif

static float sums[JOBS][LENGTH], numbers[LENGTH];
static uint32_t indices[JOBS][LENGTH];

static float start(int k, int i)
{
    return (float)(k * LENGTH + i);
}

static void fill(void)
{
    for (int k = 0; k < JOBS; k++) {
        for (int i = 0; i < LENGTH; i++) {
            sums[k][i] = start(k, i);
            indices[k][i] = (uint32_t)k;
            numbers[i] = (float)i;
        }
    }
}

/* How many elements are right, of those that the loops fill in each job: at most `most`. */
static void check(int right, int most, bool loses)
{
    test_report("elements right", (uint64_t)right, "");
    if (loses)
        CHECK(right < most);
    else
        CHECK_EQ(right, most);
}

static void check_sum(void)
{
    int right = 0;
    for (int k = 0; k < JOBS; k++) {
        for (int i = 0; i < LENGTH; i++)
            right += sums[k][i] == start(k, i) + 0.5f;
    }
    check(right, JOBS * LENGTH, LOST_SUM);
}

static void check_index(void)
{
    int right = 0;
    for (int k = 0; k < JOBS; k++) {
        for (int i = 0; i < LENGTH; i++)
            right += indices[k][i] == (uint32_t)(k + 3 * i);
    }
    check(right, JOBS * LENGTH, LOST);
}

/* A vector is as long as it is; what it did not reach has its old value. */
static void check_kept(void)
{
    int right = 0, reached = 0;
    while (reached < LENGTH && sums[0][reached] == start(0, reached) + 2 * (float)reached)
        reached++;
    for (int k = 0; k < JOBS; k++) {
        for (int i = 0; i < reached; i++)
            right += sums[k][i] == start(k, i) + 2 * (float)i;
    }
    CHECK(reached >= 4);
    check(right, JOBS * reached, LOST);
}

/* ---- unpark, store_and_wake: the first one wakes a thread -------------------------------------
 */

static struct valet_parker parkers[JOBS];
static struct valet_waiters waiters[JOBS];

static void park_first(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_park(&parkers[0]), VALET_OK);
}

static struct test_thread *parked(void)
{
    fill();
    for (int k = 0; k < JOBS; k++)
        parkers[k] = (struct valet_parker)VALET_PARKER_INIT;
    struct test_thread *thread = test_start(park_first, NULL);
    test_until_parked(&parkers[0]);
    return thread;
}

static void wait_first(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_compare_and_wait(&waiters[0], 0), VALET_OK);
}

static struct test_thread *waited(void)
{
    fill();
    for (int k = 0; k < JOBS; k++)
        waiters[k] = (struct valet_waiters)VALET_WAITERS_INIT(0);
    struct test_thread *thread = test_start(wait_first, NULL);
    test_until_waited(&waiters[0]);
    return thread;
}

static void test_sum_unpark(void)
{
    struct test_thread *thread = parked();
    user_sum_unpark(sums, 0.5f, parkers, JOBS, 0);
    check_sum();
    test_join(thread);
}

static void test_index_unpark(void)
{
    struct test_thread *thread = parked();
    user_index_unpark(indices[0], 3, LENGTH, parkers, JOBS, 0);
    check_index();
    test_join(thread);
}

static void test_kept_unpark(void)
{
    struct test_thread *thread = parked();
    user_kept_unpark(sums, numbers, parkers, JOBS, 0);
    check_kept();
    test_join(thread);
}

static void test_sum_store_and_wake(void)
{
    struct test_thread *thread = waited();
    user_sum_store_and_wake(sums, 0.5f, waiters, JOBS, 0);
    check_sum();
    test_join(thread);
}

static void test_index_store_and_wake(void)
{
    struct test_thread *thread = waited();
    user_index_store_and_wake(indices[0], 3, LENGTH, waiters, JOBS, 0);
    check_index();
    test_join(thread);
}

static void test_kept_store_and_wake(void)
{
    struct test_thread *thread = waited();
    user_kept_store_and_wake(sums, numbers, waiters, JOBS, 0);
    check_kept();
    test_join(thread);
}

/* ---- now, park_until: each makes a system call ------------------------------------------------
 */

static void test_sum_now(void)
{
    uint64_t times[JOBS];
    fill();
    user_sum_now(sums, 0.5f, times, JOBS, 0);
    check_sum();
}

static void test_index_now(void)
{
    uint64_t times[JOBS];
    fill();
    user_index_now(indices[0], 3, LENGTH, times, JOBS, 0);
    check_index();
}

static void test_kept_now(void)
{
    uint64_t times[JOBS];
    fill();
    user_kept_now(sums, numbers, times, JOBS, 0);
    check_kept();
}

#ifdef LOSES
TEST_PROGRAM(TEST(test_sum_unpark), TEST(test_index_unpark), TEST(test_kept_unpark),
             TEST(test_sum_store_and_wake), TEST(test_index_store_and_wake),
             TEST(test_kept_store_and_wake), TEST(test_sum_now), TEST(test_index_now),
             TEST(test_kept_now));
#else
/* What they wait in is no part of the loop with the fault either. */
static uint64_t soon(void)
{
    fill();
    for (int k = 0; k < JOBS; k++)
        parkers[k] = (struct valet_parker)VALET_PARKER_INIT;
    return valet_now() + 1000000;
}

static void test_sum_park_until(void)
{
    user_sum_park_until(sums, 0.5f, parkers, JOBS, soon());
    check_sum();
}

static void test_index_park_until(void)
{
    user_index_park_until(indices[0], 3, LENGTH, parkers, JOBS, soon());
    check_index();
}

static void test_kept_park_until(void)
{
    user_kept_park_until(sums, numbers, parkers, JOBS, soon());
    check_kept();
}

TEST_PROGRAM(TEST(test_sum_unpark), TEST(test_index_unpark), TEST(test_kept_unpark),
             TEST(test_sum_store_and_wake), TEST(test_index_store_and_wake),
             TEST(test_kept_store_and_wake), TEST(test_sum_now), TEST(test_index_now),
             TEST(test_kept_now), TEST(test_sum_park_until), TEST(test_index_park_until),
             TEST(test_kept_park_until));
#endif
