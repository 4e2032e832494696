#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: deepest.py DIRECTORY... Prints how many bytes of stack a call of the library takes at most, and by which
chain: of gcc's own graphs of calls (-fcallgraph-info=su, X.ci beside X.o), one for each object in these. A frame has
its return address there, where the CPU has it on the stack. What is in no graph is the system's, or the user's, and
counts as nothing; what is left by a jump counts for one, so it can only be too much.
"""
import glob
import re
import sys

frame, calls = {}, {}
for path in [path for directory in sys.argv[1:] for path in glob.glob(directory + "/*.ci")]:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r'"[^":]*:(\w[^":]*)"', rf'"{path}:\1"', text)  # of this unit alone
    if " bytes (dynamic)" in text:
        sys.exit(f"deepest.py: {path}: a frame without a bound")
    for name, taken in re.findall(r'^node: \{ title: "([^"]+)" label: "[^"]*?(\d+) bytes \(', text, re.M):
        frame[name] = int(taken)
    for caller, called in re.findall(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text, re.M):
        calls.setdefault(caller, set()).add(called)


found = {}  # by name; None: not yet known, as we are below it


def deepest(name):
    """Bytes and names of a chain that begins with a call of name. A recursion has no bound, and there must be none."""
    if name not in found:
        found[name] = None
        below = [deepest(to) for to in calls.get(name, ()) if to in frame]
        most, chain = max(below, default=(0, []))
        found[name] = frame[name] + most, [name.rsplit(":", 1)[-1], *chain]
    if found[name] is None:
        sys.exit(f"deepest.py: {name} calls itself")
    return found[name]


most, chain = max(deepest(name) for name in frame)
for name in ("valet_park", "valet_futex_wait", "valet_cond_wait_with"):
    if name not in frame:
        sys.exit(f"deepest.py: there is no {name}")
print(most, *chain)
