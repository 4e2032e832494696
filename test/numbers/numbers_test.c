/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Our own numbers of Linux system calls and those of musl's headers, or the kernel's, side by side:
 * see numbers.sh. PLANTED_BUG must not compile. */
#include "sys/linux_numbers.h"

/* Which calls there are: 64 bits, 32 bits, or 32 bits without the older ones. */
#ifdef __NR_futex
enum { OURS_futex = __NR_futex };
#undef __NR_futex
#endif
#ifdef __NR_futex_time64
enum { OURS_futex_time64 = __NR_futex_time64, OURS_clock_gettime64 = __NR_clock_gettime64 };
#undef __NR_futex_time64
#undef __NR_clock_gettime64
#ifdef __NR_clock_gettime32
enum { OURS_clock_gettime32 = __NR_clock_gettime32 };
#undef __NR_clock_gettime32
#endif
#else
enum { OURS_clock_gettime = __NR_clock_gettime };
#undef __NR_clock_gettime
#endif

#include SYSCALL_H

#ifdef PLANTED_BUG
#undef __NR_futex
#define __NR_futex 97
#undef __NR_futex_time64
#define __NR_futex_time64 421
#endif

#ifdef __NR_futex
_Static_assert(OURS_futex == __NR_futex, "futex");
#endif
#if __SIZEOF_POINTER__ == 4
_Static_assert(OURS_futex_time64 == __NR_futex_time64, "futex_time64");
_Static_assert(OURS_clock_gettime64 == __NR_clock_gettime64, "clock_gettime64");
#if defined __NR_clock_gettime && !defined __NR_clock_gettime32 /* the kernel's name */
#define __NR_clock_gettime32 __NR_clock_gettime
#endif
#ifdef __NR_clock_gettime32
_Static_assert(OURS_clock_gettime32 == __NR_clock_gettime32, "clock_gettime32");
#endif
#else
_Static_assert(OURS_clock_gettime == __NR_clock_gettime, "clock_gettime");
#endif

/* And what the library takes where it is told of these headers. */
#undef VALET_SYS_LINUX_NUMBERS_H
#define VALET_MUSL_SYSCALL_H SYSCALL_H
#include "sys/linux_numbers.h"
#ifdef __NR_futex
_Static_assert(OURS_futex == __NR_futex, "futex, by the build's own way");
#endif
