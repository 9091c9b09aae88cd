# SPDX-License-Identifier: GPL-2.0
"""The benchmark's figures in the documents: the rows of tables that they stand in."""

import json
import re

from . import bench, boots
from .base import TOP, write

DOCUMENTS = (TOP / "README.md", TOP / "Documentation" / "benchmark.md")
# The ratios that a change must not make worse.
BASELINE = TOP / "Documentation" / "benchmark.json"
# How much worse a ratio may be: of the same kernel on the same emulator, and where another compiler may have built it.
SAME, OTHER = 1.03, 1.10
# Smaller ratios are those of a few ticks, which a timer interrupt more or less decides.
LEAST = 0.005
# A row of Documentation/benchmark.md for each; `scale_STEP` has rows in a table of its own.
METRICS = ("create_first_exit", "create_next_exit", "create_batched", "life_batched", "thread_life", "create_new_process",
           "first_run", "slot_add", "slot_delete", "close",
           "pio_roundtrip", "pio_string", "mmio_roundtrip", "cpuid_exit", "cpuid_exit_full_first", "cpuid_exit_full_last",
           "cpuid_exit_full_absent", "msr_exit", "msr_write_exit", "vmcall", "ept_fault_4k",
           "fault_around_4k", "vm_bytes",
           "lapic_create_first_exit", "lapic_vm_bytes", "eoi", "ioeventfd", "irqfd", "timer_fire", "hlt_wake", "ipi_wake",
           "ipi", *(f"facade_{name}" for name in bench.FACADE_METRICS))
# Rows of README's table, which has ratios alone.
README = {
    "a VM from open to its first exit": ("create_first_exit",),
    "a further VM of the same process": ("create_next_exit",),
    "the same by one call; to its end": ("create_batched", "life_batched"),
    "the first VM of a process": ("create_new_process",),
    "close it": ("close",),
    "add, delete a memory slot": ("slot_add", "slot_delete"),
    "a port access, to user space and back": ("pio_roundtrip",),
    "a store to a device in user space, emulated, and back": ("mmio_roundtrip",),
    "a CPUID exit handled in the kernel: first, last leaf": ("cpuid_exit_full_first", "cpuid_exit_full_last"),
    "an MSR exit handled in the kernel": ("msr_exit",),
    "first touch of a page: alone, of many in a row": ("ept_fault_4k", "fault_around_4k"),
    "kernel memory of a VM": ("vm_bytes",),
    "wake a halted vCPU: by the VMM, by another vCPU": ("hlt_wake", "ipi_wake"),
    "an interrupt to a vCPU that runs; a timer's": ("ipi", "timer_fire"),
    "a write to a port with an eventfd": ("ioeventfd",),
    "beside 1,000 others: create, close a VM": ("scale_create_1000", "scale_destroy_1000"),
    "beside 1,000 others: unmap a page, change a slot": ("scale_invalidate_1000", "scale_slot_1000"),
}
LABELS = (*METRICS, *boots.METRICS, *boots.EXITS, *(f"{bench.SCALE}_{name}" for name in bench.STEPS), *README)


def cells(label, metrics):
    """Return the cells with figures of the row that begins with this label."""
    if label in README:
        return [", ".join(_ratio(metrics[name]) for name in README[label])]
    if label in METRICS:
        found = []
        for suffix in bench.BOOTS:
            entry = metrics[label + suffix]
            found += [bench.number(entry["kvm"]), bench.number(entry["likex"]), _ratio(entry)]
        return found
    if label in (*boots.METRICS, *boots.EXITS):
        # Not there on an emulator that does not count instructions
        entry = metrics.get(label, {"kvm": None, "likex": None, "ratio": None})
        return [bench.number(entry["kvm"]), bench.number(entry["likex"]), *([_ratio(entry)] if label in boots.METRICS else [])]
    return [bench.number(metrics[f"{label}_{count}"][device]) for device in bench.DEVICES for count in bench.COUNTS]


def _ratio(entry):
    return "-" if entry["ratio"] is None else f"{entry['ratio']:.2f}"


def rows(text, metrics):
    """Return [(line, label, shown, measured)] of the rows with figures in a document; the last two are lists of cells."""
    found = []
    for line in text.splitlines():
        label = re.match(r"\| `?([^|`]+?)`? \|", line)
        if label and label[1] in LABELS:
            measured = cells(label[1], metrics)
            found.append((line, label[1], line.strip("| ").split(" | ")[-len(measured):], measured))
    return found


def ratios(result):
    """Return the ratio of each metric that has one."""
    return {name: entry["ratio"] for name, entry in result["metrics"].items() if entry["ratio"] is not None}


def worse(before, after, margin):
    """Return a line for each ratio of before that is missing after, or is worse by more than the margin."""
    lines = [f"{name}: {after[name]:.4f}, {ratio:.4f} before" for name, ratio in before.items()
             if name in after and ratio >= LEAST and after[name] > ratio * margin + 0.00005]
    return lines + [f"{name} is missing" for name in before if name not in after]


def bring_up_to_date(result):
    """Write what was measured into the documents, and as what later measurements are held to."""
    write(BASELINE, json.dumps(ratios(result), indent=0) + "\n")
    for path in DOCUMENTS:
        text = path.read_text()
        for line, _, shown, measured in rows(text, result["metrics"]):
            ends = " | ".join(shown) + " |"
            text = text.replace(line, line.removesuffix(ends) + " | ".join(measured) + " |")
        write(path, text)
