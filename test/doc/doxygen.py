#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Doxygen's input filter: the comments of our headers in its words.

A comment before a function is sentences, then fields in a column: parameters by their names, and returns,
order, context, cost, source, again. A comment after a declaration on its line is about that.
"""
import re
import sys

FIELDS = {"order": "Order", "context": "Context", "cost": "Cost", "source": "Source", "again": "Again"}
with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
text = re.sub(r"^/\* SPDX.*\n", "", text)


explained = set()  # names of parameters


def escape(line):
    return re.sub(r"([@\\<>#%])", r"\\\1", line)


def before(match):
    """One comment and what it stands before."""
    comment, code = match.groups()
    lines = [re.sub(r"^ ?\* ?", "", line).rstrip() for line in comment.strip().split("\n")]
    function = re.search(r"\b(\w+) (\w+)\(((?:[^()]|\([^()]*\))*)\)(?: VALET_CHECKED)?;", code)
    parameters = function.group(3).split(",") if function and function.group(3) != "void" else []
    names = {re.findall(r"\w+", re.sub(r"\([^()]*\)$", "", p))[-1]: p for p in parameters}  # not those of a function's
    out, given, returns = [], set(), False
    for line in lines:
        field = re.match(r"(\w+)  +(.*)", line)
        word = field and field.group(1)
        if word in names:
            given.add(word)
            out.append(f"@param {word} {escape(field.group(2))}")
        elif word == "returns":
            returns = True
            out.append(f"@return {escape(field.group(2))}")
        elif word in FIELDS:
            out.append(f"@par {FIELDS[word]}\n{escape(field.group(2))}")
        elif re.match(r"returns? VALET", line):
            returns = True
            out.append("@return " + escape(line.split(" ", 1)[1]))
        else:
            out.append(("@n " if line.strip().startswith("VALET_") else "") + escape(line.strip()))
    explained.update(given)
    for name, declaration in names.items():
        if name not in given:
            struct = re.search(r"struct (\w+)", declaration)
            # A comment leaves out what the type says, or what one before it has said.
            if struct or name in explained:
                out.append(f"@param {name} " + (f"the struct {struct.group(1)}" if struct else "as above"))
    if function and function.group(2).endswith("_now") and not returns:
        out.append("@return the time")
    return "/**\n" + "\n".join(out) + "\n*/\n" + code


head = re.match(r"\s*/\*(.*?)\*/", text, re.S)
lines = (escape(re.sub(r"^ \* ?", "", line)) for line in head.group(1).strip().split("\n"))
text = "/** @file\n" + "\n".join(lines) + "\n*/\n" + text[head.end():]
text = re.sub(r"^([ \t]*\S.*?\S[ \t]*)/\* (.*?) \*/$", r"\1/**< \2 */", text, flags=re.M)
text = re.sub(r"^/\*(?!\*)(?! ----)((?:(?!\*/).)*?)\*/\n"
              r"((?:VALET_API |VALET_SYS_CALL |int |void |uint64_t |struct |enum )[^;{]*[;{])",
              before, text, flags=re.M | re.S)
sys.stdout.write(text)
