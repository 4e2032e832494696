/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Condition variables, semaphores, barriers, join. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"

#define CROWD  4
#define ROUNDS 5000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;
static int turn, woken;
static sem_t sem;

static void init_cond(pthread_cond_t *c, clockid_t clock, int pshared)
{
    pthread_condattr_t a;
    CHECK(pthread_condattr_init(&a) == 0);
    CHECK(pthread_condattr_setclock(&a, clock) == 0);
    CHECK(pthread_condattr_setpshared(&a, pshared) == 0);
    CHECK(pthread_cond_init(c, &a) == 0);
    CHECK(pthread_condattr_destroy(&a) == 0);
}

static void lock(void)
{
    CHECK(pthread_mutex_lock(&mutex) == 0);
}

static void unlock(void)
{
    CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static void *wait_for_turn(struct worker *w)
{
    lock();
    ready(w);
    while (turn == 0)
        CHECK(pthread_cond_wait(&cond, &mutex) == 0);
    turn--;
    woken++;
    unlock();
    return w;
}

/* A signal for each of many sleepers wakes them all, one turn each. */
static void cond_signal(void)
{
    struct worker w[CROWD];
    init_cond(&cond, CLOCK_REALTIME, PTHREAD_PROCESS_PRIVATE);
    turn = woken = 0;
    for (int i = 0; i < CROWD; i++)
        start(&w[i], wait_for_turn);
    for (int i = 0; i < CROWD; i++)
        asleep(&w[i]);
    for (int i = 0; i < CROWD; i++) {
        lock();
        CHECK(woken <= i);
        turn++;
        CHECK(pthread_cond_signal(&cond) == 0);
        unlock();
    }
    for (int i = 0; i < CROWD; i++)
        join(&w[i]);
    CHECK(woken == CROWD && turn == 0);
    CHECK(pthread_cond_destroy(&cond) == 0);
}

static void cond_broadcast(void)
{
    struct worker w[CROWD];
    init_cond(&cond, CLOCK_REALTIME, PTHREAD_PROCESS_PRIVATE);
    for (int round = 0; round < 20; round++) {
        turn = woken = 0;
        for (int i = 0; i < CROWD; i++)
            start(&w[i], wait_for_turn);
        for (int i = 0; i < CROWD; i++)
            asleep(&w[i]);
        lock();
        CHECK(woken == 0);
        turn = CROWD;
        CHECK(pthread_cond_broadcast(&cond) == 0);
        if (round % 2) /* also without the mutex held */
            unlock();
        CHECK(pthread_cond_broadcast(&cond) == 0);
        if (round % 2 == 0)
            unlock();
        for (int i = 0; i < CROWD; i++)
            join(&w[i]);
        CHECK(woken == CROWD && turn == 0);
    }
    CHECK(pthread_cond_destroy(&cond) == 0);
}

static clockid_t timed_clock;

static void *timed_turn(struct worker *w)
{
    struct timespec at = after(timed_clock, LONG_S, 0);
    lock();
    ready(w);
    while (turn == 0)
        CHECK(pthread_cond_timedwait(&cond, &mutex, &at) == 0);
    turn--;
    unlock();
    return w;
}

static void timed_cond(clockid_t clock)
{
    struct worker w;
    pthread_mutex_t m;
    pthread_mutexattr_t a;
    CHECK(pthread_mutexattr_init(&a) == 0);
    CHECK(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK) == 0);
    CHECK(pthread_mutex_init(&m, &a) == 0);
    init_cond(&cond, clock, PTHREAD_PROCESS_PRIVATE);

    CHECK(pthread_mutex_lock(&m) == 0);
    struct timespec at = after(clock, 0, SHORT_NS);
    int r;
    do
        r = pthread_cond_timedwait(&cond, &m, &at);
    while (r == 0);
    CHECK(r == ETIMEDOUT && past(clock, &at));
    CHECK(pthread_mutex_lock(&m) == EDEADLK); /* it is held again */
    at = after(clock, -10, 0);
    CHECK(pthread_cond_timedwait(&cond, &m, &at) == ETIMEDOUT);
    at.tv_nsec = 1000000000;
    CHECK(pthread_cond_timedwait(&cond, &m, &at) == EINVAL);
    CHECK(pthread_mutex_unlock(&m) == 0);

    turn = 0;
    timed_clock = clock;
    start(&w, timed_turn);
    asleep(&w);
    lock();
    turn = 1;
    CHECK(pthread_cond_signal(&cond) == 0);
    unlock();
    join(&w);
    CHECK(pthread_cond_destroy(&cond) == 0);
    CHECK(pthread_mutex_destroy(&m) == 0);
}

static void cond_timed_realtime(void)
{
    timed_cond(CLOCK_REALTIME);
}

static void cond_timed_monotonic(void)
{
    timed_cond(CLOCK_MONOTONIC);
}

/* A bounded queue of one, many on both sides: what went in has come out. */
static int slot;
static long sum;
static pthread_cond_t full, empty;

static void *produce(struct worker *w)
{
    for (int i = 1; i <= ROUNDS; i++) {
        lock();
        while (slot != 0)
            CHECK(pthread_cond_wait(&empty, &mutex) == 0);
        slot = i;
        CHECK(pthread_cond_signal(&full) == 0);
        unlock();
    }
    return w;
}

static void *consume(struct worker *w)
{
    for (int i = 0; i < ROUNDS; i++) {
        lock();
        while (slot == 0)
            CHECK(pthread_cond_wait(&full, &mutex) == 0);
        sum += slot;
        slot = 0;
        CHECK(pthread_cond_signal(&empty) == 0);
        unlock();
    }
    return w;
}

static void cond_queue(void)
{
    struct worker p[2], c[2];
    init_cond(&full, CLOCK_REALTIME, PTHREAD_PROCESS_PRIVATE);
    init_cond(&empty, CLOCK_MONOTONIC, PTHREAD_PROCESS_PRIVATE);
    slot = 0;
    sum = 0;
    for (int i = 0; i < 2; i++) {
        start(&p[i], produce);
        start(&c[i], consume);
    }
    for (int i = 0; i < 2; i++) {
        join(&p[i]);
        join(&c[i]);
    }
    CHECK(slot == 0 && sum == 2L * ROUNDS * (ROUNDS + 1) / 2);
    CHECK(pthread_cond_destroy(&full) == 0);
    CHECK(pthread_cond_destroy(&empty) == 0);
}

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    sem_t sem, back;
    pthread_barrier_t barrier;
    _Atomic int flag;
    int turn;
};

static void cond_pshared(void)
{
    struct shared *s = shared_page();
    pthread_mutexattr_t a;
    CHECK(pthread_mutexattr_init(&a) == 0);
    CHECK(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_mutex_init(&s->mutex, &a) == 0);
    init_cond(&s->cond, CLOCK_MONOTONIC, PTHREAD_PROCESS_SHARED);
    pid_t child = fork();
    if (child == 0) {
        CHECK(pthread_mutex_lock(&s->mutex) == 0);
        struct timespec at = after(CLOCK_MONOTONIC, 0, SHORT_NS);
        int r;
        do
            r = pthread_cond_timedwait(&s->cond, &s->mutex, &at);
        while (r == 0);
        CHECK(r == ETIMEDOUT && past(CLOCK_MONOTONIC, &at));
        s->flag = 1;
        while (s->turn == 0)
            CHECK(pthread_cond_wait(&s->cond, &s->mutex) == 0);
        CHECK(pthread_mutex_unlock(&s->mutex) == 0);
        _exit(0);
    }
    process_asleep(child, &s->flag);
    CHECK(pthread_mutex_lock(&s->mutex) == 0);
    s->turn = 1;
    CHECK(pthread_cond_signal(&s->cond) == 0);
    CHECK(pthread_mutex_unlock(&s->mutex) == 0);
    reap(child);
}

/* ---- semaphores ------------------------------------------------------------------------------ */

static void *sem_waiter(struct worker *w)
{
    ready(w);
    CHECK(sem_wait(&sem) == 0);
    w->stage = 1;
    return w;
}

static void sem_basic(void)
{
    struct worker w;
    int value;
    CHECK(sem_init(&sem, 0, 2) == 0);
    CHECK(sem_wait(&sem) == 0 && sem_trywait(&sem) == 0);
    CHECK(sem_trywait(&sem) == -1 && errno == EAGAIN);
    start(&w, sem_waiter);
    asleep(&w);
    CHECK(w.stage == 0);
    CHECK(sem_post(&sem) == 0);
    join(&w);
    CHECK(sem_getvalue(&sem, &value) == 0 && value == 0);
    CHECK(sem_destroy(&sem) == 0);
    CHECK(sem_init(&sem, 0, SEM_VALUE_MAX) == 0);
    CHECK(sem_post(&sem) == -1 && errno == EOVERFLOW);
    CHECK(sem_destroy(&sem) == 0);
}

static void *sem_timed_waiter(struct worker *w)
{
    struct timespec at = after(CLOCK_REALTIME, LONG_S, 0);
    ready(w);
    CHECK(sem_timedwait(&sem, &at) == 0);
    return w;
}

static void sem_timed(void)
{
    struct worker w;
    CHECK(sem_init(&sem, 0, 0) == 0);
    struct timespec at = after(CLOCK_REALTIME, 0, SHORT_NS);
    CHECK(sem_timedwait(&sem, &at) == -1 && errno == ETIMEDOUT);
    CHECK(past(CLOCK_REALTIME, &at));
    CHECK(sem_timedwait(&sem, &at) == -1 && errno == ETIMEDOUT);
    CHECK(sem_post(&sem) == 0 && sem_timedwait(&sem, &at) == 0); /* a token beats the deadline */
    at.tv_nsec = -1;
    CHECK(sem_timedwait(&sem, &at) == -1 && errno == EINVAL);
    start(&w, sem_timed_waiter);
    asleep(&w);
    CHECK(sem_post(&sem) == 0);
    join(&w);
    CHECK(sem_destroy(&sem) == 0);
}

static _Atomic int handled;

static void note(int signal)
{
    (void)signal;
    handled++;
}

static void post(int signal)
{
    (void)signal;
    handled++;
    CHECK(sem_post(&sem) == 0);
}

static void handle(int signal, void (*handler)(int), int flags)
{
    struct sigaction a = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&a.sa_mask);
    handled = 0;
    CHECK(sigaction(signal, &a, NULL) == 0);
}

static void *sem_interrupted(struct worker *w)
{
    for (int i = 1; i <= 2; i++) {
        struct timespec at = after(CLOCK_REALTIME, LONG_S, 0);
        ready(w);
        CHECK((i == 1 ? sem_wait(&sem) : sem_timedwait(&sem, &at)) == -1 && errno == EINTR);
        w->ready = 0;
        w->stage = i;
    }
    return w;
}

static void sem_eintr(void)
{
    struct worker w;
    CHECK(sem_init(&sem, 0, 0) == 0);
    handle(SIGUSR1, note, 0);
    start(&w, sem_interrupted);
    for (int i = 1; i <= 2; i++) {
        asleep(&w);
        CHECK(pthread_kill(w.thread, SIGUSR1) == 0);
        until(&w.stage, i);
    }
    join(&w);
    CHECK(handled == 2);
    CHECK(sem_destroy(&sem) == 0);
}

/* With SA_RESTART the wait goes on. */
static void sem_restarted(void)
{
    struct worker w;
    CHECK(sem_init(&sem, 0, 0) == 0);
    handle(SIGUSR2, note, SA_RESTART);
    start(&w, sem_waiter);
    for (int i = 1; i <= 3; i++) {
        asleep(&w);
        CHECK(pthread_kill(w.thread, SIGUSR2) == 0);
        until(&handled, i);
    }
    asleep(&w);
    CHECK(w.stage == 0);
    CHECK(sem_post(&sem) == 0);
    join(&w);
    CHECK(sem_destroy(&sem) == 0);
}

/* A handler posts: for another thread, and for the very wait that it interrupts. */
static void sem_post_in_handler(void)
{
    struct worker w;
    CHECK(sem_init(&sem, 0, 0) == 0);
    handle(SIGUSR2, post, SA_RESTART);
    start(&w, sem_waiter);
    asleep(&w);
    CHECK(pthread_kill(pthread_self(), SIGUSR2) == 0);
    join(&w);
    start(&w, sem_waiter);
    asleep(&w);
    CHECK(pthread_kill(w.thread, SIGUSR2) == 0);
    join(&w);
    CHECK(handled == 2);
    CHECK(sem_destroy(&sem) == 0);
}

static void *sem_producer(struct worker *w)
{
    for (int i = 0; i < ROUNDS; i++)
        CHECK(sem_post(&sem) == 0);
    return w;
}

static void *sem_consumer(struct worker *w)
{
    for (int i = 0; i < ROUNDS; i++)
        CHECK(sem_wait(&sem) == 0);
    return w;
}

static void sem_crowd(void)
{
    struct worker p[CROWD], c[CROWD];
    int value;
    CHECK(sem_init(&sem, 0, 0) == 0);
    for (int i = 0; i < CROWD; i++) {
        start(&c[i], sem_consumer);
        start(&p[i], sem_producer);
    }
    for (int i = 0; i < CROWD; i++) {
        join(&p[i]);
        join(&c[i]);
    }
    CHECK(sem_getvalue(&sem, &value) == 0 && value == 0);
    CHECK(sem_destroy(&sem) == 0);
}

static void sem_pshared(void)
{
    struct shared *s = shared_page();
    CHECK(sem_init(&s->sem, 1, 0) == 0);
    CHECK(sem_init(&s->back, 1, 0) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct timespec at = after(CLOCK_REALTIME, 0, SHORT_NS);
        CHECK(sem_timedwait(&s->sem, &at) == -1 && errno == ETIMEDOUT);
        s->flag = 1;
        for (int i = 0; i < 100; i++)
            CHECK(sem_wait(&s->sem) == 0 && sem_post(&s->back) == 0);
        _exit(0);
    }
    process_asleep(child, &s->flag);
    for (int i = 0; i < 100; i++)
        CHECK(sem_post(&s->sem) == 0 && sem_wait(&s->back) == 0);
    reap(child);
}

/* ---- barriers -------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static _Atomic int arrived, serial;

static void *through_barrier(struct worker *w)
{
    for (int i = 1; i <= ROUNDS; i++) {
        arrived++;
        int r = pthread_barrier_wait(&barrier);
        CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
        CHECK(arrived >= i * CROWD); /* all of this round were there */
        serial += r == PTHREAD_BARRIER_SERIAL_THREAD;
    }
    return w;
}

static void barrier_rounds(void)
{
    struct worker w[CROWD];
    arrived = serial = 0;
    CHECK(pthread_barrier_init(&barrier, NULL, CROWD) == 0);
    for (int i = 0; i < CROWD; i++)
        start(&w[i], through_barrier);
    for (int i = 0; i < CROWD; i++)
        join(&w[i]);
    CHECK(serial == ROUNDS); /* one each round */
    CHECK(pthread_barrier_destroy(&barrier) == 0);
}

static void *once_through_barrier(struct worker *w)
{
    ready(w);
    CHECK(pthread_barrier_wait(&barrier) != EINVAL);
    return w;
}

/* The last one wakes those that sleep, and the barrier may be destroyed as soon as it returns. */
static void barrier_asleep(void)
{
    for (int round = 0; round < 20; round++) {
        struct worker w[2];
        CHECK(pthread_barrier_init(&barrier, NULL, 3) == 0);
        for (int i = 0; i < 2; i++)
            start(&w[i], once_through_barrier);
        for (int i = 0; i < 2; i++)
            asleep(&w[i]);
        pthread_barrier_wait(&barrier);
        CHECK(pthread_barrier_destroy(&barrier) == 0);
        for (int i = 0; i < 2; i++)
            join(&w[i]);
    }
}

static void barrier_pshared(void)
{
    struct shared *s = shared_page();
    pthread_barrierattr_t a;
    CHECK(pthread_barrierattr_init(&a) == 0);
    CHECK(pthread_barrierattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_barrier_init(&s->barrier, &a, 2) == 0);
    pid_t child = fork();
    for (int i = 0; i < 200; i++) {
        if (child == 0)
            s->flag = i;
        pthread_barrier_wait(&s->barrier);
        if (child != 0)
            CHECK(s->flag == i);
        pthread_barrier_wait(&s->barrier);
    }
    if (child == 0)
        _exit(0);
    reap(child);
}

/* ---- join ------------------------------------------------------------------------------------ */

static void *end_when_told(struct worker *w)
{
    until(&w->stage, 1);
    return w;
}

static struct worker target;

static void *join_other(struct worker *w)
{
    ready(w);
    CHECK(join(&target) == &target);
    return w;
}

/* A thread that sleeps in pthread_join is woken by the other's end. */
static void join_asleep(void)
{
    struct worker joiner;
    start(&target, end_when_told);
    start(&joiner, join_other);
    asleep(&joiner);
    target.stage = 1;
    CHECK(join(&joiner) == &joiner);
}

static void join_timed(void)
{
    struct worker w;
    void *result;
    start(&w, end_when_told);
    CHECK(pthread_tryjoin_np(w.thread, &result) == EBUSY);
    struct timespec at = after(CLOCK_REALTIME, 0, SHORT_NS);
    CHECK(pthread_timedjoin_np(w.thread, &result, &at) == ETIMEDOUT);
    CHECK(past(CLOCK_REALTIME, &at));
    w.stage = 1;
    at = after(CLOCK_REALTIME, LONG_S, 0);
    CHECK(pthread_timedjoin_np(w.thread, &result, &at) == 0 && result == &w);
}

static void *nothing(struct worker *w)
{
    return w;
}

static void *start_and_join(struct worker *w)
{
    for (int i = 0; i < 200; i++) {
        struct worker child;
        start(&child, nothing);
        CHECK(join(&child) == &child);
    }
    return w;
}

/* Ends of threads in many threads at a time: the list's lock, which the kernel's own wake releases.
 */
static void join_crowd(void)
{
    struct worker w[CROWD];
    for (int i = 0; i < CROWD; i++)
        start(&w[i], start_and_join);
    for (int i = 0; i < CROWD; i++)
        CHECK(join(&w[i]) == &w[i]);
}

static void *detached(struct worker *w)
{
    (void)w;
    CHECK(sem_post(&sem) == 0);
    return NULL;
}

static void join_not_detached(void)
{
    static struct worker w[CROWD];
    pthread_attr_t a;
    CHECK(sem_init(&sem, 0, 0) == 0);
    CHECK(pthread_attr_init(&a) == 0);
    CHECK(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED) == 0);
    for (int i = 0; i < CROWD; i++) {
        start(&w[i], detached);
        CHECK(pthread_detach(w[i].thread) == 0);
        pthread_t other;
        CHECK(pthread_create(&other, &a, (void *(*)(void *))detached, NULL) == 0);
    }
    for (int i = 0; i < 2 * CROWD; i++)
        CHECK(sem_wait(&sem) == 0);
}

const struct check wait_checks[] = {
    {"cond signal", cond_signal},
    {"cond broadcast", cond_broadcast},
    {"cond timed, CLOCK_REALTIME", cond_timed_realtime},
    {"cond timed, CLOCK_MONOTONIC", cond_timed_monotonic},
    {"cond queue", cond_queue},
    {"cond pshared", cond_pshared},
    {"sem wait and post", sem_basic},
    {"sem timed", sem_timed},
    {"sem EINTR", sem_eintr},
    {"sem SA_RESTART", sem_restarted},
    {"sem post in a handler", sem_post_in_handler},
    {"sem crowd", sem_crowd},
    {"sem pshared", sem_pshared},
    {"barrier rounds", barrier_rounds},
    {"barrier asleep", barrier_asleep},
    {"barrier pshared", barrier_pshared},
    {"join asleep", join_asleep},
    {"join timed", join_timed},
    {"join crowd", join_crowd},
    {"join not: detached", join_not_detached},
    {0},
};
