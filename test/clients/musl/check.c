/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Usage: conformance [WORD...]. Every check, or those whose name contains one of the words; one
 * line for each that passed, and an end with 1 at the first that did not. A hang is for the caller
 * to notice. */
#define _GNU_SOURCE
#include "check.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void check_failed(const char *file, int line, const char *expression)
{
    fprintf(stderr, "FAILED %s:%d: %s\n", file, line, expression);
    _exit(1);
}

static void *enter(void *worker)
{
    struct worker *w = worker;
    return w->run(w);
}

void start(struct worker *w, void *(*run)(struct worker *))
{
    w->run = run;
    w->ready = 0;
    w->stage = 0;
    CHECK(pthread_create(&w->thread, NULL, enter, w) == 0);
}

void ready(struct worker *w)
{
    w->ready = (pid_t)syscall(SYS_gettid);
}

/* S: sleeps, can be interrupted. Nothing else puts a thread to sleep so between ready() and its
 * wait: page faults show as D, a thread that waits for a CPU as R. */
static bool sleeps(const char *stat)
{
    char text[512];
    FILE *f = fopen(stat, "r");
    CHECK(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    const char *state = strrchr(text, ')');
    CHECK(state);
    return state[2] == 'S';
}

void asleep(struct worker *w)
{
    char stat[64];
    while (w->ready == 0)
        sched_yield();
    snprintf(stat, sizeof stat, "/proc/self/task/%d/stat", (int)w->ready);
    while (!sleeps(stat))
        sched_yield();
}

void *join(struct worker *w)
{
    void *result;
    CHECK(pthread_join(w->thread, &result) == 0);
    return result;
}

void until(_Atomic int *value, int least)
{
    while (*value < least)
        sched_yield();
}

void process_asleep(pid_t pid, _Atomic int *flag)
{
    char stat[64];
    until(flag, 1);
    snprintf(stat, sizeof stat, "/proc/%d/stat", (int)pid);
    while (!sleeps(stat))
        sched_yield();
}

void reap(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void *shared_page(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    return page;
}

struct timespec after(clockid_t clock, long seconds, long ns)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += seconds + (t.tv_nsec + ns) / 1000000000;
    t.tv_nsec = (t.tv_nsec + ns) % 1000000000;
    return t;
}

bool past(clockid_t clock, const struct timespec *at)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec > at->tv_sec || (t.tv_sec == at->tv_sec && t.tv_nsec >= at->tv_nsec);
}

static bool wanted(const char *name, char **words)
{
    if (!*words)
        return true;
    for (; *words; words++)
        if (strstr(name, *words))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    (void)argc;
    const struct check *all[] = {lock_checks, wait_checks, cancel_checks};
    int ran = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (const struct check *c = all[i]; c->name; c++) {
            if (!wanted(c->name, argv + 1))
                continue;
            c->run();
            printf("ran     %s\n", c->name);
            fflush(stdout);
            ran++;
        }
    }
    return ran == 0;
}
