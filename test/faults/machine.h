/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the tests of both files ask of the machine; it may forbid it, and then they are skipped. */
#ifndef VALET_TEST_FAULTS_MACHINE_H
#define VALET_TEST_FAULTS_MACHINE_H

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "test.h"

/* s, for alarm(2): what takes longer hangs. A tenth is enough on an idle machine. */
#define PATIENCE 200

static _Noreturn void skip(const char *why)
{
    char line[256];
    snprintf(line, sizeof line, "SKIPPED: %s: %s\n", why, strerror(errno));
    test_write(line);
    _exit(77);
}

static void on_one_cpu(void)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(sched_getcpu(), &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0)
        skip("sched_setaffinity");
}

static void be_fifo(int priority)
{
    struct sched_param p = {.sched_priority = priority};
    if (syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p) != 0) /* musl has none */
        skip("SCHED_FIFO");
}

static inline uint64_t cpu_time_of(pid_t child)
{
    clockid_t clock;
    struct timespec t = {0, 0};
    if (clock_getcpuclockid(child, &clock) == 0)
        clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * S + (uint64_t)t.tv_nsec;
}

/* Until `moved` says so. False: it has not, though the child has used 300 ms of CPU time, or has
 * slept for 20 s. That others have the CPUs is neither. */
static inline bool until_moved(pid_t child, bool (*moved)(void))
{
    int status;
    uint64_t used = cpu_time_of(child), end = valet_now() + 20 * S;
    for (bool late = false; !late; test_sleep(10 * MS)) {
        late = cpu_time_of(child) > used + 300 * MS || valet_now() > end;
        if (moved()) /* looked at last */
            return true;
        if (waitpid(child, &status, WNOHANG) == child) /* it has said why */
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    return false;
}

#endif
