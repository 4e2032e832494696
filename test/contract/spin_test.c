/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * core/spin.h and the polls of core/park_futex.c and core/waiters_futex.c, on a CPU and a system
 * that count, and that do what a test tells them at a certain look: so what each park and wait
 * burns is known exactly. One thread.
 */
#include "test.h"

#define VALET_ARCH_H     /* in place of arch/ */
#define VALET_ARCH_LOOKS 1024
static inline void valet_arch_relax(void);

#define VALET_SPIN 1
#include "core/word.h"

static unsigned looks, waits, wakes, clocks;  /* since `clear` */
static unsigned unpark_at, park_at, steal_at; /* at which look: 0, never */

/* What a look has seen, another thread may take before this one does. */
static uint32_t load(valet_word32 *word, memory_order order)
{
    uint32_t seen = atomic_load_explicit(word, order);
    if (looks != 0 && looks == steal_at)
        atomic_store_explicit(word, 0, memory_order_relaxed);
    return seen;
}
#undef atomic_load_explicit
#define atomic_load_explicit load
#define VALET_HAS_MACHINE
#include "core/park_futex.c"
#include "core/park_with_futex.c"
#define word_of waiters_word_of
#include "core/waiters_futex.c"
#include "core/waiters_with_futex.c"
#undef word_of

static struct valet_parker parker;
static struct valet_waiters waiters;
static unsigned store_at, delegate_at, wait_at; /* at which look */
static unsigned in_vain;                        /* so many wake-ups are: the state comes back */

static void valet_arch_relax(void)
{
    looks++;
    if (looks == unpark_at)
        valet_unpark(&parker);
    if (looks == park_at) /* another thread does */
        atomic_store_explicit(word_of(&parker), PARKED, memory_order_relaxed);
    if (looks == store_at)
        valet_store_and_wake(&waiters, 1);
    if (looks == delegate_at)
        valet_store_and_delegate(&waiters, 1);
    if (looks == wait_at) { /* another thread does, and gives up */
        wait_at = 0;
        CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 1001), VALET_TIMEDOUT);
    }
}

/* Whoever sleeps is woken by an unpark, or a store; a deadline comes. */
int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    bool parks = word == (uint32_t *)word_of(&parker);
    CHECK(parks || word == (uint32_t *)waiters_word_of(&waiters));
    CHECK_EQ(*word, expected);
    waits++;
    if (deadline != VALET_FOREVER)
        return VALET_TIMEDOUT;
    if (parks)
        valet_unpark(&parker);
    else
        valet_store_and_wake(&waiters, in_vain == 0);
    in_vain -= in_vain != 0;
    return VALET_OK;
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    bool parks = word == (uint32_t *)word_of(&parker);
    CHECK(parks || word == (uint32_t *)waiters_word_of(&waiters));
    if (parks)
        CHECK_EQ(count, 1);
    wakes++;
}

unsigned valet_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_NO_POLL;
}

unsigned valet_sys_features(void)
{
    return VALET_SYS_FOLLOWS;
}

uint64_t valet_sys_now_realtime(void)
{
    test_failed(__FILE__, __LINE__, "the system follows it");
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    CHECK(flags == VALET_INTERRUPTIBLE || flags == VALET_REALTIME);
    return valet_sys_futex_wait(word, expected, deadline);
}

uint64_t valet_sys_now(void)
{
    clocks++;
    return 1000;
}

static bool of_waiters; /* whose account a test is about */
static uint32_t account(void)
{
    return (uint32_t)((of_waiters ? waiters.word : parker.word) >> 32);
}

static uint32_t credit(void)
{
    return account() & UINT16_MAX;
}

static void clear(uint32_t half)
{
    parker.word = waiters.word = (uintptr_t)half << 32;
    looks = waits = wakes = clocks = unpark_at = park_at = steal_at = 0;
    store_at = delegate_at = wait_at = in_vain = 0;
    of_waiters = false;
}

static void clear_waiters(uint32_t half)
{
    clear(half);
    of_waiters = true;
}

/* What is true after one wait, whose wake-up came at that look: whether it slept. */
static bool slept(unsigned at)
{
    CHECK(account() != 0);
    CHECK_EQ(wakes, waits);
    CHECK(waits <= 1);
    CHECK(looks <= 3072);
    if (waits == 0)
        CHECK_EQ(looks, at);
    return waits != 0;
}

/* One park, whose token comes at that look if there is such a one, else while it sleeps. Whether it
 * slept. */
static bool round_with(unsigned at)
{
    looks = waits = wakes = 0;
    unpark_at = at;
    CHECK_EQ(valet_park(&parker), VALET_OK);
    CHECK_EQ((uint32_t)parker.word, EMPTY);
    return slept(at);
}

/* The same of a wait, and a store of another state. */
static bool wait_with(unsigned at)
{
    looks = waits = wakes = 0;
    store_at = at;
    valet_store_and_wake(&waiters, 0);
    CHECK_EQ(wakes, 0);
    CHECK_EQ(valet_compare_and_wait(&waiters, 0), VALET_OK);
    CHECK_EQ((uint32_t)waiters.word, 1);
    return slept(at);
}

#define RICH ((uint32_t)64 << 16 | 2048) /* a poll of 288 looks, and more than it costs */

static void test_a_fresh_parker_does_not_poll(void)
{
    clear(0);
    for (int i = 0; i < 8; i++) {
        CHECK(round_with(1));
        CHECK_EQ(looks, 0);
        CHECK_EQ(credit(), 256 + 4 * (i + 1));
    }
    CHECK(!round_with(1)); /* the ninth does */
}

static void test_a_token_that_comes_while_it_polls(void)
{
    for (unsigned at = 1; at <= 288; at++) {
        clear(RICH - 100);
        CHECK(!round_with(at));
        CHECK_EQ(account(), (3 * 64 + at) / 4 << 16 | (2048 - 100 + 64));
    }
}

/* It goes on looking, and does not take what is no longer there. */
static void test_a_token_that_another_thread_takes(void)
{
    clear(RICH);
    steal_at = 5;
    CHECK(round_with(5));
    CHECK_EQ(looks, 288);
    CHECK_EQ(account(), (2 * 64 + 8) << 16 | (2048 - 288));
}

static void test_a_poll_in_vain_is_paid_for(void)
{
    clear(RICH);
    CHECK(round_with(289));
    CHECK_EQ(looks, 288);
    CHECK_EQ(account(), (2 * 64 + 8) << 16 | (2048 - 288));
    CHECK(round_with(0)); /* the next is longer */
    CHECK_EQ(looks, 4 * 136 + 32);
    CHECK(round_with(0));
    CHECK_EQ(looks, 4 * 280 + 32);
    CHECK_EQ(account(), 568u << 16 | (2048 - 288 - 576 - 1152));
    CHECK(round_with(0)); /* and one that cannot be paid for is none */
    CHECK_EQ(looks, 0);
    CHECK_EQ(account(), 568u << 16 | (2048 - 288 - 576 - 1152 + 4));

    clear(568u << 16 | 4096);
    CHECK(round_with(0));
    CHECK_EQ(looks, 4 * 568 + 32);
    CHECK_EQ(account(), 768u << 16 | (4096 - 2304));
    clear(768u << 16 | 4096); /* none is longer than this */
    CHECK(round_with(0));
    CHECK_EQ(looks, 3072);
    CHECK_EQ(account(), 768u << 16 | (4096 - 3072));
}

/* Neither one that has passed nor the one that always has. */
static void test_a_passed_deadline_does_not_poll(void)
{
    clear(RICH);
    CHECK_EQ(valet_park_until(&parker, 0), VALET_TIMEDOUT);
    CHECK_EQ(valet_park_for(&parker, 0), VALET_TIMEDOUT);
    CHECK_EQ(waits + clocks, 0);
    CHECK_EQ(valet_park_until(&parker, 1), VALET_TIMEDOUT);
    CHECK_EQ(valet_park_until(&parker, 1000), VALET_TIMEDOUT);
    CHECK_EQ(waits, 2);
    CHECK_EQ(clocks, 2);
    CHECK_EQ(looks, 0);
    CHECK_EQ(account(), RICH);
}

static void test_a_deadline_to_come(void)
{
    clear(RICH);
    CHECK_EQ(valet_park_until(&parker, 1001), VALET_TIMEDOUT);
    CHECK_EQ(looks, 288); /* in vain, and it sleeps */
    CHECK_EQ(waits, 1);
    CHECK_EQ(account(), (2 * 64 + 8) << 16 | (2048 - 288));

    clear(RICH);
    unpark_at = 5;
    CHECK_EQ(valet_park_for(&parker, 1), VALET_OK);
    CHECK_EQ(looks, 5);
    CHECK_EQ(waits + wakes + clocks, 0); /* a timeout polls before it asks for the time */

    clear(RICH);
    CHECK_EQ(valet_park_for(&parker, 1), VALET_TIMEDOUT);
    CHECK_EQ(looks, 288);
    CHECK_EQ(waits, 1);
    CHECK_EQ(clocks, 1);
    CHECK_EQ(account(), (2 * 64 + 8) << 16 | (2048 - 288));
    clear(0);
    CHECK_EQ(valet_park_for(&parker, 1), VALET_TIMEDOUT);
    CHECK_EQ(looks, 0);
    CHECK_EQ(waits + clocks, 2);
    CHECK_EQ(credit(), 256 + 4);

    clear(0); /* it cannot pay for a poll, and asks no clock */
    CHECK_EQ(valet_park_until(&parker, 1001), VALET_TIMEDOUT);
    CHECK_EQ(looks + clocks, 0);
    CHECK_EQ(waits, 1);
    CHECK_EQ(credit(), 256 + 4);
}

/* A park with flags polls as one without; not with VALET_NO_POLL. */
static void test_flags(void)
{
    clear(RICH); /* by the wall clock, and asks no other */
    CHECK_EQ(valet_park_with(&parker, 1, VALET_REALTIME), VALET_TIMEDOUT);
    CHECK_EQ(looks, 288);
    CHECK_EQ(clocks, 0);
    CHECK_EQ(waits, 1);
    clear(RICH);
    CHECK_EQ(valet_park_with(&parker, 0, VALET_REALTIME), VALET_TIMEDOUT);
    CHECK_EQ(looks + clocks + waits, 0);
    for (unsigned flags = 0; flags <= VALET_INTERRUPTIBLE; flags += VALET_INTERRUPTIBLE) {
        clear(RICH);
        unpark_at = 5;
        CHECK_EQ(valet_park_with(&parker, VALET_FOREVER, flags), VALET_OK);
        CHECK_EQ(looks, 5);
        CHECK_EQ(waits + clocks, 0);
        clear(RICH);
        CHECK_EQ(valet_park_with(&parker, 1001, flags), VALET_TIMEDOUT);
        CHECK_EQ(looks, 288);
        CHECK_EQ(waits, 1);
        CHECK_EQ(clocks, 1);
        clear(RICH);
        CHECK_EQ(valet_park_with(&parker, 1, flags), VALET_TIMEDOUT); /* has passed */
        CHECK_EQ(looks, 0);
        clear(RICH);
        CHECK_EQ(valet_park_with(&parker, VALET_FOREVER, flags | VALET_NO_POLL), VALET_OK);
        CHECK_EQ(looks + clocks, 0);
        CHECK_EQ(waits, 1);
        CHECK_EQ(account(), RICH);

        clear_waiters(RICH);
        CHECK_EQ(valet_compare_and_wait_with(&waiters, 0, VALET_FOREVER, flags), VALET_OK);
        CHECK_EQ(looks, 288);
        clear_waiters(RICH);
        CHECK_EQ(valet_compare_and_wait_with(&waiters, 0, VALET_FOREVER, flags | VALET_NO_POLL),
                 VALET_OK);
        CHECK_EQ(looks + clocks, 0);
        CHECK_EQ(waits, 1);
        CHECK_EQ(account(), RICH);
    }
}

static void test_a_token_that_is_there(void)
{
    clear(RICH);
    valet_unpark(&parker);
    CHECK_EQ(valet_park(&parker), VALET_OK);
    valet_unpark(&parker);
    CHECK_EQ(valet_park_until(&parker, 1), VALET_OK);
    valet_unpark(&parker);
    CHECK_EQ(valet_park_for(&parker, 1), VALET_OK);
    CHECK_EQ(looks + waits + wakes + clocks, 0);
    CHECK_EQ(parker.word, (uintptr_t)RICH << 32);
}

/* A second thread neither looks nor touches the account of the first. */
static void test_busy(void)
{
    clear(RICH);
    parker.word |= PARKED;
    CHECK_EQ(valet_park(&parker), VALET_ERR_BUSY);
    CHECK_EQ(looks + waits + wakes, 0);
    CHECK_EQ(parker.word, (uintptr_t)RICH << 32 | PARKED);

    clear(RICH);
    park_at = 5;
    CHECK_EQ(valet_park(&parker), VALET_ERR_BUSY);
    CHECK_EQ(looks, 5);
    CHECK_EQ(waits + wakes, 0);
    CHECK_EQ(parker.word, (uintptr_t)RICH << 32 | PARKED);
}

static void test_fresh_waiters_do_not_poll(void)
{
    clear_waiters(0);
    for (int i = 0; i < 8; i++) {
        CHECK(wait_with(1));
        CHECK_EQ(looks, 0);
        CHECK_EQ(credit(), 256 + 4 * (i + 1));
    }
    CHECK(!wait_with(1)); /* the ninth does */
}

/* Whoever sets it makes no system call, as nobody is on record. */
static void test_a_state_that_comes_while_they_poll(void)
{
    for (unsigned at = 1; at <= 288; at++) {
        clear_waiters(RICH - 100);
        CHECK(!wait_with(at));
        CHECK_EQ(account(), (3 * 64 + at) / 4 << 16 | (2048 - 100 + 64));
    }
    clear_waiters(RICH - 100);
    delegate_at = 5;
    CHECK_EQ(valet_compare_and_wait(&waiters, 0), VALET_OK);
    CHECK_EQ(looks, 5);
    CHECK_EQ(waits + wakes, 0);
    CHECK_EQ(account(), (3 * 64 + 5) / 4 << 16 | (2048 - 100 + 64));
}

static void test_a_poll_of_waiters_in_vain_is_paid_for(void)
{
    clear_waiters(RICH);
    CHECK(wait_with(289));
    CHECK_EQ(looks, 288);
    CHECK_EQ(account(), (2 * 64 + 8) << 16 | (2048 - 288));
    CHECK(wait_with(0)); /* the next is longer */
    CHECK_EQ(looks, 4 * 136 + 32);
    CHECK(wait_with(0));
    CHECK_EQ(looks, 4 * 280 + 32);
    CHECK(wait_with(0)); /* and one that cannot be paid for is none */
    CHECK_EQ(looks, 0);
    CHECK_EQ(account(), 568u << 16 | (2048 - 288 - 576 - 1152 + 4));
}

/* Whoever was woken for nothing, or by a state that came back, registers anew and polls no more. */
static void test_one_poll_a_wait(void)
{
    clear_waiters(RICH);
    in_vain = 3;
    CHECK_EQ(valet_compare_and_wait(&waiters, 0), VALET_OK);
    CHECK_EQ(looks, 288);
    CHECK_EQ(waits, 4);
    CHECK_EQ(account(), (2 * 64 + 8) << 16 | (2048 - 288));
}

static void test_waiters_with_a_passed_deadline_do_not_poll(void)
{
    clear_waiters(RICH);
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 0), VALET_TIMEDOUT);
    CHECK_EQ(waits + clocks, 0);
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 1), VALET_TIMEDOUT);
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 1000), VALET_TIMEDOUT);
    CHECK_EQ(waits, 2);
    CHECK_EQ(clocks, 2);
    CHECK_EQ(looks, 0);
    CHECK_EQ(account(), RICH);
}

static void test_waiters_with_a_deadline_to_come(void)
{
    clear_waiters(RICH);
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 1001), VALET_TIMEDOUT);
    CHECK_EQ(looks, 288); /* in vain, and it sleeps */
    CHECK_EQ(waits, 1);
    CHECK_EQ(account(), (2 * 64 + 8) << 16 | (2048 - 288));

    clear_waiters(RICH);
    store_at = 5;
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 1001), VALET_OK);
    CHECK_EQ(looks, 5);
    CHECK_EQ(waits + wakes, 0);

    clear_waiters(0); /* it cannot pay for a poll, and asks no clock */
    CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 1001), VALET_TIMEDOUT);
    CHECK_EQ(looks + clocks, 0);
    CHECK_EQ(waits, 1);
    CHECK_EQ(credit(), 256 + 4);
}

/* ... also where others are on record, or are owed their wake-up. */
static void test_a_state_that_is_there(void)
{
    static const uint32_t flags[] = {0, WAITERS, OWED};
    for (unsigned i = 0; i < 3; i++) {
        clear_waiters(RICH);
        waiters.word |= flags[i] | 1;
        CHECK_EQ(valet_compare_and_wait(&waiters, 0), VALET_OK);
        CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 1001), VALET_OK);
        CHECK_EQ(looks + waits + clocks, 0);
        CHECK_EQ(account(), RICH);
        CHECK_EQ(wakes, flags[i] == OWED);
    }
}

/* A poll ends with another state, and with nothing else; then the rest is woken, as ever. */
static void test_waiters_that_find_others_owed(void)
{
    clear_waiters(RICH);
    waiters.word |= OWED;
    CHECK_EQ(valet_compare_and_wait(&waiters, 0), VALET_OK);
    CHECK_EQ(looks, 288);
    CHECK_EQ(waits, 1);
    CHECK_EQ(wakes, 2); /* the rest, and itself */
}

/* What one has taken, another cannot take; nor is what the other earns, or pays, undone. */
static void test_two_that_poll(void)
{
    clear_waiters(64u << 16 | 300); /* enough for one */
    wait_at = 7;
    store_at = 20;
    CHECK_EQ(valet_compare_and_wait(&waiters, 0), VALET_OK);
    CHECK_EQ(looks, 20);
    CHECK_EQ(waits, 1); /* of the other */
    CHECK_EQ(account(), (3 * 64 + 20) / 4 << 16 | (300 + 64 + 4));

    clear_waiters(64u << 16 | 600); /* for both: the other polls between two looks of this one */
    wait_at = 7;
    CHECK_EQ(valet_compare_and_wait(&waiters, 0), VALET_OK);
    CHECK_EQ(looks, 2 * 288);
    CHECK_EQ(waits, 2);
    CHECK_EQ(account(), 280u << 16 | (600 - 2 * 288));
}

/* In the short form, of loops over all there is, one in so many. */
static unsigned one_in(unsigned so_many)
{
    return test_threads_max() < 64 ? so_many : 1;
}

/* Whatever comes: failed looks <= FRESH + EARN * sleeps + GAIN * hits, at any time. */
static void check_that_looks_are_earned(bool round(unsigned at))
{
    uint32_t random = 1;
    for (unsigned kind = 0; kind < 16; kind += one_in(5)) {
        uint64_t failed = 0, sleeps = 0, hits = 0;
        clear(0);
        of_waiters = round == wait_with;
        for (unsigned i = 0; i < 100000; i++) {
            /* fast and slow phases, of lengths by kind */
            bool slow = i >> kind & 1;
            if (round(slow ? 0 : 1 + test_random(&random) % (kind < 8 ? 20 : 3600))) {
                sleeps++;
                failed += looks;
            } else {
                hits++;
            }
            CHECK(failed <= 256 + 4 * sleeps + 64 * hits);
            CHECK(credit() <= 4096);
            CHECK(account() >> 16 <= 3072);
        }
        CHECK(hits > 0 && failed > 0);
    }
}
static void test_looks_are_earned(void)
{
    check_that_looks_are_earned(round_with);
    check_that_looks_are_earned(wait_with);
}

/* No token ever comes in time, as on one CPU: few looks a sleep, but it goes on asking. */
static void test_never_in_time(void)
{
    uint64_t failed = 0;
    clear(0);
    for (unsigned i = 0; i < 100000; i++) {
        CHECK(round_with(0));
        failed += looks;
    }
    CHECK(failed <= 256 + 4 * 100000);
    CHECK(failed > 3 * 100000);
}

static void test_back_to_fast(void)
{
    for (unsigned slow = 0; slow < 3000; slow += one_in(13)) {
        clear(0);
        for (unsigned i = 0; i < slow; i++)
            round_with(0);
        unsigned rounds = 0;
        while (round_with(10))
            CHECK(++rounds <= 1024);
        for (unsigned i = 0; i < 100; i++)
            CHECK(!round_with(10));
    }
}

static void test_the_account_is_full(void)
{
    clear(0);
    for (unsigned i = 0; i < 1000; i++)
        round_with(1);
    CHECK_EQ(account(), 1u << 16 | 4096);
    clear(3072u << 16 | 4096);
    for (unsigned i = 0; i < 1000; i++)
        CHECK(!round_with(3072));
    CHECK_EQ(account(), 3072u << 16 | 4096);
    clear(3072u << 16 | 3071); /* sleeps */
    CHECK(round_with(1));
    CHECK_EQ(account(), 3072u << 16 | 3075);
}

TEST_PROGRAM(TEST(test_a_fresh_parker_does_not_poll), TEST(test_a_token_that_comes_while_it_polls),
             TEST(test_a_token_that_another_thread_takes), TEST(test_a_poll_in_vain_is_paid_for),
             TEST(test_a_passed_deadline_does_not_poll), TEST(test_a_deadline_to_come),
             TEST(test_flags), TEST(test_a_token_that_is_there), TEST(test_busy),
             TEST(test_looks_are_earned), TEST(test_fresh_waiters_do_not_poll),
             TEST(test_a_state_that_comes_while_they_poll),
             TEST(test_a_poll_of_waiters_in_vain_is_paid_for), TEST(test_one_poll_a_wait),
             TEST(test_waiters_with_a_passed_deadline_do_not_poll),
             TEST(test_waiters_with_a_deadline_to_come), TEST(test_a_state_that_is_there),
             TEST(test_waiters_that_find_others_owed), TEST(test_two_that_poll),
             TEST(test_never_in_time), TEST(test_back_to_fast), TEST(test_the_account_is_full));
