/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * QEMU's board "virt", riscv32 and riscv64. Source: qemu hw/riscv/virt.c (addresses),
 * hw/intc/riscv_aclint.c, hw/misc/sifive_test.c; the privileged specification for the rest.
 */
#include "bare.h"

#include <stdbool.h>

#include "interrupt.h"
#include "test.h"
#include "valet_sys.h"

#define MSIP(hart)     ((volatile uint32_t *)(0x02000000u + 4 * (uintptr_t)(hart)))
#define MTIMECMP(hart) ((volatile uint32_t *)(0x02004000u + 8 * (uintptr_t)(hart)))
#define UART           ((volatile uint8_t *)0x10000000u)
#define FINISHER       ((volatile uint32_t *)0x00100000u)

#define TICK_NS 100u /* 10 MHz */

#define MSTATUS_MIE 8u
#define IRQ_IPI     3u
#define IRQ_TIMER   7u
#define INTERRUPT   (~(UINTPTR_MAX >> 1))

#define ILLEGAL 2u
#define WRS_STO 0x01d00073u

#define READ(csr)                                                  \
    __extension__({                                                \
        uintptr_t value;                                           \
        __asm__ volatile("csrr %0, " csr : "=r"(value)::"memory"); \
        value;                                                     \
    })
#define WRITE(csr, value) __asm__ volatile("csrw " csr ", %0" ::"r"(value) : "memory")

#if VALET_SYS_ATOMIC
/*
 * No atomic operations, and four CPUs: Lamport's bakery, of loads and stores. Who comes takes a
 * number higher than all that he sees, and waits for those with a lower one, or the same and a
 * lower CPU. Source: L. Lamport, A New Solution of Dijkstra's Concurrent Programming Problem, 1974.
 */
static volatile struct {
    uint32_t choosing, number;
} bakery[BARE_CPUS];

static void barrier(void)
{
    __asm__ volatile("fence rw, rw" ::: "memory");
}

uintptr_t bare_begin(void)
{
    uintptr_t before = bare_mask();
    unsigned me = bare_cpu();
    uint32_t highest = 0;
    bakery[me].choosing = 1;
    barrier();
    for (unsigned i = 0; i < BARE_CPUS; i++)
        if (bakery[i].number > highest)
            highest = bakery[i].number;
    bakery[me].number = highest + 1;
    barrier();
    bakery[me].choosing = 0;
    barrier();
    for (unsigned i = 0; i < BARE_CPUS; i++) {
        while (bakery[i].choosing)
            bare_relax();
        barrier();
        for (uint32_t n;
             (n = bakery[i].number) != 0 && (n <= highest || (n == highest + 1 && i < me));)
            bare_relax();
    }
    barrier();
    return before;
}

void bare_end(uintptr_t before)
{
    barrier();
    bakery[bare_cpu()].number = 0;
    barrier();
    bare_unmask(before);
}

#ifndef BARE_PAIR
#define BARE_PAIR 1
#endif
#if BARE_PAIR
uintptr_t valet_sys_atomic_begin(void)
{
    return bare_begin();
}

void valet_sys_atomic_end(uintptr_t before)
{
    bare_end(before);
}
#endif
#endif

void trap(void);

/* In halves, as 32 bits need it: with the upper one at its most no interrupt comes in between. */
static void compare(uint64_t ticks)
{
    volatile uint32_t *half = MTIMECMP(bare_cpu());
    half[1] = UINT32_MAX;
    half[0] = (uint32_t)ticks;
    half[1] = (uint32_t)(ticks >> 32);
}

static uint64_t ticks(void)
{
#if __riscv_xlen == 64
    return READ("time");
#else
    uint32_t high, low, again;
    do {
        high = READ("timeh");
        low = READ("time");
        again = READ("timeh");
    } while (high != again);
    return (uint64_t)high << 32 | low;
#endif
}

__attribute__((interrupt("machine"), aligned(4))) void trap(void)
{
    uintptr_t cause = READ("mcause"), pc = READ("mepc");
    unsigned hart = bare_cpu();
    if (cause == (INTERRUPT | IRQ_IPI)) {
        *MSIP(hart) = 0;
        /* Lowered before the handler is looked up: one that is given from now on raises it anew. */
        __asm__ volatile("fence rw, rw" ::: "memory");
        bare_on_ipi();
    } else if (cause == (INTERRUPT | IRQ_TIMER)) {
        compare(UINT64_MAX);
        bare_on_timer();
    } else if (cause == ILLEGAL && *(const uint32_t *)pc == WRS_STO) {
        /* QEMU before 8.0 has no Zawrs. The instruction may end for any reason: it ends at once. */
        WRITE("mepc", pc + 4);
    } else {
        bare_on_fault("trap", pc);
    }
    interrupt_drop_reservation();
}

void bare_machine_init(void)
{
}

void bare_cpu_init(void)
{
    compare(UINT64_MAX);
    __asm__ volatile("csrs mie, %0" ::"r"(1u << IRQ_IPI | 1u << IRQ_TIMER) : "memory");
}

void bare_cpu_start(unsigned cpu)
{
    (void)cpu; /* it runs already */
}

void bare_ipi(unsigned cpu)
{
    /* What the handler is to find is written before the interrupt: memory before device. */
    __asm__ volatile("fence rw, ow" ::: "memory");
    *MSIP(cpu) = 1;
}

void bare_timer_start(uint64_t ns)
{
    compare(ticks() + (uint32_t)ns / TICK_NS);
}

uint64_t bare_clock(void)
{
    return ticks() * TICK_NS + 1; /* never 0 */
}

void bare_put(char c)
{
    while (!(UART[5] & 0x20)) /* transmitter holding register empty */
        ;
    UART[0] = (uint8_t)c;
}

void bare_exit(int status)
{
    *FINISHER = status == 0 ? 0x5555 : (uint32_t)status << 16 | 0x3333;
    for (;;)
        ;
}

uintptr_t bare_mask(void)
{
    uintptr_t before;
    __asm__ volatile("csrrc %0, mstatus, %1" : "=r"(before) : "r"(MSTATUS_MIE) : "memory");
    return before & MSTATUS_MIE;
}

void bare_unmask(uintptr_t before)
{
    if (before != 0)
        __asm__ volatile("csrs mstatus, %0" ::"r"(MSTATUS_MIE) : "memory");
}

void bare_halt(void)
{
    __asm__ volatile("wfi" ::: "memory"); /* ends when one is pending, masked or not */
    bare_unmask(1);
}

void bare_relax(void)
{
    __asm__ volatile(".4byte 0x0100000f" ::: "memory"); /* pause */
}
