/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "control.h"
#include "nt.h"
#include "test.h"

int32_t NTAPI RtlWaitOnAddress(const volatile void *word, const void *expected, size_t size,
                               const int64_t *timeout);

typedef int32_t NTAPI wait_call(const volatile void *, const void *, size_t, const int64_t *);
typedef void NTAPI wake_call(const void *);

static wait_call *wait_on_address;
static wake_call *wake_address_all;
static bool early;
static atomic_uint waits;
static _Atomic(void (*)(void)) before_wait;
static _Atomic int32_t answer = STATUS_SUCCESS;

/* NT_TIB's ArbitraryUserPointer: the program's own, but while ntdll loads a library. */
#ifdef __i386__
#define OWN 0x14
#else
#define OWN 0x28
#endif

void control_enter(struct control *c)
{
#if defined __i386__
    __asm__ volatile("mov %0, %%fs:%c1" : : "r"(c), "i"(OWN) : "memory");
#elif defined __x86_64__
    __asm__ volatile("mov %0, %%gs:%c1" : : "r"(c), "i"(OWN) : "memory");
#else
    __asm__ volatile("str %0, [x18, %1]" : : "r"(c), "i"(OWN) : "memory");
#endif
}

static struct control *own(void)
{
    struct control *c;
#if defined __i386__
    __asm__ volatile("mov %%fs:%c1, %0" : "=r"(c) : "i"(OWN));
#elif defined __x86_64__
    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(c) : "i"(OWN));
#else
    __asm__ volatile("ldr %0, [x18, %1]" : "=r"(c) : "i"(OWN));
#endif
    return c;
}

void control_begin(enum control_mode mode)
{
    CHECK(mode != XP); /* it has no such call */
    early = mode == EARLY;
    wait_on_address = (wait_call *)nt_function("RtlWaitOnAddress");
    wake_address_all = (wake_call *)nt_function("RtlWakeAddressAll");
}

void control_end(void)
{
}

int32_t NTAPI RtlWaitOnAddress(const volatile void *word, const void *expected, size_t size,
                               const int64_t *timeout)
{
    struct control *c = own();
    int64_t half;
    atomic_fetch_add(&waits, 1);
    void (*run)(void) = atomic_exchange(&before_wait, NULL);
    if (run != NULL)
        run();
    if (atomic_load(&answer) != STATUS_SUCCESS)
        return atomic_load(&answer);
    if (early && timeout != NULL) {
        half = *timeout / 2;
        timeout = &half;
    }
    atomic_store(&c->waits_on, (const void *)(uintptr_t)word);
    int32_t r = wait_on_address(word, expected, size, timeout);
    atomic_store(&c->waits_on, NULL);
    return r;
}

void control_interrupt(const struct control *c)
{
    /* It may be gone by now: an address is only a key. Null is harmless. */
    wake_address_all(atomic_load(&c->waits_on));
}

unsigned control_waits(void)
{
    return atomic_load(&waits);
}

void control_answer(int32_t status)
{
    atomic_store(&answer, status);
}

void control_before_wait(void (*run)(void))
{
    atomic_store(&before_wait, run);
}
