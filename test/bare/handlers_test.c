/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Interrupts that wake the thread which they interrupt. One CPU is enough. */
#include "bare.h"
#include "load.h"
#include "test.h"

#ifdef BARE_MACHINE /* QEMU's clock comes late where its one CPU never sleeps */
#define ROUNDS 1000u
#else
#define ROUNDS 4000u
#endif

static void unpark(void *p)
{
    valet_unpark(p);
}

/* The timer goes off before the park, in any of its steps, or long after it began. */
static void test_a_timer_unparks_the_thread_on_its_own_cpu(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    uint32_t random = 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        bare_timer(test_random(&random) % (20 * US), unpark, &p);
        CHECK_EQ(round % 2 == 0 ? valet_park(&p) : valet_park_for(&p, 100 * S), VALET_OK);
    }
    CHECK_EQ(valet_park_for(&p, 0), VALET_TIMEDOUT);
}

struct next {
    struct valet_waiters w;
    unsigned state;
};

static void set_next(void *argument)
{
    struct next *n = argument;
    n->state = (n->state + 1) % (VALET_STATE_MAX + 1);
    valet_store_and_wake(&n->w, n->state);
}

static void test_a_timer_wakes_the_waiter_on_its_own_cpu(void)
{
    struct next n = {VALET_WAITERS_INIT(0), 0};
    uint32_t random = 2;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned state = round % (VALET_STATE_MAX + 1);
        bare_timer(test_random(&random) % (20 * US), set_next, &n);
        CHECK_EQ(round % 2 == 0 ? valet_compare_and_wait(&n.w, state)
                                : valet_compare_and_wait_until(&n.w, state, valet_now() + 100 * S),
                 VALET_OK);
    }
}

static void bump(void *word)
{
    __atomic_fetch_add((uint32_t *)word, 1, __ATOMIC_RELEASE);
    valet_futex_wake(word, 1);
}

static void test_a_timer_ends_a_futex_wait_on_its_own_cpu(void)
{
    uint32_t word = 0, random = 3;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        bare_timer(test_random(&random) % (20 * US), bump, &word);
        while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == round)
            CHECK(valet_futex_wait(&word, round, VALET_FOREVER) >= 0);
    }
}

TEST_PROGRAM(TEST(test_a_timer_unparks_the_thread_on_its_own_cpu),
             TEST(test_a_timer_wakes_the_waiter_on_its_own_cpu),
             TEST(test_a_timer_ends_a_futex_wait_on_its_own_cpu));
