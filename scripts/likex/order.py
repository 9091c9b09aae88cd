# SPDX-License-Identifier: GPL-2.0
"""A series file: the order of the patches, and the parts that they belong to.

A comment line names a part before its first patch: `# part: NAME`. A patch with a folder in its name is a port's own.
"""

import re

_MARK = re.compile(r"# part: (\S+)$")
_WITHOUT = "# without: "


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


def slug(name):
    """Return a patch's name without folder and number, which changes when another patch comes before it."""
    return re.sub(r"^(?:.*/)?\d+-", "", name)


def render(old, patches, also=""):
    """Return a series file for these patches: each in the part where it was, a new one in its predecessor's.

    also: the text of another series file, which says of patches that are new here in which part they are.
    """
    order = [name for name, _ in parse(old)]
    part_of = {slug(patch): order.index(part) for text in (also, old) for part, rows in parse(text) if part in order
               for patch in rows}
    rows, now = [row for row in old.splitlines() if row.startswith("#") and not _MARK.match(row)], -1
    for patch in patches:
        part = max(part_of.get(slug(patch), now), now, 0)
        rows += [f"# part: {name}" for name in order[now + 1:part + 1] if name]
        now = part
        rows.append(patch)
    return "".join(f"{row}\n" for row in rows)


def follow(main, before, shared, text):
    """Return a port's series file (text) after the main one has changed from `before` to `main`.

    The patches that both have keep their places and get their new names; one that is gone goes; a new one of the part
    `shared` comes after the patch that it follows in the main file. A line `# without: SUBJECT.patch` in the port's file
    names a patch that it leaves out.
    """
    old = {slug(name) for _, patches in parse(before) for name in patches}
    old |= {row.removeprefix(_WITHOUT) for row in text.splitlines() if row.startswith(_WITHOUT)}
    names = {slug(name): name for _, patches in parse(main) for name in patches}
    rows = [names.get(slug(row), "") if _is_shared(row) else row for row in text.splitlines()]
    rows = [row for row in rows if row]
    previous = None
    for part, patches in parse(main):
        for name in patches:
            if part == shared and slug(name) not in old and name not in rows:
                rows.insert(_place(rows, previous), name)
            previous = name if name in rows else _own(rows, name) or previous
    return "".join(f"{row}\n" for row in rows)


def _is_shared(row):
    return not row.startswith("#") and "/" not in row


def _own(rows, name):
    """Return the port's own patch that takes the place of a shared one."""
    return next((row for row in rows if "/" in row and slug(row) == slug(name)), None)


def _place(rows, previous):
    """Return where a row comes that follows another."""
    return rows.index(previous) + 1 if previous in rows else len(rows)
