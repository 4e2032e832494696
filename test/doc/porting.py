#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Hold the porting guide to the tree. Every file that it names is there, with illumos for NAME and riscv64 for
CPU; each file in which a step of a port makes a row has one, for the system and the CPU that were added so; and
its commands are steps of all.sh. usage: porting.py GUIDE, from the root
"""
import os
import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    page = file.read()
with open("test/lib/steps", encoding="utf-8") as file:
    steps = file.read()
faults = []
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
print("\n".join(faults))
sys.exit(bool(faults))
