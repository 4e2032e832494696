/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the tests of both files ask of the machine; it may forbid it, and then they are skipped. */
#ifndef VALET_TEST_FAULTS_MACHINE_H
#define VALET_TEST_FAULTS_MACHINE_H

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

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

#endif
