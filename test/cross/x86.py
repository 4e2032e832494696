#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Run a program for i386: by the kernel, or, where that has no such programs, by QEMU, which has no seccomp.
usage: x86.py PROGRAM [ARGUMENT...]; with QEMU=1 in the environment by QEMU
"""
import os
import sys

program = sys.argv[1:]
if not os.environ.get("QEMU"):
    try:
        os.execv(program[0], program)
    except OSError:  # ENOEXEC
        pass
os.execvp("qemu-i386", ["qemu-i386", *program])
