/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The first program of a Linux that has nothing else: runs the test programs named in its
 * arguments, one after the other, says how each ended, and switches the machine off. The kernel
 * gives it /dev/console as its output, and what stands behind "--" on the kernel's command line as
 * its arguments: CPUS, then programs by their paths. A number among these is the time limit, in
 * seconds, of those that follow.
 *
 * Sources: torvalds/linux init/main.c (kernel_init, console_on_rootfs); reboot(2).
 */
#define _GNU_SOURCE

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static unsigned passed, failed;

static void good(const char *what)
{
    printf("ok %s\n", what);
    passed++;
}

static void bad(const char *what, const char *why, int number)
{
    printf("FAILED %s: %s %d\n", what, why, number);
    failed++;
}

/* The kernel and the CPUs that it has brought up: those on which this process may run. */
static void check_machine(int expected)
{
    struct utsname name;
    cpu_set_t cpus;
    if (uname(&name) != 0 || sched_getaffinity(0, sizeof cpus, &cpus) != 0) {
        bad("machine", "errno", errno);
        return;
    }
    int count = CPU_COUNT(&cpus);
    printf("kernel %s %s, %d CPUs\n", name.release, name.machine, count);
    if (count == expected)
        good("machine");
    else
        bad("machine", "CPUs:", count);
}

static void run(const char *program, time_t seconds)
{
    printf("run %s\n", program);
    pid_t child = fork();
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execl(program, program, (char *)NULL);
        _exit(127);
    }
    if (child < 0) {
        bad(program, "fork: errno", errno);
        return;
    }
    /* SIGCHLD is blocked, so none is missed. Orphans of a program end here, too: only its own
     * counts. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const time_t end = now.tv_sec + seconds;
    for (;;) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == child) {
            if (WIFSIGNALED(status))
                bad(program, "signal", WTERMSIG(status));
            else if (WEXITSTATUS(status) != 0)
                bad(program, "exit status", WEXITSTATUS(status));
            else
                good(program);
            return;
        }
        if (ended != 0)
            continue;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec >= end) {
            bad(program, "still running after seconds:", (int)seconds);
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return;
        }
        sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = end - now.tv_sec});
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getpid() != 1 || argc < 2)
        return 2;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    check_machine(atoi(argv[1]));
    time_t limit = 0;
    for (int i = 2; i < argc; i++) {
        if (argv[i][0] == '/')
            run(argv[i], limit);
        else
            limit = atoi(argv[i]);
    }
    printf("init: %u passed, %u failed\n", passed, failed);
    tcdrain(STDOUT_FILENO); /* the console's last bytes are out */
    reboot(RB_POWER_OFF);
    return 1; /* the kernel panics */
}
