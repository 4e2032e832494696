/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What figures.c needs around it on a Cortex-M board: the vectors, and an end by semihosting. */
#include <stdint.h>

int main(int argc, char **argv);
void start(void);
extern char stack_top[];

/* The two that a core starts by. */
__attribute__((section(".vectors"), used)) static void *const vectors[] = {stack_top,
                                                                           (void *)start};

void start(void)
{
    main(1, 0); /* no arguments */
    for (;;) {
        register uint32_t r0 __asm__("r0") = 0x18; /* SYS_EXIT */
        register uint32_t r1 __asm__("r1") = 0x20026;
        __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    }
}
