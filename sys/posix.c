/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * POSIX, sema kind. The one hosted file. It is of one of two forms:
 *
 *   sem_t   where a post is one atomic step, which touches nothing that the owner may have let
 *           go of after it, and is allowed in a signal handler. That is glibc, from 2.30 on, which
 *           has sem_clockwait, and musl, from 1.2.0 on. Sources: glibc's nptl/sem_post.c as of 2019
 *           and of 2023; musl's src/thread/sem_post.c, sem_timedwait.c, __timedwait.c as of 1.2.3
 *           and of 1.2.5; and the machine code of all of these in Debian 12 and 13 (one
 *           compare-exchange; then, by address, a futex wake)
 *   mutex   ... and condition variable, elsewhere: Apple has no unnamed semaphores, and others were
 *           not read. A post is not one step there: a poster that is stopped inside its mutex holds
 *           up the owner, and others that post
 *
 * The mutex of the second is destroyed as soon as its owner has locked and unlocked it, while the
 * poster may still be inside its unlock. POSIX.1-2017 asks for an unlock that allows that
 * (pthread_mutex_destroy, "a mutex can be destroyed immediately after it is unlocked"). The signal
 * comes before the unlock, so it is over by then.
 *
 * A thread cannot be cancelled between init and fini: its frame is in the hands of others, and no
 * wait of this library is a cancellation point, as each of the calls below is.
 *
 * A timed wait counts on CLOCK_MONOTONIC where it can: by sem_clockwait, pthread_condattr_setclock.
 * Elsewhere it is asked for a time of the system's clock, which may be set, and the monotonic clock
 * alone says whether the deadline has come. musl's sem_timedwait makes a span of that time at once,
 * so it is late only if the clock is set back between two looks at it. A condition variable may
 * count on as the clock is set: a sleep is then cut into slices. Source: POSIX.1-2017
 * pthread_cond_timedwait, pthread_condattr_setclock, pthread_setcancelstate, pthread_atfork.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "sys/deadline.h"
#include "valet_sys.h"

/* A header that came before this one has chosen what the libc declares (VALET_STATIC). */
#ifndef CLOCK_MONOTONIC
#error "valet: include valet.c before any header, or compile it with -D_POSIX_C_SOURCE=200809L"
#endif

#if VALET_SYS_ATOMIC
#error "valet: this CPU has no atomic instructions; is there a later one (-march=)?"
#endif

/* musl says nothing of itself. What glibc and uClibc call __REDIRECT is __REDIR in its headers. */
#ifndef VALET_POSIX_SEM
#if (defined __GLIBC__ && (__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 30))) || \
    (defined __linux__ && defined __REDIR && !defined __GLIBC__ && !defined __UCLIBC__ &&  \
     !defined __ANDROID__)
#define VALET_POSIX_SEM 1
#else
#define VALET_POSIX_SEM 0
#endif
#endif

#ifndef VALET_POSIX_SETCLOCK
#if defined _POSIX_CLOCK_SELECTION && _POSIX_CLOCK_SELECTION > 0
#define VALET_POSIX_SETCLOCK 1
#else
#define VALET_POSIX_SETCLOCK 0
#endif
#endif

/* Does a timed wait count on CLOCK_MONOTONIC? */
#if !VALET_POSIX_SEM
#define MONOTONIC VALET_POSIX_SETCLOCK
#elif defined __GLIBC__
#define MONOTONIC 1
/* <semaphore.h> has it for those who asked for GNU's extensions before their first header. */
#if defined __USE_TIME64_REDIRECTS || (defined __USE_TIME_BITS64 && __TIMESIZE == 32)
#define CLOCKWAIT "__sem_clockwait64"
#else
#define CLOCKWAIT "sem_clockwait"
#endif
int valet_posix_clockwait(sem_t *sem, clockid_t clock,
                          const struct timespec *at) __asm__(CLOCKWAIT);
#define TIMEDWAIT(sem, clock, at) valet_posix_clockwait(sem, clock, at)
/* An absolute time of CLOCK_REALTIME is the kernel's, which knows when that is set. */
#define SEM_FOLLOWS               VALET_SYS_FOLLOWS
#else
#define MONOTONIC                 0
#define TIMEDWAIT(sem, clock, at) sem_timedwait(sem, at)
#endif
#ifndef SEM_FOLLOWS
#define SEM_FOLLOWS 0u
#endif

#define NS 1000000000u
/* The longest sleep: 34 years, which a time_t of 32 bits has; or a slice, where the clock may be
 * set meanwhile. */
#define LONGEST_NS ((uint64_t)NS * (MONOTONIC || VALET_POSIX_SEM ? INT32_MAX / 2 : 1))
/* The last moment that a time_t of 32 bits has, in 2038. */
#define LAST_NS (sizeof(time_t) == 4 ? (uint64_t)NS * INT32_MAX : UINT64_MAX)
/* Of EINVAL in a row: one now and then is no reason to give up (libuv, issue 4166). */
#define REFUSALS 4

struct os_sema {
#if VALET_POSIX_SEM
    sem_t sem;
    atomic_bool posted; /* an order that ThreadSanitizer sees: it knows no sem_clockwait */
#else
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool posted; /* under the mutex */
#endif
    int cancel; /* what the owner's state of cancellation was */
} __attribute__((may_alias));

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

uint64_t valet_sys_now_realtime(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int valet_sys_at_fork(void (*child)(void))
{
    return pthread_atfork(NULL, NULL, child) == 0 ? VALET_OK : VALET_ERR_SYSTEM;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS), .tv_nsec = (long)(ns % NS)};
}

/* A deadline of a clock, or what the longest sleep leaves of it, as a timed wait takes it. */
static int moment(clockid_t clock, uint64_t deadline, struct timespec *at)
{
    uint64_t now = clock_ns(clock), ns;
    int status = valet_deadline_sleep(now, deadline, LONGEST_NS, &ns);
    if (status == VALET_OK) {
        uint64_t end = (MONOTONIC ? now : clock_ns(CLOCK_REALTIME)) + ns;
        *at = timespec_of(end < LAST_NS ? end : LAST_NS);
    }
    return status;
}

static void cancel_off(struct os_sema *sema)
{
#ifdef PTHREAD_CANCEL_DISABLE /* Android has no cancellation */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &sema->cancel);
#else
    (void)sema;
#endif
}

static void cancel_as_before(int cancel)
{
#ifdef PTHREAD_CANCEL_DISABLE
    int disabled;
    pthread_setcancelstate(cancel, &disabled);
#else
    (void)cancel;
#endif
}

#if VALET_POSIX_SEM

int valet_sys_sema_init(struct valet_sema *s)
{
    int saved = errno;
    int e = sem_init(&os_sema(s)->sem, 0, 0);
    errno = saved;
    if (e != 0)
        return VALET_ERR_SYSTEM;
    atomic_init(&os_sema(s)->posted, false);
    cancel_off(os_sema(s));
    return VALET_OK;
}

VALET_INLINE int wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    clockid_t clock = flags & VALET_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    sem_t *sem = &os_sema(s)->sem;
    struct timespec at;
    int saved = errno, r = VALET_OK;
    for (int refusals = 0; r == VALET_OK;) {
        if (deadline != VALET_FOREVER)
            r = moment(clock, deadline, &at);
        if (r != VALET_OK)
            break;
        if ((deadline == VALET_FOREVER ? sem_wait(sem) : TIMEDWAIT(sem, clock, &at)) == 0) {
            /* acquire: pairs with POST */
            (void)atomic_load_explicit(&os_sema(s)->posted, memory_order_acquire);
            break;
        }
        if (errno == EINTR && flags & VALET_INTERRUPTIBLE) {
            r = VALET_INTERRUPTED;
            break;
        }
        /* EINTR: a signal. ETIMEDOUT: the next look at the clock decides. EINVAL too often, and
         * others: the library is broken. */
        if (errno != EINTR && errno != ETIMEDOUT && (errno != EINVAL || ++refusals == REFUSALS))
            r = VALET_ERR_SYSTEM;
    }
    errno = saved;
    return r;
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    return wait_with(s, deadline, 0);
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | SEM_FOLLOWS | VALET_INTERRUPTIBLE | VALET_REQUEUE;
}

int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    return wait_with(s, deadline, flags);
}

void valet_sys_sema_post(struct valet_sema *s)
{
    int saved = errno;
    atomic_store_explicit(&os_sema(s)->posted, true, memory_order_release); /* POST */
    sem_post(&os_sema(s)->sem);
    errno = saved;
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    int cancel = os_sema(s)->cancel;
    sem_destroy(&os_sema(s)->sem);
    cancel_as_before(cancel);
}

#else

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
    if (pthread_mutex_init(&sema->mutex, NULL) != 0)
        return VALET_ERR_SYSTEM;
    if (init_condition(&sema->condition) == 0) {
        cancel_off(sema);
        return VALET_OK;
    }
    pthread_mutex_destroy(&sema->mutex);
    return VALET_ERR_SYSTEM;
}

/* Sleep until the deadline, a slice of it, or a signal. */
static int sleep_until(struct os_sema *sema, uint64_t deadline, int *refusals)
{
    int e;
    if (deadline == VALET_FOREVER) {
        e = pthread_cond_wait(&sema->condition, &sema->mutex);
    } else {
        struct timespec at;
        int status = moment(CLOCK_MONOTONIC, deadline, &at);
        if (status != VALET_OK)
            return status;
        e = pthread_cond_timedwait(&sema->condition, &sema->mutex, &at);
        if (e == ETIMEDOUT)
            e = 0; /* the next look at the clock decides */
    }
    if (e == EINVAL && ++*refusals < REFUSALS)
        e = 0;
    return e == 0 ? VALET_OK : VALET_ERR_SYSTEM; /* EINVAL, EPERM: the library is broken */
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    struct os_sema *sema = os_sema(s);
    if (pthread_mutex_lock(&sema->mutex) != 0) /* a plain mutex that is ours: cannot fail */
        return VALET_ERR_SYSTEM;
    int r = VALET_OK, refusals = 0;
    while (!sema->posted && r == VALET_OK)
        r = sleep_until(sema, deadline, &refusals);
    if (sema->posted)
        r = VALET_OK;
    sema->posted = false;
    pthread_mutex_unlock(&sema->mutex);
    return r;
}

void valet_sys_sema_post(struct valet_sema *s)
{
    struct os_sema *sema = os_sema(s);
    pthread_mutex_lock(&sema->mutex);
    sema->posted = true;
    pthread_cond_signal(&sema->condition); /* under the mutex: the owner may not be gone yet */
    pthread_mutex_unlock(&sema->mutex);
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    int cancel = os_sema(s)->cancel;
    pthread_cond_destroy(&os_sema(s)->condition);
    pthread_mutex_destroy(&os_sema(s)->mutex);
    cancel_as_before(cancel);
}

/* No signal ends a wait on a condition variable. */
unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_REQUEUE;
}

int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    (void)flags; /* is not called */
    return valet_sys_sema_wait(s, deadline);
}

#endif
