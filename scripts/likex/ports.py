# SPDX-License-Identifier: GPL-2.0
"""Ports: the series on other kernels than the one that it is developed on.

The file `series` is the series on Linux 6.12. A port NAME is the file `series-NAME`, which has its own base and the same
form. It lists LiKeX's patches by the names that they have in patches/, so each of them is one file for all kernels; a
patch that only this port has is patches/NAME/NNNN-subject.patch. quilt takes either file by QUILT_SERIES.
"""

import os
import pathlib
import re
import shutil
import tempfile

from . import order, series, source
from .base import BUILD, Fail, LOGS, TOP, digest, lock, logged, step, write

# The port whose file is `series`, and whose tree is build/linux.
MAIN = "6.12"
# The part whose patches are the same for each kernel.
SHARED = "likex"
# Folders and files that are LiKeX's own: a change there does not touch code of others.
OWN = re.compile(r"(arch/x86/likex|virt/likex|Documentation/virt/likex|tools/testing/selftests/likex)/|include/uapi/linux/likex\.h")


def names():
    """Return the names of the ports, except the main one."""
    return sorted(path.name.removeprefix("series-") for path in TOP.glob("series-*"))


class Port:
    """One port: its series file, the folder of its own patches, its tree."""

    def __init__(self, name):
        self.name = name
        self.main = name == MAIN
        self.file = TOP / ("series" if self.main else f"series-{name}")
        self.tree = series.TREE if self.main else BUILD / f"linux-{name}"
        self.own = "" if self.main else f"{name}/"
        if not self.file.exists():
            raise Fail(f"there is no port {name}; there are: {' '.join([MAIN, *names()])}")

    def parts(self):
        """Return [(part, [patches])]; a patch is named as it lies below patches/."""
        return order.parse(self.file.read_text())

    def patches(self):
        """Return the names of all patches, in order."""
        return [name for _, patches in self.parts() for name in patches]

    def fingerprint(self):
        """Return a hash over the port as it lies in the checkout."""
        return digest(self.file, *[series.PATCHES / name for name in self.patches()])

    def pristine(self):
        """Return (repository, version) of the kernel source below it."""
        return source.pristine(self.file)

    def foreign(self):
        """Return (patches, lines) that change code outside LiKeX's folders; a line is one added or removed."""
        counts = [_foreign_lines((series.PATCHES / name).read_text()) for name in self.patches()]
        return sum(1 for count in counts if count), sum(counts)


def every():
    """Return all ports, the main one first."""
    return [Port(name) for name in (MAIN, *names())]


def _foreign_lines(text):
    """Return the number of lines that a patch adds and removes outside LiKeX's folders."""
    count = 0
    for change in re.split(r"^diff --git ", text, flags=re.MULTILINE)[1:]:
        path = re.match(r"a/(\S+)", change)[1]
        if not OWN.match(path):
            body = change.partition("\n@@")[2]
            count += sum(1 for row in body.splitlines() if row[:1] in ("+", "-"))
    return count


def _stamp(port):
    return port.tree / ".git" / "likex-series"


def _stamped(port):
    """Return (fingerprint, commit) of when the port's tree was last in step with the checkout's patches."""
    return tuple(_stamp(port).read_text().split()) if _stamp(port).exists() else (None, None)


def _in_step(port):
    write(_stamp(port), f"{port.fingerprint()} {series.git('rev-parse', 'HEAD', tree=port.tree)}\n")


def make(port, force=False):
    """Make or bring up to date the git tree of a port; return it. Work in it that was not exported is kept."""
    if port.main:
        return series.make(force)
    with lock(BUILD / f"linux-{port.name}.lock"):
        made, head = _stamped(port)
        if made == port.fingerprint() and not force:
            return port.tree
        if made and not force and (series.dirty(port.tree) or series.git("rev-parse", "HEAD", tree=port.tree) != head):
            raise Fail(f"{port.tree} has work that is not exported, and the patches have changed since it was made:\n"
                       f"    scripts/series export --port {port.name} --force    writes its commits over patches/{port.name}/\n"
                       f"    scripts/series tree --port {port.name} --force      throws its work away")
        if not made or force:
            repository, version = port.pristine()
            series.clone(port.tree, repository, version)
        with step(f"applying the port {port.name}"):
            _apply(port)
    return port.tree


def _apply(port):
    """Apply a port to its tree. As in the main tree, the same patches give the same commits anywhere."""
    series.git("checkout", "-q", "-f", "-B", series.BRANCH, series.BASE, tree=port.tree)
    _stamp(port).unlink(missing_ok=True)
    try:
        logged("git am", ["git", "am", "-q", "--committer-date-is-author-date",
                          *[series.PATCHES / name for name in port.patches()]],
               LOGS / f"am-{port.name}.log", cwd=port.tree, env=series.NOBODY)
    except Fail as error:
        series.git("am", "--abort", tree=port.tree, check=False, env=series.NOBODY)
        raise Fail(f"the port {port.name} does not apply to its base {source.recorded(port.file)[1]}; git says:\n{error}") from error
    _in_step(port)


def _normal(text):
    """Return a patch without what differs where it is applied to another file: line numbers, names of blobs, statistics."""
    head, _, change = text.partition("\n---\n")
    rows = [re.sub(r"^@@ -\S+ \+\S+ @@.*", "@@", row) for row in change.splitlines()]
    return head + "\n".join(row for row in rows if not row.startswith("index ") and not re.match(r" \S+ +\| ", row))


def render(port, where):
    """Write a port's commits as patches into a folder; return ({name: file}, in order): LiKeX's by their shared names."""
    where = pathlib.Path(where)
    shared = {} if port.main else {order.slug(name): name for name in Port(MAIN).patches()}
    found = {}
    for name in series.render(port.tree, where):
        same = shared.get(order.slug(name))
        if same and _normal((where / name).read_text()) == _normal((series.PATCHES / same).read_text()):
            found[same] = series.PATCHES / same
        else:
            found[port.own + name] = where / name
    return found


def listing(port, patches):
    """Return the text of a port's series file for these patches: each in the part where it was, or the main series has it."""
    return order.render(port.file.read_text(), patches, Port(MAIN).file.read_text())


def _changed(port, found):
    """Return the patches of LiKeX that were shared, and that the tree has changed."""
    before = {order.slug(name): name for name in port.patches() if "/" not in name}
    return [name for name in found if "/" in name and order.slug(name) in before]


def export(port, force=False):
    """Write a port's commits to its own patches and its series file; return how many there are."""
    if port.main:
        return series.export(force)
    with lock(BUILD / f"linux-{port.name}.lock"):
        series.exportable(port.tree)
        if _stamped(port)[0] != port.fingerprint() and not force:
            raise Fail(f"the patches have changed since {port.tree} was made: scripts/series tree --port {port.name}")
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            found = render(port, scratch)
            changed = _changed(port, found)
            if changed and not force:
                raise Fail(f"patches that all kernels share are changed in {port.tree}; change them in build/linux, "
                           "or give --force to have them for this port alone:\n" + "\n".join(changed))
            text = listing(port, list(found))
            shutil.rmtree(series.PATCHES / port.name, ignore_errors=True)
            (series.PATCHES / port.name).mkdir()
            for name, path in found.items():
                if "/" in name:
                    os.replace(path, series.PATCHES / name)
        write(port.file, text)
        _in_step(port)
    return len(found)


def differences(port, scratch):
    """Return a line for each patch in which a port's tree, written out, and the checkout differ."""
    if port.main:
        return series.differences(pathlib.Path(scratch))
    found = render(port, scratch)
    have = [name for name in found if (series.PATCHES / name).exists()]
    said = [f"{name}: only in the tree" for name in found if name not in have]
    said += [f"{name}: differs from the tree" for name in have if (series.PATCHES / name).read_bytes() != found[name].read_bytes()]
    said += [f"{path.name}: only in patches/{port.name}" for path in sorted((series.PATCHES / port.name).glob("*"))
             if port.own + path.name not in found]
    if listing(port, list(found)) != port.file.read_text():
        said.append(f"{port.file.name}: its list is not that of the tree's commits")
    return said


def out_of_step():
    """Return a line for each place where a port's list does not follow the main one's."""
    return [f"{port.file.name} does not follow `series`: scripts/series export writes it" for port in every()[1:]
            if order.follow(Port(MAIN).file.read_text(), port.file.read_text(), SHARED, port.file.read_text()) != port.file.read_text()]


def nearest(version):
    """Return the port for a kernel version: its own, or that of the fewest releases between; the older of two."""
    wanted = _release(version)
    return min(every(), key=lambda port: (abs(_release(port.name) - wanted), _release(port.name)))


def _release(version):
    """Return the number of a release in the order in which they came: 6.19 is followed by 7.0."""
    major, minor = (int(part) for part in re.match(r"(\d+)\.(\d+)", version).groups())
    return {6: 0, 7: 20}.get(major, (major - 6) * 20) + minor


def version_of(kernel):
    """Return the version of a kernel tree, such as 6.6.30, from its Makefile."""
    text = (pathlib.Path(kernel) / "Makefile").read_text()
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", text, re.MULTILINE))
    if len(found) != 3:
        raise Fail(f"{kernel}/Makefile does not say which version of the kernel it is")
    return ".".join(found[name] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
