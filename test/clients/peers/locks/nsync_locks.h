/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * nsync's tests of its locks, on valet's: included before each of these, which have ours by the
 * names of theirs. What the tests are made with (threads, notes, counters) stays nsync's. With
 * READERS a mu is a lock for readers and writers, and a cv stays nsync's, which waits with any
 * lock; else a mu is a mutex, a cv a condition variable, and a once a once, and what these have not
 * stays nsync's, for tests that are not run.
 */
#include "platform.h"

#include "nsync.h"
#include "testing.h"
#include <valet_locks.h>

static inline int came(int status)
{
    if (status < 0)
        testing_panic("valet refuses");
    return status;
}

#ifdef READERS
typedef struct {
    struct valet_rwlock lock;
    int writes; /* held by a writer */
} our_mu;

static inline void our_mu_lock(our_mu *mu)
{
    came(valet_rwlock_write_lock(&mu->lock));
    mu->writes = 1;
}

static inline int our_mu_trylock(our_mu *mu)
{
    return valet_rwlock_write_try_lock(&mu->lock) && (mu->writes = 1);
}

static inline void our_mu_unlock(our_mu *mu)
{
    mu->writes = 0;
    valet_rwlock_write_unlock(&mu->lock);
}

static inline void our_mu_rlock(our_mu *mu)
{
    came(valet_rwlock_read_lock(&mu->lock));
}

static inline int our_mu_rtrylock(our_mu *mu)
{
    return valet_rwlock_read_try_lock(&mu->lock);
}

static inline void our_mu_runlock(our_mu *mu)
{
    valet_rwlock_read_unlock(&mu->lock);
}

static inline int our_mu_is_reader(const our_mu *mu)
{
    return !mu->writes;
}

static inline void our_mu_assert_held(const our_mu *mu)
{
    if (!mu->writes)
        testing_panic("not held by a writer");
}

/* No writer can have it now. */
static inline void our_mu_rassert_held(our_mu *mu)
{
    if (valet_rwlock_write_try_lock(&mu->lock))
        testing_panic("not held");
}

static void lock_any(void *mu)
{
    our_mu_lock(mu);
}

static void unlock_any(void *mu)
{
    our_mu_unlock(mu);
}

static void rlock_any(void *mu)
{
    our_mu_rlock(mu);
}

static void runlock_any(void *mu)
{
    our_mu_runlock(mu);
}

static inline int our_cv_wait_with_deadline(nsync_cv *cv, our_mu *mu, nsync_time deadline,
                                            nsync_note note)
{
    int writes = mu->writes;
    return nsync_cv_wait_with_deadline_generic(cv, mu, writes ? lock_any : rlock_any,
                                               writes ? unlock_any : runlock_any, deadline, note);
}
#define nsync_mu_trylock      our_mu_trylock
#define nsync_mu_rlock        our_mu_rlock
#define nsync_mu_rtrylock     our_mu_rtrylock
#define nsync_mu_runlock      our_mu_runlock
#define nsync_mu_assert_held  our_mu_assert_held
#define nsync_mu_rassert_held our_mu_rassert_held
#define nsync_mu_is_reader    our_mu_is_reader
#else
typedef struct valet_mutex our_mu;
typedef struct valet_cond our_cv;
typedef struct valet_once our_once;

static inline void our_mu_lock(our_mu *mu)
{
    came(valet_mutex_lock(mu));
}

static inline void our_mu_unlock(our_mu *mu)
{
    valet_mutex_unlock(mu);
}

static inline void our_cv_init(our_cv *cv)
{
    *cv = (our_cv)VALET_COND_INIT;
}

static inline int our_cv_wait_with_deadline(our_cv *cv, our_mu *mu, nsync_time deadline,
                                            nsync_note note)
{
    nsync_time now = nsync_time_now(), left = nsync_time_sub(deadline, now);
    uint64_t ns = VALET_FOREVER;
    if (note != NULL)
        testing_panic("not to be had: a note ends a wait");
    if (nsync_time_cmp(deadline, now) <= 0)
        ns = 0;
    else if (nsync_time_cmp(deadline, nsync_time_no_deadline) != 0)
        ns = (uint64_t)NSYNC_TIME_SEC(left) * 1000000000u + (uint64_t)NSYNC_TIME_NSEC(left);
    return came(valet_cond_wait_for(cv, mu, ns)) == VALET_OK ? 0 : ETIMEDOUT;
}

static inline void our_run_once_arg(our_once *once, void (*f)(void *), void *arg)
{
    came(valet_once_call(once, f, arg));
}

static void call(void *f)
{
    (*(void (**)(void))f)();
}

static inline void our_run_once(our_once *once, void (*f)(void))
{
    our_run_once_arg(once, call, &f);
}

#define nsync_cv                our_cv
#define nsync_cv_init           our_cv_init
#define nsync_cv_signal         valet_cond_notify_one
#define nsync_cv_broadcast      valet_cond_notify_all
#define nsync_once              our_once
#define nsync_run_once          our_run_once
#define nsync_run_once_spin     our_run_once
#define nsync_run_once_arg      our_run_once_arg
#define nsync_run_once_arg_spin our_run_once_arg
#undef NSYNC_ONCE_INIT
#define NSYNC_ONCE_INIT VALET_ONCE_INIT
#endif

static inline void our_mu_init(our_mu *mu)
{
    memset(mu, 0, sizeof *mu);
}

static inline void our_cv_wait(nsync_cv *cv, our_mu *mu)
{
    our_cv_wait_with_deadline(cv, mu, nsync_time_no_deadline, NULL);
}

#define nsync_mu                    our_mu
#define nsync_mu_init               our_mu_init
#define nsync_mu_lock               our_mu_lock
#define nsync_mu_unlock             our_mu_unlock
#define nsync_cv_wait               our_cv_wait
#define nsync_cv_wait_with_deadline our_cv_wait_with_deadline
#undef NSYNC_MU_INIT
#define NSYNC_MU_INIT \
    {                 \
        0             \
    }
