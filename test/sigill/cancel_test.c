/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A wait over a foreign kernel (kernel.h) that is cancelled by real signals at any moment of it.
 *
 * A kernel lets the handler run when the thread comes out of it. This one is a part of the program,
 * and the handler may run in the middle of it, where it has yet to go to sleep: then the signal is
 * sent again, until one has come while it sleeps. In the library's own code one is enough, and the
 * thread comes out by itself or never. In some rounds it comes right at the trap, to which the
 * kernel sets the thread back: there the handler must take it out.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "load.h"
#include "pc.h"
#include "test.h"

/* ROUNDS: of a hand-off; a 25th of it are waits. */

extern unsigned char __start_valet_text[], __stop_valet_text[];

static struct {
    _Atomic uint32_t word, cancel;
    uint64_t deadline;
    int result;
    atomic_uint round, done; /* begun, and ended */
    _Atomic pid_t tid;
} waiter;
static atomic_uint sent, handled, redirected, again;
static atomic_bool at_the_trap, must_be_out;

static void on_cancel(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uintptr_t pc = (uintptr_t)PC(uc);
    (void)number;
    (void)info;
    bool must = atomic_exchange(&must_be_out, false);
    bool inside = pc >= (uintptr_t)__start_valet_text && pc < (uintptr_t)__stop_valet_text;
    if (valet_cancel_redirect(&pc)) {
        CHECK(inside);
        PC(uc) = (__typeof__(PC(uc)))pc;
        atomic_fetch_add(&redirected, 1);
    } else {
        CHECK(!must);
        if (!inside)
            atomic_store(&again, 1);
    }
    atomic_fetch_add(&handled, 1);
}

/* In the handler of the trap: the signal waits for its end. */
static bool cancels_at_the_trap(const struct call *c)
{
    if (c->a[0] != (uintptr_t)&waiter.word || !atomic_exchange(&at_the_trap, false))
        return false;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR2);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);
    atomic_store(&waiter.cancel, 1);
    atomic_store(&must_be_out, true);
    atomic_fetch_add(&sent, 1);
    CHECK_EQ(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2), 0);
    return true;
}

static void wait_in_rounds(void *rounds)
{
    atomic_store(&waiter.tid, (pid_t)syscall(SYS_gettid));
    unsigned last = *(unsigned *)rounds, round = 1;
    for (; round <= last; round++) {
        test_until(&waiter.round, round);
        waiter.result = valet_futex_wait_cancellable((uint32_t *)&waiter.word, 0, waiter.deadline,
                                                     0, (const uint32_t *)&waiter.cancel);
        atomic_store(&waiter.done, round);
    }
    test_until(&waiter.round, round); /* a signal may be on its way to this thread */
}

static void send(void)
{
    atomic_store(&again, 0);
    unsigned n = atomic_fetch_add(&sent, 1) + 1;
    CHECK_EQ(syscall(SYS_tgkill, getpid(), atomic_load(&waiter.tid), SIGUSR2), 0);
    test_until(&handled, n);
}

/* A signal at some moment; and, before it, after it or not at all, a wake. */
static void cancel(uint32_t how)
{
    unsigned pause = (how >> 8) % (how & 2 ? 16384 : 256);
    for (volatile unsigned spin = 0; spin < pause; spin++)
        ;
    if (how >> 27 == 0) /* it sleeps, even where others have the CPUs */
        test_sleep(200 * US);
    if ((how & 12) == 4)
        valet_futex_wake((uint32_t *)&waiter.word, 1);
    atomic_store(&waiter.cancel, 1);
    send();
    if ((how & 12) == 8)
        valet_futex_wake((uint32_t *)&waiter.word, 1);
}

static void test_signals_at_any_moment(void)
{
    unsigned rounds = ROUNDS / 25;
    struct sigaction action = {.sa_sigaction = on_cancel, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(SIGUSR2, &action, NULL), 0);
    atomic_store(&kernel_sets_back, cancels_at_the_trap);
    struct test_thread *t = test_start(wait_in_rounds, &rounds);
    while (atomic_load(&waiter.tid) == 0)
        test_yield();
    uint32_t random = 2026;
    unsigned woken = 0;
    for (unsigned round = 1; round <= rounds; round++) {
        uint32_t how = test_random(&random);
        bool at_trap = (how & 48) == 0;
        uint64_t woken_before = kernel_woken();
        atomic_store(&again, 0);
        atomic_store(&waiter.cancel, 0);
        atomic_store(&at_the_trap, at_trap);
        waiter.deadline = how & 1 ? valet_now() + 3600 * S : VALET_FOREVER;
        atomic_store(&waiter.round, round);
        if (!at_trap)
            cancel(how);
        while (atomic_load(&waiter.done) != round)
            if (atomic_load(&again) != 0)
                send();
            else
                test_yield();
        /* Who was woken has been woken: a wake is never given up. */
        bool wake = kernel_woken() != woken_before;
        woken += wake;
        CHECK_EQ(waiter.result, wake ? VALET_OK : VALET_INTERRUPTED);
    }
    atomic_store(&waiter.round, rounds + 1);
    test_join(t);
    test_report("waits", rounds, "");
    test_report("taken out by the handler", atomic_load(&redirected), "");
    test_report("woken", woken, "");
}

TEST_PROGRAM(TEST(test_signals_at_any_moment));
