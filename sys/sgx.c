/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Fortanix SGX enclaves: the usercalls wait and send, sema kind.
 *
 * The host schedules, and is hostile: it may end a wait early, late, never or with any result, drop
 * an event, or send one that nobody asked for. All it can do to us is to delay a thread. The flag
 * of by_id.h lies in the enclave's memory; an event only says "look again", and which events came
 * is not even looked at. Nothing that the host returns is used as an address, an index or a length.
 * Events are kept by thread, and every wait looks again, the Rust library's too.
 *
 * The clock, too, is the host's: the time of day, which the host can set to anything, also
 * backwards, and nothing in an enclave could notice. "Never early" holds by that clock alone; a
 * deadline is a convenience here and proves nothing. As it may be set at any moment, no sleep with
 * a deadline is longer than a second. 0 from the host is "no clock".
 *
 * Undefined symbols, both of the enclave's entry code, which knows the way out and the thread's
 * TCS: usercall and get_tcs_addr. Sources: fortanix/rust-sgx intel-sgx/fortanix-sgx-abi/src/lib.rs,
 * doc/FORTANIX-SGX-ABI.md, rust-lang/rust library/std/src/sys/pal/sgx/abi/entry.S,
 * library/std/src/sys/pal/sgx/abi/usercalls/raw.rs.
 */
#include "sys/by_id.h"
#include "sys/deadline.h"
#include "valet_sys.h"

/* By their order of declaration in fortanix-sgx-abi. */
#define USERCALL_WAIT          11
#define USERCALL_SEND          12
#define USERCALL_INSECURE_TIME 13
#define EV_UNPARK              4
#define WAIT_INDEFINITE        UINT64_MAX

#define LONGEST_NS 1000000000u

/* fortanix-sgx-abi's Error, a 32-bit integer */
#define RESULT_SUCCESS 0
#define Interrupted    0x04
#define TimedOut       0x6e

struct usercall_return {
    uint64_t first, second;
};

struct usercall_return usercall(uint64_t number, uint64_t p1, uint64_t p2, uint64_t abort,
                                uint64_t p3, uint64_t p4);
uint64_t get_tcs_addr(void);

static uint64_t clock_ns(void)
{
    return usercall(USERCALL_INSECURE_TIME, 0, 0, 0, 0, 0).first;
}

uint64_t valet_sys_now(void)
{
    return clock_ns();
}

/* The same: it is the time of day. */
uint64_t valet_sys_now_realtime(void)
{
    return clock_ns();
}

/* Until an event, the deadline, or for no reason. */
VALET_UNPROTECTED static int sleep_until(uint64_t deadline)
{
    uint64_t timeout_ns = WAIT_INDEFINITE;
    if (deadline != VALET_FOREVER) {
        uint64_t now = clock_ns(), longest = LONGEST_NS;
        __asm__("" : "+r"(longest)); /* else it is kept from turn to turn, on the stack */
        int status = valet_deadline_sleep(now, deadline, longest, &timeout_ns);
        if (status != VALET_OK)
            return status;
    }
    int32_t result = (int32_t)usercall(USERCALL_WAIT, EV_UNPARK, timeout_ns, 0, 0, 0).first;
    __asm__("" : "+r"(deadline)); /* else what is made of it is kept during the call */
    /* Success: an event, perhaps a stray one. Interrupted: no reason. TimedOut: if so, the next
     * look at the clock says so. Each turn is a way out of the enclave, where the host could as
     * well not let us run: turning for ever is the delay that it can always cause. */
    if (result == RESULT_SUCCESS || result == Interrupted ||
        (result == TimedOut && deadline != VALET_FOREVER))
        return VALET_OK;
    /* InvalidInput, WouldBlock, anything else: the host does not do what this needs. */
    return VALET_ERR_SYSTEM;
}

int valet_sys_sema_init(struct valet_sema *s)
{
    by_id_init(s, get_tcs_addr());
    return VALET_OK;
}

int valet_sys_sema_wait(struct valet_sema *s, uint64_t deadline)
{
    return by_id_wait(s, deadline, sleep_until);
}

void valet_sys_sema_post(struct valet_sema *s)
{
    /* InvalidInput: the host has lost the thread. There is nobody to tell. */
    usercall(USERCALL_SEND, EV_UNPARK, by_id_post(s), 0, 0, 0);
}

void valet_sys_sema_fini(struct valet_sema *s)
{
    (void)s;
}

unsigned valet_sys_features(void)
{
    return VALET_REALTIME | VALET_REQUEUE | VALET_SYS_SET_BACK;
}

int valet_sys_sema_wait_with(struct valet_sema *s, uint64_t deadline, unsigned flags)
{
    (void)flags; /* is not called: the core has no more for it than a deadline */
    return valet_sys_sema_wait(s, deadline);
}
