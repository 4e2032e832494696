/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * sem_wait must end with EINTR where a handler without SA_RESTART has run, and valet_futex_wait
 * says VALET_OK for that as for a wake. But every handler returns through the C library's few
 * instructions before the system call rt_sigreturn: those handlers are given these, which count.
 * (Unwinders know musl's own by its bytes, and take these for a function: a backtrace out of such a
 * handler ends here.)
 */
#include <stddef.h>
#include <sys/syscall.h>

#include "pthread_impl.h"

__attribute__((naked)) void __valet_restore(void)
{
    __asm__ volatile("incl %%fs:%c0\n\t"
                     "mov %1, %%eax\n\t"
                     "syscall"
                     :
                     : "i"(offsetof(struct pthread, valet_handlers)), "i"(SYS_rt_sigreturn));
}
