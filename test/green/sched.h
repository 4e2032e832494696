/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A scheduler of green threads, all on one thread of the kernel: what an embedder brings along, and
 * what sys_futex.c or sys_sema.c makes the library's system out of.
 *
 * It is preemptive: a timer's signal takes the CPU from a green thread at any instruction, as an
 * interrupt would, but not between green_lock and green_unlock. Without preemption only green_block
 * and green_yield switch.
 */
#ifndef VALET_TEST_GREEN_SCHED_H
#define VALET_TEST_GREEN_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#define GREEN_FOREVER UINT64_MAX
#define GREEN_STACK   (64u * 1024)

/* All zero before its first start. May be started again once it has been joined: it keeps its
 * stack. */
struct green {
    void *stack_pointer; /* while it does not run */
    void *stack;
    void (*run)(void *);
    void *argument;
    struct green *next, *previous; /* in the ready queue or among the sleepers */
    uint64_t deadline;             /* GREEN_FOREVER: not among the sleepers */
    bool blocked, expired, done;
    struct green *joiner;
    void (*handler)(void *); /* the interrupt on its way, if any */
    void *handler_argument;
};

/* The calling thread becomes the first green thread. */
void green_init(struct green *first);
bool green_preempt(bool on); /* returns what it was */

void green_start(struct green *thread, void (*run)(void *), void *argument);
void green_join(struct green *thread);
struct green *green_self(void);
void green_until_blocked(const struct green *thread); /* yields meanwhile */
void green_yield(void);
uint64_t green_now(void); /* monotonic ns, never 0 */

/* The wall clock, and to set it. */
uint64_t green_now_realtime(void);
void green_move_clock(int64_t ns);

/* Between these two no other green thread runs, unless this one blocks. They nest. */
void green_lock(void);
void green_unlock(void);

/*
 * Block the calling thread, which holds the lock once. It is given up, and held again on return.
 * True: green_ready was called, or there was an interrupt; false: the deadline came.
 */
bool green_block(uint64_t deadline);

/* Let a thread run that is blocked; no effect on another. The caller holds the lock. */
void green_ready(struct green *thread);

/*
 * Run a handler on a thread, between two of its instructions and under the lock. A thread that is
 * blocked gets ready first. If there is one on its way already, this one is dropped.
 */
void green_interrupt(struct green *thread, void (*handler)(void *), void *argument);

#endif
