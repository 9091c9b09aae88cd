# SPDX-License-Identifier: GPL-2.0
"""The ticks of a metric by function: instructions of the host, counted by the emulator."""

import bisect
import collections
import dataclasses

from . import bench, image, kernel, machine
from .base import Fail

# Metrics that likex-bench marks, by the family that measures them.
FAMILIES = {"life": ("create_first_exit", "create_next_exit", "first_run", "close"),
            "batched": ("create_batched", "life_batched"),
            "slots": ("slot_add", "slot_delete"),
            "exits": ("pio_roundtrip", "pio_string", "cpuid_exit", "msr_exit", "msr_write_exit", "vmcall", "ept_fault_4k",
                      "fault_around_4k"),
            "lapic": ("lapic_create_first_exit",), "process": ("create_new_process",)}
METRICS = sorted(name for names in FAMILIES.values() for name in names)
# The part of a process: all of its instructions have the address 0 in what the emulator writes.
PROGRAM = "(program)"


@dataclasses.dataclass
class Profile:
    """Per operation: instructions by function, the most first, and counts of special ones by name."""
    functions: list
    special: dict

    def total(self):
        return sum(count for _, count in self.functions)


def measure(where, metric, device, model="broadwell_ult", built=None):
    """Boot, and have the emulator count where a metric of a device is measured."""
    alone, _ = bench.programs()
    built = built or kernel.build("host")
    family = next(name for name, metrics in FAMILIES.items() if metric in metrics)
    target = machine.Machine(model=model, memory=512, profile=True)
    steps = [machine.Step("modules", ["sh", "-c", "modprobe kvm_intel && { modprobe likex || true; }"]),
             machine.Step("run", [f"/tests/{alone.name}", "--profile", metric, device, family]),
             machine.Step("symbols", ["cat", "/proc/kallsyms"])]
    outcome = machine.boot(target, built, image.base(built, [alone]), steps, where, limit=900).require_done()
    run = outcome.step("run")
    if run.status:
        raise Fail(f"likex-bench {device}: exit status {run.status}: {run.err.decode(errors='replace')}")
    return resolve((where / "profile").read_text(), outcome.step("symbols").text)


def resolve(counted, symbols):
    """Return a Profile from what the emulator wrote, and the kernel's list of symbols."""
    rows = [line.split() for line in symbols.splitlines()]
    named = sorted((int(row[0], 16), row[2]) for row in rows if len(row) > 2 and row[1] in "tTwW")
    addresses = [address for address, _ in named]
    functions, special = collections.Counter(), {}
    for key, count in (line.split() for line in counted.splitlines()):
        if not key.startswith("0x"):
            special[key] = int(count)
        else:
            place = bisect.bisect_right(addresses, int(key, 16)) - 1
            functions[named[place][1] if place >= 0 else PROGRAM] += int(count)
    operations = special.pop("operations")
    if not operations:
        raise Fail("the benchmark did not mark the metric")
    return Profile([(name, count / operations) for name, count in functions.most_common()],
                   {name: count / operations for name, count in special.items()})


def table(metric, device, profile, most=25):
    """Return a profile as a table for people: functions, the rest, and special instructions."""
    shown = profile.functions[:most]
    rest = profile.total() - sum(count for _, count in shown)
    lines = [f"{metric}, {device}: {profile.total():,.0f} instructions of the host an operation"]
    lines += [f"{count:10,.1f}  {name}" for name, count in [*shown, ("(others)", rest)]]
    return "\n".join([*lines, "  ".join(f"{name} {count:,.1f}" for name, count in profile.special.items())])
