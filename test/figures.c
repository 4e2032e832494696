/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Programs whose size and instructions figures_test.sh counts. PAIR: unpark and park, ROUNDS times
 * (from argv of the process: see START); UNPARK: unpark only; NOTHING: the loop alone. */
#include "valet.h"

/* Not static: a compiler that can see nobody else would do without. */
struct valet_parker parker;

#ifdef SIZE
void start(void);
void start(void)
{
    valet_unpark(&parker);
    valet_park(&parker);
}
#else
int main(int argc, char **argv)
{
    (void)argv;
    for (int i = 0; i < 1000 * argc; i++) {
#if defined UNPARK || defined PAIR
        valet_unpark(&parker);
#endif
#ifdef PAIR
        valet_park(&parker);
#endif
        __asm__ volatile("" ::: "memory");
    }
    return 0;
}
#endif
