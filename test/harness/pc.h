/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Where a handler of Linux interrupted its thread: valet.h has the same. With _GNU_SOURCE. */
#ifndef VALET_TEST_PC_H
#define VALET_TEST_PC_H

#include <ucontext.h>

#if defined __x86_64__
#define PC(context) ((context)->uc_mcontext.gregs[REG_RIP])
#elif defined __i386__
#define PC(context) ((context)->uc_mcontext.gregs[REG_EIP])
#elif defined __aarch64__
#define PC(context) ((context)->uc_mcontext.pc)
#elif defined __arm__
#define PC(context) ((context)->uc_mcontext.arm_pc)
#elif defined __riscv
#define PC(context) ((context)->uc_mcontext.__gregs[REG_PC])
#elif defined __powerpc64__
#define PC(context) ((context)->uc_mcontext.gp_regs[32]) /* PT_NIP */
#elif defined __s390x__
#define PC(context) ((context)->uc_mcontext.psw.addr)
#endif

#endif
