/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Mutexes, read-write locks, once, and the locks inside the C library. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

#define CROWD  4
#define ROUNDS 20000

static pthread_mutex_t mutex;
static pthread_rwlock_t rwlock;
static int shared_count;

static void init_mutex(pthread_mutex_t *m, int type, int protocol, int robust, int pshared)
{
    pthread_mutexattr_t a;
    CHECK(pthread_mutexattr_init(&a) == 0);
    CHECK(pthread_mutexattr_settype(&a, type) == 0);
    CHECK(pthread_mutexattr_setprotocol(&a, protocol) == 0);
    CHECK(pthread_mutexattr_setrobust(&a, robust) == 0);
    CHECK(pthread_mutexattr_setpshared(&a, pshared) == 0);
    CHECK(pthread_mutex_init(m, &a) == 0);
    CHECK(pthread_mutexattr_destroy(&a) == 0);
}

static void init_plain(int type)
{
    init_mutex(&mutex, type, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE);
}

static void *lock_and_unlock(struct worker *w)
{
    ready(w);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    w->stage = 1;
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return NULL;
}

static void *expect_busy(struct worker *w)
{
    CHECK(pthread_mutex_trylock(&mutex) == EBUSY);
    return w;
}

static void *count_up(struct worker *w)
{
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(pthread_mutex_lock(&mutex) == 0);
        shared_count++;
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return w;
}

static void crowd(void *(*run)(struct worker *))
{
    struct worker w[CROWD];
    shared_count = 0;
    for (int i = 0; i < CROWD; i++)
        start(&w[i], run);
    for (int i = 0; i < CROWD; i++)
        join(&w[i]);
    CHECK(shared_count == CROWD * ROUNDS);
}

/* An unlock wakes the thread that sleeps, and none before it. */
static void woken_by_unlock(void)
{
    struct worker w;
    CHECK(pthread_mutex_lock(&mutex) == 0);
    start(&w, lock_and_unlock);
    asleep(&w);
    CHECK(w.stage == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    join(&w);
    CHECK(w.stage == 1);
}

static void mutex_normal(void)
{
    struct worker w;
    init_plain(PTHREAD_MUTEX_NORMAL);
    woken_by_unlock();
    CHECK(pthread_mutex_trylock(&mutex) == 0);
    start(&w, expect_busy);
    join(&w);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    crowd(count_up);
    CHECK(pthread_mutex_destroy(&mutex) == 0);
}

static void mutex_recursive(void)
{
    struct worker w;
    init_plain(PTHREAD_MUTEX_RECURSIVE);
    woken_by_unlock();
    for (int i = 0; i < 3; i++)
        CHECK(pthread_mutex_lock(&mutex) == 0);
    CHECK(pthread_mutex_trylock(&mutex) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    start(&w, expect_busy);
    join(&w);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == EPERM);
    crowd(count_up);
    CHECK(pthread_mutex_destroy(&mutex) == 0);
}

static void *unlock_of_another(struct worker *w)
{
    CHECK(pthread_mutex_unlock(&mutex) == EPERM);
    return w;
}

static void mutex_errorcheck(void)
{
    struct worker w;
    init_plain(PTHREAD_MUTEX_ERRORCHECK);
    woken_by_unlock();
    CHECK(pthread_mutex_lock(&mutex) == 0);
    CHECK(pthread_mutex_lock(&mutex) == EDEADLK);
    start(&w, unlock_of_another);
    join(&w);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == EPERM);
    crowd(count_up);
    CHECK(pthread_mutex_destroy(&mutex) == 0);
}

static void *timed_lock_fails(struct worker *w)
{
    struct timespec at = after(CLOCK_REALTIME, 0, SHORT_NS);
    CHECK(pthread_mutex_timedlock(&mutex, &at) == ETIMEDOUT);
    CHECK(past(CLOCK_REALTIME, &at));
    at.tv_sec = 1; /* long ago */
    CHECK(pthread_mutex_timedlock(&mutex, &at) == ETIMEDOUT);
    at.tv_nsec = 1000000000;
    CHECK(pthread_mutex_timedlock(&mutex, &at) == EINVAL);
    return w;
}

static struct timespec far_off;

static void *timed_lock_succeeds(struct worker *w)
{
    ready(w);
    CHECK(pthread_mutex_timedlock(&mutex, &far_off) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return w;
}

static void mutex_timed(void)
{
    struct worker w;
    init_plain(PTHREAD_MUTEX_NORMAL);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    start(&w, timed_lock_fails);
    join(&w);
    far_off = after(CLOCK_REALTIME, LONG_S, 0);
    for (int i = 0; i < 2; i++) {
        start(&w, timed_lock_succeeds);
        asleep(&w);
        CHECK(pthread_mutex_unlock(&mutex) == 0);
        join(&w);
        CHECK(pthread_mutex_lock(&mutex) == 0);
        far_off.tv_sec = INT64_MAX; /* beyond what any clock can tell */
    }
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_mutex_destroy(&mutex) == 0);
}

struct shared {
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    _Atomic int flag;
    int count;
};

static void mutex_pshared(void)
{
    struct shared *s = shared_page();
    init_mutex(&s->mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED,
               PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_lock(&s->mutex) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct timespec at = after(CLOCK_REALTIME, 0, SHORT_NS);
        CHECK(pthread_mutex_timedlock(&s->mutex, &at) == ETIMEDOUT);
        CHECK(past(CLOCK_REALTIME, &at));
        s->flag = 1;
        CHECK(pthread_mutex_lock(&s->mutex) == 0);
        CHECK(s->count == 1);
        CHECK(pthread_mutex_unlock(&s->mutex) == 0);
        _exit(0);
    }
    process_asleep(child, &s->flag);
    s->count = 1;
    CHECK(pthread_mutex_unlock(&s->mutex) == 0);
    reap(child);
}

static void *lock_and_die(struct worker *w)
{
    CHECK(pthread_mutex_lock(&mutex) == 0);
    until(&w->stage, 1);
    return w;
}

static void *inherit(struct worker *w)
{
    ready(w);
    CHECK(pthread_mutex_lock(&mutex) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&mutex) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return w;
}

static void mutex_robust(void)
{
    struct worker owner, heir;
    init_mutex(&mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST,
               PTHREAD_PROCESS_PRIVATE);
    start(&owner, lock_and_die);
    while (pthread_mutex_trylock(&mutex) == 0)
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    start(&heir, inherit);
    asleep(&heir);
    owner.stage = 1;
    join(&owner);
    join(&heir);
    crowd(count_up);
    CHECK(pthread_mutex_destroy(&mutex) == 0);
}

static void mutex_pi(void)
{
    init_mutex(&mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED,
               PTHREAD_PROCESS_PRIVATE);
    woken_by_unlock();
    crowd(count_up);
    CHECK(pthread_mutex_destroy(&mutex) == 0);
}

/* ---- read-write locks ------------------------------------------------------------------------ */

static _Atomic int readers, writers;

static void *read_lock(struct worker *w)
{
    ready(w);
    CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
    readers++;
    until(&readers, 2); /* with the other one, or for ever */
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    return w;
}

static void *write_lock(struct worker *w)
{
    ready(w);
    CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
    w->stage = 1;
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    return w;
}

static void rwlock_both(void)
{
    struct worker a, b, c;
    CHECK(pthread_rwlock_init(&rwlock, NULL) == 0);
    CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
    readers = 0;
    start(&a, read_lock);
    start(&b, read_lock);
    asleep(&a);
    asleep(&b);
    CHECK(readers == 0);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    join(&a);
    join(&b);

    CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
    CHECK(pthread_rwlock_tryrdlock(&rwlock) == 0);
    CHECK(pthread_rwlock_trywrlock(&rwlock) == EBUSY);
    start(&c, write_lock);
    asleep(&c);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    CHECK(c.stage == 0);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    join(&c);
    CHECK(c.stage == 1);
    CHECK(pthread_rwlock_destroy(&rwlock) == 0);
}

static void *timed_rw(struct worker *w)
{
    struct timespec at = after(CLOCK_REALTIME, 0, SHORT_NS);
    CHECK(pthread_rwlock_timedrdlock(&rwlock, &at) == ETIMEDOUT);
    CHECK(past(CLOCK_REALTIME, &at));
    at = after(CLOCK_REALTIME, 0, SHORT_NS);
    CHECK(pthread_rwlock_timedwrlock(&rwlock, &at) == ETIMEDOUT);
    CHECK(past(CLOCK_REALTIME, &at));
    at = after(CLOCK_REALTIME, LONG_S, 0);
    ready(w);
    CHECK(pthread_rwlock_timedwrlock(&rwlock, &at) == 0);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    CHECK(pthread_rwlock_timedrdlock(&rwlock, &at) == 0);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    return w;
}

static void rwlock_timed(void)
{
    struct worker w;
    CHECK(pthread_rwlock_init(&rwlock, NULL) == 0);
    CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
    start(&w, timed_rw);
    asleep(&w); /* perhaps in the last of its waits */
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    join(&w);
    CHECK(pthread_rwlock_destroy(&rwlock) == 0);
}

static void *mixed_rw(struct worker *w)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 4 == 0) {
            CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
            CHECK(writers++ == 0 && readers == 0);
            writers--;
        } else {
            CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
            readers++;
            CHECK(writers == 0);
            readers--;
        }
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    }
    CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
    shared_count += ROUNDS;
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    return w;
}

static void rwlock_crowd(void)
{
    readers = writers = 0;
    CHECK(pthread_rwlock_init(&rwlock, NULL) == 0);
    crowd(mixed_rw);
    CHECK(pthread_rwlock_destroy(&rwlock) == 0);
}

static void rwlock_pshared(void)
{
    struct shared *s = shared_page();
    pthread_rwlockattr_t a;
    CHECK(pthread_rwlockattr_init(&a) == 0);
    CHECK(pthread_rwlockattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_rwlock_init(&s->rwlock, &a) == 0);
    CHECK(pthread_rwlock_wrlock(&s->rwlock) == 0);
    pid_t child = fork();
    if (child == 0) {
        s->flag = 1;
        CHECK(pthread_rwlock_rdlock(&s->rwlock) == 0);
        CHECK(s->count == 1);
        _exit(0);
    }
    process_asleep(child, &s->flag);
    s->count = 1;
    CHECK(pthread_rwlock_unlock(&s->rwlock) == 0);
    reap(child);
}

/* ---- once ------------------------------------------------------------------------------------ */

static pthread_once_t once;
static _Atomic int once_ran, once_go;

static void once_slowly(void)
{
    once_ran++;
    until(&once_go, 1);
    shared_count = 7;
}

static void *call_once_only(struct worker *w)
{
    ready(w);
    CHECK(pthread_once(&once, once_slowly) == 0);
    CHECK(shared_count == 7);
    return w;
}

static void once_crowd(void)
{
    struct worker w[CROWD];
    once = (pthread_once_t)PTHREAD_ONCE_INIT;
    once_ran = once_go = shared_count = 0;
    start(&w[0], call_once_only);
    until(&once_ran, 1);
    for (int i = 1; i < CROWD; i++)
        start(&w[i], call_once_only);
    for (int i = 1; i < CROWD; i++)
        asleep(&w[i]);
    once_go = 1;
    for (int i = 0; i < CROWD; i++)
        join(&w[i]);
    CHECK(once_ran == 1);
}

static void once_cancelled_first(void)
{
    if (once_ran++ == 0)
        for (;;) {
            pthread_testcancel();
            sched_yield();
        }
    shared_count = 7;
}

static void *call_once_cancelled(struct worker *w)
{
    ready(w);
    CHECK(pthread_once(&once, once_cancelled_first) == 0);
    CHECK(shared_count == 7);
    return w;
}

/* Cancelled inside: as if it had not been called; one that slept for it runs the function. */
static void once_cancelled(void)
{
    struct worker first, second;
    once = (pthread_once_t)PTHREAD_ONCE_INIT;
    once_ran = shared_count = 0;
    start(&first, call_once_cancelled);
    until(&once_ran, 1);
    start(&second, call_once_cancelled);
    asleep(&second);
    CHECK(pthread_cancel(first.thread) == 0);
    CHECK(join(&first) == PTHREAD_CANCELED);
    CHECK(join(&second) == &second);
    CHECK(once_ran == 2);
}

/* ---- inside the C library -------------------------------------------------------------------- */

static FILE *stream;

static void *lock_stream(struct worker *w)
{
    ready(w);
    flockfile(stream);
    w->stage = 1;
    funlockfile(stream);
    return w;
}

static void *print_lines(struct worker *w)
{
    for (int i = 0; i < ROUNDS / 10; i++)
        CHECK(fprintf(stream, "0123456789abcde\n") == 16);
    return w;
}

static void stdio_lock(void)
{
    struct worker w[CROWD];
    stream = tmpfile();
    CHECK(stream);
    flockfile(stream);
    start(&w[0], lock_stream);
    asleep(&w[0]);
    CHECK(w[0].stage == 0);
    funlockfile(stream);
    join(&w[0]);
    for (int i = 0; i < CROWD; i++)
        start(&w[i], print_lines);
    for (int i = 0; i < CROWD; i++)
        join(&w[i]);
    rewind(stream);
    char line[32];
    int lines = 0;
    while (fgets(line, sizeof line, stream)) {
        CHECK(line[15] == '\n' && line[0] == '0');
        lines++;
    }
    CHECK(lines == CROWD * (ROUNDS / 10));
    fclose(stream);
}

static void *allocate(struct worker *w)
{
    unsigned char *p[16] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        unsigned char **at = &p[i % 16];
        CHECK(!*at || **at == (unsigned char)(i - 16));
        free(*at);
        *at = malloc((size_t)(i * 37 % 3000) + 1);
        CHECK(*at);
        **at = (unsigned char)i;
    }
    for (int i = 0; i < 16; i++)
        free(p[i]);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    shared_count += ROUNDS;
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return w;
}

static void malloc_lock(void)
{
    init_plain(PTHREAD_MUTEX_NORMAL);
    crowd(allocate);
    CHECK(pthread_mutex_destroy(&mutex) == 0);
}

const struct check lock_checks[] = {
    {"mutex normal", mutex_normal},
    {"mutex recursive", mutex_recursive},
    {"mutex errorcheck", mutex_errorcheck},
    {"mutex timed", mutex_timed},
    {"mutex pshared", mutex_pshared},
    {"mutex robust", mutex_robust},
    {"mutex priority inheritance", mutex_pi},
    {"rwlock readers together, writer alone", rwlock_both},
    {"rwlock timed", rwlock_timed},
    {"rwlock crowd", rwlock_crowd},
    {"rwlock pshared", rwlock_pshared},
    {"once crowd", once_crowd},
    {"once cancelled inside", once_cancelled},
    {"stdio lock", stdio_lock},
    {"malloc lock", malloc_lock},
    {0},
};
