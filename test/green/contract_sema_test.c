/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Each sentence of include/valet_sys.h about the sema kind, on sys_sema.c; and what only this
 * kind does. */
#include "control.h"
#include "sched.h"
#include "test.h"
#include "valet_sys.h"

#define MS 1000000u

/* ---- the contract ---------------------------------------------------------------------------- */

static void test_a_post_before_the_wait_is_kept(void)
{
    struct valet_sema t;
    control_reset();
    CHECK_EQ(valet_sys_sema_init(&t), VALET_OK);
    valet_sys_sema_post(&t);
    CHECK_EQ(valet_sys_sema_wait(&t, VALET_FOREVER), VALET_OK);
    valet_sys_sema_fini(&t);

    CHECK_EQ(valet_sys_sema_init(&t), VALET_OK);
    valet_sys_sema_post(&t);
    CHECK_EQ(valet_sys_sema_wait(&t, 1), VALET_OK); /* it beats a deadline that has passed */
    valet_sys_sema_fini(&t);
}

static void test_a_timeout_is_never_early_and_consumes_nothing(void)
{
    struct valet_sema t;
    uint32_t random = 1;
    control_reset();
    CHECK_EQ(valet_sys_sema_init(&t), VALET_OK);
    CHECK_EQ(valet_sys_sema_wait(&t, 1), VALET_TIMEDOUT);
    for (int i = 0; i < 100; i++) {
        uint64_t deadline = valet_sys_now() + test_random(&random) % (2 * MS);
        CHECK_EQ(valet_sys_sema_wait(&t, deadline), VALET_TIMEDOUT);
        CHECK(valet_sys_now() >= deadline);
    }
    valet_sys_sema_post(&t);
    CHECK_EQ(valet_sys_sema_wait(&t, VALET_FOREVER), VALET_OK);
    valet_sys_sema_fini(&t);
}

static struct valet_sema *waiting_sema;
static atomic_bool returned;

static void wait_for_post(void *deadline)
{
    struct valet_sema t;
    CHECK_EQ(valet_sys_sema_init(&t), VALET_OK);
    waiting_sema = &t;
    CHECK_EQ(valet_sys_sema_wait(&t, *(uint64_t *)deadline), VALET_OK);
    returned = true;
    valet_sys_sema_fini(&t);
}

static void test_only_the_post_ends_a_wait(void)
{
    uint64_t deadlines[] = {VALET_FOREVER, valet_sys_now() + 1000000ull * MS};
    for (int i = 0; i < 2; i++) {
        control_reset();
        returned = false;
        struct test_thread *t = test_start(wait_for_post, &deadlines[i]);
        for (int k = 0; k < 5; k++) {
            control_until_blocked(t);
            test_interrupt(t, NULL, NULL);
        }
        control_until_blocked(t);
        CHECK(!returned);
        valet_sys_sema_post(waiting_sema);
        test_join(t);
        CHECK_EQ(control.waits, 1);
    }
}

/* ---- operations that fail -------------------------------------------------------------------- */

static struct valet_parker parker;
static struct valet_waiters waiters;
static _Alignas(4) uint32_t word;

static int sleep_park(void)
{
    return valet_park(&parker);
}

static void wake_parker(void)
{
    valet_unpark(&parker);
}

static int sleep_waiters(void)
{
    return valet_compare_and_wait(&waiters, 0);
}

static void wake_waiters(void)
{
    valet_store_and_wake(&waiters, 1);
}

static int sleep_futex(void)
{
    return valet_futex_wait(&word, 0, VALET_FOREVER);
}

static void wake_futex(void)
{
    valet_futex_wake(&word, 1);
}

static const struct operation {
    int (*sleep)(void);
    void (*wake)(void);
} operations[] = {
    {sleep_park, wake_parker}, {sleep_waiters, wake_waiters}, {sleep_futex, wake_futex}};
static const struct operation *under_test;

static void begin(int operation)
{
    control_reset();
    parker = (struct valet_parker)VALET_PARKER_INIT;
    waiters = (struct valet_waiters)VALET_WAITERS_INIT(0);
    under_test = &operations[operation];
}

static void sleep_and_expect_ok(void *unused)
{
    (void)unused;
    CHECK_EQ(under_test->sleep(), VALET_OK);
}

static void check_usable(void)
{
    struct test_thread *t = test_start(sleep_and_expect_ok, NULL);
    control_until_blocked(t);
    under_test->wake();
    test_join(t);
}

static void test_a_semaphore_that_cannot_be_had_is_reported_and_not_used(void)
{
    for (int i = 0; i < 3; i++) {
        begin(i);
        control.init_answer = VALET_ERR_SYSTEM;
        CHECK_EQ(under_test->sleep(), VALET_ERR_SYSTEM);
        CHECK_EQ(control.inits, 1);
        CHECK_EQ(control_calls(), 1);
        under_test->wake(); /* wakes nobody, and touches no frame */
        CHECK_EQ(control.posts, 0);
        begin(i);
        check_usable();
    }
    begin(0);
    control.init_answer = VALET_ERR_SYSTEM;
    valet_unpark(&parker);
    CHECK_EQ(valet_park(&parker), VALET_OK); /* the parker's own token needs no system */
    CHECK_EQ(valet_park(&parker), VALET_ERR_SYSTEM);
    CHECK_EQ(valet_park_for(&parker, 0), VALET_TIMEDOUT); /* not BUSY */
}

/*
 * The post is on its way: the waker has taken the sleeper off the record, and is stopped just
 * before it posts. Meanwhile the system refuses the sleeper again and again.
 */
#define REFUSALS 5
static int refusal;
static atomic_uint refused;
static atomic_bool may_wake, on_its_way, released, post_done;

static int refuse_until_released(unsigned number)
{
    (void)number;
    if (released)
        return PASS;
    may_wake = true;
    while (!on_its_way)
        test_yield();
    refused++;
    test_yield();
    return refused % 2 ? refusal : VALET_ERR_SYSTEM;
}

static void hold_the_post(void)
{
    on_its_way = true;
    while (refused < REFUSALS)
        test_yield();
    CHECK(!returned);
    released = true;
}

static void wake_when_told(void *unused)
{
    (void)unused;
    while (!may_wake)
        test_yield();
    under_test->wake();
    post_done = true;
}

/* Covers the frames of a call that has returned, and sees any touch that comes late. */
__attribute__((noinline)) static void watch_the_dead_frames(void)
{
    volatile unsigned char frame[2048];
    for (unsigned i = 0; i < sizeof frame; i++)
        frame[i] = 0xa5;
    while (!post_done)
        test_yield();
    for (int i = 0; i < 10; i++)
        test_yield();
    for (unsigned i = 0; i < sizeof frame; i++)
        CHECK_EQ(frame[i], 0xa5);
}

static void sleep_and_watch(void *unused)
{
    (void)unused;
    int r = under_test->sleep();
    returned = true;
    watch_the_dead_frames();
    CHECK_EQ(r, VALET_OK);
}

static void test_a_refused_sleeper_stays_for_a_post_on_its_way(void)
{
    static const int refusals[] = {VALET_ERR_SYSTEM, VALET_ERR_UNSUPPORTED, VALET_TIMEDOUT};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) {
            begin(i);
            refusal = refusals[k];
            refused = 0;
            may_wake = on_its_way = released = returned = post_done = false;
            control.on_wait = refuse_until_released;
            control.on_post = hold_the_post;
            struct test_thread *sleeper = test_start(sleep_and_watch, NULL);
            struct test_thread *waker = test_start(wake_when_told, NULL);
            test_join(sleeper);
            test_join(waker);
            CHECK(refused >= REFUSALS);
            CHECK_EQ(control.posts, 1);
            CHECK_EQ(control.inits, 1);
            CHECK_EQ(control.finis, 1);
        }
    }
}

/* ---- the queues ------------------------------------------------------------------------------ */

static unsigned leaver; /* the number of its wait */
static atomic_bool may_leave;
static atomic_uint woken, left;

static int hold_the_leaver_then_refuse(unsigned number)
{
    if (number != leaver)
        return PASS;
    while (!may_leave)
        test_yield();
    return VALET_ERR_SYSTEM;
}

static void sleep_or_leave(void *unused)
{
    (void)unused;
    int r = under_test->sleep();
    CHECK(r == VALET_OK || r == VALET_ERR_SYSTEM);
    (r == VALET_OK ? &woken : &left)[0]++;
}

static void start_sleepers(struct test_thread *t[3], void (*run)(void *))
{
    for (uintptr_t k = 0; k < 3; k++) {
        t[k] = test_start(run, (void *)k);
        while (control.waits != k + 1)
            test_yield();
    }
}

/* Three sleep; one of them leaves, the oldest, the middle or the newest; the others are woken. */
static void test_one_who_leaves_leaves_the_queue_whole(void)
{
    for (int i = 1; i < 3; i++) {
        for (leaver = 1; leaver <= 3; leaver++) {
            struct test_thread *t[3];
            begin(i);
            may_leave = false;
            woken = left = 0;
            control.on_wait = hold_the_leaver_then_refuse;
            start_sleepers(t, sleep_or_leave);
            may_leave = true;
            test_join(t[leaver - 1]);
            CHECK_EQ(left, 1);
            CHECK_EQ(woken, 0);
            control.on_wait = NULL;
            under_test->wake();
            if (under_test->wake == wake_futex)
                under_test->wake();
            for (unsigned k = 1; k <= 3; k++)
                if (k != leaver)
                    test_join(t[k - 1]);
            CHECK_EQ(left, 1);
            CHECK_EQ(woken, 2);
            CHECK_EQ(control.posts, 2);
            CHECK_EQ(control.waits, 3);
        }
    }
}

static int hold_all_but_the_fourth(unsigned number)
{
    for (bool held = number < 4; held && !may_leave;)
        test_yield();
    return PASS;
}

static void give_up(void *deadline)
{
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, *(uint64_t *)deadline), VALET_TIMEDOUT);
}

/* A crowd with one deadline: the first to give up, though the newest, takes them all out, so a
 * waker that comes then has nobody to post to. */
static void test_one_who_gives_up_takes_out_all_whose_deadline_has_come(void)
{
    struct test_thread *t[3];
    begin(1);
    may_leave = false;
    control.on_wait = hold_all_but_the_fourth;
    uint64_t deadline = valet_sys_now() + 1 * MS;
    for (unsigned k = 0; k < 3; k++) {
        t[k] = test_start(give_up, &deadline);
        while (control.waits != k + 1)
            test_yield();
    }
    while (valet_sys_now() < deadline)
        ;
    give_up(&deadline);
    valet_store_and_wake(&waiters, 0);
    CHECK_EQ(control.posts, 0);
    may_leave = true;
    for (unsigned k = 0; k < 3; k++)
        test_join(t[k]);
    CHECK_EQ(control.posts, 0);
}

static void sleep_and_count(void *place)
{
    CHECK_EQ(sleep_futex(), VALET_OK);
    CHECK_EQ(woken++, (uintptr_t)place);
}

static void test_the_futex_queue_is_first_in_first_out(void)
{
    struct test_thread *t[3];
    begin(2);
    woken = 0;
    start_sleepers(t, sleep_and_count);
    for (int k = 0; k < 3; k++) {
        wake_futex();
        CHECK_EQ(control.posts, k + 1);
        test_join(t[k]);
    }
    wake_futex();
    CHECK_EQ(control.posts, 3);
}

static void sleep_and_come_in_turn(void *place)
{
    static const unsigned turn[3] = {0, 2, 1}; /* the oldest, then the newest and those before it */
    CHECK_EQ(sleep_waiters(), VALET_OK);
    CHECK_EQ(woken++, turn[(uintptr_t)place]);
}

static void test_the_oldest_of_the_waiters_is_woken_first(void)
{
    bool preempted = green_preempt(false); /* who is woken first is to come first */
    for (int wakes = 0; wakes < 2; wakes++) {
        struct test_thread *t[3];
        begin(1);
        woken = 0;
        start_sleepers(t, sleep_and_come_in_turn);
        if (wakes) {
            unsigned expected = 0;
            CHECK(valet_waiters_compare_exchange(&waiters, &expected, 1));
            valet_waiters_wake(&waiters);
        } else {
            wake_waiters();
        }
        CHECK_EQ(control.posts, 3);
        for (int k = 0; k < 3; k++)
            test_join(t[k]);
    }
    green_preempt(preempted);
}

TEST_PROGRAM(TEST(test_a_post_before_the_wait_is_kept),
             TEST(test_a_timeout_is_never_early_and_consumes_nothing),
             TEST(test_only_the_post_ends_a_wait),
             TEST(test_a_semaphore_that_cannot_be_had_is_reported_and_not_used),
             TEST(test_a_refused_sleeper_stays_for_a_post_on_its_way),
             TEST(test_one_who_leaves_leaves_the_queue_whole),
             TEST(test_one_who_gives_up_takes_out_all_whose_deadline_has_come),
             TEST(test_the_futex_queue_is_first_in_first_out),
             TEST(test_the_oldest_of_the_waiters_is_woken_first));
