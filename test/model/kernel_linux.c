/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Linux: futex and clock_gettime. The value is compared under the queue's lock, so a thread that
 * sees another value was never on the queue.
 *
 *   linux    the kernel of that name
 *   linux_50 before 5.1: CPUs of 32 bits have no calls with times of 64 bits
 *   android  up to Android 10: it kills a program of 32 bits that makes such a call
 *   gvisor   another kernel behind the same interface: its sum of seconds and ns overflows from
 *            2^63 ns on, into the past; and a wake may be spent on a thread that answers ETIMEDOUT
 */
#include "model.h"

#define WAIT        0
#define WAKE        1
#define CMP_REQUEUE 4
#define WAIT_BITSET 9
#define WAKE_BITSET 10
#define PRIVATE     128
#define REALTIME    256
#define MONOTONIC   1

#define EINTR     4
#define EACCES    13
#define EFAULT    14
#define EAGAIN    11
#define EINVAL    22
#define ENOSYS    38
#define EPERM     1
#define ETIMEDOUT 110

/* The numbers of the calls; 0: there is none. On CPUs of 32 bits each is there twice. */
static const struct numbers {
    unsigned futex, clock, futex_time64, clock_time64;
} numbers[MODEL_CPUS] = {
    [MODEL_X86_64] = {202, 228, 0, 0},  [MODEL_AARCH64] = {98, 113, 0, 0},
    [MODEL_RISCV64] = {98, 113, 0, 0},  [MODEL_X86] = {240, 265, 422, 403},
    [MODEL_ARM] = {240, 263, 422, 403}, [MODEL_RISCV32] = {0, 0, 422, 403},
};

static const struct model model_gvisor, model_linux_50, model_android;

/* Private words and shared ones do not meet; words are aligned, so one more is another key. */
static uint64_t key(const struct model_call *c, uint64_t word)
{
    return word + !(c->args[1] & PRIVATE);
}

static void futex_wait(struct model_call *c, unsigned op, uint32_t bitset, bool wall, size_t size)
{
    uint64_t word = c->args[0], deadline = MODEL_NEVER;
    if (c->args[3] != 0) { /* the time is looked at before everything else */
        int64_t t[2];      /* seconds, ns */
        if (!model_read(c, c->args[3], t, 2 * size)) {
            model_mistake(c, "timespec at %#llx is not mapped", (unsigned long long)c->args[3]);
            return model_error(c, EFAULT);
        }
        if (size == 4) {
            t[1] = (int32_t)(t[0] >> 32);
            t[0] = (int32_t)t[0];
        } else if (model_32_bits(c->cpu))
            t[1] = (int32_t)t[1]; /* the upper half is padding */
        if (t[0] < 0 || t[1] < 0 || t[1] >= 1000000000) {
            model_mistake(c, "timespec {%lld, %lld}", (long long)t[0], (long long)t[1]);
            return model_error(c, EINVAL);
        }
        uint64_t ns;
        if (c->model == &model_gvisor && t[0] == INT64_MAX / 1000000000 &&
            t[1] > INT64_MAX % 1000000000)
            return model_error(c, ETIMEDOUT);
        if (__builtin_mul_overflow((uint64_t)t[0], 1000000000u, &ns) || ns > INT64_MAX)
            ns = MODEL_NEVER; /* ktime saturates: some 292 years */
        else
            ns += (uint64_t)t[1];
        if (wall && ns != MODEL_NEVER) { /* hrtimers are told when that clock is set */
            c->sleep->wall = ns;
            ns = model_of_wall(c, ns);
        }
        deadline = op == WAIT ? model_after(c, ns) : ns;
    }
    if (bitset == 0) {
        model_mistake(c, "bitset 0");
        return model_error(c, EINVAL);
    }
    if (word % 4 != 0) {
        model_mistake(c, "misaligned word");
        return model_error(c, EINVAL);
    }
    uint32_t value;
    if (!model_read(c, word, &value, sizeof value))
        return model_error(c, EFAULT);
    if (value != (uint32_t)c->args[2])
        return model_error(c, EAGAIN);
    c->sleep->note[0] = bitset;
    model_sleep(c, key(c, word), deadline);
}

static void futex_wake(struct model_call *c, uint32_t bitset)
{
    uint64_t word = c->args[0];
    int32_t count = (int32_t)c->args[2];
    if (bitset == 0) {
        model_mistake(c, "bitset 0");
        return model_error(c, EINVAL);
    }
    if (bitset != UINT32_MAX) {
        model_mistake(c, "bitset %#x", bitset);
        return model_error(c, EINVAL);
    }
    if (word % 4 != 0) {
        model_mistake(c, "misaligned word");
        return model_error(c, EINVAL);
    }
    if (count <= 0)
        model_mistake(c, "wake of %d wakes one", count);
    /* a private key is the address alone: the word need not be there */
    unsigned woken = model_wake(c, key(c, word), count > 0 ? (uint64_t)count : 1);
    model_note(c, "woke %u", woken);
    model_return(c, woken);
}

static void futex_cmp_requeue(struct model_call *c)
{
    uint64_t from = c->args[0], to = c->args[4];
    int32_t wake = (int32_t)c->args[2], move = (int32_t)c->args[3];
    uint32_t value;
    if (wake < 0 || move < 0) {
        model_mistake(c, "requeue: wake %d, move %d", wake, move);
        return model_error(c, EINVAL);
    }
    if (from % 4 != 0 || to % 4 != 0) {
        model_mistake(c, "misaligned word");
        return model_error(c, EINVAL);
    }
    if (from == to && (wake != 0 || move != 0)) /* else it is a look */
        model_mistake(c, "requeue to the same word");
    /* a private key is the address alone: the second word need not be there */
    if (!model_read(c, from, &value, sizeof value))
        return model_error(c, EFAULT);
    if (value != (uint32_t)c->args[5])
        return model_error(c, EAGAIN);
    unsigned woken = wake != 0 ? model_wake(c, key(c, from), (uint64_t)wake) : 0;
    unsigned moved = move != 0 ? model_move(c, key(c, from), key(c, to), (uint64_t)move) : 0;
    if (wake != 0 || move != 0)
        model_note(c, "woke %u, moved %u", woken, moved);
    model_return(c, woken + moved);
}

static void refuse(struct model_call *c)
{
    static const int errors[] = {ENOSYS, EPERM, EACCES};
    if (c->number == numbers[c->cpu].futex_time64 && numbers[c->cpu].futex != 0)
        model_uncounted(c);
    model_error(c, errors[model_choose(c, 3, "sandbox")]);
}

static void futex(struct model_call *c, size_t size)
{
    unsigned op = (uint32_t)c->args[1];
    if (!(op & PRIVATE) && !model_shares(c))
        model_mistake(c, "op %u without the private flag", op);
    bool wall = op & REALTIME;
    op &= ~(unsigned)REALTIME;
    if (wall && (op & ~(unsigned)PRIVATE) != WAIT_BITSET) {
        model_mistake(c, "op %u with the realtime flag", op);
        return model_error(c, ENOSYS);
    }
    switch (op & ~(unsigned)PRIVATE) {
    case WAIT:
    case WAIT_BITSET:
        if (model_refused(c))
            return refuse(c);
        op &= ~(unsigned)PRIVATE;
        return futex_wait(c, op, op == WAIT ? UINT32_MAX : (uint32_t)c->args[5], wall, size);
    case CMP_REQUEUE:
        if (model_refused(c))
            return refuse(c);
        return futex_cmp_requeue(c);
    case WAKE:
        return futex_wake(c, UINT32_MAX);
    case WAKE_BITSET:
        return futex_wake(c, (uint32_t)c->args[5]);
    }
    model_mistake(c, "futex op %u", op);
    model_error(c, ENOSYS);
}

static void call(struct model_call *c)
{
    const struct numbers *n = &numbers[c->cpu];
    size_t size =
        model_32_bits(c->cpu) ? 4 : 8; /* of a second, and of the ns, by the first numbers */
    bool time64 = size == 4 && (c->number == n->futex_time64 || c->number == n->clock_time64);
    if (time64 && c->model == &model_android)
        return model_violation(c, "killed: system call %u", (unsigned)c->number);
    if (time64 && c->model == &model_linux_50) {
        model_uncounted(c);
        return model_error(c, ENOSYS);
    }
    if (n->futex != 0 && c->number == n->futex)
        futex(c, size);
    else if (n->clock != 0 && c->number == n->clock)
        model_clock_gettime_of(c, MONOTONIC, 0, size);
    else if (time64 && c->number == n->futex_time64)
        futex(c, 8);
    else if (time64)
        model_clock_gettime(c, MONOTONIC, 0);
    else
        model_violation(c, "system call %#llx", (unsigned long long)c->number);
}

static void resume(struct model_call *c, enum model_event why)
{
    switch (why) {
    case MODEL_WOKEN: /* gVisor's timer and its waker are two channels, and either may be first */
        if (c->model == &model_gvisor && model_after(c, 0) >= c->sleep->deadline &&
            model_choose(c, 2, "woken, late"))
            return model_error(c, ETIMEDOUT);
        return model_return(c, 0);
    case MODEL_SPURIOUS: /* a stranger's wake of a reused address */
        return model_return(c, 0);
    case MODEL_TIMEOUT:
        return model_error(c, ETIMEDOUT);
    case MODEL_SIGNAL:
        return model_error(c, EINTR);
    default:
        model_refuse(c);
    }
}

/* The same of all. */
#define TRAPS                                                                            \
    {                                                                                    \
        [MODEL_X86_64] = {.accepted = true,                                              \
                          .number = 0,                                                   \
                          .errors = MODEL_NEGATIVE,                                      \
                          .poison = MODEL_R(1) | MODEL_R(11)}, /* rcx, r11 */            \
            [MODEL_AARCH64] = {.accepted = true, .number = 8, .errors = MODEL_NEGATIVE}, \
        [MODEL_RISCV64] = {.accepted = true, .number = 17, .errors = MODEL_NEGATIVE},    \
        [MODEL_X86] = {.accepted = true, .number = 0, .errors = MODEL_NEGATIVE},         \
        [MODEL_ARM] = {.accepted = true, .number = 7, .errors = MODEL_NEGATIVE},         \
        [MODEL_RISCV32] = {.accepted = true, .number = 17, .errors = MODEL_NEGATIVE},    \
    }

MODEL(linux) = {
    .name = "linux",
    .sources = "torvalds/linux kernel/futex/syscalls.c, waitwake.c, requeue.c, kernel/time/time.c "
               "(get_timespec64)",
    .traps = TRAPS,
    .events = 1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS,
    .restarts = true,
    .call = call,
    .resume = resume,
};

MODEL(linux_50) = {
    .name = "linux_50",
    .sources = "as of linux",
    .traps = TRAPS,
    .events = 1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS,
    .restarts = true,
    .call = call,
    .resume = resume,
};

MODEL(android) = {
    .name = "android",
    .sources = "as of linux; golang/go issue 77621",
    .traps = TRAPS,
    .events = 1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS,
    .restarts = true,
    .call = call,
    .resume = resume,
};

MODEL(gvisor) = {
    .name = "gvisor",
    .sources = "google/gvisor pkg/sentry/syscalls/linux/sys_futex.go, "
               "pkg/sentry/kernel/futex/futex.go, pkg/abi/linux/time.go",
    .traps = TRAPS,
    .events = 1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS,
    .restarts = true,
    .call = call,
    .resume = resume,
};
