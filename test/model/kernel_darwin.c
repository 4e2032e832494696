/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Darwin: ulock_wait, ulock_wait2, ulock_wake, and the os_sync functions that libSystem makes of
 * them. The word is compared under the lock of its queue. A difference is success, like a wake-up;
 * both answer the number of threads that are still inside for this address.
 *
 *   darwin           macOS 11 and newer
 *   darwin_old       macOS 10.12 to 10.15: without ulock_wait2 and without deadlines
 *   darwin_os_sync   macOS 14.4 and newer by its public functions; a trap is refused
 *
 * A wake answers ENOENT where nobody is inside. (xnu counts a woken thread as inside until it has
 * run; here it leaves at once. The two differ only in that answer.)
 */
#include "model.h"

/* xnu bsd/sys/ulock.h */
#define COMPARE_AND_WAIT          1
#define UNFAIR_LOCK               2
#define COMPARE_AND_WAIT_SHARED   3
#define COMPARE_AND_WAIT64        5
#define COMPARE_AND_WAIT64_SHARED 6
#define OPCODE                    0x000000ffu
#define WAKE_ALL                  0x00000100u
#define WAKE_THREAD               0x00000200u
#define WAKE_ALLOW_NON_OWNER      0x00000400u
#define WAIT_WORKQ                0x00010000u
#define WAIT_CANCEL_POINT         0x00020000u
#define WAIT_ADAPTIVE_SPIN        0x00040000u
#define NO_ERRNO                  0x01000000u
#define DEADLINE                  0x02000000u

/* xnu bsd/sys/errno.h */
#define EPERM     1
#define ENOENT    2
#define ESRCH     3
#define EINTR     4
#define ENOMEM    12
#define EFAULT    14
#define EINVAL    22
#define EDOM      33
#define ETIMEDOUT 60

/* libplatform include/os/os_sync_wait_on_address.h, os/clock.h */
#define SYNC_SHARED         1u
#define CLOCK_MACH_ABSOLUTE 32u

#define CLOCK_UPTIME_RAW 8 /* Libc gen/clock_gettime.c: mach_absolute_time as ns */

/* mach_absolute_time counts 24 MHz on Apple's CPUs, 1 GHz on Intel's. */
static uint64_t ticks_to_ns(const struct model_call *c, uint64_t ticks)
{
    if (c->cpu == MODEL_X86_64)
        return ticks;
    unsigned __int128 ns = (unsigned __int128)ticks * 125 / 3;
    return ns > UINT64_MAX ? MODEL_NEVER : (uint64_t)ns;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* An int as a C function returns it: the upper half is anything. */
static void return_int(struct model_call *c, int32_t value)
{
    model_return(c, 0xbad0bad000000000u | (uint32_t)value);
}

static void set_errno(struct model_call *c, int error)
{
    int32_t value = error;
    model_write(c, model_scratch(c), &value, sizeof value);
}

/*
 * The trap returns an int, sign-extended, or errno with the carry (xnu bsd/dev/i386/systemcalls.c);
 * with NO_ERRNO -errno and no carry. The functions set errno, and EDOM is EINVAL there.
 */
static void answer(struct model_call *c, int error, int value)
{
    if (c->symbol && error != 0) {
        set_errno(c, error == EDOM ? EINVAL : error);
        return_int(c, -1);
    } else if (c->symbol)
        return_int(c, value);
    else if (error != 0 && !((uint32_t)c->args[0] & NO_ERRNO))
        model_error(c, error);
    else
        model_return(c, (uint64_t)(int64_t)(error != 0 ? -error : value));
}

/* A policy refuses the system call before ulock sees it, so NO_ERRNO means nothing to it (label
 * skip_syscall in the same file). The functions take the stub's -1 for -EPERM. */
static void refuse(struct model_call *c)
{
    if (c->symbol)
        answer(c, EPERM, 0);
    else
        model_error(c, EPERM);
}

/* ---- ulock ----------------------------------------------------------------------------------- */

/* Other threads inside for this address, and by which opcode. note[0] is the address. */
static int inside(struct model_call *c, uint64_t address, uint64_t *opcode)
{
    int n = 0;
    for (int j = 0; j < c->threads; j++) {
        const struct model_sleep *s = model_sleep_of(c, j);
        if (j == c->thread || s->note[0] != address)
            continue;
        *opcode = s->note[1];
        n++;
    }
    return n;
}

static size_t width(unsigned opcode)
{
    switch (opcode) {
    case COMPARE_AND_WAIT:
    case COMPARE_AND_WAIT_SHARED:
    case UNFAIR_LOCK:
        return 4;
    case COMPARE_AND_WAIT64:
    case COMPARE_AND_WAIT64_SHARED:
        return 8;
    }
    return 0;
}

/*
 * Before an adaptive spin the word is read once outside the lock, where a page that is not there is
 * fetched; if it differs, that is all. A caller whose value has more than 32 bits thus has the page
 * fetched, or learns that there is none.
 */
static void look(struct model_call *c, uint32_t flags, uint64_t address, uint64_t expected)
{
    uint32_t value;
    if (!(flags & WAIT_ADAPTIVE_SPIN) || expected <= UINT32_MAX)
        return model_violation(c, "the word is not an unfair lock");
    model_note(c, "fetches the page");
    answer(c, model_read(c, address, &value, sizeof value) ? 0 : EFAULT, 0);
}

static void wait(struct model_call *c, uint32_t operation, uint64_t known_flags, uint64_t address,
                 uint64_t expected, uint64_t deadline)
{
    unsigned opcode = operation & OPCODE;
    uint32_t flags = operation & ~OPCODE;
    uint64_t value = 0, other = opcode;
    size_t size = width(opcode);
    if (model_refused(c))
        return refuse(c);
    if (flags & ~(NO_ERRNO | DEADLINE) && opcode != UNFAIR_LOCK)
        model_mistake(c, "wait flags %#x", flags);
    if (flags & ~known_flags)
        return answer(c, EINVAL, 0);
    if (size == 0) {
        model_mistake(c, "wait opcode %u", opcode);
        return answer(c, EINVAL, 0);
    }
    if (address == 0 || address % size != 0) {
        model_mistake(c, "null or misaligned word");
        return answer(c, EINVAL, 0);
    }
    if (opcode == UNFAIR_LOCK)
        return look(c, flags, address, expected);
    if (opcode != COMPARE_AND_WAIT && !(opcode == COMPARE_AND_WAIT_SHARED && model_shares(c)))
        model_mistake(c, "wait opcode %u", opcode);
    int others = inside(c, address, &other);
    if (other != opcode) {
        model_mistake(c, "opcodes %u and %u on one word", opcode, (unsigned)other);
        return answer(c, EDOM, 0);
    }
    if (size == 4 && expected > UINT32_MAX)
        model_mistake(c, "the value %#llx is sign-extended: it never matches",
                      (unsigned long long)expected);
    if (!model_read(c, address, &value, size)) /* little-endian: the low bytes */
        return answer(c, EFAULT, 0);
    if (value != expected) {
        model_note(c, "differs");
        return answer(c, 0, others);
    }
    c->sleep->note[0] = address;
    c->sleep->note[1] = opcode;
    model_sleep(c, address, deadline);
}

static void wake(struct model_call *c, uint32_t operation, uint64_t address)
{
    unsigned opcode = operation & OPCODE;
    uint32_t flags = operation & ~OPCODE;
    uint64_t other = opcode;
    if (opcode == UNFAIR_LOCK)
        return model_violation(c, "the word is not an unfair lock");
    if (opcode != COMPARE_AND_WAIT && !(opcode == COMPARE_AND_WAIT_SHARED && model_shares(c)))
        model_mistake(c, "wake opcode %u", opcode);
    if (width(opcode) == 0)
        return answer(c, EINVAL, 0);
    if (flags & ~(NO_ERRNO | WAKE_ALL))
        model_mistake(c, "wake flags %#x", flags);
    if (flags & ~(NO_ERRNO | WAKE_ALL | WAKE_THREAD) || (flags & WAKE_THREAD && flags & WAKE_ALL))
        return answer(c, EINVAL, 0); /* WAKE_ALLOW_NON_OWNER too: for unfair locks only */
    if (address == 0) {
        model_mistake(c, "wake of null");
        return answer(c, EINVAL, 0);
    }
    if (flags & WAKE_THREAD)
        return answer(c, ESRCH, 0); /* no thread of the model has a Mach port */
    if (inside(c, address, &other) == 0) {
        model_note(c, "nobody");
        return answer(c, ENOENT, 0);
    }
    if (other != opcode) {
        model_mistake(c, "opcodes %u and %u on one word", opcode, (unsigned)other);
        return answer(c, EDOM, 0);
    }
    model_note(c, "woke %u", model_wake(c, address, flags & WAKE_ALL ? UINT64_MAX : 1));
    answer(c, 0, 0);
}

static void resume(struct model_call *c, enum model_event why)
{
    /* As if it had never slept: the page was not there. ENOMEM is only in the functions' manual,
     * which says to try again; xnu's allocator waits for memory. */
    static const int spurious[] = {0, EINTR, EFAULT, ENOMEM};
    uint64_t opcode;
    int error, others = inside(c, c->sleep->note[0], &opcode);
    switch (why) {
    case MODEL_WOKEN:
        error = 0;
        break;
    case MODEL_TIMEOUT:
    case MODEL_EARLY: /* nanoseconds_to_deadline cuts to ticks: up to 41 ns early */
        error = ETIMEDOUT;
        break;
    case MODEL_SIGNAL: /* with SA_RESTART too */
        error = EINTR;
        break;
    case MODEL_SPURIOUS:
        error = spurious[model_choose(c, c->symbol ? 4 : 3, "success, EINTR, EFAULT, ENOMEM")];
        break;
    default:
        return model_refuse(c);
    }
    answer(c, error, others);
}

/* ---- the traps ------------------------------------------------------------------------------- */

#define OLD_FLAGS (NO_ERRNO | WAIT_WORKQ | WAIT_CANCEL_POINT)
#define NEW_FLAGS (OLD_FLAGS | WAIT_ADAPTIVE_SPIN | DEADLINE)

/* Relative, and 0 is for ever. */
static uint64_t after(struct model_call *c, uint64_t ns)
{
    return ns == 0 ? MODEL_NEVER : model_after(c, ns);
}

/* Of libSystem: the traps have no clock. */
static const char *const clock_symbols[] = {"clock_gettime_nsec_np", NULL};

static void clock_ns(struct model_call *c)
{
    model_return(c, model_clock(c, CLOCK_UPTIME_RAW, 0)); /* the one that ulock counts by */
}

static void trap(struct model_call *c, bool old)
{
    if (c->symbol)
        return clock_ns(c);
    uint32_t number = (uint32_t)c->number, operation = (uint32_t)c->args[0];
    if (c->cpu == MODEL_X86_64) {
        if (number >> 24 != 2)
            return model_violation(c, "system call class %u", number >> 24);
        number &= 0xffffff;
    }
    if (number == 515) {
        if (operation & DEADLINE)
            model_mistake(c, "a deadline in 32 bits");
        wait(c, operation, old ? OLD_FLAGS : NEW_FLAGS, c->args[1], c->args[2],
             after(c, (uint64_t)(uint32_t)c->args[3] * 1000));
    } else if (number == 516)
        wake(c, operation, c->args[1]);
    else if (number == 544 && !old) {
        uint64_t timeout = c->args[3];
        if (c->args[4] != 0)
            model_mistake(c, "value2 %#llx", (unsigned long long)c->args[4]);
        wait(c, operation, NEW_FLAGS, c->args[1], c->args[2],
             operation & DEADLINE && timeout != 0 ? ticks_to_ns(c, timeout) : after(c, timeout));
    } else
        model_violation(c, "system call %u: SIGSYS", number);
}

static void call(struct model_call *c)
{
    trap(c, false);
}

static void call_old(struct model_call *c)
{
    trap(c, true);
}

/* ---- the public functions -------------------------------------------------------------------- */

enum {
    WAIT,
    WAIT_TIMEOUT,
    WAIT_DEADLINE,
    WAKE_ANY,
    WAKE_EVERY,
    ERRNO,
    CLOCK,
};

static const char *const os_sync_symbols[] = {
    [WAIT] = "os_sync_wait_on_address",
    [WAIT_TIMEOUT] = "os_sync_wait_on_address_with_timeout",
    [WAIT_DEADLINE] = "os_sync_wait_on_address_with_deadline",
    [WAKE_ANY] = "os_sync_wake_by_address_any",
    [WAKE_EVERY] = "os_sync_wake_by_address_all",
    [ERRNO] = "__error",
    [CLOCK] = "clock_gettime_nsec_np",
    NULL,
};

/* Size and flags become an opcode; 0: they do not. */
static uint32_t operation_of(struct model_call *c, uint64_t size, uint32_t flags)
{
    if (size != 4 || (flags != 0 && !(flags == SYNC_SHARED && model_shares(c))))
        model_mistake(c, "size %llu, flags %#x", (unsigned long long)size, flags);
    if ((size != 4 && size != 8) || flags & ~SYNC_SHARED)
        return 0;
    return size == 4 ? (flags ? COMPARE_AND_WAIT_SHARED : COMPARE_AND_WAIT)
                     : (flags ? COMPARE_AND_WAIT64_SHARED : COMPARE_AND_WAIT64);
}

static void os_sync(struct model_call *c)
{
    bool waits = c->number <= WAIT_DEADLINE;
    uint32_t operation = 0;
    if (c->number == ERRNO) {
        model_now(c); /* like a look at the clock this is no system call that anybody counts */
        return model_return(c, model_scratch(c));
    }
    if (c->number == CLOCK)
        return clock_ns(c);
    if (waits)
        operation = operation_of(c, c->args[2], (uint32_t)c->args[3]);
    else
        operation = operation_of(c, c->args[1], (uint32_t)c->args[2]);
    if (operation == 0)
        return answer(c, EINVAL, 0);
    if (!waits)
        return wake(c, operation | (c->number == WAKE_EVERY ? WAKE_ALL : 0), c->args[0]);
    uint64_t deadline = MODEL_NEVER, time = c->args[5];
    if (c->number != WAIT) {
        if ((uint32_t)c->args[4] != CLOCK_MACH_ABSOLUTE || time == 0) {
            model_mistake(c, "clock %u, time %llu", (uint32_t)c->args[4], (unsigned long long)time);
            return answer(c, EINVAL, 0);
        }
        deadline = c->number == WAIT_DEADLINE ? ticks_to_ns(c, time) : model_after(c, time);
    }
    /* of a value of four bytes the upper four are ignored */
    wait(c, operation, NEW_FLAGS, c->args[0],
         width(operation) == 4 ? (uint32_t)c->args[1] : c->args[1], deadline);
}

/* ---- models ---------------------------------------------------------------------------------- */

#define SOURCES                                                           \
    "apple-oss-distributions/xnu bsd/kern/sys_ulock.c, bsd/sys/ulock.h, " \
    "bsd/dev/i386/systemcalls.c; libplatform include/os/os_sync_wait_on_address.h"

#define EVENTS (1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS | 1u << MODEL_EARLY)

/* What the kernel documents is the stub, a C function: everything that a caller saves is lost. */
#define X86_LOST                                                                                \
    (MODEL_R(0) | MODEL_R(1) | MODEL_R(2) | MODEL_R(6) | MODEL_R(7) | MODEL_R(8) | MODEL_R(9) | \
     MODEL_R(10) | MODEL_R(11) | MODEL_FLAGS)
#define ARM_LOST (0x3ffffu | MODEL_FLAGS) /* x0 to x17 */

#define TRAPS                                                                          \
    {                                                                                  \
        [MODEL_X86_64] = {.accepted = true, .errors = MODEL_FLAG, .poison = X86_LOST}, \
        [MODEL_AARCH64] = {.accepted = true,                                           \
                           .number = 16,                                               \
                           .svc = 0x80,                                                \
                           .errors = MODEL_FLAG,                                       \
                           .poison = ARM_LOST},                                        \
    }

MODEL(darwin) = {
    .name = "darwin",
    .sources = SOURCES,
    .traps = TRAPS,
    .symbols = clock_symbols,
    .events = EVENTS,
    .call = call,
    .resume = resume,
};

MODEL(darwin_old) = {
    .name = "darwin_old",
    .sources = SOURCES,
    .traps = TRAPS,
    .symbols = clock_symbols,
    .events = EVENTS,
    .call = call_old,
    .resume = resume,
};

MODEL(darwin_os_sync) = {
    .name = "darwin_os_sync",
    .sources = SOURCES,
    .symbols = os_sync_symbols,
    .events = EVENTS,
    .call = os_sync,
    .resume = resume,
};
