#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Hold core/README.md to the code: its table of orders has each that a comment in core/ names, and no other; its
scenarios, planted bugs, steps and files are there. usage: design.py, from the root
"""
import glob
import os
import re
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


page = read("core/README.md")
faults = []

named = set()
for path in glob.glob("core/*.c") + glob.glob("core/locks/*.c"):
    for comment in re.findall(r"/\*(?! SPDX).*?\*/", read(path), re.S):
        comment = re.sub(r"\s*\*?\s+", " ", comment)
        if re.search(r"\b(acquire|release|pairs)\b", comment):
            for name in re.findall(r"(?::|\bwith|\band) ([A-Z]{3,}(?:_[A-Z]+)*)\b", comment):
                named.add((os.path.basename(path)[:-2], name))
table = re.search(r"^\| file \| name \|.*?\n\n", page, re.S | re.M).group()
rows = set(re.findall(r"^\| (\w+) \| ([A-Z_]+) \|", table, re.M))
if len(named) < 10:
    sys.exit(f"design.py: only {len(named)} orders in core/")
for what, which in (("in core/, not in the page", named - rows), ("in the page, not in core/", rows - named)):
    faults += [f"{what}: {name} of {path}.c" for path, name in sorted(which)]

bugs = set(re.findall(r"^bug (\S+)$", read("test/c11/bugs") + read("test/model/bugs"), re.M))
faults += [f"no planted bug: {name}" for name in re.findall(r"`([a-z]+(?:-[a-z0-9]+)+)`", page) if name not in bugs]
scenarios = set(re.findall(r"\bS\((\w+),", read("test/c11/scenarios.h")))
SCENARIO = r"`((?:park|wait|futex|mutex|cond|once|latch|barrier|sem|rwlock)_\w+)`"
faults += [f"no scenario: {name}" for name in re.findall(SCENARIO, page) if name not in scenarios]
steps = read("test/lib/steps")
faults += [f"no step: {script}" for script in re.findall(r"`sh (test/[\w/]+\.sh)`", page)
           if f" {script}" not in steps and script != "test/all.sh"]
files = [os.path.normpath(os.path.join("core", name))
         for name in re.findall(r"\]\(([^)#:]+)\)", page)] + re.findall(r"`(test/[\w/]+\.c)`", page)
faults += [f"no file: {name}" for name in files if not os.path.exists(name)]
print("\n".join(faults) or f"{len(rows)} orders, {len(bugs)} planted bugs to choose from, {len(files)} files")
sys.exit(bool(faults))
