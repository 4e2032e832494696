/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Programs that must fail, each built with -DBAD=its function: see run.sh -x. */
#include "bare.h"
#include "test.h"

static void fail(void *nothing)
{
    (void)nothing;
    CHECK_EQ(1 + 1, 3);
}

void bad_check(void)
{
    fail(NULL);
}

void bad_check_on_another_cpu(void)
{
    test_join(test_start(fail, NULL));
}

void bad_check_in_a_handler(void)
{
    test_interrupt(test_self(), fail, NULL);
    for (;;)
        test_yield();
}

void bad_late_write(void)
{
    volatile uint32_t *word = test_map();
    test_unmap((void *)(uintptr_t)word);
    word[3] = 1;
}

void bad_fault(void)
{
    /* No board has anything there. */
    *(volatile uint32_t *)(sizeof(void *) == 8 ? (uintptr_t)(UINT64_C(1) << 39) : 0xd0000000u) = 1;
}

void bad_hang(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    CHECK_EQ(valet_park(&p), VALET_OK);
}

static void unpark(void *p)
{
    valet_unpark(p);
}

void bad_masked_interrupt(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    bare_mask();
    test_interrupt(test_self(), unpark, &p);
    CHECK_EQ(valet_park(&p), VALET_OK);
}

#define TEST_NAMED(function) TEST(function) /* by its name, which is not BAD */

TEST_PROGRAM(TEST_NAMED(BAD));
