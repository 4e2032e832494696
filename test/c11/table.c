/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* scenarios.h as data. */
#include <stddef.h>

#include "scenarios.h"

#define WEAK __attribute__((weak))
#define DECLARE(name)                                                                        \
    void name##_0(void) WEAK, name##_1(void) WEAK, name##_2(void) WEAK, name##_3(void) WEAK; \
    void setup_##name(void) WEAK, end_##name(void) WEAK;
#define FUNCTIONS(name) {name##_0, name##_1, name##_2, name##_3}, setup_##name, end_##name

#define DECLARE_SCENARIO(name, threads, kinds, flags, spurious, weak) DECLARE(name)
#define DECLARE_LITMUS(name, threads, flags, expects, note)           DECLARE(name)
SCENARIOS(DECLARE_SCENARIO)
LITMUS_TESTS(DECLARE_LITMUS)

#define SCENARIO(name, threads, kinds, flags, spurious, weak) \
    {#name, threads, kinds, flags, spurious, weak, FUNCTIONS(name), NULL, NULL},
#define LITMUS_TEST(name, threads, flags, expects, note) \
    {#name, threads, FUTEX, (flags) | LITMUS, 1, 1, FUNCTIONS(name), expects, note},

const struct scenario scenarios[] = {LITMUS_TESTS(LITMUS_TEST) SCENARIOS(SCENARIO){0}};
