/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef VALET_ARCH_RISCV32_H
#define VALET_ARCH_RISCV32_H

#include "arch/riscv.h" // IWYU pragma: export

#endif
