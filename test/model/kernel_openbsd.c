/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * OpenBSD: futex and clock_gettime, by trap from a static program, by libc's functions from a
 * dynamic one. Three kernels, told apart by `release`:
 *
 *   6.5       futex gives its errno as an ordinary result; arm64 resumes right after svc
 *   7.4       errors as everywhere else; arm64 steps over the two instructions after svc
 *   current   call sites are pinned; the waiter is queued before its word is compared, so it can
 *             use up a wake and then return for the difference; private and plain calls do not meet
 *
 * Sleeps are counted in ticks of the clock interrupt, never by the clock that clock_gettime reads.
 * That clock is slewed, and 7.4 divides by a tick and a nanosecond: a long sleep can end early.
 */
#include "model.h"

#define FUTEX         83
#define CLOCK_GETTIME 87

#define WAIT      1
#define WAKE      2
#define REQUEUE   3
#define PRIVATE   128
#define MONOTONIC 3

#define EPERM     1
#define EINTR     4
#define EFAULT    14
#define EINVAL    22
#define EAGAIN    35
#define ETIMEDOUT 60
#define ENOSYS    78
#define ECANCELED 88

#define TICK  10000000u                    /* ns: hz is 100 */
#define CLAMP ((uint64_t)INT32_MAX * TICK) /* the most ticks a sleep has: 248 days */

struct timespec64 {
    int64_t sec, nsec;
};

enum { ASLEEP, QUEUED }; /* stage */

enum release { RELEASE_65, RELEASE_74, CURRENT };

static const struct model model_openbsd_65, model_openbsd_74, model_openbsd_libc_65;

static enum release release(const struct model_call *c)
{
    if (c->model == &model_openbsd_65 || c->model == &model_openbsd_libc_65)
        return RELEASE_65;
    return c->model == &model_openbsd_74 ? RELEASE_74 : CURRENT;
}

static void fail(struct model_call *c, int error)
{
    if (!c->symbol)
        return model_error(c, error);
    int32_t number = error;
    model_write(c, model_scratch(c), &number, sizeof number);
    model_return(c, UINT64_MAX);
}

static void futex_fail(struct model_call *c, int error)
{
    if (release(c) == RELEASE_65)
        return model_return(c, (uint64_t)error);
    fail(c, error);
}

/* False: answered already. */
static bool read_deadline(struct model_call *c, uint64_t *deadline)
{
    struct timespec64 t;
    *deadline = MODEL_NEVER;
    if (c->args[3] == 0)
        return true;
    if (!model_read(c, c->args[3], &t, sizeof t)) {
        model_mistake(c, "timespec at %#llx is not mapped", (unsigned long long)c->args[3]);
        futex_fail(c, EFAULT);
        return false;
    }
    if (t.sec < 0 || t.nsec < 0 || t.nsec >= 1000000000) {
        model_mistake(c, "timespec {%lld, %lld}", (long long)t.sec, (long long)t.nsec);
        futex_fail(c, EINVAL);
        return false;
    }
    if (t.sec == 0 && t.nsec == 0 && release(c) == CURRENT) {
        futex_fail(c, ETIMEDOUT);
        return false;
    }
    uint64_t ns = CLAMP;
    if ((uint64_t)t.sec < CLAMP / 1000000000u)
        ns = (uint64_t)t.sec * 1000000000u + (uint64_t)t.nsec;
    *deadline = model_after(c, ns < TICK ? TICK : ns);
    return true;
}

/* False, and answered, if the word is not what the caller expects. */
static bool compare(struct model_call *c)
{
    uint32_t value;
    if (c->args[0] % 4 != 0)
        model_mistake(c, "misaligned word");
    if (c->args[0] % 4 != 0 || !model_read(c, c->args[0], &value, sizeof value))
        futex_fail(c, EFAULT);
    else if (value != (uint32_t)c->args[2])
        futex_fail(c, EAGAIN);
    else
        return true;
    return false;
}

/* The queue of a word: words are aligned, so one more is the key of the plain calls. */
static uint64_t key(const struct model_call *c)
{
    bool plain = !(c->args[1] & PRIVATE);
    return c->args[0] + (plain && release(c) == CURRENT);
}

static void futex_wait(struct model_call *c)
{
    uint64_t deadline;
    if (model_refused(c)) /* a kernel without the call, or one that distrusts the stack */
        return model_choose(c, 2, "sandbox") ? fail(c, EPERM) : futex_fail(c, ENOSYS);
    if (release(c) == CURRENT) {
        if (!read_deadline(c, &deadline))
            return;
        c->sleep->note[0] = deadline;
        c->sleep->stage = QUEUED;
        return model_step(c, key(c));
    }
    if (compare(c) && read_deadline(c, &deadline))
        model_sleep(c, key(c), deadline);
}

static void futex_wake(struct model_call *c)
{
    int32_t count = (int32_t)c->args[2];
    if (count <= 0)
        model_mistake(c, "wake of %d", count);
    /* seen on 6.5 and 7.4: -1 is nobody; by the current source it is all */
    bool none = count == 0 || (count < 0 && release(c) != CURRENT);
    unsigned woken = none ? 0 : model_wake(c, key(c), (uint32_t)count);
    model_note(c, "woke %u", woken);
    model_return(c, woken);
}

static void futex(struct model_call *c)
{
    uint32_t op = (uint32_t)c->args[1];
    if (!(op & PRIVATE) && !model_shares(c))
        model_mistake(c, "op %u without the private flag", op);
    if (release(c) == CURRENT)
        op &= 127; /* older ones know no other flag, and compare the whole op */
    else
        op &= ~(uint32_t)PRIVATE;
    if (op == WAIT)
        return futex_wait(c);
    if (op == WAKE)
        return futex_wake(c);
    if (op == REQUEUE)
        return model_violation(c, "requeue, which this model does not have");
    model_mistake(c, "futex op %u", (uint32_t)c->args[1]);
    futex_fail(c, ENOSYS);
}

static void clock_gettime(struct model_call *c)
{
    uint64_t now = model_clock(c, MONOTONIC, 0);
    struct timespec64 t = {(int64_t)(now / 1000000000u), (int64_t)(now % 1000000000u)};
    if (!model_write(c, c->args[1], &t, sizeof t)) {
        model_mistake(c, "clock_gettime to an address that is not mapped");
        return fail(c, EFAULT);
    }
    model_return(c, 0);
}

/*
 * The kernel reads a table of the program's call sites, once: where each call may come from. Two
 * sites of one number are noted as "several", and the number may then come from anywhere.
 */
static bool pinned(struct model_call *c)
{
    size_t size = 0;
    uint64_t address;
    const uint32_t *record = model_section(c, ".openbsd.syscalls", &size, &address);
    uint32_t site = 0;
    bool several = false;
    for (size_t i = 0; record && i + 1 < size / sizeof *record; i += 2) {
        if (record[i + 1] != c->number)
            continue;
        several = several || (site != 0 && record[i] != 0);
        site = record[i] != 0 ? record[i] : site; /* 0: the linker dropped the code */
    }
    if (several)
        model_mistake(c, "call %llu has several sites: it is tied to none of them",
                      (unsigned long long)c->number);
    if (several || (site != 0 && site == (uint32_t)c->pc))
        return true;
    model_violation(c, "killed: call %llu from a site that .openbsd.syscalls does not give it",
                    (unsigned long long)c->number);
    return false;
}

static void call(struct model_call *c)
{
    if (!model_on_stack(c, c->sp))
        return model_violation(c, "killed: the stack pointer is outside of MAP_STACK memory");
    if (release(c) == CURRENT && !c->symbol && !pinned(c))
        return;
    if (c->number == FUTEX)
        futex(c);
    else if (c->number == CLOCK_GETTIME)
        clock_gettime(c);
    else
        model_violation(c, "system call %#llx", (unsigned long long)c->number);
}

static void resume(struct model_call *c, enum model_event why)
{
    switch (why) {
    case MODEL_STEP:
        if (!compare(c))
            return;
        c->sleep->stage = ASLEEP;
        return model_sleep(c, c->sleep->key, c->sleep->note[0]);
    case MODEL_WOKEN:
        if (c->sleep->stage == QUEUED && !compare(c))
            return; /* the wake is used up all the same */
        return model_return(c, 0);
    case MODEL_SPURIOUS:
        return model_return(c, 0);
    case MODEL_TIMEOUT:
    case MODEL_EARLY:
        return futex_fail(c, ETIMEDOUT);
    case MODEL_SIGNAL: /* its handler may have SA_RESTART: the call does not restart */
        return futex_fail(c, model_choose(c, 2, "SA_RESTART") ? ECANCELED : EINTR);
    }
}

static const char *const symbols[] = {"futex", "clock_gettime", "__errno", NULL};

static void call_libc(struct model_call *c)
{
    static void (*const functions[])(struct model_call *) = {futex, clock_gettime};
    if (!model_on_stack(c, c->sp))
        return model_violation(c, "killed: the stack pointer is outside of MAP_STACK memory");
    if (c->number < 2)
        return functions[c->number](c);
    model_return(c, model_scratch(c)); /* int *__errno(void) */
}

#define SOURCES                                                                          \
    "cjeker/src sys/sys/_time.h, sys/sys/syscall_mi.h, sys/arch/arm64/arm64/syscall.c, " \
    "sys/arch/riscv64/riscv64/syscall.c, lib/libc/arch/amd64/SYS.h; "
#define SOURCES_65  SOURCES "openbsd/src sys/kern/sys_futex.c 1.9 (2018); seen on 6.5"
#define SOURCES_NOW SOURCES "sys/kern/sys_futex.c 1.26 (2025)"

/* rdx is the second result; arm64 and riscv64 return one only. */
#define TRAPS(arm64_skip)                                                                 \
    {                                                                                     \
        [MODEL_X86_64] = {.accepted = true,                                               \
                          .number = 0,                                                    \
                          .errors = MODEL_FLAG,                                           \
                          .poison = MODEL_R(1) | MODEL_R(2) | MODEL_R(11) | MODEL_FLAGS}, \
        [MODEL_AARCH64] = {.accepted = true,                                              \
                           .number = 8,                                                   \
                           .skip = arm64_skip,                                            \
                           .errors = MODEL_FLAG,                                          \
                           .poison = MODEL_FLAGS},                                        \
        [MODEL_RISCV64] = {                                                               \
            .accepted = true, .number = 5, .errors = MODEL_FLAG, .poison = MODEL_R(5)},   \
    }

#define EVENTS (1u << MODEL_EARLY | 1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS)

/* No riscv64 in 6.5: there the convention is that of later releases. */
MODEL(openbsd_65) = {
    .name = "openbsd_65",
    .sources = SOURCES_65 ", openbsd/src sys/arch/arm64/arm64/syscall.c 1.3",
    .traps = TRAPS(0),
    .events = EVENTS,
    .call = call,
    .resume = resume,
};

MODEL(openbsd_74) = {
    .name = "openbsd_74",
    .sources = SOURCES "seen on 7.4",
    .traps = TRAPS(8),
    .events = EVENTS,
    .call = call,
    .resume = resume,
};

MODEL(openbsd) = {
    .name = "openbsd",
    .sources = SOURCES_NOW,
    .traps = TRAPS(8),
    .events = EVENTS,
    .call = call,
    .resume = resume,
};

/* A dynamic program: only libc's own sites are pinned, any other trap is the end of the process. */
MODEL(openbsd_libc_65) = {
    .name = "openbsd_libc_65",
    .sources = SOURCES_65,
    .symbols = symbols,
    .events = EVENTS,
    .call = call_libc,
    .resume = resume,
};

MODEL(openbsd_libc) = {
    .name = "openbsd_libc",
    .sources = SOURCES_NOW,
    .symbols = symbols,
    .events = EVENTS,
    .call = call_libc,
    .resume = resume,
};
