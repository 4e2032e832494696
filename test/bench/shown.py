# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: shown.py KEPT.json DIR. Makes of what bench/run.py leaves of a run what the pages show:

    DIR/KEPT.md        the tables of test/bench/README.md
    DIR/handoff.svg    of shown.json: a hand-off and back, on two CPUs and on one: a bar a program
    DIR/wakeall.svg    one thread wakes many: a line a program

valet is blue and thick; the futex pair by hand, to which everything is compared, is a dashed line.
"""
import json
import math
import os
import sys
from xml.sax.saxutils import escape

from rows import ROWS

BLUE, DEEP, PALE, INK, GREY, BAR, RULE = "#0b57d0", "#4a80d6", "#7ba7ea", "#1f2328", "#59636e", "#c8ced6", "#e4e7eb"


class Picture:
    def __init__(self, width, height, title):
        self.parts = [
            '<?xml version="1.0" encoding="utf-8"?>', "<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->",
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            'font-family="Helvetica, Arial, sans-serif">',
            f"<title>{escape(title)}</title>", f'<rect width="{width}" height="{height}" fill="#ffffff"/>']

    def text(self, x, y, words, size=13, colour=INK, anchor="start", bold=False, halo=False):
        weight = ' font-weight="bold"' if bold else ""
        weight += ' stroke="#ffffff" stroke-width="4" paint-order="stroke"' if halo else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
                          f'text-anchor="{anchor}"{weight}>{escape(words)}</text>')

    def line(self, points, colour, width=1.0, dash=""):
        how = f' stroke-dasharray="{dash}"' if dash else ""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}" '
                          f'stroke-width="{width}" stroke-linejoin="round" stroke-linecap="round"{how}/>')

    def bar(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height}" rx="2" '
                          f'fill="{colour}"/>')

    def dot(self, x, y, radius, colour):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" stroke="#ffffff"/>')

    def save(self, path):
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(self.parts + ["</svg>"]) + "\n")


def is_valet(p):
    return p.startswith("valet")


def number(v):
    """Three digits at most."""
    return f"{v:.{max(0, 2 - math.floor(math.log10(v)))}f}"


# ---- Hand-off: bars, the programs from the fastest on two CPUs down; the same rows for both panels ----

def handoff(shown, path):
    rows = sorted(((v, p) for p, v in shown["handoff"].items() if ROWS[p].bar), key=lambda row: row[0]["2cpu"])
    top, step, left = 92, 25, 218
    panels = [("2cpu", left, 320, "on two CPUs"), ("1cpu", 616, 300, "on one CPU")]
    bottom = top + step * len(rows)
    picture = Picture(1000, bottom + 44, "Hand-off and back between two threads, on two CPUs and on one")
    picture.text(20, 30, "Hand-off and back between two threads, µs: shorter is better", 16, bold=True)
    for cpus, x, width, title in panels:
        scale = width / max(v[cpus] for v, _ in rows if cpus in v)
        picture.text(x, 60, title, 14, bold=True)
        at = x + shown["handoff"]["raw"][cpus] * scale
        picture.line([(at, top - 10), (at, bottom)], GREY, 1, "3,3")
        picture.text(at, top - 15, "by hand", 11, GREY, "middle")
        for n, (values, p) in enumerate(rows):
            y = top + step * n
            if x == left:
                picture.text(left - 10, y + 13, ROWS[p].bar, 13, BLUE if is_valet(p) else INK, "end", p == "valet")
            if cpus not in values:
                picture.text(x + 6, y + 13, "(not run)", 12, GREY, halo=True)
                continue
            colour = BLUE if p == "valet" else PALE if is_valet(p) else GREY if p in ("raw", "spin") else BAR
            picture.bar(x, y, values[cpus] * scale, 18, colour)
            picture.text(x + values[cpus] * scale + 7, y + 13, number(values[cpus]), 12,
                         BLUE if is_valet(p) else INK, bold=p == "valet", halo=True)
        picture.line([(x, top - 6), (x, bottom)], INK)
    picture.text(20, bottom + 28, f"{shown['machine']}; medians of {shown['rounds']} rounds.", 11, GREY)
    picture.save(path)


# ---- Wake-all: lines over the number of waiters, their names at their ends ----

def spread(wanted, gap, low, high):
    """Places for labels: in order, a gap apart, as near as may be to where each is wanted."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups = []  # of labels that touch: [sum of (wanted - offset), members]
    for i in order:
        groups.append([[i], wanted[i]])
        while len(groups) > 1 and groups[-2][1] + gap * len(groups[-2][0]) > groups[-1][1]:
            (a, at_a), (b, at_b) = groups[-2:]
            mean = (len(a) * at_a + len(b) * (at_b - gap * len(a))) / (len(a) + len(b))
            groups[-2:] = [[a + b, mean]]
    places = [0.0] * len(wanted)
    for members, at in groups:
        at = min(max(at, low), high - gap * (len(members) - 1))
        for n, i in enumerate(members):
            places[i] = at + gap * n
    return places


def panel(picture, x, title, note, counts, lines, ticks):
    top, bottom, width = 96, 436, 290
    low, high = math.log10(ticks[0]), math.log10(ticks[-1])

    def place(n, v):
        return (x + width * math.log(n) / math.log(counts[-1]),
                bottom - (math.log10(v) - low) / (high - low) * (bottom - top))
    picture.text(x - 34, 62, title, 14, bold=True)
    picture.text(x - 34, 80, note, 12, GREY)
    for v in ticks:
        y = place(1, v)[1]
        picture.line([(x, y), (x + width, y)], RULE)
        picture.text(x - 8, y + 4, f"{v:,g}", 11, GREY, "end")
    for n in counts:
        at = place(n, ticks[0])[0]
        picture.line([(at, bottom), (at, bottom + 4)], GREY)
        picture.text(at, bottom + 18, str(n), 11, GREY, "middle")
    picture.line([(x, bottom), (x + width, bottom)], GREY)
    picture.text(x + width / 2, bottom + 36, "waiters", 12, GREY, "middle")
    ends = [place(counts[-1], values[-1])[1] for _, values in lines]
    for (p, values), end, at in zip(lines, ends, spread(ends, 16, top - 4, bottom)):
        points = [place(n, v) for n, v in zip(counts, values)]
        colour = BLUE if p == "valet" else PALE if is_valet(p) else ROWS[p].colour
        picture.line(points, colour, 4.5 if is_valet(p) else 1.4, "5,4" if p == "raw" else "")
        if is_valet(p):
            for point in points:
                picture.dot(*point, 4.5, colour)
        picture.line([(x + width + 4, end), (x + width + 16, at), (x + width + 20, at)], colour, 0.8)
        picture.text(x + width + 24, at + 4, ROWS[p].line, 12.5, DEEP if colour == PALE else colour, bold=is_valet(p))


def wakeall(shown, path):
    # valet last, so that it is on top
    names = sorted((p for p in shown["wakeall"] if ROWS[p].line), key=lambda p: (p == "valet", is_valet(p), p == "raw"))
    counts = shown["counts"]
    total, cpu = ([(p, shown["wakeall"][p][metric]) for p in names] for metric in ("total", "cpu"))
    each = [(p, [v / n for v, n in zip(values, counts)]) for p, values in total]

    def ticks(lines, steps):
        """Whole ones around all values"""
        low, high = (f(v for _, values in lines for v in values) for f in (min, max))
        all_of = [s * 10.0 ** e for e in range(-3, 7) for s in steps]
        return [v for i, v in enumerate(all_of) if all_of[min(i + 1, len(all_of) - 1)] > low
                and all_of[max(i - 1, 0)] < high]
    picture = Picture(1000, 512, "Wake-all: time until the last waiter has returned, and CPU time of the waker")
    picture.text(20, 30, "One thread wakes all that wait, µs: lower is better", 16, bold=True)
    panel(picture, 56, "Until the last of them has returned", "µs for each waiter", counts, each,
          ticks(each, (1, 2, 5)))
    panel(picture, 552, "CPU time of the waker", "µs for all of them together", counts, cpu, ticks(cpu, (1,)))
    picture.text(20, 500, f"{shown['machine']}; medians of {shown['rounds']} rounds.", 11, GREY)
    picture.save(path)


def tables(shown, path):
    """The rows, and the bounds"""
    with open(path, "w", encoding="utf-8") as f:
        for n, (heading, *rows) in enumerate(shown[name] for name in ("table", "bounds") if name in shown):
            f.write("\n" * (n > 0))
            f.writelines("| " + " | ".join(row) + " |\n" for row in (heading, ["---"] * len(heading), *rows))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)
    name = os.path.splitext(os.path.basename(sys.argv[1]))[0]
    tables(data, os.path.join(sys.argv[2], name + ".md"))
    if "handoff" in data:
        handoff(data, os.path.join(sys.argv[2], "handoff.svg"))
        wakeall(data, os.path.join(sys.argv[2], "wakeall.svg"))
