#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: parker.py <ROWS. A row is a system, a kind, a CPU, and objects of any format that llvm-objdump knows,
compiled by clang with -ffunction-sections -fstack-usage (X.su beside X.o); rows may share some. Prints each row with
the bytes of code, data and stack of one parker in place of the objects.

code   of what valet_park and valet_unpark reach: what a linker leaves of a program that calls these two
data   of the objects' writable sections
stack  of the deepest chain of calls from valet_park, less what the system's own functions take: the frames
       and, on x86, the return addresses. What a function ends with a jump to comes after its own frame.
"""
import itertools
import os
import re
import subprocess
import sys

NAME = re.compile(r"^[0-9a-f]+ <(.+)>:$")
CODE = re.compile(r"^ *([0-9a-f]+): ((?:(?:[0-9a-f]{2})+ )+) *\t(\S+)(.*)")  # bytes, or words of the CPU
RELOCATION = re.compile(r"^\s+[0-9a-f]+:\s+(?:R_(?!RISCV_RELAX)|IMAGE_REL_|X86_64_|ARM64_)\S+\s+(\S+)")
DATA = re.compile(r"^\.?_*(?:data|bss|tdata|tbss|common)\S*\s+(\d+)", re.M)
JUMP = re.compile(r"(jmp|b|jr|j|tail)$")


def tool(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def plain(name):
    """Of a function: as C has it. Clang names a section of its own where the function is static."""
    return re.sub(r"([-+]0x[0-9a-f]+|[-+]\d+)$", "", name).rsplit(".", 1)[-1].removeprefix("_")


class Object:
    """What is in one."""

    def __init__(self, path, dump, data):
        self.size, self.refers, self.frame, self.data, self.return_address = {}, {}, {}, data, 0
        with open(path.removesuffix(".o") + ".su", encoding="utf-8") as file:
            for line in file:
                where, taken, _ = line.split("\t")
                self.frame[where.rsplit(":", 1)[1]] = int(taken)
        if match := re.match(r"\S*(x86.64|i386)", dump):
            self.return_address = 4 if match[1] == "i386" else 8
        self.read(dump, {
            int(line.split()[0], 16): plain(line.split()[2]) for line in tool("llvm-nm", "-n", path).splitlines()
            if re.match(r"[0-9a-f]+ [tT] (?!ltmp)", line)} if "<ltmp" in dump else {})

    def read(self, dump, at_address):
        size, refers = self.size, self.refers
        name = pending = None  # a call on riscv64 is two instructions, and its relocation is on the first
        for line in dump.splitlines():
            if match := NAME.match(line):
                label = at_address.get(int(line.split()[0], 16)) if match[1].startswith("ltmp") else plain(match[1])
                if label in self.frame:  # else a label within a function
                    name = label
                    size[name], refers[name], first = 0, [], None
            elif name and (match := CODE.match(line)):
                at, mnemonic = int(match[1], 16), match[3]
                first = at if first is None else first
                if not mnemonic.startswith("nop"):  # what is last is padding
                    size[name] = at + len(match[2].replace(" ", "")) // 2 - first
                if pending:
                    refers[name].append((pending, mnemonic == "jr"))
                    pending = None
                guessed = len(refers[name])  # a relocation that follows knows better: these bytes point to what is next
                refers[name] += [(plain(to), bool(JUMP.match(mnemonic))) for to in re.findall(r"<([^>+]+)>", match[4])]
            elif name and (match := RELOCATION.match(line)):
                if mnemonic == "auipc":
                    pending = plain(match[1])
                else:
                    del refers[name][guessed:]
                    refers[name].append((plain(match[1]), bool(JUMP.match(mnemonic))))


def read_objects(paths):
    """Of one target, all that are in one directory, at once: the start of a tool takes longer than what it does with
    one of them. (llvm-objdump takes the first's target for that of all.)"""
    dumps = re.split(r"^(.+):\s+file format ", tool("llvm-objdump", "-dr", *paths), flags=re.M)
    sizes = re.split(r"^(.+) *:\nsection .*\n", tool("llvm-size", "-A", *paths), flags=re.M)
    if dumps[1::2] != paths or [path.rstrip() for path in sizes[1::2]] != paths:
        sys.exit("parker.py: the tools tell of other objects")
    return {path: Object(path, dump, sum(int(taken) for taken in DATA.findall(sections)))
            for path, dump, sections in zip(paths, dumps[2::2], sizes[2::2])}


def figures(objects):
    """Of one parker: bytes of code, of data, and of stack. None where there is no parker in them."""
    size, refers, frame = {}, {}, {}
    for one in objects:
        size.update(one.size)
        refers.update(one.refers)
        frame.update(one.frame)
    return_address = max(one.return_address for one in objects)

    reached, left = set(), ["valet_park", "valet_unpark"]
    while left:
        name = left.pop()
        if name not in reached and name in size:
            reached.add(name)
            left += [to for to, _ in refers[name]]

    def deepest(name, above=()):
        """Of a chain that begins with a call of name. A recursion has no bound, and there must be none."""
        if name in above:
            sys.exit(f"parker.py: {name} calls itself")
        most = frame[name] + return_address
        for to, jump in refers[name]:
            if to in size and to != name:
                below = deepest(to, (*above, name))
                most = max(most, below if jump else below + frame[name] + return_address)
        return most

    if not {"valet_park", "valet_unpark"} <= reached:
        return None
    return sum(size[name] for name in reached), sum(one.data for one in objects), deepest("valet_park")


rows = [line.split() for line in sys.stdin]
there = sorted({path for row in rows for path in row[3:] if os.path.exists(path)})
known = {path: one for _, of_target in itertools.groupby(there, os.path.dirname)
         for path, one in read_objects(list(of_target)).items()}
failed = not rows
for system, kind, cpu, *of_row in rows:
    found = figures([known[path] for path in of_row]) if known.keys() >= set(of_row) else None
    if found:
        print("%-16s %-5s %-8s %5d %5d %5d" % (system, kind, cpu, *found))
    else:
        print("parker.py: there is no parker in " + " ".join(of_row), file=sys.stderr)
        failed = True
sys.exit(failed)
