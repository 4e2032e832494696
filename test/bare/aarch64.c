/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * QEMU's board "virt" with its GICv2, for aarch64 and (arm.c) armv7-A. Source: qemu hw/arm/virt.c
 * (addresses, interrupt numbers), Arm GIC architecture 2.0 (IHI 0048), PSCI (DEN 0022), semihosting
 * (ARM-software/abi-aa semihosting/semihosting.rst).
 */
#include "bare.h"

#define GICD(offset) ((volatile uint32_t *)(0x08000000u + (uintptr_t)(offset)))
#define GICC(offset) ((volatile uint32_t *)(0x08010000u + (uintptr_t)(offset)))
#define UART         ((volatile uint32_t *)0x09000000u)

#define SGI_IPI   1u
#define PPI_TIMER 27u /* the virtual timer */
#define SPURIOUS  1023u

#if defined __aarch64__
#define READ(reg)                                                 \
    __extension__({                                               \
        uint64_t value;                                           \
        __asm__ volatile("mrs %0, " reg : "=r"(value)::"memory"); \
        value;                                                    \
    })
#define WRITE(reg, value) __asm__ volatile("msr " reg ", %0\n\tisb" ::"r"(value) : "memory")
#define COUNTER()         READ("cntvct_el0")
#define FREQUENCY()       READ("cntfrq_el0")
#define COMPARE(value)    WRITE("cntv_cval_el0", value)
#define CONTROL(value)    WRITE("cntv_ctl_el0", UINT64_C(value))
#define NO_INTERRUPTS()   __asm__ volatile("msr daifset, #2" ::: "memory")
#define INTERRUPTS()      __asm__ volatile("msr daifclr, #2" ::: "memory")
#define FLAGS()           READ("daif")
#define CPU_ON            0xc4000003u
#else
static uint32_t read32(void)
{
    uint32_t value;
    __asm__ volatile("mrc p15, 0, %0, c14, c0, 0" : "=r"(value)::"memory"); /* CNTFRQ */
    return value;
}

static uint64_t counter(void)
{
    uint64_t value;
    __asm__ volatile("mrrc p15, 1, %Q0, %R0, c14" : "=r"(value)::"memory"); /* CNTVCT */
    return value;
}

static uint32_t flags(void)
{
    uint32_t value;
    __asm__ volatile("mrs %0, cpsr" : "=r"(value)::"memory");
    return value;
}

#define COUNTER()      counter()
#define FREQUENCY()    read32()
#define COMPARE(value) /* CNTV_CVAL */ \
    __asm__ volatile("mcrr p15, 3, %Q0, %R0, c14\n\tisb" ::"r"(value) : "memory")
#define CONTROL(value) /* CNTV_CTL */ \
    __asm__ volatile("mcr p15, 0, %0, c14, c3, 1\n\tisb" ::"r"(value) : "memory")
#define NO_INTERRUPTS() __asm__ volatile("cpsid i" ::: "memory")
#define INTERRUPTS()    __asm__ volatile("cpsie i" ::: "memory")
#define FLAGS()         flags()
#define CPU_ON          0x84000003u
#endif

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
        CONTROL(0);
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
#if defined __aarch64__
    register uintptr_t x0 __asm__("x0") = CPU_ON;
    register uintptr_t x1 __asm__("x1") = cpu;
    register uintptr_t x2 __asm__("x2") = (uintptr_t)_start;
    register uintptr_t x3 __asm__("x3") = 0;
    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
#else
    register uintptr_t x0 __asm__("r0") = CPU_ON;
    register uintptr_t x1 __asm__("r1") = cpu;
    register uintptr_t x2 __asm__("r2") = (uintptr_t)_start;
    register uintptr_t x3 __asm__("r3") = 0;
    __asm__ volatile(".arch_extension virt\n\thvc #0"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
#endif
    if (x0 != 0)
        bare_on_fault("PSCI CPU_ON", x0);
}

void bare_ipi(unsigned cpu)
{
    __asm__ volatile("dsb ishst" ::: "memory"); /* what the handler is to find is written first */
    *GICD(0xf00) = 1u << (16 + cpu) | SGI_IPI;
}

void bare_timer_start(uint64_t ns)
{
    uint64_t ticks = ns * (FREQUENCY() / 1000000) / 1000;
    COMPARE(COUNTER() + ticks);
    CONTROL(1);
}

uint64_t bare_clock(void)
{
    __asm__ volatile("isb" ::: "memory"); /* the counter is not read early */
    uint64_t ticks = COUNTER(), hz = FREQUENCY();
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
    const uintptr_t block[2] = {0x20026, (uintptr_t)status}; /* ADP_Stopped_ApplicationExit */
#if defined __aarch64__
    register uintptr_t w0 __asm__("x0") = 0x18; /* SYS_EXIT */
    register const uintptr_t *x1 __asm__("x1") = block;
    __asm__ volatile("hlt #0xf000" : "+r"(w0) : "r"(x1) : "memory");
#else
    register uintptr_t w0 __asm__("r0") = 0x20; /* SYS_EXIT_EXTENDED: with a status here, too */
    register const uintptr_t *x1 __asm__("r1") = block;
    __asm__ volatile("svc 0x123456" : "+r"(w0) : "r"(x1) : "memory");
#endif
    for (;;)
        ;
}

uintptr_t bare_mask(void)
{
    uintptr_t before = FLAGS();
    NO_INTERRUPTS();
    return !(before & 0x80);
}

void bare_unmask(uintptr_t before)
{
    if (before != 0)
        INTERRUPTS();
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
