/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The runtime itself: without it, a pass of the other programs means little. */
#define _GNU_SOURCE

#include "sched.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define MS   1000000u
#define MANY 8

static struct test_thread *thread[MANY];

static void start_many(void (*run)(void *))
{
    for (uintptr_t i = 0; i < MANY; i++)
        thread[i] = test_start(run, (void *)i);
}

static void join_many(void)
{
    for (int i = 0; i < MANY; i++)
        test_join(thread[i]);
}

/* ---- threads --------------------------------------------------------------------------------- */

#define ALL 4200
static struct green *blocked[ALL];
static unsigned alive; /* under the lock */

static void live(void *unused)
{
    (void)unused;
    green_lock();
    blocked[alive++] = green_self();
    CHECK(green_block(GREEN_FOREVER));
    alive--;
    green_unlock();
}

static void test_as_many_threads_as_promised_at_a_time_and_again(void)
{
    static struct test_thread *all[ALL];
    CHECK_EQ(test_threads_max(), ALL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < ALL; i++)
            all[i] = test_start(live, NULL);
        while (__atomic_load_n(&alive, __ATOMIC_RELAXED) != ALL)
            test_yield();
        green_lock();
        for (int i = 0; i < ALL; i++)
            green_ready(blocked[i]);
        green_unlock();
        for (int i = 0; i < ALL; i++)
            test_join(all[i]);
        CHECK_EQ(alive, 0);
    }
}

/* ---- preemption ------------------------------------------------------------------------------ */

/* Each thread has every register full of its own numbers, at all times. */
static void compute(void *number)
{
    uint64_t integer[12] = {0};
    double real[12] = {0};
    uint64_t seed = (uintptr_t)number + 1, until = green_now() + 30 * MS;
    unsigned rounds = 0;
    do {
        for (unsigned i = 0; i < 1000; i++, rounds++) {
            for (unsigned k = 0; k < 12; k++) {
                integer[k] += seed * (k + 1);
                real[k] += (double)(seed * (k + 1));
            }
        }
        for (unsigned k = 0; k < 12; k++) {
            CHECK_EQ(integer[k], seed * (k + 1) * rounds);
            CHECK(real[k] == (double)(seed * (k + 1)) * rounds); /* exact: below 2^53 */
        }
    } while (green_now() < until);
}

static void test_registers_survive_a_preemption(void)
{
    start_many(compute);
    join_many();
}

static atomic_bool flag;

static void set_flag(void *unused)
{
    (void)unused;
    flag = true;
}

static void test_a_thread_that_never_yields_is_preempted(void)
{
    flag = false;
    bool was = green_preempt(true);
    struct test_thread *t = test_start(set_flag, NULL);
    while (!flag)
        ; /* and does not give the CPU away */
    test_join(t);
    green_preempt(was);
}

/* Two counters that differ only under the lock; plain accesses, which a preemption would tear. */
static volatile uint64_t left, right;

static void count_both(void *unused)
{
    uint64_t until = green_now() + 60 * MS;
    (void)unused;
    while (green_now() < until) {
        green_lock();
        uint64_t l = left, r = right;
        CHECK_EQ(l, r);
        left = l + 1;
        for (volatile int i = 0; i < 100; i++)
            ;
        right = r + 1;
        green_unlock();
    }
}

static void test_nobody_is_preempted_under_the_lock(void)
{
    start_many(count_both);
    join_many();
    CHECK(left > MANY);
}

static void test_the_lock_nests(void)
{
    flag = false;
    green_lock();
    struct test_thread *other = test_start(set_flag, NULL);
    count_both(NULL); /* whose unlock lets nobody in */
    CHECK(!flag);
    green_unlock();
    test_join(other);
    CHECK(flag);
}

#if defined __riscv || defined __aarch64__

/* One attempt to add 1, with a long time between its two halves; whether it succeeded. */
static bool add_slowly(uint32_t *sum)
{
    uint64_t spins = 5000;
    uint32_t value, failed;
#if defined __riscv
    __asm__ volatile("lr.w %0, %3\n"
                     "1: addi %2, %2, -1\n"
                     "bnez %2, 1b\n"
                     "addiw %0, %0, 1\n"
                     "sc.w %1, %0, %3"
                     : "=&r"(value), "=&r"(failed), "+&r"(spins), "+A"(*sum)::"memory");
#else
    __asm__ volatile("ldxr %w0, %3\n"
                     "1: subs %2, %2, #1\n"
                     "b.ne 1b\n"
                     "add %w0, %w0, #1\n"
                     "stxr %w1, %w0, %3"
                     : "=&r"(value), "=&r"(failed), "+&r"(spins), "+Q"(*sum)::"memory", "cc");
#endif
    return failed == 0;
}

static uint32_t sum;

static void add(void *counted)
{
    uint64_t until = green_now() + 100 * MS;
    while (green_now() < until) {
        uint32_t none = UINT32_MAX;
        __atomic_fetch_add(&sum, 1, __ATOMIC_RELAXED);
        ++*(uint32_t *)counted;
        /* fails, so that it leaves a reservation behind */
        CHECK(!__atomic_compare_exchange_n(&sum, &none, 0, false, __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED));
        test_yield();
    }
}

static void test_a_preempted_reservation_is_lost(void)
{
    uint32_t counted = 0, slowly = 0;
    uint64_t until = green_now() + 100 * MS;
    bool was = green_preempt(true);
    sum = 0;
    struct test_thread *t = test_start(add, &counted);
    while (green_now() < until)
        slowly += add_slowly(&sum);
    test_join(t);
    green_preempt(was);
    CHECK_EQ(sum, counted + slowly);
}

#define RESERVATION_TESTS TEST(test_a_preempted_reservation_is_lost),
#else
#define RESERVATION_TESTS /* this CPU has none */
#endif

/* ---- sleep ----------------------------------------------------------------------------------- */

static unsigned woken_order[MANY];
static unsigned woken;
static uint64_t first_deadline;
static bool late; /* a thread did not get the CPU before the first deadline */

static void sleep_in_order(void *number)
{
    /* Neither first nor last to sleep is first or last to wake. */
    unsigned place = ((unsigned)(uintptr_t)number * 5 + 3) % MANY;
    uint64_t until = first_deadline + place * MS;
    green_lock();
    late |= green_now() >= first_deadline;
    while (green_block(until))
        ;
    woken_order[woken++] = place; /* under the lock: before anyone who woke later */
    green_unlock();
    CHECK(green_now() >= until);
}

static void test_sleepers_wake_in_order_and_never_early(void)
{
    uint64_t margin = 5 * MS;
    do {
        woken = 0;
        late = false;
        first_deadline = green_now() + margin;
        start_many(sleep_in_order);
        join_many();
        margin *= 2;
    } while (late);
    for (unsigned i = 0; i < MANY; i++)
        CHECK_EQ(woken_order[i], i);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void test_idle_leaves_the_cpu_alone(void)
{
    uint64_t used = UINT64_MAX;
    /* What others do to this machine may be counted to it: once in four is enough. */
    for (unsigned tries = 0; tries < 4 && used >= 50 * MS; tries++) {
        uint64_t before = cpu_ns();
        test_sleep(200 * MS);
        used = cpu_ns() - before;
    }
    test_report("CPU time of 200 ms idle", used / 1000, "us");
    CHECK(used < 50 * MS);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static struct test_thread *victim;
static atomic_uint handled;

static void handler(void *expected)
{
    CHECK(test_self() == victim);
    CHECK_EQ((uintptr_t)expected, 7);
    handled++;
}

static void run_until_handled(void *unused)
{
    (void)unused;
    while (handled == 0)
        test_yield();
}

static void block_until_handled(void *unused)
{
    (void)unused;
    green_lock();
    CHECK(green_block(GREEN_FOREVER));
    green_unlock();
    CHECK_EQ(handled, 1);
}

static void test_an_interrupt_runs_on_its_thread_running_or_blocked(void)
{
    void (*const victims[])(void *) = {run_until_handled, block_until_handled};
    for (int i = 0; i < 2; i++) {
        handled = 0;
        victim = test_start(victims[i], NULL);
        if (i == 1)
            green_until_blocked((struct green *)(void *)victim);
        test_interrupt(victim, handler, (void *)7);
        test_join(victim);
        CHECK_EQ(handled, 1);
    }
    victim = test_self();
    test_interrupt(victim, handler, (void *)7);
    CHECK_EQ(handled, 2);
}

/* ---- the ends of the world ------------------------------------------------------------------- */

static void block_forever(void *unused)
{
    (void)unused;
    green_lock();
    green_block(GREEN_FOREVER);
    green_unlock();
}

static void overflow(void *unused)
{
    (void)unused;
    *((volatile char *)green_self()->stack - 1) = 0;
}

/* How a child ends that runs such a thread; and what it says. */
static int status_of_child(void (*run)(void *), char *said, size_t size)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
        test_join(test_start(run, NULL));
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t n; (n = read(ends[0], said + length, size - 1 - length)) > 0;)
        length += (size_t)n;
    said[length] = '\0';
    close(ends[0]);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void test_a_deadlock_is_found(void)
{
    char said[200];
    int status = status_of_child(block_forever, said, sizeof said);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 1);
    CHECK(strstr(said, "deadlock") != NULL);
}

static void test_a_stack_ends_in_a_guard(void)
{
    char said[200];
    int status = status_of_child(overflow, said, sizeof said);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

TEST_PROGRAM(TEST(test_as_many_threads_as_promised_at_a_time_and_again),
             TEST(test_registers_survive_a_preemption),
             TEST(test_a_thread_that_never_yields_is_preempted),
             RESERVATION_TESTS TEST(test_nobody_is_preempted_under_the_lock),
             TEST(test_the_lock_nests), TEST(test_sleepers_wake_in_order_and_never_early),
             TEST(test_idle_leaves_the_cpu_alone),
             TEST(test_an_interrupt_runs_on_its_thread_running_or_blocked),
             TEST(test_a_deadlock_is_found), TEST(test_a_stack_ends_in_a_guard));
