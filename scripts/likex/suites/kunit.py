# SPDX-License-Identifier: GPL-2.0
"""The kernel's own unit tests, by the kernel's own runner."""

import re

from .. import kernel, series
from ..base import BUILD, TOP, cache
from ..suite import test


# What came of it: one run serves every test that looks at its results.
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
    bad = [name for name, verdict in ours.items() if verdict != "ok"]
    t.check(not bad and done.returncode == 0, f"failed: {' '.join(bad)} (exit status {done.returncode})")
    t.note(f"{len(ours)} cases: {' '.join(ours)}")


def cases(text):
    """Take the results out of KTAP: {"suite.case": verdict}."""
    found, suite = {}, None
    for row in text.splitlines():
        row = re.sub(r"^\[[ .\d]+\] ", "", row)
        named = re.match(r"\s+# Subtest: (\S+)", row)
        result = re.match(r"\s+(ok|not ok) \d+ (\S+)(.*# SKIP.*)?", row)
        if named:
            suite = named[1]
        elif result and suite:
            found[f"{suite}.{result[2]}"] = "skip" if result[3] else result[1]
    return found


@test("kunit.run")
def all_suites(t):
    """kunit.py builds a kernel with LiKeX's tests, runs it, and every case passes."""
    check(t, "likex", 3)


@test("owner.kunit")
def owner(t):
    """Counting the users of VMX, telling them of an emergency, and the cache of user-return MSRs."""
    check(t, "x86_virt_", 17)
