/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The scenarios: name, threads, flags (checker.h), budget of injected events. Thread n runs
 * <name>_<n> of scenario.c, or of locks.c, after setup_<name> and before end_<name> where there are
 * such.
 */
// clang-format off
#define SCENARIOS(S)                                            \
    S(token_first,          1, EVERY,                    0)     \
    S(past_deadline,        1, TIMED | EVERY,            1)     \
    S(park_unpark,          2, EVERY,                    2)     \
    S(park_park,            2, EVERY,                    1)     \
    S(park_2_unparks,       3, DEEP,                     1)     \
    S(timed_unpark,         2, TIMED | EVERY,            1)     \
    S(wall_unpark,          2, TIMED,                    1)     \
    S(wall_forward,         2, TIMED | SETS,             0)     \
    S(wall_back,            2, TIMED | SETS,             0)     \
    S(wall_back_again,      2, TIMED | SETS,             0)     \
    S(far_unpark,           2, FAR | TIMED,              1)     \
    S(timed_for,            2, TIMED | LATER,            1)     \
    S(timed_2_unparks_park, 3, TIMED | DEEP,             0)     \
    S(busy,                 3, 0,                        0)     \
    S(busy_timed,           3, TIMED,                    0)     \
    S(park_free,            2, EVERY,                    1)     \
    S(timed_free,           2, TIMED | EVERY,            1)     \
    S(park_3_unparks,       4, 0,                        0)     \
    S(park_handover,        3, TIMED,                    0)     \
    S(park_interrupted,     2, 0,                        1)     \
    S(sandbox_park,         2, SANDBOX,                  0)     \
    S(wait_store,           2, EVERY,                    1)     \
    S(wait_2_store,         3, DEEP,                     0)     \
    S(wait_3_store,         4, LARGE,                    0)     \
    S(wait_cycle,           3, TIMED,                    0)     \
    S(wait_back,            3, LARGE,                    0)     \
    S(wait_timed_untimed,   3, TIMED,                    0)     \
    S(wait_exchange,        2, EVERY,                    1)     \
    S(wait_exchange_timed,  3, TIMED,                    0)     \
    S(wait_exchange_kept,   2, TIMED | EVERY,            0)     \
    S(wait_wake,            2, 0,                        1)     \
    S(wait_wake_timed,      3, TIMED,                    0)     \
    S(wait_free,            2, EVERY,                    1)     \
    S(wait_set_back,        2, SEMA_KIND | TIMED | SETS, 0)     \
    S(delegate,             2, EVERY,                    1)     \
    S(delegate_2,           3, 0,                        1)     \
    S(delegate_3,           4, WIDE,                     0)     \
    S(delegate_timed,       3, TIMED,                    0)     \
    S(delegate_late,        4, TIMED | WIDE,             0)     \
    S(delegate_newcomer,    3, TIMED,                    0)     \
    S(delegate_exchange,    3, 0,                        0)     \
    S(delegate_store,       3, WIDE,                     0)     \
    S(delegate_again,       3, WIDE,                     0)     \
    S(delegate_same,        2, 0,                        1)     \
    S(delegate_free,        3, 0,                        0)     \
    S(wait_interrupted,     3, 0,                        1)     \
    S(sandbox_wait,         2, SANDBOX,                  0)     \
    S(futex_wait_wake,      2, EVERY,                    1)     \
    S(futex_wake_one,       3, FUTEX_KIND,               0)     \
    S(futex_timed,          3, FUTEX_KIND | TIMED,       0)     \
    S(futex_for,            2, TIMED | LATER,            1)     \
    S(futex_late,           3, FUTEX_KIND | TIMED,       0)     \
    S(futex_timed_wake,     2, SEMA_KIND | TIMED,        0)     \
    S(futex_interrupted,    3, FUTEX_KIND,               1)     \
    S(cancel_wait,          2, CANCELS,                  0)     \
    S(cancel_timed,         2, CANCELS | TIMED,          0)     \
    S(cancel_wake,          2, CANCELS,                  0)     \
    S(futex_requeue,        2, EVERY,                    1)     \
    S(futex_requeue_2,      3, FUTEX_KIND,               0)     \
    S(futex_requeue_changed, 2, 0,                       1)     \
    S(futex_requeue_timed,  3, FUTEX_KIND | TIMED,       0)     \
    S(futex_shared,         2, FUTEX_KIND | SHARES,      1)     \
    S(futex_shared_requeue, 2, FUTEX_KIND | SHARES,      1)     \
    S(futex_unmapped,       1, FUTEX_KIND | KERNEL,      0)     \
    S(mutex_2,              2, LOCKS | EVERY,            1)     \
    S(mutex_timed,          2, LOCKS | TIMED,            1)     \
    S(mutex_signal,         2, LOCKS | FUTEX_KIND,       1)     \
    S(cond_notify,          2, LOCKS,                    1)     \
    S(cond_timed,           2, LOCKS | TIMED,            0)
// clang-format on
