/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Built twice, with the bug of lost.h and without: a handler's token must be lost, or must not be.
 */
#include "bare.h"
#include "load.h"
#include "test.h"

static struct valet_parker p = VALET_PARKER_INIT;
static atomic_uint given, handled; /* words: riscv64 exchanges no bytes */

static void unpark_once(void *unused)
{
    (void)unused;
    if (!atomic_exchange(&given, 1))
        valet_unpark(&p);
    atomic_store(&handled, 1);
}

/* lost.h calls this between its load and its store: an interrupt comes right there. */
void lost_gap(void)
{
    atomic_store(&handled, 0);
    test_interrupt(test_self(), unpark_once, NULL);
    while (!atomic_load(&handled))
        test_yield();
}

static void test_handlers_lose_no_token(void)
{
    uint32_t random = 5;
    for (unsigned round = 0; round < 2000; round++) {
        atomic_store(&given, 0);
        /* Mostly the timer and the gap compete. Where the timer may always win, since this CPU is
         * slow to come to the gap, the gap's turn comes in every 500th round. */
        uint64_t ns = round % 500 == 0 ? 200 * MS : test_random(&random) % (20 * US);
        bare_timer(ns, unpark_once, NULL);
        CHECK_EQ(valet_park(&p), VALET_OK);
    }
}

TEST_PROGRAM(TEST(test_handlers_lose_no_token));
