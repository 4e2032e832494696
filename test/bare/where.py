#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: where.py SOCKET PROGRAM. Of a machine of QEMU that hangs: in which function of the program each CPU is,
three times, as its monitor at SOCKET says. The machine is stopped for that: while it runs, the PC that QEMU tells
may be an old one.
"""
import bisect
import re
import socket
import subprocess
import sys
import time

PC = re.compile(r"^CPU#(\d+)|(?:\bRIP=|\bPC=|^ pc +|\bR15=(?=.{8}$))([0-9a-f]+)", re.M)  # x86 has a longer R15


def functions(program):
    """Address and name, in order."""
    said = subprocess.run(["llvm-nm", "--defined-only", program], capture_output=True, text=True, check=True).stdout
    symbols = [line.split() for line in said.splitlines()]
    return sorted((int(s[0], 16), s[2]) for s in symbols if len(s) == 3 and s[1] in "tTwW" and s[2][0] != "$")


def place(symbols, pc):
    n = bisect.bisect(symbols, (pc, "\x7f")) - 1
    return f"{symbols[n][1]}+{pc - symbols[n][0]:#x}" if n >= 0 else f"{pc:#x}"


def ask(monitor, command):
    """What the monitor says to it, up to its next prompt; no command: the first prompt."""
    if command:
        monitor.sendall(command.encode() + b"\n")
    said = b""
    while not said.endswith(b"(qemu) "):
        more = monitor.recv(65536)
        if not more:
            break
        said += more
    return said.decode(errors="replace").replace("\r", "")


def look(monitor, symbols, found):
    """A look at each CPU, while the machine stands still."""
    ask(monitor, "stop")
    cpu = None
    for number, pc in PC.findall(ask(monitor, "info registers -a")):
        if number:
            cpu = number
        else:
            found.setdefault(cpu, []).append(place(symbols, int(pc, 16)))
    ask(monitor, "cont")


def main():
    path, program = sys.argv[1:]
    symbols, found = functions(program), {}
    try:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(60)  # a busy host
            monitor.connect(path)
            ask(monitor, None)
            for _ in range(3):
                look(monitor, symbols, found)
                time.sleep(0.05)
    except OSError as error:
        print(f"QEMU's monitor: {error}")
    for cpu, places in found.items():
        print(f"CPU {cpu}: {', '.join(places)}")


if __name__ == "__main__":
    main()
