/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The moves that a thread has, and what each does to memory, to the kernel and to the threads. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "scenarios.h"
#include "valet_sys.h"

uint64_t modified(const struct operation *o, uint64_t old)
{
    uint64_t mask = o->size == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * o->size) - 1;
    switch (o->modification) {
    case EXCHANGE:
        return o->value;
    case ADD:
        return (old + o->value) & mask;
    case SUBTRACT:
        return (old - o->value) & mask;
    case AND:
        return old & o->value;
    case OR:
        return old | o->value;
    default:
        return old ^ o->value;
    }
}

static int sleepers_on(uintptr_t address)
{
    int set = 0;
    for (int t = 0; t < threads; t++)
        if (world.thread[t].state == ASLEEP && world.thread[t].operation.address == address)
            set |= 1 << t;
    return set;
}

static int owner_of_sema(uintptr_t address)
{
    for (int t = 0; t < threads; t++)
        if (world.thread[t].sema.address == address)
            return t;
    return NOBODY;
}

int moves_of(int t, struct move *move)
{
    int n = 0;
    struct thread *thread = &world.thread[t];
    struct operation *o = &thread->operation;
#define MOVE(k, i)                     \
    move[n++] = (struct move)          \
    {                                  \
        (uint8_t) t, (k), (uint8_t)(i) \
    }
    if (thread->state == ENDED)
        return 0;
    if (thread->state == ASLEEP) {
        if (o->timed)
            MOVE(TIMEOUT, 0);
        if (world.spurious && o->kind == FUTEX_WAIT)
            MOVE(SPURIOUS, 0);
        return n;
    }
    switch (o->kind) {
    case LOAD: {
        int x = word_number(o->address, o->size);
        for (int i = history_of(x)->count - 1; i >= oldest_readable(t, x, o->order); i--)
            MOVE(READ, i);
        break;
    }
    case COMPARE_EXCHANGE: {
        int x = word_number(o->address, o->size);
        struct history *h = history_of(x);
        if (h->of[h->count - 1].value == o->expected)
            MOVE(EXCHANGED, h->count - 1);
        for (int i = h->count - 1; i >= oldest_readable(t, x, o->order); i--) {
            if (h->of[i].value != o->expected)
                MOVE(READ, i);
            else if (o->weak && world.weak_failures)
                MOVE(FAIL, i);
        }
        break;
    }
    case FUTEX_WAIT: {
        int x = word_number(o->address, o->size);
        struct history *h = history_of(x);
        int oldest = oldest_readable(t, x, o->order);
        if (oldest < h->waked)
            oldest = h->waked;
        for (int i = h->count - 1; i >= oldest; i--)
            MOVE(h->of[i].value == o->expected && !o->look ? SLEEP : READ, i);
        if (o->look)
            break;
        if (o->timed) /* it has come already: some systems do not look at the word then */
            MOVE(TIMEOUT, 0);
        if (world.refusals)
            MOVE(REFUSED, 0);
        break;
    }
    case FUTEX_WAKE: {
        int sleepers = sleepers_on(o->address);
        if ((unsigned)__builtin_popcount((unsigned)sleepers) <= o->value) {
            MOVE(WAKE, sleepers);
            break;
        }
        for (int set = 1; set <= sleepers; set++)
            if ((set & ~sleepers) == 0 && (unsigned)__builtin_popcount((unsigned)set) == o->value)
                MOVE(WAKE, set);
        break;
    }
    case PARK: {
        int x = word_number(o->address, o->size);
        struct history *h = history_of(x);
        if (h->of[h->count - 1].value != 0)
            MOVE(DO, 0);
        else if (o->timed)
            MOVE(TIMEOUT, 0);
        if (h->of[h->count - 1].value == 0 && o->interruptible && world.spurious)
            MOVE(SPURIOUS, 0);
        if (world.refusals)
            MOVE(REFUSED, 0);
        break;
    }
    case SEMA_WAIT:
        if (thread->sema.posted)
            MOVE(DO, 0);
        if (o->timed)
            MOVE(TIMEOUT, 0);
        if (world.refusals)
            MOVE(REFUSED, 0);
        if (world.spurious && o->interruptible)
            MOVE(SPURIOUS, 0);
        break;
    case SEMA_POST: {
        /* Where it is a rendezvous, it waits for the owner to wait. */
        int owner = owner_of_sema(o->address);
        if (scenario->flags & RENDEZVOUS && owner != NOBODY &&
            world.thread[owner].operation.kind != SEMA_WAIT)
            break;
        MOVE(DO, 0);
        break;
    }
    case CLOCK:
        if (!thread->late)
            MOVE(DO, 0);
        MOVE(TIMEOUT, 0);
        break;
    case KEYED_WAIT:
    case KEYED_RELEASE:
        for (int other = 0; other < threads; other++) {
            const struct operation *its = &world.thread[other].operation;
            if (world.thread[other].state != ASLEEP || its->address != o->address ||
                its->kind == o->kind)
                continue;
            MOVE(MEET, other);
            if (o->timed || its->timed)
                MOVE(MEET_LATE, other);
        }
        if (n == 0)
            MOVE(SLEEP, 0);
        break;
    default:
        MOVE(DO, 0);
    }
    if (n > MOVES_MAX)
        violation("more than %d moves", MOVES_MAX);
    return n;
}

bool tracing;
char told[300];

/* Names are looked up for a report only. */
#define tell(...) (tracing ? tell_it(__VA_ARGS__) : (void)0)

static void tell_it(const char *format, ...)
{
    size_t length = strlen(told);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(told + length, sizeof told - length, format, arguments);
    va_end(arguments);
}

static void tell_read(int x, int i)
{
    struct history *h = &world.history[x];
    tell("reads %s: 0x%" PRIx64, name_of(words[x].address), h->of[i].value);
    if (i != h->count - 1)
        tell(" (stale; %d newer, the newest 0x%" PRIx64 ")", h->count - 1 - i,
             h->of[h->count - 1].value);
}

static const char *order_name(int order)
{
    static const char *const name[] = {"relaxed", "consume", "acquire",
                                       "release", "acq_rel", "seq_cst"};
    return name[order];
}

/* A post needs a semaphore that is alive, and that its poster knows of. */
static void post(int t, uintptr_t address)
{
    int owner = owner_of_sema(address);
    if (owner == NOBODY) {
        violation("thread %d posts a semaphore that is gone", t);
        return;
    }
    plain_access(t, address, 8, false);
    struct sema *sema = &world.thread[owner].sema;
    if (sema->posted)
        violation("thread %d posts a semaphore that has been posted", t);
    sema->posted = true;
    sema->view = world.thread[t].current;
    tell("posts the semaphore of thread %d", owner);
}

/* A wait and a release of one key end each other. As with a futex, the one that is let go sees each
 * word no older than the other knew it; nothing else is ordered. */
static int keyed(struct move move)
{
    struct thread *thread = &world.thread[move.thread];
    struct operation *o = &thread->operation;
    tell("keyed %s", o->kind == KEYED_WAIT ? "wait" : "release");
    if (move.kind == SLEEP) {
        tell(", sleeps");
        thread->state = ASLEEP;
        return 0;
    }
    thread->state = RUNNABLE;
    if (move.kind == TIMEOUT) {
        tell(": its deadline comes");
        o->result = VALET_TIMEDOUT;
        return 1 << move.thread;
    }
    struct thread *other = &world.thread[move.index];
    struct operation *wait = o->kind == KEYED_WAIT ? o : &other->operation;
    tell(" meets thread %d%s", move.index, move.kind == MEET_LATE ? ", which is told late" : "");
    other->state = RUNNABLE;
    for (int x = 0; x < ATOMICS; x++) {
        uint8_t *mine = &thread->current.at[x], *its = &other->current.at[x];
        *mine = *its = *mine > *its ? *mine : *its;
    }
    o->result = other->operation.result = VALET_OK;
    if (move.kind == MEET_LATE)
        wait->result = VALET_TIMEDOUT;
    return 1 << move.thread | 1 << move.index;
}

/* Do what the move says. The result is the set of threads that can go on. */
int perform(struct move move)
{
    int t = move.thread, goes_on = 1 << t, x = -1;
    struct thread *thread = &world.thread[t];
    struct operation *o = &thread->operation;
    if ((o->kind >= LOAD && o->kind <= COMPARE_EXCHANGE) || o->kind == PARK ||
        (o->kind == FUTEX_WAIT && thread->state != ASLEEP)) {
        x = word_number(o->address, o->size);
        history_of(x);
        if (!o->kernel)
            atomic_access(t, o->address, o->size);
    }
    int newest = x < 0 ? 0 : world.history[x].count - 1;
    switch (o->kind) {
    case LOAD:
        tell("%s ", order_name(o->order));
        tell_read(x, move.index);
        o->result = read_message(t, x, move.index, o->order);
        break;
    case STORE:
        tell("%s writes %s: 0x%" PRIx64, order_name(o->order), name_of(o->address), o->value);
        write_message(t, x, o->value, o->order, -1);
        break;
    case READ_MODIFY_WRITE: {
        tell("%s ", order_name(o->order));
        tell_read(x, newest);
        o->result = read_message(t, x, newest, o->order);
        uint64_t value = modified(o, o->result);
        tell(", writes 0x%" PRIx64, value);
        write_message(t, x, value, o->order, newest);
        break;
    }
    case COMPARE_EXCHANGE:
        o->done = move.kind == EXCHANGED;
        tell("%s ", order_name(o->done ? o->order : o->failure_order));
        tell_read(x, move.index);
        o->result = read_message(t, x, move.index, o->done ? o->order : o->failure_order);
        if (o->done) {
            tell(", writes 0x%" PRIx64, o->value);
            write_message(t, x, o->value, o->order, newest);
        } else if (move.kind == FAIL) {
            tell(", fails for no reason");
            world.weak_failures--;
        } else {
            tell(", fails");
        }
        break;
    case FENCE:
        if (!with_fences)
            violation("a fence: mark the scenario with FENCES");
        tell("%s fence", order_name(o->order));
        fence(t, o->order);
        break;
    case PARK:
        if (move.kind == DO) {
            tell("takes the token");
            read_message(t, x, newest, o->order);
            write_message(t, x, 0, memory_order_relaxed, newest);
            o->result = VALET_OK;
        } else if (move.kind == TIMEOUT) {
            tell("its deadline comes");
            o->result = VALET_TIMEDOUT;
        } else if (move.kind == SPURIOUS) {
            tell("is interrupted");
            world.spurious--;
            o->result = VALET_INTERRUPTED;
        } else {
            tell("is refused by the system");
            world.refusals--;
            o->result = (uint64_t)VALET_ERR_SYSTEM;
        }
        break;
    case FUTEX_WAIT:
    case SEMA_WAIT:
        if (move.kind == SLEEP || move.kind == READ) {
            tell("futex wait ");
            tell_read(x, move.index);
            uint64_t value = read_message(t, x, move.index, o->order);
            o->result = (uint64_t)(value == o->expected ? VALET_TIMEDOUT : VALET_CHANGED);
        }
        if (move.kind == SLEEP) {
            tell(", sleeps");
            thread->state = ASLEEP;
            return 0;
        }
        thread->state = RUNNABLE;
        if (move.kind == SPURIOUS) {
            tell(o->interruptible ? "is interrupted" : "is woken for no reason");
            world.spurious--;
            o->result = o->interruptible ? VALET_INTERRUPTED : VALET_OK;
        } else if (move.kind == TIMEOUT) {
            tell("its deadline comes");
            o->result = VALET_TIMEDOUT;
        } else if (move.kind == REFUSED) {
            tell("is refused by the system");
            world.refusals--;
            o->result = (uint64_t)VALET_ERR_SYSTEM;
        } else if (o->kind == SEMA_WAIT) {
            tell("takes the post");
            if (thread->sema.address != o->address)
                violation("thread %d waits for a semaphore that it has not", t);
            join(&thread->current, &thread->sema.view);
            memset(&thread->sema.view, 0, sizeof thread->sema.view);
            thread->sema.posted = false;
            o->result = VALET_OK;
        }
        break;
    case FUTEX_WAKE:
        x = word_known(o->address);
        if (x >= 0)
            kernel_wakes(t, x);
        tell("futex wake of %s:%s", name_of(o->address), move.index ? "" : " nobody");
        for (int other = 0; other < threads; other++)
            if (move.index & 1 << other) {
                tell(" thread %d", other);
                kernel_ends_wait(t, x, other);
                world.thread[other].state = RUNNABLE;
                world.thread[other].operation.result = VALET_OK;
            }
        goes_on |= move.index;
        o->result = (uint64_t)__builtin_popcount((unsigned)move.index);
        break;
    case SEMA_POST:
        post(t, o->address);
        break;
    case CLOCK:
        thread->late = move.kind == TIMEOUT;
        o->result = thread->late ? CLOCK_LATE : CLOCK_EARLY;
        tell("asks the clock: %s", thread->late ? "late" : "early");
        break;
    case KEYED_WAIT:
    case KEYED_RELEASE:
        goes_on = keyed(move);
        break;
    }
    return goes_on;
}
