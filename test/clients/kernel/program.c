/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A program for the kernel: threads that wait for each other by locks, parkers, waiters and
 * futexes, for deadlines, and for interrupt handlers, which unpark. It counts what it does, and at
 * the end how much of the time the CPUs sleep when all that there is to do is to wait.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <valet_locks.h>

#include "kernel.h"

#define US 1000u
#define MS 1000000u

#ifndef LONG
#define LONG (100000 * MS) /* a wait that a kernel without fault does not come near */
#endif

#define CHECK(x) ((x) ? (void)0 : check_failed(__LINE__, #x))

/* ---- output ---------------------------------------------------------------------------------- */

static void print_number(uint64_t n)
{
    char text[21], *p = text + sizeof text - 1;
    *p = '\0';
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    kernel_print(p);
}

static _Noreturn void check_failed(unsigned line, const char *text)
{
    kernel_print("FAILED: line ");
    print_number(line);
    kernel_print(": ");
    kernel_print(text);
    kernel_print("\n");
    kernel_exit(1);
}

/* ---- a crew: threads that start together, and whose end is waited for ------------------------ */

struct crew {
    struct valet_latch start, end;
    void (*work)(unsigned number);
};

struct member {
    struct crew *crew;
    unsigned number;
};

static void member(void *argument)
{
    struct member self = *(struct member *)argument;
    CHECK(valet_latch_wait(&self.crew->start) == VALET_OK);
    self.crew->work(self.number);
    valet_latch_count_down(&self.crew->end, 1);
}

/* Run work(0) to work(n - 1), each on a thread of its own, beside this one. */
static void start(struct crew *crew, struct member *members, unsigned n, void (*work)(unsigned))
{
    *crew = (struct crew){VALET_LATCH_INIT(1), VALET_LATCH_INIT(n), work};
    for (unsigned i = 0; i < n; i++) {
        members[i] = (struct member){crew, i};
        kernel_start(member, &members[i]);
    }
    valet_latch_count_down(&crew->start, 1);
}

static void finish(struct crew *crew)
{
    CHECK(valet_latch_wait(&crew->end) == VALET_OK);
}

static void run(const char *what, unsigned n, void (*work)(unsigned))
{
    static struct crew crew;
    static struct member members[8];
    kernel_print(what);
    kernel_print("\n");
    start(&crew, members, n, work);
    finish(&crew);
}

/* ---- preemption: threads that never call the kernel do not keep the CPUs --------------------- */

static atomic_uint stopped;

static void preemption(unsigned number)
{
    if (number < KERNEL_CPUS) {
        uint64_t give_up = kernel_now() + LONG;
        while (!atomic_load(&stopped))
            CHECK(kernel_now() < give_up);
        return;
    }
    struct valet_parker p = VALET_PARKER_INIT;
    CHECK(valet_park_for(&p, 3 * MS) == VALET_TIMEDOUT);
    atomic_store(&stopped, 1);
}

/* ---- producers and consumers: a mutex and two conditions ------------------------------------- */

#define ITEMS     500u /* of each producer */
#define PRODUCERS 2u
#define CONSUMERS 2u
#define ROOM      4u

static struct {
    struct valet_mutex lock;
    struct valet_cond filled, emptied;
    unsigned items[ROOM], first, count;
} queue;
static atomic_ulong consumed;

static void put(unsigned item)
{
    CHECK(valet_mutex_lock(&queue.lock) == VALET_OK);
    while (queue.count == ROOM)
        CHECK(valet_cond_wait(&queue.emptied, &queue.lock) == VALET_OK);
    queue.items[(queue.first + queue.count++) % ROOM] = item;
    valet_mutex_unlock(&queue.lock);
    valet_cond_notify_one(&queue.filled);
}

static unsigned get(void)
{
    CHECK(valet_mutex_lock(&queue.lock) == VALET_OK);
    while (queue.count == 0)
        CHECK(valet_cond_wait(&queue.filled, &queue.lock) == VALET_OK);
    unsigned item = queue.items[queue.first++ % ROOM];
    queue.count--;
    valet_mutex_unlock(&queue.lock);
    valet_cond_notify_one(&queue.emptied);
    return item;
}

static void produce_or_consume(unsigned number)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        if (number < PRODUCERS)
            put(number * ITEMS + i);
        else
            atomic_fetch_add(&consumed, get());
    }
}

_Static_assert(PRODUCERS == CONSUMERS, "as many gets as puts");

/* ---- hand-over: two threads unpark each other in turn ---------------------------------------- */

#define ROUNDS 2000u

static struct valet_parker turns[2];
static unsigned handed_over; /* only whose turn it is touches it */

static void hand_over(unsigned number)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (number == 1 || i != 0)
            CHECK(valet_park(&turns[number]) == VALET_OK);
        handed_over++;
        valet_unpark(&turns[1 - number]);
    }
    if (number == 0)
        CHECK(valet_park(&turns[0]) == VALET_OK);
}

/* ---- deadlines: nobody wakes these threads --------------------------------------------------- */

static void time_out(unsigned number)
{
    struct valet_parker p = VALET_PARKER_INIT;
    struct valet_waiters w = VALET_WAITERS_INIT(3);
    uint32_t word = 7;
    for (unsigned i = 1; i <= 50; i++) {
        uint64_t deadline = valet_now() + (i * 37 + number * 11) % 900 * US;
        switch (i % 3) {
        case 0:
            CHECK(valet_park_until(&p, deadline) == VALET_TIMEDOUT);
            break;
        case 1:
            CHECK(valet_compare_and_wait_until(&w, 3, deadline) == VALET_TIMEDOUT);
            break;
        case 2:
            CHECK(valet_futex_wait(&word, 7, deadline) == VALET_TIMEDOUT);
            break;
        }
        CHECK(valet_now() >= deadline);
    }
}

/* ---- interrupts: a handler unparks, at about the time of the thread's deadline --------------- */

static void unpark(void *parker)
{
    valet_unpark(parker);
}

static void race_with_a_handler(unsigned number)
{
    struct valet_parker p = VALET_PARKER_INIT;
    struct alarm a = {.ring = unpark, .argument = &p};
    for (unsigned i = 0; i < 400; i++) {
        a.when = valet_now() + (i * 29 + number * 7) % 200 * US;
        uint64_t deadline = a.when - 20 * US + i % 40 * US;
        kernel_alarm(&a);
        int r = valet_park_until(&p, deadline);
        if (r == VALET_TIMEDOUT) {
            CHECK(valet_now() >= deadline);
            r = valet_park(&p);
        }
        CHECK(r == VALET_OK);
        CHECK(valet_park_for(&p, 0) == VALET_TIMEDOUT); /* one alarm, one token */
    }
}

/* ---- the other CPU: woken at once, not when this one has time -------------------------------- */

static struct valet_parker asked;
static atomic_uint answer;

static void ask_the_other_cpu(unsigned number)
{
    for (unsigned i = 1; i <= 50; i++) {
        if (number == 1) {
            CHECK(valet_park(&asked) == VALET_OK);
            atomic_store(&answer, i);
            continue;
        }
        for (uint64_t until = kernel_now() + MS; kernel_now() < until;)
            ; /* the other CPU has gone to sleep by then */
        /* With the interrupts off no thread but this one runs on this CPU. */
        uintptr_t before = kernel_mask();
        uint64_t give_up = kernel_now() + LONG;
        valet_unpark(&asked);
        while (atomic_load(&answer) != i)
            CHECK(kernel_now() < give_up);
        kernel_unmask(before);
    }
}

/* ---- everything is parked -------------------------------------------------------------------- */

#define SLEEPERS 4u
#define WAKEUPS  9u /* of all together */
#define INTERVAL (250 * MS)

static struct valet_parker sleepers[SLEEPERS];
static struct alarm next_wakeup;
static unsigned wakeups; /* only who has been woken touches these */
static uint64_t begin, end, idle[KERNEL_CPUS];

/* From the first call to the second. */
static void measure(uint64_t *now)
{
    for (unsigned i = 0; i < KERNEL_CPUS; i++)
        idle[i] = kernel_idle_ns(i) - idle[i];
    *now = kernel_now();
}

/* Woken by a handler; sees to it that the next one is. All have been started by the second time. */
static void sleep_and_pass_on(unsigned number)
{
    for (unsigned i = number; i < WAKEUPS; i += SLEEPERS) {
        CHECK(valet_park(&sleepers[number]) == VALET_OK);
        wakeups++;
        if (wakeups == 2)
            measure(&begin);
        if (wakeups == WAKEUPS) {
            measure(&end);
            return;
        }
        next_wakeup = (struct alarm){.when = kernel_now() + INTERVAL,
                                     .ring = unpark,
                                     .argument = &sleepers[(number + 1) % SLEEPERS]};
        kernel_alarm(&next_wakeup);
    }
}

static void print_idle_share(unsigned cpu)
{
    uint64_t per_mille = idle[cpu] * 1000 / (end - begin);
    kernel_print("idle, cpu ");
    print_number(cpu);
    kernel_print(": ");
    print_number(per_mille / 10);
    kernel_print(".");
    print_number(per_mille % 10);
    kernel_print(" %\n");
}

void program(void *unused)
{
    (void)unused;
    run("preemption", KERNEL_CPUS + 1, preemption);

    run("producers and consumers", PRODUCERS + CONSUMERS, produce_or_consume);
    CHECK(atomic_load(&consumed) == (unsigned long)PRODUCERS * ITEMS * (PRODUCERS * ITEMS - 1) / 2);

    run("hand-over", 2, hand_over);
    CHECK(handed_over == 2 * ROUNDS);

    run("deadlines", 4, time_out);
    run("interrupt handlers unpark", 3, race_with_a_handler);
    run("the other CPU is woken", 2, ask_the_other_cpu);

    valet_unpark(&sleepers[0]);
    run("everything is parked", SLEEPERS, sleep_and_pass_on);
    CHECK(wakeups == WAKEUPS);
    for (unsigned i = 0; i < KERNEL_CPUS; i++)
        print_idle_share(i);

    kernel_print("bare metal: passed\n");
    kernel_exit(0);
}
