/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The harness on a machine without a system: QEMU's, with four CPUs. A thread is a CPU: the first
 * runs the program, the others sleep until test_start gives them something to run.
 *
 * bare.c is the same on each; <cpu>.S starts the CPUs and <cpu>.c drives the few devices. Where
 * there are fewer cores than four, threads take turns on them: cortexm.c.
 */
#ifndef VALET_TEST_BARE_H
#define VALET_TEST_BARE_H

#ifndef BARE_CPUS
#define BARE_CPUS 4
#endif
#define BARE_STACK 0x10000 /* one for each CPU; a power of two */

#ifndef __ASSEMBLER__

#include <stdint.h>

/* ---- bare.c ---------------------------------------------------------------------------------- */

extern unsigned char bare_stacks[BARE_CPUS][BARE_STACK];

/* Start-up code comes here, on each CPU's own stack, with interrupts masked. */
_Noreturn void bare_enter(unsigned cpu);

/* Between these two no other thread and no handler is between them; they do not nest. Of <cpu>.c,
 * where the CPU has no atomic read-modify-write. */
uintptr_t bare_begin(void);
void bare_end(uintptr_t before);

/* The number of this CPU. */
unsigned bare_cpu(void);

/* One timer interrupt on this CPU, in ns from now, whose handler runs handler(argument). */
void bare_timer(uint64_t ns, void (*handler)(void *), void *argument);

/* Interrupt handlers come here. */
void bare_on_ipi(void);
void bare_on_timer(void);
_Noreturn void bare_on_fault(const char *what, uintptr_t pc);

/* ---- <cpu>.c --------------------------------------------------------------------------------- */

void bare_machine_init(void);         /* once, on the first CPU */
void bare_cpu_init(void);             /* on each CPU, the first included */
void bare_cpu_start(unsigned cpu);    /* it arrives in bare_enter, soon */
void bare_ipi(unsigned cpu);          /* inter-processor interrupt, also to oneself */
void bare_timer_start(uint64_t ns);   /* one timer interrupt on this CPU */
uint64_t bare_clock(void);            /* monotonic ns, the same on all CPUs */
void bare_put(char c);                /* to the serial port */
_Noreturn void bare_exit(int status); /* of QEMU: see run.sh */

uintptr_t bare_mask(void); /* interrupts off; how they were before */
void bare_unmask(uintptr_t before);
void bare_halt(void);  /* interrupts are masked: wait for one, take it, leave them unmasked */
void bare_relax(void); /* one look is done, another follows */

#endif
#endif
