/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef VALET_TEST_SIGILL_REGISTERS_H
#define VALET_TEST_SIGILL_REGISTERS_H

#define FEW  5
#define MANY 16

/* Copy FEW or MANY numbers, with a trap or several in between. */
void trap_with_few_values(const volatile long *in, volatile long *out);
void trap_with_full_registers(const volatile long *in, volatile long *out, int turns);

#endif
