/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * picolibc's retargetable locks: the ten functions and the variable of its <sys/lock.h> (eight of
 * them in 1.8.10). Linked before libc.a, they take the place of the empty ones in there.
 *
 * A lock is a mutex of valet's; of a recursive one it is known, too, which CPU has it.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/lock.h>
#include <valet_locks.h>

#include "board.h"

struct __lock {
    struct valet_mutex mutex;
    /* of recursive locks: */
    _Atomic unsigned owner; /* which CPU has it, counted from 1; 0: none */
    unsigned depth;         /* how often it has */
};

struct __lock __lock___libc_recursive_mutex; /* the one that guards malloc, the environment, ... */

static void acquire(struct __lock *lock)
{
    if (valet_mutex_lock(&lock->mutex) != VALET_OK)
        abort(); /* a board refuses no wait */
}

/* ---- the functions --------------------------------------------------------------------------- */

void __retarget_lock_init(_LOCK_T *lock)
{
    *lock = calloc(1, sizeof **lock);
    if (*lock == NULL)
        abort(); /* there is no way to say so */
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    __retarget_lock_init(lock);
}

void __retarget_lock_close(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_acquire(_LOCK_T lock)
{
    acquire(lock);
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
    return valet_mutex_try_lock(&lock->mutex);
}

void __retarget_lock_release(_LOCK_T lock)
{
    valet_mutex_unlock(&lock->mutex);
}

/* relaxed: only this CPU ever makes the owner this CPU */
static int is_mine(struct __lock *lock)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == cpu + 1;
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    if (!is_mine(lock)) {
        acquire(lock);
        atomic_store_explicit(&lock->owner, cpu + 1, memory_order_relaxed);
    }
    lock->depth++;
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    if (!is_mine(lock)) {
        if (!valet_mutex_try_lock(&lock->mutex))
            return 0;
        atomic_store_explicit(&lock->owner, cpu + 1, memory_order_relaxed);
    }
    lock->depth++;
    return 1;
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (--lock->depth != 0)
        return;
    atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
    valet_mutex_unlock(&lock->mutex);
}
