/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* QEMU's board "virt" is the same for armv7-A. */
#include "aarch64.c"
