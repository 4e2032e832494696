/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Linked into the C11 explorer (test/c11) with --wrap=write_message: prints at the end every step
 * that a word of the core took in any execution of any scenario, once: the function, the value
 * before, the value after.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

enum { STEPS = 4096 };

static struct step {
    uintptr_t place;
    uint64_t before, after;
} steps[STEPS];
static int count;

static void print_steps(void)
{
    for (int i = 0; i < count; i++)
        printf("step %s %" PRIx64 " %" PRIx64 "\n", name_of(steps[i].place), steps[i].before,
               steps[i].after);
}

void __real_write_message(int t, int x, uint64_t value, int order, int replaces);
void __wrap_write_message(int t, int x, uint64_t value, int order, int replaces);

void __wrap_write_message(int t, int x, uint64_t value, int order, int replaces)
{
    if (replaces >= 0) { /* a read-modify-write: all that the core does to a word */
        struct step s = {world.thread[t].operation.place, history_of(x)->of[replaces].value, value};
        int i = 0;
        while (i < count && (steps[i].place != s.place || steps[i].before != s.before ||
                             steps[i].after != s.after))
            i++;
        if (i == STEPS)
            abort();
        if (count == 0)
            atexit(print_steps);
        if (i == count)
            steps[count++] = s;
    }
    __real_write_message(t, x, value, order, replaces);
}
