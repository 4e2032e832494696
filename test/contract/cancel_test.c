/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A cancellable wait on Linux, cancelled by real signals at any moment of it; test/model does so at
 * each instruction. VALET_TEST_SIGNALS=1000000 in the environment sends so many, however long they
 * take.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "load.h"
#include "pc.h"
#include "test.h"

#define CANCELS SIGUSR2 /* SIGUSR1 is the host's */
#define OTHER   SIGURG

/* One thread that waits, once for each round. */
static struct {
    _Atomic uint32_t word, cancel;
    uint64_t deadline;
    unsigned flags;
    int result;
    atomic_uint round, done; /* begun, and ended */
    atomic_uint stop;
    _Atomic pid_t tid;
    struct test_thread *thread;
} waiter;
static atomic_uint handled, redirected, others, lingers;
static volatile sig_atomic_t comes_again; /* whether the handler knows that handlers are nested */

static void send(int number)
{
    CHECK_EQ(syscall(SYS_tgkill, getpid(), atomic_load(&waiter.tid), number), 0);
}

static void on_cancel(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uintptr_t pc = (uintptr_t)PC(uc);
    (void)info;
    if (valet_cancel_redirect(&pc)) {
        PC(uc) = (__typeof__(PC(uc)))pc;
        atomic_fetch_add(&redirected, 1);
    } else if (comes_again) {
        comes_again = 0;
        sigaddset(&uc->uc_sigmask, number);
        send(number);
    }
    atomic_fetch_add(&handled, 1);
}

static void on_other(int number)
{
    (void)number;
    atomic_fetch_add(&others, 1);
    while (atomic_load(&lingers) != 0)
        ;
}

static void handle(int number, int flags)
{
    struct sigaction action = {.sa_flags = flags};
    if (number == CANCELS) {
        action.sa_sigaction = on_cancel;
        action.sa_flags |= SA_SIGINFO;
    } else
        action.sa_handler = on_other;
    CHECK_EQ(sigaction(number, &action, NULL), 0);
}

static void wait_in_rounds(void *unused)
{
    (void)unused;
    atomic_store(&waiter.tid, (pid_t)syscall(SYS_gettid));
    for (unsigned round = 1;; round++) {
        for (int i = 0; atomic_load(&waiter.round) != round; i++) {
            if (atomic_load(&waiter.stop) != 0)
                return;
            if (i > 2000)
                test_yield();
        }
        waiter.result =
            valet_futex_wait_cancellable((uint32_t *)&waiter.word, 0, waiter.deadline, waiter.flags,
                                         (const uint32_t *)&waiter.cancel);
        atomic_store(&waiter.done, round);
    }
}

static void start(void)
{
    atomic_store(&waiter.round, 0);
    atomic_store(&waiter.done, 0);
    atomic_store(&waiter.stop, 0);
    atomic_store(&waiter.tid, 0);
    waiter.thread = test_start(wait_in_rounds, NULL);
    while (atomic_load(&waiter.tid) == 0)
        test_yield();
}

static void stop(void)
{
    atomic_store(&waiter.stop, 1);
    test_join(waiter.thread);
}

static void begin(uint64_t deadline, unsigned flags)
{
    atomic_store(&waiter.cancel, 0);
    waiter.deadline = deadline;
    waiter.flags = flags;
    atomic_fetch_add(&waiter.round, 1);
}

/* At least that much. Spins first: the other thread is about to be there. */
static void until(atomic_uint *counter, unsigned value)
{
    for (int i = 0; (int)(atomic_load(counter) - value) < 0; i++)
        if (i >= 2000)
            test_yield();
}

static void end(int result)
{
    until(&waiter.done, atomic_load(&waiter.round));
    CHECK_EQ(waiter.result, result);
}

static uint32_t wake(void)
{
    return valet_futex_wake_with((uint32_t *)&waiter.word, 1, waiter.flags & VALET_SHARED);
}

static void cancel(void)
{
    atomic_store(&waiter.cancel, 1);
    send(CANCELS);
}

/* One that is asleep by now, or is slow. */
static void sleep_and_cancel(uint64_t deadline, unsigned flags)
{
    unsigned before = atomic_load(&handled);
    begin(deadline, flags);
    test_sleep(MS);
    cancel();
    end(VALET_INTERRUPTED);
    until(&handled, before + 1);
}

/* With a deadline and without, in each way of a handler to end. */
static void test_a_thread_that_sleeps(void)
{
    const unsigned flags[] = {0, VALET_SHARED, VALET_INTERRUPTIBLE, VALET_REALTIME};
    start();
    for (unsigned i = 0; i < 32; i++) {
        handle(CANCELS, i & 1 ? SA_RESTART : 0);
        sleep_and_cancel(i & 2 ? VALET_FOREVER - 1 : VALET_FOREVER, flags[i / 4 % 4]);
        sleep_and_cancel(valet_now() + 3600 * S, flags[i / 4 % 3]);
    }
    /* The kernel sets it back to the trap. */
    handle(CANCELS, SA_RESTART);
    unsigned out = atomic_load(&redirected);
    for (unsigned i = 0; i < 100 && atomic_load(&redirected) == out; i++)
        sleep_and_cancel(VALET_FOREVER, 0);
    CHECK(atomic_load(&redirected) != out);
    stop();
}

/* Other handlers are none of its business: as in any wait. */
static void test_a_handler_of_another_signal(void)
{
    start();
    handle(OTHER, 0);
    for (unsigned i = 0; i < 8; i++) {
        unsigned flag = i & 1 ? VALET_INTERRUPTIBLE : 0;
        begin(VALET_FOREVER, flag);
        unsigned round = atomic_load(&waiter.round);
        while (atomic_load(&waiter.done) != round) { /* one may be too early */
            send(OTHER);
            test_sleep(100 * US);
        }
        end(flag != 0 ? VALET_INTERRUPTED : VALET_OK);
    }
    handle(OTHER, SA_RESTART);
    for (unsigned i = 0; i < 8; i++) {
        unsigned before = atomic_load(&others);
        begin(VALET_FOREVER, 0);
        test_sleep(MS);
        send(OTHER);
        until(&others, before + 1);
        while (wake() == 0) /* it sleeps again */
            test_yield();
        end(VALET_OK);
    }
    stop();
}

/* Under the handler of another signal, after which the wait would go on. */
static void test_nested_handlers(void)
{
    start();
    handle(CANCELS, SA_RESTART);
    handle(OTHER, SA_RESTART);
    for (unsigned i = 0; i < 8; i++) {
        unsigned before = atomic_load(&handled), inner = atomic_load(&others);
        begin(VALET_FOREVER, 0);
        test_sleep(2 * MS);
        atomic_store(&lingers, 1);
        send(OTHER);
        until(&others, inner + 1);
        comes_again = 1;
        cancel();
        until(&handled, before + 1);
        CHECK(atomic_load(&waiter.done) != atomic_load(&waiter.round));
        atomic_store(&lingers, 0);
        end(VALET_INTERRUPTED);
        until(&handled, before + 2);
    }
    stop();
}

/* At any moment: out it comes; and who was woken has been woken, for the waker was told so. */
static void test_signals_at_any_moment(void)
{
    const char *asked = getenv("VALET_TEST_SIGNALS");
    unsigned rounds = asked != NULL ? (unsigned)atoi(asked) : 20000;
    uint64_t end_at = asked != NULL ? UINT64_MAX : test_end(800 * MS);
    unsigned out = atomic_load(&redirected), woken = 0, round = 0, before = atomic_load(&handled);
    uint32_t random = 2026;
    start();
    for (bool none = true; round < 100 || (round < rounds && test_before(end_at)) ||
                           (none && round < 2000); /* where it had no CPU while others had */
         round++) {
        unsigned how = test_random(&random);
        if (round % 1024 == 0)
            handle(CANCELS, round % 2048 ? 0 : SA_RESTART);
        begin(how & 1 ? valet_now() + 3600 * S : VALET_FOREVER, how & 2 ? VALET_SHARED : 0);
        unsigned pause = (how >> 8) % (how & 4 ? 4096 : 256);
        for (volatile unsigned spin = 0; spin < pause; spin++)
            ;
        if (round < 64 || how >> 26 == 0) /* it sleeps, even where others have the CPUs */
            test_sleep(100 * US);
        else if (none)
            test_sleep(2 * MS);
        bool wakes = how & 8;
        uint32_t n = wakes && how & 16 ? wake() : 0;
        cancel();
        if (wakes && !(how & 16))
            n = wake();
        CHECK(n <= 1);
        woken += n;
        end(n != 0 ? VALET_OK : VALET_INTERRUPTED);
        until(&handled, before + round + 1);
        none = woken == 0 || atomic_load(&redirected) == out;
    }
    stop();
    test_report("signals", round, "");
    test_report("taken out by the handler", atomic_load(&redirected) - out, "");
    test_report("woken", woken, "");
    CHECK(woken != 0 && atomic_load(&redirected) != out);
}

TEST_PROGRAM(TEST(test_a_thread_that_sleeps), TEST(test_a_handler_of_another_signal),
             TEST(test_nested_handlers), TEST(test_signals_at_any_moment));
