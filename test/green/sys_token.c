/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The contract of include/valet_sys.h, token kind, on a scheduler of one's own: an example to copy.
 *
 * It takes three things of the scheduler: a lock under which nobody else looks at a token (between
 * CPUs that is a spin lock, with interrupts off), "block the calling thread and give up the lock"
 * in one step, and "make that thread ready". The lock is also what orders the post before the wait
 * that consumes it.
 */
#include "sched.h"
#include "valet_sys.h" /* installed as <valet_sys.h> */

struct os_token {
    struct green *owner;
    bool posted;
};

_Static_assert(sizeof(struct os_token) <= sizeof(struct valet_token), "the token is too small");
_Static_assert(_Alignof(struct os_token) <= _Alignof(struct valet_token), "... or not aligned");

static struct os_token *os_token(struct valet_token *t)
{
    return (struct os_token *)(void *)t;
}

uint64_t valet_sys_now(void)
{
    return green_now();
}

int valet_sys_token_init(struct valet_token *t)
{
    *os_token(t) = (struct os_token){.owner = green_self()};
    return VALET_OK;
}

int valet_sys_token_wait(struct valet_token *t, uint64_t deadline)
{
    struct os_token *token = os_token(t);
    bool in_time = true;
    green_lock();
    while (!token->posted && in_time)
        in_time = green_block(deadline); /* true also for no reason: look again */
    bool posted = token->posted;
    green_unlock();
    return posted ? VALET_OK : VALET_TIMEDOUT;
}

void valet_sys_token_post(struct valet_token *t)
{
    green_lock(); /* until it is released the owner cannot see the post, and the frame lives */
    os_token(t)->posted = true;
    green_ready(os_token(t)->owner);
    green_unlock();
}

void valet_sys_token_fini(struct valet_token *t)
{
    (void)t;
}
