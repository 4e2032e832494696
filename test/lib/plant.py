#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""plant.py --list BUGS: one line a bug: name, row, CPU, scenario, print or -, words of the verdict.
plant.py BUGS NAME TREE: plant it in a copy of the sources; fails unless each text is there once."""
import sys


def read(path):
    bugs, bug, file, group = {}, None, None, None
    for number, line in enumerate(open(path), 1):
        line = line.rstrip("\n")
        key, _, rest = line.partition(" ")
        if line[:1] in ("-", "+"):
            if group is None or (line[0] == "-" and group[1]):
                group = ([], [])
                bug["edits"].append((file, group))
            group[line[0] == "+"].append(line[1:])
            continue
        group = None
        if line == "" or line[0] == "#":
            continue
        if key == "bug":
            bug = bugs[rest] = {"edits": [], "print": "-"}
        elif key == "in":
            file = rest
        elif key == "print":
            bug["print"] = "print"
        elif key in ("row", "says"):
            bug[key] = rest
        else:
            sys.exit(f"{path}:{number}: {line}")
    return bugs


def plant(bug, tree):
    for file, (old, new) in bug["edits"]:
        path = f"{tree}/{file}"
        text, old, new = open(path).read(), "\n".join(old), "\n".join(new)
        if text.count(old) != 1:
            sys.exit(f"{file}: {text.count(old)} times, not once:\n{old}")
        open(path, "w").write(text.replace(old, new))


if sys.argv[1] == "--list":
    for name, bug in read(sys.argv[2]).items():
        print(name, bug["row"], bug["print"], bug["says"])
else:
    plant(read(sys.argv[1])[sys.argv[2]], sys.argv[3])
