# SPDX-License-Identifier: GPL-2.0
"""Tests: how one is written, found, run, and reported in TAP.

A test is a function in a module of likex/suites:

    @test("machine.boot-1")
    def boot_1(t):
        "One line that says what this shows."
        t.check(1 + 1 == 2, "arithmetic works")

It passes by returning, fails by raising Failure (or anything else), and is
skipped, with a reason, by raising Skip.

The tests of one module are run in order, beside those of others: what two
modules use (the tree, a kernel, programs) is made under a lock, and each test
has folders of its own. @test(..., lane="name") puts a test in another lane
than its module's: one that shares nothing with the others there. ALONE is for
what may not meet any other test.
"""

import contextlib
import fnmatch
import importlib
import os
import pathlib
import pkgutil
import queue
import re
import subprocess
import sys
import threading
import time
import traceback

from . import machine, packages
from .base import BUILD, Fail, RESULTS, TOP, end, ending, environment, lock, say, start, write


class Failure(Exception):
    """The test fails; the message says why."""


class Skip(Exception):
    """The test cannot run here; the message says why."""


REGISTRY = {}
ALONE = "alone"
# The longest lanes begin first, so that the run does not end with one long test alone.
FIRST = (ALONE, "debug", "series", "guest", "docs", "both", "machine", "lib-fuzz")


def test(name, exhaustive=False, lane=None):
    """Register a function as the test of this name; exhaustive ones run only on request."""
    def register(function):
        assert name not in REGISTRY, f"two tests are called {name}"
        function.exhaustive, function.lane = exhaustive, lane or function.__module__.rsplit(".", 1)[1]
        REGISTRY[name] = function
        return function
    return register


class Context:
    """The argument of a test: where things are, how long it may take, and a place for its notes."""

    top, build = TOP, BUILD

    def __init__(self, name, exhaustive):
        self.name, self.exhaustive, self.notes = name, exhaustive, []
        self.results = RESULTS / name

    def note(self, text):
        """Add a diagnostic line to the test's result."""
        self.notes.extend(str(text).splitlines())

    def check(self, truth, what):
        """Fail the test, saying what, unless the truth holds."""
        if not truth:
            raise Failure(what)

    def packages(self, *names):
        """Install packages, or skip the test where that may not be."""
        try:
            packages.need(*names)
        except Fail as error:
            raise Skip(str(error).splitlines()[-1].strip()) from error

    def boot_once(self, *what, **how):
        """Boot a machine, as machine.boot() does; or take what came of the very same boot before (not if --exhaustive)."""
        outcome = (machine.boot if self.exhaustive else machine.boot_once)(*what, **how)
        if outcome.recalled:
            self.note("the same boot has been done before: this is what came of it")
        return outcome

    def run(self, command, timeout=600, cwd=None, env=None, status=0):
        """Run a command here; return it completed (.stdout has both streams), or fail the test.

        status: the exit status it must have, None for any.
        """
        self.results.mkdir(parents=True, exist_ok=True)
        words = [str(word) for word in command]
        child = start(words, cwd=cwd or TOP, env=environment(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                      text=True, errors="replace")
        try:
            said, _ = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            end(child)
            said, _ = child.communicate()
            raise Failure(f"{' '.join(words[:8])}: not done after {timeout} s\n{_tail(said)}") from error
        with open(self.results / "output.txt", "a") as log:
            log.write(f"$ {' '.join(words)}\n{said}")
        if status is not None and child.returncode != status:
            raise Failure(f"{' '.join(words[:8])}: exit status {child.returncode}\n{_tail(said)}")
        return subprocess.CompletedProcess(words, child.returncode, said, "")


def _tail(text, count=25):
    return "\n".join(text.rstrip().splitlines()[-count:])


def load():
    """Import every suite; return the tests' names in the order in which they are run."""
    from . import suites
    modules = sorted(info.name for info in pkgutil.iter_modules(suites.__path__))
    # The machine first: nearly all else stands on it.
    for name in sorted(modules, key=lambda name: (name not in ("machine", "series"), name)):
        importlib.import_module(f"{suites.__name__}.{name}")
    return list(REGISTRY)


def select(names, only):
    """Return the names that match one of the patterns (all, if there are none)."""
    if not only:
        return names
    for glob in only:
        if not fnmatch.filter(names, glob):
            raise Fail(f"no test is called {glob}; scripts/test --list names them")
    return [name for name in names if any(fnmatch.fnmatch(name, glob) for glob in only)]


def _one(name, exhaustive):
    """Run one test; return (verdict, reason, notes, seconds)."""
    function, context, began = REGISTRY[name], Context(name, exhaustive), time.monotonic()
    verdict, reason = "passed", ""
    (context.results / "output.txt").unlink(missing_ok=True)
    try:
        if function.exhaustive and not exhaustive:
            raise Skip("only with --exhaustive")
        function(context)
    except (Skip, packages.Missing) as skip:
        verdict, reason = "skipped", str(skip)
    except (Failure, Fail) as failure:
        verdict, reason = "failed", str(failure)
    except Exception:                                   # a broken test is a failed test
        verdict, reason = "failed", traceback.format_exc()
    return verdict, reason, context.notes, time.monotonic() - began


def processor(cpuinfo):
    """Return vendor, family, model and stepping of a machine, from its /proc/cpuinfo: tests differ by them."""
    first = dict(re.findall(r"^(\S[^\t:]*?)\s*:[ \t]*(.*)$", cpuinfo.split("\n\n", maxsplit=1)[0], re.MULTILINE))
    keys = {"family": "cpu family", "model": "model", "stepping": "stepping"}
    return ", ".join([first.get("vendor_id", "unknown"), *(f"{word} {first.get(key, '?')}" for word, key in keys.items())])


def times(rows):
    """Return a table of what tests cost, the dearest first; rows: (name, verdict, seconds)."""
    total = sum(seconds for *_, seconds in rows)
    lines = [f"{'seconds':>8} {'share':>6}  {'verdict':<8} {'lane':<10} test"]
    for name, verdict, seconds in sorted(rows, key=lambda row: -row[2]):
        lines.append(f"{seconds:8.1f} {seconds / total if total else 0:6.1%}  {verdict:<8} {REGISTRY[name].lane:<10} {name}")
    return "\n".join([*lines, f"{total:8.1f} {1:6.1%}  in all"]) + "\n"


class _Report:
    """The results as TAP, in the order in which they come: printed, and stored in build/results/tests.tap.

    build/results/times.txt has what each test cost.
    """

    def __init__(self, count, stream):
        self.stream, self.lock, self.lines, self.times = stream, threading.Lock(), [], []
        self.count, self.counts = count, {"passed": 0, "failed": 0, "skipped": 0}
        self._put("TAP version 13", f"1..{count}",
                  f"# processor: {processor(pathlib.Path('/proc/cpuinfo').read_text())}")

    def _put(self, *lines):
        self.lines += lines
        # Replaced, not appended to: a test of the documents runs this script, too.
        write(RESULTS / "tests.tap", "".join(f"{line}\n" for line in self.lines))
        for line in lines:
            print(line, file=self.stream, flush=True)

    def take(self, name, verdict, reason, notes, seconds):
        """Report one test."""
        with self.lock:
            self.counts[verdict] += 1
            self.times.append((name, verdict, seconds))
            write(RESULTS / "times.txt", times(self.times))
            state = "not ok" if verdict == "failed" else "ok"
            skip = f" # SKIP {' '.join(reason.split())}" if verdict == "skipped" else ""
            more = notes + (reason.splitlines() if verdict == "failed" else [])
            self._put(f"{state} {sum(self.counts.values())} - {name}{skip}", *[f"# {line}" for line in more],
                      f"# {seconds:.1f} s")

    def end(self):
        """Write the last line; return how many tests failed, or were not reported at all."""
        self._put(", ".join(f"{count} {verdict}" for verdict, count in self.counts.items()))
        return self.counts["failed"] + self.count - sum(self.counts.values())


def lanes(names):
    """Return [tests to run one after another], those of the longest lanes first."""
    found = {}
    for name in names:
        found.setdefault(REGISTRY[name].lane, []).append(name)
    return [found[lane] for lane in sorted(found, key=lambda lane: FIRST.index(lane) if lane in FIRST else len(FIRST))]


class _Running:
    """The tests that run now, printed once a minute: the longest test prints no line for a quarter of an hour."""

    def __init__(self):
        self.since = {}
        threading.Thread(target=self._tell, daemon=True).start()

    @contextlib.contextmanager
    def test(self, name):
        """Mark a test as running."""
        self.since[name] = time.monotonic()
        yield
        del self.since[name]

    def _tell(self):
        while not ending():
            time.sleep(60)
            now = time.monotonic()
            long = {name: now - since for name, since in dict(self.since).items() if now - since > 50}
            if long:
                say("    running: " + ", ".join(f"{name} ({seconds:.0f} s)" for name, seconds in long.items()))


@contextlib.contextmanager
def alone():
    """Wait until no other run of tests is in this checkout, whose folders this one would take; unless it is a test's."""
    if os.environ.get("LIKEX_TESTED") == str(TOP):
        yield
        return
    os.environ["LIKEX_TESTED"] = str(TOP)
    with lock(BUILD / "test.lock"):
        yield


def run(names, exhaustive=False, jobs=1, stream=sys.stdout):
    """Run tests, so many at a time, print and store what comes of them; return how many failed."""
    report, running, waiting = _Report(len(names), stream), _Running(), queue.SimpleQueue()

    def work():
        while True:
            try:
                lane = waiting.get_nowait()
            except queue.Empty:
                return
            for name in lane:
                with running.test(name):
                    result = _one(name, exhaustive)
                # An interrupted run ends its children; what the tests say of that is not about them.
                if ending():
                    return
                report.take(name, *result)

    for lane in lanes(names):
        waiting.put(lane)
        if REGISTRY[lane[0]].lane == ALONE:
            work()
    # Daemons: an interrupted run does not wait for them.
    workers = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return report.end()


def describe(name):
    """Return the first line of a test's description."""
    return (REGISTRY[name].__doc__ or "").strip().splitlines()[0]
