/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the library asks of its system, and what it does with the answers: the same on both kinds.
 */
#include "control.h"
#include "sched.h"
#include "test.h"

#define MS      1000000u
#define FUTEX   VALET_TEST_FUTEX_KIND
#define WAITERS 1000

static struct valet_parker parker;
static struct valet_waiters waiters;
static _Alignas(4) uint32_t word;

static void park(void *p)
{
    CHECK_EQ(valet_park(p), VALET_OK);
}

static void wait_for_change(void *w)
{
    CHECK_EQ(valet_compare_and_wait(w, 0), VALET_OK);
}

static uint64_t in(uint64_t ns)
{
    return green_now() + ns;
}

static void begin(void)
{
    control_reset();
    parker = (struct valet_parker)VALET_PARKER_INIT;
    waiters = (struct valet_waiters)VALET_WAITERS_INIT(0);
    word = 0;
}

/* ---- how many calls -------------------------------------------------------------------------- */

static void test_without_contention_there_is_no_call(void)
{
    begin();
    valet_unpark(&parker);
    CHECK_EQ(valet_park(&parker), VALET_OK);
    valet_unpark(&parker);
    valet_unpark(&parker);
    CHECK_EQ(valet_park_until(&parker, 1), VALET_OK);
    CHECK_EQ(valet_park_until(&parker, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_park_for(&parker, 0), VALET_TIMEDOUT);
    valet_unpark(&parker);
    CHECK_EQ(valet_park_for(&parker, VALET_FOREVER), VALET_OK);

    unsigned state = 0;
    valet_store_and_wake(&waiters, 0);
    CHECK_EQ(valet_compare_and_wait(&waiters, 1), VALET_OK);
    CHECK_EQ(valet_compare_and_wait(&waiters, VALET_STATE_MAX + 1), VALET_ERR_INVALID);
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 0), VALET_TIMEDOUT);
    CHECK(valet_waiters_compare_exchange(&waiters, &state, 3));
    CHECK_EQ(valet_waiters_state(&waiters), 3);

    valet_futex_wake(&word, 0);
    CHECK_EQ(valet_futex_wait(NULL, 0, VALET_FOREVER), VALET_ERR_INVALID);
    CHECK_EQ(control_calls() + control.nows, 0);
}

static void test_a_sleep_is_one_wait_and_its_end_one_wake(void)
{
    for (int i = 0; i < 100; i++) {
        begin();
        struct test_thread *t = test_start(park, &parker);
        test_until_parked(&parker);
        if (i % 2 != 0) /* else the unpark may come before the wait */
            while (control.waits == 0)
                test_yield();
        valet_unpark(&parker);
        test_join(t);
        CHECK_EQ(control.waits, 1);
        CHECK_EQ(control.wakes, FUTEX ? 1 : 0);
        CHECK_EQ(control.wake_count, FUTEX ? 1 : 0);
        CHECK_EQ(control.inits, FUTEX ? 0 : 1);
        CHECK_EQ(control.posts, FUTEX ? 0 : 1);
        CHECK_EQ(control.finis, FUTEX ? 0 : 1);
        CHECK_EQ(control.nows, 0);
    }
}

static void test_store_and_wake_is_one_wake_or_one_post_for_each(void)
{
    static struct test_thread *all[WAITERS];
    begin();
    for (int i = 0; i < WAITERS; i++)
        all[i] = test_start(wait_for_change, &waiters);
    while (control.waits != WAITERS)
        test_yield();
    valet_store_and_wake(&waiters, 1);
    for (int i = 0; i < WAITERS; i++)
        test_join(all[i]);
    CHECK_EQ(control.waits, WAITERS);
    CHECK_EQ(control.wakes, FUTEX ? 1 : 0);
    CHECK_EQ(control.wake_count, FUTEX ? UINT32_MAX : 0);
    CHECK_EQ(control.inits, FUTEX ? 0 : WAITERS);
    CHECK_EQ(control.posts, FUTEX ? 0 : WAITERS);
    CHECK_EQ(control.finis, FUTEX ? 0 : WAITERS);

    unsigned before = control_calls();
    valet_store_and_wake(&waiters, 2); /* nobody has waited since */
    CHECK_EQ(control_calls(), before);
}

static void test_a_second_parker_is_busy_without_a_call(void)
{
    begin();
    struct test_thread *t = test_start(park, &parker);
    while (control.waits == 0)
        test_yield();
    unsigned before = control_calls();
    CHECK_EQ(valet_park(&parker), VALET_ERR_BUSY);
    CHECK_EQ(valet_park_for(&parker, 0), VALET_ERR_BUSY);
    CHECK_EQ(valet_park_until(&parker, in(1 * MS)), VALET_ERR_BUSY);
    CHECK_EQ(control_calls(), before);
    valet_unpark(&parker);
    test_join(t);
    CHECK_EQ(valet_park_for(&parker, 0), VALET_TIMEDOUT);
}

static void test_an_interrupt_does_not_end_a_park(void)
{
    begin();
    struct test_thread *t = test_start(park, &parker);
    for (unsigned i = 1; i <= 5; i++) {
        while (control.waits < (FUTEX ? i : 1)) /* the sema kind's system absorbs it */
            test_yield();
        control_until_blocked(t);
        test_interrupt(t, NULL, NULL);
    }
    control_until_blocked(t);
    CHECK_EQ(valet_park_for(&parker, 0), VALET_ERR_BUSY); /* still parked */
    CHECK_EQ(control.waits, FUTEX ? 6 : 1);
    valet_unpark(&parker);
    test_join(t);
}

/* ---- a system that refuses ------------------------------------------------------------------- */

static int refusal;

static int refuse(unsigned number)
{
    (void)number;
    return refusal;
}

/* Everything that sleeps, and what ends it: on objects that `begin` has reset. */
static int sleep_park(uint64_t deadline)
{
    return deadline == VALET_FOREVER ? valet_park(&parker) : valet_park_until(&parker, deadline);
}

static int sleep_park_for(uint64_t deadline)
{
    return valet_park_for(&parker, deadline == VALET_FOREVER ? deadline : 1000 * MS);
}

static int sleep_waiters(uint64_t deadline)
{
    return valet_compare_and_wait_until(&waiters, 0, deadline);
}

static int sleep_futex(uint64_t deadline)
{
    return valet_futex_wait(&word, 0, deadline);
}

static void wake_parker(void)
{
    valet_unpark(&parker);
}

static void wake_waiters(void)
{
    valet_store_and_wake(&waiters, 1);
}

static void exchange_waiters(void)
{
    unsigned expected = 0;
    CHECK(valet_waiters_compare_exchange(&waiters, &expected, 1));
}

static void wake_futex(void)
{
    __atomic_store_n(&word, 1, __ATOMIC_RELAXED);
    valet_futex_wake(&word, 1);
}

static const struct operation {
    int (*sleep)(uint64_t deadline);
    void (*wake)(void);
} operations[] = {{sleep_park, wake_parker},
                  {sleep_park_for, wake_parker},
                  {sleep_waiters, wake_waiters},
                  {sleep_futex, wake_futex},
                  {sleep_waiters, exchange_waiters}};
#define OPERATIONS     4 /* those that end a sleep */
#define ALL_OPERATIONS 5

enum { OF_THE_EMBEDDER = -20 };
static const int refusals[] = {VALET_ERR_SYSTEM, VALET_ERR_UNSUPPORTED, VALET_TIMEDOUT,
                               OF_THE_EMBEDDER};
#define REFUSALS (int)(sizeof refusals / sizeof *refusals)

static void sleep_and_expect_ok(void *operation)
{
    CHECK_EQ(((const struct operation *)operation)->sleep(VALET_FOREVER), VALET_OK);
}

/* The object sleeps and wakes as a new one. */
static void check_usable(const struct operation *o)
{
    struct test_thread *t = test_start(sleep_and_expect_ok, (void *)(uintptr_t)o);
    control_until_blocked(t);
    o->wake();
    test_join(t);
}

/* Where the word is the library's own, it is looked at in between. */
#define TRIES (FUTEX && operations[i].sleep != sleep_futex && refusal == VALET_ERR_SYSTEM ? 4 : 1)

static void test_a_refusal_is_reported_at_once_and_the_sleep_withdrawn(void)
{
    for (int i = 0; i < OPERATIONS; i++) {
        for (int k = 0; k < REFUSALS; k++) {
            for (int timed = 0; timed < 2; timed++) {
                begin();
                refusal = refusals[k];
                control.on_wait = refuse;
                CHECK_EQ(operations[i].sleep(timed ? in(1000 * MS) : VALET_FOREVER), refusal);
                CHECK_EQ(control.waits, TRIES); /* not asked again and again */
                CHECK_EQ(control.inits, control.finis);
                control.on_wait = NULL;
                CHECK_EQ(valet_park_for(&parker, 0), VALET_TIMEDOUT); /* neither BUSY nor OK */
                check_usable(&operations[i]);
            }
        }
    }
}

static const struct operation *under_test;

/* The wake comes after the thread has been put on record, and before the system refuses. */
static int wake_then_refuse(unsigned number)
{
    if (number > 1)
        return PASS;
    under_test->wake();
    return refusal;
}

static void test_what_has_come_by_the_time_of_a_refusal_wins(void)
{
    for (int i = 0; i < ALL_OPERATIONS; i++) {
        under_test = &operations[i];
        if (FUTEX && under_test->sleep == sleep_futex)
            continue; /* there the system's answer is the user's */
        for (int k = 0; k < REFUSALS; k++) {
            begin();
            refusal = refusals[k];
            control.on_wait = wake_then_refuse;
            CHECK_EQ(under_test->sleep(in(1000 * MS)), VALET_OK);
            /* sema kind: the post has been waited for, where there was one */
            CHECK_EQ(control.waits, 1 + control.posts);
            CHECK_EQ(control.posts, FUTEX || under_test->wake == exchange_waiters ? 0 : 1);
            CHECK_EQ(valet_park_for(&parker, 0), VALET_TIMEDOUT); /* one token, taken once */
        }
    }
}

static void test_without_a_clock_only_timed_sleeps_are_unsupported(void)
{
    begin();
    control.no_clock = true;
    CHECK_EQ(valet_now(), 0);
    CHECK_EQ(valet_park_until(&parker, 1), VALET_ERR_UNSUPPORTED);
    CHECK_EQ(valet_park_for(&parker, 1), VALET_ERR_UNSUPPORTED);
    CHECK_EQ(valet_park_for(&parker, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 1), VALET_ERR_UNSUPPORTED);
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_futex_wait(&word, 0, 1), VALET_ERR_UNSUPPORTED);
    valet_unpark(&parker);
    CHECK_EQ(valet_park_until(&parker, 1), VALET_OK);
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 1, 1), VALET_OK);
    for (int i = 0; i < OPERATIONS; i++) {
        begin();
        control.no_clock = true;
        check_usable(&operations[i]);
    }
}

/* ---- all at once, under the protocol's checks in control.c ----------------------------------- */

#define STRESS_MS 400

static uint64_t stress_end;

/* A deadline that often comes together with what is waited for. */
static uint64_t any_deadline(uint32_t *random)
{
    uint32_t choice = test_random(random);
    return choice % 4 == 0 ? VALET_FOREVER : in(choice / 4 % 40000);
}

#define PAIRS 4
static struct pair {
    struct valet_parker ping, pong;
    uint32_t served, answered; /* plain: ordered by the parkers */
} pairs[PAIRS];

static void take(struct valet_parker *p, uint32_t *random)
{
    for (;;) {
        int r = valet_park_until(p, any_deadline(random));
        if (r == VALET_OK)
            return;
        CHECK_EQ(r, VALET_TIMEDOUT);
    }
}

static void serve(void *pair)
{
    struct pair *p = pair;
    uint32_t random = 1 + (uint32_t)(p - pairs);
    while (p->served < 100 || green_now() < stress_end) { /* ... of which it may see nothing */
        p->served++;
        valet_unpark(&p->ping);
        take(&p->pong, &random);
        CHECK_EQ(p->answered, p->served);
    }
    p->served = 0;
    valet_unpark(&p->ping);
}

static void answer(void *pair)
{
    struct pair *p = pair;
    uint32_t random = 101 + (uint32_t)(p - pairs);
    for (;;) {
        take(&p->ping, &random);
        if (p->served == 0)
            return;
        CHECK_EQ(p->served, p->answered + 1);
        p->answered++;
        valet_unpark(&p->pong);
    }
}

static void test_stress_parkers(void)
{
    struct test_thread *threads[2 * PAIRS];
    uint64_t rounds = 0;
    begin();
    stress_end = in(STRESS_MS * MS);
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = (struct pair){.served = 0};
        threads[2 * i] = test_start(serve, &pairs[i]);
        threads[2 * i + 1] = test_start(answer, &pairs[i]);
    }
    for (int i = 0; i < 2 * PAIRS; i++)
        test_join(threads[i]);
    for (int i = 0; i < PAIRS; i++)
        rounds += pairs[i].answered;
    CHECK(rounds > PAIRS);
    test_report("round trips", rounds, "");
}

#define FOLLOWERS 6
static atomic_uint still_away;
static bool last_round;

/* Sees every state, in order: the leader waits for all before it sets the next. */
static void follow(void *number)
{
    uint32_t random = 1 + (uint32_t)(uintptr_t)number;
    for (unsigned seen = 0;;) {
        int r = valet_compare_and_wait_until(&waiters, seen, any_deadline(&random));
        if (r == VALET_TIMEDOUT)
            continue;
        CHECK_EQ(r, VALET_OK);
        seen = (seen + 1) % (VALET_STATE_MAX + 1);
        CHECK_EQ(valet_waiters_state(&waiters), seen);
        bool last = last_round;
        if (--still_away == 0)
            valet_unpark(&parker); /* the leader sleeps without a deadline: see idle() in sched.c */
        if (last)
            return;
    }
}

static void test_stress_waiters(void)
{
    struct test_thread *threads[FOLLOWERS];
    unsigned rounds = 0;
    begin();
    last_round = false;
    stress_end = in(STRESS_MS * MS);
    for (uintptr_t i = 0; i < FOLLOWERS; i++)
        threads[i] = test_start(follow, (void *)i);
    do {
        still_away = FOLLOWERS;
        last_round = green_now() >= stress_end;
        rounds++;
        valet_store_and_wake(&waiters, rounds % (VALET_STATE_MAX + 1));
        CHECK_EQ(valet_park(&parker), VALET_OK);
    } while (!last_round);
    for (int i = 0; i < FOLLOWERS; i++)
        test_join(threads[i]);
    test_report("wake-ups of all", rounds, "");
}

/* A mutex of valet_futex_*: 0 free, 1 held, 2 held and somebody may wait. */
static uint64_t guarded;

static void lock_and_count(void *counted)
{
    uint32_t random = 1 + (uint32_t)(uintptr_t)counted;
    while (*(uint64_t *)counted < 100 || green_now() < stress_end) {
        uint32_t seen = 0;
        if (!__atomic_compare_exchange_n(&word, &seen, 1, false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED))
            while (__atomic_exchange_n(&word, 2, __ATOMIC_ACQUIRE) != 0) {
                int r = valet_futex_wait(&word, 2, any_deadline(&random));
                CHECK(r == VALET_OK || r == VALET_CHANGED || r == VALET_TIMEDOUT);
            }
        uint64_t before = guarded;
        if (test_random(&random) % 8 == 0)
            test_yield(); /* the others come to the lock now */
        guarded = before + 1;
        if (__atomic_exchange_n(&word, 0, __ATOMIC_RELEASE) == 2)
            valet_futex_wake(&word, 1);
        ++*(uint64_t *)counted;
    }
}

static void test_stress_futex(void)
{
    struct test_thread *threads[FOLLOWERS];
    uint64_t counted[FOLLOWERS] = {0}, sum = 0;
    begin();
    guarded = 0;
    stress_end = in(STRESS_MS * MS);
    for (int i = 0; i < FOLLOWERS; i++)
        threads[i] = test_start(lock_and_count, &counted[i]);
    for (int i = 0; i < FOLLOWERS; i++) {
        test_join(threads[i]);
        sum += counted[i];
    }
    CHECK_EQ(guarded, sum);
    CHECK(control.waits > 0);
    test_report("sections under a mutex", sum, "");
}

TEST_PROGRAM(TEST(test_without_contention_there_is_no_call),
             TEST(test_a_sleep_is_one_wait_and_its_end_one_wake),
             TEST(test_store_and_wake_is_one_wake_or_one_post_for_each),
             TEST(test_a_second_parker_is_busy_without_a_call),
             TEST(test_an_interrupt_does_not_end_a_park),
             TEST(test_a_refusal_is_reported_at_once_and_the_sleep_withdrawn),
             TEST(test_what_has_come_by_the_time_of_a_refusal_wins),
             TEST(test_without_a_clock_only_timed_sleeps_are_unsupported),
             TEST(test_stress_parkers), TEST(test_stress_waiters), TEST(test_stress_futex));
