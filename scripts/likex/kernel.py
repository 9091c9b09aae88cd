# SPDX-License-Identifier: GPL-2.0
"""Configuring and building kernels out of tree, with the compiler cache."""

import dataclasses
import functools
import os
import pathlib
import re

from . import foreign, packages, series
from .base import BUILD, Fail, LOGS, TOP, cache, capture, digest, lock, logged, say, step, write

CONFIGS = TOP / "configs"

# Name: configuration fragments, in the order in which they are laid over allnoconfig.
FLAVOURS = {
    "host": ("host", "likex"),
    "debug": ("host", "likex", "debug"),
    "guest": ("guest",),
}


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A built kernel: its name, where it was built, and from which tree."""
    flavour: str
    out: pathlib.Path
    tree: pathlib.Path

    @property
    def image(self):
        return self.out / "arch/x86/boot/bzImage"

    @property
    def vmlinux(self):
        return self.out / "vmlinux"

    def stripped(self, where):
        """Write the uncompressed kernel without symbols; return where."""
        capture(["strip", "-s", "-o", where, self.vmlinux])
        return where

    def modules(self):
        """Return the modules that were built, in the order in which they may be loaded."""
        rows = (self.out / "modules.order").read_text().split()
        return [self.out / re.sub(r"\.o$", ".ko", row) for row in rows]

    def release(self):
        """Return what `uname -r` prints on it."""
        return (self.out / "include/config/kernel.release").read_text().strip()


@functools.lru_cache
def _headers():
    """Return a hash over the versions of the packages whose headers the build's own tools include."""
    packages.need("kernel")
    return digest(capture(["dpkg-query", "-W", "libc6-dev", "libelf-dev", "libssl-dev"]))


def environment():
    """Return what makes a build the same everywhere: fixed banner, cache keys free of this checkout's path."""
    return {
        "CCACHE_DIR": str(cache() / "ccache"), "CCACHE_BASEDIR": str(TOP), "CCACHE_NOHASHDIR": "1",
        "CCACHE_MAXSIZE": "5G",
        # The cache uses make's list of a file's headers. Without that it runs the preprocessor once more: 4.4 instead
        # of 2.6 s of work for one of KVM's files. The list lacks the system's headers, so the namespace is a
        # hash over their packages.
        "CCACHE_DEPEND": "1", "CCACHE_NAMESPACE": _headers(),
        "KBUILD_BUILD_TIMESTAMP": "Sat Jan  1 00:00:00 UTC 2000",
        "KBUILD_BUILD_VERSION": "1", "KBUILD_BUILD_USER": "likex", "KBUILD_BUILD_HOST": "likex",
    }


def make(tree, out, *targets, what, log, extra=(), timeout=None):
    """Run the kernel's make; raise Fail with the end of its log."""
    command = ["make", "-C", tree, f"O={out}", f"-j{os.cpu_count()}", "CC=ccache gcc", "HOSTCC=ccache gcc", *extra,
               *targets]
    logged(what, command, LOGS / log, env=environment(), timeout=timeout, append=True)


# The files that define the symbols of the series, by how the symbols begin.
_KCONFIG = {"CONFIG_LIKEX": "arch/x86/likex/Kconfig", "CONFIG_X86_VIRT": "arch/x86/virt/Kconfig"}


def _later(tree, symbol):
    """Tell whether a symbol is one of the series' that this tree does not have (yet): in a bisection, say."""
    for prefix, name in _KCONFIG.items():
        if symbol.startswith(prefix):
            path = tree / name
            return not (path.exists() and re.search(rf"^(?:menu)?config {symbol[7:]}$", path.read_text(), re.MULTILINE))
    return False


def wanted(fragments, tree):
    """Return what fragments ask for, {symbol: line}; a later fragment wins."""
    asked = {}
    for name in fragments:
        path = name if isinstance(name, pathlib.Path) else CONFIGS / f"{name}.config"
        for row in path.read_text().splitlines():
            found = re.match(r"(CONFIG_\w+)=(.+)$", row) or re.match(r"# (CONFIG_\w+) is not set$", row)
            if found and not _later(tree, found[1]):
                asked[found[1]] = row if row.startswith("CONFIG") else f"{found[1]}=n"
    if asked.get("CONFIG_LIKEX") == "CONFIG_LIKEX=n":
        # Then there are no choices of it.
        asked = {name: row for name, row in asked.items() if not name.startswith("CONFIG_LIKEX_")}
    return asked


def _is_other(tree):
    """Tell whether a tree is of another kernel than the series' own: a person's, or a port's."""
    return foreign.is_copy(tree) or (tree.parent == BUILD and tree != series.TREE)


def _holds_likex(tree, fragments, symbols):
    """Raise Fail if another kernel would be built without LiKeX, as if that were a success."""
    if _is_other(tree) and "likex" in fragments and "CONFIG_LIKEX" not in symbols:
        raise Fail(f"the kernel would be without LiKeX, so it is not built: {tree}")


def configure(tree, out, fragments, log):
    """Lay fragments over allnoconfig; raise Fail if a kernel of the series did not take one, tell of it if another's."""
    asked = wanted(fragments, tree)
    _holds_likex(tree, fragments, asked)
    out.mkdir(parents=True, exist_ok=True)
    write(out / ".wanted", "".join(f"{row}\n" for row in asked.values()))
    before = (out / ".config").read_bytes() if (out / ".config").exists() else None
    (LOGS / log).unlink(missing_ok=True)
    make(tree, out, "allnoconfig", what="configure", log=log, extra=[f"KCONFIG_ALLCONFIG={out / '.wanted'}"])
    got = (out / ".config").read_text()
    values = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", got, re.MULTILINE))
    refused = [row for name, row in asked.items() if values.get(name, "n") != row.split("=", 1)[1]]
    if refused:
        said = "the kernel's Kconfig did not take: " + " ".join(refused)
        # Another version may have other names for mitigations, or other choices.
        if not _is_other(tree):
            raise Fail(said)
        say(f"    {said}")
    _holds_likex(tree, fragments, values)
    return before != (out / ".config").read_bytes()


def state(tree, fragments):
    """Return a hash over all that a build depends on: commits, uncommitted work, configuration, compiler."""
    head = series.git("rev-parse", "HEAD^{tree}", tree=tree)
    changed = series.dirty(tree)
    if changed:
        changed += series.git("diff", "HEAD", tree=tree)
        untracked = series.git("ls-files", "-o", "--exclude-standard", tree=tree).splitlines()
        changed += digest(*[tree / path for path in untracked])
    return digest(head, changed, repr(wanted(fragments, tree)), capture(["gcc", "--version"]))


def build(flavour="host", tree=None):
    """Build a flavour of the kernel, if anything it is made from has changed."""
    packages.need("kernel")
    tree = tree or series.make()
    fragments = FLAVOURS[flavour]
    name = flavour if tree == series.TREE else f"{flavour}-{tree.name}"
    out, log = BUILD / "kernel" / name, f"kernel-{name}.log"
    kernel = Kernel(flavour, out, tree)
    with lock(BUILD / "kernel" / f"{name}.lock"):
        now = state(tree, fragments)
        stamp = out / ".built"
        # A guest is booted by its uncompressed kernel, and has no modules.
        product, targets = (kernel.vmlinux, ["vmlinux"]) if flavour == "guest" else (kernel.image, ["bzImage", "modules"])
        if stamp.exists() and stamp.read_text() == now and product.exists():
            return kernel
        stamp.unlink(missing_ok=True)
        with step(f"building the kernel ({name})"):
            configure(tree, out, fragments, log)
            make(tree, out, *targets, what=f"kernel {name}", log=log)
        write(stamp, now)
    return kernel
