# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# Faults for fuzz.sh, which sources this. Each is one line:
# plant NAME TARGET SYSTEM FILE OLD NEW

# Times
plant 'a sum that wraps' units linux core/deadline.h \
    'if (__builtin_add_overflow(now, timeout_ns, deadline))
        *deadline = VALET_FOREVER;' '*deadline = now + timeout_ns;'
plant 'a sum that saturates below forever' units linux core/deadline.h \
    '*deadline = VALET_FOREVER;' '*deadline = INT64_MAX;'
plant 'what is left of the past, wrapped' units dragonfly sys/deadline.h \
    'if (now >= deadline)
        return VALET_TIMEDOUT;' ''
plant 'nanoseconds cut' units linux sys/kernel_timespec.h \
    'ns % 1000000000u' 'ns % 1000000000u / 1000 * 1000'
plant 'seconds cut to 32 bits' units freebsd sys/kernel_timespec.h \
    'tv_sec = (VALET_TV_SEC)(ns' 'tv_sec = (int32_t)(ns'
plant 'a second of 2^30 ns' units netbsd sys/kernel_timespec.h \
    't.tv_nsec = (VALET_TV_NSEC)(ns % 1000000000u)' 't.tv_nsec = (int64_t)(ns & 0x3fffffff)'
plant 'microseconds rounded down' units dragonfly sys/deadline.h '(ns + unit - 1) / unit' 'ns / unit'
plant 'microseconds beyond an int' units dragonfly sys/dragonfly.c \
    'clock_ns(), deadline, LONGEST_NS' 'clock_ns(), deadline, UINT64_MAX - 1000'
plant 'microseconds, their low 32 bits' units darwin sys/darwin.c \
    'clock_ns(), deadline, LONGEST_NS' 'clock_ns(), deadline, UINT64_MAX - 1000'
plant 'microseconds, early by less than one' units darwin sys/darwin.c \
    'valet_deadline_units(ns, 1000)' '(ns / 1000)'
plant 'a timer that is early, believed' units openbsd sys/openbsd.c \
    'status == VALET_TIMEDOUT ? valet_deadline_over(clock_ns(), deadline) : status' 'status'
plant 'a sleep that was cut, called over' units darwin_os_sync sys/darwin_os_sync.c \
    'return valet_deadline_over(clock_ns(), deadline);' 'return VALET_TIMEDOUT;'
plant 'a negative time' units fuchsia sys/fuchsia.c \
    'deadline < (uint64_t)ZX_TIME_INFINITE ? (int64_t)deadline : ZX_TIME_INFINITE' '(int64_t)deadline'
plant 'a time beyond signed ns' units redox sys/redox.c \
    'deadline < INT64_MAX ? deadline : INT64_MAX' 'deadline'
plant 'a span for a deadline' units cloudabi sys/cloudabi.c '.timeout = deadline' \
    '.timeout = deadline - valet_sys_now()'
plant 'no timeout for a deadline of 0' units sgx sys/sgx.c \
    'if (status != VALET_OK)' 'if (status == VALET_ERR_UNSUPPORTED)'
plant 'a slice of the wrong clock' units posix_realtime sys/posix.c \
    'MONOTONIC ? now : clock_ns(CLOCK_REALTIME)' 'now'
plant 'a day longer than the deadline' units openbsd_libc sys/openbsd.h \
    '*t = timespec_of(ns);' '*t = timespec_of(LONGEST_NS);'
plant 'the wait of wasm, negative' units wasm sys/wasm.c \
    'clock_ns(), deadline, INT64_MAX' 'clock_ns(), deadline, UINT64_MAX'
plant 'units of 100 ns, rounded down' units windows sys/windows.h 'valet_deadline_units(ns, 100)' '(ns / 100)'
plant 'a date for a timeout' units windows_keyed sys/windows.h '*timeout = -(int64_t)' '*timeout = (int64_t)'
plant 'ticks, whose product overflows' units windows sys/windows.h \
    't / f * 1000000000u + t % f * 1000000000u / f' 't * 1000000000u / f'

# Answers
plant 'an unknown error for a wake-up' answers linux sys/linux.c \
    'return VALET_ERR_SYSTEM;' 'return VALET_OK;'
plant 'EFAULT, asked again for ever' answers freebsd sys/freebsd.c \
    'r == 0 || r == -EINTR' 'r == 0 || r == -EINTR || r == -14'
plant 'EFAULT, asked again without a limit' answers darwin sys/darwin.c \
    'tries > 0 && fetch_page(word); tries--' 'fetch_page(word); (void)tries'
plant 'EFAULT and ENOMEM, asked again without a limit' answers darwin_os_sync sys/darwin_os_sync.c \
    '--tries != 0' 'tries != 0'
plant 'one refusal, believed by a parker' answers linux core/park_futex.c \
    'int r, tries = VALET_TRIES;' 'int r, tries = 1;'
plant 'one refusal, believed by a waiter' answers linux core/waiters_futex.c \
    'VALET_OK, tries = VALET_TRIES;' 'VALET_OK, tries = 1;'
plant 'refusals without an end' answers linux core/waiters_futex.c 'else if (--tries != 0)' 'else if (tries != 0)'
plant 'ETIMEDOUT without a timeout' answers linux sys/linux.c 'r == -ETIMEDOUT && until != NULL' \
    'r == -ETIMEDOUT'
plant 'a time from 2^63 ns on' answers linux sys/linux.c 'deadline <= INT64_MAX' 'deadline != VALET_FOREVER'
plant 'a timeout without a look' answers linux core/futex_futex.c \
    'if (r != VALET_TIMEDOUT)' 'if (deadline != 0)'
plant 'a look that sees nothing' answers linux sys/linux.c 'r == -EAGAIN ? VALET_CHANGED :' ''
plant 'every error a timeout' answers fuchsia sys/fuchsia.c 'r == ZX_ERR_TIMED_OUT && ' ''
plant 'any positive answer a wake-up' answers redox sys/redox.c 'r == 0 ||' 'r >= 0 ||'
plant 'a timeout believed without the clock' answers dragonfly sys/dragonfly.c \
    'deadline == VALET_FOREVER ? VALET_OK : valet_deadline_over(clock_ns(), deadline)' \
    'deadline == VALET_FOREVER ? VALET_OK : VALET_TIMEDOUT'
plant 'a clock that failed, taken for 0' answers openbsd sys/deadline.h \
    'if (now == 0)
        return VALET_ERR_UNSUPPORTED;' ''
plant 'a clock that is gone, waited for' answers netbsd sys/deadline.h \
    'now != 0 ? VALET_OK : VALET_ERR_UNSUPPORTED' 'VALET_OK'
plant 'a clock that is gone, waited for' answers netbsd_park sys/deadline.h \
    'now != 0 ? VALET_OK : VALET_ERR_UNSUPPORTED' 'VALET_OK'
plant 'a clock that is gone, waited for' answers cloudabi sys/cloudabi.c \
    'if (r != VALET_OK)
                return r;' 'if (r == VALET_TIMEDOUT)
                return r;'
plant 'an unpark that loads, then stores' answers netbsd core/park_futex.c \
    'uint32_t old = atomic_exchange_explicit(word, NOTIFIED, memory_order_release);' \
    'uint32_t old = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, NOTIFIED, memory_order_release);
    valet_sys_futex_wake((uint32_t *)word, 1);
    if (atomic_load_explicit(word, memory_order_relaxed) == NOTIFIED)
        return;'
plant 'a word that is read after its wake-up' answers openbsd core/waiters_futex.c \
    'return;
    valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL);' \
    'return;
    valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL);
    if (atomic_load_explicit(word, memory_order_relaxed) == 77)
        __builtin_trap();'
plant 'a semaphore that is read after its post' answers sgx sys/sgx.c \
    'usercall(USERCALL_SEND, EV_UNPARK, by_id_post(s), 0, 0, 0);' \
    'usercall(USERCALL_SEND, EV_UNPARK, by_id_post(s), 0, 0, 0);
    ((struct os_sema *)(void *)s)->owner = 0;'
plant 'a refusal that leaves the parker parked' answers freebsd core/park_futex.c \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \
    'if (r == VALET_ERR_SYSTEM)
            return r;
        if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)'
plant 'a token lost to a refusal' answers dragonfly core/park_futex.c \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED && r != VALET_ERR_SYSTEM)'
plant 'a whole word written where half is ours' answers linux core/park_futex.c \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \
    'if ((uint32_t)atomic_exchange_explicit((valet_wordptr *)word, EMPTY, memory_order_acquire) == NOTIFIED)'
plant 'a post that is not waited for' answers netbsd_park core/park_sema.c \
    'while (valet_sys_sema_wait(&sema, VALET_FOREVER) != VALET_OK)
                valet_arch_relax();' ''
plant 'a waiter that does not unlink' answers posix core/waiters_sema.c \
    'seen & STATE, memory_order_acquire,' 'seen, memory_order_acquire,'
plant 'a condition variable that cannot be' answers posix sys/posix.c \
    'if (init_condition(&sema->condition) == 0) {' 'init_condition(&sema->condition); {'
plant 'errno is left behind' answers openbsd_libc sys/openbsd_libc.c '*__errno() = kept;' '(void)kept;'
plant 'errno is left behind' answers darwin_os_sync sys/darwin_os_sync.c \
    '*__error() = kept; /* errno' '(void)kept; /* errno'
plant 'an event that was not written' answers cloudabi sys/cloudabi.c '!= 1 || out.error != 0' '!= 1'
plant 'a status that is a success by its sign' answers windows sys/windows.c \
    'r == STATUS_SUCCESS' 'r >= STATUS_SUCCESS'
plant 'a release that was used up, waited for' answers windows_keyed sys/windows_keyed.c \
    'if (seen & LEFT)
        return VALET_OK;' ''

# Flags
plant 'a wall clock taken for the other' answers linux sys/linux.c \
    'if (flags & VALET_REALTIME)
        operation |= FUTEX_CLOCK_REALTIME;' ''
plant 'a wall clock taken for the other, in slices' answers illumos core/with.h \
    'wall = valet_sys_now_realtime(), now' 'wall = valet_sys_now(), now'
plant 'a slice of any length' answers netbsd core/with.h 'left < VALET_SLICE_NS ? left : VALET_SLICE_NS' 'left'
plant 'the end of a slice, called a timeout' answers dragonfly core/with.h \
    'return r == VALET_TIMEDOUT && deadline' 'return r == VALET_CHANGED && deadline'
plant 'the last slice, believed though the clock was set back' answers netbsd core/with.h \
    '*deadline = now + (left' 'if (left < VALET_SLICE_NS)
        *flags |= VALET_REALTIME;
    *deadline = now + (left'
plant 'refusals counted over the end of a slice' answers netbsd core/with.h \
    'if (own)
            return VALET_OK;' '(void)own;'
plant 'an interruption swallowed' answers netbsd_park sys/netbsd_park.c \
    'if (r == -EINTR && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;' '(void)flags;'
plant 'an interruption swallowed under SA_RESTART' answers openbsd sys/openbsd.h \
    '(error == EINTR || error == ECANCELED) && flags' 'error == EINTR && flags'
plant 'an interruption called a wake' answers freebsd sys/freebsd.c \
    'if (r == -EINTR && flags & VALET_INTERRUPTIBLE)
        return VALET_INTERRUPTED;' ''
plant 'an interruption that nobody asked for' answers darwin sys/darwin.c \
    '-EINTR && flags & VALET_INTERRUPTIBLE' '-EINTR && (flags | VALET_INTERRUPTIBLE)'
plant 'an interruption without a look' answers linux core/futex_with_futex.c \
    'r != VALET_TIMEDOUT && r != VALET_INTERRUPTED' 'r != VALET_TIMEDOUT'
plant 'a look that a handler ended, for an answer' answers dragonfly core/futex_futex.c \
    'while (r == VALET_INTERRUPTED)' 'while (false)'
plant 'a look that a handler ended, for a timeout' answers freebsd core/futex_futex.c \
    'while (r == VALET_INTERRUPTED);
    return r;' 'while (r == VALET_INTERRUPTED && deadline == 0);
    return r == VALET_INTERRUPTED ? VALET_TIMEDOUT : r;'
plant 'an interruption forgotten for that of a look' answers freebsd sys/freebsd.c \
    '1, VALET_INTERRUPTIBLE, NULL' '1, 0, NULL'
plant 'an interruption forgotten for that of a look' answers dragonfly sys/dragonfly.c \
    '1, 0, VALET_INTERRUPTIBLE' '1, 0, 0'
plant 'an interruption forgotten for that of a look' answers openbsd sys/openbsd.c \
    '(long)&t, 0, VALET_INTERRUPTIBLE' '(long)&t, 0, 0'
plant 'an interruption forgotten for that of a look' answers openbsd_libc sys/openbsd_libc.c \
    '&t, 0, VALET_INTERRUPTIBLE' '&t, 0, 0'
plant 'an interruption forgotten for that of a look' answers darwin sys/darwin.c \
    '1, 0, VALET_INTERRUPTIBLE' '1, 0, 0'
plant 'an interruption forgotten for that of a look' answers darwin_os_sync sys/darwin_os_sync.c \
    '1, 0, VALET_INTERRUPTIBLE' '1, 0, 0'
plant 'a cancelled wait that goes on' answers freebsd sys/freebsd.c \
    'if (valet_is_cancelled(cancel, r))
        return VALET_INTERRUPTED;' ''
plant 'a cancellation without a look' answers linux core/cancel.c \
    'r != VALET_TIMEDOUT && r != VALET_INTERRUPTED' 'r != VALET_TIMEDOUT'
plant 'a shared word, waited on as a private one' answers linux sys/linux.c \
    'if (!(flags & VALET_SHARED))
        operation' 'operation'
plant 'a shared word, woken as a private one' answers openbsd_libc core/futex_with_futex.c \
    'VALET_SYS_ALL : count, flags)' 'VALET_SYS_ALL : count, 0)'
plant 'a shared word, moved as a private one' answers netbsd sys/netbsd.c \
    'FUTEX_CMP_REQUEUE | private' 'FUTEX_CMP_REQUEUE | private | FUTEX_PRIVATE_FLAG'
plant 'the numbers of a requeue, exchanged' answers fuchsia sys/fuchsia.c \
    'from, wake, expected, to, requeue,' 'from, requeue, expected, to, wake,'
plant 'an error for the number that was woken' answers linux sys/futex_word.h \
    'answer < 0 ? VALET_FUTEX_UNKNOWN : (uint32_t)answer' '(uint32_t)answer'

# Programs
plant 'an unpark by load and store, in parallel' program green_futex core/park_futex.c \
    'uint32_t old = atomic_exchange_explicit(word, NOTIFIED, memory_order_release);' \
    'uint32_t old = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, NOTIFIED, memory_order_release);'
plant 'a wake-up before the token' program green_futex core/park_futex.c \
    'valet_word32 *word = word_of(p);' \
    'valet_word32 *word = word_of(p);
    valet_sys_futex_wake((uint32_t *)word, 1);
    (void)atomic_exchange_explicit(word, NOTIFIED, memory_order_release);
    return;'
plant 'a token that comes with the timeout, lost' program green_futex core/park_futex.c \
    'if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)' \
    'if (r == VALET_TIMEDOUT) {
            atomic_store_explicit(word, EMPTY, memory_order_relaxed);
            return r;
        }
        if (atomic_exchange_explicit(word, EMPTY, memory_order_acquire) == NOTIFIED)'
plant 'a wait without the state' program green_futex core/waiters_futex.c \
    'r = valet_sys_futex_wait((uint32_t *)word, expected | WAITERS, deadline);' \
    'r = valet_sys_futex_wait((uint32_t *)word, atomic_load_explicit(word, memory_order_relaxed) | WAITERS, deadline);'
plant 'one woken of all' program green_futex core/waiters_futex.c \
    'return;
    valet_sys_futex_wake((uint32_t *)word, VALET_SYS_ALL);' \
    'return;
    valet_sys_futex_wake((uint32_t *)word, 1);'
plant 'an exchange that forgets the waiters' program green_futex core/waiters_futex.c \
    '(seen & ~STATE) | (desired & STATE)' '(desired & STATE)'
plant 'a timed-out waiter, not unlinked' program green_sema core/waiters_sema.c \
    '*link = n->next;' 'link = &n->next;'
plant 'an unlock by a store' program green_sema core/waiters_sema.c \
    '} while (!atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_acq_rel,
                                                        memory_order_acquire));' \
    'atomic_store_explicit(word, next, memory_order_release);
        } while (0);'
plant 'a token lost where there is no clock' answers openbsd core/park_futex.c \
    'r == VALET_TIMEDOUT ? VALET_ERR_UNSUPPORTED : r' 'r == VALET_ERR_BUSY ? r : VALET_ERR_UNSUPPORTED'
plant 'a token lost where there is no clock, sema kind' answers posix core/park_sema.c \
    'r == VALET_TIMEDOUT ? VALET_ERR_UNSUPPORTED : r' 'r == VALET_ERR_BUSY ? r : VALET_ERR_UNSUPPORTED'
plant 'a parker that gives up by a store' program green_sema core/park_sema.c \
    'if (r != VALET_OK && !atomic_compare_exchange_strong_explicit(
                                 word, &seen, EMPTY, memory_order_relaxed, memory_order_relaxed)) {' \
    'if (r != VALET_OK)
            atomic_store_explicit(word, EMPTY, memory_order_relaxed);
        if (0) {'
plant 'a post that nobody waits for' program green_sema core/waiters_sema.c \
    'while (valet_sys_sema_wait(&n->sema, VALET_FOREVER) != VALET_OK)
        valet_arch_relax();' ''
plant 'a word compared before the note only' program green_sema core/futex_sema.c \
    'if (atomic_load_explicit((valet_word32 *)word, memory_order_relaxed) != expected)
        r = VALET_CHANGED;
    else if (atomic_compare' 'if (atomic_compare'
plant 'a sleeper left in its queue' program green_sema core/futex_sema.c \
    'r = leave(b, &n, r);' '(void)leave;'
plant 'a moved sleeper that keeps its word' program green_sema core/futex_requeue_sema.c 'n->word = to;' ''
