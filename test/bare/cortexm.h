/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * QEMU's Cortex-M boards, by BARE_MACHINE: what of each the harness needs. Sources: qemu
 * hw/arm/mps2.c, hw/arm/mps2-tz.c, hw/arm/armsse.c, hw/arm/nrf51_soc.c; Arm DDI 0479 (CMSDK's
 * timers), 101104 (SSE-200), nRF51 Series Reference Manual.
 */
#ifndef VALET_TEST_CORTEXM_H
#define VALET_TEST_CORTEXM_H

#define MPS2     1 /* Cortex-M3, M4 or M7 */
#define MPS2_TZ  2 /* two Cortex-M33, here in Secure state; by the Secure addresses */
#define MICROBIT 3 /* Cortex-M0; QEMU gives it more memory than 16 KiB: run.sh */

#if BARE_MACHINE == MPS2
#define BARE_CORES 1
#define TIMERS     0x40000000u
#define TIMER_IRQ  8u
#define TICK_NS    40u
#elif BARE_MACHINE == MPS2_TZ
#define BARE_CORES 2
#define TIMERS     0x50000000u
#define TIMER_IRQ  3u
#define TICK_NS    50u
#define CORE_ID    0x5001f000
#define MHU        0x50003000u
#define MHU_IRQ    6u
#define SYSCTL     0x50021000u
#else
#define BARE_CORES 1
#define TIMERS     0x40008000u
#define TIMER_IRQ  8u
#define TICK_NS    1000u
#endif

#define HANDLER_STACK 0x1000

#endif
