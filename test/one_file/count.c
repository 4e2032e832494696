/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The fast paths in one translation unit with the library, for one_file.sh to count. */
#define VALET_STATIC
#include "valet.c"

/* Not static: a compiler that can see nobody else would do without. */
struct valet_parker parker;
struct valet_mutex mutex;
struct valet_once once;

static void nothing(void *unused)
{
    (void)unused;
}

int main(int argc, char **argv)
{
    (void)argv;
    for (int i = 0; i < 1000 * argc; i++) {
#if defined UNPARK || defined PAIR
        valet_unpark(&parker);
#endif
#ifdef PAIR
        if (valet_park(&parker) != VALET_OK)
            return 1;
#endif
#ifdef MUTEX
        if (valet_mutex_lock(&mutex) != VALET_OK)
            return 1;
        valet_mutex_unlock(&mutex);
#endif
#ifdef ONCE
        if (valet_once_call(&once, nothing, NULL) != VALET_OK)
            return 1;
#endif
        __asm__ volatile("" ::: "memory");
    }
    return 0;
}
