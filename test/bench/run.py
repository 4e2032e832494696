# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: run.py DIR all|quick|show. Runs the programs that bench.sh has built, prints the tables, and leaves

    DIR/results.json   every number of every round; `show` prints these again
    DIR/table.txt      the tables, as printed; table.md: in Markdown
    DIR/shown/         what test/bench keeps of a run, to be copied there: shown.json, and what
                       bench/shown.py makes of it: two pictures, and the table of its page

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

directory, mode = sys.argv[1:]
ROUNDS = 3 if mode == "quick" else 9
LABELS = {
    "atomic": "floor: the atomic instruction",
    "spin": "floor: spinning",
    "raw": "floor: a futex pair by hand",
    "valet": "**valet**",
    "valet-sleep": "**valet**, -Dspin=disabled",
    "valet-clock": "**valet**, deadlines by libc's clock",
    "valet-unit": "**valet**, in the user's own unit",
    "valet-delegate": "**valet**, store_and_delegate",
    "glibc-sem": "glibc sem_t; barrier",
    "glibc-cond": "glibc mutex, condition variable",
    "musl-sem": "musl sem_t; barrier",
    "musl-cond": "musl mutex, condition variable",
    "libstdc++-sem": "libstdc++ binary_semaphore",
    "libstdc++-atomic": "libstdc++ atomic wait",
    "libc++-sem": "libc++ binary_semaphore",
    "libc++-atomic": "libc++ atomic wait",
    "nsync": "nsync mu, cv",
    "absl": "absl Mutex; Notification",
    "rust-std": "Rust thread::park; Mutex, Condvar",
    "parking_lot": "parking_lot Mutex, Condvar",
    "nanosleep": "nanosleep",
}
DECIMALS = 3  # significant digits

text = os.path.join(directory, "text")  # for the pool
programs = [p for p in LABELS if os.path.exists(os.path.join(directory, "programs", p))]
failures = {}  # program: why


class Failed(Exception):
    pass


def run(program, *arguments, before=(), limit=120):
    """The lines that a program printed, as a dictionary of lists of numbers."""
    command = [*before, os.path.join(directory, "programs", program), *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Failed(f"out of time: {' '.join(command)}") from None
    if done.returncode != 0:
        raise Failed(f"failed: {' '.join(command)}\n{done.stdout}{done.stderr}")
    lines = {}
    for line in done.stdout.splitlines():
        words = line.split()
        if len(words) > 1 and re.fullmatch(r"[a-z]+", words[0]):
            lines[words[0]] = [float(w) for w in words[1:]]
    lines["output"] = done.stdout
    lines["errors"] = done.stderr
    return lines


def drop(p, reason):
    """The rest goes on; but all ratios are to `raw`."""
    print(f"bench: {p} is left out: {reason}", file=sys.stderr, flush=True)
    if p == "raw":
        sys.exit(1)
    failures[p] = str(reason)
    programs.remove(p)


info = {p: {k: v[0] for k, v in run(p, "info").items() if k not in ("output", "errors")} for p in programs}


def parks(p):
    return info[p]["parker"] > 0 and p not in ("atomic", "valet-unit", "valet-clock")


def blocks(p):
    return parks(p) and info[p]["blocks"]


def wakes(p):
    return info[p]["waiters"] > 0 and p not in ("atomic", "valet-unit", "valet-sleep", "valet-clock")


def times(p):
    return info[p]["timed"] and p not in ("atomic", "valet-unit")


def polls(p):
    """Those whose poll is judged, and what it is judged by."""
    return p in ("raw", "valet", "valet-sleep")


# name: arguments, and who takes part
HANDOFFS = {
    "2cpu": ((0, 1, 0, 1, 50), parks),
    "1cpu": ((0, 0, 0, 1, 50), blocks),
    "2us": ((0, 1, 2000, 1, 50), parks),
    "10us": ((0, 1, 10000, 1, 50), parks),
    "100us": ((0, 1, 100000, 1, 50), parks),
    "1ms": ((0, 1, 1000000, 1, 60), parks),
    "asleep100us": ((0, 1, -100000, 1, 50), parks),
    "asleep1ms": ((0, 1, -1000000, 1, 60), parks),
    "2pairs": ((0, 1, 0, 2, 50), blocks),
    "8pairs": ((0, 1, 0, 8, 50), blocks),
    "8pairs2us": ((0, 1, 2000, 8, 50), blocks),
    "timed": ((0, 0, 0, 1, 50, 1), times),
    "fresh": ((0, 1, 100000, 1, 50, 2), polls),
}
COUNTS = [1, 2, 4, 8, 64, 512] + [4096] * (mode != "quick")
LATE = {"50us": (50000, 60), "1ms": (1000000, 20), "20ms": (20000000, 3)}
POOL_SIZE = 32 << 20


def measurements():
    """(name, arguments, the programs that take part)"""
    yield "fast", ("fast", 15), lambda p: p not in ("spin", "valet-clock")
    for name, (arguments, who) in HANDOFFS.items():
        yield "handoff " + name, ("handoff", *arguments), who
    for n in COUNTS:
        yield f"wakeall {n}", ("wakeall", n, {64: 9, 512: 7, 4096: 3}.get(n, 15)), wakes
    for name, (ns, count) in LATE.items():
        yield "late " + name, ("late", ns, count), times
    yield "expire", ("expire", 10), times
    for how in ("slow", "onecpu"):
        yield "recover " + how, ("recover", how), lambda p: p == "valet"
    yield "pool", ("pool", 4, 4096, text), blocks


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
    expected = make_text()
    for number in range(ROUNDS):
        for name, arguments, who in measurements():
            parts = [p for p in programs if who(p)]
            random.shuffle(parts)
            for p in parts:
                try:
                    lines = run(p, *arguments)
                    if name == "pool" and lines["output"].split()[:3] != expected:
                        raise Failed(f"{p} counted {lines['output']}, wc {expected}")
                except Failed as reason:
                    drop(p, reason)
                    continue
                store = results.setdefault(name, {}).setdefault(p, {})
                for metric, values in lines.items():
                    if metric not in ("output", "errors"):
                        store.setdefault(metric, []).append(values if metric == "late" else values[0])
            if name.startswith("late"):
                store = results[name].setdefault("nanosleep", {})
                store.setdefault("late", []).append(run("raw", "late-nanosleep", *arguments[1:])["late"])
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
    if p in ("spin", "valet-clock"):
        return
    for old in os.listdir(directory):
        if old.startswith("callgrind"):
            os.remove(os.path.join(directory, old))
    before = ("valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=peer_loop",
              "--dump-after=peer_loop", "--callgrind-out-file=" + out)
    names = re.findall(r"^([a-z]+)$", run(p, "loops", n, before=before)["output"], re.M)
    totals = []
    for i in range(len(names)):
        with open(f"{out}.{i + 1}") as f:
            totals.append(int(re.search(r"^(?:totals|summary): (\d+)", f.read(), re.M).group(1)))
    for name, total in zip(names, totals):
        if name != "nothing":
            results.setdefault("instructions", {}).setdefault(p, {})[name] = [(total - totals[0]) / n]


def calls(results, p):
    """System calls that may wait, wake or yield, by strace: the difference of two lengths of run."""
    out = os.path.join(directory, "strace")

    def count(*arguments):
        run(p, *arguments, before=("strace", "-f", "-c", "-o", out, "-e", "signal=none",
                                   "-e", "trace=futex,sched_yield,nanosleep,clock_nanosleep"))
        with open(out) as f:
            total = re.search(r"^\s*100[.,]00\s+\S+\s+(?:\S+\s+)?(\d+)\s.*total$", f.read(), re.M)
        return int(total.group(1)) if total else 0

    for name, cpu in (("2cpu", 1), ("1cpu", 0)):
        if parks(p) and (cpu == 1 or blocks(p)):
            few, many = (count("handoff", 0, cpu, 0, 1, -n) for n in (2048, 3072))
            results.setdefault("calls " + name, {})[p] = {"calls": [(many - few) / 1024]}
    if wakes(p):
        few, many = (count("wakeall", 64, n) for n in (4, 14))
        results.setdefault("calls 64", {})[p] = {"calls": [(many - few) / 10]}


def sections(path):
    done = subprocess.run(["size", path], capture_output=True, text=True, check=True)
    return [int(w) for w in done.stdout.splitlines()[1].split()[:3]]


def sizes(results, p):
    """Bytes of code and data that a static program has more, and of an object and of the stack."""
    if info[p]["parker"] == 0 or p == "valet-clock":
        return
    store = results.setdefault("size", {}).setdefault(p, {})
    path = os.path.join(directory, "static", p)
    if os.path.exists(path):
        base = os.path.join(directory, "static", "nothing-" + ("musl" if p.startswith("musl") else "glibc"))
        for name, more, less in zip(("code", "data", "bss"), sections(path), sections(base)):
            store[name] = [more - less]
    if parks(p):
        store["object"] = [info[p]["parker"]]
    if blocks(p):
        store["stack"] = run(p, "stack")["stack"]


# ---- the table ----


def show(value):
    if value == 0:
        return "0"
    digits = max(0, DECIMALS - 1 - int(f"{abs(value):e}".split("e")[1]))
    return f"{value:.{digits}f}"


def median(results, name, p, metric):
    values = results.get(name, {}).get(p, {}).get(metric)
    return statistics.median(values) if values else None


def ratio(results, name, p, metric, floor="raw"):
    """Median of the ratios to the floor, round by round."""
    values = results.get(name, {}).get(p, {}).get(metric)
    floors = results.get(name, {}).get(floor, {}).get(metric)
    if not values or not floors:
        return None
    return statistics.median(v / f for v, f in zip(values, floors) if f > 0)


def cell(results, name, p, metric, floors):
    value = median(results, name, p, metric)
    if value is None:
        return ""
    ratios = [ratio(results, name, p, metric, floor) for floor in floors]
    return " ".join([show(value)] + [f"x{r:.2f}" for r in ratios if r is not None])


RAW, RAW_ATOMIC, RAW_SPIN, NONE = ("raw",), ("raw", "atomic"), ("raw", "spin"), ()


def table(results, title, columns):
    """columns: (heading, measurement, metric, floors) ..."""
    lines = ["", "### " + title, "", "| | " + " | ".join(c[0] for c in columns) + " |",
             "|---" * (len(columns) + 1) + "|"]
    for p in LABELS:
        cells = [cell(results, name, p, metric, floors) for _, name, metric, floors in columns]
        if any(cells):
            lines.append(f"| {LABELS[p]} | " + " | ".join(cells) + " |")
    return lines


def percentiles(results):
    lines = ["", "### Lateness of a timed park, us: median, 90 %, 99 % of all rounds", "",
             "| | " + " | ".join(LATE) + " |", "|---" * (len(LATE) + 1) + "|"]
    for p in LABELS:
        cells = []
        for name in LATE:
            values = sorted(sum(results.get("late " + name, {}).get(p, {}).get("late", []), []))
            cells.append(", ".join(show(values[min(len(values) - 1, int(len(values) * q))]) for q in (0.5, 0.9, 0.99))
                         if values else "")
        if any(cells):
            lines.append(f"| {LABELS[p]} | " + " | ".join(cells) + " |")
    return lines


def machine():
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    return f"{os.uname().sysname} {os.uname().release}, {os.cpu_count()} x {cpu.group(1) if cpu else '?'}"


HANDOFF_COLUMNS = [("two CPUs", "2cpu"), ("one CPU", "1cpu"), ("reply computes 2 us", "2us"), ("10 us", "10us"),
                   ("100 us", "100us"), ("1 ms", "1ms"), ("reply sleeps 100 us", "asleep100us"), ("1 ms", "asleep1ms"),
                   ("2 pairs on 2 CPUs", "2pairs"), ("8 pairs", "8pairs"), ("8 pairs, 2 us", "8pairs2us")]


def tables(results):
    lines = [f"{results['machine']}, load {results['load']}; {ROUNDS} rounds. "
             "A cell is a median, and after x the median of the ratios in the same round: to the futex pair by hand, "
             "and where there is a second x, to the floor that the title names."]
    loops = [("unpark", "unpark"), ("unpark, park", "pair"), ("wait, no need", "wait"), ("set, no waiters", "set")]
    lines += table(results, "Nobody waits: ns (second x: to the atomic instruction), and instructions",
                   [(h + ", ns", "fast", m, RAW_ATOMIC) for h, m in loops] +
                   [(h + ", instructions", "instructions", m, NONE) for h, m in loops])
    lines += table(results, "Hand-off and back: us of a round (second x: to spinning)",
                   [(h, "handoff " + n, "us", RAW_SPIN if n == "2cpu" else RAW) for h, n in HANDOFF_COLUMNS])
    lines += table(results, "... us of CPU time of a round, both threads; system calls of a round",
                   [(h, "handoff " + n, "cpu", RAW) for h, n in HANDOFF_COLUMNS] +
                   [("calls, two CPUs", "calls 2cpu", "calls", NONE), ("calls, one CPU", "calls 1cpu", "calls", NONE)])
    for title, metric in (("until the last waiter has returned", "total"),
                          ("in the waker's call", "wall"), ("of the waker's CPU time", "cpu")):
        columns = [(str(n), f"wakeall {n}", metric, RAW) for n in COUNTS]
        if metric == "total":
            columns.append(("calls for 64", "calls 64", "calls", NONE))
        lines += table(results, "Wake-all: us " + title, columns)
    lines += table(results, "What a poll costs: parkers used once, replies of 100 us: us of a round, of its CPU time, "
                   "of the parking thread's; rounds until hand-off is fast after 1500 such replies, and after "
                   "20,000 rounds on one CPU",
                   [("a round", "handoff fresh", "us", RAW), ("CPU", "handoff fresh", "cpu", RAW),
                    ("one thread's", "handoff fresh", "asker", RAW),
                    ("after slow replies", "recover slow", "rounds", NONE),
                    ("after one CPU", "recover onecpu", "rounds", NONE)])
    lines += percentiles(results)
    lines += table(results, "Deadlines: hand-off and back on one CPU, and us of CPU time to time out at once",
                   [("without", "handoff 1cpu", "us", RAW), ("with a deadline", "handoff timed", "us", RAW),
                    ("expiry", "expire", "expire", RAW)])
    lines += table(results, "The demo's queue, four workers, 4 KiB a turn: ms for 32 MiB", [("ms", "pool", "ms", RAW)])
    lines += table(results, "Size: bytes that a static program has more than an empty one in C, of one parker, "
                   "and of the stack while it blocks",
                   [(h, "size", h, NONE) for h in ("code", "data", "bss", "object", "stack")])
    return lines


SHOWN = [
    ("unpark and park, nobody waits: ns", "fast", "pair", NONE), ("instructions", "instructions", "pair", NONE),
    ("hand-off and back, us: two CPUs", "handoff 2cpu", "us", RAW), ("one CPU", "handoff 1cpu", "us", RAW),
    ("replies of 10 us", "handoff 10us", "us", RAW),
    ("wake 512: us until the last has returned", "wakeall 512", "total", RAW),
    ("CPU us of the waker", "wakeall 512", "cpu", NONE),
    ("code, bytes", "size", "code", NONE), ("stack", "size", "stack", NONE)]
WAKEALL = ("raw", "valet", "valet-delegate", "glibc-cond", "libstdc++-atomic", "nsync", "absl", "rust-std",
           "parking_lot")


def shown(results):
    """One table, and what is drawn: medians with three digits."""
    def number(name, p, metric):
        value = median(results, name, p, metric)
        return None if value is None else json.loads(show(value))
    rows = [[LABELS[p], *(cell(results, name, p, metric, floors) for _, name, metric, floors in SHOWN)] for p in LABELS]
    handoff = {p: {n: number("handoff " + n, p, "us") for n in ("2cpu", "1cpu")} for p in LABELS}
    handoff = {p: {n: v for n, v in values.items() if v is not None} for p, values in handoff.items()}
    wakeall = {p: {metric: [number(f"wakeall {n}", p, metric) for n in COUNTS] for metric in ("total", "cpu")}
               for p in WAKEALL if median(results, "wakeall 1", p, "total") is not None}
    return {"machine": results["machine"], "rounds": ROUNDS, "columns": [heading for heading, *_ in SHOWN],
            "table": [row for row in rows if any(row[1:])],
            "handoff": {p: values for p, values in handoff.items() if "2cpu" in values},
            "counts": COUNTS, "wakeall": wakeall}


def one_a_line(data):
    """JSON whose longer values have one entry a line, for those who read a difference."""
    lines = []
    for key, value in data.items():
        if isinstance(value, dict):
            inside = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()]
        else:
            inside = [json.dumps(v) for v in value] if key == "table" else []
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


path = os.path.join(directory, "results.json")
if mode == "show":
    with open(path) as f:
        results = json.load(f)
    ROUNDS = len(results["fast"]["raw"]["unpark"])
    COUNTS = [n for n in COUNTS if f"wakeall {n}" in results]
else:
    results = {}
    before = os.getloadavg()[0]
    for part in (sizes, instructions, calls):
        each(part, results)
    measure(results)
    results["machine"], results["load"] = machine(), f"{before:.1f} before, {os.getloadavg()[0]:.1f} after"
    with open(path, "w") as f:
        json.dump(results, f)
lines = tables(results)
write("table.md", lines)
write("table.txt", aligned(lines))
print("\n".join(aligned(lines)), flush=True)
os.makedirs(os.path.join(directory, "shown"), exist_ok=True)
write("shown/shown.json", [one_a_line(shown(results))])
subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "shown.py"),
                os.path.join(directory, "shown/shown.json"), os.path.join(directory, "shown")], check=True)
print(f"\nWhat test/bench keeps of a run is in {os.path.relpath(directory)}/shown; "
      "test/bench/README.md says what to do with it.")
if failures:
    sys.exit("bench: failed, and left out: " + ", ".join(sorted(failures)))
