/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * CloudABI: locks and condition variables. User space and kernel share two words:
 *
 *   lock      0 free; WRLOCKED with the owner's thread id; else a count of readers. KERNEL_MANAGED
 *             beside them: threads wait in the kernel, which hands the lock over
 *   condvar   0 nobody waits; else ask the kernel
 *
 * poll waits for either, condvar_signal moves waiters from a condvar to its lock, lock_unlock hands
 * on. Everything happens under one mutex of the kernel, so each call is one step here. The kernel
 * writes to the words only while somebody waits on them. Which waiter is the best is the kernel's
 * own affair: any of them here.
 */
#include <string.h>

#include "model.h"

/* cloudabi headers/cloudabi_types_common.h */
#define SYS_CLOCK_TIME_GET 1
#define SYS_CONDVAR_SIGNAL 2
#define SYS_LOCK_UNLOCK    31
#define SYS_POLL           37

#define EBUSY     10
#define EDEADLK   16
#define EFAULT    21
#define EINVAL    28
#define ENOENT    44
#define ENOSYS    52
#define ENOTSUP   58
#define EPERM     63
#define ETIMEDOUT 73

#define KERNEL_MANAGED  0x80000000u
#define WRLOCKED        0x40000000u
#define SCOPE_PRIVATE   4
#define EVENT_CLOCK     1
#define EVENT_CONDVAR   2
#define EVENT_WRLOCK    6
#define CLOCK_MONOTONIC 1
#define CLOCK_ABSTIME   1

/* headers/cloudabi64_types.h: the layouts, their holes named */
struct subscription {
    uint64_t userdata;
    uint16_t unused;
    uint8_t type, hole[5];
    union {
        struct {
            uint64_t identifier;
            uint32_t clock_id, hole;
            uint64_t timeout, precision;
            uint16_t flags;
        } clock;
        struct {
            uint64_t condvar, lock;
            uint8_t condvar_scope, lock_scope;
        } condvar;
        struct {
            uint64_t lock;
            uint8_t lock_scope;
        } lock;
    };
};
_Static_assert(sizeof(struct subscription) == 56 &&
                   offsetof(struct subscription, clock.flags) == 48,
               "the layout of cloudabi64_subscription_t");

struct event {
    uint64_t userdata;
    uint16_t error;
    uint8_t type, hole[5];
    uint64_t object; /* identifier, condvar or lock */
    uint64_t rest;
};
_Static_assert(sizeof(struct event) == 32, "the size of cloudabi64_event_t");

/* ---- what the kernel knows -------------------------------------------------------------------
 *
 * A lock is known while a thread is inside for it: on its queue, or on that of a condvar bound to
 * it. Of a thread inside, note[0] is the lock, note[1] the condvar or 0, note[2] what it is going
 * to answer once it has the lock; stage says on which queue it is, and key is that queue's word.
 */

enum { ON_CONDVAR = 1, ON_LOCK };

#define UNMANAGED     0u
#define OWNER_UNKNOWN 1u

struct lock {
    uint64_t address;
    uint32_t owner, zero;
};

static uint32_t tid_of(int thread)
{
    return 0x20000010u + 3u * (uint32_t)thread; /* the highest of the 30 bits is set */
}

static struct lock *lock_of(struct model_call *c, uint64_t address)
{
    struct lock *locks = c->state, *l = locks;
    for (struct lock *p = locks; p < locks + MODEL_THREADS + 1; p++) {
        if (p->address == address)
            return p;
        if (p->address == 0)
            l = p;
    }
    *l = (struct lock){.address = address};
    return l;
}

/* Threads on a queue, but for the calling one. */
static unsigned queue(struct model_call *c, unsigned stage, uint64_t word, int *threads)
{
    unsigned n = 0;
    for (int j = 0; j < c->threads; j++) {
        const struct model_sleep *s = model_sleep_of(c, j);
        if (j != c->thread && s->stage == stage && s->key == word)
            threads[n++] = j;
    }
    return n;
}

static bool has_waiters(struct model_call *c, unsigned stage, uint64_t word)
{
    int threads[MODEL_THREADS];
    return queue(c, stage, word, threads) != 0;
}

static void forget_unused(struct model_call *c)
{
    struct lock *locks = c->state;
    for (int i = 0; i < MODEL_THREADS + 1; i++) {
        bool used = false;
        for (int j = 0; j < c->threads; j++)
            used = used || model_sleep_of(c, j)->note[0] == locks[i].address;
        if (!used)
            memset(&locks[i], 0, sizeof locks[i]);
    }
    /* equal sets are equal bytes */
    for (int i = 1; i < MODEL_THREADS + 1; i++)
        for (int j = i; j > 0 && locks[j].address > locks[j - 1].address; j--) {
            struct lock t = locks[j];
            locks[j] = locks[j - 1], locks[j - 1] = t;
        }
}

/* ---- locks ----------------------------------------------------------------------------------- */

static void set_owner(struct lock *l, uint32_t word)
{
    uint32_t owner = word & ~(WRLOCKED | KERNEL_MANAGED);
    l->owner = owner == UNMANAGED ? OWNER_UNKNOWN : owner;
}

static int try_write_lock(struct model_call *c, struct lock *l, uint32_t tid, bool managed)
{
    uint32_t word;
    if (l->owner == tid)
        return EDEADLK;
    if (l->owner != UNMANAGED)
        return EBUSY;
    if (!model_read(c, l->address, &word, sizeof word))
        return EFAULT;
    if (word & KERNEL_MANAGED) {
        model_mistake(c, "lock %#x: the kernel does not manage it", word);
        return EINVAL;
    }
    if (word == (tid | WRLOCKED)) {
        model_mistake(c, "the caller has the lock already");
        return EDEADLK;
    }
    if (word != 0) {
        set_owner(l, word);
        word |= KERNEL_MANAGED;
        return model_write(c, l->address, &word, sizeof word) ? EBUSY : EFAULT;
    }
    word = tid | WRLOCKED | (managed ? KERNEL_MANAGED : 0);
    if (managed)
        l->owner = tid;
    return model_write(c, l->address, &word, sizeof word) ? 0 : EFAULT;
}

static void unmanage(struct model_call *c, struct lock *l)
{
    uint32_t word;
    if (has_waiters(c, ON_LOCK, l->address))
        return;
    l->owner = UNMANAGED;
    if (model_read(c, l->address, &word, sizeof word)) {
        word &= ~KERNEL_MANAGED;
        model_write(c, l->address, &word, sizeof word);
    }
}

static int unlock(struct model_call *c, struct lock *l)
{
    int threads[MODEL_THREADS];
    unsigned n = queue(c, ON_LOCK, l->address, threads);
    uint32_t word, tid = tid_of(c->thread);
    if (!model_read(c, l->address, &word, sizeof word))
        return EFAULT;
    if (l->owner == OWNER_UNKNOWN)
        set_owner(l, word);
    if ((word & ~KERNEL_MANAGED) != (tid | WRLOCKED))
        model_mistake(c, "lock %#x is not the caller's, %#x", word, tid);
    if (l->owner != UNMANAGED && l->owner != tid)
        return EPERM;
    if (n == 0) {
        word = 0;
        l->owner = UNMANAGED;
        return model_write(c, l->address, &word, sizeof word) ? 0 : EFAULT;
    }
    int next = threads[model_choose(c, n, "who gets the lock")];
    word = tid_of(next) | WRLOCKED | (n > 1 ? KERNEL_MANAGED : 0);
    l->owner = n > 1 ? tid_of(next) : UNMANAGED;
    if (!model_write(c, l->address, &word, sizeof word))
        return EFAULT;
    model_wake_thread(c, next, l->address);
    return 0;
}

/* ---- poll ------------------------------------------------------------------------------------ */

static const char *const symbols[] = {
    "cloudabi_sys_poll",
    "cloudabi_sys_condvar_signal",
    "cloudabi_sys_lock_unlock",
    "cloudabi_sys_clock_time_get",
    NULL,
};

/* Calls whose result is an errno only: an uint16_t, the rest of the register is anything. */
static void finish(struct model_call *c, int error)
{
    forget_unused(c);
    if (c->symbol)
        model_return(c, 0xbad0bad0bad00000u | (uint16_t)error);
    else if (error != 0)
        model_error(c, error);
    else
        model_return(c, 0);
}

/* The thread has what it waited for, or an error: one event. */
static void one_event(struct model_call *c, int error)
{
    struct subscription in[2] = {0};
    struct event out;
    uint64_t one = 1;
    memset(&out, 0xdb, sizeof out); /* what the type does not use comes from the kernel's stack */
    model_read(c, c->args[0], in, c->args[2] * sizeof in[0]);
    bool timedout = error == ETIMEDOUT;
    out.userdata = in[timedout].userdata;
    out.type = in[timedout].type;
    out.error = timedout ? 0 : (uint16_t)error;
    out.object = in[timedout].clock.identifier; /* all three lie there */
    memset(c->sleep->note, 0, sizeof c->sleep->note);
    c->sleep->stage = 0;
    model_note(c, "event type %u, error %u", out.type, out.error);
    if (!model_write(c, c->args[1], &out, sizeof out) ||
        (c->symbol && !model_write(c, c->args[3], &one, sizeof one))) {
        model_mistake(c, "nowhere to write the event");
        return finish(c, EFAULT);
    }
    if (c->symbol)
        return finish(c, 0);
    forget_unused(c);
    model_return(c, one);
}

/* A thread whose time at a condvar is over takes the lock again, however long that lasts. */
static void take_back(struct model_call *c)
{
    uint64_t address = c->sleep->note[0];
    struct lock *l = lock_of(c, address);
    int error = try_write_lock(c, l, tid_of(c->thread), false);
    if (error == EBUSY) {
        c->sleep->note[2] = ETIMEDOUT;
        c->sleep->stage = ON_LOCK;
        return model_sleep(c, address, MODEL_NEVER);
    }
    if (error != 0)
        unmanage(c, l);
    one_event(c, error ? error : ETIMEDOUT);
}

static void leave_condvar(struct model_call *c, uint64_t condvar)
{
    uint32_t nobody = 0;
    if (!has_waiters(c, ON_CONDVAR, condvar))
        model_write(c, condvar, &nobody, sizeof nobody);
}

static void wait_condvar(struct model_call *c, const struct subscription *in, uint64_t deadline)
{
    uint64_t condvar = in->condvar.condvar, address = in->condvar.lock;
    uint32_t waiters = UINT32_MAX;
    if (in->condvar.condvar_scope != SCOPE_PRIVATE || in->condvar.lock_scope != SCOPE_PRIVATE) {
        model_mistake(c, "scopes %u and %u", in->condvar.condvar_scope, in->condvar.lock_scope);
        return one_event(c, ENOTSUP);
    }
    for (int j = 0; j < c->threads; j++) {
        const struct model_sleep *s = model_sleep_of(c, j);
        if (s->note[1] == condvar && s->note[0] != address) {
            model_mistake(c, "one condvar with two locks");
            return one_event(c, EINVAL);
        }
    }
    if (!model_write(c, condvar, &waiters, sizeof waiters))
        return one_event(c, EFAULT);
    int error = unlock(c, lock_of(c, address));
    if (error != 0) {
        leave_condvar(c, condvar);
        return one_event(c, error);
    }
    c->sleep->note[0] = address;
    c->sleep->note[1] = condvar;
    c->sleep->stage = ON_CONDVAR;
    forget_unused(c);
    model_sleep(c, condvar, deadline);
}

static void wait_lock(struct model_call *c, const struct subscription *in, uint64_t deadline)
{
    uint64_t address = in->lock.lock;
    if (in->lock.lock_scope != SCOPE_PRIVATE) {
        model_mistake(c, "scope %u", in->lock.lock_scope);
        return one_event(c, ENOTSUP);
    }
    struct lock *l = lock_of(c, address);
    int error = try_write_lock(c, l, tid_of(c->thread), false);
    if (error == EBUSY) {
        c->sleep->note[0] = address;
        c->sleep->stage = ON_LOCK;
        return model_sleep(c, address, deadline);
    }
    if (error != 0)
        unmanage(c, l);
    one_event(c, error);
}

static void poll(struct model_call *c)
{
    struct subscription in[2];
    uint64_t n = c->args[2], deadline = MODEL_NEVER;
    if (model_refused(c))
        return finish(c, model_choose(c, 2, "ENOSYS, EPERM") ? EPERM : ENOSYS);
    if (n != 1 && n != 2)
        return model_violation(c, "poll of %llu subscriptions", (unsigned long long)n);
    if (!model_read(c, c->args[0], in, n * sizeof in[0])) {
        model_mistake(c, "subscriptions that are not mapped");
        return finish(c, EFAULT);
    }
    if (n == 2) {
        if (in[1].type != EVENT_CLOCK || in[1].clock.flags != CLOCK_ABSTIME)
            return model_violation(c, "subscription of type %u, flags %#x: no timeout of a futex",
                                   in[1].type, in[1].clock.flags);
        if (in[1].clock.clock_id != CLOCK_MONOTONIC)
            return model_violation(c, "clock %u", in[1].clock.clock_id);
        deadline = in[1].clock.timeout;
    }
    if (in[0].type == EVENT_CONDVAR)
        wait_condvar(c, &in[0], deadline);
    else if (in[0].type == EVENT_WRLOCK)
        wait_lock(c, &in[0], deadline);
    else
        model_violation(c, "subscription of type %u", in[0].type);
}

/* ---- the other calls ------------------------------------------------------------------------- */

static void condvar_signal(struct model_call *c)
{
    uint64_t condvar = c->args[0], address = 0;
    uint32_t count = (uint32_t)c->args[2];
    int threads[MODEL_THREADS];
    unsigned n = queue(c, ON_CONDVAR, condvar, threads);
    if ((uint8_t)c->args[1] != SCOPE_PRIVATE) {
        model_mistake(c, "scope %u", (uint8_t)c->args[1]);
        return finish(c, ENOTSUP);
    }
    if (count == 0) {
        model_mistake(c, "signal of 0");
        return finish(c, 0);
    }
    for (int j = 0; j < c->threads; j++)
        if (j != c->thread && model_sleep_of(c, j)->note[1] == condvar)
            address = model_sleep_of(c, j)->note[0];
    if (address == 0)
        return finish(c, ENOENT);
    if (n == 0) /* they timed out and wait for the lock: the kernel takes the first of nobody */
        return model_violation(c, "a signal for a condvar whose waiters are on their way: a null "
                                  "pointer in the kernel");
    unsigned best = model_choose(c, n, "who is woken");
    int first = threads[best];
    int error = try_write_lock(c, lock_of(c, address), tid_of(first), count > 1 && n > 1);
    if (error != 0 && error != EBUSY)
        return finish(c, error);
    unsigned moved = 0;
    if (error == 0) {
        model_wake_thread(c, first, condvar);
        threads[best] = threads[--n];
        moved = 1;
    } else { /* the best one first */
        threads[best] = threads[0];
        threads[0] = first;
    }
    for (unsigned i = 0; i < n && moved < count; i++, moved++) {
        struct model_sleep *s = model_sleep_of(c, threads[i]);
        s->stage = ON_LOCK;
        s->key = address;
        s->deadline = MODEL_NEVER;
    }
    leave_condvar(c, condvar);
    model_note(c, "%s, %u moved", error ? "lock taken" : "one has the lock", moved);
    finish(c, 0);
}

static void lock_unlock(struct model_call *c)
{
    if ((uint8_t)c->args[1] != SCOPE_PRIVATE) {
        model_mistake(c, "scope %u", (uint8_t)c->args[1]);
        return finish(c, ENOTSUP);
    }
    finish(c, unlock(c, lock_of(c, c->args[0])));
}

static void clock_time_get(struct model_call *c)
{
    uint64_t now = model_clock(c, CLOCK_MONOTONIC, 3);
    if (!c->symbol)
        return model_return(c, now);
    if (!model_write(c, c->args[2], &now, sizeof now)) {
        model_mistake(c, "clock_time_get to an address that is not mapped");
        return finish(c, EFAULT);
    }
    finish(c, 0);
}

static void call(struct model_call *c)
{
    static const uint32_t numbers[] = {SYS_POLL, SYS_CONDVAR_SIGNAL, SYS_LOCK_UNLOCK,
                                       SYS_CLOCK_TIME_GET};
    switch (c->symbol ? numbers[c->number] : (uint32_t)c->number) {
    case SYS_POLL:
        return poll(c);
    case SYS_CONDVAR_SIGNAL:
        return condvar_signal(c);
    case SYS_LOCK_UNLOCK:
        return lock_unlock(c);
    case SYS_CLOCK_TIME_GET:
        return clock_time_get(c);
    }
    model_violation(c, "system call %#llx", (unsigned long long)c->number);
}

static void resume(struct model_call *c, enum model_event why)
{
    uint64_t address = c->sleep->note[0], condvar = c->sleep->note[1];
    if (why == MODEL_WOKEN) /* by one who has given it the lock */
        return one_event(c, (int)c->sleep->note[2]);
    if (c->sleep->stage == ON_LOCK && why == MODEL_TIMEOUT) {
        unmanage(c, lock_of(c, address));
        return one_event(c, ETIMEDOUT);
    }
    if (why != MODEL_TIMEOUT) /* there are no signals, and no wake-up without a reason */
        return model_refuse(c);
    leave_condvar(c, condvar);
    take_back(c);
}

/* The vDSO's stubs are the contract: of a C function's registers they rely on none. */
MODEL(cloudabi) = {
    .name = "cloudabi",
    .sources = "NuxiNL/cloudabi-utils src/libemulator/futex.c; NuxiNL/cloudabi headers, vdsos/*.S",
    .traps = {[MODEL_X86_64] = {.accepted = true,
                                .number = 0,
                                .errors = MODEL_FLAG,
                                .poison = MODEL_R(0) | MODEL_R(1) | MODEL_R(2) | MODEL_R(6) |
                                          MODEL_R(7) | MODEL_R(8) | MODEL_R(9) | MODEL_R(10) |
                                          MODEL_R(11) | MODEL_FLAGS},
              [MODEL_AARCH64] = {.accepted = true,
                                 .number = 8,
                                 .errors = MODEL_FLAG,
                                 .poison = 0x3ffffu | MODEL_FLAGS}},
    .symbols = symbols,
    .state_size = sizeof(struct lock[MODEL_THREADS + 1]),
    .call = call,
    .resume = resume,
};
