#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Hold the man pages to the headers. usage: check.py ROOT PAGES

Every function of valet.h, valet_locks.h, valet_sys.h and valet_config.h is in one page with the very prototype; each
of its parameters and each status that its comment names is explained there; every macro and status is in some page,
with its value if it has one. And the other way round: a page has no function, no constant, no value and no struct that
is not in a header, and explains no status that none of its functions answers. What the texts say of a herd is so.
"""
import glob
import os
import re
import sys

root, pages = sys.argv[1:]
faults = []
# Of a declaration: nothing to explain
MARKS = {"VALET_API", "VALET_SYS_CALL", "VALET_SYS_NOIPA", "VALET_UNPROTECTED", "VALET_UNFILLED", "VALET_CHECKED",
         "VALET_INLINE", "VALET_LOCK_OWNER", "VALET_AS_WORD", "VALET_ALIGNED"}


def squeeze(text):
    return re.sub(r"\s*\*\s*", " *", re.sub(r"\s+", " ", text)).strip()


def header(path):
    """Functions, as name -> (result, parameters, statuses of the comment); constants; the code, squeezed."""
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = file.read()
    functions = {}
    for match in re.finditer(r"(/\*(?:(?!\*/).)*\*/\n)?(?:VALET_API |VALET_SYS_CALL )?"
                             r"((?:int|void|bool|unsigned|uint32_t|uint64_t|uintptr_t)) (valet_\w+)"
                             r"\(((?:[^()]|\([^()]*\))*)\)(?: VALET_CHECKED)?;",
                             text, re.S):
        comment, result, name, parameters = match.groups()
        functions[name] = (result, [squeeze(p) for p in parameters.split(",")],
                           set(re.findall(r"\bVALET_(?:OK|TIMEDOUT|CHANGED|CHOSEN|INTERRUPTED|ERR_\w+)",
                                          comment or "")))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    code = squeeze(text.replace("VALET_ALIGNED ", ""))
    constants = dict(re.findall(r"^\s+(VALET_\w+) =\s+(-?\d+),?", text, re.M))
    for name in re.findall(r"^#define (VALET_\w+)", text, re.M):
        if not name.endswith("_H") and name not in MARKS:
            constants[name] = None
    names = re.findall(r"\bvalet_\w+(?=\()", re.sub(r"#.*", "", text))
    if set(names) != set(functions):
        sys.exit(f"check.py: cannot read {path}: {set(names) ^ set(functions)}")
    return functions, constants, code


functions, constants, code = {}, {}, ""
for path in ("include/valet.h", "include/valet_locks.h", "include/valet_sys.h", "include/valet_config.h.in"):
    f, c, text = header(path)
    functions |= f
    constants |= c
    code += text
if len(functions) < 15 or len(constants) < 10:
    sys.exit(f"check.py: only {len(functions)} functions and {len(constants)} constants")

seen = {}    # function -> page
explained = set()
for path in sorted(glob.glob(os.path.join(pages, "*.[37]"))):
    page = os.path.basename(path)
    with open(path, encoding="utf-8") as file:
        lines = file.read()
    synopsis, body = re.search(r"^\.Sh SYNOPSIS\n(.*?)(^\.Sh DESCRIPTION\n.*)", lines, re.S | re.M).groups()
    constant = set(re.findall(r"\bVALET_[A-Z_]+\b", lines.split("\n.Sh NAME", 1)[1]))
    for name in sorted(constant - set(constants) - MARKS):
        faults.append(f"{page}: {name} is in no header")
    explained |= constant
    for result, name, parameters in re.findall(r"^\.Ft (.*)\n\.Fn (\w+) (.*)$", synopsis, re.M):
        parameters = [squeeze(p) for p in re.findall(r'"([^"]*)"', parameters)]
        if name not in functions:
            faults.append(f"{page}: {name} is in no header")
            continue
        seen[name] = page
        want = functions[name]
        if (result, parameters) != (want[0], want[1]):
            faults.append(f"{page}: {name} is not {result} ({', '.join(parameters)})")
        if not re.search(rf"^\.Fn {name}\b", body, re.M):
            faults.append(f"{page}: {name} is not described")
        for parameter in want[1]:
            word = re.findall(r"\w+", re.sub(r"\([^()]*\)$", "", parameter))[-1]
            if word != "void" and not re.search(rf"\bFa {word}\b", body):
                faults.append(f"{page}: {word} of {name} is not explained")
        for status in want[2]:
            if not re.search(rf"^\.It Dv {status}$", body, re.M):
                faults.append(f"{page}: {status} of {name} is not explained")
    answers = set().union(*(functions[name][2] for name in seen if seen[name] == page))
    for status in re.findall(r"^\.It Dv (VALET_\w+)", body, re.M) if answers else []:
        if status not in answers:
            faults.append(f"{page}: no function answers {status}")
    # A macro that takes the next line for its value has it by name alone in the page.
    for line in re.findall(r'^\.Fd (.*)$|^\.Vt "(struct \w+ \{.*)"$', synopsis, re.M):
        if squeeze("".join(line)) not in code:
            faults.append(f"{page}: not in a header: {''.join(line)}")
    for name in set(re.findall(r"^\.(?:Fn|Nm) (valet_\w+)", lines, re.M)) - set(functions) - {"valet_sys"}:
        faults.append(f"{page}: {name} is in no header")
    if page.endswith(".3"):
        for name in seen:
            if seen[name] == page and not re.search(rf"^\.Nm {name}\b", lines, re.M):
                faults.append(f"{page}: {name} is not among its names")
for name in functions:
    if name not in seen:
        faults.append(f"{name}({', '.join(functions[name][1])}) is in no page")
with open(os.path.join(pages, "valet.7"), encoding="utf-8") as file:
    overview = file.read()
for name, value in constants.items():
    if name not in explained:
        faults.append(f"{name} is in no page")
    if value is not None and not re.search(rf"^\.It Dv {name}\n\\?{value}:", overview, re.M):
        faults.append(f"valet.7: {name} is not given as {value}")
with open(os.path.join(root, "core/locks/cond.c"), encoding="utf-8") as file:
    herd = re.search(r"^#define VALET_LOCKS_HERD (\d+)$", file.read(), re.M)[1]
for path in (os.path.join(root, "include/valet_locks.h"), os.path.join(pages, "valet_cond.3")):
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"\n( \* )?", " ", file.read())
    if set(re.findall(r"(?:woken|but) (\w+) at a time", text)) != {herd}:
        faults.append(f"{path}: {herd} are woken at a time")
print("\n".join(faults) or f"{len(functions)} functions, {len(constants)} constants")
sys.exit(bool(faults))
