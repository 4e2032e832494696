/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Two files of a program, each with its own copy: with WAITS the one whose thread waits, else the
 * one with the handler that takes it out, which must know of the other's instructions: with
 * SA_RESTART the wait goes on otherwise. With TIMED nobody does, and the wait ends by a deadline.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>
#include <unistd.h>
#define VALET_STATIC
#include "valet.c"

extern uint32_t word, cancelled;
void *wait_for_it(void *result);

#ifdef TIMED
#define DEADLINE (valet_now() + 1000000)
#define RESULT   VALET_TIMEDOUT
#else
#define DEADLINE VALET_FOREVER
#define RESULT   VALET_INTERRUPTED
#endif

#ifdef WAITS

uint32_t word, cancelled;

void *wait_for_it(void *result)
{
    *(int *)result = valet_futex_wait_cancellable(&word, 0, DEADLINE, 0, &cancelled);
    return result;
}

#else

static void take_out(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    (void)number;
    (void)info;
    if (valet_cancel_redirect(&pc))
        uc->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = take_out, .sa_flags = SA_SIGINFO | SA_RESTART};
    pthread_t thread;
    int result = -1;
    alarm(10); /* it sleeps on */
    if (sigaction(SIGUSR1, &action, NULL) != 0 ||
        pthread_create(&thread, NULL, wait_for_it, &result) != 0)
        return 1;
    if (RESULT == VALET_INTERRUPTED) {
        usleep(20000);
        __atomic_store_n(&cancelled, 1, __ATOMIC_RELAXED);
        pthread_kill(thread, SIGUSR1);
    }
    pthread_join(thread, NULL);
    return result != RESULT;
}

#endif
