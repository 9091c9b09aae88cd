# SPDX-License-Identifier: GPL-2.0
"""The kernel's own unit tests, by the kernel's own runner."""

import json

from .. import kernel, series
from ..base import BUILD, TOP
from ..suite import test


# The results: one run serves every test that looks at them.
_RUNS = {}


def _run(t):
    """Run kunit.py on the tree as it is; return {suite.case: verdict} and the finished process."""
    tree = series.make()
    key = series.git("rev-parse", "HEAD")
    if key not in _RUNS:
        place = BUILD / "kernel" / "kunit"
        place.mkdir(parents=True, exist_ok=True)
        results = place / "results.json"
        results.unlink(missing_ok=True)
        folders = [tree / "arch/x86/likex", tree / "arch/x86/virt", TOP / "kunit/machine.config"]
        command = [*_kunit(tree), "run", "--arch=x86_64", f"--json={results}", "--jobs=2", f"--build_dir={place}",
                   "--make_options=CC=ccache gcc", *(f"--kunitconfig={path}" for path in folders if path.exists())]
        done = t.run(command, cwd=tree, env=kernel.environment(), timeout=1500, status=None)
        _RUNS[key] = cases(json.loads(results.read_text())) if results.exists() else {}, done
    return _RUNS[key]


def _kunit(tree):
    return ["python3", tree / "tools/testing/kunit/kunit.py"]


def check(t, prefix, least):
    """Fail unless there are at least so many cases in the suites named so, and all of them pass."""
    t.packages("qemu-system-x86", "seabios", "ccache", "libelf-dev", "libssl-dev", "bc", "bison", "flex")
    found, done = _run(t)
    said = "\n".join(done.stdout.splitlines()[-30:])
    ours = {name: verdict for name, verdict in found.items() if name.startswith(prefix)}
    t.check(len(ours) >= least, f"{len(ours)} cases ran, not {least}:\n{said}")
    bad = [name for name, verdict in found.items() if verdict != "PASS" and (name in ours or "." not in name)]
    t.check(not bad and done.returncode == 0, f"failed: {' '.join(bad)} (exit status {done.returncode}):\n{said}")
    t.note(f"{len(ours)} cases: {' '.join(ours)}")


def cases(results):
    """Return {suite.case: verdict} of what kunit.py wrote; also {suite: verdict} of a suite without any case."""
    found = {suite["name"]: suite["status"] for suite in results["test_cases"]}
    for suite in results["sub_groups"]:
        for case in suite["test_cases"]:
            found[f"{suite['name']}.{case['name']}"] = case["status"]
        # A case with parameters is a group of its own.
        for case in suite["sub_groups"]:
            bad = [one["status"] for one in case["test_cases"] if one["status"] != "PASS"]
            found[f"{suite['name']}.{case['name']}"] = bad[0] if bad else "PASS"
    return found


@test("kunit.verdict")
def verdict(t):
    """A suite that ends before its last case, or a kernel before its last suite, fails; so does a parameter of a case."""
    whole = ["KTAP version 1", "1..2", "    KTAP version 1", "    # Subtest: one", "    1..2", "    ok 1 a",
             "        KTAP version 1", "        # Subtest: b", "        ok 1 low", "        ok 2 high", "    ok 2 b", "ok 1 one",
             "    KTAP version 1", "    # Subtest: two", "    1..1", "    ok 1 c", "ok 2 two"]
    status, found = _verdict(t, whole)
    t.check(status == 0 and found == {"one.a": "PASS", "one.b": "PASS", "two.c": "PASS"}, f"whole: {status} {found}")
    for missing in (5, 10, 15):
        status, found = _verdict(t, whole[:missing] + whole[missing + 1:])
        t.check(status != 0, f"not noticed: {whole[missing]}: {found}")
    for end in (1, 4, 8, 12, 14):
        status, found = _verdict(t, [*whole[:end], "Kernel panic - not syncing"])
        t.check(status != 0 or "FAIL" in found.values(), f"a panic after {whole[end - 1]} was not noticed: {found}")
    status, found = _verdict(t, [row.replace("ok 2 high", "not ok 2 high").replace("ok 2 b", "not ok 2 b") for row in whole])
    t.check(status != 0 and found["one.b"] == "FAIL", f"a parameter failed: {status} {found}")


def _verdict(t, console):
    """Return kunit.py's exit status, and the cases that it finds on a console."""
    t.results.mkdir(parents=True, exist_ok=True)
    log, results = t.results / "console", t.results / "results.json"
    log.write_text("\n".join(console) + "\n")
    done = t.run([*_kunit(series.make()), "parse", f"--json={results}", log], status=None)
    return done.returncode, cases(json.loads(results.read_text()))


@test("kunit.run")
def all_suites(t):
    """kunit.py builds a kernel with LiKeX's tests, runs it, and every case passes."""
    check(t, "likex", 237)


@test("owner.kunit")
def owner(t):
    """Counting the users of VMX, telling them of an emergency, and the cache of user-return MSRs."""
    check(t, "x86_virt_", 18)
