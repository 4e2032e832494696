/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One call for assert.sh: of memory that is no object of the library, or of one that is. */
#include <string.h>

#include "valet_locks.h"

#define MS UINT64_C(1000000)

/* Of one thread, several: it says which it is. */
static uintptr_t thread = 1;

#ifdef VALET_LOCK_OWNER
uintptr_t who(void)
{
    return thread;
}

static int owners(const char *what)
{
    struct valet_mutex m = VALET_MUTEX_INIT;
    struct valet_cond c = VALET_COND_INIT;
    uint64_t soon = valet_now() + MS;
    if (valet_mutex_lock(&m) != VALET_OK)
        return 1;
    if (strcmp(what, "lock_twice") == 0)
        return valet_mutex_lock(&m);
    if (strcmp(what, "lock_twice_until") == 0)
        return valet_mutex_lock_until(&m, soon);
    if (strcmp(what, "lock_twice_for") == 0)
        return valet_mutex_lock_for(&m, MS);
    if (strcmp(what, "lock_twice_with") == 0)
        return valet_mutex_lock_with(&m, soon, 0);
    thread = 2;
    if (strcmp(what, "unlock_a_strangers") == 0)
        valet_mutex_unlock(&m);
    if (strcmp(what, "unlock_fair_a_strangers") == 0)
        valet_mutex_unlock_fair(&m);
    if (strcmp(what, "wait_with_a_strangers") == 0)
        return valet_cond_wait_until(&c, &m, soon);
    return 2;
}

/* Each call that gets it, and each that gives it up. */
static int owners_in_order(void)
{
    struct valet_mutex m = VALET_MUTEX_INIT;
    struct valet_cond c = VALET_COND_INIT;
    int failed = 0;
    for (thread = 1; thread < 4; thread++) {
        uint64_t soon = valet_now() + MS;
        failed |= !valet_mutex_try_lock(&m) || valet_mutex_try_lock(&m);
        valet_mutex_unlock(&m);
        failed |= valet_mutex_lock_until(&m, soon) != VALET_OK;
        failed |= valet_cond_wait_until(&c, &m, soon) != VALET_TIMEDOUT;
        failed |= valet_cond_wait_with(&c, &m, soon, VALET_NO_POLL) != VALET_TIMEDOUT;
        uintptr_t first = thread;
        thread = 9; /* another one waits for it in vain, and the owner is the same */
        failed |= valet_mutex_lock_for(&m, 1) != VALET_TIMEDOUT;
        failed |= valet_mutex_lock_with(&m, 0, 0) != VALET_TIMEDOUT;
        thread = first;
        valet_mutex_unlock_fair(&m);
        failed |= valet_mutex_lock_for(&m, 1) != VALET_OK;
        valet_mutex_unlock(&m);
        failed |= valet_mutex_lock_with(&m, soon, 0) != VALET_OK;
        valet_mutex_unlock(&m);
    }
    return failed;
}
#endif

int main(int argc, char **argv)
{
    struct valet_parker p = {0};
    struct valet_waiters w = {0};
    struct valet_mutex m = VALET_MUTEX_INIT;
    struct valet_once o = VALET_ONCE_INIT;
    struct valet_latch l = VALET_LATCH_INIT(1);
    struct valet_sem s = VALET_SEM_INIT(1);
    struct valet_rwlock rw = VALET_RWLOCK_INIT;
    struct valet_barrier b = VALET_BARRIER_INIT(0);
    uint32_t word = 0;
    const char *what = argc == 2 ? argv[1] : "";
    if (strcmp(what, "park_a_stranger") == 0) {
        p.word = 3;
        return valet_park_until(&p, 1) == VALET_OK;
    }
    if (strcmp(what, "unpark_a_stranger") == 0) {
        p.word = 3;
        valet_unpark(&p);
        return 0;
    }
    if (strcmp(what, "wait_for_a_stranger") == 0) {
        w.word = 0xffff;
        return valet_compare_and_wait_until(&w, 31, 1) == VALET_OK;
    }
    if (strcmp(what, "store_to_a_stranger") == 0) {
        w.word = 0xffff;
        valet_store_and_wake(&w, 1);
        return 0;
    }
    if (strcmp(what, "delegate_to_a_stranger") == 0) {
        w.word = 0xffff;
        valet_store_and_delegate(&w, 1);
        return 0;
    }
    if (strcmp(what, "unlock_what_is_free") == 0) {
        valet_mutex_unlock(&m);
        return 0;
    }
    if (strcmp(what, "finish_what_nobody_began") == 0) {
        valet_once_done(&o);
        return 0;
    }
    if (strcmp(what, "count_below_nothing") == 0) {
        valet_latch_count_down(&l, 2);
        return 0;
    }
    if (strcmp(what, "release_too_many") == 0) {
        valet_sem_release(&s, VALET_SEM_MAX);
        return 0;
    }
    if (strcmp(what, "read_unlock_what_is_free") == 0) {
        valet_rwlock_read_unlock(&rw);
        return 0;
    }
    if (strcmp(what, "write_unlock_what_is_free") == 0) {
        valet_rwlock_write_unlock(&rw);
        return 0;
    }
    if (strcmp(what, "read_unlock_what_is_written") == 0) {
        (void)!valet_rwlock_write_try_lock(&rw);
        valet_rwlock_read_unlock(&rw);
        return 0;
    }
    if (strcmp(what, "write_unlock_what_is_read") == 0) {
        (void)!valet_rwlock_read_try_lock(&rw);
        valet_rwlock_write_unlock(&rw);
        return 0;
    }
    if (strcmp(what, "fair_unlock_what_is_free") == 0) {
        valet_rwlock_read_unlock_fair(&rw);
        return 0;
    }
    if (strcmp(what, "downgrade_a_reader") == 0) {
        (void)!valet_rwlock_read_try_lock(&rw);
        valet_rwlock_downgrade(&rw);
        return 0;
    }
    if (strcmp(what, "come_to_a_barrier_for_none") == 0)
        return valet_barrier_wait(&b);
    if (strcmp(what, "time_out") == 0) {
        /* all that may be asserted on a way in, through and out */
        uint64_t soon = valet_now() + MS;
        valet_unpark(&p);
        if (valet_mutex_lock(&m) != VALET_OK)
            return 1;
        thread = 2;
        if (valet_mutex_lock_until(&m, soon) != VALET_TIMEDOUT)
            return 1;
        thread = 1;
        valet_mutex_unlock_fair(&m);
        if (valet_once_begin(&o) != VALET_CHOSEN ||
            valet_latch_wait_until(&l, soon) != VALET_TIMEDOUT)
            return 1;
        valet_once_done(&o);
        valet_latch_count_down(&l, 1);
        valet_sem_release(&s, VALET_SEM_MAX - 1);
        if (!valet_rwlock_write_try_lock(&rw))
            return 1;
        valet_rwlock_downgrade(&rw);
        if (!valet_rwlock_read_try_lock(&rw) ||
            valet_rwlock_write_lock_until(&rw, soon) != VALET_TIMEDOUT)
            return 1;
        valet_rwlock_read_unlock(&rw);
        valet_rwlock_read_unlock_fair(&rw);
        b = (struct valet_barrier)VALET_BARRIER_INIT(1);
        if (valet_barrier_wait(&b) != VALET_CHOSEN || valet_barrier_wait(&b) != VALET_CHOSEN)
            return 1;
#ifdef VALET_LOCK_OWNER
        if (owners_in_order())
            return 1;
#endif
        return valet_park(&p) != VALET_OK || valet_park_until(&p, soon) != VALET_TIMEDOUT ||
               valet_compare_and_wait_until(&w, 0, soon) != VALET_TIMEDOUT ||
               valet_futex_wait(&word, 0, soon) != VALET_TIMEDOUT ||
               valet_futex_wait(&word, 0, soon) != VALET_TIMEDOUT;
    }
#ifdef VALET_LOCK_OWNER
    return owners(what);
#else
    return 2;
#endif
}
