/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a test program may use, on every host. A program is one subject, lists its tests with
 * TEST_PROGRAM, and is built unchanged for each host:
 *
 *   hosted.c   threads of the C library: glibc, musl, also under QEMU user mode and sanitizers
 *   green      test/green: threads of a scheduler of our own, which supplies valet_sys.h
 * (-Dos=external) bare       test/bare: one thread per CPU of a machine without a system
 *
 * So programs use no libc. Threads are ordered by handshakes; test_sleep only lets time pass, for
 * deadlines and as "long enough that a bug would show". Every loop that waits calls test_yield.
 */
#ifndef VALET_TEST_H
#define VALET_TEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "valet.h"

#if ATOMIC_INT_LOCK_FREE != 2
/* Compilers make a plain store of it. One that comes in the middle of another CPU's exchange
 * (bare/atomic.c) is lost. */
#undef atomic_store
#undef atomic_store_explicit
#define atomic_store(object, desired)                 ((void)atomic_exchange(object, desired))
#define atomic_store_explicit(object, desired, order) atomic_store(object, desired)
#endif

/* ---- supplied by the host -------------------------------------------------------------------- */

struct test_thread;

void test_write(const char *text);
_Noreturn void test_exit(int status);

/* How many threads may run at a time beside the first. At least 3. */
unsigned test_threads_max(void);
struct test_thread *test_start(void (*run)(void *), void *argument);
void test_join(struct test_thread *thread);
void test_yield(void);
void test_sleep(uint64_t ns);

/* One zeroed page; after test_unmap any touch of it, by anyone, is an error: a fault where there is
 * memory protection, else it is found at the end of the program. */
#define TEST_PAGE 4096u
void *test_map(void);
void test_unmap(void *page);

/* Run handler(argument) in the context of a signal or interrupt handler on the thread's CPU, soon;
 * returns at once. On a host without them: make what the thread waits for return for no reason.
 * At most one at a time is on its way to each thread: more are merged. */
void test_interrupt(struct test_thread *thread, void (*handler)(void *), void *argument);
/* Whether handlers really run in a context from which valet_unpark must work. */
bool test_has_handlers(void);
/* The calling thread. */
struct test_thread *test_self(void);

/* Set the wall clock forward by that much, or back. False: nothing was done, since it is not the
 * test's to set. 0 asks whether it is. */
bool test_move_clock(int64_t ns);

/* ---- test.c ---------------------------------------------------------------------------------- */

struct test {
    const char *name;
    void (*run)(void);
};
#define TEST(function)      \
    {                       \
#function, function \
    }

/* The host's entry calls test_run. */
#define TEST_PROGRAM(...)                          \
    const struct test test_list[] = {__VA_ARGS__}; \
    const size_t test_count = sizeof test_list / sizeof *test_list
extern const struct test test_list[];
extern const size_t test_count;

/* Runs every test whose name contains `only`; NULL: all. 0, or 1 if none matched. A failed check
 * ends the program with 1 from whatever thread it is on. */
int test_run(const char *only);

_Noreturn void test_failed(const char *file, int line, const char *expression);
_Noreturn void test_failed_eq(const char *file, int line, const char *expression, long long actual,
                              long long expected);
#define CHECK(expression) ((expression) ? (void)0 : test_failed(__FILE__, __LINE__, #expression))
#define CHECK_EQ(actual, expected)                                                   \
    test_check_eq(__FILE__, __LINE__, #actual " == " #expected, (long long)(actual), \
                  (long long)(expected))
static inline void test_check_eq(const char *file, int line, const char *expression,
                                 long long actual, long long expected)
{
    if (actual != expected)
        test_failed_eq(file, line, expression, actual, expected);
}

/* Print "   what: value unit". */
void test_report(const char *what, uint64_t value, const char *unit);

/* xorshift32; state must not be 0. */
static inline uint32_t test_random(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

/* ---- looking into the words, for handshakes -------------------------------------------------- */

/* VALET_TEST_FUTEX_KIND is 1 or 0: the kind of the library under test. */
static inline uintptr_t test_word(const uintptr_t *word)
{
#if VALET_TEST_FUTEX_KIND
    const uint32_t *low = (const uint32_t *)(const void *)word;
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
        low += sizeof *word / sizeof *low - 1;
    return __atomic_load_n(low, __ATOMIC_RELAXED);
#else
    return __atomic_load_n(word, __ATOMIC_RELAXED);
#endif
}

/* Until a thread is parked on p, or as good as: the next unpark must wake it. */
static inline void test_until_parked(const struct valet_parker *p)
{
    while (test_word(&p->word) <= 1)
        test_yield();
}

/* Until somebody is on record as waiting on w. */
static inline void test_until_waited(const struct valet_waiters *w)
{
    while (test_word(&w->word) >> VALET_STATE_BITS == 0)
        test_yield();
}

#endif
