/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the foreign kernels share: Linux' futex and clock, chance, and the account. */
#define _GNU_SOURCE

#include "kernel.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Atomic bool kernel_refuses;
bool (*_Atomic kernel_sets_back)(const struct call *c);
static atomic_uint_fast64_t waits, whims, absorbed, woken;
static uint32_t percent = 5;

void kernel_panic(const char *what, uint64_t value)
{
    char line[256];
    int n = snprintf(line, sizeof line, "the kernel: not so: %s: %#llx\n", what,
                     (unsigned long long)value);
    if (write(STDOUT_FILENO, line, (size_t)n) != n)
        _exit(2);
    _exit(1);
}

__attribute__((constructor)) static void read_percent(void)
{
    const char *text = getenv("SIGILL_PERCENT");
    if (text != NULL)
        percent = (uint32_t)atoi(text);
}

__attribute__((destructor)) static void report(void)
{
    printf("   the kernel: %llu waits, %llu of them ended for no reason, %llu wakes absorbed\n",
           (unsigned long long)waits, (unsigned long long)whims, (unsigned long long)absorbed);
}

/* ---- time ------------------------------------------------------------------------------------ */

uint64_t kernel_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct kernel_time kernel_time(uint64_t ns)
{
    return (struct kernel_time){(int64_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

uint64_t kernel_ns(int64_t seconds, int64_t ns)
{
    KERNEL_MUST(seconds >= 0, seconds);
    KERNEL_MUST(ns >= 0 && ns < 1000000000, ns);
    uint64_t sum;
    if (__builtin_mul_overflow((uint64_t)seconds, UINT64_C(1000000000), &sum) ||
        __builtin_add_overflow(sum, (uint64_t)ns, &sum))
        return KERNEL_FOREVER;
    return sum;
}

uint64_t kernel_after(uint64_t ns)
{
    uint64_t sum;
    return __builtin_add_overflow(kernel_now(), ns, &sum) ? KERNEL_FOREVER : sum;
}

/* ---- sleeping -------------------------------------------------------------------------------- */

enum kernel_end kernel_sleep(const void *word, uint32_t expected, uint64_t deadline)
{
    struct kernel_time time = kernel_time(deadline);
    struct timespec t = {.tv_sec = (time_t)time.seconds, .tv_nsec = time.ns};
    bool never = deadline == KERNEL_FOREVER || t.tv_sec != time.seconds; /* i386 has no such time */
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                never ? NULL : &t, NULL, FUTEX_BITSET_MATCH_ANY) == 0)
        return WOKEN;
    switch (errno) {
    case EAGAIN:
        return DIFFERS;
    case ETIMEDOUT:
        return EXPIRED;
    case EINTR:
        return INTERRUPTED;
    case EFAULT:
        return UNMAPPED;
    default:
        kernel_panic("Linux takes this wait", (uint64_t)errno);
    }
}

unsigned kernel_wake(const void *word, uint32_t count)
{
    long n = syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG,
                     count < INT32_MAX ? count : INT32_MAX, NULL, NULL, 0);
    KERNEL_MUST(n >= 0, errno);
    atomic_fetch_add(&woken, (uint64_t)n);
    return (unsigned)n;
}

uint64_t kernel_woken(void)
{
    return woken + absorbed;
}

enum kernel_end kernel_requeue(const void *from, uint32_t expected, uint32_t wake, const void *to,
                               uint32_t move)
{
    if (syscall(SYS_futex, from, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, wake, (uintptr_t)move, to,
                expected) >= 0)
        return WOKEN;
    KERNEL_MUST(errno == EAGAIN || errno == EFAULT, errno);
    return errno == EAGAIN ? DIFFERS : UNMAPPED;
}

bool kernel_is_mapped(const void *word)
{
    return kernel_sleep(word, 0, 0) != UNMAPPED;
}

/* One place in front of all queues; most of the time its thread is through at once. */
static _Atomic(const void *) passing;

bool kernel_pass(const void *word)
{
    const void *seen = NULL;
    if (!atomic_compare_exchange_strong(&passing, &seen, word))
        return false;
    if (kernel_random(16) == 0)
        sched_yield();
    seen = word;
    return !atomic_compare_exchange_strong(&passing, &seen, NULL);
}

bool kernel_wake_passing(const void *word)
{
    const void *seen = word;
    if (!atomic_compare_exchange_strong(&passing, &seen, NULL))
        return false;
    atomic_fetch_add(&absorbed, 1);
    return true;
}

/* ---- chance ---------------------------------------------------------------------------------- */

uint32_t kernel_random(uint32_t below)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        state = (uint64_t)gettid() * UINT64_C(0x9e3779b97f4a7c15);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % below;
}

bool kernel_whim(void)
{
    atomic_fetch_add_explicit(&waits, 1, memory_order_relaxed);
    if (kernel_random(100) >= percent)
        return false;
    atomic_fetch_add_explicit(&whims, 1, memory_order_relaxed);
    return true;
}

uint64_t kernel_whims(void)
{
    return whims;
}
