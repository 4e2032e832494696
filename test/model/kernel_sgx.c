/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Fortanix SGX: the usercalls wait, send and insecure_time, answered by a host that nobody trusts.
 * Events are kept for each thread (its TCS) until a wait takes them.
 *
 *   sgx           what the ABI allows an honest host: a wait may return early, or with events that
 *                 nobody sent
 *   sgx_hostile   a host that also interrupts, sends an event twice, lets a timeout come first
 *                 though an event is there, and returns rubbish where the ABI says 0. It loses no
 *                 event for ever: a host that does can hang any enclave, as can one that no longer
 *                 runs it
 *
 * Where the scenario forbids waiting, both answer with any error that there is, and with numbers
 * that are none.
 */
#include "model.h"

/* fortanix-sgx-abi/src/lib.rs */
#define USERCALL_WAIT          11
#define USERCALL_SEND          12
#define USERCALL_INSECURE_TIME 13

#define EV_UNPARK 4u
#define EV_ALL    15u

#define WAIT_NO         0u
#define WAIT_INDEFINITE UINT64_MAX
#define LONGEST_WAIT    ((uint64_t)1 << 55) /* enclave-runner cuts longer ones */

#define SUCCESS       0
#define INTERRUPTED   0x04
#define WOULD_BLOCK   0x0b
#define INVALID_INPUT 0x16
#define TIMED_OUT     0x6e
#define OTHER         0x3fffffff

/*
 * EV_UNPARK events that wait to be taken. Runners differ: enclave-runner once kept a list, in which
 * two are two, and later a set, in which they are one. Every send that finds one there may do
 * either; beyond two they are one.
 */
struct events {
    uint8_t unpark[MODEL_THREADS];
};

static uint64_t tcs_of(int thread)
{
    return 0x700000001000u + 0x3000u * (uint64_t)thread;
}

/* The first value of wait and send is an int32_t; the enclave may trust no other bit. */
static void answer(struct model_call *c, int32_t result, uint64_t events)
{
    model_return2(c, 0xbad0bad000000000u | (uint32_t)result, events);
}

static void wait(struct model_call *c, uint64_t mask, uint64_t timeout, bool hostile)
{
    static const int32_t refusals[] = {INVALID_INPUT, WOULD_BLOCK, OTHER, -1, INT32_MIN};
    struct events *e = c->state;
    uint8_t *mine = &e->unpark[c->thread];
    if (model_refused(c))
        return answer(c, refusals[model_choose(c, 5, "which error")], EV_UNPARK);
    if (mask & ~(uint64_t)EV_ALL) {
        model_mistake(c, "event mask %#llx", (unsigned long long)mask);
        return answer(c, INVALID_INPUT, 0);
    }
    if (mask != EV_UNPARK)
        model_mistake(c, "event mask %#llx takes others' events", (unsigned long long)mask);
    bool timed = timeout != WAIT_NO && timeout != WAIT_INDEFINITE;
    if (mask & EV_UNPARK && *mine != 0 &&
        !(hostile && timed && model_choose(c, 2, "in time, late"))) {
        --*mine;
        return answer(c, SUCCESS, EV_UNPARK);
    }
    if (timeout == WAIT_NO)
        return answer(c, WOULD_BLOCK, 0);
    /* a sleeper with key 0 is not told of events any more: its timeout comes first */
    model_sleep(c, mask & EV_UNPARK && *mine == 0 ? tcs_of(c->thread) : 0,
                timed ? model_after(c, timeout < LONGEST_WAIT ? timeout : LONGEST_WAIT)
                      : MODEL_NEVER);
}

static void push(struct model_call *c, int thread)
{
    uint8_t *unpark = &((struct events *)c->state)->unpark[thread];
    if (model_wake_thread(c, thread, tcs_of(thread)))
        return;
    if (*unpark == 0 || (*unpark == 1 && model_choose(c, 2, "one event, two")))
        ++*unpark;
}

static void send(struct model_call *c, uint64_t set, uint64_t tcs, bool hostile)
{
    bool sent = false;
    if (set == 0 || set & ~(uint64_t)EV_ALL) {
        model_mistake(c, "event set %#llx", (unsigned long long)set);
        return answer(c, INVALID_INPUT, 0);
    }
    if (tcs == 0 || set != EV_UNPARK)
        model_mistake(c, "event %#llx to TCS %#llx", (unsigned long long)set,
                      (unsigned long long)tcs);
    for (int j = 0; j < c->threads; j++)
        if (tcs == 0 || tcs == tcs_of(j)) {
            sent = true;
            if (!(set & EV_UNPARK))
                continue;
            push(c, j);
            if (hostile && model_choose(c, 2, "once, twice"))
                push(c, j);
        }
    if (!sent)
        model_mistake(c, "no TCS %#llx", (unsigned long long)tcs);
    answer(c, sent ? SUCCESS : INVALID_INPUT, hostile ? UINT64_MAX : 0);
}

/*
 * The host's one clock, the time of day: who sets it sets valet_now as well. Elsewhere a scenario's
 * deadlines are of the checker's clock, and it is the same as that.
 */
static uint64_t insecure_time(struct model_call *c)
{
    return model_now(c) + (model_sets_wall(c) ? model_wall(c) : 0);
}

static void dispatch(struct model_call *c, bool hostile)
{
    uint64_t p1 = c->args[1], p2 = c->args[2];
    if (c->number == 1) { /* get_tcs_addr() */
        model_now(c);     /* like a look at the clock this is no system call that anybody counts */
        return model_return(c, tcs_of(c->thread));
    }
    /* usercall(number, p1, p2, abort, p3, p4): what a call does not use must be 0 */
    if ((uint8_t)c->args[3] != 0 || c->args[4] != 0 || c->args[5] != 0)
        model_mistake(c, "rubbish in an argument that is not used");
    switch (c->args[0]) {
    case USERCALL_WAIT:
        return wait(c, p1, p2, hostile);
    case USERCALL_SEND:
        return send(c, p1, p2, hostile);
    case USERCALL_INSECURE_TIME:
        if (p1 != 0 || p2 != 0)
            model_mistake(c, "rubbish in an argument that is not used");
        /* newer hosts return the address of a page with the time here */
        return model_return2(c, insecure_time(c), 0xbad0bad0bad0bad0u);
    }
    model_violation(c, "usercall %llu", (unsigned long long)c->args[0]);
}

static void go_on(struct model_call *c, enum model_event why, bool hostile)
{
    static const uint64_t sets[] = {EV_UNPARK, 0, EV_ALL, UINT64_MAX};
    switch (why) {
    case MODEL_WOKEN: /* the event went straight to the sleeper */
        return answer(c, SUCCESS, EV_UNPARK);
    case MODEL_TIMEOUT:
    case MODEL_EARLY:
        return answer(c, TIMED_OUT, 0);
    case MODEL_SPURIOUS: {
        unsigned i = model_choose(c, hostile ? 5 : 3, "which events");
        return i == 4 ? answer(c, INTERRUPTED, UINT64_MAX) : answer(c, SUCCESS, sets[i]);
    }
    default:
        model_refuse(c);
    }
}

static void call(struct model_call *c)
{
    dispatch(c, false);
}

static void resume(struct model_call *c, enum model_event why)
{
    go_on(c, why, false);
}

static void call_hostile(struct model_call *c)
{
    dispatch(c, true);
}

static void resume_hostile(struct model_call *c, enum model_event why)
{
    go_on(c, why, true);
}

/* Of rust-lang/rust library/std/src/sys/pal/sgx/abi/entry.S, and of any other entry code of this
 * ABI that a C program brings. */
static const char *const symbols[] = {"usercall", "get_tcs_addr", NULL};

#define SOURCES                                                                          \
    "fortanix/rust-sgx intel-sgx/fortanix-sgx-abi/src/lib.rs, doc/FORTANIX-SGX-ABI.md, " \
    "intel-sgx/enclave-runner/src/usercalls/mod.rs"

MODEL(sgx) = {
    .name = "sgx",
    .sources = SOURCES,
    .symbols = symbols,
    .state_size = sizeof(struct events),
    .events = 1u << MODEL_SPURIOUS | 1u << MODEL_EARLY,
    .call = call,
    .resume = resume,
};

MODEL(sgx_hostile) = {
    .name = "sgx_hostile",
    .sources = SOURCES,
    .symbols = symbols,
    .state_size = sizeof(struct events),
    .events = 1u << MODEL_SPURIOUS | 1u << MODEL_EARLY,
    .call = call_hostile,
    .resume = resume_hostile,
};
