# SPDX-License-Identifier: GPL-2.0
"""The emulator with VT-x: Bochs 3 built from Debian's source package, or Debian's own Bochs 2.7."""

import hashlib
import os
import pathlib
import re
import shutil
import tempfile
import urllib.error
import urllib.request

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


def _build_id():
    """Return what tells one build from another, but for the version."""
    return digest(*CONFIGURE, PATCH)


def packaged():
    """Return Debian's Bochs, which works without a build, some three times slower."""
    packages.need("bochs")
    return pathlib.Path("/usr/bin/bochs")


def built():
    """Return the Bochs built here, building it if need be; raise Fail where that cannot be done."""
    def ready():
        return max(cache().glob(f"bochs/*-{_build_id()}/bochs"), default=None)
    if not ready():
        packages.need("bochs-build", "source")
        with lock(cache() / "bochs" / "lock"), tempfile.TemporaryDirectory(dir=cache() / "bochs") as scratch:
            # Another run may have built it while this one waited.
            if not ready():
                version, archive = _fetch(pathlib.Path(scratch))
                _build(pathlib.Path(scratch), archive, cache() / "bochs" / f"{version}-{_build_id()}")
    return ready()


def find(fast=True):
    """Return (program, is_fast): the built Bochs, or Debian's where building fails."""
    packages.need("bochs")
    if not fast:
        return packaged(), False
    try:
        return built(), True
    except Fail as error:
        say(f"    the fast Bochs cannot be built here, taking Debian's: {error}")
        return packaged(), False


def _sources(scratch):
    """Yield (address, size, sha256) of each file of the source package, from apt's signed index."""
    (scratch / "lists" / "partial").mkdir(parents=True)
    mirrors = packages.mirrors()
    if not mirrors:
        raise Fail("apt has no archive to take the source package from")
    # Lists of our own: the machine's are left as they are.
    (scratch / "sources.list").write_text(f"deb-src [signed-by={KEYRING}] {mirrors[0]} {RELEASE} main\n")
    options = ["-o", f"Dir::Etc::SourceList={scratch}/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null",
               "-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}",
               "-o", "APT::Sandbox::User=root"]
    logged("apt-get update", ["apt-get", *options, "update"], LOGS / "bochs.log", append=True)
    said = capture(["apt-get", *options, "source", "--print-uris", "bochs"], cwd=scratch)
    return re.findall(r"^'(\S+)' \S+ (\d+) SHA256:([0-9a-f]{64})$", said, re.MULTILINE)


def _fetch(scratch):
    """Download the upstream archive of the source package and check its sum."""
    for address, _, wanted in _sources(scratch):
        if ".orig.tar." not in address:
            continue
        name = urllib.request.unquote(address.rsplit("/", 1)[1])
        with step(f"fetching {name}"):
            try:
                with urllib.request.urlopen(address, timeout=120) as answer:
                    data = answer.read()
            except (urllib.error.URLError, OSError) as error:
                raise Fail(f"{name}: {error}") from error
        if hashlib.sha256(data).hexdigest() != wanted:
            raise Fail(f"{name}: its SHA256 is not the one that apt's index has")
        (scratch / name).write_bytes(data)
        return re.sub(r"^bochs_|\.orig.*$", "", name), scratch / name
    raise Fail(f"apt names no source archive of bochs in {RELEASE}")


def _build(scratch, archive, home):
    log, env = LOGS / "bochs.log", {"CFLAGS": "-O2", "CXXFLAGS": "-O2"}
    logged("unpack", ["tar", "-xf", archive], log, cwd=scratch, append=True)
    tree = next(path for path in scratch.iterdir() if (path / "configure").exists())
    logged("patch", ["patch", "-p1", "-i", PATCH], log, cwd=tree, append=True)
    with step("building Bochs (two to four minutes, once)"):
        logged("configure Bochs", ["./configure", *CONFIGURE], log, cwd=tree, env=env, append=True)
        logged("make Bochs", ["make", f"-j{os.cpu_count()}", "bochs"], log, cwd=tree, env=env, append=True)
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy2(tree / "bochs", home / "bochs.new")
    os.replace(home / "bochs.new", home / "bochs")
