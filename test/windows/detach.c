/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A DLL (-DDLL) with a worker that it wakes as the process ends, by each call: by then all threads
 * but one are gone. Nobody is woken, and the process ends. Without -DDLL: the program that uses it.
 */
#include "nt.h"
#include "valet.h"

void begin_work(unsigned how);

#ifdef DLL

#define TIMED 4u /* of how; below it, which call */

static struct valet_parker parker;
static struct valet_waiters waiters;
static uint32_t word;
static unsigned way;

static uint32_t NTAPI work(void *unused)
{
    (void)unused;
    uint64_t deadline = way & TIMED ? valet_now() + UINT64_C(3600000000000) : VALET_FOREVER;
    int r;
    switch (way % TIMED) {
    case 0:
        r = valet_park_until(&parker, deadline);
        break;
    case 3:
        r = valet_futex_wait(&word, 0, deadline);
        break;
    default:
        r = valet_compare_and_wait_until(&waiters, 0, deadline);
        break;
    }
    NtTerminateProcess(NT_PROCESS, 100 + r); /* it was woken */
    return 0;
}

__declspec(dllexport) void begin_work(unsigned how)
{
    static const int64_t nap = -1000000; /* 100 ms: nothing shows when the worker is asleep */
    HANDLE thread;
    way = how;
    if (RtlCreateUserThread(NT_PROCESS, NULL, 0, 0, 0, 0, work, NULL, &thread, NULL) !=
        STATUS_SUCCESS)
        NtTerminateProcess(NT_PROCESS, 99);
    NtDelayExecution(0, &nap);
}

int NTAPI start(void *dll, uint32_t reason, void *reserved);
int NTAPI start(void *dll, uint32_t reason, void *reserved)
{
    enum { PROCESS_DETACH = 0 };
    (void)dll;
    if (reason != PROCESS_DETACH || reserved == NULL) /* null: it is unloaded */
        return 1;
    switch (way % TIMED) {
    case 0:
        valet_unpark(&parker);
        break;
    case 1:
        valet_store_and_wake(&waiters, 1);
        break;
    case 2:
        valet_store_and_delegate(&waiters, 1);
        break;
    case 3:
        __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
        valet_futex_wake(&word, 1);
        break;
    }
    return 1;
}

#else

void start(void);
void start(void)
{
    static char text[1024];
    static char *words[3];
    nt_arguments(words, 2, text, sizeof text);
    unsigned how = (unsigned)(words[1][0] - '0');
    begin_work(how);
    RtlExitUserProcess(42);
}

#endif
