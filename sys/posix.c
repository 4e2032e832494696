/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * POSIX: a mutex and a condition variable, sema kind. The one hosted file.
 *
 * The condition variable counts on CLOCK_MONOTONIC where pthread_condattr_setclock exists.
 * Elsewhere (Apple) it counts on the system's clock, which may be set: a sleep is then cut into
 * slices, and the monotonic clock alone says whether the deadline has come. Source: POSIX.1-2017
 * pthread_cond_timedwait, pthread_condattr_setclock, pthread_mutex_destroy.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "sys/deadline.h"
#include "valet_sys.h"

#ifndef VALET_POSIX_SETCLOCK
#if defined _POSIX_CLOCK_SELECTION && _POSIX_CLOCK_SELECTION > 0
#define VALET_POSIX_SETCLOCK 1
#else
#define VALET_POSIX_SETCLOCK 0
#endif
#endif

#define NS 1000000000u
#if VALET_POSIX_SETCLOCK
#define LONGEST_NS ((uint64_t)INT32_MAX * NS) /* 68 years, in every time_t */
#else
#define LONGEST_NS ((uint64_t)NS) /* how late the clock's being set back can make us */
#endif

struct os_sema {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool posted;      /* under the mutex */
    atomic_bool left; /* the poster's last touch */
};

_Static_assert(sizeof(struct os_sema) <= sizeof(struct valet_sema), "the semaphore is too small");
_Static_assert(_Alignof(struct os_sema) <= _Alignof(struct valet_sema), "... or not aligned");

static struct os_sema *os_sema(struct valet_sema *s)
{
    return (struct os_sema *)(void *)s;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

uint64_t valet_sys_now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* 0 or an errno; it fails only for want of memory or other resources. */
static int init_condition(pthread_cond_t *condition)
{
#if VALET_POSIX_SETCLOCK
    pthread_condattr_t attributes;
    int e = pthread_condattr_init(&attributes);
    if (e != 0)
        return e;
    e = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (e == 0)
        e = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return e;
#else
    return pthread_cond_init(condition, NULL);
#endif
}

int valet_sys_sema_init(struct valet_sema *s)
{
    struct os_sema *sema = os_sema(s);
    sema->posted = false;
    atomic_init(&sema->left, false);
    if (pthread_mutex_init(&sema->mutex, NULL) != 0)
        return VALET_ERR_SYSTEM;
    if (init_condition(&sema->condition) == 0)
        return VALET_OK;
    pthread_mutex_destroy(&sema->mutex);
    return VALET_ERR_SYSTEM;
}

/* Sleep until the deadline, a slice of it, or a signal. */
static int sleep_until(struct os_sema *sema, uint64_t deadline)
{
    int e;
    if (deadline == VALET_FOREVER) {
        e = pthread_cond_wait(&sema->condition, &sema->mutex);
    } else {
        uint64_t now = clock_ns(CLOCK_MONOTONIC), ns;
        int status = valet_deadline_sleep(now, deadline, LONGEST_NS, &ns);
        if (status != VALET_OK)
            return status;
        uint64_t until = (VALET_POSIX_SETCLOCK ? now : clock_ns(CLOCK_REALTIME)) + ns;
        struct timespec at = {.tv_sec = (time_t)(until / NS), .tv_nsec = (long)(until % NS)};
        e = pthread_cond_timedwait(&sema->condition, &sema->mutex, &at);
        if (e == ETIMEDOUT)
            e = 0; /* the next look at the clock decides */
    }
    return e == 0 ? VALET_OK : VALET_ERR_SYSTEM; /* EINVAL, EPERM: the library is broken */
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    struct os_sema *sema = os_sema(s);
    if (pthread_mutex_lock(&sema->mutex) != 0) /* a plain mutex that is ours: cannot fail */
        return VALET_ERR_SYSTEM;
    int r = VALET_OK;
    while (r == VALET_OK && !sema->posted)
        r = sleep_until(sema, deadline);
    bool posted = sema->posted;
    pthread_mutex_unlock(&sema->mutex);
    if (!posted)
        return r;
    /*
     * The poster may still be inside its unlock, and the next thing here is fini and the end of the
     * stack frame. POSIX wants an unlock that touches nothing after it has let go, but not every
     * library has always kept to that (glibc bug 13690). So the poster says when it is out. It is a
     * few instructions away, unless it lost its CPU there: then sleeping lets it run, whatever its
     * priority and ours. acquire: pairs with LEFT
     */
    for (unsigned looks = 0; !atomic_load_explicit(&sema->left, memory_order_acquire); looks++) {
        struct timespec nap = {.tv_sec = 0, .tv_nsec = 50000};
        if (looks < 16)
            sched_yield();
        else
            nanosleep(&nap, NULL);
    }
    return VALET_OK;
}

void valet_sys_sema_post(struct valet_sema *s)
{
    struct os_sema *sema = os_sema(s);
    pthread_mutex_lock(&sema->mutex);
    sema->posted = true;
    pthread_cond_signal(&sema->condition); /* under the mutex: the owner may not be gone yet */
    pthread_mutex_unlock(&sema->mutex);
    atomic_store_explicit(&sema->left, true, memory_order_release); /* LEFT */
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    pthread_cond_destroy(&os_sema(s)->condition);
    pthread_mutex_destroy(&os_sema(s)->mutex);
}
