/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Fuchsia: the vDSO's zx_futex_wait, zx_futex_wake and zx_clock_get_monotonic. A trap from anywhere
 * else kills. The pointer is looked at first, then the word under the lock of its futex, then the
 * owner; a thread that sees another value was never on the queue.
 *
 *   fuchsia        today's kernel
 *   fuchsia_2018   before futexes had owners: the third argument was a reserved handle
 */
#include "model.h"

/* zircon/system/public/zircon/errors.h */
#define ZX_OK               0
#define ZX_ERR_INVALID_ARGS (-10)
#define ZX_ERR_BAD_HANDLE   (-11)
#define ZX_ERR_BAD_STATE    (-20)
#define ZX_ERR_TIMED_OUT    (-21)
#define ZX_ERR_NOT_FOUND    (-25)
#define ZX_ERR_ACCESS       (-30) /* ACCESS_DENIED: what a job's policy answers */

#define ZX_TIME_INFINITE INT64_MAX

enum {
    FUTEX_WAIT,
    FUTEX_WAKE,
    CLOCK_GET_MONOTONIC,
    DEADLINE_AFTER,
    FUTEX_REQUEUE,
};

static const char *const symbols[] = {
    [FUTEX_WAIT] = "zx_futex_wait",
    [FUTEX_WAKE] = "zx_futex_wake",
    [CLOCK_GET_MONOTONIC] = "zx_clock_get_monotonic",
    [DEADLINE_AFTER] = "zx_deadline_after",
    [FUTEX_REQUEUE] = "zx_futex_requeue",
    NULL,
};

/* zx_status_t is an int32_t: the upper half of the register is anything, but riscv64 extends. */
static void status(struct model_call *c, int32_t value)
{
    if (c->cpu == MODEL_RISCV64)
        model_return(c, (uint64_t)(int64_t)value);
    else
        model_return(c, 0xbad0bad000000000u | (uint32_t)value);
}

static int64_t saturated_now_plus(struct model_call *c, int64_t ns)
{
    int64_t sum;
    if (__builtin_add_overflow((int64_t)model_now(c), ns, &sum))
        return ns < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

static void futex_wait(struct model_call *c, bool owners)
{
    uint64_t pointer = c->args[0];
    int64_t deadline = (int64_t)c->args[3];
    uint32_t owner = (uint32_t)c->args[2], value;
    if (model_refused(c))
        return status(c, ZX_ERR_ACCESS);
    if (owner != 0)
        model_mistake(c, "futex owner %#x", owner);
    if (deadline < 0)
        model_mistake(c, "deadline %lld has passed before the machine was started",
                      (long long)deadline);
    if (pointer == 0 || pointer % 4 != 0) {
        model_mistake(c, "null or misaligned word");
        return status(c, ZX_ERR_INVALID_ARGS);
    }
    if (!model_read(c, pointer, &value, sizeof value))
        /* the manual's answer, and the fault's own, which newer kernels pass on */
        return status(c, owners && model_choose(c, 2, "INVALID_ARGS, NOT_FOUND")
                             ? ZX_ERR_NOT_FOUND
                             : ZX_ERR_INVALID_ARGS);
    if (value != (uint32_t)c->args[1])
        return status(c, ZX_ERR_BAD_STATE);
    if (owner != 0)
        return status(c, owners ? ZX_ERR_BAD_HANDLE : ZX_ERR_INVALID_ARGS);
    model_sleep(c, pointer,
                deadline == ZX_TIME_INFINITE ? MODEL_NEVER
                : deadline < 0               ? 0
                                             : (uint64_t)deadline);
}

static void futex_wake(struct model_call *c, bool owners)
{
    uint64_t pointer = c->args[0];
    uint32_t count = (uint32_t)c->args[1];
    if (count == 0)
        model_mistake(c, "wake of 0");
    if (pointer == 0 || pointer % 4 != 0) {
        model_mistake(c, "null or misaligned word");
        if (pointer != 0 || owners)
            return status(c, ZX_ERR_INVALID_ARGS);
    }
    /* the address is a key: the word is not read */
    model_note(c, "woke %u", model_wake(c, pointer, count));
    status(c, ZX_OK); /* never a count */
}

/* from, wake, value, to, move, owner */
static void futex_requeue(struct model_call *c, bool owners)
{
    uint64_t from = c->args[0], to = c->args[3];
    uint32_t wake = (uint32_t)c->args[1], move = (uint32_t)c->args[4], value;
    if ((uint32_t)c->args[5] != 0)
        model_mistake(c, "futex owner %#x", (uint32_t)c->args[5]);
    if (from == 0 || to == 0 || from % 4 != 0 || to % 4 != 0 || from == to) {
        model_mistake(c, "requeue from %#llx to %#llx", (unsigned long long)from,
                      (unsigned long long)to);
        return status(c, ZX_ERR_INVALID_ARGS);
    }
    if (!model_read(c, from, &value, sizeof value))
        return status(c, owners && model_choose(c, 2, "INVALID_ARGS, NOT_FOUND")
                             ? ZX_ERR_NOT_FOUND
                             : ZX_ERR_INVALID_ARGS);
    if (value != (uint32_t)c->args[2])
        return status(c, ZX_ERR_BAD_STATE);
    unsigned woken = wake != 0 ? model_wake(c, from, wake) : 0;
    unsigned moved = move != 0 ? model_move(c, from, to, move) : 0;
    model_note(c, "woke %u, moved %u", woken, moved);
    status(c, ZX_OK); /* never a count */
}

static void dispatch(struct model_call *c, bool owners)
{
    switch (c->number) {
    case FUTEX_WAIT:
        return futex_wait(c, owners);
    case FUTEX_WAKE:
        return futex_wake(c, owners);
    case FUTEX_REQUEUE:
        return futex_requeue(c, owners);
    case CLOCK_GET_MONOTONIC:
        return model_return(c, model_now(c));
    case DEADLINE_AFTER:
        return model_return(c, (uint64_t)saturated_now_plus(c, (int64_t)c->args[0]));
    }
}

static void call(struct model_call *c)
{
    dispatch(c, true);
}

static void call_2018(struct model_call *c)
{
    dispatch(c, false);
}

/* There are no signals, and a suspended thread waits on. A stranger may wake a reused address. */
static void resume(struct model_call *c, enum model_event why)
{
    switch (why) {
    case MODEL_WOKEN:
    case MODEL_SPURIOUS:
        return status(c, ZX_OK);
    case MODEL_TIMEOUT:
    case MODEL_EARLY: /* a job's timer slack may move the deadline to both sides */
        return status(c, ZX_ERR_TIMED_OUT);
    default:
        model_refuse(c);
    }
}

#define SOURCES                                                                                  \
    "vsrinivas/fuchsia docs/reference/syscalls/futex_wait.md, futex_wake.md, futex_requeue.md, " \
    "docs/concepts/kernel/vdso.md; misttech/mist-os zircon/kernel/object/futex_context.cc"

MODEL(fuchsia) = {
    .name = "fuchsia",
    .sources = SOURCES,
    .symbols = symbols,
    .events = 1u << MODEL_SPURIOUS | 1u << MODEL_EARLY,
    .call = call,
    .resume = resume,
};

MODEL(fuchsia_2018) = {
    .name = "fuchsia_2018",
    .sources = SOURCES,
    .symbols = symbols,
    .events = 1u << MODEL_SPURIOUS | 1u << MODEL_EARLY,
    .call = call_2018,
    .resume = resume,
};
