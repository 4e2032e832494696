/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* nsync: its mutex and condition variable. */
#include <assert.h>
#include <nsync.h>

#include "peer.h"

#define HAS_PARKER  1
#define HAS_TIMED   1
#define HAS_WAITERS 1
#define BLOCKS      1

struct parker {
    nsync_mu mu;
    nsync_cv cv;
    bool token;
};
struct waiters {
    nsync_mu mu;
    nsync_cv cv;
    unsigned state;
};
static struct waiters waiters = {NSYNC_MU_INIT, NSYNC_CV_INIT, 0};

static inline void parker_init(struct parker *p)
{
    nsync_mu_init(&p->mu);
    nsync_cv_init(&p->cv);
    p->token = false;
}

static inline void parker_park(struct parker *p)
{
    nsync_mu_lock(&p->mu);
    while (!p->token)
        nsync_cv_wait(&p->cv, &p->mu);
    p->token = false;
    nsync_mu_unlock(&p->mu);
}

static inline bool parker_park_for(struct parker *p, uint64_t ns)
{
    nsync_time until =
        nsync_time_add(nsync_time_now(),
                       nsync_time_s_ns((time_t)(ns / 1000000000u), (unsigned)(ns % 1000000000u)));
    nsync_mu_lock(&p->mu);
    while (!p->token && nsync_cv_wait_with_deadline(&p->cv, &p->mu, until, 0) == 0)
        ;
    bool token = p->token;
    p->token = false;
    nsync_mu_unlock(&p->mu);
    return token;
}

static inline void parker_unpark(struct parker *p)
{
    nsync_mu_lock(&p->mu);
    p->token = true;
    nsync_mu_unlock(&p->mu);
    nsync_cv_signal(&p->cv);
}

static inline void waiters_prepare(unsigned count)
{
    (void)count;
}

static inline void waiters_wait(unsigned expected)
{
    nsync_mu_lock(&waiters.mu);
    while (waiters.state == expected)
        nsync_cv_wait(&waiters.cv, &waiters.mu);
    nsync_mu_unlock(&waiters.mu);
}

static inline void waiters_set(unsigned state)
{
    nsync_mu_lock(&waiters.mu);
    waiters.state = state;
    nsync_mu_unlock(&waiters.mu);
    nsync_cv_broadcast(&waiters.cv);
}

#include "peer_tail.h"
