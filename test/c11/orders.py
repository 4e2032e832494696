#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""orders.py DIRECTORY FILE...: one line for each way to weaken one memory order or fence of the files:
    file line order weaker copy
where copy, in the directory, is the file with that one made so.
orders.py --seq-cst DIRECTORY FILE...: the same for those that are seq_cst.

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
            yield m.start(1), m[1], weaker


only = sys.argv[1] == "--seq-cst"
directory, *paths = sys.argv[1 + only:]
Path(directory).mkdir(parents=True, exist_ok=True)
for path in paths:
    original = Path(path).read_text(encoding="utf-8")
    text = code(original)
    implicit = IMPLICIT.search(text)
    if implicit and not only:
        line = text.count("\n", 0, implicit.start()) + 1
        sys.exit(f"{path}:{line}: an order that is not written out: {implicit[0]}")
    for at, order, weaker in ways(text):
        if order != "seq_cst" and only:
            continue
        copy = f"{directory}/{path.replace('/', '-')}-{at}-{weaker}"
        Path(copy).write_text(original[:at] + weaker + original[at + len(order):], encoding="utf-8")
        print(path, text.count("\n", 0, at) + 1, order, weaker, copy)
