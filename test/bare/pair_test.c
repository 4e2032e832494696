/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Where the CPU has no atomic operations: two threads change a word, and no step is lost. */
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

TEST_PROGRAM(TEST(test_no_step_of_a_word_is_lost));
