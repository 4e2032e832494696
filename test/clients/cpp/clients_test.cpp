// SPDX-License-Identifier: MIT OR Apache-2.0
// What valet.hpp promises. Prints the name of each test; the first failed check ends the program.
#include <cstdio>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

#include "test.hpp"
#include "valet.hpp"

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using valet::status;

// Whether a thread is parked: then, and only then, another one is refused.
static void until_parked(valet::parker &p)
{
    while (p.park_for(0ns) != status::busy)
        std::this_thread::yield();
}

static void test_tokens()
{
    valet::parker p;
    CHECK(p.park_for(0ns) == status::timed_out);
    p.unpark();
    p.unpark();
    CHECK(p.park_until(steady_clock::now() - 1s) == status::ok); // over a passed deadline
    CHECK(p.park_for(-1h) == status::timed_out);
    std::jthread t([&] { CHECK(p.park() == status::ok); });
    until_parked(p);
    CHECK(p.park() == status::busy);
    p.unpark();
}

template <class Clock> static void test_deadline()
{
    valet::parker p;
    valet::waiters w;
    auto at = Clock::now() + 10ms;
    CHECK(p.park_until(at) == status::timed_out);
    CHECK(Clock::now() >= at);
    at = Clock::now() + 10ms;
    CHECK(w.wait_while_until(0, at) == status::timed_out);
    CHECK(Clock::now() >= at);
    auto ever = Clock::time_point::max(), never = Clock::time_point::min();
    CHECK(p.park_until(never) == status::timed_out);
    std::jthread t([&] { CHECK(p.park_until(ever) == status::ok); });
    until_parked(p);
    p.unpark();
}

template <class Duration> static void sleep_without_limit(Duration timeout)
{
    valet::parker p;
    std::jthread t([&] { CHECK(p.park_for(timeout) == status::ok); });
    until_parked(p);
    p.unpark();
}

static void test_durations()
{
    valet::parker p;
    using seconds = std::chrono::duration<double>;
    auto start = steady_clock::now();
    CHECK(p.park_for(seconds(0.005)) == status::timed_out);
    CHECK(p.park_for(seconds(1e-12)) == status::timed_out); // rounded up, not down to a look
    CHECK(steady_clock::now() - start >= 5ms);
    CHECK(valet::locks_detail::nanoseconds(seconds(1e-12)) == 1);
    CHECK(valet::locks_detail::nanoseconds(3us) == 3000);
    CHECK(valet::locks_detail::nanoseconds(std::chrono::hours::min()) == 0);
    CHECK(valet::locks_detail::nanoseconds(std::chrono::nanoseconds::max()) == VALET_FOREVER);
    sleep_without_limit(std::chrono::hours::max());
    sleep_without_limit(seconds(1e300));
}

static void test_a_stop_ends_a_park()
{
    valet::parker p;
    std::jthread t([&](std::stop_token stop) { CHECK(p.park(stop) == status::stopped); });
    until_parked(p);
    t.request_stop();
    t.join();
    std::stop_source stopped;
    stopped.request_stop();
    CHECK(p.park(stopped.get_token()) == status::stopped);
    CHECK(p.park_until(stopped.get_token(), steady_clock::now() + 1h) == status::stopped);
    valet::parker q;
    std::stop_source running;
    q.unpark();
    CHECK(q.park(running.get_token()) == status::ok);
    CHECK(q.park_until(running.get_token(), steady_clock::now() + 1ms) == status::timed_out);
    running.request_stop(); // its callback is gone
    CHECK(q.park_for(0ns) == status::timed_out);
}

static void test_waiters()
{
    valet::waiters w(3);
    unsigned was = 1;
    CHECK(!w.exchange(was, 2) && was == 3);
    CHECK(w.exchange(was, 4) && w.state() == 4);
    int data = 0;
    std::vector<std::jthread> crowd;
    for (int i = 0; i < 8; i++)
        crowd.emplace_back([&] {
            CHECK(w.wait_while(4) == status::ok);
            CHECK(data == 42); // what store_and_wake released
        });
    data = 42;
    w.store_and_wake(valet::waiters::max);
}

static void test_the_mutex_excludes()
{
    valet::mutex m;
    long n = 0;
    {
        std::vector<std::jthread> crowd;
        for (int i = 0; i < 4; i++)
            crowd.emplace_back([&] {
                for (int k = 0; k < 20000; k++) {
                    std::lock_guard hold(m);
                    long old = n;
                    if (k % 64 == 0)
                        std::this_thread::yield(); // while it is held, for the others to sleep
                    n = old + 1;
                }
            });
    }
    CHECK(n == 80000);
    CHECK(m.try_lock());
    CHECK(!m.try_lock());
    m.unlock();
}

static void test_everything_submitted_is_run()
{
    std::atomic<long> sum = 0;
    {
        valet::executor e(4);
        {
            std::vector<std::jthread> submitters;
            for (int i = 0; i < 4; i++)
                submitters.emplace_back([&] {
                    for (int k = 1; k <= 5000; k++)
                        CHECK(e.submit([&, k] {
                            sum += k;
                            if (k % 2 == 0)
                                CHECK(e.submit([&] { sum += 1; }));
                        }));
                });
        }
        CHECK(e.wait_until(steady_clock::time_point::max()) == status::ok);
        CHECK(sum == 4 * (5000L * 5001 / 2 + 2500));
        for (int round = 0; round < 2000; round++) { // one at a time: each finds all workers parked
            CHECK(e.submit([&] { sum += 1; }));
            CHECK(e.wait_until(steady_clock::time_point::max()) == status::ok);
        }
        for (int i = 0; i < 100; i++)
            CHECK(e.submit([&] { sum += 1; })); // left to the destructor
    }
    CHECK(sum == 4 * (5000L * 5001 / 2 + 2500) + 2100);
}

static void test_one_worker_keeps_the_order()
{
    std::string order;
    {
        valet::executor e(1);
        for (char c = 'a'; c <= 'z'; c++)
            CHECK(e.submit([&, c] { order += c; }));
    }
    CHECK(order == "abcdefghijklmnopqrstuvwxyz");
}

static void test_waiting_for_the_executor_has_a_deadline()
{
    valet::parker go;
    valet::executor e(2);
    CHECK(e.wait_until(steady_clock::now()) == status::ok); // nothing is left
    CHECK(e.submit([&] { CHECK(go.park() == status::ok); }));
    CHECK(e.wait_until(steady_clock::now() + 5ms) == status::timed_out);
    go.unpark();
    CHECK(e.wait_until(std::chrono::system_clock::now() + 1h) == status::ok);
}

static void test_a_stop_drops_what_has_not_begun()
{
    valet::parker go;
    std::atomic<bool> begun = false;
    int ran = 0;
    {
        valet::executor e(1);
        CHECK(e.submit([&] {
            begun = true;
            CHECK(go.park() == status::ok);
            ran++;
        }));
        while (!begun)
            std::this_thread::yield();
        for (int i = 0; i < 10; i++)
            CHECK(e.submit([&] { ran += 100; }));
        e.request_stop();
        CHECK(!e.submit([&] { ran += 100; }));
        go.unpark();
        CHECK(e.wait_until(steady_clock::time_point::max()) == status::ok);
    }
    CHECK(ran == 1);
    valet::executor idle(3); // all parked, none of them woken by submit
    idle.request_stop();
}

// Without room for all their stacks, some threads start and the next one cannot.
static void test_a_start_that_fails_ends_what_has_started()
{
#ifndef SANITIZED // their shadow memory needs more room than any limit leaves
    unsigned long pages = 0;
    std::FILE *f = std::fopen("/proc/self/statm", "r");
    CHECK(f && std::fscanf(f, "%lu", &pages) == 1);
    std::fclose(f);
    rlimit before, tight;
    CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    tight = before;
    tight.rlim_cur = pages * static_cast<unsigned long>(sysconf(_SC_PAGESIZE)) + (64ul << 20);
    CHECK(setrlimit(RLIMIT_AS, &tight) == 0);
    bool thrown = false;
    try {
        valet::executor e(1000);
    } catch (const std::system_error &) {
        thrown = true;
    }
    CHECK(setrlimit(RLIMIT_AS, &before) == 0);
    CHECK(thrown);
#endif
}

int main()
{
#define RUN(test)            \
    do {                     \
        std::puts(#test);    \
        std::fflush(stdout); \
        test();              \
    } while (0)
    RUN(test_tokens);
    RUN(test_deadline<steady_clock>);
    RUN(test_deadline<std::chrono::system_clock>);
    RUN(test_deadline<slow_clock>);
    RUN(test_durations);
    RUN(test_a_stop_ends_a_park);
    RUN(test_waiters);
    RUN(test_the_mutex_excludes);
    RUN(test_everything_submitted_is_run);
    RUN(test_one_worker_keeps_the_order);
    RUN(test_waiting_for_the_executor_has_a_deadline);
    RUN(test_a_stop_drops_what_has_not_begun);
    RUN(test_a_start_that_fails_ends_what_has_started);
    std::puts("passed");
}
