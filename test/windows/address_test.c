/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* RtlWaitOnAddress: what it compares. */
#include "control.h"
#include "load.h"
#include "test.h"

static _Atomic uint32_t word;
static uint32_t bit;

static void set_bit(void)
{
    atomic_store(&word, bit);
}

/* A change of any bit, in the last moment before ntdll compares, is seen: it compares all 32, and
 * not one more. */
static void test_all_of_the_word_is_compared(void)
{
    static struct {
        _Atomic uint32_t word, next;
    } pair = {0, 0x5a5a5a5a};
    for (bit = 1; bit != 0; bit <<= 1) {
        atomic_store(&word, 0);
        control_before_wait(set_bit);
        CHECK_EQ(valet_futex_wait((uint32_t *)&word, 0, VALET_FOREVER), VALET_OK);
    }
    CHECK_EQ(valet_futex_wait((uint32_t *)&pair.word, 0, valet_now() + 20 * MS), VALET_TIMEDOUT);
}

TEST_PROGRAM(TEST(test_all_of_the_word_is_compared));
