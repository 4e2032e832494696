// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * valet for C++20: header only, over valet.h and libvalet.
 *
 *   parker    one thread parks, any other wakes it; ends also by a deadline or a stop_token
 *   waiters   many threads wait for a small state to change
 *   mutex     a lock of one 32-bit word, for std::lock_guard and std::unique_lock
 *   executor  a pool of threads that park while there is nothing to do
 *
 * Nothing here throws but mutex::lock, where the system does not let a thread wait, and what
 * std::deque and std::jthread throw. Deadlines are time points of any clock, timeouts any duration:
 * rounded up, never early on that clock, and without limit where they are out of range.
 */
#ifndef VALET_HPP
#define VALET_HPP

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "valet.h"

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

// Nanoseconds, rounded up; none for what lies in the past, VALET_FOREVER for what does not fit.
template <class Rep, class Period> std::uint64_t nanoseconds(std::chrono::duration<Rep, Period> d)
{
    using wide = std::chrono::duration<long double, std::nano>;
    if (!(wide(d).count() > 0))
        return 0;
    if (wide(d).count() >= static_cast<long double>(INT64_MAX))
        return VALET_FOREVER;
    return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::nanoseconds>(d).count());
}

// wait(deadline) with deadlines of valet's clock, for a time point of another: the two may run at
// different rates, and that one may be set. A time that has passed is one look.
template <class Clock, class Duration, class Wait>
status until(std::chrono::time_point<Clock, Duration> at, Wait wait)
{
    for (;;) {
        auto now_there = Clock::now();
        std::uint64_t left = at > now_there ? nanoseconds(at - now_there) : 0;
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
        return static_cast<status>(valet_park_for(&p, detail::nanoseconds(timeout)));
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

// The futex mutex of three states: 0 free, 1 held, 2 held and perhaps waited for (U. Drepper,
// "Futexes Are Tricky", mutex3).
class mutex
{
  public:
    constexpr mutex() noexcept = default;
    mutex(const mutex &) = delete;
    mutex &operator=(const mutex &) = delete;

    bool try_lock() noexcept
    {
        std::uint32_t free = 0;
        // acquire: pairs with unlock
        return ref().compare_exchange_strong(free, 1, std::memory_order_acquire,
                                             std::memory_order_relaxed);
    }

    void lock()
    {
        if (try_lock())
            return;
        // acquire: pairs with unlock
        while (ref().exchange(2, std::memory_order_acquire) != 0) {
            int r = valet_futex_wait(&word, 2, VALET_FOREVER);
            if (r < 0) // not a loop that is hot: the lock stays as it was
                throw std::system_error(
                    std::make_error_code(std::errc::resource_unavailable_try_again),
                    "valet::mutex");
        }
    }

    void unlock() noexcept
    {
        // release: pairs with lock and try_lock
        if (ref().exchange(0, std::memory_order_release) == 2)
            valet_futex_wake(&word, 1);
    }

  private:
    std::atomic_ref<std::uint32_t> ref() noexcept
    {
        return std::atomic_ref(word);
    }

    std::uint32_t word = 0;
};

// Runs what is submitted, in this order, on as many threads as it was made with. A worker without
// work is in the list of the idle and parks; submit takes one out and unparks it, so a wake-up goes
// to a thread that needs it and to no other. A job that throws ends the program, as a thread does.
class executor
{
  public:
    using job = std::function<void()>;

    explicit executor(unsigned threads) : crew(threads)
    {
        for (worker &w : crew)
            w.thread = std::jthread([this, &w](std::stop_token stop) { work(w, stop); });
    }

    // What was submitted is run to its end, unless it was stopped.
    ~executor()
    {
        {
            std::lock_guard hold(lock);
            closing = true;
            for (worker *w = std::exchange(idle, nullptr); w; w = w->next)
                w->parker.unpark();
        }
        for (worker &w : crew)
            w.thread.join();
    }

    executor(const executor &) = delete;
    executor &operator=(const executor &) = delete;

    // False: it has been stopped, and the job will not run.
    bool submit(job j)
    {
        worker *w;
        {
            std::lock_guard hold(lock);
            if (stopping)
                return false;
            jobs.push_back(std::move(j));
            if (++unfinished == 1) {
                unsigned was = DONE;
                progress.exchange(was, BUSY); // changed under the lock only, so it is as expected
            }
            w = idle;
            if (w)
                idle = w->next;
        }
        if (w)
            w->parker.unpark();
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
        for (worker &w : crew)
            w.thread.request_stop();
    }

    // Until nothing that was submitted is left: ok, or timed_out.
    template <class Clock, class Duration>
    status wait_until(std::chrono::time_point<Clock, Duration> at)
    {
        return progress.wait_while_until(BUSY, at);
    }

  private:
    enum : unsigned { BUSY, DONE };

    struct worker {
        valet::parker parker;
        worker *next = nullptr; // in the list of the idle
        std::jthread thread;
    };

    // Under the lock.
    void finished(std::size_t n)
    {
        unfinished -= n;
        if (n != 0 && unfinished == 0)
            progress.store_and_wake(DONE);
    }

    void work(worker &w, std::stop_token stop)
    {
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
                w.next = std::exchange(idle, &w);
                hold.unlock();
                // ok: submit or the destructor took it out of the list. stopped: it stays there,
                // and at most the destructor leaves it a token. Else the system is out of order.
                if (status s = w.parker.park(stop); s != status::ok && s != status::stopped)
                    std::terminate();
                hold.lock();
            }
        }
    }

    mutex lock;
    std::deque<job> jobs;
    std::size_t unfinished = 0;
    worker *idle = nullptr;
    bool closing = false, stopping = false;
    waiters progress{DONE};
    std::vector<worker> crew;
};

} // namespace valet

#endif
