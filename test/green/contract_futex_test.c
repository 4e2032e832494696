/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Each sentence of include/valet_sys.h about the futex kind, on sys_futex.c; and what only this
 * kind does. */
#include "control.h"
#include "sched.h"
#include "test.h"
#include "valet_sys.h"

#define MS 1000000u

static _Alignas(4) uint32_t word, other_word;

/* Threads that wait on a word for as long as it is 0, and in which order they came back. */
static struct sleeper {
    struct test_thread *thread;
    uint32_t *word;
    uint64_t deadline;
    int result;
    unsigned place; /* 0: not back */
} sleepers[4];
static unsigned back;

static void sleep_on_word(void *sleeper)
{
    struct sleeper *s = sleeper;
    s->result = valet_sys_futex_wait(s->word, 0, s->deadline);
    green_lock();
    s->place = ++back;
    green_unlock();
}

static void start_sleeper(int i, uint32_t *on, uint64_t deadline)
{
    sleepers[i] = (struct sleeper){.word = on, .deadline = deadline};
    sleepers[i].thread = test_start(sleep_on_word, &sleepers[i]);
    if (deadline == VALET_FOREVER)
        control_until_blocked(sleepers[i].thread);
    else /* it may be over already on a busy machine */
        while (control.waits != (unsigned)i + 1)
            test_yield();
}

static void begin(void)
{
    control_reset();
    word = other_word = 0;
    back = 0;
}

static void end(int count)
{
    for (int i = 0; i < count; i++)
        test_join(sleepers[i].thread);
}

/* Until so many are back, and long enough that one more would be, too. */
static void let_come_back(unsigned count)
{
    while (*(volatile unsigned *)&back < count)
        test_yield();
    test_sleep(1 * MS);
    CHECK_EQ(back, count);
}

static void test_wait_does_not_block_on_another_value(void)
{
    begin();
    CHECK_EQ(valet_sys_futex_wait(&word, 1, VALET_FOREVER), VALET_CHANGED);
    CHECK_EQ(valet_sys_futex_wait(&word, 1, 0), VALET_CHANGED);
    word = UINT32_MAX;
    CHECK_EQ(valet_sys_futex_wait(&word, UINT32_MAX - 1, VALET_FOREVER), VALET_CHANGED);
}

static void test_wait_times_out_and_never_early(void)
{
    uint32_t random = 1;
    begin();
    CHECK_EQ(valet_sys_futex_wait(&word, 0, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_sys_futex_wait(&word, 0, 1), VALET_TIMEDOUT);
    for (int i = 0; i < 100; i++) {
        uint64_t deadline = valet_sys_now() + test_random(&random) % (2 * MS);
        CHECK_EQ(valet_sys_futex_wait(&word, 0, deadline), VALET_TIMEDOUT);
        CHECK(valet_sys_now() >= deadline);
    }
}

static void test_wake_wakes_as_many_as_it_says_and_the_oldest_first(void)
{
    begin();
    for (int i = 0; i < 4; i++)
        start_sleeper(i, &word, VALET_FOREVER);
    CHECK_EQ(back, 0);
    valet_sys_futex_wake(&word, 1);
    let_come_back(1);
    CHECK_EQ(sleepers[0].place, 1);
    CHECK_EQ(valet_sys_futex_wake_with(&word, 2, 0), 2);
    let_come_back(3);
    CHECK_EQ(sleepers[3].place, 0);
    valet_sys_futex_wake(&word, VALET_SYS_ALL);
    end(4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(sleepers[i].result, VALET_OK);

    begin();
    for (int i = 0; i < 4; i++)
        start_sleeper(i, &word, VALET_FOREVER);
    CHECK_EQ(valet_sys_futex_wake_with(&word, VALET_SYS_ALL, 0), 4);
    end(4);
    CHECK_EQ(valet_sys_futex_wake_with(&word, VALET_SYS_ALL, 0), 0);
}

static void test_requeue_wakes_the_oldest_and_moves_the_next(void)
{
    begin();
    for (int i = 0; i < 4; i++)
        start_sleeper(i, &word, VALET_FOREVER);
    CHECK_EQ(valet_sys_futex_requeue(&word, 1, 1, &other_word, 1, 0), VALET_CHANGED);
    CHECK_EQ(valet_sys_futex_requeue(&word, 0, 1, &other_word, 2, 0), VALET_OK);
    let_come_back(1);
    CHECK_EQ(sleepers[0].place, 1);
    CHECK_EQ(valet_sys_futex_wake_with(&word, VALET_SYS_ALL, 0), 1);
    let_come_back(2);
    CHECK_EQ(sleepers[3].place, 2);
    CHECK_EQ(valet_sys_futex_wake_with(&other_word, VALET_SYS_ALL, 0), 2);
    end(4);
}

static void test_wake_is_for_its_word_only(void)
{
    begin();
    start_sleeper(0, &word, VALET_FOREVER);
    start_sleeper(1, &other_word, VALET_FOREVER);
    start_sleeper(2, &word, VALET_FOREVER);
    valet_sys_futex_wake(&other_word, VALET_SYS_ALL);
    let_come_back(1);
    CHECK_EQ(sleepers[1].place, 1);
    valet_sys_futex_wake(&word, VALET_SYS_ALL);
    end(3);
}

static void test_wake_of_a_dead_word_is_nothing(void)
{
    begin();
    uint32_t *page = test_map();
    start_sleeper(0, &word, VALET_FOREVER);
    test_unmap(page);
    valet_sys_futex_wake(page, 1);
    valet_sys_futex_wake(page, VALET_SYS_ALL);
    CHECK_EQ(back, 0);
    valet_sys_futex_wake(&word, 1);
    end(1);
}

/* A sleeper whose deadline comes, in the middle of the queue, leaves the queue whole. */
static void test_a_timeout_leaves_the_queue_whole(void)
{
    for (int leaver = 0; leaver < 3; leaver++) {
        begin();
        for (int i = 0; i < 3; i++)
            start_sleeper(i, &word, i == leaver ? valet_sys_now() + 20 * MS : VALET_FOREVER);
        test_join(sleepers[leaver].thread);
        CHECK_EQ(sleepers[leaver].result, VALET_TIMEDOUT);
        start_sleeper(3, &word, VALET_FOREVER);
        sleepers[leaver] = sleepers[3];
        valet_sys_futex_wake(&word, 2);
        let_come_back(3);
        valet_sys_futex_wake(&word, 1);
        end(3);
    }
}

static void wake_one(void *unused)
{
    (void)unused;
    valet_sys_futex_wake(&word, 1);
}

/* The sleeper is ready, since its deadline has come, but has not run yet when it is woken. */
static void test_a_wake_that_chose_a_late_sleeper_is_not_called_a_timeout(void)
{
    bool was = green_preempt(false), in_time;
    uint64_t margin = 10 * MS;
    do { /* again with more, if the machine is so busy that the deadline came first */
        begin();
        uint64_t deadline = valet_sys_now() + margin;
        start_sleeper(0, &word, deadline);
        test_yield();
        struct test_thread *waker = test_start(wake_one, NULL);
        in_time = valet_sys_now() < deadline;
        while (valet_sys_now() <= deadline)
            ;
        test_yield(); /* the queue is now: waker, this thread, sleeper */
        if (in_time)
            CHECK_EQ(back, 0);
        end(1);
        test_join(waker);
        margin *= 2;
    } while (!in_time);
    CHECK_EQ(sleepers[0].result, VALET_OK);
    green_preempt(was);
}

static void test_a_wait_that_is_interrupted_is_ok(void)
{
    begin();
    start_sleeper(0, &word, VALET_FOREVER);
    test_interrupt(sleepers[0].thread, NULL, NULL);
    end(1);
    CHECK_EQ(sleepers[0].result, VALET_OK);
}

/* ---- from a handler -------------------------------------------------------------------------- */

static struct valet_parker parker;
static struct valet_waiters waiters;

static void unpark(void *p)
{
    valet_unpark(p);
}

static void store(void *w)
{
    valet_store_and_wake(w, 1);
}

static void park(void *p)
{
    CHECK_EQ(valet_park(p), VALET_OK);
}

static void wait_for_change(void *w)
{
    CHECK_EQ(valet_compare_and_wait(w, 0), VALET_OK);
}

/* The handler runs on the very thread that it wakes: blocked, and at any instruction of its way. */
static void test_a_handler_wakes_its_own_thread(void)
{
    for (int i = 0; i < 2000; i++) {
        begin();
        parker = (struct valet_parker)VALET_PARKER_INIT;
        waiters = (struct valet_waiters)VALET_WAITERS_INIT(0);
        struct test_thread *a = test_start(park, &parker);
        struct test_thread *b = test_start(wait_for_change, &waiters);
        for (int k = 0; k < i % 4; k++)
            test_yield();
        test_interrupt(a, unpark, &parker);
        test_interrupt(b, store, &waiters);
        test_join(a);
        test_join(b);
        CHECK_EQ(valet_park_for(&parker, 0), VALET_TIMEDOUT);
    }
}

/* ---- odd answers ----------------------------------------------------------------------------- */

static int ok_and_changed(unsigned number)
{
    return number > 10 ? PASS : number % 2 ? VALET_OK : VALET_CHANGED;
}

static void test_answers_without_a_reason_do_not_end_a_sleep(void)
{
    begin();
    parker = (struct valet_parker)VALET_PARKER_INIT;
    control.on_wait = ok_and_changed;
    CHECK_EQ(valet_park_for(&parker, 2 * MS), VALET_TIMEDOUT);
    CHECK_EQ(control.waits, 11);

    begin();
    waiters = (struct valet_waiters)VALET_WAITERS_INIT(0);
    control.on_wait = ok_and_changed;
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, valet_now() + 2 * MS), VALET_TIMEDOUT);
    CHECK_EQ(control.waits, 11);
}

static void test_the_count_of_a_wake_is_passed_on(void)
{
    static const struct {
        uint32_t given, passed;
    } counts[] = {{1, 1},
                  {7, 7},
                  {INT32_MAX, INT32_MAX},
                  {INT32_MAX + 1u, VALET_SYS_ALL},
                  {UINT32_MAX, VALET_SYS_ALL}};
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        begin();
        CHECK_EQ(valet_futex_wake(&word, counts[i].given), 0); /* the system's answer */
        CHECK_EQ(control.wakes, 1);
        CHECK_EQ(control.wake_count, counts[i].passed);
    }
}

TEST_PROGRAM(TEST(test_wait_does_not_block_on_another_value),
             TEST(test_wait_times_out_and_never_early),
             TEST(test_wake_wakes_as_many_as_it_says_and_the_oldest_first),
             TEST(test_requeue_wakes_the_oldest_and_moves_the_next),
             TEST(test_wake_is_for_its_word_only), TEST(test_wake_of_a_dead_word_is_nothing),
             TEST(test_a_timeout_leaves_the_queue_whole),
             TEST(test_a_wake_that_chose_a_late_sleeper_is_not_called_a_timeout),
             TEST(test_a_wait_that_is_interrupted_is_ok), TEST(test_a_handler_wakes_its_own_thread),
             TEST(test_answers_without_a_reason_do_not_end_a_sleep),
             TEST(test_the_count_of_a_wake_is_passed_on));
