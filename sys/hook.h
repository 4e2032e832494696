/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A hook: a function of the system that the integrator may define in its place.
 *
 * By itself the system's own is weak, and his takes its place where it is linked as an object. A
 * linker takes nothing out of an archive for a symbol that a weak one has satisfied: so with
 * VALET_HOOK (-Dhook=required) the system has none, and a link without his is an error. With
 * VALET_STATIC there is no symbol to replace: his is taken with VALET_HOOK, else the system's own.
 */
#ifndef VALET_SYS_HOOK_H
#define VALET_SYS_HOOK_H

#ifndef VALET_HOOK
#define VALET_HOOK 0
#endif

#ifdef VALET_STATIC
#define VALET_WEAK static
#else
#define VALET_WEAK __attribute__((weak))
#endif

#endif
