# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: run.py DIR. Runs the programs that bench.sh has built, and prints the table.

Each measurement is made once a round by every program, in an order that is drawn anew, so that what
the machine does meanwhile falls on all of them. A cell is the median of the rounds and, after an x,
the median of the ratios to `raw` in the same round.
"""
import json
import os
import random
import re
import statistics
import subprocess
import sys

directory = sys.argv[1]
ROUNDS = 9
FLOORS = ["atomic", "spin", "raw"]
LABELS = {
    "atomic": "floor: the atomic instruction",
    "spin": "floor: spinning",
    "raw": "floor: a futex pair by hand",
    "valet": "**valet**",
    "valet-unit": "**valet**, in the user's own unit",
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


def fail(reason):
    sys.exit("bench: " + reason)


def run(program, *arguments, before=(), limit=120):
    """The lines that a program printed, as a dictionary of lists of numbers."""
    command = [*before, os.path.join(directory, "programs", program), *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        fail(f"out of time: {' '.join(command)}")
    if done.returncode != 0:
        fail(f"failed: {' '.join(command)}\n{done.stdout}{done.stderr}")
    lines = {}
    for line in done.stdout.splitlines():
        words = line.split()
        if len(words) > 1 and re.fullmatch(r"[a-z]+", words[0]):
            lines[words[0]] = [float(w) for w in words[1:]]
    lines["output"] = done.stdout
    lines["errors"] = done.stderr
    return lines


info = {p: {k: v[0] for k, v in run(p, "info").items() if k not in ("output", "errors")} for p in programs}


def parks(p):
    return info[p]["parker"] > 0 and p not in ("atomic", "valet-unit")


def blocks(p):
    return parks(p) and info[p]["blocks"]


def wakes(p):
    return info[p]["waiters"] > 0 and p != "atomic"


def times(p):
    return parks(p) and info[p]["timed"]


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
}
COUNTS = [1, 2, 4, 8, 64, 512, 4096]
LATE = {"50us": (50000, 60), "1ms": (1000000, 20), "20ms": (20000000, 3)}
POOL_SIZE = 32 << 20


def measurements():
    """(name, arguments, the programs that take part)"""
    yield "fast", ("fast", 15), lambda p: p != "spin"
    for name, (arguments, who) in HANDOFFS.items():
        yield "handoff " + name, ("handoff", *arguments), who
    for n in COUNTS:
        yield f"wakeall {n}", ("wakeall", n, {64: 9, 512: 7, 4096: 3}.get(n, 15)), wakes
    for name, (ns, count) in LATE.items():
        yield "late " + name, ("late", ns, count), times
    yield "expire", ("expire", 10), times
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


def measure():
    """results[measurement][program][metric] is a list of one value a round."""
    expected = make_text()
    results = {}
    for number in range(ROUNDS):
        for name, arguments, who in measurements():
            parts = [p for p in programs if who(p)]
            random.shuffle(parts)
            for p in parts:
                lines = run(p, *arguments)
                if name == "pool" and lines["output"].split()[:3] != expected:
                    fail(f"{p} counted {lines['output']}, wc {expected}")
                store = results.setdefault(name, {}).setdefault(p, {})
                for metric, values in lines.items():
                    if metric in ("output", "errors"):
                        continue
                    store.setdefault(metric, []).append(values if metric == "late" else values[0])
            if name.startswith("late"):
                store = results[name].setdefault("nanosleep", {})
                lines = run("raw", "late-nanosleep", *arguments[1:])
                store.setdefault("late", []).append(lines["late"])
        print(f"round {number + 1} of {ROUNDS}, load {os.getloadavg()[0]:.2f}", file=sys.stderr, flush=True)
    return results


def instructions(results):
    """Of each loop of 1000, by callgrind: everything inside peer_loop, less the loop itself."""
    n = 1000
    out = os.path.join(directory, "callgrind")
    store = results.setdefault("instructions", {})
    for p in programs:
        if p == "spin":
            continue
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
                store.setdefault(p, {})[name] = [(total - totals[0]) / n]


def calls(results):
    """System calls that may wait, wake or yield, by strace: the difference of two lengths of run."""
    out = os.path.join(directory, "strace")

    def count(p, *arguments):
        run(p, *arguments, before=("strace", "-f", "-c", "-o", out, "-e", "signal=none",
                                   "-e", "trace=futex,sched_yield,nanosleep,clock_nanosleep"))
        with open(out) as f:
            total = re.search(r"^\s*100[.,]00\s+\S+\s+(?:\S+\s+)?(\d+)\s.*total$", f.read(), re.M)
        return int(total.group(1)) if total else 0

    for p in programs:
        for name, cpu in (("2cpu", 1), ("1cpu", 0)):
            if parks(p) and (cpu == 1 or blocks(p)):
                few, many = (count(p, "handoff", 0, cpu, 0, 1, -n) for n in (2048, 3072))
                results.setdefault("calls " + name, {})[p] = {"calls": [(many - few) / 1024]}
        if wakes(p):
            few, many = (count(p, "wakeall", 64, n) for n in (4, 14))
            results.setdefault("calls 64", {})[p] = {"calls": [(many - few) / 10]}


def sizes(results):
    """Bytes of code and data that a static program has more, and of an object and of the stack."""
    def sections(path):
        done = subprocess.run(["size", path], capture_output=True, text=True, check=True)
        return [int(w) for w in done.stdout.splitlines()[1].split()[:3]]

    for p in programs:
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


def cell(results, name, p, metric, with_ratio=True):
    value = median(results, name, p, metric)
    if value is None:
        return ""
    if not with_ratio or (times_raw := ratio(results, name, p, metric)) is None:
        return show(value)
    return f"{show(value)} x{times_raw:.2f}"


def table(results, title, columns):
    """columns: (heading, measurement, metric, whether with ratios) ..."""
    lines = ["", "### " + title, "", "| | " + " | ".join(c[0] for c in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for p in LABELS:
        cells = [cell(results, name, p, metric, with_ratio) for _, name, metric, with_ratio in columns]
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


def head():
    cpu = re.search(r"^model name\s*: (.*)$", open("/proc/cpuinfo").read(), re.M)
    return [f"{os.uname().sysname} {os.uname().release}, {os.cpu_count()} x {cpu.group(1) if cpu else '?'}, "
            f"load {', '.join(f'{l:.1f}' for l in os.getloadavg())}; {ROUNDS} rounds. A cell is a median, and "
            f"after x the median of the ratios to the futex pair by hand in the same round."]


def tables(results):
    lines = head()
    loops = [("unpark", "unpark"), ("unpark, park", "pair"), ("wait, no need", "wait"), ("set, no waiters", "set")]
    lines += table(results, "Nobody waits: ns, and instructions",
                   [(h + ", ns", "fast", m, True) for h, m in loops] +
                   [(h + ", instructions", "instructions", m, False) for h, m in loops])
    lines += table(results, "Hand-off and back: us of a round",
                   [(h, "handoff " + n, "us", True) for h, n in (
                       ("two CPUs", "2cpu"), ("one CPU", "1cpu"), ("reply computes 2 us", "2us"),
                       ("10 us", "10us"), ("100 us", "100us"), ("1 ms", "1ms"),
                       ("reply sleeps 100 us", "asleep100us"), ("1 ms", "asleep1ms"),
                       ("2 pairs on 2 CPUs", "2pairs"), ("8 pairs", "8pairs"), ("8 pairs, 2 us", "8pairs2us"))])
    lines += table(results, "... us of CPU time of a round, both threads; system calls of a round",
                   [(h, "handoff " + n, "cpu", True) for h, n in (
                       ("two CPUs", "2cpu"), ("one CPU", "1cpu"), ("reply computes 2 us", "2us"),
                       ("10 us", "10us"), ("100 us", "100us"), ("1 ms", "1ms"),
                       ("reply sleeps 100 us", "asleep100us"), ("1 ms", "asleep1ms"),
                       ("2 pairs on 2 CPUs", "2pairs"), ("8 pairs", "8pairs"), ("8 pairs, 2 us", "8pairs2us"))] +
                   [("calls, two CPUs", "calls 2cpu", "calls", False), ("calls, one CPU", "calls 1cpu", "calls", False)])
    for title, metric in (("until the last waiter has returned", "total"),
                          ("in the waker's call", "wall"), ("of the waker's CPU time", "cpu")):
        columns = [(str(n), f"wakeall {n}", metric, True) for n in COUNTS]
        if metric == "total":
            columns.append(("calls for 64", "calls 64", "calls", False))
        lines += table(results, "Wake-all: us " + title, columns)
    lines += percentiles(results)
    lines += table(results, "Deadlines: hand-off and back on one CPU, and us of CPU time to time out at once",
                   [("without", "handoff 1cpu", "us", True), ("with a deadline", "handoff timed", "us", True),
                    ("expiry", "expire", "expire", True)])
    lines += table(results, "The demo's queue, four workers, 4 KiB a turn: ms for 32 MiB", [("", "pool", "ms", True)])
    lines += table(results, "Size: bytes that a static program has more than an empty one in C, of one parker, "
                   "and of the stack while it blocks",
                   [(h, "size", h, False) for h in ("code", "data", "bss", "object", "stack")])
    return lines


def picture(results):
    """Hand-off of two running threads on two CPUs and on one, as bars."""
    data = os.path.join(directory, "handoff.dat")
    with open(data, "w") as f:
        for p in LABELS:
            values = [median(results, "handoff " + n, p, "us") for n in ("2cpu", "1cpu")]
            if any(values):
                f.write(f'"{p}" ' + " ".join("NaN" if v is None else str(v) for v in values) + "\n")
    script = f"""
        set terminal svg size 900,420
        set output '{os.path.join(directory, "handoff.svg")}'
        set title 'hand-off and back, us of a round'
        set style data histograms
        set style fill solid 0.7
        set logscale y
        set yrange [0.05:*]
        set xtics rotate by -35
        set grid ytics
        plot '{data}' using 2:xtic(1) title 'two CPUs', '' using 3 title 'one CPU'
    """
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


results = {}
sizes(results)
instructions(results)
calls(results)
results |= measure()
with open(os.path.join(directory, "results.json"), "w") as f:
    json.dump(results, f)
lines = tables(results)
with open(os.path.join(directory, "table.md"), "w") as f:
    f.write("\n".join(lines) + "\n")
picture(results)
print("\n".join(lines))
