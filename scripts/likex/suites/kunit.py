# SPDX-License-Identifier: GPL-2.0
"""The kernel's own unit tests, by the kernel's own runner."""

import re

from .. import kernel, series
from ..base import BUILD, TOP, cache
from ..suite import test


def run(t, *more, timeout=1500):
    """Run kunit.py with the configurations in kunit/; return the results as {suite.case: "ok" or other}."""
    t.packages("qemu-system-x86", "seabios", "ccache", "libelf-dev", "libssl-dev", "bc", "bison", "flex")
    tree = series.make()
    command = ["python3", tree / "tools/testing/kunit/kunit.py", "run", "--arch=x86_64", "--raw_output=all",
               "--jobs=2", f"--build_dir={BUILD / 'kernel' / 'kunit'}",
               f"--kunitconfig={tree / 'arch/x86/likex'}", f"--kunitconfig={TOP / 'kunit/machine.config'}",
               "--make_options=CC=ccache gcc", *more]
    done = t.run(command, cwd=tree, env=kernel.environment(), timeout=timeout, status=None)
    return cases(done.stdout), done


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
    found, done = run(t)
    ours = {name: verdict for name, verdict in found.items() if name.startswith("likex")}
    t.check(ours, "no case of LiKeX's ran:\n" + "\n".join(done.stdout.splitlines()[-20:]))
    bad = [name for name, verdict in ours.items() if verdict != "ok"]
    t.check(not bad and done.returncode == 0, f"failed: {' '.join(bad)} (exit status {done.returncode})")
    t.note(f"{len(ours)} cases: {' '.join(ours)}")
