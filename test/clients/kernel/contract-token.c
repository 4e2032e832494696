/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* valet's contract, token kind. */
#include <valet_sys.h>

#include "kernel.h"

struct token {
    struct thread *owner;
    bool posted;
};

_Static_assert(sizeof(struct token) <= sizeof(struct valet_token), "the token is too small");
_Static_assert(_Alignof(struct token) <= _Alignof(struct valet_token), "... or not aligned");

static struct token *token_of(struct valet_token *t)
{
    return (struct token *)(void *)t;
}

uint64_t valet_sys_now(void)
{
    return kernel_now();
}

int valet_sys_token_init(struct valet_token *t)
{
    *token_of(t) = (struct token){.owner = kernel_self()};
    return VALET_OK;
}

int valet_sys_token_wait(struct valet_token *t, uint64_t deadline)
{
    struct token *token = token_of(t);
    uintptr_t before = kernel_lock();
    if (!token->posted)
        kernel_block(deadline);
    bool posted = token->posted;
    kernel_unlock(before);
    return posted ? VALET_OK : VALET_TIMEDOUT;
}

/* From handlers too: the lock is held for a few instructions, with interrupts off. */
void valet_sys_token_post(struct valet_token *t)
{
    uintptr_t before = kernel_lock(); /* until it is released the owner's frame lives */
    token_of(t)->posted = true;
    kernel_ready(token_of(t)->owner);
    kernel_unlock(before);
}

void valet_sys_token_fini(struct valet_token *t)
{
    (void)t;
}
