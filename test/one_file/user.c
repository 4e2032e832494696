/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A user's file around the single one: what it includes and calls its own must not meet with ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define VALET_STATIC
#include "valet.c"

enum { EMPTY, PARKED, STATE, LOCK, WAITERS, BUCKET_BITS, WAKING };
struct node {
    struct timespec at;
};
struct bucket {
    struct node node;
};
int user(struct valet_parker *p, struct valet_waiters *w, struct node *os_sema,
         struct valet_mutex *m);

static unsigned word_of(const struct node *table)
{
    return table->at.tv_sec != EMPTY;
}

int user(struct valet_parker *p, struct valet_waiters *w, struct node *os_sema,
         struct valet_mutex *m)
{
    if (valet_mutex_lock(m) == VALET_OK)
        valet_mutex_unlock(m);
    valet_unpark(p);
    valet_store_and_wake(w, word_of(os_sema));
    return valet_park(p) + valet_compare_and_wait(w, 0);
}
