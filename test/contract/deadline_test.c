/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The headers of deadlines and of seconds alone, with a clock that says what it is told. */
#include "core/deadline.h"
#include "core/with.h"

#include "sys/deadline.h"
#include "sys/seconds.h"
#include "test.h"

#define S UINT64_C(1000000000)

static uint64_t clock_says;
static unsigned clock_looks;

uint64_t valet_sys_now(void)
{
    clock_looks++;
    return clock_says;
}

/* ... and a wall clock, which is set back during the first sleep. */
static uint64_t wall_says;
static unsigned sleeps;

uint64_t valet_sys_now_realtime(void)
{
    return wall_says;
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME;
}

static int sleep_until(uint64_t deadline)
{
    wall_says += deadline - clock_says;
    clock_says = deadline;
    if (sleeps++ == 0)
        wall_says -= 3 * S;
    return VALET_TIMEDOUT;
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    (void)word;
    (void)expected;
    return sleep_until(deadline);
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    (void)s;
    return sleep_until(deadline);
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    (void)flags;
    return valet_sys_futex_wait(word, expected, deadline);
}

int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    (void)flags;
    return valet_sys_sema_wait(s, deadline);
}

/* Values around every edge of 32 and 64 bits, signed and unsigned. */
static const uint64_t edges[] = {
    1,
    2,
    999999999,
    1000000000,
    INT32_MAX,
    (uint64_t)INT32_MAX + 1,
    UINT32_MAX,
    (uint64_t)UINT32_MAX + 1,
    INT64_MAX - UINT64_C(1),
    INT64_MAX,
    (uint64_t)INT64_MAX + 1,
    (uint64_t)INT64_MAX + 2,
    UINT64_MAX - 1000000000,
    UINT64_MAX - 2,
    UINT64_MAX - 1,
};
#define EDGES (sizeof edges / sizeof *edges)

static uint64_t after(uint64_t now, uint64_t timeout)
{
    uint64_t deadline = 12345;
    clock_says = now;
    CHECK(valet_deadline_after(timeout, &deadline));
    return deadline;
}

/* The sum, worked out without a sum that can overflow. */
static uint64_t exact(uint64_t now, uint64_t timeout)
{
    return timeout <= UINT64_MAX - now ? now + timeout : VALET_FOREVER;
}

static void test_zero_and_forever_are_themselves_and_need_no_clock(void)
{
    clock_looks = 0;
    CHECK_EQ(after(0, 0), 0);
    CHECK_EQ(after(0, VALET_FOREVER), VALET_FOREVER);
    for (unsigned i = 0; i < EDGES; i++) {
        CHECK_EQ(after(edges[i], 0), 0);
        CHECK_EQ(after(edges[i], VALET_FOREVER), VALET_FOREVER);
    }
    CHECK_EQ(clock_looks, 0);
}

static void test_without_a_clock_there_is_no_deadline(void)
{
    for (unsigned i = 0; i < EDGES; i++) {
        uint64_t deadline;
        clock_says = 0;
        CHECK(!valet_deadline_after(edges[i], &deadline));
    }
}

static void test_sums_are_exact_or_forever(void)
{
    for (unsigned i = 0; i < EDGES; i++)
        for (unsigned j = 0; j < EDGES; j++)
            CHECK_EQ(after(edges[i], edges[j]), exact(edges[i], edges[j]));
    uint32_t random = 99;
    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t now = (uint64_t)test_random(&random) << 32 | test_random(&random);
        uint64_t timeout = ((uint64_t)test_random(&random) << 32 | test_random(&random)) >> i % 64;
        if (timeout != 0)
            CHECK_EQ(after(now, timeout), exact(now, timeout));
    }
}

static void test_the_least_sums_that_saturate(void)
{
    CHECK_EQ(after(1, UINT64_MAX - 2), UINT64_MAX - 1);
    CHECK_EQ(after(1, UINT64_MAX - 1), VALET_FOREVER); /* the sum is that value */
    CHECK_EQ(after(2, UINT64_MAX - 1), VALET_FOREVER); /* 0 without saturation: "only try" */
    CHECK_EQ(after(3, UINT64_MAX - 1), VALET_FOREVER);
    CHECK_EQ(after(UINT64_MAX - 1, UINT64_MAX - 1), VALET_FOREVER);
}

static void test_a_sleep_is_what_is_left_at_most_the_longest(void)
{
    for (unsigned i = 0; i < EDGES; i++)
        for (unsigned j = 0; j < EDGES; j++)
            for (unsigned k = 0; k < EDGES; k++) {
                uint64_t now = edges[i], deadline = edges[j], longest = edges[k], ns = 12345;
                int status = valet_deadline_sleep(now, deadline, longest, &ns);
                CHECK_EQ(status, now < deadline ? VALET_OK : VALET_TIMEDOUT);
                if (status == VALET_OK)
                    CHECK_EQ(ns, deadline - now > longest ? longest : deadline - now);
            }
}

/* Without a clock too a deadline of 0 has come. */
static void test_without_a_clock_there_is_no_sleep(void)
{
    uint64_t ns;
    CHECK_EQ(valet_deadline_sleep(0, 0, 1, &ns), VALET_TIMEDOUT);
    for (unsigned i = 0; i < EDGES; i++)
        CHECK_EQ(valet_deadline_sleep(0, edges[i], 1, &ns), VALET_ERR_UNSUPPORTED);
}

static void test_the_end_of_a_sleep_asks_the_clock(void)
{
    for (unsigned i = 0; i < EDGES; i++) {
        CHECK_EQ(valet_deadline_over(edges[i] - 1, edges[i]), VALET_OK);
        CHECK_EQ(valet_deadline_over(edges[i], edges[i]), VALET_TIMEDOUT);
        CHECK_EQ(valet_deadline_over(edges[i] + 1, edges[i]), VALET_TIMEDOUT);
    }
}

static void test_units_are_rounded_up(void)
{
    for (uint64_t unit = 1; unit <= 1000; unit *= 10)
        for (uint64_t n = 1; n < 5000; n += 7) {
            CHECK_EQ(valet_deadline_units(n * unit, unit), n);
            CHECK_EQ(valet_deadline_units(n * unit + unit - 1, unit), unit == 1 ? n : n + 1);
            CHECK_EQ(valet_deadline_units(n * unit - unit + 1, unit), n);
        }
    CHECK_EQ(valet_deadline_units(INT64_MAX, 100), INT64_MAX / 100 + 1);
}

/* At both sides of every edge: of what a factor that is too small or too large loses first. */
static void test_seconds_are_those_of_a_division(void)
{
    const uint64_t second = 1000000000, last = UINT64_MAX / second;
    for (unsigned i = 0; i < EDGES; i++)
        CHECK_EQ(valet_seconds(edges[i]), edges[i] / second);
    uint32_t random = 99;
    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t any = (uint64_t)test_random(&random) << 32 | test_random(&random);
        uint64_t s = i < 1000 ? last - 1 - i : (any >> i % 64) % last;
        CHECK_EQ(valet_seconds(s * second), s);
        CHECK_EQ(valet_seconds(s * second + second - 1), s);
        CHECK_EQ(valet_seconds(any), any / second);
    }
    CHECK_EQ(valet_seconds(UINT64_MAX), last);
}

/* Also where both clocks say the same, as those of a board do until one of them is set. */
static void test_a_wall_clock_that_is_set_back_ends_no_wait(void)
{
    _Alignas(4) uint32_t word = 0;
    struct valet_sema sema = {{0}};
    for (uint64_t apart = 0; apart < 2; apart++)
        for (int kind = 0; kind < 2; kind++) {
            clock_says = 100 * S;
            wall_says = clock_says + apart;
            sleeps = 0;
            const uint64_t deadline = wall_says + S / 2;
            CHECK_EQ(kind == 0 ? valet_futex_sleep(&word, 0, deadline, VALET_REALTIME, false)
                               : valet_sema_sleep(&sema, deadline, VALET_REALTIME),
                     VALET_TIMEDOUT);
            CHECK_EQ(wall_says, deadline);
            CHECK_EQ(sleeps, 4);
            /* What no system should answer is no reason to loop. */
            CHECK_EQ(kind == 0 ? valet_futex_sleep(&word, 0, VALET_FOREVER, VALET_REALTIME, false)
                               : valet_sema_sleep(&sema, VALET_FOREVER, VALET_REALTIME),
                     VALET_TIMEDOUT);
        }
}

TEST_PROGRAM(TEST(test_zero_and_forever_are_themselves_and_need_no_clock),
             TEST(test_without_a_clock_there_is_no_deadline), TEST(test_sums_are_exact_or_forever),
             TEST(test_the_least_sums_that_saturate),
             TEST(test_a_sleep_is_what_is_left_at_most_the_longest),
             TEST(test_without_a_clock_there_is_no_sleep),
             TEST(test_the_end_of_a_sleep_asks_the_clock), TEST(test_units_are_rounded_up),
             TEST(test_seconds_are_those_of_a_division),
             TEST(test_a_wall_clock_that_is_set_back_ends_no_wait));
