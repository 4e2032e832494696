/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The contract of include/valet_sys.h, sema kind, on a scheduler of one's own: an example to copy.
 *
 * It takes three things of the scheduler: a lock under which nobody else looks at a semaphore
 * (between CPUs that is a spin lock, with interrupts off), "block the calling thread and give up
 * the lock" in one step, and "make that thread ready". The lock is also what orders the post before
 * the wait that consumes it.
 */
#include "sched.h"
#include "valet_sys.h" /* installed as <valet_sys.h> */

struct os_sema {
    struct green *owner;
    bool posted;
} __attribute__((may_alias)); /* it lies over the words of struct valet_sema */

_Static_assert(sizeof(struct os_sema) <= sizeof(struct valet_sema), "the semaphore is too small");
_Static_assert(_Alignof(struct os_sema) <= _Alignof(struct valet_sema), "... or not aligned");

static struct os_sema *os_sema(struct valet_sema *s)
{
    return (struct os_sema *)(void *)s;
}

uint64_t valet_sys_now(void)
{
    return green_now();
}

uint64_t valet_sys_now_realtime(void)
{
    return green_now_realtime();
}

int valet_sys_sema_init(struct valet_sema *s)
{
    *os_sema(s) = (struct os_sema){.owner = green_self()};
    return VALET_OK;
}

int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    struct os_sema *sema = os_sema(s);
    bool in_time = true, interrupted = false;
    green_lock();
    while (!sema->posted && in_time && !interrupted) {
        in_time = green_block(deadline); /* true also for no reason: look again */
        interrupted = in_time && flags & VALET_INTERRUPTIBLE;
    }
    bool posted = sema->posted;
    green_unlock();
    return posted ? VALET_OK : in_time ? VALET_INTERRUPTED : VALET_TIMEDOUT;
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    return valet_sys_sema_wait_with(s, deadline, 0);
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_INTERRUPTIBLE | VALET_REQUEUE;
}

void valet_sys_sema_post(struct valet_sema *s)
{
    green_lock(); /* until it is released the owner cannot see the post, and the frame lives */
    os_sema(s)->posted = true;
    green_ready(os_sema(s)->owner);
    green_unlock();
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    (void)s;
}
