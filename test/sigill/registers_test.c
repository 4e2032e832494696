/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A kernel spoils all that it may. A register that a stub forgets to give up comes back with it. */
#include "registers.h"
#include "test.h"

#define VALUE(i) (1000003L * ((i) + 1))

static void test_traps_keep_the_values_of_their_caller(void)
{
    volatile long in[MANY], out[MANY];
    for (int i = 0; i < MANY; i++)
        in[i] = VALUE(i);
    trap_with_few_values(in, out);
    for (int i = 0; i < FEW; i++)
        CHECK_EQ(out[i], VALUE(i));
    for (int turns = 0; turns < 4; turns++) {
        trap_with_full_registers(in, out, turns);
        for (int i = 0; i < MANY; i++)
            CHECK_EQ(out[i], VALUE(i));
    }
}

TEST_PROGRAM(TEST(test_traps_keep_the_values_of_their_caller));
