/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* For tests that do the same with each object. What one has been through it says: that becomes a
 * cell of the table in test/faults/README.md. */
#ifndef VALET_TEST_OBJECTS_H
#define VALET_TEST_OBJECTS_H

#include "test.h"

enum { PARK, WAIT, FUTEX, OPERATIONS };

static inline void test_been_through(int operation)
{
    test_write(operation == PARK   ? "   parker\n"
               : operation == WAIT ? "   waiters\n"
                                   : "   futex\n");
}

#endif
