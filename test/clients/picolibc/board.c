/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What picolibc needs of a board: thread-local storage for each CPU, memory, and files. The CPUs
 * are started and the devices driven by test/bare/, which stands for a board's own code.
 */
#include "board.h"

#include <errno.h>
#include <picotls.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <valet.h>

#include "bare.h"

_Static_assert(CPUS == BARE_CPUS, "as many as the board has");

unsigned char bare_stacks[BARE_CPUS][BARE_STACK] __attribute__((aligned(BARE_STACK)));
_Thread_local unsigned cpu;

#define TLS 256 /* picolibc.ld sees to it that this is enough */
static unsigned char tls[CPUS][TLS] __attribute__((aligned(TLS)));

/* ---- CPUs ------------------------------------------------------------------------------------ */

static void (*job)(void);
static struct valet_waiters jobs = VALET_WAITERS_INIT(0); /* how many there were, of 5 bits */
static struct valet_waiters running = VALET_WAITERS_INIT(0);
static atomic_uint left;

static void do_job(void)
{
    job();
    if (atomic_fetch_sub(&left, 1) == 1)
        valet_store_and_wake(&running, 0);
}

void board_run(void (*work)(void))
{
    job = work;
    atomic_store(&left, CPUS);
    valet_store_and_wake(&running, 1);
    valet_store_and_wake(&jobs, (valet_waiters_state(&jobs) + 1) & VALET_STATE_MAX);
    do_job();
    (void)!valet_compare_and_wait(&running, 1); /* bare metal refuses no wait */
}

void bare_enter(unsigned number)
{
#ifdef __aarch64__
    /* The libc is compiled to use the floating-point registers. Source: Arm ARM, CPACR_EL1. */
    __asm__ volatile("msr cpacr_el1, %0\n\tisb" ::"r"(UINT64_C(3) << 20));
#endif
    _init_tls(tls[number]);
    _set_tls(tls[number]);
    cpu = number;
    if (number == 0) {
        bare_machine_init();
        for (unsigned i = 1; i < CPUS; i++)
            bare_cpu_start(i);
        exit(main());
    }
    for (unsigned done = 0;; done = (done + 1) & VALET_STATE_MAX) {
        (void)!valet_compare_and_wait(&jobs, done);
        do_job();
    }
}

unsigned bare_cpu(void)
{
    return cpu;
}

void bare_on_fault(const char *what, uintptr_t pc)
{
    printf("%s: FAULT at %#lx\n", what, (unsigned long)pc);
    bare_exit(1);
}

/* Interrupts stay off. */
void bare_on_ipi(void)
{
}

void bare_on_timer(void)
{
}

/* ---- heap ------------------------------------------------------------------------------------ */

extern char heap_start[], heap_end[]; /* picolibc.ld */

/* Called by malloc, which has the libc's lock. */
void *sbrk(ptrdiff_t n)
{
    static char *top = heap_start;
    char *block = top;
    if (n > heap_end - block) {
        errno = ENOMEM;
        return (void *)-1;
    }
    top = block + n;
    return block;
}

/* ---- files ----------------------------------------------------------------------------------- */

unsigned long sink_bytes[256];

static int put(char c, FILE *file)
{
    (void)file;
    bare_put(c);
    return (unsigned char)c;
}

static FILE serial = FDEV_SETUP_STREAM(put, NULL, NULL, _FDEV_SETUP_WRITE);
FILE *const stdout = &serial; /* unbuffered, and without a lock */
FILE *const stdin = &serial;  /* nothing to read: the libc wants to know whether it is another's */

ssize_t write(int file, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = ((const unsigned char *)bytes)[i];
        if (file == SINK)
            sink_bytes[c]++;
        else
            bare_put((char)c);
    }
    return (ssize_t)n;
}

ssize_t read(int file, void *bytes, size_t n)
{
    (void)file, (void)bytes, (void)n;
    errno = EINVAL;
    return -1;
}

off_t lseek(int file, off_t offset, int whence)
{
    (void)file, (void)offset, (void)whence;
    errno = ESPIPE;
    return -1;
}

int close(int file)
{
    (void)file;
    return 0;
}

void _exit(int status)
{
    bare_exit(status);
}

void abort(void)
{
    bare_exit(1); /* the libc's own would raise a signal */
}

#ifdef __aarch64__
/* Asked by the compiler's atomic helpers, which libc.a calls; the compiler's own answer needs a
 * Linux to ask. */
_Bool __aarch64_have_lse_atomics;
#endif
