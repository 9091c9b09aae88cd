# SPDX-License-Identifier: GPL-2.0
"""The benchmark: one program, on KVM and on LiKeX, in one boot of the emulated machine."""

import html
import json

from . import emulator, image, kernel, machine
from .base import Fail, say, step

DEVICES = {"kvm": "/dev/kvm", "likex": "/dev/likex"}
# Suffix of a metric's name: kernel parameters of the boot that it is measured in.
BOOTS = {"": "", "_nomit": "mitigations=off"}


def measure(where, model="broadwell_ult", built=None):
    """Boot and measure, the series' kernel or another; return {"machine": {...}, "metrics": {...}}: bench.json."""
    machine.need("bochs")
    built = built or kernel.build("host")
    # One processor: with two, the ticks of both are counted.
    target = machine.Machine(kind="bochs", cpus=1, model=model)
    initrd, metrics = image.base(built), {}
    for suffix, append in BOOTS.items():
        with step(f"measuring{' without mitigations' if append else ''}"):
            kind = _boot(target, built, initrd, where.with_name(where.name + suffix), append, suffix, metrics)
    return {"machine": describe(target, kind, built), "metrics": metrics}


def describe(target, kind, built):
    """Return what the figures were measured on; kind: of the machine that it was in the end."""
    return {"emulator": emulator.called(kind), "model": target.model, "processors": target.cpus,
            "memory_mb": target.memory, "ticks_per_second": target.ips, "kernel": built.release()}


def _boot(target, built, initrd, where, append, suffix, metrics):
    steps = [machine.Step("modules", ["sh", "-c", "modprobe kvm_intel && { modprobe likex || true; }"])]
    steps += [machine.Step(name, ["sh", "-c", f"[ -e {device} ] || exit 77; exec likex-bench {device}"])
              for name, device in DEVICES.items()]
    outcome = machine.boot(target, built, initrd, steps, where, append=append, limit=300).require_done()
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
            entry = metrics.setdefault(metric + suffix, {"kvm": None, "likex": None, "ratio": None, "unit": unit})
            entry[name] = int(value)
            # Sleeps are counted, not compared: a ratio of them would say nothing of work.
            if entry["kvm"] and entry["likex"] is not None and unit != "count":
                entry["ratio"] = round(entry["likex"] / entry["kvm"], 4)
    return outcome.kind


def table(result):
    """Return the figures as a table for people."""
    rows = [("metric", "unit", "kvm", "likex", "likex/kvm")]
    for name, entry in result["metrics"].items():
        rows.append((name, entry["unit"], _number(entry["kvm"]), _number(entry["likex"]),
                     "-" if entry["ratio"] is None else f"{entry['ratio']:.2f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for row in rows:
        cells = [row[column].ljust(widths[column]) if column < 2 else row[column].rjust(widths[column])
                 for column in range(5)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _number(value):
    return "-" if value is None else f"{value:,}"


def write(result, path):
    """Write bench.json, a metric a line, in the same order each time."""
    rows = ",\n".join(f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in result["metrics"].items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{\n  "machine": {json.dumps(result["machine"])},\n  "metrics": {{\n{rows}\n  }}\n}}\n')


def picture(result):
    """Return an SVG: a bar a metric, LiKeX as a share of KVM; KVM alone where there is no LiKeX yet."""
    rows = [(name, entry) for name, entry in result["metrics"].items() if entry["unit"] != "count" and entry["kvm"]]
    top, line, left, width = 56, 22, 190, 420
    longest = max((entry["ratio"] or 1 for _, entry in rows), default=1)
    scale = width / max(longest, 1)
    height = top + line * len(rows) + 34
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 230}" height="{height}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           '<text x="12" y="22" font-size="15">Work and memory in the life of a small VM: LiKeX as a share of KVM</text>',
           '<text x="12" y="40" fill="#555">ticks of the thread\'s own work, bytes of kernel memory; '
           'shorter is better</text>']
    for number, (name, entry) in enumerate(rows):
        y = top + line * number
        out.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{html.escape(name)}</text>')
        out.append(f'<rect x="{left}" y="{y + 3}" width="{scale:.1f}" height="13" fill="#ddd"/>')
        said = f"kvm {entry['kvm']:,} {entry['unit']}"
        if entry["ratio"] is not None:
            out.append(f'<rect x="{left}" y="{y + 3}" width="{entry["ratio"] * scale:.1f}" height="13" fill="#2a6f97"/>')
            said = f"{entry['ratio']:.2f} ({entry['likex']:,} of {entry['kvm']:,})"
        out.append(f'<text x="{left + max(scale, (entry["ratio"] or 0) * scale) + 8:.1f}" y="{y + 13}">{said}</text>')
    key = ", ".join(str(value) for value in result["machine"].values())
    out.append(f'<text x="12" y="{height - 12}" fill="#555">grey: KVM; blue: LiKeX. {html.escape(key)}</text></svg>')
    return "\n".join(out) + "\n"
