# SPDX-License-Identifier: GPL-2.0
"""The emulator with VT-x: Bochs 3 built from Debian's source package, or Debian's own Bochs 2.7."""

import functools
import os
import pathlib
import re
import shutil
import tempfile

from . import packages
from .base import Fail, LOGS, TOP, cache, capture, digest, lock, logged, say, step

RELEASE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# --disable-show-ips: with it Bochs can deadlock in its own logger.
CONFIGURE = """--enable-vmx=2 --enable-svm --enable-smp --enable-x86-64 --enable-cpu-level=6
    --enable-all-optimizations --enable-avx --enable-evex --enable-cet --enable-pci --enable-fpu
    --enable-long-phy-address --disable-show-ips --disable-plugins --disable-docbook --with-nogui""".split()

# Faults of this version, mended; the packaged one has them.
PATCH = TOP / "tools" / "machine" / "bochs.patch"
# For profiles: a slower build that counts instructions.
PROFILE = (["--enable-instrumentation"], TOP / "tools" / "machine" / "profile.patch")


def _build_id(options, patches):
    """Return what tells one build from another of the same version."""
    return digest(*CONFIGURE, *options, *patches)


def packaged():
    """Return Debian's Bochs, which works without a build, some three times slower."""
    packages.need("bochs")
    return pathlib.Path("/usr/bin/bochs")


class Unavailable(Fail):
    """The fast Bochs cannot be built here: its source or a tool is missing."""


def built(options=(), *more):
    """Return the Bochs built here, building it if need be; raise Unavailable where it cannot be.

    options: for configure, beside the usual ones; more: patches, after the usual one.
    """
    patches = (PATCH, *more)
    name = _build_id(options, patches)

    def ready():
        return max(cache().glob(f"bochs/*-{name}/bochs"), default=None)
    if not ready():
        with lock(cache() / "bochs" / "lock"), tempfile.TemporaryDirectory(dir=cache() / "bochs") as scratch:
            # Another run may have built it while this one waited.
            if not ready():
                try:
                    packages.need("bochs-build", "source")
                    version, archive = _fetch(pathlib.Path(scratch))
                except (Fail, OSError) as error:
                    raise Unavailable(f"the fast Bochs cannot be built here: {error}") from error
                # That it does not compile, or that our patch does not apply, is a fault, and no reason to do without.
                _build(pathlib.Path(scratch), archive, cache() / "bochs" / f"{version}-{name}", options, patches)
    return ready()


@functools.lru_cache
def find(fast=True):
    """Return (program, is_fast): the built Bochs, or Debian's where what it is built from cannot be had."""
    packages.need("bochs")
    if not fast:
        return packaged(), False
    try:
        return built(), True
    except Unavailable as error:
        say(f"    {error}\n    taking Debian's")
        return packaged(), False


def profiler():
    """Return the Bochs that counts the host's instructions between marks of the benchmark, building it if need be."""
    return built(*PROFILE)


def called(kind):
    """Return name and version of the Bochs that a kind of machine runs in: Bochs 3.0, say."""
    version = find()[0].parent.name if kind == "bochs" else \
        capture(["dpkg-query", "-W", "-f", "${Version}", "bochs"])
    return f"Bochs {re.split('[+-]', version)[0]}"


def _apt(scratch):
    """Return apt-get with lists of its own, so that the machine's are left as they are."""
    (scratch / "lists" / "partial").mkdir(parents=True)
    return ["apt-get", "-o", f"Dir::Etc::SourceList={scratch}/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null",
            "-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}", "-o", "APT::Sandbox::User=root"]


def _fetch(scratch):
    """Download the source package, checked by apt, from the first archive that has it; return (version, upstream's)."""
    mirrors, apt, log = packages.mirrors(), _apt(scratch), LOGS / "bochs.log"
    for mirror in mirrors:
        (scratch / "sources.list").write_text(f"deb-src [signed-by={KEYRING}] {mirror} {RELEASE} main\n")
        try:
            with step("fetching the source of Bochs"):
                logged("apt-get update", [*apt, "update"], log, append=True)
                logged("apt-get source", [*apt, "source", "--download-only", "--tar-only", "bochs"], log,
                       cwd=scratch, append=True)
        except Fail:
            # Not every archive that a machine takes packages from has sources, or this release.
            if mirror == mirrors[-1]:
                raise
        else:
            archive = next(scratch.glob("bochs_*.orig.tar.*[!c]"))
            return re.sub(r"^bochs_|\.orig.*$", "", archive.name), archive
    raise Fail("apt has no archive to take the source package from")


def _build(scratch, archive, home, options, patches):
    log, env = LOGS / "bochs.log", {"CFLAGS": "-O2", "CXXFLAGS": "-O2"}
    logged("unpack", ["tar", "-xf", archive], log, cwd=scratch, append=True)
    tree = next(path for path in scratch.iterdir() if (path / "configure").exists())
    for patch in patches:
        logged("patch", ["patch", "-p1", "-i", patch], log, cwd=tree, append=True)
    with step("building Bochs (two to four minutes, once)"):
        logged("configure Bochs", ["./configure", *CONFIGURE, *options], log, cwd=tree, env=env, append=True)
        logged("make Bochs", ["make", f"-j{os.cpu_count()}", "bochs"], log, cwd=tree, env=env, append=True)
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy2(tree / "bochs", home / "bochs.new")
    os.replace(home / "bochs.new", home / "bochs")
