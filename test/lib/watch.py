# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: watch.py [--used FILE] CPU_SECONDS PROGRAM...: the program's exit status; 124 for a hang. FILE gets
the seconds of CPU time that it has used, where it has ended by itself.

A hang is: every thread of the program and of its children sleeps, and has for three seconds, or they
have used that much CPU time. So a machine under load is not taken for one.
"""
import os
import pathlib
import resource
import signal
import subprocess
import sys


def tasks(group):
    """State and CPU ticks of each thread of the process group."""
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) != group:
                continue
            for stat in process.glob("task/*/stat"):
                fields = stat.read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    found[stat.parts[4]] = (fields[0], int(fields[11]) + int(fields[12]))
        except OSError:
            pass
    return found


def watch(limit, command):
    """None for a hang, else the exit status as a shell gives it."""
    child = subprocess.Popen(command, process_group=0)  # in our session: what ends that ends it
    asleep, last, used = 0, None, {}
    while child.poll() is None:
        try:
            child.wait(0.25)
            break
        except subprocess.TimeoutExpired:
            now = tasks(child.pid)
        used.update((task, ticks) for task, (_, ticks) in now.items())
        same = now and now == last and all(state == "S" for state, _ in now.values())
        asleep, last = (asleep + 1 if same else 0), now
        if asleep == 12 or sum(used.values()) / os.sysconf("SC_CLK_TCK") > limit:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                print("hangs: " + ("all threads sleep" if asleep == 12 else "busy without an end"))
                return None
    try:
        os.killpg(child.pid, signal.SIGKILL)  # children that a failed check has left
    except ProcessLookupError:
        pass
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def main():
    arguments = sys.argv[1:]
    record = None
    if arguments[0] == "--used":
        record = arguments[1]
        arguments = arguments[2:]
    status = watch(float(arguments[0]), arguments[1:])
    if status is None:
        sys.exit(124)
    if record:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        with open(record, "w", encoding="utf-8") as file:
            print(f"{used.ru_utime + used.ru_stime:.2f}", file=file)
    sys.exit(status)


if __name__ == "__main__":
    main()
