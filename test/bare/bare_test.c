/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What only a machine without a system has: threads that are CPUs, interrupts that unpark, and a
 * clock that the integrator supplies; handlers_test.c has what needs one CPU only. The contract
 * itself is tested by the programs of every host.
 */
#include "bare.h"
#include "load.h"
#include "test.h"

/*
 * CPU 1 is parked for good; its handler unparks CPU 2, which answers the first CPU. Neither
 * interrupts nor another's unpark may end the park of CPU 1.
 */
#define ROUNDS 40u

struct relay {
    struct valet_parker stay, sleeper, back;
    atomic_uint handled;
};

static void park_for_good(void *argument)
{
    struct relay *r = argument;
    CHECK_EQ(valet_park(&r->stay), VALET_OK);
    CHECK_EQ(atomic_load(&r->handled), ROUNDS);
}

static void answer(void *argument)
{
    struct relay *r = argument;
    for (unsigned round = 0; round < ROUNDS; round++) {
        CHECK_EQ(valet_park(&r->sleeper), VALET_OK);
        valet_unpark(&r->back);
    }
}

static void unpark_sleeper(void *argument)
{
    struct relay *r = argument;
    CHECK_EQ(bare_cpu(), 1);
    atomic_fetch_add(&r->handled, 1);
    valet_unpark(&r->sleeper);
}

static void test_an_ipi_handler_unparks_a_thread_on_another_cpu(void)
{
    struct relay r = {VALET_PARKER_INIT, VALET_PARKER_INIT, VALET_PARKER_INIT, 0};
    struct test_thread *parked = test_start(park_for_good, &r);
    struct test_thread *sleeper = test_start(answer, &r);
    test_until_parked(&r.stay);
    for (unsigned round = 0; round < ROUNDS; round++) {
        test_interrupt(parked, unpark_sleeper, &r);
        CHECK_EQ(valet_park(&r.back), VALET_OK);
    }
    test_join(sleeper);
    valet_unpark(&r.stay);
    test_join(parked);
}

/*
 * A handler's unpark comes in the middle of unparks of the same parker by the thread below it,
 * while another CPU takes the tokens: the last one must arrive.
 */
struct tokens {
    struct valet_parker p;
    atomic_bool handled, last;
};

static void take_tokens(void *argument)
{
    struct tokens *t = argument;
    do
        CHECK_EQ(valet_park(&t->p), VALET_OK);
    while (!atomic_load(&t->last));
}

static void unpark_and_tell(void *argument)
{
    struct tokens *t = argument;
    valet_unpark(&t->p);
    atomic_store(&t->handled, true);
}

static void test_an_unpark_interrupts_unparks(void)
{
    uint32_t random = 4;
    for (unsigned round = 0; round < 200; round++) {
        struct tokens t = {VALET_PARKER_INIT, false, false};
        struct test_thread *taker = test_start(take_tokens, &t);
        bare_timer(test_random(&random) % (50 * US), unpark_and_tell, &t);
        while (!atomic_load(&t.handled))
            valet_unpark(&t.p);
        atomic_store(&t.last, true);
        valet_unpark(&t.p);
        test_join(taker);
    }
}

/* Plain data goes with each hand-off, and the clocks of the two CPUs agree. */
#ifdef BARE_MACHINE /* each is the end of a slice of time */
#define HAND_OFFS 2000u
#else
#define HAND_OFFS 30000u
#endif

struct ping {
    struct valet_parker here, there;
    unsigned passed;
    uint64_t time;
};

static void pass(struct ping *p, struct valet_parker *mine, struct valet_parker *theirs,
                 unsigned first)
{
    for (unsigned i = first; i < HAND_OFFS; i += 2) {
        CHECK_EQ(valet_park(mine), VALET_OK);
        CHECK_EQ(p->passed, i);
        p->passed++;
        uint64_t now = valet_now();
        CHECK(now >= p->time);
        p->time = now;
        valet_unpark(theirs);
    }
}

static void pong(void *argument)
{
    struct ping *p = argument;
    pass(p, &p->there, &p->here, 1);
}

static void test_hand_offs_between_two_cpus(void)
{
    struct ping p = {VALET_PARKER_INIT, VALET_PARKER_INIT, 0, 0};
    struct test_thread *other = test_start(pong, &p);
    uint64_t start = valet_now();
    valet_unpark(&p.here);
    pass(&p, &p.here, &p.there, 0);
    test_join(other);
    CHECK_EQ(p.passed, HAND_OFFS);
    test_report("a hand-off", (valet_now() - start) / HAND_OFFS, "ns");
}

/*
 * Three CPUs wait until the fourth has woken each of them this often. It makes the next change as
 * soon as any one waits, so that two CPUs that happen to run are enough for progress.
 */
#ifdef BARE_MACHINE
#define WAKES 500u
#else
#define WAKES 10000u
#endif

struct news {
    struct valet_waiters w;
    atomic_uint change; /* its last bits are the state */
    atomic_uint finished;
};

static void follow(void *argument)
{
    struct news *n = argument;
    unsigned seen = 0; /* the change cannot have been an earlier one */
    for (unsigned i = 0; i < WAKES; i++) {
        CHECK_EQ(valet_compare_and_wait(&n->w, seen % (VALET_STATE_MAX + 1)), VALET_OK);
        do
            seen++;
        while (seen % (VALET_STATE_MAX + 1) != valet_waiters_state(&n->w));
        /* relaxed: the state has ordered it */
        CHECK(atomic_load_explicit(&n->change, memory_order_relaxed) >= seen);
    }
    atomic_fetch_add(&n->finished, 1);
}

static void test_three_cpus_are_woken_by_the_fourth(void)
{
    struct news n = {VALET_WAITERS_INIT(0), 0, 0};
    struct test_thread *t[3];
    for (unsigned i = 0; i < 3; i++)
        t[i] = test_start(follow, &n);
    unsigned change = 0;
    while (atomic_load(&n.finished) != 3) {
        if (test_word(&n.w.word) >> VALET_STATE_BITS == 0) {
            test_yield();
            continue;
        }
        atomic_store_explicit(&n.change, ++change, memory_order_relaxed);
        valet_store_and_wake(&n.w, change % (VALET_STATE_MAX + 1));
    }
    for (unsigned i = 0; i < 3; i++)
        test_join(t[i]);
    CHECK(change >= WAKES);
    test_report("changes until each of three had its wake-ups", change, "");
}

static void wait_for_deadlines(void *seed)
{
    uint32_t random = *(uint32_t *)seed, word = 0;
    struct valet_parker p = VALET_PARKER_INIT;
    struct valet_waiters w = VALET_WAITERS_INIT(0);
    for (unsigned round = 0; round < 300; round++) {
        uint64_t before = valet_now(), ns = test_random(&random) % (100 * US),
                 deadline = before + ns;
        switch (round % 4) {
        case 0:
            CHECK_EQ(valet_park_until(&p, deadline), VALET_TIMEDOUT);
            break;
        case 1:
            CHECK_EQ(valet_park_for(&p, ns), VALET_TIMEDOUT);
            break;
        case 2:
            CHECK_EQ(valet_compare_and_wait_until(&w, 0, deadline), VALET_TIMEDOUT);
            break;
        default:
            CHECK_EQ(valet_futex_wait(&word, 0, deadline), VALET_TIMEDOUT);
        }
        CHECK(ns == 0 || valet_now() >= deadline);
    }
}

static void test_no_deadline_is_early_on_any_cpu(void)
{
    uint32_t seeds[BARE_CPUS] = {11, 12, 13, 14};
    struct test_thread *t[BARE_CPUS];
    for (unsigned i = 1; i < BARE_CPUS; i++)
        t[i] = test_start(wait_for_deadlines, &seeds[i]);
    wait_for_deadlines(&seeds[0]);
    for (unsigned i = 1; i < BARE_CPUS; i++)
        test_join(t[i]);
}

TEST_PROGRAM(TEST(test_an_ipi_handler_unparks_a_thread_on_another_cpu),
             TEST(test_an_unpark_interrupts_unparks), TEST(test_hand_offs_between_two_cpus),
             TEST(test_three_cpus_are_woken_by_the_fourth),
             TEST(test_no_deadline_is_early_on_any_cpu));
