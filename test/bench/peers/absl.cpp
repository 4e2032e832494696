// SPDX-License-Identifier: MIT OR Apache-2.0
// Abseil: a Mutex that awaits the token, and a Notification for each state. The detector of
// deadlocks, which Debian's build leaves on, is switched off: it would be most of what is measured.
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <new>

#include "peer.h"

#define HAS_PARKER  1
#define HAS_TIMED   1
#define HAS_WAITERS 2
#define BLOCKS      1

struct parker {
    absl::Mutex mutex;
    bool token;
};

static inline void parker_init(parker *p)
{
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    new (p) parker{};
}

static inline void parker_park(parker *p)
{
    absl::MutexLock lock(&p->mutex, absl::Condition(&p->token));
    p->token = false;
}

static inline bool parker_park_for(parker *p, uint64_t ns)
{
    absl::MutexLock lock(&p->mutex);
    bool token = p->mutex.AwaitWithTimeout(absl::Condition(&p->token),
                                           absl::Nanoseconds(static_cast<int64_t>(ns)));
    p->token = false;
    return token;
}

static inline void parker_unpark(parker *p)
{
    absl::MutexLock lock(&p->mutex);
    p->token = true;
}

// One for each state, that the state has been left. It is used once, so made anew when the state
// comes back: the threads that waited on it are long gone then.
struct waiters {
    absl::Notification left;
};

static waiters *all(unsigned state)
{
    static waiters *of_state = [] {
        absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
        waiters *w = new waiters[32];
        for (unsigned i = 1; i < 32; i++)
            w[i].left.Notify();
        return w;
    }();
    return &of_state[state];
}

static inline void waiters_prepare(unsigned count)
{
    (void)count;
    all(0);
}

static inline void waiters_wait(unsigned expected)
{
    all(expected)->left.WaitForNotification();
}

static inline void waiters_set(unsigned state)
{
    waiters *w = all(state);
    w->~waiters();
    new (w) waiters;
    all((state + 31) % 32)->left.Notify();
}

#include "peer_tail.h"
