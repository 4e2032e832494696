/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Redox: futex and clock_gettime. The kernel keeps a list of entries (address, thread). A wait adds
 * one and only a wake takes one off: the entry of a thread that left otherwise stays. A wake counts
 * it, may spend itself on it, and by it wakes the thread wherever it sleeps by then.
 *
 *   redox        since commit a245e49e (January 2026)
 *   redox_2024   from cd3f9378 (April 2024) on: every end of a timed wait is ETIMEDOUT
 *
 * Older kernels take a relative time and answer 0 to every end, a timeout too: no backend for
 * absolute times can be right there.
 */
#include <string.h>

#include "model.h"

/* redox-os/syscall src/flag.rs, src/number.rs, src/error.rs */
#define FUTEX_WAIT      0
#define FUTEX_WAKE      1
#define FUTEX_WAIT64    3
#define CLOCK_MONOTONIC 4

#define SYS_FUTEX         240
#define SYS_CLOCK_GETTIME 265

#define EPERM     1
#define EINTR     4
#define EAGAIN    11
#define EFAULT    14
#define EINVAL    22
#define ENOSYS    38
#define ETIMEDOUT 110

struct time_spec { /* src/data.rs */
    int64_t sec;
    int32_t nsec;
    uint32_t padding;
};

/* ---- the list of entries ---------------------------------------------------------------------
 *
 * The kernel takes an entry off by moving the last one into its place, so after a few calls any one
 * may be the first: the order is left out, and a wake chooses. Kept sorted, so that equal lists are
 * equal bytes.
 */

struct entry {
    uint32_t word; /* the low half of its address */
    uint8_t thread, copies, zero[2];
};

#define ENTRIES (MODEL_STATE / sizeof(struct entry))

static int compare(const struct entry *e, uint64_t word, int thread)
{
    if (e->word != (uint32_t)word)
        return e->word < (uint32_t)word ? -1 : 1;
    return e->thread - thread;
}

static void add_entry(struct model_call *c, uint64_t word)
{
    struct entry *e = c->state;
    size_t i = 0;
    while (i < ENTRIES && e[i].copies != 0 && compare(&e[i], word, c->thread) < 0)
        i++;
    if (i == ENTRIES || e[ENTRIES - 1].copies != 0) {
        model_violation(c, "more stale entries than the model has room for");
        return;
    }
    if (e[i].copies == 0 || compare(&e[i], word, c->thread) != 0) {
        memmove(&e[i + 1], &e[i], (ENTRIES - 1 - i) * sizeof *e);
        e[i] = (struct entry){.word = (uint32_t)word, .thread = (uint8_t)c->thread};
    }
    e[i].copies++;
}

static void remove_entry(struct entry *e, size_t i)
{
    if (--e[i].copies != 0)
        return;
    memmove(&e[i], &e[i + 1], (ENTRIES - 1 - i) * sizeof *e);
    memset(&e[ENTRIES - 1], 0, sizeof *e);
}

/* ---- futex ----------------------------------------------------------------------------------- */

/* False: answered already. */
static bool read_deadline(struct model_call *c, uint64_t *deadline)
{
    struct time_spec t;
    *deadline = MODEL_NEVER;
    if (c->args[3] == 0)
        return true;
    if (!model_read(c, c->args[3], &t, sizeof t)) {
        model_violation(c, "a time at %#llx, which is not mapped, hangs the kernel",
                        (unsigned long long)c->args[3]);
        return false;
    }
    if (t.sec < 0 || t.nsec < 0 || t.nsec >= 1000000000)
        model_mistake(c, "time {%lld, %d}", (long long)t.sec, t.nsec);
    /* unsigned and of 128 bits, so a negative one is far away */
    unsigned __int128 ns = (unsigned __int128)t.sec * 1000000000u + (unsigned __int128)t.nsec;
    if (ns < UINT64_MAX)
        *deadline = (uint64_t)ns;
    return true;
}

static void futex_wait(struct model_call *c, size_t size)
{
    uint64_t word = c->args[0], value = 0, expected = c->args[2], deadline;
    if (!model_read(c, word, &value, 1)) /* translated before all else is looked at */
        return model_error(c, EFAULT);
    if (size == 4)
        expected = (uint32_t)expected;
    else
        model_mistake(c, "FUTEX_WAIT64 of a 32-bit word");
    if (!read_deadline(c, &deadline))
        return;
    if (word % size != 0) {
        model_mistake(c, "misaligned word");
        return model_error(c, EINVAL);
    }
    if (!model_read(c, word, &value, size))
        return model_error(c, EFAULT);
    if (value != expected)
        return model_error(c, EAGAIN);
    add_entry(c, word);
    c->sleep->note[0] = word;
    c->sleep->note[1] = deadline != MODEL_NEVER || c->args[3] != 0;
    model_sleep(c, word, deadline);
}

/* The count is the whole register. */
static void futex_wake(struct model_call *c)
{
    struct entry *entries = c->state;
    uint64_t word = c->args[0], count = c->args[2], woken = 0;
    unsigned stale = 0;
    if (count == 0)
        model_mistake(c, "wake of 0");
    while (woken < count) {
        size_t found[ENTRIES], i;
        unsigned n = 0;
        uint64_t all = 0;
        for (i = 0; i < ENTRIES; i++)
            if (entries[i].copies != 0 && entries[i].word == (uint32_t)word) {
                found[n++] = i;
                all += entries[i].copies;
            }
        if (n == 0)
            break;
        /* all of them: in which order makes no difference */
        i = found[count - woken >= all ? 0 : model_choose(c, n, "which entry goes")];
        int thread = entries[i].thread;
        remove_entry(entries, i);
        if (!model_wake_thread(c, thread, model_sleep_of(c, thread)->key))
            stale++;
        woken++;
    }
    model_note(c, "woke %llu, of them %u stale", (unsigned long long)woken, stale);
    /* The kernel looks for the page, not at the word, so model_read would say too much; but where
     * no entry was, the word may be dead and its page gone. */
    if (woken == 0 && count != 0 && model_choose(c, 2, "the word is unmapped"))
        model_error(c, EFAULT);
    else
        model_return(c, woken);
}

static void futex(struct model_call *c)
{
    switch (c->args[1]) { /* the whole register */
    case FUTEX_WAIT:
    case FUTEX_WAIT64:
        if (model_refused(c)) /* nothing in Redox does; a stand-in for a kernel without the call */
            return model_error(c, model_choose(c, 2, "ENOSYS, EPERM") ? EPERM : ENOSYS);
        return futex_wait(c, c->args[1] == FUTEX_WAIT ? 4 : 8);
    case FUTEX_WAKE:
        return futex_wake(c);
    }
    model_mistake(c, "futex op %llu", (unsigned long long)c->args[1]);
    model_error(c, EINVAL);
}

static void clock_gettime(struct model_call *c)
{
    uint64_t now = model_clock(c, CLOCK_MONOTONIC, 1);
    struct time_spec t = {(int64_t)(now / 1000000000u), (int32_t)(now % 1000000000u), 0xdbdbdbdb};
    if (!model_write(c, c->args[1], &t, sizeof t)) {
        model_mistake(c, "clock_gettime to an address that is not mapped");
        return model_error(c, EFAULT);
    }
    model_return(c, 0);
}

static void call(struct model_call *c)
{
    if (c->number == SYS_FUTEX)
        futex(c);
    else if (c->number == SYS_CLOCK_GETTIME)
        clock_gettime(c);
    else
        model_violation(c, "system call %#llx", (unsigned long long)c->number);
}

static void go_on(struct model_call *c, enum model_event why, bool always_timedout)
{
    struct entry *entries = c->state;
    bool timedout = always_timedout && c->sleep->note[1];
    switch (why) {
    case MODEL_WOKEN:
    case MODEL_SPURIOUS: /* another process' stale entry for this thread's memory */
        break;
    case MODEL_TIMEOUT:
        timedout = true;
        break;
    case MODEL_SIGNAL:
        /* One that was pending at entry is EINTR, and there was never an entry; one that comes
         * later ends the sleep like a wake. */
        if (model_choose(c, 2, "later, pending at entry") == 0)
            break;
        for (size_t i = 0; i < ENTRIES; i++)
            if (entries[i].copies != 0 && compare(&entries[i], c->sleep->note[0], c->thread) == 0) {
                remove_entry(entries, i);
                break;
            }
        return model_error(c, EINTR);
    default:
        return model_refuse(c);
    }
    if (timedout)
        model_error(c, ETIMEDOUT);
    else
        model_return(c, 0);
}

static void resume(struct model_call *c, enum model_event why)
{
    go_on(c, why, false);
}

static void resume_2024(struct model_call *c, enum model_event why)
{
    go_on(c, why, true);
}

/* ---- models ---------------------------------------------------------------------------------- */

/* src/arch/x86_64/interrupt/syscall.rs and its like: all registers but these come back. */
#define COMMON                                                                                    \
    .sources = "redox-os/kernel src/syscall/futex.rs, redox-os/syscall src/flag.rs, src/data.rs", \
    .traps = {[MODEL_X86_64] = {.accepted = true,                                                 \
                                .number = 0,                                                      \
                                .errors = MODEL_NEGATIVE,                                         \
                                .poison = MODEL_R(1) | MODEL_R(11)}, /* rcx, r11 */               \
              [MODEL_AARCH64] = {.accepted = true, .number = 8, .errors = MODEL_NEGATIVE},        \
              [MODEL_RISCV64] = {.accepted = true, .number = 17, .errors = MODEL_NEGATIVE}},      \
    .state_size = sizeof(struct entry[ENTRIES]),                                                  \
    .events = 1u << MODEL_SIGNAL | 1u << MODEL_SPURIOUS

MODEL(redox) = {.name = "redox", COMMON, .call = call, .resume = resume};
MODEL(redox_2024) = {.name = "redox_2024", COMMON, .call = call, .resume = resume_2024};
