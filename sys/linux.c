/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Linux and Android: futex(2), futex kind.
 *
 * FUTEX_WAIT_BITSET, since unlike FUTEX_WAIT it takes an absolute time: a wait that is begun again
 * does not drift. Private: the key is the address, not the page behind it. Present since 2.6.25;
 * Android's sandbox kills a program that so much as tries the newer futex_wait(2), so it is not
 * tried.
 *
 * Other kernels speak this interface, too (gVisor is tested). ETIMEDOUT is believed: timers of this
 * interface are never early, and a look at the clock would be 90 bytes in each parker, a third of
 * it.
 *
 * CPUs of 32 bits have each call twice. That with a time of 64 bits is asked first: it is the only
 * one on riscv32, and on kernels that were built without the other. Kernels before 5.1, and the
 * filters of old sandboxes, refuse it: then the other is asked, at every call anew, since there is
 * no place to note the answer. Both queue on the same key. Kernels and runc say ENOSYS to a call
 * that they do not know; Docker before that, snapd and systemd-nspawn EPERM; filters of programs
 * (libreswan's "seccomp=tolerant", pgseccomp) EACCES. Android's kills, up to Android 10: there only
 * the other is made, which all of it has.
 *
 * Sources: torvalds/linux kernel/futex/syscalls.c, kernel/futex/waitwake.c, requeue.c,
 * include/uapi/linux/futex.h, include/uapi/asm-generic/errno-base.h, errno.h; google/gvisor
 * pkg/sentry/syscalls/linux/sys_futex.go. Of refusals: opencontainers/runc pull 2750, moby/moby
 * pull 40739, canonical/core20 issue 48, systemd/systemd pull 25434, libreswan/libreswan
 * programs/addconn/addconn.c, CrunchyData/pgseccomp pgseccomp.c, golang/go issue 77621 (Android).
 */
#include <stddef.h>

#define VALET_CANCELLABLE_TRAP VALET_CANCELLABLE_LINUX

#include "arch/arch.h"
#include "sys/cancel.h"
#include "sys/futex_word.h"
#include "sys/hook.h"
#include "sys/kernel_timespec.h"
#include "sys/linux_numbers.h"
#include "valet_sys.h"

#if VALET_SYS_ATOMIC
#error "valet: this CPU has no atomic instructions; is there a later one (-march=)?"
#endif

#define FUTEX_WAKE             1
#define FUTEX_CMP_REQUEUE      4
#define FUTEX_WAIT_BITSET      9
#define FUTEX_PRIVATE_FLAG     128
#define FUTEX_CLOCK_REALTIME   256
#define FUTEX_BITSET_MATCH_ANY 0xffffffff
#define CLOCK_REALTIME         0
#define CLOCK_MONOTONIC        1
#define EPERM                  1
#define EINTR                  4
#define EAGAIN                 11
#define EACCES                 13
#define EFAULT                 14
#define ENOSYS                 38
#define ETIMEDOUT              110

/* With `cancel` by the sequence of sys/cancel.h. fourth: a time, or what a requeue has there. */
VALET_INLINE long futex_trap(const uint32_t *cancel, long number, uint32_t *word, int operation,
                             long value, long fourth, uint32_t *other, uint32_t value3)
{
    if (cancel == NULL)
        return valet_trap_linux(number, (long)word, operation, value, fourth, (long)other,
                                (long)value3);
    return valet_cancellable_trap(cancel, number, (long)word, operation, value, fourth, (long)other,
                                  (long)value3, 0);
}

#if UINTPTR_MAX == UINT32_MAX

struct timespec32 {
    int32_t tv_sec, tv_nsec;
};

#if defined __ANDROID__ && defined __NR_futex
#define TIMES_OF_64_BITS 0
#else
#define TIMES_OF_64_BITS 1
#endif

VALET_INLINE long clock_time(int clock, struct timespec *t)
{
    long r = -ENOSYS;
    if (TIMES_OF_64_BITS)
        r = valet_trap_linux(__NR_clock_gettime64, clock, (long)t, 0, 0, 0, 0);
#ifdef __NR_clock_gettime32
    struct timespec32 t32;
    if (r != 0 &&
        (r = valet_trap_linux(__NR_clock_gettime32, clock, (long)&t32, 0, 0, 0, 0)) == 0) {
        t->tv_sec = t32.tv_sec;
        t->tv_nsec = t32.tv_nsec;
    }
#endif
    return r;
}

/* The fourth argument is a time or, of a requeue, a number: the other is 0. */
VALET_INLINE long futex_call(const uint32_t *cancel, uint32_t *word, int operation, long value,
                             const struct timespec *until, long requeue, uint32_t *other,
                             uint32_t value3)
{
    long r = -ENOSYS;
    if (TIMES_OF_64_BITS)
        r = futex_trap(cancel, __NR_futex_time64, word, operation, value, (long)until | requeue,
                       other, value3);
#ifdef __NR_futex
    /* An old kernel; sandboxes. No operation of ours answers so. */
    if (r == -ENOSYS || r == -EPERM || r == -EACCES) {
        struct timespec32 t32;
        if (until != NULL && until->tv_sec > INT32_MAX)
            until = NULL; /* its clock does not get there: 68 years after its start, or in 2038 */
        if (until != NULL) {
            t32.tv_sec = (int32_t)until->tv_sec;
            t32.tv_nsec = (int32_t)until->tv_nsec;
        }
        r = futex_trap(cancel, __NR_futex, word, operation, value,
                       (until != NULL ? (long)&t32 : 0) | requeue, other, value3);
    }
#endif
    return r;
}

/* Two traps, so they are not inlined; by their names they are functions that have traps. */
#define FUTEX_CALL VALET_SYS_CALL static

#else

VALET_INLINE long clock_time(int clock, struct timespec *t)
{
    return valet_trap_linux(__NR_clock_gettime, clock, (long)t, 0, 0, 0, 0);
}

VALET_INLINE long futex_call(const uint32_t *cancel, uint32_t *word, int operation, long value,
                             const struct timespec *until, long requeue, uint32_t *other,
                             uint32_t value3)
{
    return futex_trap(cancel, __NR_futex, word, operation, value, (long)until | requeue, other,
                      value3);
}

#define FUTEX_CALL VALET_INLINE

#endif

FUTEX_CALL long valet_sys_futex(uint32_t *word, int operation, long value,
                                const struct timespec *until, uint32_t *other, uint32_t value3)
{
    return futex_call(NULL, word, operation, value, until, 0, other, value3);
}

FUTEX_CALL long valet_sys_futex_cancellable(const uint32_t *cancel, uint32_t *word, int operation,
                                            uint32_t value, const struct timespec *until)
{
    return futex_call(cancel, word, operation, (long)value, until, 0, NULL, FUTEX_BITSET_MATCH_ANY);
}

FUTEX_CALL long valet_sys_futex_move(uint32_t *from, uint32_t expected, int operation,
                                     uint32_t wake, uint32_t *to, uint32_t requeue)
{
    return futex_call(NULL, from, operation, (long)wake, NULL, (long)requeue, to, expected);
}

uint64_t valet_sys_now_realtime(void)
{
    struct timespec t = timespec_of(0);
    if (clock_time(CLOCK_REALTIME, &t) != 0)
        return 0; /* as below */
    return ns_of(&t);
}

/* The clock hook: a libc asks the vDSO, in its own function of this name (hook.h), which never
 * returns 0 and counts by CLOCK_MONOTONIC, as the kernel does by its deadlines. */
#if !VALET_HOOK
VALET_WEAK uint64_t valet_sys_now(void)
{
    struct timespec t = timespec_of(0);
    if (clock_time(CLOCK_MONOTONIC, &t) != 0)
        return 0; /* a sandbox took the clock away; nothing else can fail here */
    return ns_of(&t);
}
#endif

VALET_INLINE int wait(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags,
                      const uint32_t *cancel)
{
    struct timespec t;
    const struct timespec *until = NULL;
    /* In 292 years there is none: from 2^63 ns on gVisor's sum of seconds and ns is in the past. */
    if (deadline <= INT64_MAX) {
        t = timespec_of(deadline);
        until = &t;
    }
    int operation = FUTEX_WAIT_BITSET;
    if (!(flags & VALET_SHARED))
        operation |= FUTEX_PRIVATE_FLAG;
    if (flags & VALET_REALTIME)
        operation |= FUTEX_CLOCK_REALTIME;
    long r;
    if (cancel != NULL)
        r = valet_sys_futex_cancellable(cancel, word, operation, expected, until);
    else
        r = valet_sys_futex(word, operation, (long)expected, until, NULL, FUTEX_BITSET_MATCH_ANY);
    if (valet_is_cancelled(cancel, r))
        return VALET_INTERRUPTED;
    /* 0: woken, perhaps by a stranger who used this address before. EINTR: a signal handler ran. */
    if (r == -EINTR && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;
    if (r == 0 || r == -EINTR)
        return VALET_OK;
    if (r == -EAGAIN) /* the word differed */
        return VALET_CHANGED;
    if (r == -ETIMEDOUT && until != NULL) /* the deadline has come, by its clock */
        return VALET_TIMEDOUT;
    /* EFAULT: the word is not mapped, or its page is protected at this moment. EINVAL: it is not
     * aligned (no other argument can be wrong). ENOSYS, EPERM, EACCES, anything else: no such call
     * here, or a sandbox forbids it. */
    return VALET_ERR_SYSTEM;
}

int valet_sys_futex_wait(uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return wait(word, expected, deadline, 0, NULL);
}

int valet_sys_futex_wait_with(uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    return wait(word, expected, deadline, flags, NULL);
}

int valet_sys_futex_wait_cancellable(uint32_t *word, uint32_t expected, uint64_t deadline,
                                     unsigned flags, const uint32_t *cancel)
{
    return wait(word, expected, deadline, flags, cancel);
}

bool valet_sys_cancel_redirect(uintptr_t *pc)
{
    return valet_cancellable_redirect(pc);
}

/* "Move nobody, if *word is expected": the kernel looks, and queues nobody. gVisor spends a wake on
 * a thread that then answers ETIMEDOUT, so another wait would be no look. */
int valet_sys_futex_look(uint32_t *word, uint32_t expected)
{
    long r = valet_sys_futex(word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 0, NULL, word, expected);
    /* EFAULT: the word is not mapped, or no longer. 0: as expected. Anything else: a sandbox
     * forbids this call alone, and nobody can tell. */
    return r == -EAGAIN ? VALET_CHANGED : r == -EFAULT ? VALET_ERR_SYSTEM : VALET_TIMEDOUT;
}

/* The number woken. EFAULT and EINVAL: the word is gone already and so are its waiters. */
static inline long wake(uint32_t *word, int count, int private)
{
    return valet_sys_futex(word, FUTEX_WAKE | private, count, NULL, NULL, 0);
}

void valet_sys_futex_wake(uint32_t *word, uint32_t count)
{
    /* The kernel takes count as a signed int and wakes one for any that is not positive. */
    wake(word, valet_futex_count(count), FUTEX_PRIVATE_FLAG);
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_SYS_FOLLOWS | VALET_INTERRUPTIBLE | VALET_SHARED | VALET_REQUEUE |
           VALET_CANCELLABLE | VALET_SYS_COUNTS;
}

uint32_t valet_sys_futex_wake_with(uint32_t *word, uint32_t count, unsigned flags)
{
    int private = flags & VALET_SHARED ? 0 : FUTEX_PRIVATE_FLAG;
    return valet_futex_woken(wake(word, valet_futex_count(count), private));
}

int valet_sys_futex_requeue(uint32_t *from, uint32_t expected, uint32_t wake, uint32_t *to,
                            uint32_t requeue, unsigned flags)
{
    int private = flags & VALET_SHARED ? 0 : FUTEX_PRIVATE_FLAG;
    /* Where a wait has its time the kernel takes a number; of both, none that is negative. */
    long r = valet_sys_futex_move(from, expected, FUTEX_CMP_REQUEUE | private, wake, to, requeue);
    /* 0 and above: how many woke and moved, together. EAGAIN: the word differed. EFAULT: a word is
     * not mapped (where it is private, only the first is looked at), or its page is protected at
     * this moment. EINVAL: one is not aligned. ENOSYS, EPERM, EACCES, anything else: no such call
     * here, or a sandbox forbids it. */
    return r >= 0 ? VALET_OK : r != -EAGAIN ? VALET_ERR_SYSTEM : VALET_CHANGED;
}
