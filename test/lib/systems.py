#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""The table of systems in sys/meson.build, for those that state a kind or CPUs too. From the root. As a program: a line
a row, of name, kind, file and CPUs with commas; "-" where the embedder chooses. As a module: ROWS.
"""
import re


def rows(text):
    """name -> kind (or None), file (or None), CPUs"""
    found = re.findall(r"^  '(\w+)': \[(?:'(\w+)'|get_option\(.*?\)), (?:'(\w+\.c)'|\[\]), '([\w ]+)'\],$", text, re.M)
    return {name: (kind or None, file or None, cpus.split()) for name, kind, file, cpus in found}


with open("sys/meson.build", encoding="utf-8") as table:
    ROWS = rows(table.read())
if len(ROWS) < 15:
    raise SystemExit(f"only {len(ROWS)} rows in sys/meson.build")
if __name__ == "__main__":
    for name, (kind, file, cpus) in ROWS.items():
        print(name, kind or "-", file or "-", ",".join(cpus))
