/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Our own numbers of Linux system calls and those of musl's headers, side by side: see
 * numbers.sh. PLANTED_BUG must not compile. */
#include "sys/linux_numbers.h"

enum { OURS_futex = __NR_futex, OURS_clock_gettime = __NR_clock_gettime };
#undef __NR_futex
#undef __NR_clock_gettime

#include MUSL_SYSCALL_H

#ifdef PLANTED_BUG
#undef __NR_futex
#define __NR_futex 240
#endif

_Static_assert(OURS_futex == __NR_futex, "futex");
_Static_assert(OURS_clock_gettime == __NR_clock_gettime, "clock_gettime");

/* And what the library takes where it is told of musl's headers. */
#undef VALET_SYS_LINUX_NUMBERS_H
#define VALET_MUSL_SYSCALL_H MUSL_SYSCALL_H
#include "sys/linux_numbers.h"
_Static_assert(OURS_futex == __NR_futex, "futex, by the build's own way");
