# SPDX-License-Identifier: GPL-2.0
"""The kernel's own unit tests, by the kernel's own runner."""

import re

from .. import kernel, series
from ..base import BUILD, TOP, cache
from ..suite import test


# The results: one run serves every test that looks at them.
_RUNS = {}


def _run(t):
    """Run kunit.py on the tree as it is; return {suite.case: verdict} and the finished process."""
    tree = series.make()
    key = series.git("rev-parse", "HEAD")
    if key not in _RUNS:
        place = BUILD / "kernel" / "kunit"
        place.parent.mkdir(parents=True, exist_ok=True)
        folders = [tree / "arch/x86/likex", tree / "arch/x86/virt", TOP / "kunit/machine.config"]
        command = ["python3", tree / "tools/testing/kunit/kunit.py", "run", "--arch=x86_64", "--raw_output=all",
                   "--jobs=2", f"--build_dir={place}", "--make_options=CC=ccache gcc",
                   *(f"--kunitconfig={path}" for path in folders if path.exists())]
        done = t.run(command, cwd=tree, env=kernel.environment(), timeout=1500, status=None)
        _RUNS[key] = cases(done.stdout), done
    return _RUNS[key]


def check(t, prefix, least):
    """Fail unless there are at least so many cases in the suites named so, and all of them pass."""
    t.packages("qemu-system-x86", "seabios", "ccache", "libelf-dev", "libssl-dev", "bc", "bison", "flex")
    found, done = _run(t)
    ours = {name: verdict for name, verdict in found.items() if name.startswith(prefix)}
    t.check(len(ours) >= least, f"{len(ours)} cases ran, not {least}:\n" + "\n".join(done.stdout.splitlines()[-20:]))
    # kunit.py itself takes no notice of what is missing, with raw output: a panic half-way, say.
    short = shortfalls(done.stdout)
    t.check(not short, "not all of it ran: " + "; ".join(short))
    bad = [name for name, verdict in ours.items() if verdict != "ok"]
    t.check(not bad and done.returncode == 0, f"failed: {' '.join(bad)} (exit status {done.returncode})")
    t.note(f"{len(ours)} cases: {' '.join(ours)}")


def rows_of(text):
    """Return the lines of a console without the kernel's time stamps."""
    return [re.sub(r"^\[[ .\d]+\] ", "", row) for row in text.splitlines()]


def shortfalls(text):
    """Return what KTAP promises ("1..N", of suites and of a suite's cases) and does not hold."""
    found, levels = [], []              # levels: [indentation, results planned, results seen]
    for row in rows_of(text):
        plan = re.match(r"( *)1\.\.(\d+)$", row)
        result = re.match(r"( *)(?:ok|not ok) \d+ ", row)
        if plan:
            levels.append([len(plan[1]), int(plan[2]), 0])
        elif result and levels:
            while levels and levels[-1][0] > len(result[1]):
                _, planned, seen = levels.pop()
                if seen != planned:
                    found.append(f"{seen} of {planned} before {row.strip()}")
            # The parameters of one case have no plan.
            if levels and levels[-1][0] == len(result[1]):
                levels[-1][2] += 1
    found += [f"{seen} of {planned} at the end" for _, planned, seen in levels if seen != planned]
    return found if levels else ["no suite ran"]


def cases(text):
    """Take the results out of KTAP: {"suite.case": verdict}."""
    found, suite = {}, None
    for row in rows_of(text):
        named = re.match(r"\s+# Subtest: (\S+)", row)
        result = re.match(r"\s+(ok|not ok) \d+ (\S+)(.*# SKIP.*)?", row)
        if named:
            suite = named[1]
        elif result and suite:
            found[f"{suite}.{result[2]}"] = "skip" if result[3] else result[1]
    return found


@test("kunit.shortfalls")
def shortfalls_are_seen(t):
    """A suite that ends before its last case, or a kernel before its last suite, is noticed."""
    whole = ["1..2", "    1..2", "    ok 1 a", "        ok 1 parameter", "    ok 2 b", "ok 1 one", "    1..1",
             "    not ok 1 c", "not ok 2 two"]
    t.check(not shortfalls("\n".join(whole)), f"whole: {shortfalls(chr(10).join(whole))}")
    for missing in (2, 4, 7, 8):
        rest = "\n".join(f"[    0.1{index}] {row}" for index, row in enumerate(whole) if index != missing)
        t.check(shortfalls(rest), f"not noticed: {whole[missing]}")
    t.check(shortfalls("\n".join(whole[:4])) and shortfalls("Kernel panic"), "a panic was not noticed")


@test("kunit.run")
def all_suites(t):
    """kunit.py builds a kernel with LiKeX's tests, runs it, and every case passes."""
    check(t, "likex", 3)


@test("owner.kunit")
def owner(t):
    """Counting the users of VMX, telling them of an emergency, and the cache of user-return MSRs."""
    check(t, "x86_virt_", 17)
