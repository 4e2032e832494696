# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: run.py DIR all|quick|posix|locks|show [WORD...]. Runs what bench.sh has built, prints the tables, and leaves

    DIR/results.json   every number of every round; `show` prints these again
    DIR/table.txt      the tables, as printed; table.md: in Markdown
    DIR/shown/         what test/bench keeps, to be copied there: shown.json of a run of all, posix.json of what
                       has a bound, locks.json of the locks, and what bench/shown.py makes of them: two pictures, and
                       tables for its page

Each measurement is made once a round by every program, in an order that is drawn anew, so that what
the machine does meanwhile falls on all of them. A cell is the median of the rounds and, after an x,
the median of the ratios to a floor in the same round. A program that fails or hangs is left out from
there on, everything it has measured is dropped, and the end says so, with exit status 1.
"""
import json
import os
import random
import re
import statistics
import subprocess
import sys
from pathlib import Path

import locks
from rows import ROWS

directory, mode, *words = sys.argv[1:]
ROUNDS = {"quick": 3, "posix": 9, "locks": 11}.get(mode, 7)
DECIMALS = 3  # significant digits
path = os.path.join(directory, "results.json")
results = json.loads(Path(path).read_text(encoding="utf-8")) if mode == "show" else {"of": mode}
of_locks = results.get("of") == "locks"
if of_locks:
    ROWS = locks.ROWS

text = os.path.join(directory, "text")  # for the pool
programs = [p for p in ROWS if os.path.exists(os.path.join(directory, "programs", p))]
failures = {}  # program: why


class Failed(Exception):
    pass


def run(program, *arguments, before=(), limit=120):
    """The numbers that a program printed, by their names; all that it printed."""
    command = [*before, os.path.join(directory, "programs", program), *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Failed(f"out of time: {' '.join(command)}") from None
    if done.returncode != 0:
        raise Failed(f"failed: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return {name: float(value) for name, value in re.findall(r"^([a-z]+) ([-.0-9]+)$", done.stdout, re.M)}, done.stdout


def drop(p, reason):
    """The rest goes on; but all ratios are to `raw`."""
    print(f"bench: {p} is left out: {reason}", file=sys.stderr, flush=True)
    if p == "raw":
        sys.exit(1)
    failures[p] = str(reason)
    programs.remove(p)


info = {p: run(p, "info")[0] for p in programs}


def can(*abilities):
    """Those that have them all, by their own account."""
    return lambda p: all(info[p][ability] for ability in abilities)


def only(*names):
    return lambda p: p in names


# name: heading, arguments, who can take part
HANDOFFS = {
    "2cpu": ("two CPUs", (0, 1, 0, 1, 50), can("parker")),
    "1cpu": ("one CPU", (0, 0, 0, 1, 50), can("parker", "blocks")),
    "2us": ("reply computes 2 us", (0, 1, 2000, 1, 50), can("parker")),
    "10us": ("10 us", (0, 1, 10000, 1, 50), can("parker")),
    "100us": ("100 us", (0, 1, 100000, 1, 50), can("parker")),
    "1ms": ("1 ms", (0, 1, 1000000, 1, 60), can("parker")),
    "asleep100us": ("reply sleeps 100 us", (0, 1, -100000, 1, 50), can("parker")),
    "asleep1ms": ("1 ms", (0, 1, -1000000, 1, 60), can("parker")),
    "2pairs": ("2 pairs on 2 CPUs", (0, 1, 0, 2, 50), can("parker", "blocks")),
    "8pairs": ("8 pairs", (0, 1, 0, 8, 50), can("parker", "blocks")),
    "8pairs2us": ("8 pairs, 2 us", (0, 1, 2000, 8, 50), can("parker", "blocks")),
}
COUNTS = [1, 2, 4, 8, 64, 512] + [4096] * (mode != "quick")
LATE = {"50us": (50000, 60), "1ms": (1000000, 20)}
POOL_SIZE = 32 << 20
CREWS = {2: 1000, 8: 500, 64: 200}  # workers: calls
# Starts of one measurement in a round, and which of them counts. What one start of a crew is like, it stays
# (README.md); what needs no second thread is held up by nothing but the host.
STARTS = {"crew": (5, statistics.median), "fast": (3, min)}
CROWDS = [4000, 10000]
SELDOM = 3  # a crowd is long to gather: only in each third round

# name: arguments, who can take part
MEASUREMENTS = {
    "fast": (("fast", 15), can()),
    **{"handoff " + name: (("handoff", *arguments), who) for name, (_, arguments, who) in HANDOFFS.items()},
    "handoff timed": (("handoff", 0, 0, 0, 1, 50, 1), can("timed")),
    "handoff fresh": (("handoff", 0, 1, 100000, 1, 50, 2), only("raw", "valet", "valet-sleep", "valet-posix")),
    **{f"wakeall {n}": (("wakeall", n, {64: 9, 512: 7, 4096: 3}.get(n, 15)), can("waiters")) for n in COUNTS},
    "busy 1cpu": (("busy", 0, 0, 31), can()),
    "busy 2cpu": (("busy", 0, 1, 31), can()),
    "barrier 8": (("barrier", 8, 2000), lambda p: info[p]["sets"] or p in ("glibc-sem", "musl-sem")),
    "barrier 2cpu": (("barrier", 2, 20000, 2), can("sets")),
    "barrier 1cpu": (("barrier", 2, 20000, 1), can("sets", "blocks")),
    **{f"crew {n}": (("crew", n, calls), can("sets")) for n, calls in CREWS.items()},
    **{f"crowd {n}": (("crowd", n), can("until")) for n in CROWDS},
    **{f"crowd {n}, waker": (("crowd", n, 1), can("until")) for n in CROWDS},
    **{"late " + name: (("late", ns, count), can("timed")) for name, (ns, count) in LATE.items()},
    "expire": (("expire", 10), can("timed")),
    "recover slow": (("recover", "slow"), only("valet")),
    "recover onecpu": (("recover", "onecpu"), only("valet")),
    "pool": (("pool", 4, 4096, text), can("parker", "blocks")),
}

# program, measurement, metric, the program that it is compared with (None: no ratio), at most
BOUNDS = [
    ("valet", "barrier 2cpu", "us", "spin", 1.3),
    ("valet", "barrier 1cpu", "us", "raw", 1.1),
    ("valet-clock", "handoff timed", "us", "raw", 1.15),
    ("valet-posix", "handoff 1cpu", "us", "raw", 1.3),
    ("valet-posix", "handoff 2cpu", "us", "raw", 1.05),
    ("valet-posix-musl", "handoff 1cpu", "us", "raw", 2.8),
    # A post for each waiter has a floor of its own, which no design of this kind can be below.
    *(("valet-posix", f"wakeall {n}", "total", "raw-each", 1.2) for n in (8, 64, 512)),
    ("valet-posix", "busy 1cpu", "park", "valet", 1.5),
    ("valet-posix", "busy 1cpu", "wait", "valet", 1.5),
    ("valet-posix-futex", "busy 1cpu", "wait", "valet-futex", 1.5),
    ("valet-posix", "barrier 8", "us", "valet", 1.5),
    *(("valet-posix", f"crew {n}", "us", "glibc-cond", most) for n, most in ((2, 1.1), (8, 2.5), (64, 1.8))),
    *((p, name, metric, None, most) for p in ("valet-posix", "valet-posix-futex")
      for name, metric, most in (("crowd 4000", "cpu", 100), ("crowd 10000", "cpu", 400),
                                 ("crowd 4000, waker", "call", 1), ("crowd 10000, waker", "call", 1))),
]
if mode == "posix":
    words += {"busy", *(measurement for _, measurement, *_ in BOUNDS)}
if mode == "locks":
    steps_of_us = run("raw", "steps", 1000)[0]["steps"]
    MEASUREMENTS = locks.measurements(can, lambda ns: round(steps_of_us * ns / 1000))
if of_locks:
    BOUNDS = locks.BOUNDS


def takes_part(p, name):
    """The name is of a measurement, or of what is found out once: size, instructions, calls ..."""
    begins = ROWS[p].only
    return ((not words or any(word in name for word in words)) and (not begins or name.startswith(begins))
            and (name not in MEASUREMENTS or MEASUREMENTS[name][1](p)))


def make_text():
    """Words for the pool to count, the same each time; returns what wc counts."""
    words = random.Random(1)
    line = " ".join("x" * words.randint(1, 12) for _ in range(2000))
    block = "".join(c if words.random() > 0.01 else "\n" for c in line)
    with open(text, "w") as f:
        f.write((block * (POOL_SIZE // len(block) + 1))[:POOL_SIZE])
    done = subprocess.run(["wc", text], capture_output=True, text=True, env={"LC_ALL": "C"}, check=True)
    return done.stdout.split()[:3]


def measure(results):
    """results[measurement][program][metric] is a list of one value a round."""
    expected = make_text() if "pool" in MEASUREMENTS else None
    for number in range(ROUNDS):
        for name, (arguments, _) in MEASUREMENTS.items():
            if name.startswith("crowd") and number % SELDOM != 0:
                continue
            parts = [p for p in programs if takes_part(p, name)]
            random.shuffle(parts)
            for p in parts:
                if of_locks and number % SELDOM != 0 and locks.seldom(p, name):
                    for values in results[name][p].values():
                        values.append(None)  # so that the others are of the same round
                    continue
                try:
                    starts, choose = STARTS.get(name.split()[0], (1, min))
                    several = [run(p, *arguments) for _ in range(starts)]
                    numbers, output = several[-1]
                    if name == "pool" and output.split()[:3] != expected:
                        raise Failed(f"{p} counted {output}, wc {expected}")
                except Failed as reason:
                    drop(p, reason)
                    continue
                store = results.setdefault(name, {}).setdefault(p, {})
                for metric in numbers:
                    store.setdefault(metric, []).append(choose(n[metric] for n, _ in several))
        print(f"round {number + 1} of {ROUNDS}, load {os.getloadavg()[0]:.2f}", file=sys.stderr, flush=True)
    for measured in results.values():
        for p in failures:
            measured.pop(p, None)


def each(measured, results):
    """measured(results, p) of every program; one that fails is dropped."""
    for p in list(programs):
        try:
            measured(results, p)
        except Failed as reason:
            drop(p, reason)


def instructions(results, p):
    """Of each loop of 1000, by callgrind: everything inside peer_loop, less the loop itself."""
    n = 1000
    out = os.path.join(directory, "callgrind")
    if not takes_part(p, "instructions"):
        return
    for old in os.listdir(directory):
        if old.startswith("callgrind"):
            os.remove(os.path.join(directory, old))
    before = ("valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=peer_loop",
              "--dump-after=peer_loop", "--callgrind-out-file=" + out)
    names = re.findall(r"^([a-z]+)$", run(p, "loops", n, before=before)[1], re.M)
    totals = []
    for i in range(len(names)):
        with open(f"{out}.{i + 1}") as f:
            totals.append(int(re.search(r"^(?:totals|summary): (\d+)", f.read(), re.M).group(1)))
    for name, total in zip(names, totals):
        if name != "nothing":
            results.setdefault("instructions", {}).setdefault(p, {})[name] = [(total - totals[0]) / n]


def count(which, p, *arguments):
    """How many system calls of those, by strace; what the program printed."""
    out = os.path.join(directory, "strace")
    numbers, _ = run(p, *arguments, before=("strace", "-f", "--seccomp-bpf", "-c", "-o", out, "-e", "signal=none",
                                            "-e", "trace=" + which))
    with open(out) as f:
        total = re.search(r"^\s*100[.,]00\s+\S+\s+(?:\S+\s+)?(\d+)\s.*total$", f.read(), re.M)
    return int(total.group(1)) if total else 0, numbers


def calls(results, p):
    """System calls that may wait, wake or yield: the difference of two lengths of run."""
    which = "futex,sched_yield,nanosleep,clock_nanosleep"
    for name, cpu in (("2cpu", 1), ("1cpu", 0)):
        if info[p]["parker"] and (cpu == 1 or info[p]["blocks"]) and takes_part(p, "calls " + name):
            few, many = (count(which, p, "handoff", 0, cpu, 0, 1, -n)[0] for n in (2048, 3072))
            results.setdefault("calls " + name, {})[p] = {"calls": [(many - few) / 1024]}
    if info[p]["waiters"] and takes_part(p, "calls 64"):
        few, many = (count(which, p, "wakeall", 64, n)[0] for n in (4, 14))
        results.setdefault("calls 64", {})[p] = {"calls": [(many - few) / 10]}


def calls_of_locks(results, p):
    """... in 1000 acquisitions, the clock's as well."""
    if takes_part(p, "calls 32"):
        of, arguments = locks.CALLS, MEASUREMENTS["contend 5 32"][0]
        total, numbers = count(of, p, *arguments[:-1], 500)
        results.setdefault("calls 32", {})[p] = {"calls": [total * 1000 / numbers["taken"]]}


def objects(results, p):
    """Their bytes"""
    if takes_part(p, "object"):
        results.setdefault("object", {})[p] = {name: [value] for name, value in info[p].items() if value}


def sections(path):
    done = subprocess.run(["size", path], capture_output=True, text=True, check=True)
    return [int(w) for w in done.stdout.splitlines()[1].split()[:3]]


def sizes(results, p):
    """Bytes of code and data that a static program has more, and of an object and of the stack."""
    if info[p]["parker"] == 0 or not takes_part(p, "size"):
        return
    store = results.setdefault("size", {}).setdefault(p, {})
    path = os.path.join(directory, "static", p)
    if os.path.exists(path):
        base = os.path.join(directory, "static", "nothing-" + ("musl" if "musl" in p else "glibc"))
        for name, more, less in zip(("code", "data", "bss"), sections(path), sections(base)):
            store[name] = [more - less]
    store["object"] = [info[p]["parker"]]
    if info[p]["blocks"]:
        store["stack"] = [run(p, "stack")[0]["stack"]]


# ---- the table ----


def show(value):
    if value == 0:
        return "0"
    digits = max(0, DECIMALS - 1 - int(f"{abs(value):e}".split("e")[1]))
    return f"{value:.{digits}f}"


def median(results, name, p, metric):
    values = [v for v in results.get(name, {}).get(p, {}).get(metric, []) if v is not None]
    return statistics.median(values) if values else None


def ratios(results, name, p, metric, floor):
    """To the floor, round by round; to none: the values themselves."""
    by = results.get(name, {})
    values = by.get(p, {}).get(metric, [])
    floors = by.get(floor, {}).get(metric, []) if floor else [1] * len(values)
    return [v / f for v, f in zip(values, floors) if v is not None and f]


def cell(results, name, p, metric, floors, with_bounds=True):
    value = median(results, name, p, metric)
    if value is None:
        return ""
    said = [show(value)]
    for floor in floors:
        of_floor = ratios(results, name, p, metric, floor)
        if of_floor:
            said.append(f"x{statistics.median(of_floor):.2f}")
    for bound in BOUNDS:
        if with_bounds and bound[:3] == (p, name, metric):
            said += [f"({figure}, {most}: {verdict})" for _, figure, _, most, verdict in judged(results, bound)]
    return " ".join(said)


def judged(results, bound):
    """What, the figure, its lowest and highest in a round, the bound, whether it holds; or nothing"""
    p, name, metric, floor, most = bound
    best = ""
    if isinstance(floor, tuple):
        there = [f for f in floor if median(results, name, f, metric)]
        floor = min(there, key=lambda f: median(results, name, f, metric), default="none")
        best = "the best peer, "
    figures = ratios(results, name, p, metric, floor)
    if not figures:
        return
    figure = statistics.median(figures)
    how = (lambda f: f"x{f:.2f}") if floor else show
    to = f", to {best}{ROWS[floor].label}" if floor else ""
    least = isinstance(most, locks.AtLeast)
    yield (f"{ROWS[p].label}: {name}, {metric}{to}", how(figure), f"{how(min(figures))} to {how(max(figures))}",
           f"at {'least' if least else 'most'} {most:g}",
           "PASS" if (figure >= most if least else figure <= most) else "FAIL")


def bounds(results):
    return [["bound", "figure", "over the rounds", "", ""],
            *(list(row) for bound in BOUNDS for row in judged(results, bound))]


RAW, RAW_ATOMIC, RAW_SPIN, RAW_EACH, NONE = ("raw",), ("raw", "atomic"), ("raw", "spin"), ("raw", "raw-each"), ()


def table(results, title, columns):
    """columns: (heading, measurement, metric, floors) ..., those that were measured"""
    columns = [c for c in columns if c[1] in results]
    if not columns:
        return []
    lines = ["", "### " + title, "", "| | " + " | ".join(c[0] for c in columns) + " |",
             "|---" * (len(columns) + 1) + "|"]
    for p in ROWS:
        cells = [cell(results, name, p, metric, floors, not of_locks) for _, name, metric, floors in columns]
        if any(cells):
            lines.append(f"| {ROWS[p].label} | " + " | ".join(cells) + " |")
    return lines


def machine():
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    return f"{os.uname().sysname} {os.uname().release}, {os.cpu_count()} x {cpu.group(1) if cpu else '?'}"


def tables(results):
    lines = [f"{results['machine']}, load {results['load']}; {ROUNDS} rounds. A cell is a median, and after x the "
             "median of the ratios in the same round: to the futex pair by hand, and where there is a second x, to the "
             "floor that the title names."]
    loops = [("unpark", "unpark"), ("unpark, park", "pair"), ("wait, no need", "wait"), ("set, no waiters", "set")]
    lines += table(results, "Nobody waits: ns (second x: to the atomic instruction), and instructions",
                   [(h + ", ns", "fast", m, RAW_ATOMIC) for h, m in loops] +
                   [(h + ", instructions", "instructions", m, NONE) for h, m in loops])
    lines += table(results, "Hand-off and back: us of a round (second x: to spinning)",
                   [(h, "handoff " + n, "us", RAW_SPIN if n == "2cpu" else RAW) for n, (h, *_) in HANDOFFS.items()])
    lines += table(results, "... us of CPU time of a round, both threads; system calls of a round",
                   [(h, "handoff " + n, "cpu", RAW) for n, (h, *_) in HANDOFFS.items()] +
                   [("calls, two CPUs", "calls 2cpu", "calls", NONE), ("calls, one CPU", "calls 1cpu", "calls", NONE)])
    for title, metric in (("until the last waiter has returned", "total"),
                          ("in the waker's call", "wall"), ("of the waker's CPU time", "cpu")):
        columns = [(str(n), f"wakeall {n}", metric, RAW_EACH if metric == "total" else RAW) for n in COUNTS]
        if metric == "total":
            columns.append(("calls for 64", "calls 64", "calls", NONE))
        lines += table(results, "Wake-all: us " + title, columns)
    lines += table(results, "A waker that computes on: us from its wake until the other thread runs",
                   [(f"{h}, {kind}", "busy " + n, metric, RAW) for n, h in (("1cpu", "one CPU"), ("2cpu", "two CPUs"))
                    for kind, metric in (("a parker", "park"), ("waiters", "wait"))])
    lines += table(results, "A barrier of two threads: us of a round (second x: to spinning)",
                   [("two CPUs", "barrier 2cpu", "us", RAW_SPIN), ("one CPU", "barrier 1cpu", "us", RAW)])
    lines += table(results, "Many at once: us of a barrier of 8; us of a pool's call, whose caller spins until its "
                   "workers have come, the mean, and of 64 the median (second x: to glibc's condition variable)",
                   [("barrier of 8", "barrier 8", "us", RAW)] +
                   [(f"{n} workers", f"crew {n}", "us", ("raw", "glibc-cond")) for n in CREWS] +
                   [("64, median", "crew 64", "median", ("raw", "glibc-cond"))])
    lines += table(results, "A crowd with one deadline: ms of CPU time until the last is back, ms after the deadline; "
                   "ms of the longest call of a waker beside them",
                   [(f"{n}, {what}", f"crowd {n}" + ", waker" * (what == "call"), what, RAW)
                    for n in CROWDS for what in ("cpu", "last", "call")])
    lines += table(results, "What a poll costs: parkers used once, replies of 100 us: us of a round, of its CPU time, "
                   "of the parking thread's; rounds until hand-off is fast after 1500 such replies, and after "
                   "20,000 rounds on one CPU",
                   [("a round", "handoff fresh", "us", RAW), ("CPU", "handoff fresh", "cpu", RAW),
                    ("one thread's", "handoff fresh", "asker", RAW),
                    ("after slow replies", "recover slow", "rounds", NONE),
                    ("after one CPU", "recover onecpu", "rounds", NONE)])
    lines += table(results, "How late a timed park returns, us: the median, and what nine of ten do not exceed",
                   [(f"{n}, {what}", "late " + n, what, NONE) for n in LATE for what in ("late", "most")])
    lines += table(results, "Deadlines: hand-off and back on one CPU, and us of CPU time to time out at once",
                   [("with a deadline", "handoff timed", "us", RAW),
                    ("expiry", "expire", "expire", RAW)])
    lines += table(results, "A queue of work, four workers, 4 KiB a turn: ms for 32 MiB", [("ms", "pool", "ms", RAW)])
    lines += table(results, "Size: bytes that a static program has more than an empty one in C, of one parker, "
                   "and of the stack while it blocks",
                   [(h, "size", h, NONE) for h in ("code", "data", "bss", "object", "stack")])
    return lines


def tables_of_locks(results):
    lines = [f"{results['machine']}, load {results['load']}; {ROUNDS} rounds. " + locks.INTRODUCTION]
    for title, columns in locks.TABLES:
        lines += table(results, title, columns)
    return lines


def table_of_bounds(results):
    heading, *rows = bounds(results)
    return ["", "### Bounds", ""] * bool(rows) + [
        "| " + " | ".join(row) + " |" for row in (heading, ["---"] * 5, *rows) if rows]


# What test/bench keeps: of a run of all, and of what has a bound
SHOWN = [
    ("unpark and park, nobody waits: ns", "fast", "pair", NONE), ("instructions", "instructions", "pair", NONE),
    ("hand-off and back, us: two CPUs", "handoff 2cpu", "us", RAW), ("one CPU", "handoff 1cpu", "us", RAW),
    ("replies of 10 us", "handoff 10us", "us", RAW),
    ("wake 512: us until the last has returned", "wakeall 512", "total", RAW),
    ("CPU us of the waker", "wakeall 512", "cpu", NONE),
    ("code, bytes", "size", "code", NONE), ("stack", "size", "stack", NONE)]
POSIX = [
    ("hand-off and back, us: one CPU", "handoff 1cpu", "us", RAW), ("two CPUs", "handoff 2cpu", "us", RAW),
    *((("wake 8: us until the last has returned" if n == 8 else f"wake {n}"), f"wakeall {n}", "total", RAW)
      for n in (8, 64, 512)),
    ("barrier of 8, us", "barrier 8", "us", RAW),
    *((("a pool's call, us: 2 workers" if n == 2 else f"{n} workers"), f"crew {n}", "us", RAW) for n in CREWS),
    ("woken by one that computes on, us: one CPU, a parker", "busy 1cpu", "park", RAW),
    ("waiters", "busy 1cpu", "wait", RAW), ("two CPUs, a parker", "busy 2cpu", "park", RAW),
    ("waiters", "busy 2cpu", "wait", RAW),
    *((f"{n} timeouts, ms of CPU time", f"crowd {n}", "cpu", NONE) for n in CROWDS)]


def kept(results, columns):
    rows = [[ROWS[p].label, *(cell(results, name, p, metric, floors, False) for _, name, metric, floors in columns)]
            for p in ROWS]
    return {"machine": results["machine"], "rounds": ROUNDS,
            "table": [["", *(heading for heading, *_ in columns)], *(row for row in rows if any(row[1:]))]}


def drawn(results):
    """What the pictures show: medians with three digits."""
    def number(name, p, metric):
        value = median(results, name, p, metric)
        return None if value is None else json.loads(show(value))
    handoff = {p: {n: number("handoff " + n, p, "us") for n in ("2cpu", "1cpu")} for p in ROWS}
    handoff = {p: {n: v for n, v in values.items() if v is not None} for p, values in handoff.items()}
    wakeall = {p: {metric: [number(f"wakeall {n}", p, metric) for n in COUNTS] for metric in ("total", "cpu")}
               for p in ROWS if ROWS[p].line and median(results, "wakeall 1", p, "total") is not None}
    return {"handoff": {p: values for p, values in handoff.items() if "2cpu" in values},
            "counts": COUNTS, "wakeall": wakeall}


def one_a_line(data):
    """JSON whose longer values have one entry a line, for those who read a difference."""
    lines = []
    for key, value in data.items():
        if isinstance(value, dict):
            inside = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()]
        else:
            inside = [json.dumps(v) for v in value] if key in ("table", "bounds") else []
        left, right = "{}" if isinstance(value, dict) else "[]"
        text = left + "\n  " + ",\n  ".join(inside) + "\n " + right if inside else json.dumps(value)
        lines.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}"


def aligned(lines):
    """A Markdown table as text, its columns below each other. Wide ones stay wide."""
    out, block = [], []
    for line in lines + [""]:
        if line.startswith("|"):
            block.append([c.strip() for c in line.strip("|").split("|")])
            continue
        widths = [max(map(len, column)) for column in zip(*(r for r in block if set("".join(r)) != {"-"}))]
        for r in block:
            rule = set("".join(r)) == {"-"}
            out.append("  ".join("-" * w if rule else c.ljust(w) if i == 0 else c.rjust(w)
                                 for i, (c, w) in enumerate(zip(r, widths))).rstrip())
        block = []
        out.append(line)
    return out[:-1]


def write(name, lines):
    with open(os.path.join(directory, name), "w") as f:
        f.write("\n".join(lines) + "\n")


if mode == "show":
    ROUNDS = results["rounds"]
    COUNTS = [n for n in COUNTS if f"wakeall {n}" in results]
else:
    before = os.getloadavg()[0]
    for part in (objects, instructions, calls_of_locks) if of_locks else (sizes, instructions, calls):
        each(part, results)
    measure(results)
    results["rounds"], results["machine"] = ROUNDS, machine()
    results["load"] = f"{before:.1f} before, {os.getloadavg()[0]:.1f} after"
    with open(path, "w") as f:
        json.dump(results, f)
lines = (tables_of_locks if of_locks else tables)(results) + table_of_bounds(results)
write("table.md", lines)
write("table.txt", aligned(lines))
print("\n".join(aligned(lines)), flush=True)
keep = {}
if {"fast", "pool"} <= results.keys():  # all was measured
    keep["shown"] = kept(results, SHOWN) | drawn(results)
if {measurement for _, measurement, *_ in BOUNDS} <= results.keys():
    keep["locks" if of_locks else "posix"] = kept(results, locks.KEPT if of_locks else POSIX) | {
        "bounds": bounds(results)}
os.makedirs(os.path.join(directory, "shown"), exist_ok=True)
for name, data in keep.items():
    write(f"shown/{name}.json", [one_a_line(data)])
    subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "shown.py"),
                    os.path.join(directory, f"shown/{name}.json"), os.path.join(directory, "shown")], check=True)
    print(f"\nWhat test/bench keeps of a run is in {os.path.relpath(directory)}/shown/{name}.*; "
          "test/bench/README.md says what to do with it.")
if failures:
    sys.exit("bench: failed, and left out: " + ", ".join(sorted(failures)))
