# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: replace.py FROM TO TEXT REPLACEMENT TIMES. Copy a file with a text replaced; an error unless
it occurs that often."""
import sys

source, target, text, replacement, times = sys.argv[1:]
content = open(source).read()
if content.count(text) != int(times):
    sys.exit(f"{source}: {content.count(text)} times, not {times}: {text}")
open(target, "w").write(content.replace(text, replacement))
