/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* valet: linked, or with ONE_UNIT in this unit. */
#ifdef ONE_UNIT
#define VALET_STATIC
#include <valet.c>
#else
#include <valet_locks.h>
#endif
#include <stdlib.h>

#include "peer.h"

static struct valet_mutex mutex = VALET_MUTEX_INIT;
static struct valet_cond cond = VALET_COND_INIT;
static struct valet_rwlock rwlock = VALET_RWLOCK_INIT;
static struct valet_sem sem = VALET_SEM_INIT(1);
static struct valet_once once = VALET_ONCE_INIT;

#define COND   cond
#define RWLOCK rwlock
#define SEM    sem
#define ONCE   once

static inline void ok(int status)
{
    if (__builtin_expect(status != VALET_OK, 0))
        abort();
}

static inline void mutex_lock(void)
{
    ok(valet_mutex_lock(&mutex));
}

static inline void mutex_unlock(void)
{
    valet_mutex_unlock(&mutex);
}

static inline void cond_wait(void)
{
    ok(valet_cond_wait(&cond, &mutex));
}

static inline void cond_one(void)
{
    valet_cond_notify_one(&cond);
}

static inline void cond_all(void)
{
    valet_cond_notify_all(&cond);
}

static inline void read_lock(void)
{
    ok(valet_rwlock_read_lock(&rwlock));
}

static inline void read_unlock(void)
{
    valet_rwlock_read_unlock(&rwlock);
}

static inline void write_lock(void)
{
    ok(valet_rwlock_write_lock(&rwlock));
}

static inline void write_unlock(void)
{
    valet_rwlock_write_unlock(&rwlock);
}

static inline void sem_take(void)
{
    ok(valet_sem_acquire(&sem));
}

static inline void sem_give(void)
{
    valet_sem_release(&sem, 1);
}

static void nothing(void *unused)
{
    (void)unused;
}

static inline void once_call(void)
{
    ok(valet_once_call(&once, nothing, NULL));
}

#include "tail.h"
