/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Between the library and its system: the linker (--wrap) sends every call that goes from the one
 * to the other through control.c, which counts it, holds it to the contract, and answers it itself
 * if a test wants so. Neither sys_futex.c nor sys_sema.c knows.
 */
#ifndef VALET_TEST_GREEN_CONTROL_H
#define VALET_TEST_GREEN_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

struct test_thread;

struct control {
    /* calls since control_reset */
    unsigned nows, waits;
    unsigned wakes;               /* futex kind */
    unsigned inits, posts, finis; /* sema kind */
    uint32_t wake_count;          /* of the last wake */

    bool no_clock;
    int init_answer;
    int (*on_wait)(unsigned number); /* of the wait: the answer; PASS: let the system do it */
    void (*on_post)(void);
};

enum { PASS = 100 };

/* Until a thread sleeps in its system. */
void control_until_blocked(struct test_thread *thread);

extern struct control control;

/* At the start of each test, while no other thread runs. */
void control_reset(void);
/* All calls but those that look at the clock. */
unsigned control_calls(void);

#endif
