# SPDX-License-Identifier: GPL-2.0
"""The benchmark: one program, on KVM and on LiKeX, in one boot of the emulated machine."""

import dataclasses
import json

from . import boots, emulator, image, kernel, machine, packages
from .base import BUILD, Fail, LOGS, TOP, lock, logged, say, step

DEVICES = {"kvm": "/dev/kvm", "likex": "/dev/likex"}
# Suffix of a metric's name: kernel parameters of the boot that it is measured in.
BOOTS = {"": "", "_nomit": "mitigations=off"}
# Families of metrics that likex-bench measures; SCALE in the first boot only.
FAMILIES = ("life", "batched", "slots", "exits", "cpuid", "memory", "lapic", "irq", "process")
# One that wants two processors, in a boot of its own.
PAIR = "ipi"
SCALE = "scale"
# KVM's three descriptors in front of LiKeX: families, and the metrics that are of interest, as facade_METRIC.
FACADE, FACADE_FAMILIES = "/dev/likex-kvm", ("life", "exits")
FACADE_METRICS = ("create_first_exit", "close", "pio_roundtrip", "cpuid_exit")
# scale_STEP_COUNT: a step in a VM's life, beside so many others.
STEPS = {"create": "open to the first exit", "invalidate": "unmap a page of its memory",
         "slot": "add and delete a slot", "destroy": "close"}
COUNTS = (1, 100, 1000)


def measure(where, model="broadwell_ult", built=None, scale=True):
    """Boot and measure, the series' kernel or another; return {"machine": {...}, "metrics": {...}}: bench.json."""
    machine.need("bochs")
    alone, with_library = programs()
    built = built or kernel.build("host")
    # One processor: with two, the ticks of both are counted. Memory for 1,000 VMs of KVM's.
    target = machine.Machine(kind="bochs", cpus=1, model=model, memory=512)
    initrd, metrics = image.base(built, [alone, *with_library]), {}
    for suffix, append in BOOTS.items():
        commands = [f"/tests/{alone.name} {{device}} {' '.join(FAMILIES)}",
                    f"{' '.join(image.run_shared(with_library))} {{device}}"]
        if scale and not suffix:
            commands.append(f"/tests/{alone.name} {{device}} {SCALE}")
        with step(f"measuring{' without mitigations' if append else ''}"):
            kind = _boot(target, built, initrd, where.with_name(where.name + suffix), append, suffix, commands, metrics,
                         facade=f"/tests/{alone.name} {FACADE} {' '.join(FACADE_FAMILIES)}")
            _boot(dataclasses.replace(target, cpus=2), built, initrd, where.with_name(f"{where.name}{suffix}-pair"), append, suffix,
                  [f"/tests/{alone.name} {{device}} {PAIR}"], metrics)
    if scale:
        with step("measuring the boot of Linux"):
            for name, found in boots.measure(target, built, where.with_name(f"{where.name}-linux"), DEVICES).items():
                for metric, (unit, value) in found.items():
                    _enter(metrics, metric, name, unit, value)
    return {"machine": describe(target, kind, built), "metrics": metrics}


def programs():
    """Build the programs; return the static one, and what the one with liblikex needs, itself first."""
    packages.need("tools", "libzydis-dev")
    with lock(BUILD / "tools" / "lib.lock"):
        logged("likex-bench", ["make", "-C", TOP / "tools" / "bench", f"O={BUILD / 'tools'}"], LOGS / "likex-bench.log")
    alone, with_library = (BUILD / "tools" / "bench" / name for name in ("likex-bench", "likex-bench-mmio"))
    return alone, [with_library, *image.shared(with_library)]


def describe(target, kind, built):
    """Return what the figures were measured on; kind: of the machine that it was in the end."""
    return {"emulator": emulator.called(kind), "model": target.model, "processors": target.cpus,
            "memory_mb": target.memory, "ticks_per_second": target.ips, "kernel": built.release()}


def _boot(target, built, initrd, where, append, suffix, commands, metrics, facade=None):
    steps = [machine.Step("modules", ["sh", "-c", "modprobe kvm_intel && { modprobe likex || true; }"])]
    steps += [machine.Step(name, ["sh", "-c", f"[ -e {device} ] || exit 77; {' && '.join(commands).format(device=device)}"])
              for name, device in DEVICES.items()]
    if facade:
        steps.append(machine.Step("facade", ["sh", "-c", f"[ -e {FACADE} ] || exit 0; {facade}"]))
    outcome = machine.boot(target, built, initrd, steps, where, append=append, limit=600).require_done()
    if outcome.reports() or outcome.taint:
        raise Fail(f"the kernel complained while measuring (taint {outcome.taint}):\n" + "\n".join(outcome.tail()))
    for name in DEVICES:
        one = outcome.step(name)
        if one.status == 77:
            say(f"    no {DEVICES[name]} on this kernel: its figures are null")
        elif one.status:
            raise Fail(f"likex-bench {DEVICES[name]}: exit status {one.status}: {one.err.decode(errors='replace')}")
        for row in one.text.splitlines():
            metric, unit, value = row.split()
            _enter(metrics, metric + suffix, name, unit, int(value))
    if facade:
        _enter_facade(metrics, suffix, outcome.step("facade"))
    return outcome.kind


def _enter(metrics, metric, name, unit, value):
    entry = metrics.setdefault(metric, {"kvm": None, "likex": None, "ratio": None, "unit": unit})
    entry[name] = value
    # Sleeps are counted, not compared: a ratio of them would say nothing of work.
    if entry["kvm"] and entry["likex"] is not None and unit != "count":
        entry["ratio"] = round(entry["likex"] / entry["kvm"], 4)


def _enter_facade(metrics, suffix, one):
    """Enter what was measured through KVM's three descriptors, beside KVM's own figure."""
    if one.status:
        raise Fail(f"likex-bench {FACADE}: exit status {one.status}: {one.err.decode(errors='replace')}")
    for metric, unit, value in map(str.split, one.text.splitlines()):
        if metric in FACADE_METRICS:
            _enter(metrics, f"facade_{metric}{suffix}", "kvm", unit, metrics[metric + suffix]["kvm"])
            _enter(metrics, f"facade_{metric}{suffix}", "likex", unit, int(value))


def table(result):
    """Return the figures as tables for people."""
    rows = [("metric", "unit", "kvm", "likex", "likex/kvm")]
    for name, entry in result["metrics"].items():
        if not name.startswith(SCALE):
            rows.append((name, entry["unit"], number(entry["kvm"]), number(entry["likex"]),
                         "-" if entry["ratio"] is None else f"{entry['ratio']:.2f}"))
    return "\n".join(_columns(rows, 2) + _scale_table(result))


def beside(result, name, device):
    """Return the ticks of a step beside each of COUNTS; None: not measured."""
    return [result["metrics"].get(f"{SCALE}_{name}_{count}", {}).get(device) for count in COUNTS]


def _scale_table(result):
    rows = [("ticks, beside other VMs", *(f"{device}, {count:,}" for device in DEVICES for count in COUNTS))]
    for name in STEPS:
        rows.append((f"{SCALE}_{name}", *(number(value) for device in DEVICES for value in beside(result, name, device))))
    measured = any(name.startswith(SCALE) for name in result["metrics"])
    return ["", *_columns(rows, 1)] if measured else []


def _columns(rows, words):
    """Return rows as lines of a table; words: how many columns are text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) if number < words else cell.rjust(width)
                      for number, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip() for row in rows]


def number(value):
    """Return a figure as people read it."""
    return "-" if value is None else f"{value:,}"


def write(result, path):
    """Write bench.json, a metric a line, in the same order each time."""
    rows = ",\n".join(f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in result["metrics"].items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{\n  "machine": {json.dumps(result["machine"])},\n  "metrics": {{\n{rows}\n  }}\n}}\n')
