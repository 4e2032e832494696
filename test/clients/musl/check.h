/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the conformance program's files share. It uses the pthread interface, and of Linux only what
 * tells that a thread sleeps: threads are ordered by handshakes and by that, never by time.
 */
#ifndef CHECK_H
#define CHECK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct check {
    const char *name;
    void (*run)(void);
};

extern const struct check lock_checks[], wait_checks[], cancel_checks[]; /* each ends with a null */

#define CHECK(expression) ((expression) ? (void)0 : check_failed(__FILE__, __LINE__, #expression))
_Noreturn void check_failed(const char *file, int line, const char *expression);

/* A thread that may be seen to sleep: it calls ready() just before the call that blocks. */
struct worker {
    pthread_t thread;
    void *(*run)(struct worker *);
    _Atomic pid_t ready; /* its tid */
    _Atomic int stage;   /* as the check likes */
};
void start(struct worker *w, void *(*run)(struct worker *));
void ready(struct worker *w);
/* Until it has called ready() and sleeps. Can be called again after ready() was. */
void asleep(struct worker *w);
void *join(struct worker *w);
/* Until *value is at least `least`. */
void until(_Atomic int *value, int least);

/* The same for a process: until its only thread has set *flag and sleeps. */
void process_asleep(pid_t pid, _Atomic int *flag);
/* The child's exit status must be 0. */
void reap(pid_t pid);
void *shared_page(void);

#define SHORT_NS 30000000L /* 30 ms: for deadlines that are to come */
#define LONG_S   10000     /* for those that are not */
struct timespec after(clockid_t clock, long seconds, long ns);
/* Whether that moment has come. */
bool past(clockid_t clock, const struct timespec *at);

#endif
