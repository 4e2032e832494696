/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "control.h"
#include "nt.h"
#include "test.h"

int32_t NTAPI NtWaitForKeyedEvent(void *event, const void *key, uint8_t alertable,
                                  const int64_t *timeout);
int32_t NTAPI NtReleaseKeyedEvent(void *event, const void *key, uint8_t alertable,
                                  const int64_t *timeout);

typedef int32_t NTAPI keyed_call(void *event, const void *key, uint8_t alertable,
                                 const int64_t *timeout);

static keyed_call *wait_for_keyed_event, *release_keyed_event;
static enum control_mode mode;
static atomic_uint waits, releases, takes, timeouts, told_as_timeouts;

void control_begin(enum control_mode wanted)
{
    mode = wanted;
    wait_for_keyed_event = (keyed_call *)nt_function("NtWaitForKeyedEvent");
    release_keyed_event = (keyed_call *)nt_function("NtReleaseKeyedEvent");
}

void control_enter(struct control *c)
{
    (void)c;
}

/* As XP at its worst: every second release that ends a wait with a timeout is told as a timeout. */
int32_t NTAPI NtWaitForKeyedEvent(void *event, const void *key, uint8_t alertable,
                                  const int64_t *timeout)
{
    int64_t half;
    bool timed = timeout != NULL;
    atomic_fetch_add(&waits, 1);
    if (mode == EARLY && timed) {
        half = *timeout / 2;
        timeout = &half;
    }
    int32_t r = wait_for_keyed_event(event, key, alertable, timeout);
    if (r == STATUS_TIMEOUT)
        atomic_fetch_add(&timeouts, 1);
    if (r != STATUS_SUCCESS)
        return r;
    unsigned n = atomic_fetch_add(&takes, 1);
    if (mode != XP || !timed || n % 2 != 0)
        return r;
    atomic_fetch_add(&told_as_timeouts, 1);
    return STATUS_TIMEOUT;
}

int32_t NTAPI NtReleaseKeyedEvent(void *event, const void *key, uint8_t alertable,
                                  const int64_t *timeout)
{
    int32_t r = release_keyed_event(event, key, alertable, timeout);
    if (r == STATUS_SUCCESS)
        atomic_fetch_add(&releases, 1);
    return r;
}

/* All threads have been joined: whoever waited or released has returned. */
void control_end(void)
{
    test_report("releases", atomic_load(&releases), "");
    test_report("waits that took one", atomic_load(&takes), "");
    test_report("waits that timed out", atomic_load(&timeouts), "");
    CHECK_EQ(atomic_load(&releases), atomic_load(&takes));
    if (mode == XP) {
        test_report("releases taken, and told as timeouts", atomic_load(&told_as_timeouts), "");
        CHECK(atomic_load(&told_as_timeouts) != 0);
    }
}

void control_interrupt(const struct control *c)
{
    (void)c; /* a keyed event's wait has nothing to return for */
}

unsigned control_waits(void)
{
    return atomic_load(&waits);
}
