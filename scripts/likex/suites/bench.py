# SPDX-License-Identifier: GPL-2.0
"""The benchmark: its figures repeat to the tick, and its outputs are what they are said to be."""

import functools
import json
import re
import xml.etree.ElementTree

from .. import bench, kernel, series
from ..base import BUILD, RESULTS, TOP, capture
from ..suite import test

METRICS = ("create_first_exit", "first_run", "slot_add", "slot_delete", "close", "pio_roundtrip", "cpuid_exit",
           "msr_exit", "ept_fault_4k", "vm_bytes")
WAITING = ("create_first_exit", "slot_add", "slot_delete", "close")


@functools.lru_cache
def _script():
    """Run scripts/bench as a person would; return (what it measured, what it printed, the picture)."""
    where = BUILD / "run" / "bench-files"
    where.mkdir(parents=True, exist_ok=True)
    figures, picture = where / "figures.json", where / "figures.svg"
    said = capture([TOP / "scripts" / "bench", "--json", figures, "--plot", picture])
    return json.loads(figures.read_text()), said, picture.read_text()


def _measured():
    return _script()[0]


@test("bench.figures")
def figures(t):
    """Every metric is there, with and without mitigations, in its unit, and none is absurd."""
    result = _measured()
    for name in METRICS:
        for suffix in bench.BOOTS:
            entry = result["metrics"].get(name + suffix)
            t.check(entry, f"{name}{suffix} is missing")
            t.check(entry["unit"] == ("bytes" if name == "vm_bytes" else "ticks"), f"{name}: unit {entry['unit']}")
            t.check(isinstance(entry["kvm"], int) and 100 < entry["kvm"] < 10_000_000, f"{name}{suffix}: {entry}")
            t.check((entry["likex"] is None) == (entry["ratio"] is None), f"{name}{suffix}: {entry}")
    for name in WAITING:
        entry = result["metrics"].get(f"{name}_sleeps")
        t.check(entry and entry["unit"] == "count" and entry["ratio"] is None, f"{name}_sleeps: {entry}")
    t.check(result["metrics"]["pio_roundtrip"]["kvm"] > result["metrics"]["pio_roundtrip_nomit"]["kvm"],
            "mitigations cost nothing: they are not on, or not off")
    t.note(bench.table(result))


@test("bench.same")
def same(t):
    """Two runs give the same figures, to the tick and the byte."""
    first, second = _measured()["metrics"], bench.measure(BUILD / "run" / "bench-2")["metrics"]
    differ = [f"{name}: {first[name]}, {second[name]}" for name in first if first[name] != second.get(name)]
    t.check(not differ and first.keys() == second.keys(), "two runs differ: " + "; ".join(differ))
    t.note(f"{len(first)} figures are the same")


@test("bench.outputs")
def outputs(t):
    """scripts/bench writes what it measured, prints the table, and draws a picture that names every metric."""
    result, said, picture = _script()
    t.check(json.loads((RESULTS / "bench.json").read_text()) == result, "build/results/bench.json is something else")
    t.check(said == bench.table(result) + "\n", said)
    xml.etree.ElementTree.fromstring(picture)
    for name in METRICS:
        t.check(f">{name}<" in picture, f"{name} is not in the picture")


@test("bench.ratio")
def ratio(t):
    """Ratios are LiKeX divided by KVM, of work alone; counts have none, and neither has a metric of one side."""
    result = {"machine": {"model": "m"}, "metrics": {
        "a": {"kvm": 200, "likex": 50, "ratio": 0.25, "unit": "ticks"},
        "b": {"kvm": 200, "likex": None, "ratio": None, "unit": "ticks"}}}
    t.check("0.25 (50 of 200)" in bench.picture(result) and "kvm 200 ticks" in bench.picture(result), "the picture")
    t.check(bench.table(result).splitlines()[1].split() == ["a", "ticks", "200", "50", "0.25"], bench.table(result))
    t.check(bench.table(result).splitlines()[2].split() == ["b", "ticks", "200", "-", "-"], bench.table(result))


@test("bench.documented")
def documented(t):
    """The figures in Documentation/benchmark.md are within a tenth of what is measured."""
    metrics = _measured()["metrics"]
    text = (TOP / "Documentation" / "benchmark.md").read_text()
    number = r" ([\d,]+) \| ([\d,]+) \| [\d.]+ \|"
    rows = re.findall(rf"^\| `(\w+)` \| [^|]+ \| \w+ \|{number}{number}$", text, re.MULTILINE)
    t.check({row[0] for row in rows} == set(METRICS), f"documented are {[row[0] for row in rows]}")
    places = [(suffix, device) for suffix in bench.BOOTS for device in ("kvm", "likex")]
    for name, *figures in rows:
        for (suffix, device), figure in zip(places, figures, strict=True):
            shown, measured = int(figure.replace(",", "")), metrics[name + suffix][device]
            t.check(abs(shown - measured) <= measured / 10,
                    f"{name}{suffix}: documented for {device} {shown}, measured {measured}")


@test("bench.unpatched", exhaustive=True)
def unpatched(t):
    """The series costs KVM nothing: no figure of KVM's is over 1% above that without the series (slots: one sleep)."""
    built = kernel.build("host", series.worktree("unpatched", series.BASE))
    before, after = ({name: entry["kvm"] for name, entry in metrics.items() if entry["unit"] != "count"}
                     for metrics in (bench.measure(BUILD / "run" / "bench-unpatched", built=built)["metrics"],
                                     _measured()["metrics"]))
    t.note(" ".join(f"{name} {after[name] / before[name]:.3f}" for name in before))
    # A grace period's work falls into the one or the other, as it happens. Nor is their sum the same in each boot: a
    # deletion waits up to two times, as the grace period falls, and each time is 1,250 ticks of its own work.
    for figures in (before, after):
        for suffix in bench.BOOTS:
            figures["slots" + suffix] = figures.pop("slot_add" + suffix) + figures.pop("slot_delete" + suffix)
    ratios = {name: after[name] / before[name] for name in before}
    dearer = [f"{name} {ratio:.3f}" for name, ratio in ratios.items()
              if ratio > (1.06 if name.startswith("slots") else 1.01)]
    t.check(not dearer, f"dearer with the series: {' '.join(dearer)}")
