/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Windows XP and later: NT keyed events, sema kind.
 *
 * A keyed event is a meeting place. A wait and a release that name the same key end each other, and
 * whichever comes first blocks until the other comes: nothing is kept, compared or counted. Keys
 * are the process's own; all but odd numbers are good. Here the key is the address of the
 * semaphore, so a post blocks until its owner waits, and the owner, once it knows that a post is to
 * come, has to wait for it (valet_sys.h, "again"). Waits are not alertable: no APC ends one.
 *
 * When a timeout ends a wait in the moment of its release, the release has been used up, and newer
 * systems say so: STATUS_SUCCESS. XP says STATUS_TIMEOUT; who then waits for that release hangs,
 * as was seen of others (Amanieu/parking_lot issue 234, Chuyu-Team/YY-Thunks issue 122). So after a
 * timeout the kernel cannot be asked whether the release has come. The poster of a timed wait says
 * it, in the semaphore, which the owner then must not leave before:
 *
 *   bit      set by   meaning
 *   TIMED    owner    it waits, or has waited, with a timeout; set before POSTED or never
 *   POSTED   poster   the release is coming
 *   LEFT     poster   the release has been used up, and this is the poster's last touch
 *   ASLEEP   owner    it was released, did not see LEFT, and waits for a second release, by another
 *                     key, that follows LEFT: the poster may lose its CPU before that
 *
 * An untimed wait needs none of this: its release is one call on either side.
 *
 * When a process ends, all threads but one are gone before its DLLs are told (DLL_PROCESS_DETACH).
 * What that one releases, nobody would come for, and it would wait for ever.
 *
 * Sources: winsiderss/phnt ntexapi.h, wine-mirror/wine dlls/ntdll/tests/om.c,
 * reactos/reactos ntoskrnl/ex/keyedevt.c.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "arch/arch.h"
#include "sys/hook.h"
#include "sys/windows.h"
#include "valet_sys.h"

#define AGAIN_100NS 100000 /* 10 ms */

enum { TIMED = 1, POSTED = 2, LEFT = 4, ASLEEP = 8 };

int32_t NTAPI NtWaitForKeyedEvent(void *event, const void *key, uint8_t alertable,
                                  const int64_t *timeout);
int32_t NTAPI NtReleaseKeyedEvent(void *event, const void *key, uint8_t alertable,
                                  const int64_t *timeout);
int32_t NTAPI NtQueryPerformanceCounter(int64_t *ticks, int64_t *frequency);
uint8_t NTAPI RtlDllShutdownInProgress(void);

struct os_sema {
    _Atomic uint32_t state;
    uint32_t second_key; /* only its address counts */
} __attribute__((may_alias));

_Static_assert(sizeof(struct os_sema) <= sizeof(struct valet_sema), "the semaphore is too small");
_Static_assert(_Alignof(struct os_sema) <= _Alignof(struct valet_sema), "... or not aligned");
_Static_assert(_Alignof(struct os_sema) >= 2, "keys are even");

static struct os_sema *os_sema(struct valet_sema *s)
{
    return (struct os_sema *)(void *)s;
}

/*
 * The handle hook. Null is the event that every process has from Vista on. XP has none: the
 * integrator opens or creates one (NtOpenKeyedEvent of \KernelObjects\CritSecOutOfMemoryEvent, or
 * NtCreateKeyedEvent), keeps it open, and defines this function, which then takes the place of this
 * one (hook.h) and always returns that handle.
 */
void *valet_sys_keyed_event(void);
#if !VALET_HOOK
VALET_WEAK void *valet_sys_keyed_event(void)
{
    return NULL;
}
#endif

VALET_UNPROTECTED static uint64_t clock_ns(void)
{
    int64_t ticks, frequency;
    /* Cannot fail. XP's ntdll has no other name for it: RtlQueryPerformanceCounter is younger. */
    NtQueryPerformanceCounter(&ticks, &frequency);
    return ns_of(ticks, frequency);
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

uint64_t valet_sys_now_realtime(void)
{
    return wall_ns();
}

static int32_t meet_poster(const void *key, const int64_t *timeout)
{
    return NtWaitForKeyedEvent(valet_sys_keyed_event(), key, false, timeout);
}

static int32_t meet_owner(const void *key)
{
    return NtReleaseKeyedEvent(valet_sys_keyed_event(), key, false, NULL);
}

int valet_sys_sema_init(struct valet_sema *s)
{
    atomic_init(&os_sema(s)->state, 0);
    return VALET_OK;
}

/* Wait with a timeout; or without one for the post of such a wait, which may have used its release
 * up already. */
VALET_UNPROTECTED static int wait_timed(struct os_sema *sema, uint64_t deadline)
{
    for (;;) {
        uint32_t seen = atomic_load_explicit(&sema->state, memory_order_acquire); /* LEAVE */
        if (seen & LEFT)
            return VALET_OK;
        int64_t timeout = -AGAIN_100NS;
        if (deadline != VALET_FOREVER && !(seen & POSTED)) {
            int status = timeout_of(clock_ns(), deadline, &timeout);
            if (status != VALET_OK)
                return status;
        }
        int32_t r = meet_poster(sema, &timeout);
        if (r == STATUS_SUCCESS) {
            /* acquire, twice: pairs with LEAVE */
            if (!(atomic_fetch_or_explicit(&sema->state, ASLEEP, memory_order_acquire) & LEFT)) {
                while (meet_poster(&sema->second_key, NULL) != STATUS_SUCCESS)
                    valet_arch_relax(); /* never: it was granted just now */
                atomic_load_explicit(&sema->state, memory_order_acquire);
            }
            return VALET_OK;
        }
        if (r != STATUS_TIMEOUT)
            return VALET_ERR_SYSTEM;
    }
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    struct os_sema *sema = os_sema(s);
    uint32_t seen = 0;
    /* relaxed: the bits alone; what the poster wrote is acquired below */
    if (deadline == VALET_FOREVER)
        seen = atomic_load_explicit(&sema->state, memory_order_relaxed);
    else if (atomic_compare_exchange_strong_explicit(&sema->state, &seen, TIMED,
                                                     memory_order_relaxed, memory_order_relaxed))
        seen = TIMED;
    if (seen & TIMED)
        return wait_timed(sema, deadline);

    /* Also with a deadline, when the post came before: its release is sure, and not to be missed.*/
    int32_t r = meet_poster(sema, NULL);
    /* acquire: POST, or LEAVE where the system refuses the poster too */
    seen = atomic_load_explicit(&sema->state, memory_order_acquire);
    /* INVALID_HANDLE: XP, and nobody defined the hook. No other status is known for this call. */
    return r == STATUS_SUCCESS || (seen & LEFT) ? VALET_OK : VALET_ERR_SYSTEM;
}

void valet_sys_sema_post(struct valet_sema *s)
{
    struct os_sema *sema = os_sema(s);
    if (RtlDllShutdownInProgress()) /* the owner is no more; its stack may be gone, too */
        return;
    /* release: POST */
    uint32_t seen = atomic_fetch_or_explicit(&sema->state, POSTED, memory_order_release);
    if (meet_owner(sema) == STATUS_SUCCESS && !(seen & TIMED))
        return; /* the owner is gone, and the semaphore with it */
    /* The owner is still there: it waits for LEFT, or is refused to wait, as we are. The keys are
     * addresses: after this the semaphore is not touched. release: LEAVE */
    if (atomic_fetch_or_explicit(&sema->state, LEFT, memory_order_release) & ASLEEP)
        meet_owner(&sema->second_key);
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    (void)s;
}

/* There is no fork() here. */
int valet_sys_at_fork(void (*child)(void))
{
    (void)child;
    return VALET_OK;
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_REQUEUE;
}

/* The rest is not called. */

int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    (void)flags;
    return valet_sys_sema_wait(s, deadline);
}
