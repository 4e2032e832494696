/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* For hosts: the interrupt of a thread that is on its way, and how a handler ends. */
#ifndef VALET_TEST_INTERRUPT_H
#define VALET_TEST_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Last in whatever interrupts a thread, also to switch to another. Where an atomic step is a load
 * and a store that checks whether its reservation still holds, Linux gives that up on the way back
 * (torvalds/linux arch/riscv/kernel/entry.S; arch/arm64: eret clears the monitor), but QEMU's user
 * mode does not (qemu/qemu linux-user), nor does RISC-V itself. What a compare-exchange that failed
 * has left would let the step that was interrupted succeed on a newer value. A store of that kind
 * gives it up; on RISC-V an exchange has none.
 */
static inline void interrupt_drop_reservation(void)
{
#ifdef __riscv_atomic
    int unused;
    __asm__ volatile("sc.w zero, zero, (%0)" : : "r"(&unused) : "memory");
#elif !defined __riscv && defined __GCC_HAVE_SYNC_COMPARE_AND_SWAP_4
    uint32_t unused = 0;
    (void)__atomic_exchange_n((volatile uint32_t *)&unused, 1, __ATOMIC_RELAXED);
#endif
}

struct interrupt {
    _Atomic(void (*)(void *)) handler; /* NULL: none is on its way */
    void *argument;
};

static inline void interrupt_nothing(void *argument)
{
    (void)argument;
}

/* False: one is on its way already. handler: NULL for none but the interruption itself. */
static inline bool interrupt_send(struct interrupt *i, void (*handler)(void *), void *argument)
{
    if (atomic_load(&i->handler) != NULL)
        return false;
    i->argument = argument;
    atomic_store(&i->handler, handler != NULL ? handler : interrupt_nothing);
    return true;
}

/* In the thread that was interrupted. */
static inline void interrupt_take(struct interrupt *i)
{
    if (atomic_load(&i->handler) == NULL)
        return;
    void *argument = i->argument; /* before the exchange lets the next one come */
    void (*handler)(void *) = atomic_exchange(&i->handler, NULL);
    handler(argument);
    interrupt_drop_reservation();
}

#endif
