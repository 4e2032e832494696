/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * QEMU's aarch64 board "virt" with its GICv2. Source: qemu hw/arm/virt.c (addresses, interrupt
 * numbers), Arm GIC architecture 2.0 (IHI 0048), PSCI (DEN 0022), semihosting
 * (ARM-software/abi-aa semihosting/semihosting.rst).
 */
#include "bare.h"

#define GICD(offset) ((volatile uint32_t *)(0x08000000u + (uintptr_t)(offset)))
#define GICC(offset) ((volatile uint32_t *)(0x08010000u + (uintptr_t)(offset)))
#define UART         ((volatile uint32_t *)0x09000000u)

#define SGI_IPI   1u
#define PPI_TIMER 27u /* the virtual timer */
#define SPURIOUS  1023u

#define READ(reg)                                                 \
    __extension__({                                               \
        uint64_t value;                                           \
        __asm__ volatile("mrs %0, " reg : "=r"(value)::"memory"); \
        value;                                                    \
    })
#define WRITE(reg, value) __asm__ volatile("msr " reg ", %0\n\tisb" ::"r"(value) : "memory")

void on_interrupt(void);
_Noreturn void on_exception(uintptr_t pc);

void on_exception(uintptr_t pc)
{
    bare_on_fault("exception", pc);
}

void on_interrupt(void)
{
    uint32_t acknowledged = *GICC(0x0c);
    uint32_t number = acknowledged & 0x3ff;
    if (number == SPURIOUS)
        return;
    if (number == PPI_TIMER)
        WRITE("cntv_ctl_el0", UINT64_C(0));
    *GICC(0x10) = acknowledged;
    if (number == PPI_TIMER)
        bare_on_timer();
    else if (number == SGI_IPI)
        bare_on_ipi();
    else
        bare_on_fault("unknown interrupt", number);
}

void bare_machine_init(void)
{
    *GICD(0) = 1;
}

void bare_cpu_init(void)
{
    *GICD(0x100) = 1u << SGI_IPI | 1u << PPI_TIMER; /* enable: this bank is each CPU's own */
    *GICC(0x04) = 0xff;                             /* no priority is too low */
    *GICC(0x00) = 1;
}

/* PSCI CPU_ON(cpu, entry, context), by hvc: QEMU itself is what answers. */
void bare_cpu_start(unsigned cpu)
{
    extern const char _start[];
    register uint64_t x0 __asm__("x0") = 0xc4000003;
    register uint64_t x1 __asm__("x1") = cpu;
    register uint64_t x2 __asm__("x2") = (uintptr_t)_start;
    register uint64_t x3 __asm__("x3") = 0;
    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    if (x0 != 0)
        bare_on_fault("PSCI CPU_ON", (uintptr_t)x0);
}

void bare_ipi(unsigned cpu)
{
    __asm__ volatile("dsb ishst" ::: "memory"); /* what the handler is to find is written first */
    *GICD(0xf00) = 1u << (16 + cpu) | SGI_IPI;
}

void bare_timer_start(uint64_t ns)
{
    uint64_t ticks = ns * (READ("cntfrq_el0") / 1000000) / 1000;
    WRITE("cntv_cval_el0", READ("cntvct_el0") + ticks);
    WRITE("cntv_ctl_el0", UINT64_C(1));
}

uint64_t bare_clock(void)
{
    __asm__ volatile("isb" ::: "memory"); /* the counter is not read early */
    uint64_t ticks = READ("cntvct_el0"), hz = READ("cntfrq_el0");
    return ticks / hz * 1000000000u + ticks % hz * 1000000000u / hz + 1;
}

void bare_put(char c)
{
    while (UART[6] & 0x20) /* FR: transmit FIFO full */
        ;
    UART[0] = (uint8_t)c;
}

void bare_exit(int status)
{
    const uint64_t block[2] = {0x20026, (uint64_t)status}; /* ADP_Stopped_ApplicationExit */
    register uint64_t w0 __asm__("x0") = 0x18;             /* SYS_EXIT */
    register const uint64_t *x1 __asm__("x1") = block;
    __asm__ volatile("hlt #0xf000" : "+r"(w0) : "r"(x1) : "memory");
    for (;;)
        ;
}

uintptr_t bare_mask(void)
{
    uint64_t before = READ("daif");
    __asm__ volatile("msr daifset, #2" ::: "memory");
    return !(before & 0x80);
}

void bare_unmask(uintptr_t before)
{
    if (before != 0)
        __asm__ volatile("msr daifclr, #2" ::: "memory");
}

void bare_halt(void)
{
    __asm__ volatile("dsb sy\n\twfi" ::: "memory"); /* ends when one is pending, masked or not */
    bare_unmask(1);
}

void bare_relax(void)
{
    __asm__ volatile("yield" ::: "memory");
}
