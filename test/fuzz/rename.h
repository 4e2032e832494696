/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Included first: gives each name of the library the system's for a prefix, so that the library for
 * every system fits into one program; and each function of libc that a system calls ours.
 */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b)  JOIN_(a, b)
#define NAMED(name) JOIN(SYSTEM, name)

/* A static function that many systems have: llvm-cov tells apart by the name. */
#define wait      NAMED(wait)
#define wait_trap NAMED(wait_trap)

#define valet_now                        NAMED(valet_now)
#define valet_park                       NAMED(valet_park)
#define valet_park_until                 NAMED(valet_park_until)
#define valet_park_for                   NAMED(valet_park_for)
#define valet_unpark                     NAMED(valet_unpark)
#define valet_parker_is_set              NAMED(valet_parker_is_set)
#define valet_waiters_init               NAMED(valet_waiters_init)
#define valet_waiters_state              NAMED(valet_waiters_state)
#define valet_waiters_compare_exchange   NAMED(valet_waiters_compare_exchange)
#define valet_compare_and_wait           NAMED(valet_compare_and_wait)
#define valet_compare_and_wait_until     NAMED(valet_compare_and_wait_until)
#define valet_store_and_wake             NAMED(valet_store_and_wake)
#define valet_store_and_delegate         NAMED(valet_store_and_delegate)
#define valet_waiters_wake               NAMED(valet_waiters_wake)
#define valet_futex_wait                 NAMED(valet_futex_wait)
#define valet_futex_wait_for             NAMED(valet_futex_wait_for)
#define valet_futex_wake                 NAMED(valet_futex_wake)
#define valet_sys_now                    NAMED(valet_sys_now)
#define valet_sys_futex_wait             NAMED(valet_sys_futex_wait)
#define valet_sys_futex_look             NAMED(valet_sys_futex_look)
#define valet_sys_futex_wake             NAMED(valet_sys_futex_wake)
#define valet_sys_futex_wake_with        NAMED(valet_sys_futex_wake_with)
#define valet_park_with                  NAMED(valet_park_with)
#define valet_compare_and_wait_with      NAMED(valet_compare_and_wait_with)
#define valet_futex_wait_with            NAMED(valet_futex_wait_with)
#define valet_futex_wake_with            NAMED(valet_futex_wake_with)
#define valet_futex_requeue              NAMED(valet_futex_requeue)
#define valet_sys_futex_requeue          NAMED(valet_sys_futex_requeue)
#define valet_features                   NAMED(valet_features)
#define valet_sys_futex_wait_with        NAMED(valet_sys_futex_wait_with)
#define valet_sys_sema_wait_with         NAMED(valet_sys_sema_wait_with)
#define valet_sys_features               NAMED(valet_sys_features)
#define valet_now_realtime               NAMED(valet_now_realtime)
#define valet_sys_now_realtime           NAMED(valet_sys_now_realtime)
#define valet_sys_sema_init              NAMED(valet_sys_sema_init)
#define valet_sys_sema_wait              NAMED(valet_sys_sema_wait)
#define valet_sys_sema_post              NAMED(valet_sys_sema_post)
#define valet_sys_sema_fini              NAMED(valet_sys_sema_fini)
#define valet_sys_at_fork                NAMED(valet_sys_at_fork)
#define valet_sys_futex_wait_cancellable NAMED(valet_sys_futex_wait_cancellable)
#define valet_sys_cancel_redirect        NAMED(valet_sys_cancel_redirect)
#define valet_futex_wait_cancellable     NAMED(valet_futex_wait_cancellable)
#define valet_cancel_redirect            NAMED(valet_cancel_redirect)

#define clock_gettime             fuzz_clock_gettime
#define nanosleep                 fuzz_nanosleep
#define sched_yield               fuzz_sched_yield
#define pthread_mutex_init        fuzz_mutex_init
#define pthread_mutex_destroy     fuzz_mutex_destroy
#define pthread_mutex_lock        fuzz_mutex_lock
#define pthread_mutex_unlock      fuzz_mutex_unlock
#define pthread_cond_init         fuzz_cond_init
#define pthread_cond_destroy      fuzz_cond_destroy
#define pthread_cond_wait         fuzz_cond_wait
#define pthread_cond_timedwait    fuzz_cond_timedwait
#define pthread_cond_signal       fuzz_cond_signal
#define pthread_condattr_init     fuzz_condattr_init
#define pthread_condattr_destroy  fuzz_condattr_destroy
#define pthread_condattr_setclock fuzz_condattr_setclock

/* sys/wasm.c by a compiler for another CPU */
#define __builtin_wasm_memory_atomic_wait32 fuzz_wasm_wait32
#define __builtin_wasm_memory_atomic_notify fuzz_wasm_notify
int fuzz_wasm_wait32(int *word, int expected, long ns);
int fuzz_wasm_notify(int *word, unsigned count);
