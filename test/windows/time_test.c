/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* sys/windows.h: the sums, up to the ends of their ranges. */
#include "sys/windows.h"
#include "test.h"

static int64_t units(uint64_t now, uint64_t deadline)
{
    int64_t timeout = 1;
    CHECK_EQ(timeout_of(now, deadline, &timeout), now < deadline ? VALET_OK : VALET_TIMEDOUT);
    return timeout;
}

static void test_timeouts_round_up(void)
{
    CHECK_EQ(units(1000, 0), 0);
    CHECK_EQ(units(1000, 999), 0);
    CHECK_EQ(units(1000, 1000), 0);
    CHECK_EQ(units(1000, 1001), -1);
    CHECK_EQ(units(1000, 1100), -1);
    CHECK_EQ(units(1000, 1101), -2);
    CHECK_EQ(units(1, UINT64_MAX - 1), -92233720368547759); /* at most INT64_MAX ns */
}

/* The usual counter has 10 million ticks a second, older ones that of a CPU or of a timer. */
static void test_ticks_are_exact(void)
{
    CHECK_EQ(ns_of(0, 10000000), 0);
    CHECK_EQ(ns_of(1, 10000000), 100);
    CHECK_EQ(ns_of(12345678901234567, 10000000), 1234567890123456700);
    CHECK_EQ(ns_of(3579545, 3579545), 1000000000);
    CHECK_EQ(ns_of(3579544, 3579545), 999999720);
    /* 63 years of 4 GHz: ticks times 1000000000 would need 93 bits */
    CHECK_EQ(ns_of((int64_t)2000000000 * 4000000000, 4000000000), 2000000000000000000);
    CHECK_EQ(ns_of((int64_t)2000000000 * 4000000000 - 1, 4000000000), 1999999999999999999);
}

TEST_PROGRAM(TEST(test_timeouts_round_up), TEST(test_ticks_are_exact));
