/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* An assertion of the library as an expectation of the scenario. */
#ifndef VALET_TEST_C11_ASSERTS_H
#define VALET_TEST_C11_ASSERTS_H

#include <stdbool.h>

void check_expect(bool good, const char *file, int line);
#define VALET_ASSERTIONS
#define __builtin_trap() check_expect(false, __FILE__, __LINE__)

#endif
