# SPDX-License-Identifier: GPL-2.0
"""The benchmark's figures as pictures."""

import html
import math

from . import bench, boots

GREY, BLUE = "#ddd", "#2a6f97"


def _begin(width, height, title, below):
    return [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            'font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="12" y="22" font-size="15">{html.escape(title)}</text>',
            f'<text x="12" y="40" fill="#555">{html.escape(below, quote=False)}</text>']


def _end(out, result, height):
    key = ", ".join(str(value) for value in result["machine"].values())
    out.append(f'<text x="12" y="{height - 12}" fill="#555">grey: KVM; blue: LiKeX. {html.escape(key)}</text></svg>')
    return "\n".join(out) + "\n"


def picture(result):
    """Return an SVG: a bar a metric, LiKeX as a share of KVM; KVM alone where there is no LiKeX yet."""
    rows = [(name, entry) for name, entry in result["metrics"].items()
            if entry["unit"] != "count" and entry["kvm"] and not name.startswith(bench.SCALE)]
    top, line, left, width = 56, 22, 190, 420
    longest = max((entry["ratio"] or 1 for _, entry in rows), default=1)
    scale = width / max(longest, 1)
    height = top + line * len(rows) + 34
    out = _begin(left + width + 230, height, "Work and memory in the life of a small VM: LiKeX as a share of KVM",
                 "ticks of the thread's own work, bytes of kernel memory; shorter is better")
    for number, (name, entry) in enumerate(rows):
        y = top + line * number
        out.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{html.escape(name)}</text>')
        out.append(f'<rect x="{left}" y="{y + 3}" width="{scale:.1f}" height="13" fill="{GREY}"/>')
        said = f"kvm {entry['kvm']:,} {entry['unit']}"
        if entry["ratio"] is not None:
            out.append(f'<rect x="{left}" y="{y + 3}" width="{entry["ratio"] * scale:.1f}" height="13" fill="{BLUE}"/>')
            said = f"{entry['ratio']:.2f} ({entry['likex']:,} of {entry['kvm']:,})"
        out.append(f'<text x="{left + max(scale, (entry["ratio"] or 0) * scale) + 8:.1f}" y="{y + 13}">{said}</text>')
    return _end(out, result, height)


def exits_picture(result):
    """Return an SVG: two bars a reason, exits of a Linux guest while it boots, KVM's above LiKeX's."""
    rows = [(reason, [result["metrics"][f"linux_exits_{reason}"][device] or 0 for device in bench.DEVICES]) for reason in boots.REASONS]
    top, line, left, width = 56, 40, 160, 420
    most, height = max(max(counts) for _, counts in rows), top + line * len(rows) + 34
    out = _begin(left + width + 90, height, "Exits of a small Linux while it boots",
                 f"by reason; {sum(row[1][0] for row in rows):,} on KVM, {sum(row[1][1] for row in rows):,} on LiKeX")
    for number, (reason, counts) in enumerate(rows):
        y = top + line * number
        out.append(f'<text x="{left - 8}" y="{y + 22}" text-anchor="end">{boots.REASONS[reason][1]}</text>')
        for count, colour, at in zip(counts, (GREY, BLUE), (y + 4, y + 18), strict=True):
            out.append(f'<rect x="{left}" y="{at}" width="{count * width / most:.1f}" height="13" fill="{colour}"/>')
            out.append(f'<text x="{left + count * width / most + 6:.1f}" y="{at + 11}" font-size="11">{count:,}</text>')
    return _end(out, result, height)


# Of a panel: where it is, how large, and the powers of ten at its foot and its top.
PANEL_WIDTH, PANEL_HEIGHT, LOW, HIGH = 190, 250, 3, 7


def scale_picture(result):
    """Return an SVG: a panel for each step of a VM's life, with what it costs beside more and more others."""
    top, left, height = 110, 84, 110 + PANEL_HEIGHT + 70
    out = _begin(left + len(bench.STEPS) * (PANEL_WIDTH + 30) + 20, height,
                 "What one VM costs beside others in the same process",
                 "ticks of the thread's own work, by how many others there are; both scales are logarithmic")
    for power in range(LOW, HIGH + 1):
        y = _height(top, 10 ** power)
        out.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{10 ** power:,}</text>')
    for number, (name, what) in enumerate(bench.STEPS.items()):
        out += _panel(result, name, what, left + number * (PANEL_WIDTH + 30), top)
    return _end(out, result, height)


def _height(top, ticks):
    return top + PANEL_HEIGHT * (HIGH - math.log10(ticks)) / (HIGH - LOW)


def _panel(result, name, what, left, top):
    out = [f'<text x="{left}" y="{top - 34}" font-weight="bold">{name}</text>',
           f'<text x="{left}" y="{top - 18}" fill="#555">{html.escape(what)}</text>']
    places = [left + 20 + (PANEL_WIDTH - 50) * math.log10(count) / 3 for count in bench.COUNTS]
    for power in range(LOW, HIGH + 1):
        y = _height(top, 10 ** power)
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + PANEL_WIDTH}" y2="{y:.1f}" stroke="#eee"/>')
    for x, count in zip(places, bench.COUNTS, strict=True):
        out.append(f'<text x="{x:.1f}" y="{top + PANEL_HEIGHT + 18}" text-anchor="middle" fill="#555">{count:,}</text>')
    # KVM's figures above its curve, LiKeX's below.
    for device, colour, aside in (("kvm", "#999", -7), ("likex", BLUE, 15)):
        points = [(x, _height(top, ticks), ticks)
                  for x, ticks in zip(places, bench.beside(result, name, device), strict=True) if ticks]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, ticks in points:
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
            out.append(f'<text x="{x:.1f}" y="{y + aside:.1f}" text-anchor="middle" font-size="10">{ticks:,}</text>')
    return out
