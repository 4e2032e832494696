/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The unchanged library for one system: -DSYSTEM=linux -DFILE='"sys/linux.c"' -DSEMA=0. All in one
 * file, since starting the compiler is most of the cost; so the few names of their own that files
 * of core/ share are told apart here.
 */
#include FILE

#include "core/now.c"
#include "fuzz.h"

#ifdef GREEN
#include "green/checked.h"
#else
#undef valet_sys_sema_post
#define valet_sys_sema_post target_post
#endif

#define word_of    parker_word_of
#define sleep_once parker_sleep_once
#define VALET_HAS_MACHINE
#if SEMA
#include "core/park_sema.c"

#include "core/park_with_sema.c"
#else
#include "core/park_futex.c"

#include "core/park_with_futex.c"
#endif
#undef word_of
#undef sleep_once

#if SEMA
#include "core/waiters_sema.c"

#include "core/waiters_with_sema.c"
/* What it has of its own by names that the other has, too. */
#undef TAKEN
#undef OWED
#define ASLEEP              FUTEX_ASLEEP
#define node                queued
#define out                 unqueued
#define newest              newest_note
#define let_go              let_go_of_queue
#define leave               leave_queue
#define LEAVING             LEAVES
#define OUT                 UNQUEUED
#define valet_futex_table_2 NAMED(valet_futex_table)
#include "core/futex_sema.c"

#include "core/futex_requeue_sema.c"
#include "core/futex_with_sema.c"
#else
#include "core/waiters_futex.c"

#include "core/futex_futex.c"
#include "core/futex_requeue_futex.c"
#include "core/futex_with_futex.c"
#include "core/waiters_with_futex.c"
#endif
#include "core/cancel.c"

#undef valet_sys_sema_post
#define valet_sys_sema_post NAMED(valet_sys_sema_post)

extern const struct system NAMED(system);
const struct system NAMED(system) = {
    .sema = SEMA,
    .now = valet_now,
    .park = valet_park,
    .park_until = valet_park_until,
    .park_for = valet_park_for,
    .unpark = valet_unpark,
    .exchange = valet_waiters_compare_exchange,
    .state = valet_waiters_state,
    .wait = valet_compare_and_wait,
    .wait_until = valet_compare_and_wait_until,
    .store_and_wake = valet_store_and_wake,
    .store_and_delegate = valet_store_and_delegate,
    .wake = valet_waiters_wake,
    .futex_wait = valet_futex_wait,
    .futex_wake = valet_futex_wake,
    .features = valet_features,
    .now_realtime = valet_now_realtime,
    .park_with = valet_park_with,
    .wait_with = valet_compare_and_wait_with,
    .futex_wait_with = valet_futex_wait_with,
    .futex_wake_with = valet_futex_wake_with,
    .requeue = valet_futex_requeue,
    .wait_cancellable = valet_futex_wait_cancellable,
    .redirect = valet_cancel_redirect,
#if SEMA && !defined GREEN
    .post = valet_sys_sema_post,
#endif
};
