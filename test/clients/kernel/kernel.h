/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A small preemptive kernel for two CPUs. It drives them through test/bare/bare.h, which stands for
 * a board's own start-up code and drivers.
 *
 * kernel.c is the scheduler, switch-<cpu>.S its context switch; contract-<kind>.c is what valet
 * needs of it; program.c is a program that runs on both.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#define KERNEL_CPUS    2u
#define KERNEL_TICK    1000000u /* ns: how long a thread runs while others are ready */
#define KERNEL_FOREVER UINT64_MAX

struct thread;

/* Calls ring(argument) in the timer's interrupt, once, at `when` or soon after. */
struct alarm {
    uint64_t when; /* ns of kernel_now() */
    void (*ring)(void *argument);
    void *argument;
    struct alarm *next; /* the kernel's, as is the one below */
    bool set;
};

/* ---- for programs ---------------------------------------------------------------------------- */

void program(void *unused); /* the first thread; the program defines it */

void kernel_start(void (*run)(void *), void *argument);
void kernel_alarm(struct alarm *a); /* from threads and handlers; a stays in place until it rings */
uint64_t kernel_now(void);          /* monotonic ns, never 0; any context */
uint64_t kernel_idle_ns(unsigned cpu); /* how long it has been in WFI so far */
void kernel_print(const char *text);   /* any context */
uintptr_t kernel_mask(void);           /* interrupts off on this CPU; how they were before */
void kernel_unmask(uintptr_t before);
_Noreturn void kernel_exit(int status);

/* ---- for the contract ------------------------------------------------------------------------ */

struct thread *kernel_self(void);

/* One spin lock for all of the kernel, with interrupts off; any context. */
uintptr_t kernel_lock(void);
void kernel_unlock(uintptr_t before); /* what kernel_lock returned */

/*
 * Both under the lock. kernel_block gives it up while the thread is blocked, in one step with
 * blocking it; false: the deadline came, true: kernel_ready was called. kernel_ready on a thread
 * that is not blocked does nothing.
 */
bool kernel_block(uint64_t deadline);
void kernel_ready(struct thread *thread);

#endif
