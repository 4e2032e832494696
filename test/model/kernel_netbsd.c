/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD: __futex, ___lwp_park60 with _lwp_unpark, and __clock_gettime50.
 *
 *   netbsd, netbsd_park   10.99.12, which has both ways; one for each backend
 *   netbsd_park_799       7.99.4: no futex; a relative time is not written back
 *
 * Sleeps are counted in ticks of the clock interrupt, at most INT_MAX of them, and never by the
 * clock that the caller reads, which is slewed: a long sleep can end early.
 */
#include "model.h"

#define FUTEX         166
#define LWP_SELF      311
#define LWP_UNPARK    321
#define CLOCK_GETTIME 427
#define LWP_PARK      478

#define WAIT        0
#define WAKE        1
#define CMP_REQUEUE 4
#define WAIT_BITSET 9
#define WAKE_BITSET 10
#define PRIVATE     128
#define FUTEX_REAL  256

#define ABSTIME   1
#define REALTIME  0
#define MONOTONIC 3

#define ESRCH     3
#define EINTR     4
#define ENOMEM    12
#define EFAULT    14
#define EINVAL    22
#define EAGAIN    35
#define EALREADY  37
#define ETIMEDOUT 60
#define ENOSYS    78

#define TICK  10000000u                    /* ns: hz is 100 */
#define CLAMP ((uint64_t)INT32_MAX * TICK) /* 248 days */

struct timespec64 {
    int64_t sec, nsec;
};

/* What the kernel keeps of its threads. */
struct state {
    uint8_t unparked[MODEL_THREADS]; /* an unpark that found nobody parked */
};

enum { IN_FUTEX, IN_PARK }; /* stage */
enum { BITSET };            /* note, in a futex */
enum { START, LEFT };       /* note, in a park: when it began, and the relative time it was given */

/* An id has more than 16 bits, and is not the number of a thread. */
#define FIRST_LID 0x30001u

static const struct model model_netbsd_park_799;

static bool release_799(const struct model_call *c)
{
    return c->model == &model_netbsd_park_799;
}

static uint64_t nanoseconds(const struct timespec64 *t)
{
    if (t->sec > INT64_MAX / 1000000000 - 1)
        return INT64_MAX;
    return (uint64_t)t->sec * 1000000000u + (uint64_t)t->nsec;
}

/* False: tv_nsec makes no sense, or the time is before the clock's beginning. */
static bool check_time(struct model_call *c, const struct timespec64 *t)
{
    bool good = t->sec >= 0 && t->nsec >= 0 && t->nsec < 1000000000;
    if (!good)
        model_mistake(c, "timespec {%lld, %lld}", (long long)t->sec, (long long)t->nsec);
    return good;
}

/* Now, for the kernel's own use: model_now would make this a reading of the clock by the caller. */
static uint64_t clock_now(struct model_call *c)
{
    return model_after(c, 0);
}

/* A relative time as a deadline. */
static uint64_t after(struct model_call *c, uint64_t ns)
{
    return model_after(c, ns < CLAMP ? ns : CLAMP);
}

/* ---- __futex --------------------------------------------------------------------------------- */

/* The kernel has two tables of queues; words are aligned, so one more is a key of the other. */
static uint64_t key(const struct model_call *c)
{
    return c->args[0] + !(c->args[1] & PRIVATE);
}

static bool equal(struct model_call *c)
{
    uint32_t value;
    return c->args[0] % 4 == 0 && model_read(c, c->args[0], &value, sizeof value) &&
           value == (uint32_t)c->args[2];
}

static void futex_wait(struct model_call *c, bool absolute, uint32_t bitset)
{
    struct timespec64 t;
    uint64_t deadline = MODEL_NEVER, now = clock_now(c);
    if (model_refused(c))
        return model_error(c, model_choose(c, 2, "sandbox") ? ENOMEM : ENOSYS);
    if (c->args[3] != 0 && !model_read(c, c->args[3], &t, sizeof t)) {
        model_mistake(c, "timespec at %#llx is not mapped", (unsigned long long)c->args[3]);
        return model_error(c, EFAULT);
    }
    if (c->args[0] % 4 != 0)
        model_mistake(c, "misaligned word");
    if (bitset != UINT32_MAX) /* a wake is for every bit, so any other matches too */
        model_mistake(c, "bitset %#x", bitset);
    if (bitset == 0)
        return model_error(c, EINVAL);
    if (!equal(c)) /* also for a word that is not there */
        return model_error(c, EAGAIN);
    if (c->args[3] != 0) {
        if (!check_time(c, &t)) /* seen on 10.99.12; older sources have EINVAL */
            return model_error(c, ETIMEDOUT);
        uint64_t ns = nanoseconds(&t);
        if (absolute)
            ns = ns > now ? ns - now : 0;
        if (ns == 0)
            return model_error(c, ETIMEDOUT);
        deadline = after(c, ns);
    }
    c->sleep->stage = IN_FUTEX;
    c->sleep->note[BITSET] = bitset;
    model_sleep(c, key(c), deadline);
}

static void futex_wake(struct model_call *c, uint32_t bitset)
{
    int32_t count = (int32_t)c->args[2];
    uint8_t byte;
    if (bitset != UINT32_MAX)
        return model_violation(c, "wake of bitset %#x, which this model does not have", bitset);
    if (count < 0) {
        model_mistake(c, "wake of %d", count);
        return model_error(c, EINVAL);
    }
    if (c->args[0] % 4 != 0) {
        model_mistake(c, "misaligned word");
        return model_error(c, EINVAL);
    }
    /* a private key is the address alone: the word need not be there */
    if (!(c->args[1] & PRIVATE) && !model_read(c, c->args[0], &byte, 1))
        return model_error(c, EFAULT);
    unsigned woken = model_wake(c, key(c), (uint64_t)count);
    model_note(c, "woke %u", woken);
    model_return(c, woken);
}

/* args: from, op, wake, no time, to, move; the seventh is the value. What is never asked for is not
 * looked up: without a queue of the first word there is nothing to do, nor to compare. */
static void futex_cmp_requeue(struct model_call *c, uint32_t expected)
{
    int32_t wake = (int32_t)c->args[2], move = (int32_t)c->args[5];
    uint64_t shared = !(c->args[1] & PRIVATE), to = c->args[4] + shared;
    uint32_t value;
    if (wake < 0 || move < 0) {
        model_mistake(c, "requeue: wake %d, move %d", wake, move);
        return model_error(c, EINVAL);
    }
    if (c->args[0] % 4 != 0 || c->args[4] % 4 != 0) {
        model_mistake(c, "misaligned word");
        return model_error(c, EINVAL);
    }
    if (c->args[0] == c->args[4])
        model_mistake(c, "requeue to the same word");
    if (shared && !model_read(c, c->args[0], &value, sizeof value))
        return model_error(c, EFAULT);
    bool queued = false;
    for (int j = 0; j < c->threads; j++)
        queued = queued || (j != c->thread && model_sleep_of(c, j)->key == key(c));
    if (!queued)
        return model_return(c, 0);
    if (model_refused(c))
        return model_error(c, ENOMEM);
    if (!model_read(c, c->args[0], &value, sizeof value) || value != expected)
        return model_error(c, EAGAIN);
    unsigned woken = wake != 0 ? model_wake(c, key(c), (uint64_t)wake) : 0;
    unsigned moved = move != 0 ? model_move(c, key(c), to, (uint64_t)move) : 0;
    model_note(c, "woke %u, moved %u", woken, moved);
    model_return(c, moved); /* of both, but for an error of precedence in the sum */
}

static void futex(struct model_call *c)
{
    uint32_t op = (uint32_t)c->args[1];
    uint64_t bitset = c->args[6];
    /* amd64 has six arguments in registers. The seventh lies where a function would have it, one
     * word above the stack pointer, and is fetched whatever the operation. */
    if (c->cpu == MODEL_X86_64 && !model_read(c, c->sp + 8, &bitset, sizeof bitset)) {
        model_mistake(c, "no seventh argument on the stack");
        return model_error(c, EFAULT);
    }
    /* a plain wake of nobody asks whether the word is there: EFAULT if not */
    if (!(op & PRIVATE) && !model_shares(c) && !(op == WAKE && (uint32_t)c->args[2] == 0))
        model_mistake(c, "op %u without the private flag", op);
    if (op & FUTEX_REAL)
        model_mistake(c, "op %u with the realtime flag", op);
    switch (op & 127) {
    case WAIT:
        return futex_wait(c, false, UINT32_MAX);
    case WAIT_BITSET:
        return futex_wait(c, true, (uint32_t)bitset);
    case WAKE:
        return futex_wake(c, UINT32_MAX);
    case WAKE_BITSET:
        return futex_wake(c, (uint32_t)bitset);
    case CMP_REQUEUE:
        return futex_cmp_requeue(c, (uint32_t)bitset);
    }
    model_mistake(c, "futex op %u", op);
    model_error(c, ENOSYS);
}

/* ---- ___lwp_park60 --------------------------------------------------------------------------- */

static uint64_t lid(int thread)
{
    return FIRST_LID + (unsigned)thread;
}

/* False: no such thread. The hint makes no difference. */
static bool unpark(struct model_call *c, uint32_t target)
{
    struct state *s = c->state;
    for (int j = 0; j < c->threads; j++)
        if (lid(j) == target) {
            if (!model_wake_thread(c, j, target))
                s->unparked[j] = 1;
            return true;
        }
    model_mistake(c, "unpark of %#x, which is no thread", target);
    return false;
}

static void lwp_unpark(struct model_call *c)
{
    if (!unpark(c, (uint32_t)c->args[0]))
        return model_error(c, ESRCH);
    model_return(c, 0);
}

/* The end of a park. What is left of a relative time goes back to the caller. */
static void park_ends(struct model_call *c, int error, uint64_t left)
{
    struct timespec64 t = {(int64_t)(left / 1000000000u), (int64_t)(left % 1000000000u)};
    if (c->args[2] != 0 && !(c->args[1] & ABSTIME) && !release_799(c))
        model_write(c, c->args[2], &t, sizeof t);
    if (error)
        model_error(c, error);
    else
        model_return(c, 0);
}

static void lwp_park(struct model_call *c)
{
    struct state *s = c->state;
    struct timespec64 t;
    uint64_t deadline = MODEL_NEVER, now = clock_now(c), ns = 0;
    uint32_t clock = (uint32_t)c->args[0], flags = (uint32_t)c->args[1];
    if (model_refused(c))
        return model_error(c, ENOSYS);
    if (c->args[2] != 0 && !model_read(c, c->args[2], &t, sizeof t)) {
        model_mistake(c, "timespec at %#llx is not mapped", (unsigned long long)c->args[2]);
        return model_error(c, EFAULT);
    }
    if ((uint32_t)c->args[3] != 0 && !unpark(c, (uint32_t)c->args[3]))
        return model_error(c, ESRCH);
    /* The time is judged before the token: one that has passed leaves the token where it is. */
    if (c->args[2] != 0) {
        if (flags & ~(uint32_t)ABSTIME)
            model_mistake(c, "flags %#x", flags);
        if (clock != MONOTONIC)
            model_mistake(c, "clock %u is not monotonic", clock);
        if (clock != MONOTONIC && clock != REALTIME)
            return model_error(c, EINVAL);
        if (!check_time(c, &t))
            return model_error(c, t.nsec < 0 || t.nsec >= 1000000000 ? EINVAL : ETIMEDOUT);
        ns = nanoseconds(&t);
        if (flags & ABSTIME)
            ns = ns > now ? ns - now : 0;
        if (ns == 0)
            return park_ends(c, ETIMEDOUT, 0);
        if (ns < TICK) /* rounded up, also in what is written back */
            ns = TICK;
        deadline = after(c, ns);
    }
    if (s->unparked[c->thread]) {
        s->unparked[c->thread] = 0;
        return park_ends(c, EALREADY, ns);
    }
    c->sleep->stage = IN_PARK;
    c->sleep->note[START] = flags & ABSTIME ? 0 : now;
    c->sleep->note[LEFT] = flags & ABSTIME ? 0 : ns;
    model_sleep(c, lid(c->thread), deadline);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void call(struct model_call *c)
{
    if (c->number == FUTEX && !release_799(c))
        futex(c);
    else if (c->number == LWP_PARK)
        lwp_park(c);
    else if (c->number == LWP_UNPARK)
        lwp_unpark(c);
    else if (c->number == LWP_SELF)
        model_return(c, lid(c->thread));
    else if (c->number == CLOCK_GETTIME)
        model_clock_gettime(c, MONOTONIC, REALTIME);
    else
        model_violation(c, "killed by SIGSYS: system call %#llx", (unsigned long long)c->number);
}

static void resume_futex(struct model_call *c, enum model_event why)
{
    switch (why) {
    case MODEL_WOKEN:
    case MODEL_SPURIOUS: /* a stranger's wake of a reused address */
        return model_return(c, 0);
    case MODEL_TIMEOUT:
    case MODEL_EARLY:
        return model_error(c, ETIMEDOUT);
    case MODEL_SIGNAL: /* seen on 10.99.12: with SA_RESTART the call begins again by itself */
        if (!model_choose(c, 2, "SA_RESTART"))
            return model_error(c, EINTR);
        return call(c);
    case MODEL_STEP:
        model_refuse(c);
    }
}

static void resume_park(struct model_call *c, enum model_event why)
{
    uint64_t passed = clock_now(c) - c->sleep->note[START], left = c->sleep->note[LEFT];
    left = left > passed ? left - passed : 0;
    switch (why) {
    case MODEL_WOKEN:
        return park_ends(c, 0, left);
    case MODEL_SPURIOUS: /* an unpark that was for something else: now, or before the park */
        return park_ends(c, model_choose(c, 2, "a stray unpark came first") ? EALREADY : 0, left);
    case MODEL_TIMEOUT:
    case MODEL_EARLY:
        return park_ends(c, ETIMEDOUT, 0);
    case MODEL_SIGNAL: /* with SA_RESTART too */
        return park_ends(c, EINTR, left);
    case MODEL_STEP:
        model_refuse(c);
    }
}

static void resume(struct model_call *c, enum model_event why)
{
    if (c->sleep->stage == IN_PARK)
        resume_park(c, why);
    else
        resume_futex(c, why);
}

/* rdx, x1 and a1 are the second result. aarch64: the number is the immediate of svc. riscv64: an
 * error resumes right after ecall, a success two instructions later. */
#define TRAPS                                                                                 \
    {                                                                                         \
        [MODEL_X86_64] = {.accepted = true,                                                   \
                          .number = 0,                                                        \
                          .errors = MODEL_FLAG,                                               \
                          .poison = MODEL_R(1) | MODEL_R(2) | MODEL_R(11) | MODEL_FLAGS},     \
        [MODEL_AARCH64] = {.accepted = true,                                                  \
                           .number = MODEL_IMMEDIATE,                                         \
                           .errors = MODEL_FLAG,                                              \
                           .poison = MODEL_R(1) | MODEL_FLAGS},                               \
        [MODEL_RISCV64] = {                                                                   \
            .accepted = true, .number = 31, .errors = MODEL_RETURN12, .poison = MODEL_R(11)}, \
    }
#define SOURCES                                                                               \
    "NetBSD/src sys/kern/sys_futex.c, sys/kern/subr_time.c, sys/arch/x86/x86/syscall.c, "     \
    "sys/arch/aarch64/aarch64/syscall.c, sys/arch/riscv/riscv/syscall.c; thorpej/netbsd-src " \
    "sys/kern/sys_lwp.c; maksymlanko/netbsd-src sys/kern/syscalls.master; seen on "
#define EVENTS (1u << MODEL_EARLY | 1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS)

MODEL(netbsd) = {
    .name = "netbsd",
    .sources = SOURCES "10.99.12",
    .traps = TRAPS,
    .state_size = sizeof(struct state),
    .events = EVENTS,
    .call = call,
    .resume = resume,
};

MODEL(netbsd_park) = {
    .name = "netbsd_park",
    .sources = SOURCES "10.99.12",
    .traps = TRAPS,
    .state_size = sizeof(struct state),
    .events = EVENTS,
    .call = call,
    .resume = resume,
};

MODEL(netbsd_park_799) = {
    .name = "netbsd_park_799",
    .sources = SOURCES "7.99.4",
    .traps = TRAPS,
    .state_size = sizeof(struct state),
    .events = EVENTS,
    .call = call,
    .resume = resume,
};
