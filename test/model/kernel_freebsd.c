/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * FreeBSD: _umtx_op and clock_gettime. The waiter is on the queue before its word is compared, so a
 * wake-one can be spent on a thread that then returns for the difference. Waking and difference
 * both answer 0; a wake answers 0, never a count.
 *
 * The library may use WAIT_UINT_PRIVATE, WAKE_PRIVATE and the time of 24 bytes. All other calls are
 * its mistakes; those on words are answered as the kernel does. The shared ones look the mapping up
 * and, where it is private, as here, wait on the same queue.
 */
#include "model.h"

#define WAIT              2 /* compares a u_long */
#define WAKE              3
#define WAIT_UINT         11
#define WAIT_UINT_PRIVATE 15
#define WAKE_PRIVATE      16
#define NWAKE_PRIVATE     21
#define NWAKE_BATCH       128
#define ABSTIME           1
#define REALTIME          0
#define MONOTONIC         4

#define EINTR     4
#define EFAULT    14
#define EINVAL    22
#define ENOSYS    78
#define ETIMEDOUT 60

struct umtx_time {
    int64_t sec, nsec;
    uint32_t flags, clock;
};

enum { ASLEEP, COMPARING };

/* False: answered already. */
static bool read_deadline(struct model_call *c, uint64_t *deadline)
{
    struct umtx_time t = {0, 0, 0, REALTIME};
    uint64_t size = c->args[3], pointer = c->args[4];
    *deadline = MODEL_NEVER;
    if (pointer == 0) {
        if (size != 0)
            model_mistake(c, "a size but no time");
        return true;
    }
    if (size != sizeof t)
        model_mistake(c, "the time has size %llu, not 24: relative, by the realtime clock",
                      (unsigned long long)size);
    if (!model_read(c, pointer, &t, size > 16 ? sizeof t : 16)) {
        model_mistake(c, "time at %#llx is not mapped", (unsigned long long)pointer);
        model_error(c, EFAULT);
        return false;
    }
    if (t.sec < 0 || t.nsec < 0 || t.nsec >= 1000000000) {
        model_mistake(c, "time {%lld, %lld}", (long long)t.sec, (long long)t.nsec);
        model_error(c, EINVAL);
        return false;
    }
    if (t.flags & ~(uint32_t)ABSTIME)
        model_mistake(c, "time flags %#x", t.flags);
    bool wall = t.clock == REALTIME && t.flags & ABSTIME;
    if (t.clock != MONOTONIC && !wall)
        model_mistake(c, "clock %u is not monotonic", t.clock);
    if (t.clock != MONOTONIC && t.clock != REALTIME) {
        *deadline = 0; /* seen on 12.1: an unknown clock is a timeout at once */
        return true;
    }
    if (t.flags & ABSTIME && !wall && t.sec == 0 && t.nsec == 0) {
        /* Later than 12.1: umtx_abs_timeout_getsbt makes it an sbintime_t, of which 0 is none. */
        model_mistake(c, "a deadline of 0 is for ever");
        return true;
    }
    uint64_t now = t.flags & ABSTIME ? 0 : model_now(c);
    uint64_t ns = now % 1000000000u + (uint64_t)t.nsec;
    /* The sum is not checked for overflow: it comes out negative, a timeout at once. */
    if (__builtin_add_overflow(t.sec, (int64_t)(now / 1000000000u + ns / 1000000000u), &t.sec)) {
        model_mistake(c, "a relative time that overflows");
        *deadline = 0;
    } else if (t.sec < INT32_MAX) /* more is infinite */
        *deadline = (uint64_t)t.sec * 1000000000u + ns % 1000000000u;
    if (wall && *deadline != MODEL_NEVER) {
        c->sleep->wall = *deadline; /* rtc_generation: looked at anew when that clock is set */
        *deadline = model_of_wall(c, *deadline);
    }
    return true;
}

/* In memory that is private the two keys are one. Words are aligned, so one more is another. */
static uint64_t key(struct model_call *c)
{
    uint32_t op = (uint32_t)c->args[1];
    return c->args[0] + (model_shares(c) && (op == WAIT_UINT || op == WAKE));
}

static void compare(struct model_call *c)
{
    uint64_t value = 0, deadline = c->sleep->note[0];
    if (c->sleep->wall != 0)
        deadline = model_of_wall(c, c->sleep->wall);
    if (!model_read(c, c->args[0], &value, (uint32_t)c->args[1] == WAIT ? 8 : 4))
        return model_error(c, EFAULT);
    if (value != c->args[2]) { /* 32 bits, zero-extended, against the whole u_long */
        model_note(c, "differs");
        return model_return(c, 0);
    }
    c->sleep->stage = ASLEEP;
    model_sleep(c, key(c), deadline);
}

static void wait(struct model_call *c, bool shared)
{
    uint64_t deadline;
    if (model_refused(c))
        return model_error(c, ENOSYS);
    if (shared && !model_shares(c))
        model_mistake(c, "a wait that is not WAIT_UINT_PRIVATE");
    else if (c->args[2] > UINT32_MAX)
        model_mistake(c, "the value %#llx is sign-extended: it never matches",
                      (unsigned long long)c->args[2]);
    if (!read_deadline(c, &deadline))
        return;
    c->sleep->note[0] = deadline;
    c->sleep->stage = COMPARING;
    model_step(c, key(c));
}

static void wake(struct model_call *c, bool shared)
{
    char byte;
    int32_t count = (int32_t)c->args[2];
    if (shared && !model_shares(c))
        model_mistake(c, "a wake that is not WAKE_PRIVATE");
    if (count <= 0)
        model_mistake(c, "wake of %d", count);
    if (shared && !model_read(c, c->args[0], &byte, 1)) /* it looks the mapping up */
        return model_error(c, EFAULT);
    model_note(c, "woke %u", model_wake(c, key(c), count > 1 ? (uint64_t)count : 1));
    model_return(c, 0);
}

/* Wakes all waiters of each word of an array, which is read by batches. */
static void nwake(struct model_call *c)
{
    uint64_t words[NWAKE_BATCH];
    int32_t count = (int32_t)c->args[2];
    model_mistake(c, "a wake that is not WAKE_PRIVATE");
    for (int32_t i = 0; i < count; i++) {
        int32_t in_batch = i % NWAKE_BATCH, left = count - i;
        size_t size = sizeof words[0] * (size_t)(left < NWAKE_BATCH ? left : NWAKE_BATCH);
        if (in_batch == 0 &&
            !model_read(c, c->args[0] + sizeof words[0] * (uint64_t)i, words, size))
            return model_error(c, EFAULT);
        model_wake(c, words[in_batch], INT32_MAX);
    }
    model_return(c, 0);
}

static void umtx_op(struct model_call *c)
{
    switch ((uint32_t)c->args[1]) {
    case WAIT:
    case WAIT_UINT:
        return wait(c, true);
    case WAIT_UINT_PRIVATE:
        return wait(c, false);
    case WAKE:
        return wake(c, true);
    case WAKE_PRIVATE:
        return wake(c, false);
    case NWAKE_PRIVATE:
        return nwake(c);
    }
    model_mistake(c, "_umtx_op %u", (uint32_t)c->args[1]);
    model_error(c, EINVAL);
}

static void call(struct model_call *c)
{
    if (c->number == 454)
        umtx_op(c);
    else if (c->number == 232)
        model_clock_gettime(c, MONOTONIC, REALTIME);
    else
        model_violation(c, "system call %#llx", (unsigned long long)c->number);
}

static void resume(struct model_call *c, enum model_event why)
{
    switch (why) {
    case MODEL_STEP:
        return compare(c);
    case MODEL_WOKEN:
    case MODEL_SPURIOUS:
        return model_return(c, 0);
    case MODEL_TIMEOUT:
        return model_error(c, ETIMEDOUT);
    case MODEL_SIGNAL: /* with SA_RESTART too */
        return model_error(c, EINTR);
    default:
        model_refuse(c);
    }
}

/* The return path zeroes r8 to r10 on amd64 and may write the second result everywhere. */
MODEL(freebsd) = {
    .name = "freebsd",
    .sources = "freebsd/freebsd-src sys/kern/kern_umtx.c, sys/amd64/amd64/exception.S",
    .traps =
        {
            [MODEL_X86_64] = {.accepted = true,
                              .number = 0,
                              .errors = MODEL_FLAG,
                              .poison = MODEL_R(1) | MODEL_R(2) | MODEL_R(11) | MODEL_FLAGS,
                              .zero = MODEL_R(8) | MODEL_R(9) | MODEL_R(10)},
            [MODEL_AARCH64] = {.accepted = true,
                               .number = 8,
                               .errors = MODEL_FLAG,
                               .poison = MODEL_R(1) | MODEL_FLAGS},
            [MODEL_RISCV64] = {.accepted = true,
                               .number = 5,
                               .errors = MODEL_FLAG,
                               .poison = MODEL_R(5) | MODEL_R(11)},
        },
    .events = 1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS,
    .call = call,
    .resume = resume,
};
