/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Foreign kernels in real parallelism.
 *
 * The machine code of the library, as it is compiled for another system, runs in a Linux program.
 * Before it starts, machine.c overwrites the trap instructions of the library, and of nothing else,
 * by as many bytes that raise a signal: an illegal instruction, or a breakpoint on x86_64 and i386.
 * The handler of SIGILL or SIGTRAP takes a call apart by the other system's convention, has one of
 * the kernels below answer it, and goes on behind the trap, with everything spoilt that the
 * convention lets a kernel spoil. So no number of another system ever reaches Linux, where many of
 * them are other calls.
 *
 * A kernel sleeps and wakes by Linux' own futex. It knows the calls that the library may make,
 * and ends the program at anything else: a wrong number, size, flag or time. Systems that are
 * entered by a symbol need no trap: their files define the symbols.
 *
 * kernel.c is what the kernels share; one file for each family, by its kernel's sources.
 */
#ifndef VALET_TEST_SIGILL_KERNEL_H
#define VALET_TEST_SIGILL_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* ---- machine.c and a kernel ------------------------------------------------------------------ */

enum convention { LIKE_LINUX, LIKE_BSD, LIKE_NETBSD, LIKE_OPENBSD, LIKE_DARWIN };

struct call {
    uint64_t number;
    uintptr_t a[7];
    uint64_t result; /* if error is 0 */
    int error;       /* an errno of that system */
    bool again;      /* neither: the thread is set back to its trap */
};

/* Supplied by the file of the family. */
extern const enum convention system_convention;
void system_call(struct call *c);

/* ---- kernel.c -------------------------------------------------------------------------------- */

_Noreturn void kernel_panic(const char *what, uint64_t value);
#define KERNEL_MUST(condition, value) \
    ((condition) ? (void)0 : kernel_panic(#condition, (uint64_t)(value)))

/* Monotonic ns, of CLOCK_MONOTONIC. */
uint64_t kernel_now(void);
/* The same as the two numbers of a timespec, and back; panics where a kernel would refuse. As
 * NetBSD and OpenBSD have it on each CPU. */
struct kernel_time {
    int64_t seconds;
    long ns;
};
struct kernel_time kernel_time(uint64_t ns);
uint64_t kernel_ns(int64_t seconds, int64_t ns);
/* A deadline from a time that counts from now; both saturate. */
uint64_t kernel_after(uint64_t ns);

#define KERNEL_FOREVER UINT64_MAX
enum kernel_end { WOKEN, DIFFERS, EXPIRED, INTERRUPTED, UNMAPPED };
enum kernel_end kernel_sleep(const void *word, uint32_t expected, uint64_t deadline);
/* Returns how many. */
unsigned kernel_wake(const void *word, uint32_t count);
/* All that were woken so far. */
uint64_t kernel_woken(void);
bool kernel_is_mapped(const void *word);
/* Wakes, and lets others sleep on another word: WOKEN, DIFFERS or UNMAPPED. */
enum kernel_end kernel_requeue(const void *from, uint32_t expected, uint32_t wake, const void *to,
                               uint32_t move);

/* FreeBSD, OpenBSD: a waiter is queued before its word is compared, and may take a wake-one then.
 * True: it has, and is woken. kernel_wake_passing: whether such a waiter took this wake-one. */
bool kernel_pass(const void *word);
bool kernel_wake_passing(const void *word);

/* Asked once in each wait: whether this one is to end without a reason, in whatever way the system
 * has. Five of a hundred; the environment's SIGILL_PERCENT of a hundred. */
bool kernel_whim(void);
uint32_t kernel_random(uint32_t below);

/* Set by a test: waits are refused, as by a sandbox. */
extern _Atomic bool kernel_refuses;
/* Set by a test: asked before each call. True: the thread is set back to its trap, to make it
 * again. */
extern bool (*_Atomic kernel_sets_back)(const struct call *c);
/* What has been done so far. */
uint64_t kernel_whims(void);

#endif
