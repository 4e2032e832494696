/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the threads do with a once and a latch, which are on the core's waiters: as scenario.c. */
#include <stdatomic.h>
#include <stddef.h>

#include "scenarios.h"
#include "valet_locks.h"

#define DEADLINE 1000u

void check_expect(bool good, const char *file, int line);

#define EXPECT(x)    check_expect(x, __FILE__, __LINE__)
#define THREAD(name) void name(void)

/* What one thread writes; to read it is to ask for happens-before. */
static struct {
    _Alignas(8) int plain;
} data[4];

/* ---- once ------------------------------------------------------------------------------------ */

static struct valet_once once;
static struct {
    _Alignas(8) int calls;
} initialised;

static void initialise(void *argument)
{
    EXPECT(argument == &initialised);
    initialised.calls++;
}
static void call_once(void)
{
    EXPECT(valet_once_call(&once, initialise, &initialised) == VALET_OK);
    EXPECT(initialised.calls == 1);
}
THREAD(once_call_0)
{
    call_once();
}
THREAD(once_call_1)
{
    call_once();
}
THREAD(once_3_0)
{
    call_once();
}
THREAD(once_3_1)
{
    call_once();
}
THREAD(once_3_2)
{
    if (valet_once_is_done(&once))
        EXPECT(initialised.calls == 1);
}

/* The first that begins gives it up, and does not come again: another one begins anew, and knows
 * what that one did. */
static void begin_once(void)
{
    int r = valet_once_begin(&once);
    EXPECT(r == VALET_OK || r == VALET_CHOSEN);
    if (r == VALET_CHOSEN && initialised.calls++ == 0) {
        valet_once_abandon(&once);
        return;
    }
    if (r == VALET_CHOSEN)
        valet_once_done(&once);
    EXPECT(initialised.calls == 2);
}
THREAD(once_abandon_0)
{
    begin_once();
}
THREAD(once_abandon_1)
{
    begin_once();
}
THREAD(once_abandon_3_0)
{
    begin_once();
}
THREAD(once_abandon_3_1)
{
    begin_once();
}
THREAD(once_abandon_3_2)
{
    begin_once();
}

/* Freed by who learns that it is done. */
THREAD(once_free_0)
{
    if (valet_once_begin(&once) == VALET_CHOSEN)
        valet_once_done(&once);
    else
        once.waiters.word = 0x10;
}
THREAD(once_free_1)
{
    if (valet_once_begin(&once) == VALET_CHOSEN)
        valet_once_done(&once);
    else
        once.waiters.word = 0x10;
}
THREAD(end_once_free)
{
    EXPECT(once.waiters.word == 0x10);
}

/* A system that refuses, to whom it likes: that one is told, and it is done all the same. */
THREAD(once_sandbox_0)
{
    int r = valet_once_call(&once, initialise, &initialised);
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
}
THREAD(once_sandbox_1)
{
    int r = valet_once_call(&once, initialise, &initialised);
    EXPECT(r == VALET_OK || r == VALET_ERR_SYSTEM);
}
THREAD(end_once_sandbox)
{
    EXPECT(initialised.calls == 1 && valet_once_is_done(&once));
}

/* A handler ends the wait of one: it is done by the other, or was. */
static void begin_shaken(void)
{
    int r = valet_once_begin_with(&once, VALET_FOREVER, VALET_INTERRUPTIBLE);
    EXPECT(r == VALET_OK || r == VALET_CHOSEN || r == VALET_INTERRUPTED);
    if (r == VALET_CHOSEN) {
        initialised.calls++;
        valet_once_done(&once);
    }
    if (r != VALET_INTERRUPTED)
        EXPECT(initialised.calls == 1);
}
THREAD(once_with_0)
{
    begin_shaken();
}
THREAD(once_with_1)
{
    begin_shaken();
}
THREAD(end_once_with)
{
    EXPECT(initialised.calls == 1 && valet_once_is_done(&once));
}

/* ---- latch ----------------------------------------------------------------------------------- */

static struct valet_latch latch = VALET_LATCH_INIT(2);

static void count_down(int i)
{
    data[i].plain = 1;
    valet_latch_count_down(&latch, 1);
}
static void expect_all(void)
{
    EXPECT(data[1].plain == 1 && data[2].plain == 1);
}
/* Freed by who waited, while those who counted may be in their calls. */
THREAD(latch_wait_0)
{
    EXPECT(valet_latch_wait(&latch) == VALET_OK);
    expect_all();
    latch.count = 0x10;
    latch.waiters.word = 0x10;
}
THREAD(latch_wait_1)
{
    count_down(1);
}
THREAD(latch_wait_2)
{
    count_down(2);
}
THREAD(end_latch_wait)
{
    EXPECT(latch.count == 0x10 && latch.waiters.word == 0x10);
}

THREAD(latch_timed_0)
{
    int r = valet_latch_wait_until(&latch, DEADLINE);
    EXPECT(r == VALET_OK || r == VALET_TIMEDOUT);
    if (r == VALET_OK)
        expect_all();
}
THREAD(latch_timed_1)
{
    count_down(1);
}
THREAD(latch_timed_2)
{
    count_down(2);
}
THREAD(end_latch_timed)
{
    EXPECT(valet_latch_wait_until(&latch, 0) == VALET_OK);
}

THREAD(latch_with_0)
{
    int r = valet_latch_wait_with(&latch, VALET_FOREVER, VALET_INTERRUPTIBLE);
    EXPECT(r == VALET_OK || r == VALET_INTERRUPTED);
    if (r == VALET_OK)
        expect_all();
}
THREAD(latch_with_1)
{
    count_down(1);
}
THREAD(latch_with_2)
{
    count_down(2);
}
THREAD(end_latch_with)
{
    EXPECT(valet_latch_wait_until(&latch, 0) == VALET_OK);
}

/* Two that wait. */
THREAD(latch_2_wait_0)
{
    EXPECT(valet_latch_wait(&latch) == VALET_OK);
    EXPECT(data[2].plain == 1);
}
THREAD(latch_2_wait_1)
{
    EXPECT(valet_latch_wait(&latch) == VALET_OK);
    EXPECT(data[2].plain == 1);
}
THREAD(latch_2_wait_2)
{
    data[2].plain = 1;
    valet_latch_count_down(&latch, 2);
}
