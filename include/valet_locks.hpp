// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The locks of valet_locks.h as C++17 wants them, header only: for std::lock_guard, unique_lock,
 * scoped_lock, shared_lock and condition_variable_any.
 *
 *   mutex               as std::timed_mutex: Lockable, TimedLockable
 *   shared_mutex        as std::shared_timed_mutex: SharedTimedLockable as well
 *   condition_variable  as std::condition_variable, for a std::unique_lock of mutex, or for a mutex
 *
 * Each is the C object and nothing else: what that header says of it is true here, and
 * native_handle() is for its other calls. A time point may be one of any clock, a timeout any
 * duration: rounded up, never early by that clock, and none at all where it is out of range; a
 * clock that is set forward meanwhile makes it late. Without a hosted library there are no times,
 * and nothing is included but valet_locks.h.
 *
 * Nothing throws. Where the system refuses to let a thread wait, what should hold a lock would not:
 * VALET_REFUSED(status) must not return, then. It traps, unless it is defined before: say, as a
 * throw. A condition variable calls it with the mutex held.
 */
#ifndef VALET_LOCKS_HPP
#define VALET_LOCKS_HPP

#include "valet_locks.h"

#if __STDC_HOSTED__
#include <chrono>
#include <condition_variable> // std::cv_status
#include <ratio>
#endif

#ifndef VALET_REFUSED
#define VALET_REFUSED(status) __builtin_trap()
#endif

namespace valet
{

namespace locks_detail
{

// Whether there was no timeout.
inline bool came(int status)
{
    if (status < 0)
        VALET_REFUSED(status);
    return status == VALET_OK;
}

#if __STDC_HOSTED__
// Rounded up; 0 for what lies in the past, VALET_FOREVER for what does not fit. By double where the
// exact product does not fit, and then a little later.
template <class Rep, class Period>
std::uint64_t nanoseconds(const std::chrono::duration<Rep, Period> &d)
{
    double about = std::chrono::duration<double, std::nano>(d).count();
    if (!(about > 0))
        return 0;
    if (about >= 0x1p62)
        return VALET_FOREVER;
    if (about * std::ratio_divide<Period, std::nano>::den >= 0x1p62)
        return static_cast<std::uint64_t>(about * (1 + 0x1p-50)) + 1;
    return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::nanoseconds>(d).count());
}

// How long it is until then; 0: the time has come.
template <class Clock, class Duration>
std::uint64_t left(const std::chrono::time_point<Clock, Duration> &at)
{
    auto now = Clock::now();
    using both = typename decltype(at - now)::period;
    using about = std::chrono::duration<double, both>;
    about end = at.time_since_epoch(), begin = now.time_since_epoch();
    // A difference, or a time in the unit of the other, that does not fit: no clock is near that.
    if (!(end.count() < 0x1p62 && end.count() > -0x1p62 && begin.count() > -0x1p62))
        return nanoseconds(end - begin);
    return at > now ? nanoseconds(at - now) : 0;
}

// wait(timeout) until a time of another clock than valet's: the two may run at different rates, and
// that one may be set. A time that has passed is one look.
template <class Clock, class Duration, class Wait>
bool until(const std::chrono::time_point<Clock, Duration> &at, Wait wait)
{
    for (;;) {
        std::uint64_t timeout = left(at);
        if (came(wait(timeout)))
            return true;
        if (timeout == 0)
            return false;
    }
}
#endif

} // namespace locks_detail

class mutex
{
  public:
    constexpr mutex() noexcept = default;
    mutex(const mutex &) = delete;
    mutex &operator=(const mutex &) = delete;

    void lock()
    {
        locks_detail::came(valet_mutex_lock(&m));
    }
    [[nodiscard]] bool try_lock() noexcept
    {
        return valet_mutex_try_lock(&m);
    }
    void unlock() noexcept
    {
        valet_mutex_unlock(&m);
    }
    void unlock_fair() noexcept
    {
        valet_mutex_unlock_fair(&m);
    }
#if __STDC_HOSTED__
    template <class Rep, class Period>
    [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period> &timeout)
    {
        return locks_detail::came(valet_mutex_lock_for(&m, locks_detail::nanoseconds(timeout)));
    }
    template <class Clock, class Duration>
    [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration> &at)
    {
        return locks_detail::until(
            at, [this](std::uint64_t timeout) { return valet_mutex_lock_for(&m, timeout); });
    }
#endif

    using native_handle_type = struct valet_mutex *;
    native_handle_type native_handle() noexcept
    {
        return &m;
    }

  private:
    struct valet_mutex m = VALET_MUTEX_INIT;
};

class shared_mutex
{
  public:
    constexpr shared_mutex() noexcept = default;
    shared_mutex(const shared_mutex &) = delete;
    shared_mutex &operator=(const shared_mutex &) = delete;

    void lock()
    {
        locks_detail::came(valet_rwlock_write_lock(&l));
    }
    // These two may also refuse one that is free, as valet_locks.h says.
    [[nodiscard]] bool try_lock() noexcept
    {
        return valet_rwlock_write_try_lock(&l);
    }
    [[nodiscard]] bool try_lock_shared() noexcept
    {
        return valet_rwlock_read_try_lock(&l);
    }
    void unlock() noexcept
    {
        valet_rwlock_write_unlock(&l);
    }
    void lock_shared()
    {
        locks_detail::came(valet_rwlock_read_lock(&l));
    }
    void unlock_shared() noexcept
    {
        valet_rwlock_read_unlock(&l);
    }
    void unlock_fair() noexcept
    {
        valet_rwlock_write_unlock_fair(&l);
    }
    void unlock_shared_fair() noexcept
    {
        valet_rwlock_read_unlock_fair(&l);
    }
    // From lock to lock_shared, without giving it up in between.
    void downgrade() noexcept
    {
        valet_rwlock_downgrade(&l);
    }
#if __STDC_HOSTED__
    template <class Rep, class Period>
    [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period> &timeout)
    {
        return locks_detail::came(
            valet_rwlock_write_lock_for(&l, locks_detail::nanoseconds(timeout)));
    }
    template <class Clock, class Duration>
    [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration> &at)
    {
        return locks_detail::until(
            at, [this](std::uint64_t timeout) { return valet_rwlock_write_lock_for(&l, timeout); });
    }
    template <class Rep, class Period>
    [[nodiscard]] bool try_lock_shared_for(const std::chrono::duration<Rep, Period> &timeout)
    {
        return locks_detail::came(
            valet_rwlock_read_lock_for(&l, locks_detail::nanoseconds(timeout)));
    }
    template <class Clock, class Duration>
    [[nodiscard]] bool try_lock_shared_until(const std::chrono::time_point<Clock, Duration> &at)
    {
        return locks_detail::until(
            at, [this](std::uint64_t timeout) { return valet_rwlock_read_lock_for(&l, timeout); });
    }
#endif

    using native_handle_type = struct valet_rwlock *;
    native_handle_type native_handle() noexcept
    {
        return &l;
    }

  private:
    struct valet_rwlock l = VALET_RWLOCK_INIT;
};

class condition_variable
{
  public:
    constexpr condition_variable() noexcept = default;
    condition_variable(const condition_variable &) = delete;
    condition_variable &operator=(const condition_variable &) = delete;

    void notify_one() noexcept
    {
        valet_cond_notify_one(&c);
    }
    void notify_all() noexcept
    {
        valet_cond_notify_all(&c);
    }

    // Of all these, `lock` is a mutex, or what has one as lock.mutex(), which the caller holds.
    template <class Lock> void wait(Lock &lock)
    {
        locks_detail::came(valet_cond_wait(&c, of(lock)));
    }
    template <class Lock, class Predicate> void wait(Lock &lock, Predicate there)
    {
        while (!there())
            wait(lock);
    }
#if __STDC_HOSTED__
    template <class Lock, class Clock, class Duration>
    std::cv_status wait_until(Lock &lock, const std::chrono::time_point<Clock, Duration> &at)
    {
        // No second wait: a notify between the two would meet nobody.
        return status(
            locks_detail::came(valet_cond_wait_for(&c, of(lock), locks_detail::left(at))) ||
            locks_detail::left(at) != 0);
    }
    template <class Lock, class Rep, class Period>
    std::cv_status wait_for(Lock &lock, const std::chrono::duration<Rep, Period> &timeout)
    {
        return status(locks_detail::came(
            valet_cond_wait_for(&c, of(lock), locks_detail::nanoseconds(timeout))));
    }
    template <class Lock, class Clock, class Duration, class Predicate>
    bool wait_until(Lock &lock, const std::chrono::time_point<Clock, Duration> &at, Predicate there)
    {
        while (!there())
            if (wait_until(lock, at) == std::cv_status::timeout)
                return there();
        return true;
    }
    template <class Lock, class Rep, class Period, class Predicate>
    bool wait_for(Lock &lock, const std::chrono::duration<Rep, Period> &timeout, Predicate there)
    {
        // From one moment on, however often it is notified
        std::uint64_t ns = locks_detail::nanoseconds(timeout), now = valet_now();
        std::uint64_t deadline = ns < VALET_FOREVER - now ? now + ns : VALET_FOREVER;
        while (!there())
            if (!locks_detail::came(valet_cond_wait_until(&c, of(lock), deadline)))
                return there();
        return true;
    }
#endif

    using native_handle_type = struct valet_cond *;
    native_handle_type native_handle() noexcept
    {
        return &c;
    }

  private:
    static struct valet_mutex *of(mutex &m) noexcept
    {
        return m.native_handle();
    }
    template <class Lock> static auto of(Lock &lock) noexcept -> decltype(of(*lock.mutex()))
    {
        return of(*lock.mutex());
    }
#if __STDC_HOSTED__
    static std::cv_status status(bool notified) noexcept
    {
        return notified ? std::cv_status::no_timeout : std::cv_status::timeout;
    }
#endif

    struct valet_cond c = VALET_COND_INIT;
};

} // namespace valet

#endif
