/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A user's file with the library in it, and each of its calls. */
#define VALET_STATIC
#include "valet.c"

int user(struct valet_parker *p, struct valet_waiters *w, uint32_t *word, unsigned *expected,
         uint64_t when);
int user(struct valet_parker *p, struct valet_waiters *w, uint32_t *word, unsigned *expected,
         uint64_t when)
{
    valet_waiters_init(w, *expected);
    valet_unpark(p);
    valet_store_and_wake(w, 1);
    valet_store_and_delegate(w, valet_waiters_state(w));
    valet_waiters_wake(w);
    valet_futex_wake(word, VALET_FUTEX_ALL);
    valet_futex_wake_with(word, 1, VALET_SHARED);
    int r = valet_park(p) | valet_park_until(p, when) | valet_park_for(p, valet_now());
    r |= valet_compare_and_wait(w, 2) | valet_compare_and_wait_until(w, 3, when);
    r |= valet_parker_is_set(p) | valet_futex_wait_for(word, 6, when);
    r |= valet_park_with(p, when, valet_features()) | valet_futex_wait_with(word, 7, when, 0);
    r |= valet_futex_wait_cancellable(word, 8, when, 0, word) | valet_cancel_redirect(&w->word);
    r |= valet_futex_requeue(word, 8, 1, word + 1, VALET_FUTEX_ALL, VALET_SHARED);
    r |= valet_compare_and_wait_with(w, 4, valet_now_realtime() + when, VALET_REALTIME);
    return r | valet_waiters_compare_exchange(w, expected, 4) | valet_futex_wait(word, 5, when);
}
