/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Included before what cppcheck reads. cppcheck 2.17 (Debian 13) takes the register of a variable,
 *     register long x8 __asm__("x8") = number;
 * for a syntax error and reads no more of the file; statements are __asm__ volatile(...). */
#define __asm__(name)
