/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A wake that comes when the owner has left the frame of the word: nothing is to be reported. That
 * is rare in the other programs, since the waker has to lose its CPU right before its call. Linux.
 */
#include "test.h"
#include "valet_sys.h"

/* Relaxed, so that nothing orders what the owner and the waker do. */
static uint32_t *_Atomic left;
static atomic_bool is_left, is_woken;

__attribute__((noinline)) static void own_and_leave(void)
{
    volatile uint32_t words[32]; /* the first is deep enough to be in the next frame */
    words[0] = 1;
    atomic_store_explicit(&left, (uint32_t *)words, memory_order_relaxed);
}

/* The next frame there: `written` before the wake, or only after it. */
__attribute__((noinline)) static void go_on(bool written)
{
    volatile uint32_t frame[64];
    size_t i = (size_t)(atomic_load_explicit(&left, memory_order_relaxed) - (uint32_t *)frame);
    CHECK(i < 64);
    if (written)
        frame[i] = 2;
    atomic_store_explicit(&is_left, true, memory_order_relaxed);
    while (!atomic_load_explicit(&is_woken, memory_order_relaxed))
        test_yield();
    frame[i] = 3;
}

static void run_owner(void *written)
{
    own_and_leave();
    go_on(written != NULL);
}

static void check_late(bool counts, bool written)
{
    atomic_store(&is_left, false);
    atomic_store(&is_woken, false);
    struct test_thread *t = test_start(run_owner, written ? &left : NULL);
    while (!atomic_load_explicit(&is_left, memory_order_relaxed))
        test_yield();
    uint32_t *word = atomic_load_explicit(&left, memory_order_relaxed);
    if (counts)
        (void)!valet_futex_wake(word, 1);
    else
        valet_sys_futex_wake(word, 1);
    atomic_store_explicit(&is_woken, true, memory_order_relaxed);
    test_join(t);
}

static void test_a_wake_that_is_late(void)
{
    check_late(false, false);
    check_late(false, true);
}

static void test_a_wake_that_is_late_and_counts(void)
{
    check_late(true, false);
    check_late(true, true);
}

TEST_PROGRAM(TEST(test_a_wake_that_is_late), TEST(test_a_wake_that_is_late_and_counts));
