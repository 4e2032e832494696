/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * CloudABI's locks: cloudabi.txt of NuxiNL/cloudabi, src/libemulator/futex.c of
 * NuxiNL/cloudabi-utils. User space takes part in a lock's word, so the kernel, too, changes it by
 * compare-exchange; one mutex guards the queues. A poll for a lock ends with the lock or at its
 * time: nothing else ends it, so the only whim is a clock that is early.
 */
#define _GNU_SOURCE

#include "kernel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#define ENOSYS 52

#define MANAGED  0x80000000u /* threads wait in the kernel */
#define WRLOCKED 0x40000000u /* with the owner's id beside it */
#define PRIVATE  4
#define CLOCK    1
#define WRLOCK   6

const enum convention system_convention = LIKE_BSD;

typedef _Atomic uint32_t word;

struct subscription {
    uint64_t userdata;
    uint16_t unused;
    uint8_t type;
    union {
        struct {
            uint64_t identifier;
            uint32_t clock;
            uint64_t timeout, precision;
            uint16_t flags;
        } clock;
        struct {
            word *lock;
            uint8_t scope;
        } lock;
    };
};

struct event {
    uint64_t userdata;
    uint16_t error;
    uint8_t type;
    uint64_t rest[2];
};

struct sleeper {
    word *lock;
    uint32_t id;
    word is_owner;
    struct sleeper *next;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct sleeper *sleepers; /* the oldest first */

/* The place of the first one from here on that waits for the lock, or else of the end. */
static struct sleeper **find(struct sleeper **from, const word *lock)
{
    while (*from != NULL && (*from)->lock != lock)
        from = &(*from)->next;
    return from;
}

static bool is_waited_for(const word *lock)
{
    return *find(&sleepers, lock) != NULL;
}

static uint8_t poll_lock(word *lock, uint64_t deadline)
{
    struct sleeper s = {.lock = lock, .id = (uint32_t)gettid()};
    pthread_mutex_lock(&mutex);
    uint32_t seen = atomic_load(lock);
    do {
        KERNEL_MUST(seen == 0 || (seen & WRLOCKED) != 0, seen); /* no readers here */
        KERNEL_MUST((seen & ~MANAGED) != (WRLOCKED | s.id), seen);
    } while (
        !atomic_compare_exchange_weak(lock, &seen, seen == 0 ? WRLOCKED | s.id : seen | MANAGED));
    if (seen == 0)
        atomic_store(&s.is_owner, 1);
    else
        *find(&sleepers, NULL) = &s;
    pthread_mutex_unlock(&mutex);

    uint8_t type = WRLOCK;
    while (atomic_load(&s.is_owner) == 0 && type == WRLOCK) {
        if (kernel_sleep((const void *)&s.is_owner, 0, deadline) != EXPIRED)
            continue;
        pthread_mutex_lock(&mutex);
        if (atomic_load(&s.is_owner) == 0) {
            type = CLOCK;
            struct sleeper **link = &sleepers;
            while (*link != &s)
                link = &(*link)->next;
            *link = s.next;
            if (!is_waited_for(lock))
                atomic_fetch_and(lock, ~MANAGED);
        }
        pthread_mutex_unlock(&mutex);
    }
    return type;
}

/* To the oldest sleeper, which may be gone as soon as it owns the lock. */
static void unlock(word *lock)
{
    pthread_mutex_lock(&mutex);
    KERNEL_MUST((atomic_load(lock) & ~MANAGED) == (WRLOCKED | (uint32_t)gettid()), *lock);
    struct sleeper **link = find(&sleepers, lock), *first = *link;
    if (first == NULL) {
        atomic_store(lock, 0);
    } else {
        *link = first->next;
        atomic_store(lock, WRLOCKED | first->id | (is_waited_for(lock) ? MANAGED : 0));
        atomic_store(&first->is_owner, 1);
        kernel_wake((const void *)&first->is_owner, 1);
    }
    pthread_mutex_unlock(&mutex);
}

/* One event, for a lock or for the clock beside it. */
static int poll_call(const struct subscription *in, struct event *out, uint64_t n)
{
    uint64_t deadline = KERNEL_FOREVER;
    KERNEL_MUST(in[0].type == WRLOCK, in[0].type);
    KERNEL_MUST(in[0].lock.scope == PRIVATE, in[0].lock.scope);
    if (n == 2) {
        KERNEL_MUST(in[1].type == CLOCK, in[1].type);
        KERNEL_MUST(in[1].clock.clock == 1 /* monotonic */, in[1].clock.clock);
        KERNEL_MUST(in[1].clock.flags == 1 /* absolute */, in[1].clock.flags);
        deadline = in[1].clock.timeout;
    } else {
        KERNEL_MUST(n == 1, n);
    }
    if (kernel_refuses)
        return ENOSYS;
    bool early = n == 2 && kernel_whim();
    out->type = early ? CLOCK : poll_lock(in[0].lock.lock, deadline);
    out->userdata = in[out->type == CLOCK].userdata;
    out->error = 0;
    return 0;
}

void system_call(struct call *c)
{
    switch (c->number) {
    case 1: /* clock_time_get */
        KERNEL_MUST(c->a[0] == 1 /* monotonic */, c->a[0]);
        c->result = kernel_now();
        return;
    case 31: /* lock_unlock */
        KERNEL_MUST((uint8_t)c->a[1] == PRIVATE, c->a[1]);
        unlock((word *)c->a[0]);
        return;
    case 37: /* poll */
        c->error = poll_call((const void *)c->a[0], (struct event *)c->a[1], c->a[2]);
        c->result = 1;
        return;
    default:
        kernel_panic("a call of CloudABI", c->number);
    }
}
