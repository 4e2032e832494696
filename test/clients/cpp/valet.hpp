// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * valet for C++20: header only, over valet.h and libvalet.
 *
 *   parker    one thread parks, any other wakes it; ends also by a deadline or a stop_token
 *   waiters   many threads wait for a small state to change
 *   executor  a pool of threads that park while there is nothing to do
 *
 * Locks are those of valet_locks.hpp. Nothing here throws but what std::deque and std::jthread
 * throw. Deadlines are time points of any clock, timeouts any duration: rounded up, never early on
 * that clock, and without limit where they are out of range.
 */
#ifndef VALET_HPP
#define VALET_HPP

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "valet.h"
#include "valet_locks.hpp"

namespace valet
{

enum class [[nodiscard]] status : int{
    ok = VALET_OK,
    timed_out = VALET_TIMEDOUT,
    changed = VALET_CHANGED,
    stopped = 64, // a stop was requested; the C library has no such status
    busy = VALET_ERR_BUSY,
    invalid = VALET_ERR_INVALID,
    unsupported = VALET_ERR_UNSUPPORTED,
    refused = VALET_ERR_SYSTEM,
};

namespace detail
{

// wait(deadline) with deadlines of valet's clock, for a time point of another: the two may run at
// different rates, and that one may be set. A time that has passed is one look.
template <class Clock, class Duration, class Wait>
status until(std::chrono::time_point<Clock, Duration> at, Wait wait)
{
    for (;;) {
        std::uint64_t left = locks_detail::left(at);
        if (left == 0)
            return static_cast<status>(wait(0));
        std::uint64_t deadline = VALET_FOREVER;
        if (left != VALET_FOREVER) {
            std::uint64_t now = valet_now();
            if (now == 0)
                return status::unsupported;
            if (left < VALET_FOREVER - now)
                deadline = now + left;
        }
        status s = static_cast<status>(wait(deadline));
        if (s != status::timed_out)
            return s;
    }
}

} // namespace detail

class parker
{
  public:
    constexpr parker() noexcept = default;
    parker(const parker &) = delete;
    parker &operator=(const parker &) = delete;

    // Take the token, and sleep until there is one: ok. Or busy, unsupported, refused.
    status park() noexcept
    {
        return static_cast<status>(valet_park(&p));
    }

    // The same until the deadline: ok, timed_out. A token wins over a deadline that has passed.
    template <class Clock, class Duration>
    status park_until(std::chrono::time_point<Clock, Duration> at)
    {
        return detail::until(at, [this](std::uint64_t d) { return valet_park_until(&p, d); });
    }

    template <class Rep, class Period> status park_for(std::chrono::duration<Rep, Period> timeout)
    {
        return static_cast<status>(valet_park_for(&p, locks_detail::nanoseconds(timeout)));
    }

    // The same until a stop is requested: stopped, which wins over a token. It is told by a token,
    // so the next park may find one that nobody made by unpark.
    status park(std::stop_token stop)
    {
        std::stop_callback wake(stop, [this] { unpark(); });
        status s = park();
        return s == status::ok && stop.stop_requested() ? status::stopped : s;
    }

    template <class Clock, class Duration>
    status park_until(std::stop_token stop, std::chrono::time_point<Clock, Duration> at)
    {
        std::stop_callback wake(stop, [this] { unpark(); });
        status s = park_until(at);
        return s >= status::ok && stop.stop_requested() ? status::stopped : s;
    }

    // Make the token, and wake the thread that is parked. The parker may be gone when it returns,
    // if the woken thread is the one that destroys it.
    void unpark() noexcept
    {
        valet_unpark(&p);
    }

  private:
    valet_parker p = VALET_PARKER_INIT;
};

class waiters
{
  public:
    static constexpr unsigned max = VALET_STATE_MAX;

    explicit constexpr waiters(unsigned state = 0) noexcept : w{state & max}
    {
    }
    waiters(const waiters &) = delete;
    waiters &operator=(const waiters &) = delete;

    unsigned state() const noexcept
    {
        return valet_waiters_state(&w);
    }

    // Set the state if it is `expected`, and wake nobody; else say in `expected` what it is.
    bool exchange(unsigned &expected, unsigned desired) noexcept
    {
        return valet_waiters_compare_exchange(&w, &expected, desired);
    }

    // Sleep while the state is `state`.
    status wait_while(unsigned state) noexcept
    {
        return static_cast<status>(valet_compare_and_wait(&w, state));
    }

    template <class Clock, class Duration>
    status wait_while_until(unsigned state, std::chrono::time_point<Clock, Duration> at)
    {
        return detail::until(
            at, [&](std::uint64_t d) { return valet_compare_and_wait_until(&w, state, d); });
    }

    void store_and_wake(unsigned state) noexcept
    {
        valet_store_and_wake(&w, state);
    }

  private:
    valet_waiters w;
};

// Runs what is submitted, in this order, on as many threads as it was made with. A job that throws
// ends the program, as a thread does.
class executor
{
  public:
    using job = std::function<void()>;

    explicit executor(unsigned threads)
    {
        crew.reserve(threads);
        while (threads-- != 0)
            crew.emplace_back([this](std::stop_token stop) { work(stop); });
    }

    // What was submitted is run to its end, unless it was stopped.
    ~executor()
    {
        {
            std::lock_guard hold(lock);
            closing = true;
        }
        more.notify_all();
        for (std::jthread &thread : crew)
            thread.join();
    }

    executor(const executor &) = delete;
    executor &operator=(const executor &) = delete;

    // False: it has been stopped, and the job will not run.
    bool submit(job j)
    {
        {
            std::lock_guard hold(lock);
            if (stopping)
                return false;
            jobs.push_back(std::move(j));
            if (++unfinished == 1) {
                unsigned was = DONE;
                progress.exchange(was, BUSY); // changed under the lock only, so it is as expected
            }
        }
        more.notify_one();
        return true;
    }

    // Jobs that have not begun are dropped; the workers end after those that have.
    void request_stop()
    {
        std::deque<job> dropped; // destroyed without the lock
        {
            std::lock_guard hold(lock);
            stopping = true;
            dropped.swap(jobs);
            finished(dropped.size());
        }
        for (std::jthread &thread : crew)
            thread.request_stop();
    }

    // Until nothing that was submitted is left: ok, or timed_out.
    template <class Clock, class Duration>
    status wait_until(std::chrono::time_point<Clock, Duration> at)
    {
        return progress.wait_while_until(BUSY, at);
    }

  private:
    enum : unsigned { BUSY, DONE };

    // Under the lock.
    void finished(std::size_t n)
    {
        unfinished -= n;
        if (n != 0 && unfinished == 0)
            progress.store_and_wake(DONE);
    }

    void work(std::stop_token stop)
    {
        // With the lock for a moment: so it comes before a worker's look, or while that waits.
        std::stop_callback wake(stop, [this] {
            lock.lock();
            lock.unlock();
            more.notify_all();
        });
        std::unique_lock hold(lock);
        // The second is true alone where the constructor could not start the other threads.
        while (!stopping && !stop.stop_requested()) {
            if (!jobs.empty()) {
                job j = std::move(jobs.front());
                jobs.pop_front();
                hold.unlock();
                j();
                j = nullptr; // what it holds is let go before it counts as finished
                hold.lock();
                finished(1);
            } else if (closing) {
                return;
            } else {
                more.wait(hold);
            }
        }
    }

    mutex lock;
    condition_variable more; // jobs, or an end
    std::deque<job> jobs;
    std::size_t unfinished = 0;
    bool closing = false, stopping = false;
    waiters progress{DONE};
    std::vector<std::jthread> crew; // the first to be destroyed
};

} // namespace valet

#endif
