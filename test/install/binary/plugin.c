/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A shared object that embeds one row, or a program that does: its calls are to be its own. A
 * thread parks, and its word shows by whose code: the futex kind says PARKED, the sema kind has an
 * address.
 */
#include <pthread.h>
#include <sched.h>
#include <valet.h>
#include <valet_config.h>

static struct valet_parker parker = VALET_PARKER_INIT;

static void *parks(void *answer)
{
    *(int *)answer = valet_park(&parker);
    return answer;
}

int RUN(void);
__attribute__((visibility("default"))) int RUN(void)
{
    pthread_t thread;
    int answer = -1;
    uintptr_t seen;
    if (pthread_create(&thread, NULL, parks, &answer) != 0)
        return 1;
    while ((seen = __atomic_load_n(&parker.word, __ATOMIC_RELAXED) & UINT32_MAX) == 0)
        sched_yield();
    valet_unpark(&parker);
    pthread_join(thread, NULL);
    return answer != VALET_OK || (seen == UINT32_MAX) != (VALET_KIND == VALET_KIND_FUTEX);
}
