/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Four CPUs without a system, each of which is one thread of the program. */
#ifndef BOARD_H
#define BOARD_H

#define CPUS 4u

extern _Thread_local unsigned cpu; /* which one this is */

/* Run work() on every CPU at the same time, this one included, and wait for all. */
void board_run(void (*work)(void));

enum { SERIAL = 1, SINK = 3 }; /* files; what is written to SINK is counted */

extern unsigned long sink_bytes[256]; /* how often each byte */

int main(void);

#endif
