/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Threads that are held up where others need them: without the CPU, stopped, left behind by a fork,
 * cancelled, interrupted by a handler that wakes. On Linux, for linux and both forms of posix
 * (faults.sh). Each test ends by itself, or is ended by alarm(2): it hangs. -DVALET_TEST_STEP: a
 * wake is one atomic step to the thread it wakes, so it may be stopped, or interrupted, anywhere.
 *
 * Sources: sched(7), pthread_cancel(3), pthread_atfork(3), signal-safety(7).
 */
#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "machine.h"
#include "objects.h"
#include "start.h"
#include "test.h"

static struct valet_parker parker[64];
static struct valet_waiters waiters;
static uint32_t word;
static atomic_bool stop;

static uint32_t load_word(void)
{
    return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

static int sleep_on(int operation, int which, uint64_t deadline)
{
    if (operation == PARK)
        return valet_park_until(&parker[which], deadline);
    if (operation == WAIT)
        return valet_compare_and_wait_until(&waiters, valet_waiters_state(&waiters), deadline);
    return valet_futex_wait(&word, load_word(), deadline);
}

/* Wakes who sleeps; the state and the word are never what they were. */
static void wake_on(int operation, int which)
{
    if (operation == PARK)
        valet_unpark(&parker[which]);
    else if (operation == WAIT)
        valet_store_and_wake(&waiters, (valet_waiters_state(&waiters) + 1) % 32);
    else {
        __atomic_fetch_add(&word, 1, __ATOMIC_RELEASE);
        valet_futex_wake(&word, UINT32_MAX);
    }
}

static int status_of(pid_t child)
{
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* HELD_SECONDS: 10 is at length, and 0 for a kernel on which all this takes forty times as long. */
static unsigned seconds(void)
{
    const char *text = getenv("HELD_SECONDS");
    return text != NULL ? (unsigned)atoi(text) : 1;
}

/* ---- priorities ------------------------------------------------------------------------------ */

/* Waiters with deadlines of 0.2 to 1 ms; their waker has the higher priority, and all have one CPU.
 * Who watches is another process. */
static struct progress {
    atomic_uint wakes, returns;
} * progress;
static unsigned wakes, returns; /* when last looked at */
static int operation_of_all;

static void *low_waiter(void *number)
{
    uint32_t random = (uint32_t)(uintptr_t)number * 2654435761u + 1;
    be_fifo(10);
    while (!atomic_load(&stop)) {
        uint64_t deadline = valet_now() + 200 * US + test_random(&random) % (800 * US);
        CHECK(sleep_on(operation_of_all, (int)(intptr_t)number % 64, deadline) >= VALET_ERR_BUSY);
        atomic_fetch_add(&progress->returns, 1);
    }
    return NULL;
}

static _Noreturn void high_waker(int operation, int threads)
{
    operation_of_all = operation;
    on_one_cpu();
    be_fifo(20);
    for (int i = 0; i < threads; i++)
        start(low_waiter, (void *)(intptr_t)i);
    uint32_t random = 1;
    for (unsigned i = 0;; i++) {
        struct timespec nap = {.tv_nsec = 50000 + test_random(&random) % 1000000};
        wake_on(operation, (int)(i % (unsigned)threads));
        atomic_fetch_add(&progress->wakes, 1);
        nanosleep(&nap, NULL);
    }
}

/* Both sides have gone on since. */
static bool both_moved(void)
{
    return atomic_load(&progress->wakes) != wakes && atomic_load(&progress->returns) != returns;
}

static void priorities(int operation, int threads)
{
    progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(progress != MAP_FAILED);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        high_waker(operation, threads);
    wakes = returns = 0;
    bool moved = true;
    test_sleep(200 * MS); /* the threads are started */
    unsigned most = seconds() > 0 ? 3 * seconds() : 1;
    for (unsigned looks = 0; looks < most && moved; looks++) {
        test_sleep(300 * MS);
        moved = until_moved(child, both_moved);
        wakes = atomic_load(&progress->wakes), returns = atomic_load(&progress->returns);
    }
    int status;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    test_report("wakes", wakes, "");
    CHECK(moved);
}

static void test_a_waker_of_higher_priority_goes_on(void)
{
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        priorities(operation, 50);
        if (seconds() > 2) /* at length */
            priorities(operation, 8);
        priorities(operation, 2);
        test_been_through(operation);
    }
}

/* ---- stopped --------------------------------------------------------------------------------- */

#ifdef VALET_TEST_STEP
#include "stop.h"

static void *timed_waiter(void *number)
{
    uint32_t random = (uint32_t)(uintptr_t)number + 1;
    while (!atomic_load(&stop)) {
        uint64_t deadline = valet_now() + test_random(&random) % (40 * US);
        int r = sleep_on(operation_of_all, (int)(intptr_t)number, deadline);
        CHECK(r == VALET_OK || r == VALET_CHANGED || r == VALET_TIMEDOUT);
    }
    return NULL;
}

/* A collector: wakes threads while they are stopped, wherever they are in a wait. */
static void collect(int operation, int threads, int stops)
{
    pthread_t thread[8];
    operation_of_all = operation;
    atomic_store(&stop, false);
    for (int i = 0; i < threads; i++)
        thread[i] = start(timed_waiter, (void *)(intptr_t)i);
    alarm(PATIENCE);
    uint64_t end = test_end(10 * S); /* each stop waits until all of them have had a CPU */
    for (int i = 0; i < stops && (i < 100 || seconds() > 2 || test_before(end)); i++) {
        stop_the_world(thread, threads);
        wake_on(operation, i % threads);
        start_the_world();
    }
    atomic_store(&stop, true);
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    alarm(0);
}

static void test_a_stopped_thread_holds_up_no_waker(void)
{
    int stops = seconds() > 2 ? 200000 : seconds() > 0 ? 4000 : 100;
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        collect(operation, 1, stops);
        collect(operation, 4, stops);
        test_been_through(operation);
    }
}

/* ---- interrupted ----------------------------------------------------------------------------- */

static atomic_uint handlers;
static timer_t ticker;

static void on_tick(int number)
{
    (void)number;
    int saved = errno;
    for (int operation = PARK; operation < OPERATIONS; operation++)
        wake_on(operation, 0);
    atomic_fetch_add(&handlers, 1);
    errno = saved;
}

static void tick(uint64_t ns)
{
    struct itimerspec every = {.it_value.tv_nsec = (long)ns, .it_interval.tv_nsec = (long)ns};
    timer_settime(ticker, 0, &every, NULL);
}

/* The handler wakes by the very call that it interrupts, or the wait. */
static void test_a_handler_may_wake(void)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    sigaction(SIGUSR2, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &ticker), 0);
    pthread_t thread[3];
    sigset_t ticks;
    sigemptyset(&ticks);
    sigaddset(&ticks, SIGUSR2);
    alarm(PATIENCE);
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        operation_of_all = operation;
        atomic_store(&stop, false);
        pthread_sigmask(SIG_BLOCK, &ticks, NULL);
        for (int i = 0; i < 3; i++)
            thread[i] = start(timed_waiter, (void *)(intptr_t)(i + 1));
        pthread_sigmask(SIG_UNBLOCK, &ticks, NULL);
        uint32_t random = 7;
        atomic_store(&handlers, 0);
        tick(30 * US);
        while (atomic_load(&handlers) < (seconds() > 0 ? 10000u : 250u)) {
            for (int i = 0; i < 50; i++)
                wake_on(operation, 1 + i % 3);
            sleep_on(operation, 0, valet_now() + test_random(&random) % (40 * US));
        }
        tick(0);
        atomic_store(&stop, true);
        for (int i = 0; i < 3; i++)
            pthread_join(thread[i], NULL);
        test_been_through(operation);
    }
    alarm(0);
}

#endif

/* ---- interrupted, and alone -------------------------------------------------------------------
 */

/* A wait that ends when wake_on has been called once, whatever the object. */
static void begin_anew(void)
{
    parker[0].word = 0;
    valet_waiters_init(&waiters, 0);
    word = 0;
}

static int wait_for_it(int operation, uint64_t deadline)
{
    if (operation == PARK)
        return valet_park_until(&parker[0], deadline);
    if (operation == WAIT)
        return valet_compare_and_wait_until(&waiters, 0, deadline);
    int r = VALET_OK;
    while (load_word() == 0 && (r == VALET_OK || r == VALET_CHANGED))
        r = valet_futex_wait(&word, 0, deadline);
    return load_word() == 0 ? r : VALET_OK;
}

static struct {
    int operation;
    uint64_t deadline;
    atomic_int result; /* ASLEEP: none yet */
} sleeper;
#define ASLEEP 100

static void *waits(void *unused)
{
    atomic_store(&sleeper.result, wait_for_it(sleeper.operation, sleeper.deadline));
    return unused;
}

static void on_nothing(int number)
{
    (void)number;
}

/* By handlers after which a system call is not begun again: no wait ends, and none early. */
static void test_a_handler_interrupts_a_wait(void)
{
    struct sigaction action = {.sa_handler = on_nothing};
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    alarm(PATIENCE);
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        for (int timed = 0; timed < 2; timed++) {
            begin_anew();
            sleeper.operation = operation;
            sleeper.deadline = timed ? valet_now() + 5 * MS : VALET_FOREVER;
            atomic_store(&sleeper.result, ASLEEP);
            pthread_t thread = start(waits, NULL);
            for (int i = 0; i < 50 || (timed && atomic_load(&sleeper.result) == ASLEEP); i++) {
                CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
                test_sleep(50 * US);
            }
            if (!timed) {
                CHECK_EQ(atomic_load(&sleeper.result), ASLEEP);
                wake_on(operation, 0);
            }
            pthread_join(thread, NULL);
            CHECK_EQ(atomic_load(&sleeper.result), timed ? VALET_TIMEDOUT : VALET_OK);
            CHECK(!timed || valet_now() >= sleeper.deadline);
        }
        test_been_through(operation);
    }
    alarm(0);
}

static _Noreturn void *is_woken(void *operation)
{
    _exit(wait_for_it((int)(intptr_t)operation, VALET_FOREVER) == VALET_OK ? 0 : 1);
}

static void *wakes_and_ends(void *operation)
{
    test_sleep(1 * MS);
    wake_on((int)(intptr_t)operation, 0);
    return NULL;
}

/* What has a libc for its main thread, main has left; and who wakes is gone at once. */
static void test_the_first_thread_ends(void)
{
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        begin_anew();
        pid_t child = fork();
        if (child == 0) {
            alarm(PATIENCE);
            start(is_woken, (void *)(intptr_t)operation);
            start(wakes_and_ends, (void *)(intptr_t)operation);
            pthread_exit(NULL);
        }
        CHECK_EQ(status_of(child), 0);
        test_been_through(operation);
    }
}

static void wake_in_the_end(void)
{
    wake_on(sleeper.operation, 0);
}

/* exit(3) while threads wait, and a wake in what it calls: no call waits for anybody. */
static void test_a_process_ends_while_threads_wait(void)
{
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        for (int timed = 0; timed < 2; timed++) {
            begin_anew();
            sleeper.operation = operation;
            sleeper.deadline = timed ? valet_now() + 3600 * S : VALET_FOREVER;
            pid_t child = fork();
            if (child == 0) {
                alarm(PATIENCE);
                for (int i = 0; i < (operation == PARK ? 1 : 3); i++) /* one parks at a time */
                    start(waits, NULL);
                test_sleep(1 * MS);
                CHECK_EQ(atexit(wake_in_the_end), 0);
                exit(42);
            }
            CHECK_EQ(status_of(child), 42);
        }
        test_been_through(operation);
    }
}

/* ---- timed out ------------------------------------------------------------------------------- */

/* Linux' row believes a timeout without a look at the clock: so this is a test of the kernel, too.
 */
static void test_no_timeout_is_early(void)
{
    uint32_t random = 5;
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        for (int i = 0; i < (seconds() > 0 ? 2000 : 300); i++) {
            begin_anew();
            uint64_t deadline = valet_now() + test_random(&random) % (100 * US);
            CHECK_EQ(wait_for_it(operation, deadline), VALET_TIMEDOUT);
            CHECK(valet_now() >= deadline);
        }
        test_been_through(operation);
    }
}

/* ---- forked ---------------------------------------------------------------------------------- */

static void *futex_waiter(void *unused)
{
    while (load_word() == 0)
        CHECK(valet_futex_wait(&word, 0, VALET_FOREVER) >= 0);
    return unused;
}

/* A thread waits; in the child of a fork it is not there, and others wait on the same word. */
static void test_a_child_waits_by_itself(void)
{
    for (int round = 0; round < (seconds() > 0 ? 50 : 5); round++) {
        word = 0;
        pthread_t thread = start(futex_waiter, NULL);
        test_sleep(1 * MS);
        pid_t child = fork();
        if (child == 0) {
            alarm(PATIENCE);
            pthread_t mine[2] = {start(futex_waiter, NULL), start(futex_waiter, NULL)};
            test_sleep(1 * MS);
            __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
            valet_futex_wake(&word, 1);
            valet_futex_wake(&word, UINT32_MAX);
            pthread_join(mine[0], NULL);
            pthread_join(mine[1], NULL);
            _exit(0);
        }
        CHECK_EQ(status_of(child), 0);
        __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
        valet_futex_wake(&word, UINT32_MAX);
        pthread_join(thread, NULL);
    }
    test_been_through(FUTEX);
}

static void *futex_user(void *unused)
{
    while (!atomic_load(&stop)) {
        CHECK(valet_futex_wait(&word, load_word(), valet_now() + 10 * US) >= 0);
        valet_futex_wake(&word, 1);
    }
    return unused;
}

/* A fork in the midst of the calls of others, any of which may have the table just then. */
static void test_a_child_calls_at_once(void)
{
    pthread_t thread[2];
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++)
        thread[i] = start(futex_user, NULL);
    for (int round = 0; round < (seconds() > 0 ? 400 : 20); round++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(PATIENCE);
            valet_futex_wake(&word, 1);
            CHECK(valet_futex_wait(&word, load_word(), valet_now() + 10 * US) >= 0);
            _exit(0);
        }
        CHECK_EQ(status_of(child), 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    test_been_through(FUTEX);
}

static pthread_t again;
static bool starts;

static void start_again(void)
{
    if (!starts)
        return;
    again = start(futex_waiter, NULL);
    test_sleep(1 * MS); /* it sleeps */
}

/* A runtime's own handler starts its threads again in the child, and they wait. It runs after the
 * library's, which forgets the parent's, if somebody has slept before it was registered. */
static void test_a_child_handler_starts_threads(void)
{
    word = 0;
    CHECK_EQ(valet_futex_wait(&word, 0, 1), VALET_TIMEDOUT); /* so says sys/README.md */
    CHECK_EQ(pthread_atfork(NULL, NULL, start_again), 0);
    CHECK_EQ(valet_futex_wait(&word, 0, valet_now() + 10 * US), VALET_TIMEDOUT);
    starts = true;
    for (int round = 0; round < (seconds() > 0 ? 20 : 5); round++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(PATIENCE);
            __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
            valet_futex_wake(&word, 1);
            pthread_join(again, NULL);
            _exit(0);
        }
        CHECK_EQ(status_of(child), 0);
    }
    starts = false;
    test_been_through(FUTEX);
}

/* ---- forked by a handler --------------------------------------------------------------------- */

static pthread_t interrupted;
static atomic_bool may_interrupt; /* where it holds no lock of the libc, which fork(2) takes */
static volatile pid_t child_of_a_handler;
static volatile bool in_the_child;

/* The child is in the midst of the call, as its parent is, and goes on with it. But on posix, where
 * the call is one on a futex: there the table is empty in the child, and it ends in the handler. */
static void on_fork(int number)
{
    (void)number;
    int saved = errno;
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE);
        in_the_child = true;
        if (sleeper.operation == FUTEX && !VALET_TEST_FUTEX_KIND) {
            uint32_t woken = valet_futex_wake(&word, 1);
            int r = valet_futex_wait(&word, 0, valet_now() + 10 * US);
            _exit(woken != 0 ? 1 : r != VALET_TIMEDOUT ? 2 : 0);
        }
    } else {
        child_of_a_handler = child;
    }
    errno = saved;
}

static void *interrupts(void *ns)
{
    while (!atomic_load(&may_interrupt))
        sched_yield();
    test_sleep((uint64_t)(uintptr_t)ns);
    pthread_kill(interrupted, SIGUSR2);
    return NULL;
}

static void test_a_handler_forks(void)
{
    struct sigaction action = {.sa_handler = on_fork};
    CHECK_EQ(sigaction(SIGUSR2, &action, NULL), 0);
    interrupted = pthread_self();
    uint32_t random = 11;
    alarm(PATIENCE);
    CHECK_EQ(valet_futex_wait(&word, word, 1), VALET_TIMEDOUT); /* it registers a handler of fork */
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        for (int round = 0; round < (seconds() > 0 ? 50 : 5); round++) {
            begin_anew();
            child_of_a_handler = 0;
            atomic_store(&may_interrupt, false);
            pthread_t thread =
                start(interrupts, (void *)(uintptr_t)(test_random(&random) % (1 * MS)));
            sleeper.operation = operation;
            sleeper.deadline = valet_now() + 3 * MS;
            atomic_store(&may_interrupt, true);
            int r = wait_for_it(operation, sleeper.deadline);
            uint64_t now = valet_now();
            while (child_of_a_handler == 0 && !in_the_child) /* the signal may be late */
                test_sleep(10 * US);
            if (in_the_child)
                _exit(r != VALET_TIMEDOUT ? 3 : now < sleeper.deadline ? 4 : 0);
            CHECK_EQ(r, VALET_TIMEDOUT);
            CHECK(now >= sleeper.deadline);
            pthread_join(thread, NULL);
            CHECK_EQ(status_of(child_of_a_handler), 0);
        }
        test_been_through(operation);
    }
    alarm(0);
}

#if defined VALET_TEST_STEP && !VALET_TEST_FUTEX_KIND
static int woken_in_a_child(pid_t (*copy)(void))
{
    pid_t child = copy();
    if (child == 0) {
        alarm(PATIENCE);
        _exit((int)valet_futex_wake(&word, 1));
    }
    return status_of(child);
}

/* _Fork runs no handlers: in its child the table has who waited in the parent. */
static void test_a_fork_without_handlers(void)
{
    word = 0;
    pthread_t thread = start(futex_waiter, NULL);
    int woken = 0;
    alarm(PATIENCE);
    for (int tries = 0; tries < 1000 && woken == 0; tries++) { /* until it is asleep */
        test_sleep(1 * MS);
        woken = woken_in_a_child(_Fork);
    }
    CHECK_EQ(woken, 1);
    CHECK_EQ(woken_in_a_child(fork), 0);
    wake_on(FUTEX, 0);
    pthread_join(thread, NULL);
    alarm(0);
}
#endif

/* ---- cancelled ------------------------------------------------------------------------------- */

static struct {
    int operation, type;
    uint64_t deadline;
    atomic_int result;
    atomic_bool ran;
} cancelled;

static void *to_be_cancelled(void *unused)
{
    pthread_setcanceltype(cancelled.type, NULL);
    atomic_store(&cancelled.ran, true);
    /* It does not look what it waits on: by now that may be the next. */
    atomic_store(&cancelled.result, wait_for_it(cancelled.operation, cancelled.deadline));
    pthread_testcancel();
    return unused;
}

/* The request stays pending while the thread sleeps; after its call it is cancelled. */
static void cancel(int operation, int type, uint64_t timeout)
{
    begin_anew();
    cancelled.operation = operation;
    cancelled.type = type;
    cancelled.deadline = timeout == VALET_FOREVER ? timeout : valet_now() + timeout;
    atomic_store(&cancelled.result, 100);
    atomic_store(&cancelled.ran, false);
    pthread_t thread = start(to_be_cancelled, NULL);
    while (!atomic_load(&cancelled.ran))
        sched_yield();
    test_sleep(5 * MS);
    CHECK_EQ(pthread_cancel(thread), 0);
    bool in_time = atomic_load(&cancelled.result) == 100; /* this machine may be slow */
    test_sleep(5 * MS);
    if (timeout == VALET_FOREVER) {
        CHECK_EQ(atomic_load(&cancelled.result), 100);
        wake_on(operation, 0);
    }
    void *result;
    pthread_join(thread, &result);
    CHECK(!in_time || result == PTHREAD_CANCELED);
    int r = atomic_load(&cancelled.result);
    if (type == PTHREAD_CANCEL_DEFERRED &&
        operation != FUTEX) /* else on its way out; or for no reason */
        CHECK_EQ(r, timeout == VALET_FOREVER ? VALET_OK : VALET_TIMEDOUT);
    wake_on(operation, 0); /* of nobody: what it left behind is no frame of it */
}

static void test_no_wait_is_a_cancellation_point(void)
{
    alarm(PATIENCE);
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        for (int type = 0; type < 2; type++) {
            int of_type = type ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED;
            cancel(operation, of_type, VALET_FOREVER);
            cancel(operation, of_type, 200 * MS);
        }
        test_been_through(operation);
    }
    alarm(0);
}

/* ---- refused --------------------------------------------------------------------------------- */

/* The linker puts these in the place of the C library's (faults.sh): every so often `refusal`. */
static atomic_int refusals, refusal;

static bool refused(void)
{
    return atomic_load(&refusals) > 0 && atomic_fetch_sub(&refusals, 1) > 0;
}

int __real_sem_wait(sem_t *sem);
int __wrap_sem_wait(sem_t *sem);
int __wrap_sem_wait(sem_t *sem)
{
    if (!refused())
        return __real_sem_wait(sem);
    errno = refusal;
    return -1;
}

int __real_sem_timedwait(sem_t *sem, const struct timespec *at);
int __wrap_sem_timedwait(sem_t *sem, const struct timespec *at);
int __wrap_sem_timedwait(sem_t *sem, const struct timespec *at)
{
    if (!refused())
        return __real_sem_timedwait(sem, at);
    errno = refusal;
    return -1;
}

int __real_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *at);
int __wrap_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *at);
int __wrap_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *at)
{
#ifdef __GLIBC__
    if (!refused())
        return __real_sem_clockwait(sem, clock, at);
#else
    (void)sem, (void)clock, (void)at;
#endif
    errno = refusal;
    return -1;
}

int __real_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    return refused() ? refusal : __real_pthread_cond_wait(c, m);
}

int __real_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *at);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *at);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *at)
{
    return refused() ? refusal : __real_pthread_cond_timedwait(c, m, at);
}

#if !VALET_TEST_FUTEX_KIND
/* Now and then a refusal is no reason to give up; for ever, it is an error. errno is the caller's.
 */
static void test_a_refusal_now_and_then(void)
{
    atomic_store(&refusal, EINVAL);
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        for (int timed = 0; timed < 2; timed++) {
            parker[0].word = 0;
            atomic_store(&refusals, 1);
            errno = 4711;
            CHECK_EQ(sleep_on(operation, 0, valet_now() + 5 * MS), VALET_TIMEDOUT);
            CHECK_EQ(errno, 4711);
            CHECK_EQ(atomic_load(&refusals), 0);
            atomic_store(&refusals, 1000);
            CHECK_EQ(sleep_on(operation, 0, timed ? valet_now() + 3600 * S : VALET_FOREVER),
                     VALET_ERR_SYSTEM);
            CHECK_EQ(errno, 4711);
            atomic_store(&refusals, 0);
        }
        test_been_through(operation);
    }
}

/* The clock that the C library counts on may be set: what it calls over is over by valet_now()
 * only. */
static void test_a_time_that_is_over_by_another_clock(void)
{
    atomic_store(&refusal, ETIMEDOUT);
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        int left = 10;
        for (uint64_t timeout = 20 * MS; left != 0; timeout *= 2) { /* else it came meanwhile */
            CHECK(timeout < 60 * S);
            parker[0].word = 0;
            atomic_store(&refusals, 10);
            uint64_t deadline = valet_now() + timeout;
            CHECK_EQ(sleep_on(operation, 0, deadline), VALET_TIMEDOUT);
            CHECK(valet_now() >= deadline);
            left = atomic_load(&refusals);
            CHECK(left >= 0);
        }
    }
}
#endif

/* ---- a crowd --------------------------------------------------------------------------------- */

#define CROWD 4000
static uint64_t crowd_deadline;

static void *crowd_member(void *unused)
{
    CHECK_EQ(sleep_on(operation_of_all, 0, crowd_deadline), VALET_TIMEDOUT);
    return unused;
}

/* us of CPU time */
static uint64_t cost_of_a_crowd(int operation)
{
    static pthread_t thread[CROWD];
    operation_of_all = operation;
    crowd_deadline = valet_now() + 1500 * MS;
    for (int i = 0; i < CROWD; i++)
        thread[i] = start(crowd_member, NULL);
    struct rusage before, after;
    while (valet_now() < crowd_deadline - 20 * MS)
        test_sleep(1 * MS);
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < CROWD; i++)
        pthread_join(thread[i], NULL);
    uint64_t late = valet_now() - crowd_deadline;
    getrusage(RUSAGE_SELF, &after);
    uint64_t cpu = 0;
    for (int system = 0; system < 2; system++) {
        struct timeval a = system ? after.ru_stime : after.ru_utime;
        struct timeval b = system ? before.ru_stime : before.ru_utime;
        cpu +=
            (uint64_t)(a.tv_sec - b.tv_sec) * 1000000 + (uint64_t)a.tv_usec - (uint64_t)b.tv_usec;
    }
    test_report(operation == WAIT ? "4000 waiters, CPU" : "4000 on a futex, CPU", cpu / 1000, "ms");
    test_report("the last after", late / 1000000, "ms");
    return cpu;
}

/* Thousands with one deadline: one walk for all is 60 to 160 ms, a walk for each was 420 to 800.
 * Others may have the caches: one quiet time of three is enough. */
static void crowd(int operation)
{
    uint64_t cost = UINT64_MAX;
    for (int tries = 0; tries < 3 && cost >= 300000; tries++)
        cost = cost_of_a_crowd(operation);
    CHECK(cost < 300000);
}

static void test_a_crowd_with_one_deadline(void)
{
    alarm(PATIENCE);
    crowd(WAIT);
    crowd(FUTEX);
    alarm(0);
}

/* ---- a waker that computes on ---------------------------------------------------------------- */

static atomic_uint rounds_done;

static void *woken_by_a_busy_one(void *unused)
{
    unsigned state = 0;
    while (!atomic_load(&stop)) {
        if (operation_of_all == PARK)
            CHECK_EQ(valet_park(&parker[0]), VALET_OK);
        else if (operation_of_all == WAIT)
            CHECK_EQ(valet_compare_and_wait(&waiters, state), VALET_OK),
                state = valet_waiters_state(&waiters);
        else
            CHECK(valet_futex_wait(&word, load_word(), valet_now() + 200 * MS) >= 0);
        atomic_fetch_add(&rounds_done, 1);
    }
    return unused;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t own_cpu_time(void)
{
    struct timespec t;
    CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * S + (uint64_t)t.tv_nsec;
}

/* ns of CPU time that the waker, which goes on, has from a wake to when it finds that the woken
 * thread has run. What others have meanwhile is not in it. Of ten rounds one is that short: where
 * others want this CPU the waker may go on first, but not each time. */
static uint64_t tenth_of(int operation)
{
    enum { ROUNDS = 101 };
    static uint64_t taken[ROUNDS];
    operation_of_all = operation;
    atomic_store(&stop, false);
    valet_store_and_wake(&waiters, 0);
    parker[0].word = 0;
    pthread_t thread = start(woken_by_a_busy_one, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        test_sleep(2 * MS); /* it sleeps, and the scheduler owes it something */
        unsigned before = atomic_load(&rounds_done);
        uint64_t begin = own_cpu_time();
        wake_on(operation, 0);
        do
            taken[i] = own_cpu_time() - begin;
        while (taken[i] < 10 * MS && atomic_load(&rounds_done) == before);
    }
    atomic_store(&stop, true);
    wake_on(operation, 0);
    pthread_join(thread, NULL);
    qsort(taken, ROUNDS, sizeof taken[0], compare);
    return taken[ROUNDS / 10];
}

/* ---- a page that is protected for a moment, as by a collector's write barrier ---------------- */

static struct {
    struct valet_parker parker;
    struct valet_waiters waiters;
    uint32_t word;
} * guarded;
static volatile unsigned faults;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    uintptr_t offset = (uintptr_t)info->si_addr - (uintptr_t)guarded;
    if (offset >= TEST_PAGE || mprotect(guarded, TEST_PAGE, PROT_READ | PROT_WRITE) != 0)
        _exit(1);
#ifdef VALET_TEST_STEP
    valet_futex_wake(&guarded->word, 1); /* no queue is held while a word is read */
#endif
    faults++;
}

static void guard(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO, .sa_sigaction = on_fault};
    guarded = test_map();
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
}

static int wait_guarded(int operation, uint64_t deadline)
{
    if (operation == PARK)
        return valet_park_until(&guarded->parker, deadline);
    if (operation == WAIT)
        return valet_compare_and_wait_until(&guarded->waiters, 0, deadline);
    return valet_futex_wait(&guarded->word, 0, deadline);
}

#if VALET_TEST_FUTEX_KIND

static unsigned protections;

int __real_valet_sys_futex_wait(uint32_t *w, uint32_t expected, uint64_t deadline);
int __wrap_valet_sys_futex_wait(uint32_t *w, uint32_t expected, uint64_t deadline);

/* Between the library's last step and the kernel's look. */
int __wrap_valet_sys_futex_wait(uint32_t *w, uint32_t expected, uint64_t deadline)
{
    if (protections != 0) {
        protections--;
        CHECK_EQ(mprotect(guarded, TEST_PAGE, PROT_NONE), 0);
    }
    return __real_valet_sys_futex_wait(w, expected, deadline);
}

/* The kernel cannot read the word, but the handler for our own look undoes it. */
static void test_a_page_that_is_protected_for_a_moment(void)
{
    guard();
    for (int operation = PARK; operation < FUTEX; operation++) {
        for (unsigned times = 1; times <= 4; times++) {
            faults = 0;
            protections = times;
            CHECK_EQ(wait_guarded(operation, valet_now() + 2 * MS),
                     times < 4 ? VALET_TIMEDOUT : VALET_ERR_SYSTEM); /* it has an end */
            CHECK_EQ(faults, times);
        }
        test_been_through(operation);
    }
    faults = 0;
    protections = 1;
    CHECK_EQ(wait_guarded(FUTEX, VALET_FOREVER), VALET_ERR_SYSTEM);
    CHECK_EQ(faults, 0); /* the user's word is the kernel's to read */
    test_been_through(FUTEX);
}

#else

/* Only the library reads the word: each wait's first look runs the handler. */
static void test_a_page_that_is_protected_for_a_moment(void)
{
    guard();
    alarm(PATIENCE);
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        for (int times = 0; times < 20; times++) {
            faults = 0;
            CHECK_EQ(mprotect(guarded, TEST_PAGE, PROT_NONE), 0);
            int r = wait_guarded(operation, valet_now() + 1 * MS);
            CHECK(r == VALET_TIMEDOUT || (r == VALET_OK && operation == FUTEX));
            CHECK_EQ(faults, 1);
        }
        test_been_through(operation);
    }
    alarm(0);
}

#endif

/* On one CPU, and the waker keeps it: its slice must not be what the woken thread waits for. */
static void test_a_waker_that_computes_on(void)
{
    on_one_cpu();
    alarm(PATIENCE);
    for (int operation = PARK; operation < OPERATIONS; operation++) {
        /* One quiet time of three is enough, and a slice is never quiet. */
        uint64_t tenth = UINT64_MAX;
        for (int tries = 0; tries < 3 && tenth >= 1500 * US; tries++)
            tenth = tenth_of(operation);
        test_report(operation == PARK   ? "park"
                    : operation == WAIT ? "wait"
                                        : "futex",
                    tenth / 1000, "us");
        CHECK(tenth < 1500 * US); /* a slice is 3 ms and more */
    }
    alarm(0);
}

TEST_PROGRAM(TEST(test_a_waker_of_higher_priority_goes_on),
#ifdef VALET_TEST_STEP
             TEST(test_a_stopped_thread_holds_up_no_waker), TEST(test_a_handler_may_wake),
#endif
#if !VALET_TEST_FUTEX_KIND
             TEST(test_a_refusal_now_and_then), TEST(test_a_time_that_is_over_by_another_clock),
#endif
             TEST(test_a_page_that_is_protected_for_a_moment), TEST(test_no_timeout_is_early),
             TEST(test_a_handler_interrupts_a_wait), TEST(test_the_first_thread_ends),
             TEST(test_a_process_ends_while_threads_wait), TEST(test_a_child_waits_by_itself),
             TEST(test_a_child_calls_at_once), TEST(test_a_child_handler_starts_threads),
             TEST(test_a_handler_forks),
#if defined VALET_TEST_STEP && !VALET_TEST_FUTEX_KIND
             TEST(test_a_fork_without_handlers),
#endif
             TEST(test_no_wait_is_a_cancellation_point), TEST(test_a_crowd_with_one_deadline),
             TEST(test_a_waker_that_computes_on), );
