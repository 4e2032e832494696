/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The scheduler: a queue of those who are ready, a queue of those who sleep, ordered by deadline.
 * A thread that is blocked without a deadline is in neither: somebody else knows it.
 *
 * `locked` is the whole of mutual exclusion. The timer's handler looks at it: 0, and it switches
 * there and then, from within the signal, whose frame on the green thread's own stack keeps every
 * register; else it leaves `slice_over` behind for green_unlock. The signal is not blocked while
 * its handler runs (SA_NODEFER), so that a switch never has to touch the signal mask. The timer
 * fires once for each time it is set, and schedule() sets it: no two signals pile up, and the rest
 * of a slice belongs to the thread that was switched to.
 */
#define _GNU_SOURCE

#include "sched.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "switch.h"

#define NS             1000000000u
#define GUARD          (64u * 1024) /* no access; one page of any size */
#define LONGEST_SLICE  60u          /* us */
#define TIMER_SIGNAL   SIGALRM
#define FAIL_IF(wrong) ((wrong) ? fail(#wrong) : (void)0)

struct queue {
    struct green *first, *last;
};

static struct queue ready, sleepers;
static struct green *current;
static volatile sig_atomic_t locked;     /* how many times */
static volatile sig_atomic_t slice_over; /* the timer has fired since schedule() set it */
static bool preemptive;
static uint64_t ahead = UINT64_C(1700000000000000000); /* the wall clock, under green_lock */

static _Noreturn void fail(const char *what)
{
    static const char prefix[] = "green threads: ";
    if (write(STDOUT_FILENO, prefix, sizeof prefix - 1) < 0 ||
        write(STDOUT_FILENO, what, strlen(what)) < 0 || write(STDOUT_FILENO, "\n", 1) < 0)
        _exit(2);
    _exit(1);
}

uint64_t green_now(void)
{
    struct timespec t;
    FAIL_IF(clock_gettime(CLOCK_MONOTONIC, &t) != 0);
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

uint64_t green_now_realtime(void)
{
    green_lock();
    uint64_t now = green_now() + ahead;
    green_unlock();
    return now;
}

void green_move_clock(int64_t ns)
{
    green_lock();
    ahead += (uint64_t)ns;
    green_unlock();
}

struct green *green_self(void)
{
    return current;
}

/* ---- queues ---------------------------------------------------------------------------------- */

static void insert_after(struct queue *q, struct green *place, struct green *thread)
{
    struct green **link = place != NULL ? &place->next : &q->first;
    thread->previous = place;
    thread->next = *link;
    *link = thread;
    *(thread->next != NULL ? &thread->next->previous : &q->last) = thread;
}

static void unlink_from(struct queue *q, struct green *thread)
{
    *(thread->previous != NULL ? &thread->previous->next : &q->first) = thread->next;
    *(thread->next != NULL ? &thread->next->previous : &q->last) = thread->previous;
}

static void add_sleeper(struct green *thread)
{
    struct green *place =
        sleepers.last; /* from the end: most deadlines are later than all others */
    while (place != NULL && place->deadline > thread->deadline)
        place = place->previous;
    insert_after(&sleepers, place, thread);
}

void green_ready(struct green *thread)
{
    if (!thread->blocked)
        return;
    if (thread->deadline != GREEN_FOREVER)
        unlink_from(&sleepers, thread);
    thread->blocked = false;
    insert_after(&ready, ready.last, thread);
}

static void ready_the_expired(void)
{
    if (sleepers.first == NULL)
        return;
    uint64_t now = green_now();
    for (struct green *s; (s = sleepers.first) != NULL && s->deadline <= now;) {
        s->expired = true;
        green_ready(s);
    }
}

/* ---- switching ------------------------------------------------------------------------------- */

/* Any length, so that switches fall everywhere. */
static void set_timer(void)
{
    static uint32_t random = 2463534242;
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    struct itimerval slice = {.it_value.tv_usec = 1 + (suseconds_t)(random % LONGEST_SLICE)};
    FAIL_IF(setitimer(ITIMER_REAL, &slice, NULL) != 0);
}

static void idle(void)
{
    if (sleepers.first == NULL)
        fail("deadlock: every thread is blocked, and none has a deadline");
    uint64_t until = sleepers.first->deadline;
    struct timespec t = {.tv_sec = (time_t)(until / NS), .tv_nsec = (long)(until % NS)};
    int e = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    FAIL_IF(e != 0 && e != EINTR); /* EINTR: the timer, once */
}

static void run_handler(void)
{
    void (*handler)(void *) = current->handler;
    if (handler == NULL)
        return;
    current->handler = NULL;
    handler(current->handler_argument);
}

/* Give the CPU to the next thread. The caller has seen to it that this one will be ready again. */
static void schedule(void)
{
    struct green *from = current;
    FAIL_IF(locked != 1);
    ready_the_expired();
    while (ready.first == NULL) {
        idle();
        ready_the_expired();
    }
    current = ready.first;
    unlink_from(&ready, current);
    if (slice_over) {
        slice_over = false;
        if (preemptive)
            set_timer();
    }
    if (current != from)
        green_switch(&from->stack_pointer, current->stack_pointer);
    run_handler();
}

static void yield(void)
{
    insert_after(&ready, ready.last, current);
    schedule();
}

void green_lock(void)
{
    locked++; /* a switch in the middle of this is harmless: it leaves the number as it was */
    atomic_signal_fence(memory_order_acquire);
}

void green_unlock(void)
{
    atomic_signal_fence(memory_order_release);
    while (--locked == 0 && slice_over) {
        locked = 1;
        yield();
    }
}

void green_yield(void)
{
    green_lock();
    yield();
    green_unlock();
}

void green_until_blocked(const struct green *thread)
{
    while (!*(const volatile bool *)&thread->blocked)
        green_yield();
}

bool green_block(uint64_t deadline)
{
    if (deadline != GREEN_FOREVER && deadline <= green_now())
        return false;
    current->deadline = deadline;
    current->blocked = true;
    current->expired = false;
    if (deadline != GREEN_FOREVER)
        add_sleeper(current);
    schedule();
    return !current->expired;
}

void green_interrupt(struct green *thread, void (*handler)(void *), void *argument)
{
    green_lock();
    if (thread->handler == NULL) {
        thread->handler = handler;
        thread->handler_argument = argument;
        if (thread == current)
            run_handler();
        else
            green_ready(thread);
    }
    green_unlock();
}

/* ---- preemption ------------------------------------------------------------------------------ */

static void on_timer(int number, siginfo_t *info, void *context)
{
    int kept = errno;
    (void)number, (void)info, (void)context;
    slice_over = true;
    if (locked == 0) {
        green_lock();
        green_unlock(); /* switches */
    }
    errno = kept;
    interrupt_drop_reservation();
}

bool green_preempt(bool on)
{
    static const struct itimerval never;
    green_lock();
    bool was = preemptive;
    FAIL_IF(setitimer(ITIMER_REAL, &never, NULL) != 0);
    preemptive = on;
    slice_over = false;
    if (on)
        set_timer();
    green_unlock();
    return was;
}

void green_init(struct green *first)
{
    /* SA_SIGINFO: QEMU 7.2 keeps the floating-point registers of m68k in that frame alone. */
    struct sigaction action = {.sa_sigaction = on_timer,
                               .sa_flags = SA_NODEFER | SA_RESTART | SA_SIGINFO};
    FAIL_IF(sigaction(TIMER_SIGNAL, &action, NULL) != 0);
    current = first;
}

/* ---- life of a thread ------------------------------------------------------------------------ */

/* Where green_switch returns to for the first time on a new stack. */
static _Noreturn void enter(void)
{
    run_handler();
    green_unlock();
    current->run(current->argument);
    green_lock();
    current->done = true;
    if (current->joiner != NULL)
        green_ready(current->joiner);
    schedule();
    abort();
}

static void *new_stack(void)
{
    char *low = mmap(NULL, GUARD + GREEN_STACK, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    FAIL_IF(low == MAP_FAILED || mprotect(low, GUARD, PROT_NONE) != 0);
    return low + GUARD;
}

void green_start(struct green *thread, void (*run)(void *), void *argument)
{
    void *stack = thread->stack != NULL ? thread->stack : new_stack();
    uintptr_t *frame = (uintptr_t *)((char *)stack + GREEN_STACK - SWITCH_LEFT) - SWITCH_WORDS;
    memset(frame, 0, SWITCH_WORDS * sizeof *frame);
    frame[SWITCH_PC] = (uintptr_t)enter;
    *thread =
        (struct green){.stack_pointer = frame, .stack = stack, .run = run, .argument = argument};
    green_lock();
    insert_after(&ready, ready.last, thread);
    green_unlock();
}

void green_join(struct green *thread)
{
    green_lock();
    thread->joiner = current;
    while (!thread->done)
        green_block(GREEN_FOREVER);
    green_unlock();
}
