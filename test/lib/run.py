#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: run.py [--table FILE] [--log DIRECTORY] [--lanes N] [quick|normal|deep] [WORD...]

Run the steps of a table (test/lib/steps) that belong to this strength, or to the normal one, or those of them whose
name contains a WORD, and what they come after. Two at a time, and one that mostly waits, or any other when these are
over; longest first. One whose CPU time is more than twice what the table announces runs again, alone, and fails if it
is so again.
A line says when a step starts and one when it ends, with its count and its seconds by the clock and of CPU;
the end of what a failed step said follows at once. Who failed is said again at the end, with the lines of its checks
that did, and the last line is the sum of the counts.

One run at a time has a log directory, and with it what the steps build beside it: a second one ends at once.

Each step runs in a session of its own, below a keeper to which everything falls that it has started: the keeper
ends all of it when the step has ended, is out of time or is interrupted, so nothing outlives a run.
"""
import argparse
import ctypes
import fcntl
import os
import re
import signal
import statistics
import sys
import time
from collections import namedtuple
from pathlib import Path

FEW, NOISE = 5, 5  # steps; seconds of CPU
WAITS = "waits"  # a word "not beside"
STRENGTHS = ["quick", "normal", "deep"]
Step = namedtuple("Step", "name cpu limit after beside command")
FAILURE = re.compile(r"^(?!ok ).*\bFAIL(?:ED)?\b.*$", re.M)  # a check that failed, as the scripts and Meson say it
COUNT = re.compile(r"[^:\n]*: *(\d+) [pc][a-z]*, (\d+) [fs][a-z]*(?:, (\d+) skipped)?")
WAKES = {signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36  # of prctl
prctl = ctypes.CDLL(None, use_errno=True).prctl


def read_table(path, strength):
    """The steps of that strength; `cpu` is what the table announces, in seconds."""
    steps = {}
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if line.strip() and line[0] != "#":
            fields = [field.strip() for field in line.split("|", 5)]
            cpu = fields[1].split()
            if len(fields) != 6 or len(cpu) != 3 or fields[0] in steps:
                sys.exit(f"{path}:{number}: not a step, or the second of that name: {line}")
            split = [[word.strip() for word in field.split(";") if word.strip() != "-"] for field in fields[3:5]]
            for other in set(split[0]) - set(steps):
                sys.exit(f"{path}:{number}: comes after {other}, which is not a step above it")
            steps[fields[0]] = Step(fields[0], cpu[STRENGTHS.index(strength)], int(fields[2]), *split, fields[5])
    steps = {name: step._replace(cpu=float(step.cpu)) for name, step in steps.items() if step.cpu != "-"}
    for step in steps.values():
        for other in step.after:
            if other not in steps:
                sys.exit(f"{path}: {step.name} comes after {other}, which is not a step of {strength}")
    return steps


def select(steps, words):
    """The steps that a word names, and those that they come after."""
    wanted, ahead = set(), [name for name in steps if not words or any(word in name for word in words)]
    while ahead:
        name = ahead.pop()
        wanted.add(name)
        ahead += [other for other in steps[name].after if other not in wanted]
    return {name: steps[name] for name in steps if name in wanted}


def weight(steps, name):
    """What must still be run from here on: the step, and the longest chain of those that come after it."""
    return steps[name].cpu + max([weight(steps, s.name) for s in steps.values() if name in s.after], default=0)


def descendants(pid):
    children = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                parent = Path(entry.path, "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            except (OSError, IndexError):
                continue  # it has just ended
            children.setdefault(int(parent), []).append(int(entry.name))
    found, ahead = [], [pid]
    while ahead:
        below = children.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def end_all():
    """End all that this process has started, whatever sessions it is in: TERM, and half a second later KILL."""
    start, told = time.monotonic(), set()
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        late = time.monotonic() - start > 0.5
        for pid in descendants(os.getpid()):
            if late or pid not in told:
                told.add(pid)
                try:
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                except ProcessLookupError:
                    pass
        time.sleep(0.02)


def keep(step, log):
    """In a process of its own: run the step, and end whatever it leaves. Its status is the step's, or 124."""
    prctl(SET_PDEATHSIG, signal.SIGTERM)
    prctl(SET_CHILD_SUBREAPER, 1)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1, 2)
    main = os.fork()
    if main == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WAKES)
        os.execvp("sh", ["sh", "-c", step.command])
    status, end = None, time.monotonic() + step.limit
    while status is None:
        woken = signal.sigtimedwait(WAKES, max(0, end - time.monotonic()))
        if woken is None:
            os.write(1, f"out of time: {step.limit} s\n".encode())
            status = 124
        elif woken.si_signo != signal.SIGCHLD:
            status = 143
        while status is None:
            pid, how = os.waitpid(-1, os.WNOHANG)  # also those whose parent has ended
            if pid == main:
                status = os.waitstatus_to_exitcode(how) % 256
            elif pid == 0:
                break
    end_all()
    os._exit(status)


def verdict(status, text):
    """Passed, failed and skipped of a step, and what is to be said of it."""
    lines = text.rstrip().splitlines() or [""]
    count = COUNT.fullmatch(lines[-1])
    passed, failed, skipped = [int(n or 0) for n in count.groups()] if count else (0, 0, 0)
    if status == 77 and not count:
        return 0, 0, 1, f"skipped: {lines[-1]}"
    if status == 0 and count and passed > 0 and failed == 0:
        return passed, 0, skipped, "ok"
    if not count:
        return 0, 1, 0, f"FAILED: exit status {status}, and no count in its last line"
    if status == 0:
        return passed, max(failed, 1), skipped, "FAILED: exit status 0, and yet not all passed"
    return passed, max(failed, 1), skipped, f"FAILED: exit status {status}"


def judge(used, announced):
    """The steps whose CPU time is more than twice what the table announces, by the measure of this machine and this
    run: the median of all ratios. Of too few steps there is none; a few seconds more are noise."""
    ratios = {name: used[name] / announced[name] for name in used}
    if len(ratios) < FEW:
        return None, []
    median = statistics.median(ratios.values())
    return median, [name for name in ratios
                    if ratios[name] > 2 * median and used[name] - median * announced[name] > NOISE]


class Run:
    def __init__(self, steps, log, lanes):
        self.steps, self.log, self.lanes = steps, log, lanes
        self.ahead = sorted(steps, key=lambda name: -weight(steps, name))
        self.waits = {name for name in steps if WAITS in steps[name].beside}
        self.running, self.used, self.done = {}, {}, set()  # by keeper: step, start
        self.failed = {}  # the lines that say what
        self.counts, self.start = {}, time.monotonic()  # by name

    def say(self, word, name, text=""):
        clock = int(time.monotonic() - self.start)
        print(f"{clock // 60:3}:{clock % 60:02} {word:5} {name:46} {text}".rstrip(), flush=True)

    def path(self, name):
        return self.log / re.sub("[^A-Za-z0-9]", "-", name)

    def may_start(self, name):
        """One that mostly waits has a lane of its own; as of any word "not beside", there is one of those at a time.
        When the last of them has ended, that lane is for all."""
        step, running = self.steps[name], [other for other, _ in self.running.values()]
        held = {what for other in running for what in other.beside}
        lanes = self.lanes + (bool(self.waits) and self.done.issuperset(self.waits))
        lane = WAITS in step.beside or sum(WAITS not in other.beside for other in running) < lanes
        return lane and self.done.issuperset(step.after) and held.isdisjoint(step.beside)

    def begin(self):
        """Fill the lanes."""
        for name in list(self.ahead):
            if self.may_start(name):
                self.ahead.remove(name)
                self.say("start", name)
                pid = os.fork()
                if pid == 0:
                    try:
                        keep(self.steps[name], self.path(name))
                    finally:
                        os._exit(1)
                self.running[pid] = (self.steps[name], time.monotonic())
        if not self.running:
            sys.exit(f"nothing can start: {self.ahead}")

    def end(self, pid, how, usage):
        step, start = self.running.pop(pid)
        self.done.add(step.name)
        cpu = usage.ru_utime + usage.ru_stime
        text = self.path(step.name).read_text(errors="replace")
        *counts, what = verdict(os.waitstatus_to_exitcode(how), text)
        if step.name not in self.used or counts[1]:
            self.counts[step.name] = counts
        self.used[step.name] = min(cpu, self.used.get(step.name, cpu))
        number = ", ".join(f"{n} {word}" for n, word in zip(counts, ("passed", "failed", "skipped")) if n)
        what = what if "skipped" in what else f"{what}: {number}" if what == "ok" else f"{what}; {number}"
        self.say("end", step.name, f"{what} ({time.monotonic() - start:.0f} s, {cpu:.0f} CPU s)")
        if counts[1]:
            self.failed[step.name] = FAILURE.findall(text)[:5]
            print("\n".join("    | " + line for line in text.splitlines()[-25:]), flush=True)

    def all(self):
        """False where it was interrupted."""
        while self.ahead or self.running:
            self.begin()
            woken = signal.sigwaitinfo(WAKES)
            if woken.si_signo != signal.SIGCHLD:
                return False
            while self.running:
                pid, how, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid in self.running:
                    self.end(pid, how, usage)
        return True


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--table", default="test/lib/steps")
    options.add_argument("--log", type=Path, default=Path("build/log"))
    options.add_argument("--lanes", type=int, default=min(2, len(os.sched_getaffinity(0))))
    options.add_argument("words", nargs="*")
    given = options.parse_args()
    strength, words = "normal", given.words
    if words and words[0] in STRENGTHS:
        strength, *words = words
    steps = select(read_table(given.table, strength), words)
    if not steps:
        sys.exit(f"no step of {strength} has a name with: {' '.join(words)}")
    given.log.mkdir(parents=True, exist_ok=True)
    alone = os.open(given.log, os.O_RDONLY)  # kept open, by the keepers too, and by no step
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another run has not ended: {given.log.resolve()} is its log")
    for old in given.log.iterdir():
        old.unlink()
    os.environ["STRENGTH"] = strength
    os.environ["PATH"] = "/usr/bin:" + os.environ["PATH"]  # Debian's Python, not a version manager's slow one
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKES)
    prctl(SET_CHILD_SUBREAPER, 1)
    run = Run(steps, given.log, given.lanes)
    announced = {name: step.cpu for name, step in steps.items()}
    try:
        finished = run.all()
        for name in judge(run.used, announced)[1]:  # once more, alone: what ran beside it can double a time
            run.ahead = [name]
            finished = finished and run.all()
    finally:
        end_all()
    if not finished:
        print("interrupted: all steps are ended", flush=True)
        os._exit(130)
    median, more = judge(run.used, announced)
    for name in more:
        run.say("", name, f"FAILED: {run.used[name]:.0f} CPU s, "
                f"and {announced[name]:.0f} are announced in {given.table}")
    for name, lines in run.failed.items():
        run.say("", name, "FAILED" + "".join("\n    | " + line.strip() for line in lines))
    cpu = f"{sum(run.used.values()):.0f} CPU s of {sum(announced.values()):.0f} announced"
    run.say("", f"{len(run.used)} steps, {cpu}" + (f", median ratio {median:.2f}" if median else ""))
    (given.log / "cpu-seconds").write_text("".join(
        f"{run.used[name]:.1f} {announced[name]:.0f} {name}\n"
        for name in sorted(run.used, key=lambda n: -run.used[n])))
    passed, failed, skipped = [sum(count) for count in zip(*run.counts.values())]
    failed += len(more)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed != 0 or passed == 0)


if __name__ == "__main__":
    main()
