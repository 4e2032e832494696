/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The scenarios and litmus tests. Thread n runs <name>_<n>, after setup_<name> and before
 * end_<name> where there are such. A scenario of the core begins as the name of its file does.
 */
#ifndef VALET_TEST_C11_SCENARIOS_H
#define VALET_TEST_C11_SCENARIOS_H

/* kinds of system; LOCKS: no system, a parker that is its contract */
enum { FUTEX = 1, SEMA = 2, BOTH = 3, LOCKS = 4 };

enum {
    FENCES = 1,     /* there are fences */
    SANDBOX = 2,    /* the system refuses to wait, once */
    RENDEZVOUS = 4, /* a post blocks until the owner waits, as keyed events do */
    DEEP = 8,       /* seconds: left out where the run is not deep */
    LITMUS = 16,
    LATE = 32, /* the clock says that every deadline has come */
    TWICE = 64 /* of SANDBOX, futex kind: twice, which is as often as the core asks here */
};

/* name, threads, kinds, flags, wake-ups for no reason, weak compare-exchanges that fail so */
// clang-format off
#define SCENARIOS(S)                                      \
    S(park_unpark,           2, BOTH,  0,          3, 0)  \
    S(park_park,             2, BOTH,  0,          2, 0)  \
    S(park_2_unparks,        3, BOTH,  0,          2, 0)  \
    S(park_timed,            2, BOTH,  0,          2, 0)  \
    S(park_timed_2_unparks,  3, BOTH,  0,          2, 0)  \
    S(park_busy,             3, BOTH,  0,          1, 0)  \
    S(park_busy_timed,       3, BOTH,  0,          1, 0)  \
    S(park_handover,         3, BOTH,  0,          1, 0)  \
    S(park_free,             2, BOTH,  0,          2, 0)  \
    S(park_free_timed,       2, BOTH,  0,          2, 0)  \
    S(park_3_unparks,        4, BOTH,  0,          1, 0)  \
    S(park_sandbox,          2, BOTH,  SANDBOX | TWICE, 1, 0) \
    S(park_rendezvous,       3, SEMA,  RENDEZVOUS, 0, 0)  \
    S(wait_store,            2, BOTH,  0,          2, 2)  \
    S(wait_exchange,         2, BOTH,  0,          2, 2)  \
    S(wait_exchange_fails,   3, BOTH,  0,          0, 2)  \
    S(wait_exchange_store,   3, BOTH,  0,          1, 1)  \
    S(wait_exchange_timed,   3, BOTH,  0,          1, 1)  \
    S(wait_exchange_kept,    2, BOTH,  0,          1, 1)  \
    S(wait_mutex,            2, BOTH,  0,          1, 2)  \
    S(wait_2_store,          3, BOTH,  0,          1, 1)  \
    S(wait_2_timed,          3, BOTH,  0,          0, 0)  \
    S(wait_timed_untimed,    3, BOTH,  0,          1, 1)  \
    S(wait_cycle,            3, BOTH,  0,          1, 1)  \
    S(wait_back,             2, BOTH,  0,          1, 1)  \
    S(wait_free,             2, BOTH,  0,          2, 2)  \
    S(wait_free_timed,       2, BOTH,  0,          1, 1)  \
    S(wait_sandbox,          2, BOTH,  SANDBOX | TWICE, 1, 1) \
    S(wait_rendezvous,       3, SEMA,  RENDEZVOUS, 0, 0)  \
    S(wait_2_stores,         4, BOTH,  0,          0, 0)  \
    S(wait_3_timed,          4, BOTH,  DEEP,       0, 0)  \
    S(wait_free_2_timed,     3, BOTH,  0,          0, 0)  \
    S(wait_alone,            3, BOTH,  0,          0, 0)  \
    S(wait_crowd,            3, BOTH,  0,          0, 0)  \
    S(wait_account,          3, FUTEX, 0,          0, 1)  \
    S(wait_late,             3, BOTH,  LATE,       0, 0)  \
    S(wait_late_again,       3, BOTH,  LATE,       0, 0)  \
    S(wait_late_sandbox,     2, BOTH,  LATE | SANDBOX, 0, 0) \
    S(wait_3_late,           4, BOTH,  LATE | DEEP, 0, 0) \
    S(wait_owed,             4, BOTH,  DEEP,       0, 0)  \
    S(wait_owed_late,        4, BOTH,  LATE | DEEP, 0, 0) \
    S(wait_record,           4, BOTH,  DEEP,       0, 0)  \
    S(wait_wake,             2, BOTH,  0,          2, 2)  \
    S(wait_2_wake,           3, BOTH,  0,          1, 0)  \
    S(wait_wake_timed,       3, BOTH,  0,          0, 1)  \
    S(wait_delegate,         2, BOTH,  0,          2, 2)  \
    S(wait_2_delegate,       3, BOTH,  0,          1, 1)  \
    S(wait_delegate_timed,   3, BOTH,  0,          1, 1)  \
    S(wait_delegate_cycle,   3, BOTH,  0,          0, 1)  \
    S(wait_delegate_store,   3, BOTH,  0,          0, 0)  \
    S(wait_delegate_wake,    3, BOTH,  0,          0, 0)  \
    S(wait_delegate_same,    2, BOTH,  0,          1, 1)  \
    S(wait_delegate_free,    2, BOTH,  0,          2, 2)  \
    S(futex_wake,            2, BOTH,  0,          2, 0)  \
    S(futex_2_waiters,       3, BOTH,  0,          1, 0)  \
    S(futex_requeue_again,   3, BOTH,  0,          0, 0)  \
    S(futex_2_wakers,        4, BOTH,  DEEP,       0, 0)  \
    S(futex_owed,            4, SEMA,  DEEP,       0, 0)  \
    S(futex_wakers,          3, BOTH,  0,          0, 0)  \
    S(futex_stale,           3, BOTH,  0,          0, 0)  \
    S(futex_crowd,           3, BOTH,  0,          0, 0)  \
    S(futex_sandbox,         3, BOTH,  SANDBOX,    0, 0)  \
    S(futex_timed,           3, BOTH,  0,          1, 0)  \
    S(futex_timed_pass,      3, BOTH,  0,          1, 0)  \
    S(futex_bucket,          3, BOTH,  0,          1, 0)  \
    S(futex_mutex,           2, BOTH,  0,          1, 0)  \
    S(futex_requeue_answers, 1, BOTH,  0,          0, 0)  \
    S(futex_requeue_moved,   2, BOTH,  0,          1, 0)  \
    S(futex_requeue_bucket,  2, BOTH,  0,          1, 0)  \
    S(futex_requeue_changed, 2, BOTH,  0,          1, 0)  \
    S(futex_requeue_leaves,  2, BOTH,  0,          1, 0)  \
    S(futex_requeue_counts,  3, BOTH,  0,          0, 0)  \
    S(futex_requeue_one,     3, BOTH,  0,          0, 0)  \
    S(futex_requeue_back,    3, BOTH,  0,          0, 0)  \
    S(futex_requeue_taken,   4, SEMA,  DEEP,       0, 0)  \
    S(futex_requeue_timed,   3, BOTH,  0,          0, 0)  \
    S(mutex_lock,            2, LOCKS | BOTH, 0,   0, 1)  \
    S(mutex_timed,           2, LOCKS | BOTH, 0,   0, 1)  \
    S(mutex_3,               3, LOCKS, 0,          0, 0)  \
    S(mutex_3_timed,         3, LOCKS, 0,          0, 0)  \
    S(mutex_2_timed,         3, LOCKS, 0,          0, 0)  \
    S(mutex_leaves,          3, LOCKS, 0,          0, 0)  \
    S(mutex_2_leave,         3, LOCKS, 0,          0, 0)  \
    S(mutex_fair,            3, LOCKS, 0,          0, 0)  \
    S(mutex_fair_timed,      3, LOCKS, 0,          0, 0)  \
    S(mutex_try,             3, LOCKS, 0,          0, 0)  \
    S(mutex_again,           2, LOCKS, 0,          0, 0)  \
    S(mutex_free,            3, LOCKS, 0,          0, 0)  \
    S(mutex_free_timed,      3, LOCKS, 0,          0, 0)  \
    S(mutex_sandbox,         3, LOCKS, SANDBOX,    0, 0)  \
    S(mutex_4,               4, LOCKS, DEEP,       0, 0)  \
    S(mutex_4_timed,         4, LOCKS, DEEP,       0, 0)  \
    S(mutex_with,            2, LOCKS | BOTH, 0,   1, 1)  \
    S(mutex_with_fair,       3, LOCKS, 0,          2, 0)  \
    S(futex_forgetful,       3, BOTH,  DEEP,       0, 0)  \
    S(flags_park,            2, BOTH,  0,          2, 0)  \
    S(flags_park_timed,      3, BOTH,  0,          1, 0)  \
    S(flags_wait,            2, BOTH,  0,          2, 1)  \
    S(flags_2_wait,          3, BOTH,  0,          1, 0)  \
    S(flags_delegate,        3, BOTH,  0,          1, 0)  \
    S(flags_futex,           3, BOTH,  0,          1, 0)  \
    S(cond_wait,             2, LOCKS | SEMA, 0,   0, 1)  \
    S(cond_held,             2, LOCKS | SEMA, 0,   0, 1)  \
    S(cond_timed,            2, LOCKS | BOTH, 0,   0, 1)  \
    S(cond_all,              3, LOCKS, 0,          0, 0)  \
    S(cond_all_free,         3, LOCKS, 0,          0, 0)  \
    S(cond_all_timed,        3, LOCKS, 0,          0, 0)  \
    S(cond_handed_on,        3, LOCKS, 0,          0, 0)  \
    S(cond_herd,             4, LOCKS, DEEP,       0, 0)  \
    S(cond_free,             2, LOCKS, 0,          0, 0)  \
    S(cond_2_timed,          3, LOCKS, DEEP,       0, 0)  \
    S(cond_2_notifies,       4, LOCKS, DEEP,       0, 0)  \
    S(cond_with,             2, LOCKS | SEMA, 0,   1, 1)  \
    S(cond_with_3,           3, LOCKS, DEEP,       1, 0)  \
    S(once_call,             2, BOTH,  0,          1, 1)  \
    S(once_3,                3, BOTH,  0,          0, 0)  \
    S(once_abandon,          2, BOTH,  0,          1, 1)  \
    S(once_abandon_3,        3, BOTH,  0,          0, 0)  \
    S(once_free,             2, BOTH,  0,          1, 1)  \
    S(once_sandbox,          2, BOTH, SANDBOX | TWICE, 0, 0) \
    S(once_with,             2, BOTH,  0,          1, 1)  \
    S(latch_wait,            3, BOTH,  0,          1, 0)  \
    S(latch_timed,           3, BOTH,  0,          0, 0)  \
    S(latch_2_wait,          3, BOTH,  0,          0, 0)  \
    S(latch_with,            3, BOTH,  0,          1, 0)  \
    S(barrier_wait,          2, LOCKS | BOTH, 0,   0, 1)  \
    S(barrier_again,         3, LOCKS, 0,          0, 0)  \
    S(barrier_free,          3, LOCKS, 0,          0, 0)  \
    S(barrier_sandbox,       2, LOCKS, SANDBOX,    0, 1)  \
    S(sem_take,              2, LOCKS | BOTH, 0,   0, 1)  \
    S(sem_timed,             2, LOCKS | BOTH, 0,   0, 1)  \
    S(sem_2_take,            3, LOCKS, 0,          0, 0)  \
    S(sem_2_give,            3, LOCKS, 0,          0, 1)  \
    S(sem_2_timed,           3, LOCKS, 0,          0, 0)  \
    S(sem_mutex,             3, LOCKS, 0,          0, 0)  \
    S(sem_free,              3, LOCKS, 0,          0, 1)  \
    S(sem_sandbox,           3, LOCKS, SANDBOX,    0, 0)  \
    S(sem_with,              2, LOCKS | BOTH, 0,   1, 1)  \
    S(sem_with_3,            3, LOCKS, 0,          1, 0)  \
    S(rwlock_write,          2, LOCKS | BOTH, 0,   0, 1)  \
    S(rwlock_read,           2, LOCKS | BOTH, 0,   0, 1)  \
    S(rwlock_timed,          2, LOCKS | BOTH, 0,   0, 1)  \
    S(rwlock_2_read,         3, LOCKS, 0,          0, 0)  \
    S(rwlock_2_write,        3, LOCKS, 0,          0, 0)  \
    S(rwlock_2_timed,        3, LOCKS, DEEP,       0, 0)  \
    S(rwlock_timed_write,    3, LOCKS, 0,          0, 0)  \
    S(rwlock_calls_off,      3, LOCKS, DEEP,       0, 0)  \
    S(rwlock_2_lost,         3, LOCKS, 0,          0, 0)  \
    S(rwlock_leaves,         3, LOCKS, 0,          0, 0)  \
    S(rwlock_downgrade,      3, LOCKS, 0,          0, 0)  \
    S(rwlock_downgrade_lets_in, 2, LOCKS, 0,       0, 1)  \
    S(rwlock_downgrade_timed, 3, LOCKS, DEEP,      0, 0)  \
    S(rwlock_try,            3, LOCKS, 0,          0, 0)  \
    S(rwlock_free,           2, LOCKS, 0,          0, 1)  \
    S(rwlock_free_timed,     2, LOCKS, 0,          0, 1)  \
    S(rwlock_sandbox,        3, LOCKS, SANDBOX | DEEP, 0, 0)  \
    S(rwlock_fair,           3, LOCKS, 0,          0, 0)  \
    S(rwlock_with,           2, LOCKS | BOTH, 0,   1, 1)  \
    S(rwlock_with_leaves,    3, LOCKS, DEEP,       1, 0)  \
    S(event_fences,          2, BOTH,  FENCES,     1, 0)  \
    S(event_2_fences,        3, BOTH,  FENCES,     0, 0)  \
    S(demo,                  2, LOCKS, 0,          0, 1)  \
    S(demo_2_workers,        3, LOCKS, 0,          0, 0)  \
    S(demo_end,              3, LOCKS, 0,          0, 0)  \
    S(pool,                  2, BOTH,  0,          1, 1)

/* name, threads, flags, what must come of it, remark */
#define LITMUS_TESTS(L)                                                                        \
    L(sb_relaxed,        2, 0,      "seen",      "")                                           \
    L(sb_acq_rel,        2, 0,      "seen",      "")                                           \
    L(sb_fences,         2, FENCES, "not seen",  "")                                           \
    L(sb_seq_cst,        2, 0,      "not seen",  "")                                           \
    L(sb_seq_cst_store,  2, 0,      "seen",      "")                                           \
    L(sb_seq_cst_load,   2, 0,      "seen",      "")                                           \
    L(sb_mixed,          2, FENCES, "not seen",  "")                                           \
    L(mp_relaxed,        2, 0,      "seen",      "")                                           \
    L(mp_release_only,   2, 0,      "seen",      "")                                           \
    L(mp_acq_rel,        2, 0,      "not seen",  "")                                           \
    L(mp_fences,         2, FENCES, "not seen",  "")                                           \
    L(mp_fence_one_side, 2, FENCES, "seen",      "")                                           \
    L(mp_plain,          2, 0,      "not seen",  "")                                           \
    L(mp_plain_race,     2, 0,      "data race", "")                                           \
    L(mp_plain_back,     2, 0,      "data race", "")                                           \
    L(corr,              2, 0,      "not seen",  "")                                           \
    L(cowr,              2, 0,      "not seen",  "")                                           \
    L(wrc_relaxed,       3, 0,      "seen",      "")                                           \
    L(wrc_acq_rel,       3, 0,      "not seen",  "")                                           \
    L(iriw_acq_rel,      4, 0,      "seen",      "")                                           \
    L(iriw_fences,       4, FENCES, "not seen",  "")                                           \
    L(iriw_seq_cst,      4, 0,      "not seen",  "")                                           \
    L(sequence_rmw,      3, 0,      "not seen",  "")                                           \
    L(sequence_store,    2, 0,      "seen",      " (as C++20; C11 forbids it)")                \
    L(sequence_broken,   3, 0,      "seen",      "")                                           \
    L(rmw_atomic,        2, 0,      "not seen",  "")                                           \
    L(cas_atomic,        2, 0,      "not seen",  "")                                           \
    L(cas_strong,        1, 0,      "not seen",  "")                                           \
    L(cas_weak,          1, 0,      "seen",      "")                                           \
    L(cas_stale,         2, 0,      "seen",      "")                                           \
    L(race_plain_atomic, 2, 0,      "data race", "")                                           \
    L(futex_lost,        1, 0,      "lost wake-up", "")                                        \
    L(futex_kept,        2, 0,      "not seen",  "")                                           \
    L(futex_no_order,    2, 0,      "data race", "")                                           \
    L(dead_frame,        2, 0,      "thread 1 uses thread 0's stack", "")                      \
    L(lb_relaxed,        2, 0,      "not seen",  " (a limit: C11 allows it)")                  \
    L(two_plus_two_w,    2, 0,      "not seen",  " (a limit: C11 allows it)")
// clang-format on

struct scenario {
    const char *name;
    int threads, kinds, flags, spurious, weak_failures;
    void (*thread[4])(void);
    void (*setup)(void), (*end)(void);
    const char *expects, *note;
};
extern const struct scenario scenarios[]; /* the last has no name */

#endif
