/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Numbers of Linux system calls: musl's <bits/syscall.h> for this CPU where the build found it,
 * else these, from torvalds/linux arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl,
 * arch/arm/tools/syscall.tbl, arch/powerpc/kernel/syscalls/syscall.tbl,
 * arch/s390/kernel/syscalls/syscall.tbl and include/uapi/asm-generic/unistd.h, by musl's names: of
 * two calls the one with a time of 32 bits is clock_gettime32, and plain futex.
 * test/numbers/numbers_test.c holds the two equal.
 */
#ifndef VALET_SYS_LINUX_NUMBERS_H
#define VALET_SYS_LINUX_NUMBERS_H

#ifdef VALET_MUSL_SYSCALL_H
#include VALET_MUSL_SYSCALL_H
#elif defined __x86_64__
#define __NR_futex         202
#define __NR_clock_gettime 228
#elif defined __i386__
#define __NR_futex           240
#define __NR_clock_gettime32 265
#define __NR_clock_gettime64 403
#define __NR_futex_time64    422
#elif defined __arm__
#define __NR_futex           240
#define __NR_clock_gettime32 263
#define __NR_clock_gettime64 403
#define __NR_futex_time64    422
#elif defined __riscv && __riscv_xlen == 32 /* the generic table, without times of 32 bits */
#define __NR_clock_gettime64 403
#define __NR_futex_time64    422
#elif defined __powerpc64__
#define __NR_futex         221
#define __NR_clock_gettime 246
#elif defined __s390x__
#define __NR_futex         238
#define __NR_clock_gettime 260
#else /* aarch64, riscv64: the generic table */
#define __NR_futex         98
#define __NR_clock_gettime 113
#endif

#endif
