/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * DragonFly BSD: umtx_sleep, umtx_wakeup and clock_gettime. x86_64 only. The waiter is on the queue
 * before its word is compared the last time, so a wake-one can be spent on a thread that then
 * returns for the difference. A wakeup answers 0, never a count.
 *
 * Two kernels: 3.9, and the current one, which ends every sleep after two seconds, also one that
 * was to last for ever. Both end a sleep up to a tick early: the first tick is a part of one.
 */
#include "model.h"

#define CLOCK_GETTIME 232
#define UMTX_SLEEP    469
#define UMTX_WAKEUP   470
#define MONOTONIC     4

#define EINTR       4
#define EFAULT      14
#define EBUSY       16
#define EINVAL      22
#define EWOULDBLOCK 35
#define ENOSYS      78

#define CAP_US 2000000u /* kern.umtx_timeout_max */

/*
 * A sleep of this length or more has no deadline in the checker: that it ends by itself is an event
 * that nobody may count on. A caller that sleeps in slices would hide a lost wake-up otherwise,
 * and the clock would grow for ever. Not where the wall clock is set: its waits are to be slices
 * of a second, and all of them have an end.
 */
#define LONG_US 100000u

enum {
    ASLEEP,
    QUEUED
}; /* stage; note[0] is when the kernel's timer fires, MODEL_NEVER: it has none */

static const struct model model_dragonfly_39;

static bool capped(const struct model_call *c)
{
    return c->model != &model_dragonfly_39;
}

/* An address without memory behind it; 3.9 looks it up, the current kernel reads it. */
static int no_memory(const struct model_call *c)
{
    return capped(c) ? EINVAL : EFAULT;
}

static void umtx_sleep(struct model_call *c)
{
    int32_t timeout = (int32_t)c->args[2];
    uint32_t value;
    if (model_refused(c))
        return model_error(c, ENOSYS);
    if (timeout < 0) {
        model_mistake(c, "timeout %d", timeout);
        return model_error(c, EINVAL);
    }
    if (c->args[0] % 4 != 0) {
        model_mistake(c, "misaligned word");
        return model_error(c, EFAULT);
    }
    if (!model_read(c, c->args[0], &value, sizeof value))
        return model_error(c, no_memory(c));
    if (value != (uint32_t)c->args[1])
        return model_error(c, EBUSY);
    uint32_t us = (uint32_t)timeout;
    if (capped(c) && (us == 0 || us > CAP_US))
        us = CAP_US;
    c->sleep->note[0] = us == 0 ? MODEL_NEVER : model_after(c, us * UINT64_C(1000));
    c->sleep->stage = QUEUED;
    model_step(c, c->args[0]);
}

/* The second look, on the queue. False: it differs, which is answered. */
static bool compare(struct model_call *c)
{
    uint32_t value = 0;
    if (model_read(c, c->args[0], &value, sizeof value) && value == (uint32_t)c->args[1])
        return true;
    model_error(c, EBUSY);
    return false;
}

static void umtx_wakeup(struct model_call *c)
{
    if (c->args[0] % 4 != 0) {
        model_mistake(c, "misaligned word");
        return model_error(c, EFAULT);
    }
    /* any count but 1 is all */
    unsigned woken = model_wake(c, c->args[0], (uint32_t)c->args[1] == 1 ? 1 : MODEL_THREADS);
    /* The word may be dead, so this model does not read it as the kernel does: that would count as
     * an access of the caller. Whether its memory is still there is a choice. */
    if (woken == 0 && model_choose(c, 2, "the word is unmapped"))
        return model_error(c, no_memory(c));
    model_note(c, "woke %u", woken);
    model_return(c, 0);
}

static void call(struct model_call *c)
{
    if (c->number == UMTX_SLEEP)
        umtx_sleep(c);
    else if (c->number == UMTX_WAKEUP)
        umtx_wakeup(c);
    else if (c->number == CLOCK_GETTIME)
        model_clock_gettime(c, MONOTONIC, 0);
    else
        model_violation(c, "system call %#llx", (unsigned long long)c->number);
}

static void resume(struct model_call *c, enum model_event why)
{
    uint64_t end = c->sleep->note[0];
    switch (why) {
    case MODEL_STEP:
        if (!compare(c))
            return;
        c->sleep->stage = ASLEEP;
        if (end >= model_after(c, LONG_US * UINT64_C(1000)) && !model_sets_wall(c))
            return model_sleep(c, c->args[0], MODEL_NEVER);
        return model_sleep(c, c->args[0], end);
    case MODEL_WOKEN:
        if (c->sleep->stage == QUEUED && !compare(c))
            return; /* the wake is used up all the same */
        return model_return(c, 0);
    case MODEL_SPURIOUS: /* fork wakes all, and so does a stranger's wakeup of a reused word */
        if (end != MODEL_NEVER && model_choose(c, 2, "the slice ends"))
            return model_error(c, EWOULDBLOCK);
        return model_return(c, 0);
    case MODEL_TIMEOUT:
    case MODEL_EARLY:
        return model_error(c, EWOULDBLOCK);
    case MODEL_SIGNAL: /* with SA_RESTART too */
        return model_error(c, EINTR);
    }
}

/* The fast way back restores rdi, rsi, rdx and rax only; rdx is the second result. */
#define TRAPS                                                                           \
    {                                                                                   \
        [MODEL_X86_64] = {.accepted = true,                                             \
                          .number = 0,                                                  \
                          .errors = MODEL_FLAG,                                         \
                          .poison = MODEL_R(1) | MODEL_R(2) | MODEL_R(8) | MODEL_R(9) | \
                                    MODEL_R(10) | MODEL_R(11) | MODEL_FLAGS},           \
    }
#define SOURCES                                                                  \
    "DragonFlyBSD/DragonFlyBSD sys/kern/syscalls.master, sys/kern/kern_umtx.c, " \
    "sys/platform/pc64/x86_64/exception.S; "
#define EVENTS (1u << MODEL_EARLY | 1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS)

MODEL(dragonfly_39) = {
    .name = "dragonfly_39",
    .sources = SOURCES "seen on 3.9",
    .traps = TRAPS,
    .events = EVENTS,
    .call = call,
    .resume = resume,
};

MODEL(dragonfly) = {
    .name = "dragonfly",
    .sources = SOURCES "its revision with kern.umtx_timeout_max",
    .traps = TRAPS,
    .events = EVENTS,
    .call = call,
    .resume = resume,
};
