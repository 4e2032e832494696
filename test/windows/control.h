/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Between the library and ntdll. control_futex.c and control_sema.c define the functions by which
 * the library waits, under their own names, and pass each call on to ntdll. So they know what a
 * thread waits on, count the calls, keep the account of keyed events, and can answer as other
 * versions of Windows do.
 */
#ifndef VALET_TEST_WINDOWS_CONTROL_H
#define VALET_TEST_WINDOWS_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum control_mode {
    PLAIN,
    EARLY, /* every wait with a timeout lasts half of it */
    XP     /* keyed events: see NtWaitForKeyedEvent in control_sema.c */
};

/* Of one thread. */
struct control {
    _Atomic(const void *) waits_on; /* the address given to RtlWaitOnAddress, while it is inside */
};

void control_begin(enum control_mode mode);
void control_enter(struct control *c); /* first thing on each thread, with its own */
void control_end(void);                /* all tests have passed */

/* Make what the thread waits for return for no reason, where that can be. */
void control_interrupt(const struct control *c);

/* How often the library has called ntdll to wait. */
unsigned control_waits(void);

/* Futex kind: from now on that status is ntdll's answer to each wait; STATUS_SUCCESS: its own
 * again. */
void control_answer(int32_t status);

/* Futex kind: run this once, inside the library's next call to wait, before ntdll sees it. */
void control_before_wait(void (*run)(void));

#endif
