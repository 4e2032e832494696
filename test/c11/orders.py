#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""orders.py FILE...: one line for each way to weaken one memory order or fence of the files:
    file line column order weaker
orders.py --seq-cst FILE...: the same for those that are seq_cst.
orders.py --weaken FILE LINE COLUMN WEAKER: the file with that one made so, to standard output.

Fails where an order is not written out, since that one could not be weakened."""
import re
import sys
from pathlib import Path

WEAKER = {
    "acquire": ["relaxed"],
    "consume": ["relaxed"],
    "release": ["relaxed"],
    "acq_rel": ["acquire", "release", "relaxed"],
    "seq_cst": ["acq_rel", "acquire", "release", "relaxed"],
}
ORDER = re.compile(r"memory_order_(\w+)")
IMPLICIT = re.compile(
    r"\batomic_(?:load|store|exchange|fetch_[a-z]+|compare_exchange_[a-z]+|flag_[a-z_]+)\s*\("
    r"|\b__(?:atomic|sync|c11_atomic)_\w+")


def code(text):
    """The text, with each character of a comment made a blank."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)


def operation(text, at):
    """The name of the call whose arguments `at` is in."""
    depth = 0
    while at > 0:
        at -= 1
        depth += {")": 1, "(": -1}.get(text[at], 0)
        if depth < 0:
            return re.search(r"\w*$", text[:at])[0]
    return ""


def ways(text):
    for m in ORDER.finditer(text):
        for weaker in WEAKER.get(m[1], []):
            if m[1] == "seq_cst":
                name = operation(text, m.start())
                allowed = {"load": ["acquire"], "store": ["release"]}.get(
                    re.sub(r"^atomic_(\w+)_explicit$", r"\1", name))
                if allowed and weaker not in allowed + ["relaxed"]:
                    continue
            line = text.count("\n", 0, m.start()) + 1
            column = m.start(1) - text.rfind("\n", 0, m.start()) - 1
            yield line, column, m[1], weaker


if sys.argv[1] == "--weaken":
    lines = Path(sys.argv[2]).read_text(encoding="utf-8").split("\n")
    number, column = int(sys.argv[3]) - 1, int(sys.argv[4])
    lines[number] = (lines[number][:column]
                     + re.sub(r"^\w+", sys.argv[5], lines[number][column:]))
    print("\n".join(lines), end="")
else:
    only = sys.argv[1] == "--seq-cst"
    for path in sys.argv[1 + only:]:
        text = code(Path(path).read_text(encoding="utf-8"))
        implicit = IMPLICIT.search(text)
        if implicit and not only:
            line = text.count("\n", 0, implicit.start()) + 1
            sys.exit(f"{path}:{line}: an order that is not written out: {implicit[0]}")
        for line, column, order, weaker in ways(text):
            if order == "seq_cst" or not only:
                print(path, line, column, order, weaker)
