/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Random programs: 2 to 6 green threads, each of a few calls on shared objects, on both kinds. The
 * input also chooses who runs next, before every atomic operation, so a finding runs the same way
 * each time. The threads, the context switch and both systems are those of test/green.
 *
 * What was called, when, and what came of it is then held to a reference: there must be an order of
 * the calls, each between its begin and its end, in which a parker is a bit, a set of waiters is a
 * number, and a word is a word. A thread that sleeps when nothing can wake it any more must have a
 * place in that order too: on what it waits for, and with no wake-up after it.
 *
 * An input: the kind, the threads, their calls, then the schedule.
 */
#include <string.h>

#include "fuzz.h"
#include "sched.h"
#include "switch.h"

#define THREADS 6
#define CALLS   6
#define OBJECTS 6
#define STACK   (48 * 1024)
#define STATES  4 /* of an object, as the reference counts */

/* Words that are so far apart are in one queue of the sema kind's table, unless the first is near
 * the end of what the table's hash puts together; words side by side are not. */
#define DISTANCE 1597
#define HASH     0x9e3779b9u

enum op {
    PARK,
    TRY,
    PARK_UNTIL,
    PARK_FOR,
    UNPARK,
    WAIT,
    WAIT_UNTIL,
    STORE,
    EXCHANGE,
    STATE,
    PUT,
    LOOK,
    WAKE,
    PARK_WITH, /* a PARK_UNTIL, a WAIT_UNTIL and a LOOK with flags, as which they are kept */
    WAIT_WITH,
    LOOK_WITH,
    OPS,
    REQUEUE /* some of the WAKEs */
};

struct call {
    enum op op;
    bool with;
    unsigned object, a, b, flags; /* arguments */
    unsigned begin, end;          /* end 0: it has not ended */
    int result;
    unsigned seen;
};

struct thread {
    struct green green; /* first: the one's address is the other's */
    struct call calls[CALLS];
    unsigned count, done; /* calls */
    unsigned refusals, interruptions;
    _Alignas(16) char stack[STACK];
};

static struct input in;
static struct thread threads[THREADS + 1]; /* one more for what is read at the end */
static unsigned thread_count, moment, quiet, steps, slice, turn;
static uint64_t clock_ns;
static struct thread *current; /* NULL: the scheduler itself */
static void *scheduler;
static unsigned locked;
static bool refuse_next, draining;

static struct valet_parker parkers[2];
static struct valet_waiters waiters[2];
static uint32_t memory[64 + DISTANCE], *words[2]; /* within it */
static unsigned parking[2];                       /* threads inside a park that may block */

extern const struct system green_futex_system, green_sema_system;
static const struct system *library;

/* ---- the scheduler --------------------------------------------------------------------------- */

void program_step(void);
void program_relax(void);
bool program_refuses(void);

static void to_scheduler(void)
{
    green_switch(&current->green.stack_pointer, scheduler);
}

void program_step(void)
{
    if (current == NULL || locked != 0)
        return;
    clock_ns++;
    MUST(++steps < 200000); /* a loop without end */
    if (slice > 0)
        slice--;
    else
        to_scheduler();
}

void program_relax(void)
{
    slice = 0;
    program_step();
}

bool program_refuses(void)
{
    bool refused = refuse_next && current != NULL;
    refuse_next = false;
    if (refused)
        current->refusals++;
    return refused;
}

uint64_t green_now(void)
{
    return clock_ns;
}

#define AHEAD 1000000u /* the wall clock */

uint64_t green_now_realtime(void)
{
    return clock_ns + AHEAD;
}

struct green *green_self(void)
{
    return &current->green;
}

void green_lock(void)
{
    program_step();
    locked++;
}

void green_unlock(void)
{
    locked--;
}

bool green_block(uint64_t deadline)
{
    struct thread *self = current;
    MUST(self != NULL && locked == 1);
    if (deadline <= clock_ns)
        return false;
    self->green.deadline = deadline;
    self->green.blocked = true;
    self->green.expired = false;
    locked = 0;
    to_scheduler();
    locked = 1;
    return !self->green.expired;
}

void green_ready(struct green *thread)
{
    thread->blocked = false;
}

/* The next to run: who the input says, then one after the other. NULL: all are blocked or done. */
static struct thread *choose(void)
{
    struct thread *ready[THREADS], *asleep = NULL;
    unsigned count = 0;
    for (unsigned i = 0; i < thread_count; i++) {
        struct thread *t = &threads[i];
        if (t->green.blocked && t->green.deadline <= clock_ns) {
            t->green.expired = true;
            t->green.blocked = false;
        }
        if (t->green.blocked)
            asleep = t;
        else if (!t->green.done)
            ready[count++] = t;
    }
    if (in.left != 0) {
        unsigned how = (unsigned)take(&in, 1);
        if (how >= 0xf8 && asleep != NULL) { /* for no reason, or by a handler */
            asleep->interruptions++;
            green_ready(&asleep->green);
            return asleep;
        }
        refuse_next = how >= 0xf4 && how < 0xf8;
        slice = how >> 3 & 7;
        if (how >= 0xc0)
            clock_ns += 16;
        return count != 0 ? ready[(how & 7) % count] : NULL;
    }
    slice = 20;
    return count != 0 ? ready[++turn % count] : NULL;
}

/* Until all are done or none can go on. */
static void run(void)
{
    for (;;) {
        struct thread *next = choose();
        if (next == NULL) {
            uint64_t first = GREEN_FOREVER;
            for (unsigned i = 0; i < thread_count; i++)
                if (threads[i].green.blocked && threads[i].green.deadline < first)
                    first = threads[i].green.deadline;
            if (first == GREEN_FOREVER)
                return;
            if (first > clock_ns)
                clock_ns = first;
            continue;
        }
        current = next;
        green_switch(&scheduler, next->green.stack_pointer);
        current = NULL;
    }
}

/* ---- the program ----------------------------------------------------------------------------- */

static bool is_timed(const struct call *c)
{
    return c->op == PARK_UNTIL || c->op == PARK_FOR || c->op == WAIT_UNTIL ||
           (c->op == LOOK && c->b < 0xc0);
}

static void do_call(struct call *c)
{
    struct valet_parker *p = &parkers[c->object % 2];
    struct valet_waiters *w = &waiters[c->object % 2];
    uint32_t *word = words[c->object % 2];
    unsigned refusals = current != NULL ? current->refusals : 0;
    unsigned interruptions = current != NULL ? current->interruptions : 0;
    uint64_t deadline = is_timed(c) ? clock_ns + c->b : VALET_FOREVER;
    uint64_t until = deadline; /* by the clock that the flags name */
    if (c->flags & VALET_REALTIME && is_timed(c))
        until += AHEAD;
    /* One thread at a time may block on a parker. Another may try: BUSY, or a token that it takes.
     */
    bool parks = c->op == PARK || c->op == PARK_UNTIL || c->op == PARK_FOR;
    if (parks && parking[c->object % 2] != 0) {
        c->op = TRY;
        parks = false;
    }
    parking[c->object % 2] += parks;
    c->begin = ++moment;
    switch (c->op) {
    case PARK:
        c->result = library->park(p);
        break;
    case TRY:
        c->result = c->b % 2 != 0 ? library->park_for(p, 0) : library->park_until(p, 0);
        break;
    case PARK_UNTIL:
        c->result =
            c->with ? library->park_with(p, until, c->flags) : library->park_until(p, deadline);
        break;
    case PARK_FOR:
        c->result = library->park_for(p, c->b);
        break;
    case UNPARK:
        library->unpark(p);
        break;
    case WAIT:
        c->result = library->wait(w, c->a);
        break;
    case WAIT_UNTIL:
        c->result = c->with ? library->wait_with(w, c->a, until, c->flags)
                            : library->wait_until(w, c->a, deadline);
        break;
    case STORE:
        if (c->b % 4 == 2) { /* the same in two steps */
            c->seen = library->state(w);
            while (!library->exchange(w, &c->seen, c->a))
                ;
            library->wake(w);
            break;
        }
        (c->b % 4 == 3 ? library->store_and_delegate : library->store_and_wake)(w, c->a);
        break;
    case EXCHANGE:
        c->seen = c->a;
        c->result = library->exchange(w, &c->seen, c->b % STATES);
        break;
    case STATE:
        c->seen = library->state(w);
        break;
    case PUT:
        __atomic_store_n(word, c->a, __ATOMIC_RELEASE);
        program_step();
        break;
    case LOOK:
        c->result = c->with ? library->futex_wait_with(word, c->a, until, c->flags)
                            : library->futex_wait(word, c->a, deadline);
        break;
    case REQUEUE:
        c->result =
            library->requeue(word, c->a, c->b & 1, words[(c->object + 1) % 2], c->b >> 1 & 3, 0);
        break;
    default:
        library->futex_wake(word, c->a == 0 ? UINT32_MAX : c->a);
        break;
    }
    c->end = ++moment;
    parking[c->object % 2] -= parks;
    if (c->result == VALET_TIMEDOUT && c->op != TRY && c->op != EXCHANGE)
        MUST(is_timed(c) && clock_ns >= deadline); /* never early */
    if (c->result == VALET_INTERRUPTED)
        MUST(c->flags & VALET_INTERRUPTIBLE && current->interruptions > interruptions);
    else if (c->result < 0 && c->result != VALET_ERR_BUSY)
        MUST(c->result == VALET_ERR_SYSTEM && current->refusals > refusals);
}

static void thread_main(void)
{
    struct thread *self = current;
    for (; self->done < self->count && !draining; self->done++) {
        program_step();
        do_call(&self->calls[self->done]);
    }
    self->green.done = true;
    to_scheduler();
}

static void prepare(struct thread *t)
{
    uintptr_t *frame = (uintptr_t *)(t->stack + STACK) - SWITCH_WORDS;
    memset(&t->green, 0, sizeof t->green);
    memset(frame, 0, SWITCH_WORDS * sizeof *frame);
    frame[SWITCH_PC] = (uintptr_t)thread_main;
    t->green.stack_pointer = frame;
    t->done = t->refusals = t->interruptions = 0;
    t->count = (unsigned)take(&in, 1) % (CALLS + 1);
    for (unsigned i = 0; i < t->count; i++) {
        uint64_t bytes = take(&in, 2);
        struct call *c = &t->calls[i];
        *c = (struct call){.op = (bytes & 15) % OPS, .a = bytes >> 5 & 3, .b = bytes >> 8 & 0xff};
        if (c->op >= PARK_WITH) {
            static const enum op plain[] = {PARK_UNTIL, WAIT_UNTIL, LOOK};
            c->op = plain[c->op - PARK_WITH];
            c->with = true;
            c->flags = c->b & (VALET_REALTIME | VALET_INTERRUPTIBLE);
        } else if (c->op == WAKE && c->b >= 0xc0) {
            c->op = REQUEUE;
        }
        unsigned family = c->op <= UNPARK ? 0 : c->op <= STATE ? 2 : 4;
        c->object = family + (bytes >> 4 & 1);
    }
}

/* ---- the reference --------------------------------------------------------------------------- */

static struct call *order[THREADS + 1][CALLS + 1]; /* the calls on one object, thread by thread */
static unsigned length[THREADS + 1];
static bool moved; /* a sleeper may be at another word than its own */
static unsigned char visited[7 * 7 * 7 * 7 * 7 * 7 * 2 * STATES / 8 + 1];

/* Whether a thread that sleeps for good, and has its place already, would have been woken. */
static bool wakes_a_sleeper(const unsigned *at, const struct call *c)
{
    for (unsigned t = 0; t < thread_count; t++) {
        const struct call *sleeper = at[t] != 0 ? order[t][at[t] - 1] : NULL;
        if (sleeper == NULL || sleeper->end != 0)
            continue;
        if (c->op == UNPARK || (c->op == STORE && c->a != sleeper->a) ||
            (c->op == WAKE && c->a == 0 && !moved))
            return true;
    }
    return false;
}

/* Whether c can be next, by what it returned. */
static bool apply(const struct call *c, unsigned *state)
{
    bool asleep = c->end == 0;
    switch (c->op) {
    case PARK:
    case TRY:
    case PARK_UNTIL:
    case PARK_FOR:
        if (asleep || c->result != VALET_OK)
            return *state == 0;
        if (*state == 0)
            return false;
        *state = 0;
        return true;
    case UNPARK:
        *state = 1;
        return true;
    case WAIT:
    case WAIT_UNTIL:
        return (*state == c->a) == (asleep || c->result != VALET_OK);
    case STORE:
    case PUT:
        *state = c->a;
        return true;
    case EXCHANGE:
        if (*state != c->seen || (c->result != 0) != (c->seen == c->a))
            return false;
        if (c->result != 0)
            *state = c->b % STATES;
        return true;
    case STATE:
        return *state == c->seen;
    case REQUEUE:
        return (c->result == VALET_CHANGED) == (*state != c->a);
    case LOOK:
        return asleep ? *state == c->a : c->result != VALET_CHANGED || *state != c->a;
    default:
        return true;
    }
}

static bool search(const unsigned *at, unsigned state)
{
    unsigned key = 0, left = 0, first_end = UINT32_MAX;
    for (unsigned t = 0; t <= thread_count; t++) {
        key = key * (t < thread_count ? CALLS + 1 : 2) + at[t];
        left += length[t] - at[t];
        if (at[t] == length[t])
            continue;
        unsigned end = order[t][at[t]]->end;
        end = end != 0 ? end : quiet;
        first_end = end < first_end ? end : first_end;
    }
    if (left == 0)
        return true;
    key = key * STATES + state;
    if (visited[key / 8] & 1 << key % 8)
        return false;
    visited[key / 8] |= (unsigned char)(1 << key % 8);
    for (unsigned t = 0; t <= thread_count; t++) {
        if (at[t] == length[t] || order[t][at[t]]->begin > first_end)
            continue;
        const struct call *c = order[t][at[t]];
        unsigned after = state, next[THREADS + 1];
        if (!apply(c, &after) || wakes_a_sleeper(at, c))
            continue;
        memcpy(next, at, sizeof next);
        next[t]++;
        if (search(next, after))
            return true;
    }
    return false;
}

/* BUSY is true only while another thread is parking. */
static bool overlaps(const struct call *busy)
{
    for (unsigned t = 0; t < thread_count; t++)
        for (unsigned i = 0; i < length[t]; i++) {
            const struct call *c = order[t][i];
            if (c != busy && c->op <= PARK_FOR && c->begin < busy->end &&
                (c->end == 0 || c->end > busy->begin))
                return true;
        }
    return false;
}

static void check_object(unsigned object)
{
    /* what is there at the end, as the last call */
    static const enum op last[] = {TRY, TRY, STATE, STATE, PUT, PUT};
    struct call look = {.op = last[object], .object = object, .a = *words[object % 2]};
    if (look.op != PUT)
        do_call(&look);
    unsigned start[THREADS + 1] = {0};
    moved = false;
    for (unsigned t = 0; t < thread_count; t++) {
        length[t] = 0;
        for (unsigned i = 0; i < threads[t].count && i <= threads[t].done; i++)
            if (threads[t].calls[i].object == object && threads[t].calls[i].begin != 0) {
                order[t][length[t]++] = &threads[t].calls[i];
                moved |= threads[t].calls[i].op == REQUEUE;
            }
    }
    length[thread_count] = look.op != PUT;
    order[thread_count][0] = &look;
    memset(visited, 0, sizeof visited);
    MUST(search(start, 0)); /* no order of the calls explains what they returned */
    for (unsigned t = 0; t <= thread_count; t++)
        for (unsigned i = 0; i < length[t]; i++)
            if (order[t][i]->op <= PARK_FOR && order[t][i]->result == VALET_ERR_BUSY)
                MUST(overlaps(order[t][i]));
}

/* Wake whoever still sleeps, and see that all end. */
static void drain(void)
{
    draining = true;
    for (unsigned rounds = 0;; rounds++) {
        bool all_done = true;
        for (unsigned t = 0; t < thread_count; t++)
            all_done = all_done && threads[t].green.done;
        if (all_done)
            return;
        MUST(rounds < 4); /* a thread that cannot be woken */
        for (unsigned i = 0; i < 2; i++) {
            library->unpark(&parkers[i]);
            library->store_and_wake(&waiters[i], STATES + rounds % 2); /* nobody expects these */
            *words[i] = STATES;
            library->futex_wake(words[i], UINT32_MAX);
        }
        run();
    }
}

static void choose_words(bool one_queue)
{
    uint32_t *first = memory;
    while (((uint32_t)((uintptr_t)first >> 2) * HASH >> 24 & 3) != 1)
        first++;
    words[0] = first;
    words[1] = first + (one_queue ? DISTANCE : 1);
    *words[0] = *words[1] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    in = (struct input){data, size};
    memset(parkers, 0, sizeof parkers);
    memset(waiters, 0, sizeof waiters);
    memset(parking, 0, sizeof parking);
    moment = steps = slice = turn = locked = 0;
    clock_ns = 1;
    refuse_next = draining = false;
    unsigned how = (unsigned)take(&in, 1);
    library = how & 1 ? &green_sema_system : &green_futex_system;
    fuzz_subject = how & 1 ? "sema kind" : "futex kind";
    thread_count = 2 + (how >> 1) % (THREADS - 1);
    choose_words(how & 0x80);
    for (unsigned t = 0; t < thread_count; t++)
        prepare(&threads[t]);
    run();
    quiet = ++moment; /* whoever still sleeps has gone to sleep before this */
    for (unsigned object = 0; object < OBJECTS; object++)
        check_object(object);
    drain();
    return 0;
}
