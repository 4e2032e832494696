/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The trap: patched in, taken apart by the convention of the system, and left again.
 *
 * Registers: as a stub for a function call must take it (the BSDs, whose documented way in is their
 * libc), every register that a function may lose is lost; by Linux' convention only what is listed
 * in arch/. Sources: the heads of the stubs in arch/ name those of each system.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel.h"
#include "pc.h"

/* The linker's names for the section that holds the code of the library and nothing else. */
extern unsigned char __start_valet_text[], __stop_valet_text[];

/* Its address is how many there are, by a disassembler. */
extern unsigned char traps[];

#define SPOILT 0xdeadbeef5badcafe

#if defined __x86_64__

#define CARRY       1
#define TRAP_SIGNAL SIGTRAP

/* syscall becomes int3 and a nop: an illegal instruction costs more than twice as much where a
 * hypervisor looks at it first. */
static unsigned patch(unsigned char *p, unsigned char *end)
{
    unsigned n = 0;
    for (; p + 2 <= end; p++)
        if (p[0] == 0x0f && p[1] == 0x05) {
            p[0] = 0xcc;
            p[1] = 0x90;
            n++;
        }
    return n;
}

static void *trap_address(const ucontext_t *u)
{
    return (void *)(u->uc_mcontext.gregs[REG_RIP] - 1); /* it is behind the int3 */
}

static void read_call(const ucontext_t *u, struct call *c)
{
    const greg_t *g = u->uc_mcontext.gregs;
    const int places[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
    for (int i = 0; i < 6; i++)
        c->a[i] = (uint64_t)g[places[i]];
    c->number = (uint64_t)g[REG_RAX];
    if (system_convention == LIKE_NETBSD)
        c->a[6] = ((uint64_t *)g[REG_RSP])[1];
    if (system_convention == LIKE_DARWIN) {
        KERNEL_MUST(c->number >> 24 == 2, c->number);
        c->number &= 0xffffff;
    }
}

static void answer(ucontext_t *u, const struct call *c)
{
    greg_t *g = u->uc_mcontext.gregs;
    const int places[] = {REG_RCX, REG_R11, REG_RDI, REG_RSI, REG_RDX, REG_R8, REG_R9, REG_R10};
    for (int i = 0; i < (system_convention == LIKE_LINUX ? 2 : 8); i++)
        g[places[i]] = (greg_t)SPOILT;
    g[REG_RIP] += 1; /* over the nop */
    if (system_convention == LIKE_LINUX) {
        g[REG_RAX] = c->error != 0 ? -c->error : (greg_t)c->result;
        return;
    }
    g[REG_RAX] = c->error != 0 ? c->error : (greg_t)c->result;
    g[REG_EFL] = (g[REG_EFL] & ~(greg_t)CARRY) | (c->error != 0 ? CARRY : 0);
}

#elif defined __i386__

#define CARRY       1
#define TRAP_SIGNAL SIGTRAP

/* int $0x80 becomes int3 and a nop. */
static unsigned patch(unsigned char *p, unsigned char *end)
{
    unsigned n = 0;
    for (; p + 2 <= end; p++)
        if (p[0] == 0xcd && p[1] == 0x80) {
            p[0] = 0xcc;
            p[1] = 0x90;
            n++;
        }
    return n;
}

static void *trap_address(const ucontext_t *u)
{
    return (void *)(u->uc_mcontext.gregs[REG_EIP] - 1); /* it is behind the int3 */
}

static void read_call(const ucontext_t *u, struct call *c)
{
    const greg_t *g = u->uc_mcontext.gregs;
    const uintptr_t *stack = (const uintptr_t *)g[REG_ESP];
    c->number = (uintptr_t)g[REG_EAX];
    memcpy(c->a, stack + 1, sizeof c->a); /* above a return address */
}

static void answer(ucontext_t *u, const struct call *c)
{
    greg_t *g = u->uc_mcontext.gregs;
    g[REG_EIP] += 1; /* over the nop */
    g[REG_ECX] = g[REG_EDX] = (greg_t)(uint32_t)SPOILT;
    g[REG_EAX] = c->error != 0 ? c->error : (greg_t)c->result;
    g[REG_EFL] = (g[REG_EFL] & ~CARRY) | (c->error != 0 ? CARRY : 0);
}

#elif defined __aarch64__

#define CARRY       0x20000000u
#define TRAP_SIGNAL SIGILL

/* svc #n becomes udf #n: the immediate stays where it was. */
static unsigned patch(unsigned char *start, unsigned char *end)
{
    unsigned n = 0;
    for (uint32_t *p = (uint32_t *)start; p < (uint32_t *)end; p++)
        if ((*p & 0xffe0001f) == 0xd4000001) {
            *p = *p >> 5 & 0xffff;
            n++;
        }
    return n;
}

static void *trap_address(const ucontext_t *u)
{
    return (void *)u->uc_mcontext.pc;
}

static void read_call(const ucontext_t *u, struct call *c)
{
    const unsigned long long *x = u->uc_mcontext.regs;
    uint32_t immediate = *(const uint32_t *)u->uc_mcontext.pc;
    memcpy(c->a, x, sizeof c->a);
    switch (system_convention) {
    case LIKE_NETBSD:
        c->number = immediate;
        break;
    case LIKE_DARWIN:
        KERNEL_MUST(immediate == 0x80, immediate);
        c->number = x[16];
        break;
    default:
        KERNEL_MUST(immediate == 0, immediate);
        c->number = x[8];
    }
}

static void answer(ucontext_t *u, const struct call *c)
{
    unsigned long long *x = u->uc_mcontext.regs;
    u->uc_mcontext.pc += system_convention == LIKE_OPENBSD ? 12 : 4;
    if (system_convention == LIKE_LINUX) {
        x[0] = c->error != 0 ? 0ull - (unsigned)c->error : c->result;
        return;
    }
    for (int i = 1; i <= 17; i++)
        x[i] = SPOILT;
    x[0] = c->error != 0 ? (unsigned)c->error : c->result;
    u->uc_mcontext.pstate =
        (u->uc_mcontext.pstate & ~(unsigned long long)CARRY) | (c->error != 0 ? CARRY : 0);
}

#elif defined __riscv

#define TRAP_SIGNAL SIGILL

enum { T0 = 5, T1 = 6, T2 = 7, A0 = 10, A7 = 17, T3 = 28, T6 = 31 };

static unsigned patch(unsigned char *p, unsigned char *end)
{
    const uint32_t ecall = 0x00000073, write_to_cycle = 0xc0001073; /* a counter that only reads */
    unsigned n = 0;
    for (; p + 4 <= end; p += 2)
        if (memcmp(p, &ecall, 4) == 0) {
            memcpy(p, &write_to_cycle, 4);
            n++;
        }
    return n;
}

static void *trap_address(const ucontext_t *u)
{
    return (void *)u->uc_mcontext.__gregs[REG_PC];
}

static void read_call(const ucontext_t *u, struct call *c)
{
    const unsigned long *x = u->uc_mcontext.__gregs;
    memcpy(c->a, x + A0, sizeof c->a);
    c->number = x[system_convention == LIKE_LINUX    ? A7
                  : system_convention == LIKE_NETBSD ? T6
                                                     : T0];
}

static void answer(ucontext_t *u, const struct call *c)
{
    unsigned long *x = u->uc_mcontext.__gregs;
    bool failed = c->error != 0;
    x[REG_PC] += system_convention == LIKE_NETBSD && !failed ? 12 : 4;
    if (system_convention == LIKE_LINUX) {
        x[A0] = failed ? 0ul - (unsigned)c->error : c->result;
        return;
    }
    for (int i = T0; i <= T6; i++)
        if (i <= T2 || i >= T3 || (i > A0 && i <= A7))
            x[i] = SPOILT;
    x[A0] = failed ? (unsigned)c->error : c->result;
    if (system_convention != LIKE_NETBSD)
        x[T0] = failed;
}

#endif

static void on_trap(int number, siginfo_t *info, void *context)
{
    (void)info;
    unsigned char *at = trap_address(context);
    if (at < __start_valet_text || at >= __stop_valet_text) { /* not ours: let it end the program */
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    int kept = errno;
    struct call c = {.error = 0};
    read_call(context, &c);
    bool (*sets_back)(const struct call *) = kernel_sets_back;
    if (sets_back != NULL && sets_back(&c))
        c.again = true;
    else
        system_call(&c);
    if (c.again)
        PC((ucontext_t *)context) = (__typeof__(PC((ucontext_t *)context)))(uintptr_t)at;
    else
        answer(context, &c);
    errno = kept;
}

__attribute__((constructor)) static void take_traps(void)
{
    uintptr_t page = 4096, start = (uintptr_t)__start_valet_text & ~(page - 1);
    size_t size = (uintptr_t)__stop_valet_text - start;
    KERNEL_MUST(mprotect((void *)start, size, PROT_READ | PROT_WRITE | PROT_EXEC) == 0, errno);
    unsigned n = patch(__start_valet_text, __stop_valet_text);
    /* Else something else was taken for a trap, or one was not seen. */
    KERNEL_MUST(n == (uintptr_t)traps, n);
    KERNEL_MUST(mprotect((void *)start, size, PROT_READ | PROT_EXEC) == 0, errno);
    __builtin___clear_cache((char *)__start_valet_text, (char *)__stop_valet_text);
    /* NODEFER: a handler of another signal may trap while this thread sleeps in a trap. */
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    KERNEL_MUST(sigaction(TRAP_SIGNAL, &action, NULL) == 0, errno);
}
