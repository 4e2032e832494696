/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Where the CPU has no atomic operations: two threads change a word, and no step is lost. Nor is a
 * store that a thread does while another one exchanges. */
#include "load.h"
#include "test.h"

#define STEPS 12800u /* of each; those of both come back to state 0 */
#ifndef ROUNDS
#define ROUNDS 10
#endif

struct steps {
    struct valet_waiters w;
    atomic_uint ready;
};

static void make_steps(void *argument)
{
    struct steps *s = argument;
    test_increment(&s->ready);
    test_until(&s->ready, 2);
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned seen = valet_waiters_state(&s->w);
        while (!valet_waiters_compare_exchange(&s->w, &seen, (seen + 1) % (VALET_STATE_MAX + 1)))
            ;
    }
}

static void test_no_step_of_a_word_is_lost(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct steps s = {VALET_WAITERS_INIT(0), 0};
        struct test_thread *t = test_start(make_steps, &s);
        make_steps(&s);
        test_join(t);
        CHECK_EQ(valet_waiters_state(&s.w), 0);
    }
}

/* What the programs themselves do: atomic.c, and the store of test.h. */
#ifdef PLAIN_STORE
#undef atomic_store
#define atomic_store(object, value) ((void)(*(volatile unsigned *)(object) = (value)))
#endif
#ifndef STORES
#define STORES 4000u
#endif

struct slot {
    atomic_uint value, taken, looks; /* 0: empty; the last value; exchanges that found nothing */
};

static void take(void *argument)
{
    struct slot *s = argument;
    for (unsigned i = 0; i < STORES; i++) {
        unsigned value;
        while ((value = atomic_exchange(&s->value, 0)) == 0) {
            test_increment(&s->looks);
            test_yield();
        }
        atomic_store(&s->taken, value);
    }
}

static void test_no_store_is_lost(void)
{
    struct slot s = {0, 0, 0};
    struct test_thread *t = test_start(take, &s);
    for (unsigned i = 1; i <= STORES; i++) {
        atomic_store(&s.value, i);
        unsigned before = atomic_load(&s.looks), more;
        while (more = atomic_load(&s.looks) - before, atomic_load(&s.taken) != i) {
            CHECK(more <= 1); /* one may have been under way */
            test_yield();
        }
    }
    test_join(t);
}

TEST_PROGRAM(TEST(test_no_step_of_a_word_is_lost), TEST(test_no_store_is_lost));
