/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How many bytes of its stack a thread uses from its call of valet_park or valet_park_until on,
 * that call's return address with them: on a stack that is painted before, so what lies in the red
 * zone counts, too. x86_64. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "valet.h"

#define PARKS 60 /* the first few earn the polls of the others */
#define PAINT 0xa5

static _Alignas(16) unsigned char stack[4096];
static struct valet_parker parker = VALET_PARKER_INIT;
static atomic_int parked;

static void *unpark(void *unused)
{
    for (int i = 1; i <= PARKS; i++) {
        while (atomic_load(&parked) != i)
            ;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        valet_unpark(&parker);
    }
    return unused;
}

static int park_on_it(int with_deadline)
{
    uint64_t deadline = valet_now() + UINT64_C(3600000000000);
    uintptr_t call = with_deadline ? (uintptr_t)valet_park_until : (uintptr_t)valet_park;
    unsigned char *top = stack + sizeof stack;
    int r;
    __asm__ volatile("xchg %%rsp, %[top]\n\tcall *%[call]\n\tmov %[top], %%rsp"
                     : [top] "+b"(top), "=a"(r), "+S"(deadline)
                     : [call] "1"(call), "D"(&parker)
                     : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
    return r;
}

int main(void)
{
    pthread_t thread;
    memset(stack, PAINT, sizeof stack);
    if (pthread_create(&thread, NULL, unpark, NULL) != 0)
        return 1;
    for (int i = 1; i <= PARKS; i++) {
        atomic_store(&parked, i);
        if (park_on_it(i % 2) != VALET_OK)
            return 1;
    }
    size_t unused = 0;
    while (stack[unused] == PAINT)
        unused++;
    printf("%zu\n", sizeof stack - unused);
    return pthread_join(thread, NULL);
}
