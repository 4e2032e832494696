/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The test's own: the linker (--wrap) sends the calls of locks here first. They are counted, and a
 * wait for a lock that never comes is ended. What main returns is the exit status, here after the
 * last checks.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/lock.h>
#include <valet.h>

#include "bare.h"

#ifndef LONG
#define LONG 100000000000u /* ns: a wait that never is that long */
#endif

int __real_main(void);
void __real___retarget_lock_acquire(_LOCK_T lock);
void __real___retarget_lock_acquire_recursive(_LOCK_T lock);
int __real___retarget_lock_try_acquire(_LOCK_T lock);
int __real___retarget_lock_try_acquire_recursive(_LOCK_T lock);
void __real___retarget_lock_release(_LOCK_T lock);
void __real___retarget_lock_release_recursive(_LOCK_T lock);
int __real_valet_park_until(struct valet_parker *p, uint64_t deadline);

static atomic_ulong acquired, released, waited;

void __wrap___retarget_lock_acquire(_LOCK_T lock)
{
    __real___retarget_lock_acquire(lock);
    atomic_fetch_add(&acquired, 1);
}

void __wrap___retarget_lock_acquire_recursive(_LOCK_T lock)
{
    __real___retarget_lock_acquire_recursive(lock);
    atomic_fetch_add(&acquired, 1);
}

int __wrap___retarget_lock_try_acquire(_LOCK_T lock)
{
    int got_it = __real___retarget_lock_try_acquire(lock);
    atomic_fetch_add(&acquired, got_it != 0);
    return got_it;
}

int __wrap___retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    int got_it = __real___retarget_lock_try_acquire_recursive(lock);
    atomic_fetch_add(&acquired, got_it != 0);
    return got_it;
}

void __wrap___retarget_lock_release(_LOCK_T lock)
{
    atomic_fetch_add(&released, 1);
    __real___retarget_lock_release(lock);
}

void __wrap___retarget_lock_release_recursive(_LOCK_T lock)
{
    atomic_fetch_add(&released, 1);
    __real___retarget_lock_release_recursive(lock);
}

int __wrap_valet_park_until(struct valet_parker *p, uint64_t deadline)
{
    if (deadline != VALET_FOREVER)
        return __real_valet_park_until(p, deadline);
    atomic_fetch_add(&waited, 1);
    int r = __real_valet_park_until(p, valet_now() + LONG);
    if (r != VALET_OK) {
        puts("FAILED: nobody unparked a CPU that waits");
        bare_exit(1);
    }
    return r;
}

int __wrap_main(void)
{
    if (__real_main() != 0)
        return 1;
    printf("locks: %lu acquired, %lu released, %lu waits\n", acquired, released, waited);
    if (acquired != released || waited == 0) {
        puts("FAILED: a lock was kept, or no CPU ever had to wait for one");
        return 1;
    }
    puts("bare metal: passed"); /* run.sh wants to see this */
    return 0;
}
