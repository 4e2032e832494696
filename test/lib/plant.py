#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Plant a fault.

plant.py FILE OLD NEW [OLD NEW]...: in FILE each text OLD, which must occur once, becomes NEW.
plant.py --bug BUGS NAME TREE: the edits of that bug, in a copy of the sources.
plant.py --list BUGS: one line a bug: name, row, CPU, scenario, print or -, words of the verdict.
plant.py --each BUGS TREES: the same lines; and of each bug, in TREES/NAME, the files that it changes, and their names
    in the file `planted`. A compiler that looks there first needs no other copy of the sources. One that cannot be
    planted has no such directory.

White space in OLD matches any other: a fault outlives a reformatting of what it is planted in. Where it runs often it
is started by python3 -S: without the site, of which it needs nothing, and which may take longer than it does.
"""
import os
import re
import sys


def edited(text, old, new):
    words = r"\s+".join(map(re.escape, old.split()))
    found = re.findall(words, text)
    if not words or len(found) != 1:
        raise ValueError(f"{len(found)} times, not once:\n{old}")
    return re.sub(words, lambda _: new, text)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def plant(path, edits):
    text = read(path)
    for old, new in edits:
        try:
            text = edited(text, old, new)
        except ValueError as error:
            sys.exit(f"{path}: {error}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def bugs_of(path, text=None):
    """Name: what its lines say, and its edits: a file, lines of the old text, lines of the new. The text is that of
    the file, or what is given for it."""
    bugs, bug, file, group = {}, None, None, None
    for number, line in enumerate((text or read(path)).split("\n"), 1):
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


def write_changed(bug, tree):
    texts = {}
    for file, (old, new) in bug["edits"]:
        texts[file] = edited(texts.get(file) or read(file), "\n".join(old), "\n".join(new))
    for file, text in {**texts, "planted": "".join(f"{file}\n" for file in texts)}.items():
        os.makedirs(os.path.dirname(f"{tree}/{file}"), exist_ok=True)
        with open(f"{tree}/{file}", "w", encoding="utf-8") as made:
            made.write(text)


def main():
    match sys.argv[1:]:
        case ["--list" | "--each" as how, path, *trees]:
            for name, bug in bugs_of(path).items():
                print(name, bug["row"], bug["print"], bug["says"])
                try:
                    if how == "--each":
                        write_changed(bug, f"{trees[0]}/{name}")
                except (OSError, ValueError) as error:
                    print(f"{name}: {error}", file=sys.stderr)
        case ["--bug", path, name, tree]:
            for file, (old, new) in bugs_of(path)[name]["edits"]:
                plant(f"{tree}/{file}", [("\n".join(old), "\n".join(new))])
        case [path, *edits] if edits and len(edits) % 2 == 0:
            plant(path, list(zip(edits[::2], edits[1::2])))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
