/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What POSIX has, of glibc or of musl: SEM, a semaphore and a barrier; COND, a mutex and a
 * condition variable for both. */
#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "peer.h"

#define HAS_PARKER 1
#define HAS_TIMED  1
#define BLOCKS     1

static inline struct timespec after(clockid_t clock, uint64_t ns)
{
    struct timespec t;
    clock_gettime(clock, &t);
    ns += (uint64_t)t.tv_nsec;
    t.tv_sec += (long)(ns / 1000000000u);
    t.tv_nsec = (long)(ns % 1000000000u);
    return t;
}

#ifdef SEM
#define HAS_WAITERS 2 /* a barrier goes by turns, and does not know states */

struct parker {
    sem_t sem;
};
struct waiters {
    pthread_barrier_t barrier;
};
static struct waiters waiters;

static inline void parker_init(struct parker *p)
{
    sem_init(&p->sem, 0, 0);
}

static inline void parker_park(struct parker *p)
{
    while (sem_wait(&p->sem) != 0)
        ;
}

static inline bool parker_park_for(struct parker *p, uint64_t ns)
{
    struct timespec t = after(CLOCK_REALTIME, ns);
    return sem_timedwait(&p->sem, &t) == 0;
}

/* Not quite a token: two posts are two. */
static inline void parker_unpark(struct parker *p)
{
    sem_post(&p->sem);
}

static inline void waiters_prepare(unsigned count)
{
    pthread_barrier_init(&waiters.barrier, 0, count + 1);
}

static inline void waiters_wait(unsigned expected)
{
    (void)expected;
    pthread_barrier_wait(&waiters.barrier);
}

static inline void waiters_set(unsigned state)
{
    (void)state;
    pthread_barrier_wait(&waiters.barrier);
}
#else
#define HAS_WAITERS 1
#define HAS_UNTIL   1

struct parker {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool token;
};
struct waiters {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    unsigned state;
};
static struct waiters waiters = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static inline void monotonic_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
}

static inline void parker_init(struct parker *p)
{
    pthread_mutex_init(&p->mutex, 0);
    monotonic_init(&p->cond);
    p->token = false;
}

static inline void parker_park(struct parker *p)
{
    pthread_mutex_lock(&p->mutex);
    while (!p->token)
        pthread_cond_wait(&p->cond, &p->mutex);
    p->token = false;
    pthread_mutex_unlock(&p->mutex);
}

static inline bool parker_park_for(struct parker *p, uint64_t ns)
{
    struct timespec t = after(CLOCK_MONOTONIC, ns);
    pthread_mutex_lock(&p->mutex);
    while (!p->token && pthread_cond_timedwait(&p->cond, &p->mutex, &t) == 0)
        ;
    bool token = p->token;
    p->token = false;
    pthread_mutex_unlock(&p->mutex);
    return token;
}

/* The lock is given up first: on one CPU the woken thread would run into it. */
static inline void parker_unpark(struct parker *p)
{
    pthread_mutex_lock(&p->mutex);
    p->token = true;
    pthread_mutex_unlock(&p->mutex);
    pthread_cond_signal(&p->cond);
}

static inline void waiters_prepare(unsigned count)
{
    (void)count;
    monotonic_init(&waiters.cond);
}

static inline void waiters_wait(unsigned expected)
{
    pthread_mutex_lock(&waiters.mutex);
    while (waiters.state == expected)
        pthread_cond_wait(&waiters.cond, &waiters.mutex);
    pthread_mutex_unlock(&waiters.mutex);
}

static inline bool waiters_wait_until(unsigned expected, uint64_t deadline)
{
    struct timespec t = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    int r = 0;
    pthread_mutex_lock(&waiters.mutex);
    while (waiters.state == expected && r == 0)
        r = pthread_cond_timedwait(&waiters.cond, &waiters.mutex, &t);
    bool differs = waiters.state != expected;
    pthread_mutex_unlock(&waiters.mutex);
    return differs;
}

static inline void waiters_set(unsigned state)
{
    pthread_mutex_lock(&waiters.mutex);
    waiters.state = state;
    pthread_mutex_unlock(&waiters.mutex);
    pthread_cond_broadcast(&waiters.cond);
}
#endif

#include "peer_tail.h"
