#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Diagrams of the state machines, from the tables at the heads of core/*.c.

usage: diagram.py write         draw them into core/
       diagram.py check         are those in core/ the ones that the tables give?
       diagram.py dot FILE      the source of one, for Graphviz
       diagram.py seen NAME FILE
                                the steps of core/NAME.c that trace.c saw, and printed into FILE: are they
                                those of the table, all of them and no others?

A table of values (value, meaning, next) gives the states and steps: "NOTIFIED by unpark" is a step. A table
of bits (bits, meaning) before it gives the layout of the word. The values in capitals must be the macros of
the code below, and who steps must be a public function of that file, or a thread inside one.
"""
import html
import os
import re
import subprocess
import sys
from pathlib import Path

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILES = ["park_futex", "park_sema", "waiters_futex", "waiters_sema"]
THREADS = {"park": "park", "the parked thread": "park", "a waiter": "compare_and_wait",
           "that waiter": "compare_and_wait"}
STYLE = ('bgcolor="white" fontname="Helvetica" fontsize=12 node [fontname="Helvetica" fontsize=11] '
         'edge [fontname="Helvetica" fontsize=10]')


def fail(message):
    sys.exit(f"diagram.py: {message}")


def table(path, code, first):
    """The rows of the table whose head begins so, each a list of cells. A cell goes on below, in its column."""
    comments = re.findall(r"^/\*\n(.*?)^ \*/", code, re.M | re.S)
    comment = [line[3:].rstrip() for line in (comments[0] if comments else "").split("\n")]
    start = next((n for n, line in enumerate(comment) if re.match(rf"  {first} ", line)), None)
    if start is None:
        return comment[0], []
    columns = [m.start() for m in re.finditer(r"(?<=  )\S", comment[start])]
    rows = []
    for line in comment[start + 1:]:
        if not line:
            break
        cells = [line[a:b].strip() for a, b in zip(columns, columns[1:] + [None])]
        if any(line[a - 1:a] not in ("", " ") for a in columns):
            fail(f"{path}: a cell leaves its column: {line}")
        if cells[0] or not rows:
            rows.append(cells)
        else:
            rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], cells)]
    return comment[0].split(":")[0], rows


def known(path, code, who):
    """The public function behind the name of an actor."""
    function = THREADS.get(who, who)
    if not re.search(rf"\bvalet_(waiters_)?{function}\(struct", code):
        fail(f"{path}: who is {who!r}?")
    return who


def quote(text):
    return '"' + text.replace('"', '\\"') + '"'


def wrap(text, width=28):
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "\\n".join(lines + [line])


def read(name):
    path = f"core/{name}.c"
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return path, file.read()


def machine(name):
    """Title, rows of values, steps: (from, to, who, and then)."""
    path, code = read(name)
    title, rows = table(path, code, "value")
    values = [row[0] for row in rows]
    if not rows:
        fail(f"{path}: no table of values at its head")
    # Those of the word: macros without parameters
    macros = set(re.findall(r"^#define ([A-Z]+) ", code, re.M)) - {"STATE"}
    if macros != {v for v in values if v.isupper()} or len(set(values)) != len(values):
        fail(f"{path}: the table has {values}, the code {sorted(macros)}")
    steps = []
    for value, _, after in rows:
        for step in after.split(";"):
            match = re.match(r"\s*(?:an )?(\w+) by ([\w ]+?)(?:, (.*))?$", step)
            if not match or match.group(1) not in values:
                fail(f"{path}: not a step: {step!r}")
            target, who, then = match.groups()
            steps.append((value, target, known(path, code, who), then))
    return title, rows, steps


def dot(name):
    path, code = read(name)
    title, rows, steps = machine(name)
    out = [f"digraph {quote(name)} {{", STYLE, f"label={quote(title + ': ' + path)}"]
    layout = table(path, code, "bits")[1]
    if layout:
        fields = "|".join(f"{bits}\\n{wrap(meaning)}" for bits, meaning in reversed(layout))
        out.append(f"word [shape=record label={quote(fields)}]")
    for value, meaning, _ in rows:
        out.append(f"{quote(value)} [shape=box style=rounded label={quote(value)[:-1]}\\n{wrap(meaning)}\"]")
    for value, target, who, then in steps:
        label = " " + wrap(who + (", " + then if then else ""), 20) + " "
        out.append(f"{quote(value)} -> {quote(target)} [label={quote(label)}]")
    return "\n".join(out + ["}", ""])


def draw(name):
    svg = subprocess.run(["dot", "-Tsvg"], input=dot(name), capture_output=True, text=True, check=True).stdout
    # Not the version of Graphviz: the drawing
    return re.sub(r"<!-- Generated by.*?-->\n", "", svg, flags=re.S).replace(
        "<svg ", "<!-- SPDX-License-Identifier: MIT OR Apache-2.0; written by diagram.py -->\n<svg ", 1)


def drawn(svg):
    """What a drawing says: its states, steps and words. Where they stand depends on fonts and version."""
    return sorted(html.unescape("".join(m)) for m in re.findall(r"<title>(.*?)</title>|<text [^>]*>(.*?)</text>", svg))


VALUE = {
    "park_futex": lambda word: {0: "EMPTY", 1: "NOTIFIED", 0xffffffff: "PARKED"}[word],
    "park_sema": lambda word: {0: "EMPTY", 1: "NOTIFIED"}.get(word, "address"),
    "waiters_futex": lambda word: {0: "neither", 1: "WAITERS", 2: "OWED"}[word >> 5],
    "waiters_sema": lambda word: ("OWED" if word & 64 else "TAKEN" if word & 32 else
                                  "nodes" if word >> 7 else "empty"),
}
INSIDE = {"park_slow": "park", "take_token": "park", "wait_until": "compare_and_wait",
          "serve": "compare_and_wait", "leave": "compare_and_wait"}


def seen(name, file):
    """A step to the same value is one only where the table has it: most are changes of the user's state."""
    table_has = {(a, b, THREADS.get(who, who)) for a, b, who, _ in machine(name)[2]}
    found = set()
    for function, before, after in re.findall(r"^step (\w+)\S* (\w+) (\w+)$", file.read(), re.M):
        if function == "sleep_once":
            function = "park" if name == "park_sema" else "compare_and_wait"
        function = re.sub(r"^valet_(waiters_)?", "", INSIDE.get(function, function))
        step = (VALUE[name](int(before, 16)), VALUE[name](int(after, 16)), function)
        if step[0] != step[1] or step in table_has:
            found.add(step)
    for what, steps in (("never seen", table_has - found), ("not in the table", found - table_has)):
        for before, after, who in sorted(steps):
            print(f"core/{name}.c: {before} -> {after} by {who}: {what}")
    print(f"{name}: {len(found)} steps seen")
    return found == table_has and found


if sys.argv[1:2] == ["dot"]:
    print(dot(sys.argv[2]))
elif sys.argv[1:] in (["write"], ["check"]):
    for name in FILES:
        path = os.path.join(root, "core", name + ".svg")
        if sys.argv[1] == "write":
            with open(path, "w", encoding="utf-8") as file:
                file.write(draw(name))
        elif drawn(Path(path).read_text(encoding="utf-8")) != drawn(draw(name)):
            fail(f"{name}.svg is not what core/{name}.c says: python3 test/doc/diagram.py write")
elif len(sys.argv) == 4 and sys.argv[1] == "seen":
    with open(sys.argv[3], encoding="utf-8") as trace:
        sys.exit(not seen(sys.argv[2], trace))
else:
    sys.exit(__doc__)
