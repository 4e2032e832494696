/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * illumos: lwp_park with its subcodes, lwp_self, clock_gettime.
 *
 * Timed parks count by the wall clock: when somebody sets it, all of them end at once with ETIME.
 * The library that a thread was started by has told the kernel of a flag that says "I come to
 * park"; while it is down, subcode 0 answers EINTR without a sleep. What the kernel returns of an
 * int has anything in its upper half.
 */
#include "model.h"

#define LWP_PARK      77
#define LWP_SELF      164
#define CLOCK_GETTIME 191

#define PARK         0
#define UNPARK       1
#define SET_AND_PARK 4

#define HIGHRES 4

#define ESRCH    3
#define EINTR    4
#define EFAULT   14
#define EINVAL   22
#define ETIME    62
#define ENOSYS   89
#define ERESTART 91

#define TICK    10000000u                    /* ns: hz is 100; no timed sleep is shorter */
#define RUBBISH UINT64_C(0x5bad5bad00000000) /* around an int */

struct timespec64 {
    int64_t sec, nsec;
};

/* What the kernel keeps of its threads: t_unpark. */
struct state {
    uint8_t unparked[MODEL_THREADS];
};

enum { LEFT_AT }; /* note: when the time that the caller gave will be over */

/* An id has more than 16 bits, and is not the number of a thread. */
static uint32_t lid(int thread)
{
    return 0x30001u + (uint32_t)thread;
}

static void answer(struct model_call *c, uint32_t result)
{
    model_return(c, RUBBISH | result);
}

/* False: no such thread. */
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

/* Any end of a park that came to look at the mark takes it, and tells what is left of the time. */
static void park_ends(struct model_call *c, int error)
{
    struct state *s = c->state;
    uint64_t at = c->sleep->note[LEFT_AT], now = model_after(c, 0);
    uint64_t left = error == ETIME || at <= now ? 0 : at - now;
    struct timespec64 t = {(int64_t)(left / 1000000000u), (int64_t)(left % 1000000000u)};
    s->unparked[c->thread] = 0;
    if (c->args[1] != 0)
        model_write(c, c->args[1], &t, sizeof t);
    if (error)
        model_error(c, error);
    else
        answer(c, 0);
}

static void park(struct model_call *c, bool flagged)
{
    struct state *s = c->state;
    struct timespec64 t;
    uint64_t deadline = MODEL_NEVER;
    if (model_refused(c))
        return model_error(c, ENOSYS);
    if ((uint32_t)c->args[2] != 0)
        unpark(c, (uint32_t)c->args[2]);
    if (c->args[1] != 0) {
        if (!model_read(c, c->args[1], &t, sizeof t)) {
            model_mistake(c, "timespec at %#llx is not mapped", (unsigned long long)c->args[1]);
            return model_error(c, EFAULT);
        }
        if (t.sec < 0 || t.nsec < 0 || t.nsec >= 1000000000) {
            model_mistake(c, "timespec {%lld, %lld}", (long long)t.sec, (long long)t.nsec);
            return model_error(c, EINVAL);
        }
        /* A longer one wraps, and the thread wakes at every tick for ever. */
        if (t.sec >= INT64_MAX / 1000000000)
            model_mistake(c, "%lld s do not fit into 63 bits of ns", (long long)t.sec);
        uint64_t ns = (uint64_t)t.sec * 1000000000u + (uint64_t)t.nsec;
        c->sleep->note[LEFT_AT] = model_after(c, ns);
        deadline = model_after(c, ns != 0 && ns < TICK ? TICK : ns);
    }
    if (!flagged)
        return park_ends(c, EINTR);
    if (s->unparked[c->thread])
        return park_ends(c, 0);
    if (c->args[1] != 0 && t.sec == 0 && t.nsec == 0)
        return park_ends(c, ETIME);
    model_sleep(c, lid(c->thread), deadline);
}

static void lwp_park(struct model_call *c)
{
    switch ((uint32_t)c->args[0]) {
    case PARK: /* a thread that libc did not start has no flag, and may */
        return park(c, model_choose(c, 2, "no flag") == 1);
    case UNPARK:
        if ((uint32_t)c->args[2] != 0)
            model_mistake(c, "unpark has a second argument");
        if (!unpark(c, (uint32_t)c->args[1]))
            return model_error(c, ESRCH);
        return answer(c, 0);
    case SET_AND_PARK:
        return park(c, true);
    default:
        return model_violation(c, "lwp_park, subcode %u", (uint32_t)c->args[0]);
    }
}

static void clock_gettime(struct model_call *c)
{
    uint64_t now = model_clock(c, HIGHRES, 3);
    struct timespec64 t = {(int64_t)(now / 1000000000u), (int64_t)(now % 1000000000u)};
    if (!model_write(c, c->args[1], &t, sizeof t)) {
        model_mistake(c, "clock_gettime to an address that is not mapped");
        return model_error(c, EFAULT);
    }
    answer(c, 0);
}

static void call(struct model_call *c)
{
    switch ((uint32_t)c->number) { /* eax */
    case LWP_PARK:
        return lwp_park(c);
    case LWP_SELF:
        return answer(c, lid(c->thread));
    case CLOCK_GETTIME:
        return clock_gettime(c);
    default:
        return model_violation(c, "SIGSYS: system call %u", (uint32_t)c->number);
    }
}

static void resume(struct model_call *c, enum model_event why)
{
    switch (why) {
    case MODEL_WOKEN:
    case MODEL_SPURIOUS: /* an unpark that was for something else */
        return park_ends(c, 0);
    case MODEL_TIMEOUT:
    case MODEL_EARLY: /* somebody has set the wall clock */
        return park_ends(c, ETIME);
    case MODEL_SIGNAL: /* libc takes both, and calls both EINTR */
        return park_ends(c, model_choose(c, 2, "ERESTART") ? ERESTART : EINTR);
    case MODEL_STEP:
        model_refuse(c);
    }
}

MODEL(illumos) = {
    .name = "illumos",
    .sources = "illumos/illumos-gate usr/src/uts/common/syscall/lwpsys.c, lwp_self.c, "
               "usr/src/uts/common/os/condvar.c, schedctl.c, usr/src/uts/common/sys/syscall.h, "
               "usr/src/uts/i86pc/ml/syscall_asm_amd64.s, usr/src/lib/libc/amd64/inc/SYS.h",
    .traps = {[MODEL_X86_64] = {.accepted = true, /* rdx is the second result */
                                .number = 0,
                                .errors = MODEL_FLAG,
                                .poison = MODEL_R(1) | MODEL_R(2) | MODEL_R(11) | MODEL_FLAGS}},
    .state_size = sizeof(struct state),
    .events = 1u << MODEL_EARLY | 1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS,
    .call = call,
    .resume = resume,
};
