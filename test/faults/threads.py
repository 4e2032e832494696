#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Usage: threads.py [write], from the root, after faults.sh, gvisor.sh, windows.sh and wasm.sh

The table of README.md beside this file: what befalls threads, on which system, with which object. A cell is there
because a test ran, said that it had been through that object, and passed: the scripts leave a note of each in
build/threads/SYSTEM. What is not there has a reason below. Fails where a cell has neither, or both, or the page has
another table; `write` puts this one in. A system of which there are no notes was not run here: its column is as in
the page.
"""
import sys
from pathlib import Path

NOTES, PAGE, BEGIN = Path("build/threads"), Path("test/faults/README.md"), "<!-- made by threads.py -->\n"
SYSTEMS = {  # by their notes: heads of two lines
    "linux": ("linux", "glibc"),
    "linux-musl": ("linux", "musl"),
    "gvisor-linux": ("linux", "gVisor"),
    "posix": ("posix", "sem_t"),
    "posix-cond": ("posix", "mutex"),
    "posix-musl": ("posix", "musl"),
    "gvisor-posix": ("posix", "gVisor"),
    "windows": ("windows", "Wine"),
    "windows_keyed": ("..._keyed", "Wine"),
    "wasm": ("wasm", "Node"),
}
WINDOWS, GVISOR = ["windows", "windows_keyed"], ["gvisor-linux", "gvisor-posix"]
OBJECTS = {"parker": "P", "waiters": "W", "futex": "F"}

# What befalls them; the tests of it; why not, by system.
EVENTS = [
    ("a signal handler runs in a wait", ["test_a_handler_interrupts_a_wait", "test_interrupts_end_no_wait"],
     [(["wasm"], "no handlers")]),
    ("its deadline comes, and not early", ["test_no_timeout_is_early", "test_a_timeout_is_not_early",
                                           "no timeout is early"], []),
    ("a signal handler wakes", ["test_a_handler_may_wake"],
     [(["posix-cond"], "the post takes a mutex: wakes are for threads only (valet.h)"),
      (WINDOWS, "no handlers: an APC does not come to a wait of the library"),
      (["wasm"], "no handlers")]),
    ("cancelled, deferred and asynchronously", ["test_no_wait_is_a_cancellation_point"],
     [(WINDOWS + ["wasm"], "no cancellation")]),
    ("a fork while others wait", ["test_a_parked_program_may_fork", "test_a_child_waits_by_itself",
                                  "test_a_child_calls_at_once", "test_a_child_handler_starts_threads",
                                  "test_a_handler_forks"],
     [(WINDOWS + ["wasm"], "no fork")]),
    ("the process is stopped, SIGSTOP", ["test_stopped_threads_stay_parked",
                                         "test_a_deadline_that_comes_while_stopped"],
     [(WINDOWS + ["wasm"], "no such signal")]),
    ("the process is frozen, cgroup", ["test_a_deadline_that_comes_while_frozen",
                                       "test_a_wake_up_while_the_sleeper_is_frozen"],
     [(GVISOR + WINDOWS + ["wasm"], "no freezer")]),
    ("a stopped thread is woken", ["test_a_stopped_thread_holds_up_no_waker", "test_a_suspended_thread_is_woken"],
     [(["posix-cond"], "it may hold the mutex that the post takes: the wake waits (valet.h)"),
      (["wasm"], "nothing stops a worker for a while")]),
    ("real-time priorities, deadlines", ["test_a_waker_of_higher_priority_goes_on"],
     [(GVISOR, "SCHED_FIFO is refused"),
      (WINDOWS, "Wine 8 runs all threads at one priority"),
      (["wasm"], "no priorities")]),
    ("the word's page is protected", ["test_a_page_that_is_protected_for_a_moment"],
     [(["windows"], "ntdll reads the word too, in a lock of its own: a fault (sys/README.md)"),
      (["windows_keyed"], "only the library reads the word, as on posix"),
      (["wasm"], "no protection")]),
    ("the kernel or the libc refuses", ["test_a_kernel_that_refuses_is_an_error_at_once", "test_a_refusal_now_and_then",
                                        "test_a_refused_wait_is_an_error", "test_a_refused_handle_is_an_error",
                                        "where no thread may block"], []),
    ("the first thread ends, and wakers", ["test_the_first_thread_ends"],
     [(["wasm"], "the first thread of a page or of Node may not end before the others")]),
    ("the process ends, and wakes", ["test_a_process_ends_while_threads_wait", "a DLL's detach"],
     [(["wasm"], "no code runs at the end")]),
    ("a stranger waits on the word", ["test_a_stranger_by_wait_bitset", "test_a_stranger_by_waitv",
                                      "test_a_stranger_that_was_moved", "test_a_stranger_by_io_uring",
                                      "test_a_stranger_by_wait_on_address",
                                      "a stranger queued before the parked thread"],
     [(["posix", "posix-cond", "posix-musl", "gvisor-posix", "windows_keyed"],
       "sema kind: nobody waits on the word, but on a semaphore in his own frame")]),
]


def read_notes(system):
    """By test: the objects that it has been through, or why it was skipped."""
    notes = {}
    for line in (NOTES / system).read_text().splitlines():
        test, _, what = line.partition(": ")
        if what.startswith("skipped"):
            notes.setdefault(test, what)
        else:
            notes[test] = f"{notes.get(test, '')} {what}".strip()
    return notes


def judge(notes, page):
    """The page as it should be, and what has passed, failed and was skipped."""
    old = {}
    for line in page.split(BEGIN)[1].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == len(SYSTEMS) + 1:
            old[cells[0]] = dict(zip(SYSTEMS, cells[1:]))
    failed, passed, skipped, reasons, rows = [], 0, [], [], []
    for event, tests, why_not in EVENTS:
        row = {}
        for system in SYSTEMS:
            why = [text for systems, text in why_not if system in systems]
            if why and why[0] not in reasons:
                reasons.append(why[0])
            reason = chr(ord("a") + reasons.index(why[0])) if why else ""
            if system not in notes:
                row[system] = old.get(event, {}).get(system, "")
                continue
            of_test = {test: notes[system][test] for test in tests if test in notes[system]}
            ran = {test: what for test, what in of_test.items() if not what.startswith("skipped")}
            there = [letter for name, letter in OBJECTS.items() if any(name in what.split() for what in ran.values())]
            row[system] = " ".join(there) or reason
            if there and reason:
                failed.append(f"{event}, {system}: a test passed, and there is a reason why not: {why[0]}")
            elif len(there) == len(OBJECTS) or reason:
                passed += 1
            elif of_test and not ran:
                row[system] = old.get(event, {}).get(system, "")
                skipped.append(f"{event}, {system}: {'; '.join(sorted(set(of_test.values())))}")
            else:
                failed.append(f"{event}, {system}: {row[system] or 'nothing'}, and no reason for the rest")
        rows.append(f"| {event} | " + " | ".join(row.values()) + " |")
    for system in SYSTEMS:
        if system not in notes:
            skipped.append(f"{system}: no notes in {NOTES}: it was not run here")
    if len(notes) == len(SYSTEMS):
        failed += [f"{test}: no system ran it" for _, tests, _ in EVENTS for test in tests
                   if not any(test in of for of in notes.values())]
    lines = ["| | " + " | ".join(head for head, _ in SYSTEMS.values()) + " |", "|---|" + "---|" * len(SYSTEMS),
             "| | " + " | ".join(head for _, head in SYSTEMS.values()) + " |"] + rows
    lines += [""] + [f"- {chr(ord('a') + i)}: {reason}" for i, reason in enumerate(reasons)]
    lines += ["", "| | tests |", "|---|---|"]
    lines += [f"| {event} | " + ", ".join(f"`{test}`" for test in tests) + " |" for event, tests, _ in EVENTS]
    text = page.split(BEGIN)[0] + BEGIN + "\n" + "\n".join(lines) + "\n"
    if text != page:
        failed.append(f"{PAGE} has another table: python3 test/faults/threads.py write")
    return text, passed, failed, skipped


def main():
    notes = {system: read_notes(system) for system in SYSTEMS if (NOTES / system).exists()}
    page = PAGE.read_text()
    if sys.argv[1:] == ["write"]:
        page = judge(notes, page)[0]
        PAGE.write_text(page)
    text, passed, failed, skipped = judge(notes, page)
    print(text.split(BEGIN)[1])
    # Planted: what must be told, in what is right.
    if not failed and "posix" in notes:
        event, tests, _ = EVENTS[0]
        less = {test: what for test, what in notes["posix"].items() if test not in tests}
        for what, say, *planted in (
                ("a test less", "posix: nothing, and no reason", {**notes, "posix": less}, page),
                ("an object less", "posix: P W, and no reason",
                 {**notes, "posix": {**less, tests[0]: "parker waiters"}}, page),
                ("a reason too many", "and there is a reason why not",
                 {**notes, "posix": {**notes["posix"], "test_a_stranger_by_waitv": "futex"}}, page),
                ("another page", "has another table", notes, page.replace(f"| {event} | P W F", f"| {event} | P"))):
            if any(say in line for line in judge(*planted)[2]):
                passed += 1
                print(f"ok      planted: {what}: {say}")
            else:
                failed.append(f"planted: {what}: not seen")
    for kind, lines in ("skipped", skipped), ("FAILED ", failed):
        for line in lines:
            print(f"{kind} {line}")
    print(f"threads: {passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return bool(failed)


sys.exit(main())
