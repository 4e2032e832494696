# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: run.py DIRECTORY: run the programs of DIRECTORY/jobs, and print what came of them.

A line of jobs: peer | program | row | library path | seconds | directory | command, as a shell has it. Four run at a
time, none beside itself, and after them, one by one, those that have "alone" before their seconds; one that takes
longer hangs. Rows: `stock` is the peer as it is; `linux` and `posix` are on that row of valet, and where stock passes
they have to, with as many of their own checks; `own`, another that is the peer's, is for comparison; any other is a
planted fault, which has to be noticed. One that ends otherwise than stock, but by itself, may have measured time on a
busy machine: it is run again alone, three times, and stock as often, and is not counted where that shows no
difference, or a stock that fails as well. A line of the answer that begins with ok or FAILED is one check.
"""
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

COLUMNS = ["stock", "own", "linux", "posix"]
CHECK = re.compile(r"^ok \d+|^test .* \.\.\. ok$|\bpassed +[\d.]+[mun]?s$", re.M)
SPEED = [  # what a program says of its own speed: name, number, unit
    re.compile(r"^benchmark_(\w+) .* ([\d.]+)([num]?s)$", re.M),
    re.compile(r"(ns/read): +()([\d.]+)"),
    re.compile(r"(ns/update): +()([\d.]+)"),
]
NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


@dataclasses.dataclass
class Result:
    status: str  # its exit status, or hangs
    checks: int
    seconds: float
    switches: int  # voluntary ones
    said: str

    def outcome(self):
        return self.status, self.checks


def run(job, directory, number):
    """The Result of a line of jobs."""
    _, _, _, path, limit, where, command = job
    limit = float(str(limit).removeprefix("alone "))
    output = pathlib.Path(directory, f"said-{number}")
    environment = os.environ | {"LD_LIBRARY_PATH": path}
    start = time.monotonic()
    with open(output, "wb") as file:
        child = subprocess.Popen(shlex.split(command), cwd=where, env=environment, stdin=subprocess.DEVNULL,
                                 stdout=file, stderr=subprocess.STDOUT, process_group=0)
        late = threading.Event()

        def end():
            late.set()
            os.killpg(child.pid, signal.SIGKILL)
        timer = threading.Timer(limit, end)
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
    try:
        os.killpg(child.pid, signal.SIGKILL)  # what it may have left
    except ProcessLookupError:
        pass
    said = output.read_text(encoding="utf-8", errors="replace")
    return Result("hangs" if late.is_set() else str(child.returncode), len(CHECK.findall(said)),
                  time.monotonic() - start, usage.ru_nvcsw, said)


def doubt(rows, again):
    """Why a program that differs from stock is not counted, or None. A hang and a signal are not chance."""
    different = [row for row in ("linux", "posix") if row in rows and rows[row].outcome() != rows["stock"].outcome()]
    if not different or not all(rows[row].status.isdigit() for row in different):
        return None
    for _ in range(3):
        stock = again("stock")
        if stock.status != "0":
            return "as it is, it fails at times"
        if any(again(row).outcome() != stock.outcome() for row in different):
            return None
    return "it ended otherwise once, and three times alone it does not"


def table(results, again):
    """A line a program: how it ended, how many checks of its own passed, how many seconds that took."""
    peer_before = None
    for (peer, program), rows in results.items():
        if peer != peer_before:
            columns = [row for row in COLUMNS if any(row in r for (p, _), r in results.items() if p == peer)]
            print(f"        {peer:<38}" + "".join(f"{row:>20}" for row in columns))
            peer_before = peer
        stock = rows["stock"]
        passes = stock.status == "0"
        reason = doubt(rows, lambda row, key=(peer, program): again(*key, row))
        equal = all(rows[row].outcome() == stock.outcome() for row in rows if row in ("linux", "posix"))
        line = f"{program:<38}"
        for row in columns:
            if row in rows:
                r = rows[row]
                line += f"{r.status + (f', {r.checks} passed' if r.checks else ''):>13}{r.seconds:6.1f}s"
            else:
                line += " " * 20
        if not passes:
            print(f"        {line}: as it is, it does not pass here, and says nothing")
        elif reason:
            print(f"        {line}: not counted: {reason}")
        elif equal:
            print(f"ok      {line}")
        else:
            print(f"FAILED  {line}")
            for row, r in rows.items():
                if r.outcome() != stock.outcome():
                    print("".join(f"            {row}: {words}\n" for words in r.said.splitlines()[-12:]), end="")
    for peer in {peer for peer, _ in results}:
        if not any(rows["stock"].status == "0" for (p, _), rows in results.items() if p == peer):
            print(f"FAILED  {peer}: no program of it passes as it is")


def speeds(results):
    """What the programs say of their own speed, ns, and as a ratio to the peer as it is."""
    for (peer, program), rows in results.items():
        said = {}
        for row, r in rows.items():
            for pattern in SPEED:
                for name, number, unit in pattern.findall(r.said):
                    said.setdefault(name, {})[row] = float(number) * NS[unit] if number else float(unit)
        for name, by in said.items():
            if "stock" in by:
                print(f"        {peer}, {program}, {name}, ns: " + ", ".join(
                    f"{row} {by[row]:.4g}" + (f" ({by[row] / by['stock']:.2f})" if row != "stock" else "")
                    for row in COLUMNS if row in by))


def main():
    directory = sys.argv[1]
    with open(f"{directory}/jobs", encoding="utf-8") as file:
        jobs = [[word.strip() for word in line.split("|", 6)] for line in file]
    results = {}

    def runs(number):
        """What a fault makes hang, or spin, would have ended by twice, and five seconds, of what it takes without."""
        peer, program, row, path, limit, *rest = jobs[number]
        if row in COLUMNS:
            return run(jobs[number], directory, number)
        limit = 5 + 2 * max(r.seconds for r in results[peer, program].values())
        for _ in range(3):  # a fault may need that a thread is asleep, which is chance
            result = run([peer, program, row, path, limit, *rest], directory, number)
            if result.status != "0":
                break
        return result

    def again(peer, program, row):
        number = next(n for n, job in enumerate(jobs) if (job[0], job[1], job[2]) == (peer, program, row))
        return run(jobs[number], directory, number)

    def all_of(rows, alone, runner):
        """Run these, where the peer as it is passes."""
        numbers = [n for n, (peer, program, row, _, limit, *_) in enumerate(jobs)
                   if row in rows and limit.startswith("alone") == alone and
                   (row in ("stock", "own") or results[peer, program]["stock"].status == "0")]
        for number, result in zip(numbers, runner(runs, numbers)):
            peer, program, row, *_ = jobs[number]
            results[peer, program][row] = result
    for peer, program, *_ in jobs:
        results[peer, program] = {}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for alone, runner in (False, pool.map), (True, map):
            for rows in ("stock", "own"), ("linux",), ("posix",):
                all_of(rows, alone, runner)
        planted = [number for number, job in enumerate(jobs) if job[2] not in COLUMNS]
        planted = [(*jobs[number][:3], result) for number, result in zip(planted, pool.map(runs, planted))]
    table(results, again)
    print("their own speed, where they print it:")
    speeds(results)
    for peer, program, row, r in planted:
        if r.status == "0" or "shared librar" in r.said:
            print(f"FAILED  planted, and not noticed: {row}: {peer}, {program}: {r.said[-200:]}")
        else:
            words = next((line for line in r.said.splitlines() if re.search("fail|panic|abort", line)), "")
            print(f"ok      planted: {row}: {peer}, {program}: {r.status} {words.strip()[:80]}")
    for (peer, program), rows in results.items():
        if program == "mu_wait_test" and "own" in rows:
            for _ in range(3):  # again where it differs: it may be chance
                own, ours = rows["own"].switches, rows["posix"].switches
                if ours <= own * 1.1:
                    break
                rows |= {row: again(peer, program, row) for row in ("own", "posix")}
            verdict = "ok      " if ours <= own * 1.1 else "FAILED  "
            print(f"{verdict}{peer}, {program}: voluntary switches on posix {ours}, by its own mutex and condition "
                  f"variable {own} (at most 1.1 of that)")


if __name__ == "__main__":
    main()
