/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* nsync: a mu is for readers and writers, too. */
#include <nsync.h>
#include <stddef.h>

#include "peer.h"

static nsync_mu mutex = NSYNC_MU_INIT;
static nsync_mu rwlock = NSYNC_MU_INIT;
static nsync_cv cond = NSYNC_CV_INIT;
static nsync_once once = NSYNC_ONCE_INIT;

#define COND   cond
#define RWLOCK rwlock
#define ONCE   once

static inline void mutex_lock(void)
{
    nsync_mu_lock(&mutex);
}

static inline void mutex_unlock(void)
{
    nsync_mu_unlock(&mutex);
}

static inline void cond_wait(void)
{
    nsync_cv_wait(&cond, &mutex);
}

static inline void cond_one(void)
{
    nsync_cv_signal(&cond);
}

static inline void cond_all(void)
{
    nsync_cv_broadcast(&cond);
}

static inline void read_lock(void)
{
    nsync_mu_rlock(&rwlock);
}

static inline void read_unlock(void)
{
    nsync_mu_runlock(&rwlock);
}

static inline void write_lock(void)
{
    nsync_mu_lock(&rwlock);
}

static inline void write_unlock(void)
{
    nsync_mu_unlock(&rwlock);
}

static void nothing(void)
{
}

static inline void once_call(void)
{
    nsync_run_once(&once, nothing);
}

#include "tail.h"
