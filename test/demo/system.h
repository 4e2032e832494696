/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the word counter needs from a system beside parking: a file, memory, threads, output.
 * linux.c supplies it for Linux and calls demo_main. Failures are negative numbers.
 */
#ifndef VALET_DEMO_SYSTEM_H
#define VALET_DEMO_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

/* The program; what it returns is the exit status. */
int demo_main(int argc, char **argv);

/* End the program with all its threads, from any of them. */
_Noreturn void demo_exit(int status);

/* Open a file to read; returns a handle for demo_read. */
long demo_open(const char *name);

/* Returns how many bytes were read, 0 at the end of the file. */
long demo_read(long file, void *bytes, size_t size);

/* What a failure of the two means. */
const char *demo_error(long failure);

/* Zeroed memory, for the life of the program; NULL: there is not so much. */
void *demo_memory(size_t size);

/* Run run(argument) on a thread of its own, which lasts until run returns; false: no such thread.
 * There is no join: valet does it better. */
bool demo_start(void (*run)(void *argument), void *argument);

enum demo_output { DEMO_OUT, DEMO_ERR };
void demo_write(enum demo_output where, const char *text, size_t size);

#endif
