/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A wait that is a cancellation point.
 *
 * pthread_cancel sets self->cancel and sends a signal. Between a look at self->cancel and the trap
 * the signal would come too early to end the wait; musl closes that window with the addresses of
 * its own trap, which valet's is not. Here the handler leaves the wait from wherever it was
 * interrupted, by longjmp. valet's futex kind allows that: its wait holds no lock and keeps nothing
 * anywhere. All that can be lost is a wake that this thread was chosen for, so whoever leaves
 * passes one on; musl's waits bear a wake too many.
 *
 * Only an interrupted wait is left, not a handler that runs on top of it (which may be in the
 * middle of a wake of its own, or use valet in other ways): the stack pointer tells. From here to
 * the trap the wait takes less than WAIT_STACK bytes; the frame of a handler takes more.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <ucontext.h>

#include "pthread_impl.h"

/* valet's own part is at most 112 bytes (its README); x86_64 skips a red zone of 128 bytes for a
 * handler, then saves at least 512 of registers, then siginfo and ucontext, more than 400. */
#define WAIT_STACK 512

struct valet_leave {
    jmp_buf out;
};

hidden long __cancel(void);

int __valet_wait_cp(volatile int *addr, int val, uint64_t deadline)
{
    pthread_t self = __pthread_self();
    struct valet_leave leave;
    if (self->canceldisable == PTHREAD_CANCEL_DISABLE)
        return __valet_wait(addr, val, deadline);
    if (!setjmp(leave.out)) {
        self->valet_leave = &leave; /* from here on the handler leaves ... */
        while (!self->cancel) {     /* ... and before, it has set this */
            int r = __valet_wait(addr, val, deadline);
            if (r == EINTR && self->cancel)
                continue;
            self->valet_leave = 0;
            return r;
        }
    }
    self->valet_leave = 0;
    valet_futex_wake((uint32_t *)addr, 1);
    return (int)-__cancel(); /* does not return, or is ECANCELED where the caller asked for that */
}

static _Noreturn void leave_wait(void)
{
    longjmp(__pthread_self()->valet_leave->out, 1);
}

/* In the signal's handler, once it is known that the thread is to be cancelled. */
int __valet_leave(void *context)
{
    ucontext_t *uc = context;
    uintptr_t frame = (uintptr_t)__pthread_self()->valet_leave;
    uintptr_t sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
    if (!frame || sp > frame || frame - sp > WAIT_STACK)
        return 0;
    uc->uc_mcontext.gregs[REG_RSP] = (greg_t)((sp & ~(uintptr_t)15) - 8); /* as after a call */
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)leave_wait;
    return 1;
}
