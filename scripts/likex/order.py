# SPDX-License-Identifier: GPL-2.0
"""The file `series`: the order of the patches, and the parts that they belong to.

A comment line names a part before its first patch: `# part: NAME`.
"""

import re

_MARK = re.compile(r"# part: (\S+)$")


def parse(text):
    """Return [(part, [patch names])]; patches before the first mark have the part ''."""
    found = [("", [])]
    for row in text.splitlines():
        mark = _MARK.match(row)
        if mark:
            found.append((mark[1], []))
        elif row and not row.startswith("#"):
            found[-1][1].append(row.split()[0])
    return [part for part in found if part[0] or part[1]]


def _slug(name):
    """Return a patch's name without its number, which changes when another patch comes before it."""
    return re.sub(r"^\d+-", "", name)


def render(old, patches):
    """Return `series` for these patches: each in the part where it was, a new one in its predecessor's."""
    order = [name for name, _ in parse(old)]
    part_of = {_slug(patch): index for index, (_, rows) in enumerate(parse(old)) for patch in rows}
    rows, now = [row for row in old.splitlines() if row.startswith("#") and not _MARK.match(row)], -1
    for patch in patches:
        part = max(part_of.get(_slug(patch), now), now, 0)
        rows += [f"# part: {name}" for name in order[now + 1:part + 1] if name]
        now = part
        rows.append(patch)
    return "".join(f"{row}\n" for row in rows)
