// SPDX-License-Identifier: MIT OR Apache-2.0
// What the tests of both headers share.
#ifndef VALET_TEST_CLIENTS_TEST_HPP
#define VALET_TEST_CLIENTS_TEST_HPP

#include <chrono>
#include <cstdio>
#include <cstdlib>

#define CHECK(x)                                                                 \
    do {                                                                         \
        if (!(x)) {                                                              \
            std::fprintf(stderr, "%s:%d: FAILED: %s\n", __FILE__, __LINE__, #x); \
            std::_Exit(1);                                                       \
        }                                                                        \
    } while (0)

// What each clock of ours has
template <class Clock> struct in_nanoseconds {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<Clock, duration>;
};

// It runs at half the speed of the others.
struct slow_clock : in_nanoseconds<slow_clock> {
    static constexpr bool is_steady = true;
    static time_point now()
    {
        const auto elapsed = std::chrono::steady_clock::now().time_since_epoch();
        return time_point(std::chrono::duration_cast<duration>(elapsed) / 2);
    }
};

#endif
