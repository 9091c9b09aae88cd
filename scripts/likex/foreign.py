# SPDX-License-Identifier: GPL-2.0
"""The series on a person's own kernel tree: applied in order to a copy, stopped at a conflict, gone on with.

The copy is a git tree in build/trees. Its .git/likex-onto has what is known of it, as JSON:
  source      the state of the person's tree when it was copied
  port        the port that is applied to it
  series      the port's fingerprint
  keep_going  true if patches that do not apply are left out
  head        the last commit that this script knows; work after that is the person's
  stopped     the patch that did not apply, while it is being resolved
  resolved    true if the person has resolved a conflict: then the copy is not thrown away
  refused     the patches that are left out, each with the files in conflict
"""

import json
import pathlib
import re
import shutil

from . import ports, series
from .base import BUILD, Fail, LOGS, capture, digest, lock, logged, say, shown, step, write

# Without a search for renamed files: where LiKeX's first patch is refused, its others would all be compared with the
# whole tree, ten seconds each.
_AM = ["git", "-c", "merge.renames=false", "am", "-q", "-3"]
# A screen has few lines for a conflict, and for files.
_LINES, _FILES = 8, 5


class Stopped(Fail):
    """A patch does not apply; the message is one screen that says where, and how to go on. patch: its name."""

    def __init__(self, where, kernel, port, patch, why):
        super().__init__(_screen(where, kernel, port, patch, why))
        self.patch = patch


def _state_file(where):
    return where / ".git" / "likex-onto"


def _state(where):
    """Return what is known of a copy; of a copy of an older form, or of none, nothing."""
    try:
        return json.loads(_state_file(where).read_text())
    except (OSError, ValueError):
        return {}


def _record(where, **more):
    write(_state_file(where), json.dumps({**_state(where), **more}))


def is_copy(tree):
    """Tell whether a tree is a copy by onto(), of a kernel tree that is not the series' own."""
    return _state_file(tree).exists()


def place(kernel):
    """Return where the copy of a kernel tree is."""
    return BUILD / "trees" / f"{kernel.name}-{digest(str(kernel))}"


def onto(kernel, keep_going=False, name=None):
    """Apply the series to another kernel tree (in a copy of it); return (copy, refused patches).

    name: the port to apply, if not the nearest to the tree's version.
    keep_going: leave out each patch that does not apply. Otherwise stop at the first, by raising Stopped; when the
    person has resolved the conflict, a further call goes on.
    """
    kernel = pathlib.Path(kernel).resolve()
    if not (kernel / "Kconfig").exists() or not (kernel / "arch" / "x86").is_dir():
        raise Fail(f"{kernel} is not a kernel tree")
    where = place(kernel)
    with lock(where.with_name(where.name + ".lock")):
        port = ports.Port(name) if name else ports.nearest(ports.version_of(kernel))
        now = {"source": _identity(kernel), "port": port.name, "series": port.fingerprint(), "keep_going": keep_going}
        if _kept(where, now):
            _go_on(where, kernel, port, keep_going)
        else:
            shutil.rmtree(where, ignore_errors=True)
            with step(f"copying {kernel} (it is left as it is)"):
                _copy(kernel, where, port)
            say(f"    applying the port {port.name} to Linux {ports.version_of(kernel)}")
            _record(where, **now, head=_head(where), stopped=None, resolved=False, refused={})
            _apply(where, kernel, port, port.patches(), keep_going)
        refused = _state(where)["refused"]
    for name, conflicts in refused.items():
        say(f"    left out: {name}" + "".join(f"\n        conflict in {path}" for path in conflicts))
    say(f"    {len(port.patches()) - len(refused)} of {len(port.patches())} patches applied in {shown(where)}")
    return where, list(refused)


def _head(where):
    return series.git("rev-parse", "HEAD", tree=where)


def _identity(kernel):
    """Return what tells that a person's kernel tree is the one of last time: its commit, or its files' times."""
    if (kernel / ".git").exists():
        # With the user's settings: another user may own the tree, and git may be told to trust it (safe.directory).
        return series.git("rev-parse", "HEAD", tree=kernel, env={})
    rows = (f"{path.relative_to(kernel)} {path.lstat().st_mtime_ns}" for path in sorted(kernel.rglob("*")))
    return digest("\n".join(rows))


def _kept(where, now):
    """Tell whether a copy is gone on with; raise Fail if it is to be made anew, and holds work that would be lost."""
    if not where.exists():
        return False
    known = _state(where)
    if known and all(known[name] == value for name, value in now.items()):
        return True
    if known and (known["resolved"] or known["stopped"] or known["head"] != _head(where) or series.dirty(where)):
        raise Fail(f"{shown(where)} has work of yours, which would be lost, and what it was made from has changed "
                   "(kernel tree, series or --keep-going): move it away, or remove it")
    return False


def _go_on(where, kernel, port, keep_going):
    """Take up a copy where it was left: commit a conflict that the person has resolved, and apply what follows."""
    known, names = _state(where), port.patches()
    name = known["stopped"]
    if not name:
        return
    if (where / ".git" / "rebase-apply").exists():
        if series.git("diff", "--name-only", "--diff-filter=U", tree=where):
            raise Stopped(where, kernel, port, name, "is not resolved yet")
        if not series.git("diff", "--name-only", "--cached", tree=where):
            raise Stopped(where, kernel, port, name, "is not resolved yet: nothing is added")
        series.git("am", "-q", "--continue", tree=where, env=series.NOBODY)
    # Otherwise the person has ended git's part: with `git am --continue`, or with --skip.
    skipped = {name: []} if _head(where) == known["head"] else {}
    _record(where, head=_head(where), stopped=None, resolved=True, refused={**known["refused"], **skipped})
    _apply(where, kernel, port, names[names.index(name) + 1:], keep_going)


def _apply(where, kernel, port, names, keep_going):
    """Apply patches to a copy; at one that does not apply stop, or leave it out."""
    for name in names:
        try:
            logged(name, [*_AM, series.PATCHES / name], _log(where), cwd=where, env=series.NOBODY)
        except Fail:
            conflicts = list(_conflicts(where))
            if not keep_going:
                _record(where, head=_head(where), stopped=name)
                raise Stopped(where, kernel, port, name, "does not apply") from None
            series.git("am", "--skip", tree=where, env=series.NOBODY, check=False)
            _record(where, refused={**_state(where)["refused"], name: conflicts})
    _record(where, head=_head(where))


def _log(where):
    """Return the file with what git said of the last patch."""
    return LOGS / f"onto-{where.name}.log"


# Git's two letters for a file in conflict, of which the first is this tree's and the second the patch's.
_KINDS = {"UU": "changed in both", "AA": "added in both", "DU": "not in this tree", "UD": "removed by the patch",
          "UA": "added by the patch", "AU": "added in this tree", "DD": "removed in both"}


def _conflicts(where):
    """Return {file: what is in its way} of the patch that is stopped."""
    rows = series.git("status", "--porcelain", "-uno", tree=where).splitlines()
    found = {row[3:]: _KINDS[row[:2]] for row in rows if row[:2] in _KINDS}
    if not found:
        # Without a merge git says only this.
        for path, why in re.findall(r"^error: (?:patch failed: )?(\S+?)(?::\d+)?: (.*)$|", _log(where).read_text(), re.MULTILINE):
            if path:
                found.setdefault(path, why)
    return found


def _first_lines(where, paths):
    """Return the place of the first conflict that a merge has marked, and its first lines."""
    for path in paths:
        rows = (where / path).read_text(errors="replace").splitlines() if (where / path).is_file() else []
        at = next((number for number, row in enumerate(rows) if row.startswith("<<<<<<< ")), None)
        if at is not None:
            return [f"{path}, line {at + 1}:", *[f"  {row[:96]}" for row in rows[at:at + _LINES]]]
    return [row[:110] for row in _log(where).read_text().splitlines() if row.startswith("error:")][:_LINES]


def _screen(where, kernel, port, name, why):
    """Return what a person has to know of a patch that is stopped, on one screen."""
    names, found = port.patches(), _conflicts(where)
    part = next(part for part, patches in port.parts() if name in patches)
    files = [f"{path} ({kind})" for path, kind in list(found.items())[:_FILES]]
    files += [f"and {len(found) - _FILES} more"] * (len(found) > _FILES)
    rows = [("part", [part]), ("patch", [name]), ("files", files), ("conflict", _first_lines(where, found)),
            ("tree", [f"{where} (with the {names.index(name)} patches before it)"]),
            ("to go on", [f"resolve it there, `git add` the files, and then: scripts/run --kernel {kernel}",
                          "(`git am --skip` leaves the patch out; --keep-going leaves out each that does not apply)"])]
    table = [f"    {title if first else '':<10}{line}" for title, lines in rows
             for first, line in ((index == 0, line) for index, line in enumerate(lines))]
    return "\n".join([f"patch {names.index(name) + 1} of {len(names)} {why}; nothing was built", *table])


def _copy(kernel, where, port):
    """Clone a kernel tree, or import one that is not under git."""
    log = _log(where)
    if (kernel / ".git").exists():
        if series.dirty(kernel, env={}):
            say(f"    what is not committed in {kernel} is left out")
        logged("git clone", ["git", "clone", "-q", "--shared", kernel, where], log)
    else:
        shutil.copytree(kernel, where, symlinks=True)
        logged("git init", ["git", "init", "-q"], log, cwd=where, env=series.PLAIN)
        logged("git add", ["git", "add", "-A", "-f", "."], log, cwd=where, env=series.PLAIN, append=True)
        logged("git commit", ["git", "commit", "-q", "-m", "import"], log, cwd=where, env=series.NOBODY, append=True)
    _lend(where, port)


def _lend(where, port):
    """Give a copy each file as it is before each patch, which `git am -3` merges with."""
    repository, _ = port.pristine()
    with open(where / ".git" / "objects" / "info" / "alternates", "a") as alternates:
        alternates.write(f"{repository / 'objects'}\n")
    index = {"GIT_INDEX_FILE": str(where / ".git" / "likex-index")}
    base = capture(["git", "rev-parse", "pristine^{tree}"], cwd=repository).strip()
    series.git("read-tree", base, tree=where, env=index)
    series.git("apply", "--cached", *[series.PATCHES / name for name in port.patches()], tree=where, env=index)
    pathlib.Path(index["GIT_INDEX_FILE"]).unlink()
