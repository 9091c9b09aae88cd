# SPDX-License-Identifier: GPL-2.0
"""Tests: how one is written, found, run, and reported in TAP.

A test is a function in a module of likex/suites:

    @test("machine.boot-1")
    def boot_1(t):
        "One line that says what this shows."
        t.check(1 + 1 == 2, "arithmetic works")

It passes by returning, fails by raising Failure (or anything else), and is
skipped, with a reason, by raising Skip.
"""

import fnmatch
import importlib
import pathlib
import pkgutil
import subprocess
import sys
import time
import traceback

from . import packages
from .base import BUILD, Fail, RESULTS, TOP, end, environment, say


class Failure(Exception):
    """What a test says when it fails."""


class Skip(Exception):
    """Why a test cannot run here."""


REGISTRY = {}
EARLY = []


def test(name, exhaustive=False):
    """Register a function as the test of this name; exhaustive ones run only on request."""
    def register(function):
        assert name not in REGISTRY, f"two tests are called {name}"
        function.exhaustive = exhaustive
        REGISTRY[name] = function
        return function
    return register


def early(glob):
    """Register what is called at the start of a run that asks for tests of such a name, and so must not fail."""
    def register(function):
        EARLY.append((glob, function))
        return function
    return register


class Context:
    """What a test gets: where things are, how long it may take, and a place for its notes."""

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

    def run(self, command, timeout=600, cwd=None, env=None, status=0):
        """Run a command here; return it completed (.stdout has both streams), or fail the test.

        status: the exit status it must have, None for any.
        """
        self.results.mkdir(parents=True, exist_ok=True)
        words = [str(word) for word in command]
        child = subprocess.Popen(words, cwd=cwd or TOP, env=environment(env), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                 start_new_session=True)
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
    chosen = [name for name in names if any(fnmatch.fnmatch(name, glob) for glob in only)]
    if not chosen:
        raise Fail(f"no test is called {' or '.join(only)}; scripts/test --list names them")
    return chosen


def _one(name, exhaustive):
    """Run one test; return (verdict, reason, notes, seconds)."""
    function, context, start = REGISTRY[name], Context(name, exhaustive), time.monotonic()
    verdict, reason = "passed", ""
    (context.results / "output.txt").unlink(missing_ok=True)
    try:
        if function.exhaustive and not exhaustive:
            raise Skip("only with --exhaustive")
        function(context)
    except Skip as skip:
        verdict, reason = "skipped", str(skip)
    except (Failure, Fail) as failure:
        verdict, reason = "failed", str(failure)
    except Exception:                                   # a broken test is a failed test
        verdict, reason = "failed", traceback.format_exc()
    return verdict, reason, context.notes, time.monotonic() - start


def _tap(number, name, verdict, reason, notes, seconds):
    """Return the lines that report one test."""
    state = "not ok" if verdict == "failed" else "ok"
    skip = f" # SKIP {' '.join(reason.split())}" if verdict == "skipped" else ""
    lines = [f"{state} {number} - {name}{skip}"]
    lines += [f"# {line}" for line in notes]
    if verdict == "failed":
        lines += [f"# {line}" for line in reason.splitlines()]
    return lines + [f"# {seconds:.1f} s"]


def run(names, exhaustive=False, stream=sys.stdout):
    """Run tests, print and store what comes of them; return how many failed."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with open(RESULTS / "tests.tap", "w") as file:
        def put(line):
            print(line, file=file, flush=True)
            print(line, file=stream, flush=True)
        put("TAP version 13")
        put(f"1..{len(names)}")
        for glob, function in EARLY:
            if any(fnmatch.fnmatch(name, glob) for name in names):
                function()
        for number, name in enumerate(names, 1):
            outcome = _one(name, exhaustive)
            counts[outcome[0]] += 1
            for line in _tap(number, name, *outcome):
                put(line)
        put(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return counts["failed"]


def describe(name):
    """Return the first line of a test's description."""
    return (REGISTRY[name].__doc__ or "").strip().splitlines()[0]
