// SPDX-License-Identifier: MIT OR Apache-2.0
// What valet_locks.hpp promises, and that the standard's own locks and guards take it. Prints the
// name of each test; the first failed check ends the program.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test.hpp"
#define VALET_REFUSED(status) throw status
#include "valet_locks.hpp"

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using std::chrono::system_clock;

// The C objects, and constants before anything runs
static_assert(sizeof(valet::mutex) == sizeof(struct valet_mutex));
static_assert(sizeof(valet::shared_mutex) == sizeof(struct valet_rwlock));
static_assert(sizeof(valet::condition_variable) == sizeof(struct valet_cond));
static valet::mutex in_static_storage;
static_assert(noexcept(in_static_storage.unlock()) &&noexcept(in_static_storage.try_lock()));

// Runs it in that many threads, to their end.
template <class Run> static void in_threads(int count, Run run)
{
    std::vector<std::thread> crowd;
    for (int i = 0; i < count; i++)
        crowd.emplace_back([&run, i] { run(i); });
    for (std::thread &t : crowd)
        t.join();
}

// std::scoped_lock takes two by try_lock, in either order.
template <class Mutex> static void test_a_scoped_lock_of_two()
{
    Mutex a, b;
    long n = 0;
    in_threads(4, [&](int i) {
        for (int k = 0; k < 5000; k++) {
            auto count_up = [&] {
                long old = n;
                if (k % 64 == 0)
                    std::this_thread::yield(); // while they are held, for the others to sleep
                n = old + 1;
            };
            if (i % 2 == 0) {
                std::scoped_lock hold(a, b);
                count_up();
            } else {
                std::scoped_lock hold(b, a);
                count_up();
            }
        }
    });
    CHECK(n == 20000);
    CHECK(a.try_lock());
    in_threads(1, [&](int) { CHECK(!a.try_lock()); });
    a.unlock();
}

// Each try that has a time comes to nothing while another thread holds it, and not before its time.
template <class Mutex, class Lock, class Clock> static void test_a_lock_in_time()
{
    Mutex m;
    {
        std::lock_guard hold(m);
        in_threads(1, [&](int) {
            Lock lock(m, std::defer_lock);
            auto start = steady_clock::now();
            CHECK(!lock.try_lock_for(5ms));
            CHECK(steady_clock::now() - start >= 5ms);
            auto at = Clock::now() + 5ms;
            CHECK(!lock.try_lock_until(at));
            CHECK(Clock::now() >= at);
            CHECK(!lock.try_lock_until(Clock::now() - 1s) && !lock.try_lock_for(-1h));
        });
    }
    in_threads(1, [&](int) {
        Lock past(m, Clock::now() - 1s); // one that is free beats a time that has passed
        CHECK(past.owns_lock());
    });
    std::thread t;
    {
        std::lock_guard hold(m);
        t = std::thread([&] {
            Lock ever(m, std::chrono::hours::max()); // no time at all
            CHECK(ever.owns_lock());
        });
        std::this_thread::sleep_for(5ms);
    }
    t.join();
}

static void test_readers_share()
{
    valet::shared_mutex m;
    std::atomic<int> inside = 0;
    in_threads(3, [&](int) {
        std::shared_lock hold(m);
        inside++;
        while (inside != 3) // all at a time
            std::this_thread::yield();
    });
    std::unique_lock writer(m);
    in_threads(1, [&](int) {
        CHECK(!m.try_lock_shared() && !m.try_lock());
        CHECK(!std::shared_lock(m, 1ms).owns_lock());
    });
    writer.release();
    m.downgrade();
    in_threads(1, [&](int) {
        CHECK(!m.try_lock());
        CHECK(std::shared_lock(m, 1h).owns_lock());
    });
    m.unlock_shared();
    CHECK(m.try_lock());
    m.unlock();
}

static void test_readers_and_writers()
{
    valet::shared_mutex m;
    long a = 0, b = 0;
    in_threads(4, [&](int i) {
        for (int k = 0; k < 5000; k++) {
            if ((k + i) % 8 == 0) {
                std::unique_lock hold(m);
                a++;
                if (k % 64 == 0)
                    std::this_thread::yield();
                b++;
            } else {
                std::shared_lock hold(m);
                CHECK(a == b);
            }
        }
    });
    CHECK(a == 2500 && b == 2500);
}

// A box of one, filled and emptied. Lock: what is waited with
template <class Condition, class Lock, class Mutex> static void a_box(int count)
{
    Mutex m;
    Condition changed;
    int box = 0;
    std::thread t([&] {
        for (int i = 1; i <= count; i++) {
            Lock hold(m);
            changed.wait(hold, [&] { return box == 0; });
            box = i;
            changed.notify_all();
        }
    });
    for (int i = 1; i <= count; i++) {
        Lock hold(m);
        while (box == 0)
            changed.wait(hold);
        CHECK(box == i);
        box = 0;
        changed.notify_one();
    }
    t.join();
}

static void test_a_condition()
{
    a_box<valet::condition_variable, std::unique_lock<valet::mutex>, valet::mutex>(2000);
    a_box<std::condition_variable_any, std::unique_lock<valet::mutex>, valet::mutex>(2000);
    a_box<std::condition_variable_any, std::unique_lock<valet::shared_mutex>, valet::shared_mutex>(
        2000);
}

static void test_a_condition_of_many()
{
    valet::mutex m;
    valet::condition_variable come;
    int here = 0;
    in_threads(8, [&](int) {
        std::unique_lock hold(m);
        if (++here == 8)
            come.notify_all();
        come.wait(hold, [&] { return here == 8; });
    });
}

template <class Clock> static void test_a_condition_in_time()
{
    valet::mutex m;
    valet::condition_variable never;
    std::unique_lock hold(m);
    auto start = steady_clock::now();
    while (never.wait_for(hold, 5ms) != std::cv_status::timeout)
        ; // for no reason
    CHECK(steady_clock::now() - start >= 5ms);
    auto at = Clock::now() + 5ms;
    CHECK(!never.wait_until(hold, at, [] { return false; }));
    CHECK(Clock::now() >= at);
    start = steady_clock::now();
    CHECK(!never.wait_for(hold, 5ms, [] { return false; }));
    CHECK(steady_clock::now() - start >= 5ms);
    CHECK(!never.wait_for(hold, -1h, [] { return false; }));
    CHECK(never.wait_for(hold, -1h, [] { return true; }));
    CHECK(never.wait_until(hold, Clock::now() - 1s) == std::cv_status::timeout);
    CHECK(hold.owns_lock());
    in_threads(1, [&](int) { CHECK(!m.try_lock()); }); // it is held after each
}

static void test_a_condition_without_end()
{
    valet::mutex m;
    valet::condition_variable come;
    bool here = false;
    std::thread t([&] {
        std::lock_guard hold(m); // the mutex itself is waited with
        CHECK(come.wait_for(m, std::chrono::hours::max(), [&] { return here; }));
        CHECK(come.wait_until(m, steady_clock::time_point::max(), [&] { return here; }));
    });
    std::this_thread::sleep_for(2ms);
    {
        std::lock_guard hold(m);
        here = true;
    }
    come.notify_all();
    t.join();
}

static void test_durations()
{
    using seconds = std::chrono::duration<double>;
    using valet::locks_detail::nanoseconds;
    CHECK(nanoseconds(seconds(1e-12)) == 1); // rounded up, not down to a try
    CHECK(nanoseconds(3us) == 3000);
    CHECK(nanoseconds(0s) == 0);
    CHECK(nanoseconds(std::chrono::hours::min()) == 0);
    CHECK(nanoseconds(seconds(1e300)) == VALET_FOREVER);
    CHECK(nanoseconds(std::chrono::nanoseconds::max()) == VALET_FOREVER);
    // 126 years: the product has more than 64 bits
    std::chrono::duration<std::int64_t, std::ratio<1, 3>> thirds(12'000'000'000);
    CHECK(nanoseconds(thirds) - 4'000'000'000'000'000'000 < 10000);
}

// The difference, or a time in the unit of the clock, has more than 64 bits.
template <class Clock, class Duration> static bool is_far(Duration since)
{
    return valet::locks_detail::left(std::chrono::time_point<Clock, Duration>(since)) ==
           VALET_FOREVER;
}

static void test_times_far_away()
{
    using std::chrono::hours, std::chrono::seconds, std::chrono::system_clock;
    CHECK(is_far<steady_clock>(seconds::max()) && is_far<system_clock>(seconds::max()));
    CHECK(is_far<system_clock>(hours::max()) &&
          is_far<steady_clock>(steady_clock::duration::max()));
    CHECK(is_far<system_clock>(seconds(20'000'000'000))); // in 2603
    CHECK(is_far<system_clock>(std::chrono::duration<double>(1e300)));
    CHECK(!is_far<system_clock>(seconds(4'000'000'000))); // in 2096
    auto then = std::chrono::time_point<system_clock, hours>::min();
    CHECK(valet::locks_detail::left(then) == 0);
}

// A simulation's clock, or a wall clock that was set back
struct stopped_clock : in_nanoseconds<stopped_clock> {
    static constexpr bool is_steady = false;
    static inline unsigned asked = 0;
    static time_point now()
    {
        asked++;
        CHECK(asked <= 2); // before the wait, and after it
        return time_point(0ns);
    }
};

// A timeout by valet's clock that is none by the other is a reason to look, not to wait again.
static void test_a_condition_by_a_clock_that_stands()
{
    valet::mutex m;
    valet::condition_variable come;
    std::unique_lock hold(m);
    CHECK(come.wait_until(hold, stopped_clock::time_point(1ms)) == std::cv_status::no_timeout);
}

static void test_the_rest_of_c()
{
    valet::mutex &m = in_static_storage;
    CHECK(valet_mutex_lock(m.native_handle()) == VALET_OK);
    CHECK(!m.try_lock());
    m.unlock_fair();
    CHECK(m.try_lock());
    m.unlock();
    valet::shared_mutex s;
    s.lock();
    s.unlock_fair();
    s.lock_shared();
    CHECK(!s.try_lock());
    s.unlock_shared_fair();
    CHECK(s.try_lock());
    s.unlock();
}

// No lock is held where the system does not let a thread wait for it.
static void test_a_refusal()
{
#ifndef SANITIZED // whose runtime has to wait as well
    valet::mutex m;
    std::lock_guard hold(m);
    in_threads(1, [&](int) {
        struct sock_filter calls[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 3),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE_PRIVATE, 1, 0), // the C library's once
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),              // EPERM
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog filter = {6, calls};
        CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
        int refused = 0;
        try {
            m.lock();
        } catch (int status) {
            refused = status;
        }
        CHECK(refused == VALET_ERR_SYSTEM);
    });
#endif
}

int main()
{
#define RUN(...)                 \
    do {                         \
        std::puts(#__VA_ARGS__); \
        std::fflush(stdout);     \
        __VA_ARGS__();           \
    } while (0)
    using one = std::unique_lock<valet::mutex>;
    using writer = std::unique_lock<valet::shared_mutex>;
    using reader = std::shared_lock<valet::shared_mutex>;
    RUN(test_a_scoped_lock_of_two<valet::mutex>);
    RUN(test_a_scoped_lock_of_two<valet::shared_mutex>);
    RUN(test_a_lock_in_time<valet::mutex, one, steady_clock>);
    RUN(test_a_lock_in_time<valet::mutex, one, slow_clock>);
    RUN(test_a_lock_in_time<valet::shared_mutex, writer, system_clock>);
    RUN(test_a_lock_in_time<valet::shared_mutex, reader, slow_clock>);
    RUN(test_readers_share);
    RUN(test_readers_and_writers);
    RUN(test_a_condition);
    RUN(test_a_condition_of_many);
    RUN(test_a_condition_in_time<steady_clock>);
    RUN(test_a_condition_in_time<slow_clock>);
    RUN(test_a_condition_without_end);
    RUN(test_durations);
    RUN(test_times_far_away);
    RUN(test_a_condition_by_a_clock_that_stands);
    RUN(test_the_rest_of_c);
    RUN(test_a_refusal);
    std::puts("passed");
}
