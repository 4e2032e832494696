/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Programs whose size and instructions figures.sh counts. PAIR: unpark and park; UNPARK:
 * unpark only; WAIT: for a state that is there; SET: a state that nobody waits for; SPLIT: a
 * deadline into seconds and ns; LOCK: lock and unlock a mutex; NOTIFY: nobody; ONCE: call what is
 * done; NOTHING: the loop alone. ROUNDS times, and as often again for each argument. ONE_UNIT: with
 * the library as one file. */
#ifdef ONE_UNIT
#define VALET_STATIC
#include "valet.c"
#else
#include "valet_locks.h"
#endif
#ifdef SPLIT
#include "sys/kernel_timespec.h"
#endif

/* Not static: a compiler that can see nobody else would do without. */
struct valet_parker parker;
struct valet_waiters waiters;
struct valet_mutex mutex;
struct valet_cond cond;
struct valet_once once;

#ifdef SIZE_OF_MUTEX
void start(void);
void start(void)
{
    (void)!valet_mutex_lock(&mutex);
    valet_mutex_unlock(&mutex);
}
#elif defined SIZE
void start(void);
void start(void)
{
    valet_unpark(&parker);
    (void)!valet_park(&parker);
}
#else
#ifdef SPLIT
void split(struct timespec *t, uint64_t deadline);
__attribute__((noinline)) void split(struct timespec *t, uint64_t deadline)
{
    *t = timespec_of(deadline);
}
#endif

#ifdef ONCE
static void nothing(void *unused)
{
    (void)unused;
}
#endif

int main(int argc, char **argv)
{
    (void)argv;
/* gcc 14 would unroll the loop of NOTHING, and no other. */
#pragma GCC unroll 1
    for (int i = 0; i < ROUNDS * argc; i++) {
#if defined UNPARK || defined PAIR
        valet_unpark(&parker);
#endif
#ifdef PAIR
        (void)!valet_park(&parker);
#endif
#ifdef WAIT
        (void)!valet_compare_and_wait(&waiters, 1);
#endif
#ifdef SET
        valet_store_and_wake(&waiters, 1);
#endif
#ifdef LOCK
        (void)!valet_mutex_lock(&mutex);
        valet_mutex_unlock(&mutex);
#endif
#ifdef NOTIFY
        valet_cond_notify_one(&cond);
#endif
#ifdef ONCE
        (void)!valet_once_call(&once, nothing, NULL);
#endif
#ifdef SPLIT
        struct timespec t;
        split(&t, (uint64_t)(unsigned)i << 32);
#endif
        __asm__ volatile("" ::: "memory");
    }
    return 0;
}
#endif
