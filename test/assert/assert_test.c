/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One call for assert.sh: of memory that is no object of the library, or of one that is. */
#include <string.h>

#include "valet_locks.h"

#define MS UINT64_C(1000000)

int main(int argc, char **argv)
{
    struct valet_parker p = {0};
    struct valet_waiters w = {0};
    struct valet_mutex m = VALET_MUTEX_INIT;
    struct valet_once o = VALET_ONCE_INIT;
    struct valet_latch l = VALET_LATCH_INIT(1);
    struct valet_sem s = VALET_SEM_INIT(1);
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
    if (strcmp(what, "time_out") == 0) {
        /* all that may be asserted on a way in, through and out */
        uint64_t soon = valet_now() + MS;
        valet_unpark(&p);
        if (valet_mutex_lock(&m) != VALET_OK || valet_mutex_lock_until(&m, soon) != VALET_TIMEDOUT)
            return 1;
        valet_mutex_unlock_fair(&m);
        if (valet_once_begin(&o) != VALET_CHOSEN ||
            valet_latch_wait_until(&l, soon) != VALET_TIMEDOUT)
            return 1;
        valet_once_done(&o);
        valet_latch_count_down(&l, 1);
        valet_sem_release(&s, VALET_SEM_MAX - 1);
        return valet_park(&p) != VALET_OK || valet_park_until(&p, soon) != VALET_TIMEDOUT ||
               valet_compare_and_wait_until(&w, 0, soon) != VALET_TIMEDOUT ||
               valet_futex_wait(&word, 0, soon) != VALET_TIMEDOUT ||
               valet_futex_wait(&word, 0, soon) != VALET_TIMEDOUT;
    }
    return 2;
}
