/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the place of arch/arch.h: the same functions, and behind them the kernel that a target plays.
 */
#ifndef VALET_TEST_FUZZ_ARCH_H
#define VALET_TEST_FUZZ_ARCH_H

#include <stdint.h>

long fuzz_trap(long number, const long *arguments);
void fuzz_relax(void);
void fuzz_spin(const uint32_t *word, uint32_t expected);

#define TRAP(name)                                                                       \
    static inline long name(long number, long a, long b, long c, long d, long e, long f) \
    {                                                                                    \
        return fuzz_trap(number, (const long[]){a, b, c, d, e, f, 0});                   \
    }
TRAP(valet_trap_linux)
TRAP(valet_trap_bsd)
TRAP(valet_trap_darwin)

static inline long valet_trap_netbsd(long number, long a, long b, long c, long d, long e, long f,
                                     long g)
{
    return fuzz_trap(number, (const long[]){a, b, c, d, e, f, g});
}
#define VALET_TRAP_NETBSD valet_trap_netbsd

#define VALET_TRAP_OPENBSD(name, number)                               \
    static long name(long a, long b, long c, long d, long e, long f)   \
    {                                                                  \
        return fuzz_trap(number, (const long[]){a, b, c, d, e, f, 0}); \
    }                                                                  \
    _Static_assert(number != 0, "")

/* The sequence of sys/cancel.h: its labels, and what it does. */
#define VALET_CANCELLABLE_LINUX          "1:\n2:\n3:\tret\n"
#define VALET_CANCELLABLE_BSD            VALET_CANCELLABLE_LINUX
#define VALET_CANCELLABLE_NETBSD(number) VALET_CANCELLABLE_LINUX
static inline long fuzz_cancellable(const uint32_t *cancel, const long *call)
{
    return *cancel != 0 ? 1 : fuzz_trap(call[0], call + 1);
}
#define VALET_CALL_CANCELLABLE fuzz_cancellable

static inline void valet_arch_relax(void)
{
    fuzz_relax();
}

static inline void valet_arch_wait(const uint32_t *word, uint32_t expected)
{
    fuzz_spin(word, expected);
}

static inline void valet_arch_event(void)
{
    fuzz_trap(0, 0);
}

static inline uint64_t valet_arch_now(void)
{
    return (uint64_t)fuzz_trap(1, 0);
}

#endif
