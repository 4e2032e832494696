/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A user's file that has the hook of its system. */
#define VALET_STATIC
#include "valet.c"
int main(void);

#if defined HOOK_OF_bare || defined HOOK_OF_linux
uint64_t valet_sys_now(void)
{
    return 7;
}
#elif defined HOOK_OF_windows_keyed
void *valet_sys_keyed_event(void)
{
    static int event;
    return &event;
}
#else
int valet_sys_at_fork(void (*child)(void))
{
    return child ? VALET_OK : VALET_ERR_SYSTEM;
}
#endif

int main(void)
{
    struct valet_parker p = VALET_PARKER_INIT;
    return valet_park_until(&p, 7) == VALET_TIMEDOUT && valet_now() == 7 ? 0 : 1;
}
