/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The contract of include/valet_sys.h itself, taken at its word: what an embedder's scheduler of
 * either kind may do, the core must survive; what the core may not do is a violation. And bare
 * metal, which has no kernel at all: only the clock that an integrator gives it.
 */
#include "model.h"
#include "valet.h"

static uint64_t status(int s)
{
    return (uint64_t)(int64_t)s;
}

/* ---- futex kind ------------------------------------------------------------------------------ */

static const char *const futex_symbols[] = {"valet_sys_now", "valet_sys_futex_wait",
                                            "valet_sys_futex_wake", "valet_sys_futex_look", NULL};

static void futex_call(struct model_call *c)
{
    uint32_t value;
    switch (c->number) {
    case 0:
        return model_return(c, model_now(c));
    case 1:
        if (model_refused(c))
            return model_return(c, status(VALET_ERR_SYSTEM));
        if (!model_read(c, c->args[0], &value, sizeof value))
            return model_return(c, status(VALET_ERR_SYSTEM));
        if (value != (uint32_t)c->args[1]) /* "where the system tells; else VALET_OK" */
            return model_return(c, model_choose(c, 2, "tells") ? VALET_OK : VALET_CHANGED);
        if (c->args[2] != MODEL_NEVER && model_now(c) >= c->args[2])
            return model_return(c, VALET_TIMEDOUT);
        return model_sleep(c, c->args[0], c->args[2]);
    case 2:
        if ((uint32_t)c->args[1] == 0)
            model_mistake(c, "wake of nobody");
        model_note(c, "woke %u", model_wake(c, c->args[0], (uint32_t)c->args[1]));
        return model_return(c, 0);
    case 3:
        if (!model_read(c, c->args[0], &value, sizeof value))
            return model_return(c, status(VALET_ERR_SYSTEM));
        if (value != (uint32_t)c->args[1])
            return model_return(c, model_choose(c, 2, "tells") ? VALET_OK : VALET_CHANGED);
        if (model_choose(c, 2, "sleeps")) /* "without sleeping where that can be" */
            return model_sleep(c, c->args[0], model_now(c));
        return model_return(c, VALET_TIMEDOUT);
    }
}

static void futex_resume(struct model_call *c, enum model_event why)
{
    bool looks = c->number == 3;
    switch (why) {
    case MODEL_WOKEN: /* a wake and the deadline at once: the answer may be either */
        if (!looks && model_now(c) >= c->args[2] && model_choose(c, 2, "woken, late") == 1)
            return model_return(c, VALET_TIMEDOUT);
        return model_return(c, VALET_OK);
    case MODEL_SPURIOUS: /* of a look: "a signal handler ran before it could tell" */
        return model_return(c, looks ? VALET_INTERRUPTED : VALET_OK);
    case MODEL_SIGNAL:
    case MODEL_EARLY: /* "a sleep cut short is VALET_OK" */
        return model_return(c, VALET_OK);
    case MODEL_TIMEOUT:
        return model_return(c, VALET_TIMEDOUT);
    case MODEL_STEP:
        return model_refuse(c);
    }
}

MODEL(external_futex) = {
    .name = "external_futex",
    .sources = "include/valet_sys.h",
    .symbols = futex_symbols,
    .events = 1u << MODEL_SPURIOUS | 1u << MODEL_EARLY,
    .call = futex_call,
    .resume = futex_resume,
};

/* ---- sema kind ------------------------------------------------------------------------------- */

static const char *const sema_symbols[] = {"valet_sys_now",       "valet_sys_sema_init",
                                           "valet_sys_sema_wait", "valet_sys_sema_post",
                                           "valet_sys_sema_fini", NULL};

/* One semaphore at a time for each thread: it is in the frame of the call that sleeps. */
struct sema {
    uint64_t address; /* 0: none */
    uint32_t posted, consumed;
};

static struct sema *find(struct model_call *c, uint64_t address, int *owner)
{
    struct sema *t = c->state;
    for (int j = 0; j < c->threads; j++)
        if (t[j].address == address) {
            *owner = j;
            return &t[j];
        }
    return NULL;
}

static void sema_call(struct model_call *c)
{
    int owner = -1;
    if (c->number == 0)
        return model_return(c, model_now(c));
    struct sema *mine = (struct sema *)c->state + c->thread;
    if (c->number == 1) {
        if (mine->address != 0)
            return model_violation(c, "init of a second semaphore");
        if (model_refused(c) && model_choose(c, 2, "init fails"))
            return model_return(c, status(VALET_ERR_SYSTEM));
        if (!model_on_stack(c, c->args[0]))
            model_mistake(c, "a semaphore that is not on the owner's stack");
        *mine = (struct sema){.address = c->args[0]};
        return model_return(c, VALET_OK);
    }
    struct sema *t = find(c, c->args[0], &owner);
    if (t == NULL)
        return model_violation(c, "%s of a semaphore that does not exist", c->symbol);
    if ((c->number == 3) == (owner == c->thread))
        return model_violation(c, "%s by the wrong thread", c->symbol);
    switch (c->number) {
    case 2:
        if (t->posted && t->consumed)
            return model_violation(c, "wait after the one post was consumed");
        if (t->posted) {
            t->consumed = 1;
            return model_return(c, VALET_OK);
        }
        if (model_refused(c))
            return model_return(c, status(VALET_ERR_SYSTEM));
        if (c->args[1] != MODEL_NEVER && model_now(c) >= c->args[1])
            return model_return(c, VALET_TIMEDOUT);
        return model_sleep(c, c->args[0], c->args[1]);
    case 3:
        if (t->posted)
            return model_violation(c, "a second post");
        t->posted = 1;
        model_wake_thread(c, owner, c->args[0]);
        return model_return(c, 0);
    case 4:
        if (t->posted && !t->consumed)
            return model_violation(c, "fini before the post was consumed");
        *t = (struct sema){0};
        return model_return(c, 0);
    }
}

static void sema_resume(struct model_call *c, enum model_event why)
{
    struct sema *mine = (struct sema *)c->state + c->thread;
    switch (why) {
    case MODEL_WOKEN:
        mine->consumed = 1;
        return model_return(c, VALET_OK);
    case MODEL_TIMEOUT:
        return model_return(c, VALET_TIMEDOUT);
    default: /* spurious returns are absorbed by the system */
        return model_refuse(c);
    }
}

MODEL(external_sema) = {
    .name = "external_sema",
    .sources = "include/valet_sys.h",
    .symbols = sema_symbols,
    .state_size = MODEL_THREADS * sizeof(struct sema),
    .call = sema_call,
    .resume = sema_resume,
};

/* ---- bare metal ------------------------------------------------------------------------------ */

static const char *const clock_symbols[] = {"valet_sys_now", NULL};

static void clock_call(struct model_call *c)
{
    model_return(c, model_now(c));
}

static void no_resume(struct model_call *c, enum model_event why)
{
    (void)why;
    model_refuse(c);
}

MODEL(bare) = {
    .name = "bare",
    .sources = "none: the CPU alone",
    .call = clock_call,
    .resume = no_resume,
};

MODEL(bare_clock) = {
    .name = "bare_clock",
    .sources = "sys/bare.c: the clock hook",
    .symbols = clock_symbols,
    .call = clock_call,
    .resume = no_resume,
};
