/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The integrator's hook: the clock of bare, or the event of windows_keyed. */
#include <valet_sys.h>

#ifdef _WIN32
void *valet_sys_keyed_event(void);
void *valet_sys_keyed_event(void)
{
    static int event_of_the_board;
    return &event_of_the_board;
}
#else
uint64_t valet_sys_now(void)
{
    static uint64_t calls;
    return calls++ == 0 ? 41 : 42;
}
#endif
