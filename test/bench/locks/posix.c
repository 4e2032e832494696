/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What POSIX has, of glibc or of musl. */
#include <pthread.h>
#include <semaphore.h>

#include "peer.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t sem;

#define COND   cond
#define RWLOCK rwlock
#define SEM    sem
#define ONCE   once

__attribute__((constructor)) static void begin(void)
{
    sem_init(&sem, 0, 1);
}

static inline void mutex_lock(void)
{
    pthread_mutex_lock(&mutex);
}

static inline void mutex_unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

static inline void cond_wait(void)
{
    pthread_cond_wait(&cond, &mutex);
}

static inline void cond_one(void)
{
    pthread_cond_signal(&cond);
}

static inline void cond_all(void)
{
    pthread_cond_broadcast(&cond);
}

static inline void read_lock(void)
{
    pthread_rwlock_rdlock(&rwlock);
}

static inline void read_unlock(void)
{
    pthread_rwlock_unlock(&rwlock);
}

static inline void write_lock(void)
{
    pthread_rwlock_wrlock(&rwlock);
}

static inline void write_unlock(void)
{
    pthread_rwlock_unlock(&rwlock);
}

static inline void sem_take(void)
{
    while (sem_wait(&sem) != 0)
        ;
}

static inline void sem_give(void)
{
    sem_post(&sem);
}

static void nothing(void)
{
}

static inline void once_call(void)
{
    pthread_once(&once, nothing);
}

#include "tail.h"
