/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Programs that fail, each in its own way (-DBAD=bad_...): whoever runs them must see it. */
#include "test.h"

#define UNUSED __attribute__((unused)) /* all but one */

static struct valet_parker parker;

static void fail(void *unused)
{
    (void)unused;
    CHECK_EQ(1 + 1, 3);
}

static void trap(void *unused)
{
    (void)unused;
    __builtin_trap();
}

static void park(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_park(&parker), VALET_OK);
}

UNUSED static void bad_check(void)
{
    fail(NULL);
}

UNUSED static void bad_check_on_another_thread(void)
{
    test_join(test_start(fail, NULL));
}

UNUSED static void bad_trap(void)
{
    test_join(test_start(trap, NULL));
}

UNUSED static void bad_hang(void)
{
    test_join(test_start(park, NULL));
}

UNUSED static void bad_late_write(void)
{
    volatile unsigned char *page = test_map();
    test_unmap((void *)page);
    page[100] = 1;
}

static struct valet_waiters waiters = VALET_WAITERS_INIT(0);

/* Many may wait on it; a parker is for one. */
static void stay(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_compare_and_wait(&waiters, 0), VALET_OK);
}

UNUSED static void bad_too_many_threads(void)
{
    for (unsigned i = 0; i <= test_threads_max(); i++)
        test_start(stay, NULL);
}

TEST_PROGRAM(TEST(BAD));
