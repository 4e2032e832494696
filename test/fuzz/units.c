/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Deadlines and timeouts in every system's unit, against 128-bit integers. The kernel here sleeps
 * exactly as long as it was asked to, or less where its timers are known to be early, and says so.
 *
 * An input: the system, the call, what the kernel does beyond that, now, a deadline or timeout.
 */
#include "core/deadline.h"

#include "fuzz.h"
#include "sys/deadline.h"

#define NS 1000000000

static struct {
    uint64_t now;
    wide deadline; /* the oracle's, in full */
    unsigned sleeps;
    uint16_t early; /* ns */
    struct valet_parker parker;
    struct valet_waiters waiters;
    uint32_t word;
    struct valet_sema *posted;
} world;

/* ---- core/deadline.h, sys/deadline.h --------------------------------------------------------- */

uint64_t valet_sys_now(void)
{
    return world.now;
}

static wide after(uint64_t now, uint64_t timeout)
{
    wide sum = timeout == VALET_FOREVER ? VALET_FOREVER : (wide)now + timeout;
    return timeout == 0 ? 0 : sum < VALET_FOREVER ? sum : VALET_FOREVER;
}

static void sums(uint64_t now, uint64_t time)
{
    uint64_t deadline = 1;
    world.now = now;
    bool told = valet_deadline_after(time, &deadline);
    MUST(told == (now != 0 || time == 0 || time == VALET_FOREVER));
    MUST(!told || deadline == after(now, time));
    uint64_t ns = 0;
    wide left = (wide)time - now;
    int status = left <= 0 ? VALET_TIMEDOUT : now == 0 ? VALET_ERR_UNSUPPORTED : VALET_OK;
    MUST(valet_deadline_sleep(now, time, UINT64_MAX, &ns) == status);
    MUST(status != VALET_OK || ns == left);
    MUST(valet_deadline_over(now, time) == (left <= 0 ? VALET_TIMEDOUT : VALET_OK));
}

/* A system's clock in the library's ns. Windows counts ticks, and tells how many are a second. */
static void clock_of(uint64_t now, unsigned which)
{
    static const int64_t frequencies[] = {NS, 10000000, 3579545, 14318180, 2399999999, 1193182};
    bool ticks = kernel->ticks;
    int64_t frequency = ticks ? frequencies[which % 6] : NS;
    wide told = (wide)now * frequency / NS;
    world.now = told < (wide)kernel->last ? (uint64_t)told : kernel->last;
    kernel_frequency = frequency;
    wide ns = (wide)world.now * NS / frequency;
    MUST(ns > UINT64_MAX || kernel->library->now() == ns);
    kernel_frequency = NS;
}

/* ---- the kernel ------------------------------------------------------------------------------ */

uint64_t target_now(void)
{
    return world.now;
}

static void wake_up(void)
{
    kernel->library->unpark(&world.parker);
    kernel->library->store_and_wake(&world.waiters, 1);
    world.word = 1;
    kernel->library->futex_wake(&world.word, 1);
    if (world.posted != NULL)
        kernel->library->post(world.posted);
    world.posted = NULL;
}

int32_t target_wait(const struct asked *asked)
{
    if (world.deadline == 0)
        MUST(asked->form != FOREVER);
    if (asked->form == FOREVER) {
        MUST(world.deadline == VALET_FOREVER ||
             (kernel->latest != 0 && world.deadline >= kernel->latest));
        wake_up();
        return kernel->woken;
    }
    wide until = asked->ns;
    if (asked->form == FOR) {
        MUST(asked->ns > 0);
        until += world.now;
    }
    if (world.now >= world.deadline) { /* a look at the word, after the deadline */
        MUST(asked->form == UNTIL || asked->ns <= (kernel->grain != 0 ? kernel->grain : 1));
        return kernel->timed_out;
    }
    if (until < world.deadline) /* cut, where this kernel is known to cut, and not elsewhere */
        MUST((kernel->longest != 0 && until - world.now >= kernel->longest) ||
             (kernel->latest != 0 && until >= kernel->latest));
    /* rounded up by less than one unit; how many of a slice is the file's own business */
    wide grain = kernel->grain != 0 ? kernel->grain : 1;
    MUST(world.deadline == VALET_FOREVER || until < world.deadline + grain);

    wide wakes = until - (kernel->proves ? 0 : world.early);
    if (++world.sleeps > 40) /* enough of the slices: the machine itself was asleep */
        wakes = world.deadline;
    if (wakes > kernel->last)
        wakes = kernel->last;
    if (wakes > world.now)
        world.now = (uint64_t)wakes;
    if (world.deadline == VALET_FOREVER ? world.sleeps > 2 : world.sleeps > 50) {
        wake_up();
        return kernel->woken;
    }
    return kernel->timed_out;
}

int32_t target_wake(const void *address, int64_t count)
{
    (void)address;
    (void)count;
    return 0;
}

int32_t target_other(enum other what)
{
    if (what == OTHER_RELAX && ++world.sleeps > 3) /* bare metal: a loop on the clock */
        world.now = world.deadline < kernel->last ? (uint64_t)world.deadline : kernel->last;
    return 0;
}

int32_t target_requeue(const uint32_t *from, uint32_t expected, int64_t wake, const uint32_t *to,
                       int64_t move)
{
    (void)from, (void)expected, (void)wake, (void)to, (void)move;
    MUST(!"a call that moves nobody");
    return 0;
}

int32_t target_look(const uint32_t *word, uint32_t expected)
{
    (void)word;
    (void)expected;
    return 0;
}

void target_post(struct valet_sema *s)
{
    world.posted = s;
}

/* ---- calls ----------------------------------------------------------------------------------- */

enum call { FUTEX_WAIT, PARK_FOR, PARK_UNTIL, COMPARE_AND_WAIT, SUMS, CLOCK, CALLS };

static int call(enum call which, uint64_t time)
{
    const struct system *library = kernel->library;
    switch (which) {
    case FUTEX_WAIT:
        return library->futex_wait(&world.word, 0, time);
    case PARK_FOR:
        return library->park_for(&world.parker, time);
    case PARK_UNTIL:
        return library->park_until(&world.parker, time);
    default:
        return library->wait_until(&world.waiters, 0, time);
    }
}

void target_run(struct input *in)
{
    enum call which = take(in, 1) % CALLS;
    uint16_t early = (uint16_t)take(in, 2);
    uint64_t now = take_time(in), time = take_time(in);
    if (take(in, 1) % 2 != 0)
        time += now; /* a deadline in reach; it may wrap around, and is then one in the past */
    world = (typeof(world)){0};
    if (which == SUMS) {
        sums(now, time);
        return;
    }
    if (which == CLOCK) {
        clock_of(now, early);
        return;
    }
    world.now = now == 0 ? 1 : now < kernel->last ? now : kernel->last;
    world.early = early;
    world.deadline = which == PARK_FOR ? after(world.now, time) : time;

    int r = call(which, time);

    MUST(r == VALET_OK || r == VALET_TIMEDOUT || r == VALET_CHANGED);
    if (r == VALET_TIMEDOUT) /* never early, and never where there is no deadline */
        MUST(world.deadline != VALET_FOREVER && world.now >= world.deadline);
    else if (which != FUTEX_WAIT) /* nobody wakes it but wake_up */
        MUST(world.deadline == VALET_FOREVER || world.sleeps > 50 ||
             (kernel->latest != 0 && world.deadline >= kernel->latest));
    else if (r == VALET_OK && world.word == 0) /* a sleep that was cut */
        MUST(world.deadline > world.now || world.deadline == VALET_FOREVER);
    if (time == 0 && which != FUTEX_WAIT)
        MUST(world.sleeps == 0);
}
