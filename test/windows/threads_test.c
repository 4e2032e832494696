/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What befalls a thread that waits: an APC, a suspension, a stranger's wait on its word, a refusal,
 * the end of the first thread. The end of the process: detach.c. */
#include "control.h"
#include "load.h"
#include "nt.h"
#include "objects.h"
#include "test.h"

static struct {
    struct valet_parker parker;
    struct valet_waiters waiters;
    uint32_t word;
    int operation;
    uint64_t deadline;
    atomic_int result; /* ASLEEP: none yet */
} o;
#define ASLEEP 100

static uint32_t load_word(void)
{
    return __atomic_load_n(&o.word, __ATOMIC_ACQUIRE);
}

static int wait_for_it(void)
{
    if (o.operation == PARK)
        return valet_park_until(&o.parker, o.deadline);
    if (o.operation == WAIT)
        return valet_compare_and_wait_until(&o.waiters, 0, o.deadline);
    int r = VALET_OK;
    while (load_word() == 0 && (r == VALET_OK || r == VALET_CHANGED))
        r = valet_futex_wait(&o.word, 0, o.deadline);
    return load_word() == 0 ? r : VALET_OK;
}

static void wake(void *unused)
{
    (void)unused;
    if (o.operation == PARK)
        valet_unpark(&o.parker);
    else if (o.operation == WAIT)
        valet_store_and_wake(&o.waiters, 1);
    else {
        __atomic_store_n(&o.word, 1, __ATOMIC_RELEASE);
        valet_futex_wake(&o.word, VALET_FUTEX_ALL);
    }
}

static void begin_anew(int operation, uint64_t deadline)
{
    o.parker.word = 0;
    valet_waiters_init(&o.waiters, 0);
    o.word = 0;
    o.operation = operation;
    o.deadline = deadline;
    atomic_store(&o.result, ASLEEP);
}

static void waits(void *unused)
{
    (void)unused;
    atomic_store(&o.result, wait_for_it());
}

/* A thread that is in its call by now; as far as can be told, it sleeps, or its deadline came. */
static struct test_thread *start_sleeper(void)
{
    unsigned before = control_waits();
    struct test_thread *t = test_start(waits, NULL);
    while (control_waits() == before)
        test_yield();
    test_sleep(50 * MS);
    CHECK(atomic_load(&o.result) == ASLEEP || valet_now() >= o.deadline);
    return t;
}

static void test_interrupts_end_no_wait(void)
{
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        begin_anew(operation, VALET_FOREVER);
        struct test_thread *t = start_sleeper();
        for (int i = 0; i < 50; i++) {
            test_interrupt(t, NULL,
                           NULL); /* an APC, suspended and resumed, and woken for nothing */
            test_sleep(100 * US);
        }
        CHECK_EQ(atomic_load(&o.result), ASLEEP);
        wake(NULL);
        test_join(t);
        CHECK_EQ(atomic_load(&o.result), VALET_OK);
        test_been_through(operation);
    }
}

static void test_a_timeout_is_not_early(void)
{
    uint32_t random = 5;
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        for (int i = 0; i < 100; i++) {
            begin_anew(operation, valet_now() + test_random(&random) % (2 * MS));
            CHECK_EQ(wait_for_it(), VALET_TIMEDOUT);
            CHECK(valet_now() >= o.deadline);
        }
        test_been_through(operation);
    }
}

static atomic_bool has_woken;

static void wake_and_say(void *unused)
{
    wake(unused);
    atomic_store(&has_woken, true);
}

/* A collector suspends a thread that sleeps, and another wakes it. Futex kind: that call returns at
 * once. Keyed events: it may wait until the thread is resumed, as valet.h says. Nothing is lost. */
static void test_a_suspended_thread_is_woken(void)
{
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        for (int timed = 0; timed < 2; timed++) {
            begin_anew(operation, timed ? valet_now() + 3600 * S : VALET_FOREVER);
            atomic_store(&has_woken, false);
            struct test_thread *t = start_sleeper();
            CHECK_EQ(NtSuspendThread(nt_handle(t), NULL), STATUS_SUCCESS);
            struct test_thread *waker = test_start(wake_and_say, NULL);
            while (VALET_TEST_FUTEX_KIND && !atomic_load(&has_woken))
                test_yield();
            test_sleep(20 * MS);
            CHECK_EQ(atomic_load(&o.result), ASLEEP);
            CHECK_EQ(NtResumeThread(nt_handle(t), NULL), STATUS_SUCCESS);
            test_join(waker);
            test_join(t);
            CHECK_EQ(atomic_load(&o.result), VALET_OK);
        }
        test_been_through(operation);
    }
}

#if VALET_TEST_FUTEX_KIND
int32_t NTAPI RtlWaitOnAddress(const volatile void *word, const void *expected, size_t size,
                               const int64_t *timeout);

static uint32_t *strange_word;

static void strange_wait(void *unused)
{
    (void)unused;
    const uint32_t expected = 77;
    RtlWaitOnAddress(strange_word, &expected, sizeof expected, NULL);
}

/* It waits on what the memory was before. A wake of one may go to it, so the parked thread finds
 * its token at its deadline; a wake of all reaches both. */
static void test_a_stranger_by_wait_on_address(void)
{
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        strange_word = operation == FUTEX  ? &o.word
                       : operation == PARK ? (uint32_t *)&o.parker.word
                                           : (uint32_t *)&o.waiters.word;
        *strange_word = 77;
        unsigned before = control_waits();
        struct test_thread *stranger = test_start(strange_wait, NULL);
        while (control_waits() == before)
            test_yield();
        test_sleep(20 * MS);
        begin_anew(operation, operation == PARK ? valet_now() + 1 * S : VALET_FOREVER);
        struct test_thread *t = start_sleeper();
        wake(NULL);
        bool late = valet_now() >= o.deadline; /* on a slow machine: once more */
        test_join(t);
        CHECK(late || atomic_load(&o.result) == VALET_OK);
        test_interrupt(stranger, NULL, NULL); /* if it was not woken */
        test_join(stranger);
        if (late)
            operation--;
        else
            test_been_through(operation);
    }
}

/* ntdll has no such answer for us; another version may. */
static void test_a_refused_wait_is_an_error(void)
{
    enum { STATUS_ACCESS_DENIED = (int32_t)0xc0000022 };
    control_answer(STATUS_ACCESS_DENIED);
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        for (int timed = 0; timed < 2; timed++) {
            begin_anew(operation, timed ? valet_now() + 3600 * S : VALET_FOREVER);
            CHECK_EQ(wait_for_it(), VALET_ERR_SYSTEM);
            CHECK_EQ(wait_for_it(), VALET_ERR_SYSTEM); /* it was withdrawn: not BUSY */
            wake(NULL);
            CHECK_EQ(wait_for_it(), VALET_OK);
        }
        test_been_through(operation);
    }
    control_answer(STATUS_SUCCESS);
}
#endif

static HANDLE first;

static void wakes_and_ends(void *unused)
{
    test_sleep(20 * MS);
    wake(unused);
}

/* Each waker is gone when who it has woken goes on. Ends the program, in the first thread's place.
 */
static void outlive(void *unused)
{
    (void)unused;
    CHECK_EQ(NtWaitForSingleObject(first, false, NULL), STATUS_SUCCESS);
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        begin_anew(operation, VALET_FOREVER);
        struct test_thread *waker = test_start(wakes_and_ends, NULL);
        CHECK_EQ(wait_for_it(), VALET_OK);
        test_join(waker);
        test_been_through(operation);
    }
    control_end();
    test_write("1 tests passed\n");
    test_exit(0);
}

/* To be run alone. */
static void test_the_first_thread_ends(void)
{
    first = nt_this_thread();
    test_start(outlive, NULL);
    RtlExitUserThread(STATUS_SUCCESS);
}

#if VALET_TEST_FUTEX_KIND
#define OF_THE_FUTEX_KIND \
    TEST(test_a_stranger_by_wait_on_address), TEST(test_a_refused_wait_is_an_error),
#else
#define OF_THE_FUTEX_KIND
#endif

TEST_PROGRAM(TEST(test_interrupts_end_no_wait), TEST(test_a_timeout_is_not_early),
             TEST(test_a_suspended_thread_is_woken),
             OF_THE_FUTEX_KIND TEST(test_the_first_thread_ends));
