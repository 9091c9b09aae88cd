# SPDX-License-Identifier: GPL-2.0
"""The newest kernel that Debian has, and the nearest port on it: does it still apply, and does LiKeX build?"""

import re

from . import archive, foreign, kernel, series, source
from .base import BUILD, Fail, step


def run():
    """Print a line that says what broke, or that nothing did; return the exit status."""
    package, version = archive.newest_kernel()
    repository, version = source.fetched(package, version)
    try:
        where, _ = foreign.onto(_tree(repository, version))
        objects(where)
    except foreign.Stopped as stopped:
        print(f"{package} {version}: {stopped.patch} does not apply")
        return 1
    except Fail as error:
        print(f"{package} {version}: {first_error(str(error))}")
        return 1
    print(f"{package} {version}: every patch applies, and LiKeX builds")
    return 0


def _tree(repository, version):
    """Return a kernel tree of a version of the source."""
    where = BUILD / "trees" / f"linux-{version}"
    if not (where / ".git" / "complete").exists():
        series.clone(where, repository, version)
        (where / ".git" / "complete").touch()
    return where


def objects(tree):
    """Build the objects of LiKeX and of the owner of VMX in a kernel tree; raise Fail at a warning."""
    out, log = BUILD / "kernel" / f"objects-{tree.name}", f"objects-{tree.name}.log"
    kernel.configure(tree, out, ("host", "likex"), log)
    try:
        with step(f"building LiKeX's objects in {tree.name}"):
            kernel.make(tree, out, "arch/x86/virt/", "arch/x86/likex/", what="LiKeX", log=log, extra=["-s", "W=1"])
    except Fail as error:
        raise Fail(first_error((kernel.LOGS / log).read_text())) from error
    said = (kernel.LOGS / log).read_text()
    if re.search(r"\bwarning: ", said):
        raise Fail(first_error(said))
    return out


def first_error(said):
    """Return the line of a build's output that matters most."""
    rows = said.splitlines()
    return next((row.strip() for row in rows if re.search(r"\b(error|warning): ", row)), rows[0])
