#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Hold the porting guide to the tree. Every file that it names is there, with illumos for NAME and riscv64 for
CPU; each file in which a step of a port makes a row has one, for the system and the CPU that were added so; its
check-list is PLACES, and each system has all of them but those that the list excepts; and its commands are steps
of all.sh. usage: porting.py GUIDE [FILE=COPY...], from the root; a COPY stands for the text of FILE
"""
import os
import re
import sys

sys.path.append(os.path.join(os.path.dirname(__file__), "../lib"))
from systems import ROWS

# What a system has in each place of the check-list
PLACES = {
    "sys/NAME.c": r"SPDX-License-Identifier",
    "sys/meson.build": r"^  'NAME': \[",
    "meson_options.txt": r"'NAME'",
    "README.md": r"^\| `NAME` \|",
    "test/compile/compile.sh": r"^(?: *table=\")?NAME +(?:futex|sema) ",
    "test/figures/sizes.txt": r"^NAME +(?:futex|sema) ",
    "test/model/table": r"^\S+ +NAME\.c ",
    "test/model/bugs": r"^in sys/NAME\.c$|^row NAME(?:_(?:hostile|\d+))? ",
    "test/fuzz/fuzz.sh": r"^NAME [01] sys/NAME\.c",
    "test/fuzz/kernel.c": r"\{ROW\(NAME\),",
}
copies = dict(argument.split("=") for argument in sys.argv[2:])

with open(sys.argv[1], encoding="utf-8") as file:
    page = file.read()
with open("test/lib/steps", encoding="utf-8") as file:
    steps = file.read()
faults = []


def places(section):
    """The check-list, and every system against it"""
    rows = [re.findall(r"`([\w./]+)`", cell) for line in re.findall(r"^\| `.*$", section, re.M)
            for cell in (line.split(" | ")[0], line.split(" | ", 2)[2])]
    listed = {place[0]: excepted for place, excepted in zip(rows[::2], rows[1::2])}
    faults.extend(f"not a place of PLACES, or of the check-list: {p}" for p in sorted(listed.keys() ^ PLACES.keys()))
    for place in listed.keys() & PLACES.keys():
        for name in (n for n, (_, file, _) in ROWS.items() if file):
            path = place.replace("NAME", name)
            if not os.path.exists(path):
                faults.append(f"{name}: no {path}")
                continue
            with open(copies.get(path, path), encoding="utf-8") as file:
                there = re.search(PLACES[place].replace("NAME", name), file.read(), re.M)
            if bool(there) == (name in listed[place]):
                faults.append(f"{name}: {'excepted, and ' if there else 'not '}in {path}")


_, system, cpu, _ = re.split(r"^## ", page, flags=re.M)
for section, placeholder, name in ((system, "NAME", "illumos"), (cpu, "CPU", "riscv64")):
    body = re.sub(r"^```.*?^```", "", section, flags=re.S | re.M)
    paths = [p for p in re.findall(r"`([\w./-]+)`", body) if "/" in p or p == "meson_options.txt"]
    rows = "".join(re.findall(r"^\*\*\d\. .*?\n\n", body + "\n\n", re.S | re.M))  # the steps themselves
    if len(paths) < 8:
        faults.append(f"only {len(paths)} files in: {section.splitlines()[0]}")
    for path in paths:
        path = path.replace(placeholder, name)
        if not os.path.exists(path):
            faults.append(f"not there: {path}")
        elif os.path.isfile(path) and f"`{path}`" in rows:
            with open(path, encoding="utf-8") as file:
                if name not in file.read().lower():
                    faults.append(f"no row for {name}: {path}")
    commands = re.findall(r"^sh (test/[\w/]+\.sh)", section, re.M)
    faults += [f"no step: {c}" for c in commands if f" {c}" not in steps and c != "test/all.sh"]
    for n in range(1, 5 if name == "illumos" else 4):
        if f"**{n}. " not in section:
            faults.append(f"no step {n} in: {section.splitlines()[0]}")
places(system)
print("\n".join(faults))
sys.exit(bool(faults))
