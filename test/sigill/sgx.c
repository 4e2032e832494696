/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The host of an SGX enclave: intel-sgx/fortanix-sgx-abi/src/lib.rs and
 * intel-sgx/enclave-runner/src/usercalls of fortanix/rust-sgx. Its whims are those of a host that
 * may answer anything but loses no event.
 */
#define _GNU_SOURCE

#include "kernel.h"

#include <stdatomic.h>
#include <unistd.h>

#define EV_UNPARK 4
#define SUCCESS   0
#define INTR      0x04
#define TIMED_OUT 0x6e
#define OTHER     0x3fffffff

struct usercall_return {
    uint64_t first, second;
};

struct usercall_return usercall(uint64_t number, uint64_t p1, uint64_t p2, uint64_t abort,
                                uint64_t p3, uint64_t p4);
uint64_t get_tcs_addr(void);

/* The events of each thread. Its TCS is a page, here one of a number. */
#define THREADS (1u << 22) /* Linux has no more */
static _Atomic uint32_t events[THREADS];

uint64_t get_tcs_addr(void)
{
    return (uint64_t)gettid() << 12;
}

static struct usercall_return answer(uint64_t result, uint64_t set)
{
    return (struct usercall_return){kernel_random(UINT32_MAX) * (UINT64_C(1) << 32) | result, set};
}

static struct usercall_return wait(uint64_t mask, uint64_t timeout_ns)
{
    KERNEL_MUST(mask == EV_UNPARK, mask);
    KERNEL_MUST(timeout_ns != 0, timeout_ns); /* only a poll */
    bool timed = timeout_ns != UINT64_MAX;
    uint64_t deadline = timed ? kernel_after(timeout_ns) : KERNEL_FOREVER;
    _Atomic uint32_t *mine = &events[gettid()];
    if (kernel_refuses)
        return answer(OTHER, 0);
    if (kernel_whim())
        return answer((uint64_t[]){SUCCESS, INTR, timed ? TIMED_OUT : INTR}[kernel_random(3)],
                      kernel_random(16));
    for (;;) {
        if (atomic_exchange(mine, 0) != 0)
            return answer(SUCCESS, EV_UNPARK);
        enum kernel_end end = kernel_sleep((const void *)mine, 0, deadline);
        if (end == EXPIRED)
            return answer(TIMED_OUT, 0);
    }
}

struct usercall_return usercall(uint64_t number, uint64_t p1, uint64_t p2, uint64_t abort,
                                uint64_t p3, uint64_t p4)
{
    KERNEL_MUST(abort == 0, abort);
    KERNEL_MUST(p3 == 0 && p4 == 0, p3 | p4);
    switch (number) {
    case 11:
        return wait(p1, p2);
    case 12: /* send */
        KERNEL_MUST(p1 == EV_UNPARK, p1);
        KERNEL_MUST((p2 & 4095) == 0 && p2 >> 12 > 0 && p2 >> 12 < THREADS, p2);
        atomic_store(&events[p2 >> 12], EV_UNPARK);
        kernel_wake((const void *)&events[p2 >> 12], 1);
        return answer(SUCCESS, 0);
    case 13: /* insecure_time */
        return (struct usercall_return){kernel_now(), 0};
    default:
        kernel_panic("a usercall", number);
    }
}
