/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What syscalls.sh watches with strace: phases, announced by a write to descriptor -1 of
 * "phase NAME ADDRESS", of which only the futex calls on ADDRESS count, and readings of the clock.
 * Linux, hosted.
 */
#define _GNU_SOURCE

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

#define ROUNDS 100
#define MANY   1000

static void phase(const char *name, const void *object)
{
    char line[128];
    int length = snprintf(line, sizeof line, "phase %s %p", name, object);
    if (write(-1, line, (size_t)length) >= 0)
        test_failed(__FILE__, __LINE__, "a descriptor that cannot be");
}

static struct valet_parker parker, back;
static struct valet_waiters waiters = VALET_WAITERS_INIT(0);

static void partner(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(valet_park(&parker), VALET_OK);
        valet_unpark(&back);
    }
}

static void waiter(void *unused)
{
    (void)unused;
    CHECK_EQ(valet_compare_and_wait(&waiters, 0), VALET_OK);
}

/* A file of /proc about that thread, read whole: its first bytes. */
static bool about(const char *thread, const char *file, char text[512])
{
    char path[300];
    snprintf(path, sizeof path, "/proc/self/task/%s/%s", thread, file);
    FILE *f = fopen(path, "r");
    size_t length = f != NULL ? fread(text, 1, 511, f) : 0;
    if (f != NULL)
        fclose(f);
    text[length] = '\0';
    return length > 0;
}

/* How many threads of this process are asleep in a futex(2) of that object. One that strace has
 * stopped on the way into the call is not yet asleep: its state says so. */
static unsigned asleep(const void *object)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;) {
        char text[512];
        unsigned number = 0;
        uintptr_t address = 0;
        /* "running", or the number of the call and its arguments */
        bool is_in = about(task->d_name, "syscall", text) &&
                     sscanf(text, "%u 0x%" SCNxPTR, &number, &address) == 2 &&
                     number == SYS_futex && address == (uintptr_t)object;
        const char *state = about(task->d_name, "stat", text) ? strrchr(text, ')') : NULL;
        count += is_in && state != NULL && strncmp(state, ") S", 3) == 0;
    }
    closedir(tasks);
    return count;
}

static void until_asleep(unsigned threads, const void *object)
{
    while (asleep(object) < threads)
        test_sleep(1000000);
}

static void test_calls(void)
{
    phase("uncontended", &parker);
    for (int i = 0; i < 1000; i++) {
        valet_unpark(&parker);
        valet_unpark(&parker);
        CHECK_EQ(valet_park(&parker), VALET_OK);
        valet_unpark(&parker);
        CHECK_EQ(valet_park_for(&parker, 1000000000), VALET_OK);
        valet_unpark(&parker);
        CHECK_EQ(valet_park_until(&parker, 1), VALET_OK);
        CHECK_EQ(valet_park_for(&parker, 0), VALET_TIMEDOUT);
        CHECK_EQ(valet_park_until(&parker, 0), VALET_TIMEDOUT);
    }
    phase("uncontended-waiters", &waiters);
    for (int i = 0; i < 1000; i++) {
        unsigned expected = 1;
        CHECK_EQ(valet_compare_and_wait(&waiters, 1), VALET_OK);
        CHECK_EQ(valet_compare_and_wait_until(&waiters, 0, 0), VALET_TIMEDOUT);
        valet_store_and_wake(&waiters, 1);
        CHECK(valet_waiters_compare_exchange(&waiters, &expected, 0));
    }

    phase("handoff", &parker); /* before its partner's first wait */
    struct test_thread *t = test_start(partner, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        test_until_parked(&parker);
        until_asleep(1, &parker);
        valet_unpark(&parker);
        CHECK_EQ(valet_park(&back), VALET_OK);
    }
    phase("none", &parker);
    test_join(t);

    static uint32_t word;
    phase("changed", &word);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(valet_futex_wait_for(&word, 1, 1000000000), VALET_CHANGED);
        CHECK_EQ(valet_futex_wait_for(&word, 0, 0), VALET_TIMEDOUT);
    }
    phase("timeout", &parker);
    CHECK_EQ(valet_park_for(&parker, 1000000), VALET_TIMEDOUT);
    phase("none", &parker);

    static struct test_thread *many[MANY];
    for (int delegate = 0; delegate < 2; delegate++) {
        phase(delegate ? "delegate" : "wake-all", &waiters);
        for (int i = 0; i < MANY; i++)
            many[i] = test_start(waiter, NULL);
        until_asleep(MANY, &waiters);
        (delegate ? valet_store_and_delegate : valet_store_and_wake)(&waiters, 1);
        for (int i = 0; i < MANY; i++)
            test_join(many[i]);
        phase("none", &waiters);
        valet_store_and_wake(&waiters, 0);
    }
}

TEST_PROGRAM(TEST(test_calls));
