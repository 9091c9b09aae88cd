# SPDX-License-Identifier: GPL-2.0
"""The ports: the series on other kernels applies there, keeps what is equal once, and LiKeX builds."""

import pathlib
import tempfile

from .. import canary, kernel, order, packages, ports, series, source
from ..base import capture, write
from ..suite import test

# The newest kernel that has a port.
NEWEST = "7.3"
# The most patches outside the part LiKeX: as many as there are. Fewer is better, more needs a reason.
MOST = {"6.12": 25, "7.3": 12}


def _ports():
    return [ports.Port(name) for name in ports.names()]


@test("series.ports")
def equal_once(t):
    """Each port exports byte-stably; it shares LiKeX's patches as files, and its list follows the main one's."""
    for port in _ports():
        ports.make(port)
        with tempfile.TemporaryDirectory() as scratch:
            differ = ports.differences(port, scratch)
        t.check(not differ, "\n".join(differ))
        shared = [name for name in port.patches() if "/" not in name]
        own = [name for name in port.patches() if "/" in name]
        t.check(all((series.PATCHES / name).exists() for name in port.patches()), f"{port.name} lists a patch that is not there")
        t.check(not {path.name for path in (series.PATCHES / port.name).iterdir()} - {pathlib.Path(name).name for name in own},
                f"patches/{port.name} has a patch that {port.file.name} does not list")
        likex = dict(port.parts())[ports.SHARED]
        t.note(f"{port.name}: {len(shared)} patches are those of `series`, {len(own)} its own, "
               f"{sum('/' in name for name in likex)} of them of LiKeX")
    t.check(not ports.out_of_step(), "\n".join(ports.out_of_step()))


@test("series.ports-follow")
def lists_follow(t):
    """A change of the main series is made once: a port's list takes new numbers and new patches, and keeps its own."""
    before = "# part: virt\n0001-host.patch\n# part: likex\n0002-a.patch\n0003-b.patch\n0004-old.patch\n"
    port = "# without: old.patch\n# part: virt\n7.3/0001-other.patch\n# part: likex\n0002-a.patch\n7.3/0003-b.patch\n"
    after = "# part: virt\n0001-host.patch\n0002-more.patch\n# part: likex\n0003-a.patch\n0004-new.patch\n0005-b.patch\n0006-last.patch\n0007-old.patch\n"
    wanted = ("# without: old.patch\n# part: virt\n7.3/0001-other.patch\n# part: likex\n0003-a.patch\n0004-new.patch\n"
              "7.3/0003-b.patch\n0006-last.patch\n")
    t.check(order.follow(after, before, "likex", port) == wanted, order.follow(after, before, "likex", port))
    gone = after.replace("0004-new.patch\n", "")
    t.check("new.patch" not in order.follow(gone, after, "likex", wanted), "a patch that is gone is still listed")


@test("series.port-nearest")
def nearest(t):
    """A kernel gets the port of its version, or of the fewest releases between."""
    for version, name in (("6.12.9", "6.12"), ("7.3.4", "7.3"), ("7.9.0", "7.3"), ("6.13.0", "6.12"), ("7.1.2", "7.3")):
        t.check(ports.nearest(version).name == name, f"Linux {version} gets the port {ports.nearest(version).name}, not {name}")


@test("port.cost")
def cost(t):
    """The number of patches and lines that change others' code, for each port, is not larger than it has to be."""
    for port in ports.every():
        foreign = sum(len(patches) for part, patches in port.parts() if part != ports.SHARED)
        t.note(f"{port.name}: {foreign} patches before LiKeX's, {port.foreign()[1]} lines outside LiKeX's folders")
        t.check(foreign <= MOST[port.name], f"{port.name}: {foreign} patches change others' code, more than {MOST[port.name]}")


def _applies(t, port):
    """Check that each patch of a port applies to its base: without fuzz, and without a merge."""
    repository, version = port.pristine()
    with tempfile.TemporaryDirectory() as scratch:
        env = {"GIT_INDEX_FILE": f"{scratch}/index", "GIT_DIR": str(repository)}
        capture(["git", "read-tree", "pristine"], env=env)
        t.run(["git", "apply", "--cached", "--whitespace=error-all", *[series.PATCHES / name for name in port.patches()]], env=env)
    t.note(f"{len(port.patches())} patches on {version}, made on {source.recorded(port.file)[1]}")


def _passed(t, tree):
    """Return the file that says that the objects of a tree, configuration and compiler have built, unless all is repeated."""
    if t.exhaustive:
        return None
    return series.cache() / "built" / series.digest("port", kernel.state(tree, ("host", "likex")))


@test("port.newest", lane="port")
def newest(t):
    """The port to the newest kernel applies, and LiKeX's objects build there without a warning."""
    packages.need("kernel")
    port = ports.Port(NEWEST)
    _applies(t, port)
    tree = ports.make(port)
    passed = _passed(t, tree)
    if passed and passed.exists():
        t.note("LiKeX's objects are as they were when they built")
        return
    canary.objects(tree)
    if passed:
        write(passed, t.name)


@test("port.checkpatch")
def checkpatch(t):
    """checkpatch.pl --strict finds nothing in a port's own patches."""
    series.make()
    for port in _ports():
        bad = series.checkpatch([name for name in port.patches() if "/" in name])
        t.check(not bad, "checkpatch found something in: " + " ".join(bad))
