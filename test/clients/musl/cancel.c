/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Cancellation. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static pthread_mutex_t mutex;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static int turn;
static _Atomic int cleaned;

static void clean(void *expected)
{
    CHECK(cleaned == *(int *)expected);
    cleaned++;
}

static int numbers[] = {0, 1, 2};

/* Handlers run last pushed first, then destructors of thread-specific data. */
static void *deferred(struct worker *w)
{
    pthread_key_t key;
    CHECK(pthread_key_create(&key, clean) == 0);
    CHECK(pthread_setspecific(key, &numbers[2]) == 0);
    pthread_cleanup_push(clean, &numbers[1]);
    pthread_cleanup_push(clean, &numbers[0]);
    int old;
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old) == 0 &&
          old == PTHREAD_CANCEL_ENABLE);
    w->stage = 1;
    until(&w->stage, 2);
    pthread_testcancel(); /* disabled */
    CHECK(sem_wait(&sem) == 0);
    w->stage = 3;
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL) == 0);
    pthread_testcancel();
    w->stage = 4;
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return w;
}

static void cancel_deferred(void)
{
    struct worker w;
    cleaned = 0;
    CHECK(sem_init(&sem, 0, 1) == 0);
    start(&w, deferred);
    until(&w.stage, 1);
    CHECK(pthread_cancel(w.thread) == 0);
    w.stage = 2;
    CHECK(join(&w) == PTHREAD_CANCELED);
    CHECK(w.stage == 3 && cleaned == 3);
    CHECK(sem_destroy(&sem) == 0);
}

static void *spin(struct worker *w)
{
    CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL) == 0);
    w->stage = 1;
    for (;;)
        ;
    return w;
}

static void cancel_async(void)
{
    struct worker w;
    start(&w, spin);
    until(&w.stage, 1);
    CHECK(pthread_cancel(w.thread) == 0);
    CHECK(join(&w) == PTHREAD_CANCELED);
}

#ifndef __GLIBC__ /* in which that is undefined, as in POSIX: it ends inside */
static void *lock_asynchronously(struct worker *w)
{
    CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL) == 0);
    ready(w);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    w->stage = 2;
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    pthread_testcancel();
    return w;
}

static void cancel_async_lock(void)
{
    struct worker w;
    CHECK(pthread_mutex_init(&mutex, NULL) == 0);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    start(&w, lock_asynchronously);
    asleep(&w);
    CHECK(pthread_cancel(w.thread) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(join(&w) == PTHREAD_CANCELED);
    CHECK(w.stage == 2); /* it had the mutex */
    CHECK(pthread_mutex_destroy(&mutex) == 0);
}
#endif

/* The mutex is held again when the handlers run: only its owner may unlock it. */
static void unlock_held(void *m)
{
    CHECK(pthread_mutex_lock(m) == EDEADLK);
    CHECK(pthread_mutex_unlock(m) == 0);
    cleaned++;
}

static bool timed;

static void *wait_for_turn(struct worker *w)
{
    struct timespec at = after(CLOCK_REALTIME, LONG_S, 0);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    pthread_cleanup_push(unlock_held, &mutex);
    ready(w);
    while (turn == 0)
        CHECK((timed ? pthread_cond_timedwait(&cond, &mutex, &at)
                     : pthread_cond_wait(&cond, &mutex)) == 0);
    turn--;
    pthread_cleanup_pop(1);
    return w;
}

static void cancel_in_cond(bool with_time)
{
    struct worker w;
    pthread_mutexattr_t a;
    CHECK(pthread_mutexattr_init(&a) == 0);
    CHECK(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK) == 0);
    CHECK(pthread_mutex_init(&mutex, &a) == 0);
    timed = with_time;
    turn = cleaned = 0;
    start(&w, wait_for_turn);
    asleep(&w);
    CHECK(pthread_mutex_lock(&mutex) == 0); /* it cannot return before the unlock */
    CHECK(pthread_cancel(w.thread) == 0);
    CHECK(cleaned == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(join(&w) == PTHREAD_CANCELED);
    CHECK(cleaned == 1);
    CHECK(pthread_mutex_destroy(&mutex) == 0);
}

static void cancel_cond_wait(void)
{
    cancel_in_cond(false);
}

static void cancel_cond_timedwait(void)
{
    cancel_in_cond(true);
}

/* A signal that comes with the cancellation is for the thread that is left, or was taken. */
static void cancel_cond_signal(void)
{
    timed = false;
    for (int i = 0; i < 300; i++) {
        struct worker a, b;
        turn = 0;
        pthread_mutexattr_t attribute;
        CHECK(pthread_mutexattr_init(&attribute) == 0);
        CHECK(pthread_mutexattr_settype(&attribute, PTHREAD_MUTEX_ERRORCHECK) == 0);
        CHECK(pthread_mutex_init(&mutex, &attribute) == 0);
        start(&a, wait_for_turn);
        asleep(&a);
        start(&b, wait_for_turn);
        asleep(&b);
        CHECK(pthread_mutex_lock(&mutex) == 0);
        turn = 1;
        if (i % 2)
            CHECK(pthread_cancel(a.thread) == 0);
        CHECK(pthread_cond_signal(&cond) == 0);
        if (i % 2 == 0)
            CHECK(pthread_cancel(a.thread) == 0);
        CHECK(pthread_mutex_unlock(&mutex) == 0);
        void *first = join(&a);
        CHECK(first == &a || first == PTHREAD_CANCELED);
        if (first == &a) { /* it took the turn: one for the other */
            CHECK(pthread_mutex_lock(&mutex) == 0);
            turn = 1;
            CHECK(pthread_cond_signal(&cond) == 0);
            CHECK(pthread_mutex_unlock(&mutex) == 0);
        }
        CHECK(join(&b) == &b && turn == 0);
        CHECK(pthread_mutex_destroy(&mutex) == 0);
    }
}

static void *sem_waiter(struct worker *w)
{
    struct timespec at = after(CLOCK_REALTIME, LONG_S, 0);
    ready(w);
    CHECK((timed ? sem_timedwait(&sem, &at) : sem_wait(&sem)) == 0);
    w->stage = 1;
    return w;
}

static void cancel_in_sem(bool with_time)
{
    struct worker w;
    timed = with_time;
    CHECK(sem_init(&sem, 0, 0) == 0);
    start(&w, sem_waiter);
    asleep(&w);
    CHECK(pthread_cancel(w.thread) == 0);
    CHECK(join(&w) == PTHREAD_CANCELED);
    start(&w, sem_waiter); /* the semaphore is as before */
    asleep(&w);
    CHECK(sem_post(&sem) == 0);
    CHECK(join(&w) == &w);
    CHECK(sem_destroy(&sem) == 0);
}

static void cancel_sem_wait(void)
{
    cancel_in_sem(false);
}

static void cancel_sem_timedwait(void)
{
    cancel_in_sem(true);
}

static void *sem_disabled(struct worker *w)
{
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL) == 0);
    ready(w);
    CHECK(sem_wait(&sem) == 0);
    w->stage = 1;
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL) == 0);
    sem_wait(&sem); /* pending: does not wait */
    return NULL;
}

static void cancel_disabled(void)
{
    struct worker w;
    CHECK(sem_init(&sem, 0, 0) == 0);
    start(&w, sem_disabled);
    asleep(&w);
    CHECK(pthread_cancel(w.thread) == 0);
    asleep(&w);
    CHECK(w.stage == 0);
    CHECK(sem_post(&sem) == 0);
    CHECK(join(&w) == PTHREAD_CANCELED);
    CHECK(w.stage == 1);
    CHECK(sem_destroy(&sem) == 0);
}

static void *end_when_told(struct worker *w)
{
    until(&w->stage, 1);
    return w;
}

static struct worker target;

static void *join_target(struct worker *w)
{
    ready(w);
    join(&target);
    return w;
}

static void cancel_join(void)
{
    struct worker w;
    start(&target, end_when_told);
    start(&w, join_target);
    asleep(&w);
    CHECK(pthread_cancel(w.thread) == 0);
    CHECK(join(&w) == PTHREAD_CANCELED);
    target.stage = 1;
    CHECK(join(&target) == &target); /* still to be joined */
}

static void *wait_asynchronously(struct worker *w)
{
    CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL) == 0);
    ready(w);
    sem_wait(&sem);
    return w;
}

static void cancel_async_sem(void)
{
    struct worker w;
    CHECK(sem_init(&sem, 0, 0) == 0);
    start(&w, wait_asynchronously);
    asleep(&w);
    CHECK(pthread_cancel(w.thread) == 0);
    CHECK(join(&w) == PTHREAD_CANCELED);
    CHECK(sem_destroy(&sem) == 0);
}

/* Post and cancel at any moment of a wait: each token is taken once. */
static void cancel_races(void)
{
    timed = false;
    for (int i = 0; i < 2000; i++) {
        struct worker w;
        int value;
        CHECK(sem_init(&sem, 0, 0) == 0);
        start(&w, sem_waiter);
        if (i % 4 == 3)
            while (w.ready == 0)
                sched_yield();
        for (volatile int spin = 0; spin < i % 97 * 10; spin++)
            ;
        CHECK(pthread_cancel(w.thread) == 0);
        if (i % 2)
            CHECK(sem_post(&sem) == 0);
        void *result = join(&w);
        CHECK(sem_getvalue(&sem, &value) == 0);
        CHECK(result == &w || result == PTHREAD_CANCELED);
        CHECK(value == (i % 2 && result != &w));
        CHECK(sem_destroy(&sem) == 0);
    }
}

#ifndef __GLIBC__
/*
 * Three checks are not for glibc. Up to 2.40 it may cancel a thread that a post has chosen already,
 * and lose the post (its bug 12683); that a wait is left only between its handlers, and that one
 * may cancel oneself in a handler, is promised by musl and not by POSIX.
 */

/*
 * A token posted to a thread that is cancelled before it has run again: it took the token, or
 * another gets it. A tracer makes sure that the thread has not run: it holds the first waiter at
 * the end of the system call in which a post has chosen it, until the cancellation's signal is
 * pending.
 */
struct tracer {
    _Atomic int armed, holds, go;
};

static void stop_at_next(int request, pid_t tid)
{
    int status;
    CHECK(ptrace(request, tid, NULL, NULL) == 0);
    CHECK(waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status));
}

static _Noreturn void trace(struct tracer *t, pid_t tid)
{
    CHECK(ptrace(PTRACE_SEIZE, tid, NULL, NULL) == 0);
    stop_at_next(PTRACE_INTERRUPT, tid); /* out of its wait */
    stop_at_next(PTRACE_SYSCALL, tid);   /* before the same call once more */
    t->armed = 1;
    stop_at_next(PTRACE_SYSCALL, tid); /* after it */
    t->holds = 1;
    until(&t->go, 1);
    CHECK(ptrace(PTRACE_DETACH, tid, NULL, NULL) == 0);
    _exit(0);
}

static void until_traced(pid_t tracer, _Atomic int *value)
{
    while (*value == 0) {
        CHECK(waitpid(tracer, NULL, WNOHANG) == 0); /* it has said why it ended */
        sched_yield();
    }
}

static void cancel_with_post(void)
{
    struct worker a, b;
    struct tracer *t = shared_page();
    timed = false;
    CHECK(sem_init(&sem, 0, 0) == 0);
    start(&a, sem_waiter);
    asleep(&a);
    pid_t tracer = fork();
    if (tracer == 0)
        trace(t, a.ready);
    until_traced(tracer, &t->armed);
    asleep(&a); /* again, and before b */
    start(&b, sem_waiter);
    asleep(&b);
    CHECK(sem_post(&sem) == 0);
    until_traced(tracer, &t->holds);
    CHECK(pthread_cancel(a.thread) == 0);
    t->go = 1;
    void *first = join(&a);
    if (first == &a)
        CHECK(sem_post(&sem) == 0);
    else
        CHECK(first == PTHREAD_CANCELED);
    CHECK(join(&b) == &b);
    reap(tracer);
    CHECK(sem_destroy(&sem) == 0);
}

static _Atomic int handling, go, handled;

static void handle(void (*handler)(int))
{
    struct sigaction a = {.sa_handler = handler};
    sigemptyset(&a.sa_mask);
    handling = go = handled = 0;
    CHECK(sigaction(SIGUSR1, &a, NULL) == 0);
}

static void linger(int signal)
{
    (void)signal;
    handling = 1;
    until(&go, 1);
    for (int i = 0; i < 3; i++)
        sched_yield(); /* a pending signal is delivered at the end of a system call */
    handled = 1;
}

static void cancel_in_handler(void)
{
    struct worker w;
    timed = false;
    CHECK(sem_init(&sem, 0, 0) == 0);
    handle(linger);
    start(&w, sem_waiter);
    asleep(&w);
    CHECK(pthread_kill(w.thread, SIGUSR1) == 0);
    until(&handling, 1);
    CHECK(pthread_cancel(w.thread) == 0);
    go = 1;
    CHECK(join(&w) == PTHREAD_CANCELED);
    CHECK(handled == 1);
    CHECK(sem_destroy(&sem) == 0);
}

static void cancel_self(int signal)
{
    (void)signal;
    CHECK(pthread_cancel(pthread_self()) == 0);
}

static void cancel_by_handler(void)
{
    struct worker w;
    timed = false;
    CHECK(sem_init(&sem, 0, 0) == 0);
    handle(cancel_self);
    start(&w, sem_waiter);
    asleep(&w);
    CHECK(pthread_kill(w.thread, SIGUSR1) == 0);
    CHECK(join(&w) == PTHREAD_CANCELED);
    CHECK(sem_destroy(&sem) == 0);
}
#endif

const struct check cancel_checks[] = {
    {"cancel deferred, cleanup handlers", cancel_deferred},
    {"cancel asynchronous", cancel_async},
    {"cancel in cond wait, mutex reacquired", cancel_cond_wait},
    {"cancel in cond timedwait, mutex reacquired", cancel_cond_timedwait},
    {"cancel with cond signal", cancel_cond_signal},
    {"cancel in sem wait", cancel_sem_wait},
    {"cancel in sem timedwait", cancel_sem_timedwait},
    {"cancel disabled in sem wait", cancel_disabled},
    {"cancel in join", cancel_join},
    {"cancel asynchronous in sem wait", cancel_async_sem},
    {"cancel with sem post, races", cancel_races},
#ifndef __GLIBC__
    {"cancel with sem post, before the thread runs", cancel_with_post},
    {"cancel during a handler in sem wait", cancel_in_handler},
    {"cancel by a handler in sem wait", cancel_by_handler},
    {"cancel asynchronous in mutex lock", cancel_async_lock},
#endif
    {0},
};
