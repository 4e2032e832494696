/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * QEMU's x86_64 board "q35". Source: Intel SDM 3A chapters 6 (IDT) and 10 (local APIC); Intel 8254
 * data sheet (timer) and its port 0x61; qemu hw/misc/debugexit.c.
 */
#include "bare.h"

#include <stddef.h>

#define APIC(offset) ((volatile uint32_t *)(0xfee00000u + (uintptr_t)(offset)))
#define APIC_EOI     APIC(0xb0)
#define APIC_SVR     APIC(0xf0)
#define APIC_ICR_LO  APIC(0x300)
#define APIC_ICR_HI  APIC(0x310)
#define APIC_TIMER   APIC(0x320)
#define APIC_INITIAL APIC(0x380)
#define APIC_CURRENT APIC(0x390)
#define APIC_DIVIDE  APIC(0x3e0)

#define VECTOR_IPI      0x40u
#define VECTOR_TIMER    0x41u
#define VECTOR_SPURIOUS 0xffu

#define TRAMPOLINE 0x8000u

#define COM1 0x3f8u
#define EXIT 0xf4u

#define PIT_HZ 1193182u

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint64_t tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

/* ---- interrupts ------------------------------------------------------------------------------ */

struct frame { /* what the CPU pushes */
    uint64_t rip, cs, rflags, rsp, ss;
};

__attribute__((interrupt)) static void on_ipi(struct frame *f)
{
    (void)f;
    *APIC_EOI = 0;
    bare_on_ipi();
}

__attribute__((interrupt)) static void on_timer(struct frame *f)
{
    (void)f;
    *APIC_EOI = 0;
    bare_on_timer();
}

__attribute__((interrupt)) static void on_spurious(struct frame *f)
{
    (void)f; /* no EOI for this one */
}

__attribute__((interrupt)) static void on_exception(struct frame *f)
{
    bare_on_fault("exception", f->rip);
}

__attribute__((interrupt)) static void on_exception_with_code(struct frame *f, uint64_t code)
{
    (void)code;
    bare_on_fault("exception", f->rip);
}

struct gate {
    uint16_t offset_0, selector, type, offset_16;
    uint32_t offset_32, zero;
};
_Static_assert(sizeof(struct gate) == 16, "as the CPU reads it");

static struct gate idt[256];

static void set_gate(unsigned vector, uintptr_t handler)
{
    idt[vector] = (struct gate){
        .offset_0 = (uint16_t)handler,
        .selector = 8,
        .type = 0x8e00, /* present, interrupt gate */
        .offset_16 = (uint16_t)(handler >> 16),
        .offset_32 = (uint32_t)(handler >> 32),
    };
}

static void fill_idt(void)
{
    const uint32_t with_code = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 |
                               1u << 17 | 1u << 21 | 1u << 29 | 1u << 30;
    for (unsigned vector = 0; vector < 256; vector++)
        set_gate(vector, vector < 32 && (with_code >> vector & 1)
                             ? (uintptr_t)on_exception_with_code
                             : (uintptr_t)on_exception);
    set_gate(VECTOR_IPI, (uintptr_t)on_ipi);
    set_gate(VECTOR_TIMER, (uintptr_t)on_timer);
    set_gate(VECTOR_SPURIOUS, (uintptr_t)on_spurious);
}

/* ---- clocks ---------------------------------------------------------------------------------- */

static uint64_t tsc_hz, apic_hz;

/*
 * Count both while the PIT's channel 2 counts down 20 ms. A CPU that is held up sees the end late
 * and counts too much: the smallest of a few counts is the best.
 */
static void calibrate(void)
{
    const uint16_t ticks = PIT_HZ / 50;
    tsc_hz = apic_hz = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        out8(0x61, (uint8_t)((in8(0x61) & ~2) | 1)); /* gate on, speaker off */
        out8(0x43, 0xb0);                            /* channel 2, both bytes, mode 0 */
        out8(0x42, ticks & 0xff);
        out8(0x42, ticks >> 8); /* it counts from here */
        *APIC_INITIAL = UINT32_MAX;
        uint64_t start = tsc();
        while (!(in8(0x61) & 0x20))
            ;
        uint64_t counted = (tsc() - start) * 50;
        uint64_t apic_counted = (uint64_t)(UINT32_MAX - *APIC_CURRENT) * 50;
        tsc_hz = counted < tsc_hz ? counted : tsc_hz;
        apic_hz = apic_counted < apic_hz ? apic_counted : apic_hz;
    }
    *APIC_INITIAL = 0;
}

uint64_t bare_clock(void)
{
    uint64_t ticks = tsc();
    return ticks / tsc_hz * 1000000000u + ticks % tsc_hz * 1000000000u / tsc_hz + 1; /* never 0 */
}

void bare_timer_start(uint64_t ns)
{
    uint64_t ticks = ns * (apic_hz / 1000000) / 1000;
    *APIC_INITIAL = ticks == 0 ? 1 : (uint32_t)ticks;
}

/* ---- CPUs ------------------------------------------------------------------------------------ */

extern const unsigned char trampoline[], trampoline_end[];

static void enable_apic(void)
{
    *APIC_SVR = 0x100 | VECTOR_SPURIOUS;
    *APIC_DIVIDE = 0xb; /* by 1 */
    *APIC_TIMER = VECTOR_TIMER;
}

void bare_machine_init(void)
{
    out8(0x21, 0xff); /* both 8259 off: only the local APICs interrupt */
    out8(0xa1, 0xff);
    fill_idt();
    enable_apic();
    calibrate(); /* masked still: the APIC's timer may run out */
    volatile unsigned char *to = (volatile unsigned char *)(uintptr_t)TRAMPOLINE;
    for (const unsigned char *from = trampoline; from != trampoline_end; from++)
        *to++ = *from;
}

void bare_cpu_init(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } pointer = {sizeof idt - 1, (uintptr_t)idt};
    __asm__ volatile("lidt %0" ::"m"(pointer) : "memory");
    enable_apic();
}

static void command(unsigned cpu, uint32_t low)
{
    uintptr_t before = bare_mask(); /* two registers: a handler may not come between */
    while (*APIC_ICR_LO & 0x1000)   /* the last one is on its way still */
        ;
    *APIC_ICR_HI = (uint32_t)cpu << 24;
    *APIC_ICR_LO = low;
    bare_unmask(before);
}

static void wait_ns(uint64_t ns)
{
    uint64_t start = bare_clock();
    while (bare_clock() - start < ns)
        bare_relax();
}

void bare_cpu_start(unsigned cpu)
{
    command(cpu, 0x4500); /* INIT */
    wait_ns(10000000);
    command(cpu, 0x4600 | TRAMPOLINE >> 12); /* start-up */
}

void bare_ipi(unsigned cpu)
{
    command(cpu, 0x4000 | VECTOR_IPI);
}

void bare_put(char c)
{
    while (!(in8(COM1 + 5) & 0x20)) /* transmitter holding register empty */
        ;
    out8(COM1, (uint8_t)c);
}

void bare_exit(int status)
{
    out8(EXIT, status == 0 ? 0x10 : (uint8_t)status); /* QEMU ends with 2 * value + 1 */
    for (;;)
        ;
}

uintptr_t bare_mask(void)
{
    uintptr_t flags;
    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags)::"memory");
    return flags & 0x200;
}

void bare_unmask(uintptr_t before)
{
    if (before != 0)
        __asm__ volatile("sti" ::: "memory");
}

void bare_halt(void)
{
    __asm__ volatile("sti\n\thlt" ::: "memory"); /* nothing comes between the two */
}

void bare_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}
