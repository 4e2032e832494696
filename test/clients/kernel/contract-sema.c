/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* valet's contract, sema kind. */
#include <valet_sys.h>

#include "kernel.h"

struct sema {
    struct thread *owner;
    bool posted;
};

_Static_assert(sizeof(struct sema) <= sizeof(struct valet_sema), "the semaphore is too small");
_Static_assert(_Alignof(struct sema) <= _Alignof(struct valet_sema), "... or not aligned");

static struct sema *sema_of(struct valet_sema *s)
{
    return (struct sema *)(void *)s;
}

uint64_t valet_sys_now(void)
{
    return kernel_now();
}

int valet_sys_sema_init(struct valet_sema *s)
{
    *sema_of(s) = (struct sema){.owner = kernel_self()};
    return VALET_OK;
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    struct sema *sema = sema_of(s);
    uintptr_t before = kernel_lock();
    if (!sema->posted)
        kernel_block(deadline);
    bool posted = sema->posted;
    kernel_unlock(before);
    return posted ? VALET_OK : VALET_TIMEDOUT;
}

/* From handlers too: the lock is held for a few instructions, with interrupts off. */
void valet_sys_sema_post(struct valet_sema *s)
{
    uintptr_t before = kernel_lock(); /* until it is released the owner's frame lives */
    sema_of(s)->posted = true;
    kernel_ready(sema_of(s)->owner);
    kernel_unlock(before);
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    (void)s;
}
