# SPDX-License-Identifier: GPL-2.0
"""The parts of the series, each for its own maintainers, and how they are mailed.

Documentation/letters/NAME.md is the cover letter of the part NAME: the first line is the subject.
"""

import pathlib
import tempfile
import textwrap

from . import order, series
from .base import Fail, TOP, capture, write

LETTERS = TOP / "Documentation" / "letters"


def all_parts():
    """Return [(part, [patch names])] of the checkout's series."""
    return order.parse((TOP / "series").read_text())


def ranges(tree=None):
    """Return [(part, commit before it, its last commit)] in the tree of the series."""
    tree = tree or series.make()
    commits = series.git("rev-list", "--reverse", f"{series.BASE}..HEAD", tree=tree).split()
    before, found = series.git("rev-parse", series.BASE, tree=tree), []
    for part, patches in all_parts():
        mine, commits = commits[:len(patches)], commits[len(patches):]
        if mine:
            found.append((part, before, mine[-1]))
            before = mine[-1]
    return found


def letter(part):
    """Return (subject, body) of a part's cover letter."""
    path = LETTERS / f"{part}.md"
    if not path.exists():
        raise Fail(f"the part {part} has no cover letter: {path.relative_to(TOP)}")
    subject, _, body = path.read_text().partition("\n")
    return subject.removeprefix("# ").strip(), body.strip()


def _wrapped(body):
    """Return a letter's body as mail wants it: paragraphs and list items of at most 72 columns."""
    blocks = []
    for block in body.split("\n\n"):
        items = block.split("\n- ") if block.startswith("- ") else [block]
        bullet = "- " if block.startswith("- ") else ""
        blocks.append("\n".join(textwrap.fill(" ".join(item.removeprefix("- ").split()), 72, initial_indent=bullet,
                                              subsequent_indent=" " * len(bullet), break_long_words=False, break_on_hyphens=False)
                                for item in items))
    return "\n\n".join(blocks)


def recipients(patches, tree):
    """Return whom the kernel's get_maintainer.pl names for these patches: (to maintainers, cc lists)."""
    rows = capture(["perl", "scripts/get_maintainer.pl", "--no-git", "--no-git-fallback", "--no-n", "--roles",
                    "--no-rolestats", *patches], cwd=tree).splitlines()
    address = [(row.split(" ", 1)[0], row) for row in rows if "@" in row]
    return ([who for who, row in address if "maintainer" in row or "supporter" in row],
            [who for who, row in address if not ("maintainer" in row or "supporter" in row)])


def mail(part, where):
    """Write a part as it would be sent: cover letter and patches, addressed; return the file names."""
    tree = series.make()
    found = [row for row in ranges(tree) if row[0] == part]
    if not found:
        raise Fail(f"there is no part {part}; there are: " + " ".join(name for name, *_ in ranges(tree)))
    _, before, last = found[0]
    subject, body = letter(part)
    where = pathlib.Path(where)
    where.mkdir(parents=True, exist_ok=True)
    if any(where.glob("*.patch")):
        raise Fail(f"{where} has patches in it already: give a new folder")
    with tempfile.TemporaryDirectory() as scratch:
        capture(["git", "format-patch", "-q", "-o", scratch, f"{before}..{last}"], cwd=tree)
        to, cc = recipients(sorted(pathlib.Path(scratch).glob("*.patch")), tree)
    words = ["git", "format-patch", "--cover-letter", "--no-signature", "--subject-prefix=PATCH", "-o", where,
             *[f"--to={who}" for who in to], *[f"--cc={who}" for who in cc], f"{before}..{last}"]
    names = [pathlib.Path(row).name for row in capture(words, cwd=tree).splitlines()]
    cover = where / names[0]
    text = cover.read_text().replace("*** SUBJECT HERE ***", subject).replace("*** BLURB HERE ***", _wrapped(body))
    write(cover, text)
    return names
