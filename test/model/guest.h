/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the scenarios of the checker's guest share. Functions named check_* are the checker's.
 *
 * CALL(n, f(...)) is one call of the library that may make n system calls (times the factor of the
 * system's row), reads of the clock not counted; what the kernel does for no reason gives it more.
 */
#ifndef VALET_TEST_MODEL_GUEST_H
#define VALET_TEST_MODEL_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "valet.h"

#define DEADLINE 1000500000u /* MODEL_DEADLINE of checker.h; the clock starts at 1000000000 */
#define PAST     1u

void check_enter(int calls);
void check_leave(void);
void check_expect(bool good, unsigned line);
uint64_t check_clock(void);
int check_woken(void);            /* how many threads the last wake has woken */
uint64_t check_move_wall(int ms); /* sets the wall clock, and says what the other is then */

#define EXPECT(x) check_expect(x, __LINE__)
#define CALL(calls, call)     \
    __extension__({           \
        check_enter(calls);   \
        int result_ = (call); \
        check_leave();        \
        result_;              \
    })
#define DO(calls, call)     \
    do {                    \
        check_enter(calls); \
        call;               \
        check_leave();      \
    } while (0)
#define THREAD(name) void name(void)

/* A timeout is never early. */
static inline int timed(int result)
{
    EXPECT(result == VALET_OK || result == VALET_TIMEDOUT || result == VALET_ERR_BUSY);
    if (result == VALET_TIMEDOUT)
        EXPECT(check_clock() >= DEADLINE);
    return result;
}

#endif
