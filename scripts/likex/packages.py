# SPDX-License-Identifier: GPL-2.0
"""Debian packages: what each part of the work needs, and getting it."""

import os
import pathlib
import re
import subprocess
import tempfile
import time

from .base import Fail, LOGS, cache, capture, lock, logged, say, step

class Missing(Fail):
    """Packages that are not there, and may not be installed by this user."""


LOCK = cache() / "apt.lock"

# Packages by purpose. `need()` takes the names of purposes.
SETS = {
    "source": "git xz-utils",
    "kernel": "gcc make bc bison flex libelf-dev libssl-dev cpio kmod lz4 ccache perl rsync",
    "tools": "gcc make libc6-dev",
    "preload": "libzydis-dev",
    "vmm": "libzydis-dev libseccomp-dev",
    "bochs": "bochs bochsbios vgabios isolinux syslinux-common xorriso busybox-static",
    "bochs-build": "g++ make patch",
    "qemu": "qemu-system-x86 seabios busybox-static",
    "series": "git quilt",
    "checkpatch": "perl python3-ply python3-git codespell",
}


def missing(names):
    """Return which of these packages are not installed."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *names],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    present = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("installed ")}
    return [name for name in names if name not in present]


def available(name):
    """Tell whether this machine's apt knows a package (an old list of packages is good enough)."""
    return bool(capture(["apt-cache", "madison", name], check=False).strip())


def need(*sets):
    """Install what these sets (names in SETS, or package names) lack; raise Missing where that may not be."""
    wanted = sorted({name for one in sets for name in SETS.get(one, one).split()})
    lacking = missing(wanted)
    if not lacking:
        return
    if os.geteuid() != 0:
        raise Missing("these Debian packages are missing; install them and run this again:\n"
                   f"    sudo apt-get install --no-install-recommends {' '.join(lacking)}")
    with lock(LOCK):
        # Another thread may have been here first.
        if missing(lacking):
            _install(lacking)


def _install(lacking):
    """Install packages, with fresh lists if need be."""
    # A machine that has just come up may be updating itself.
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", *lacking]
    say(f"... installing {' '.join(lacking)}")
    log, env = LOGS / "apt.log", {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        logged("apt-get install", command, log, env=env)
    except Fail:
        # A new machine has no package lists yet, an old one has stale ones.
        _update()
        logged("apt-get install", command, log, env=env)


def _update():
    """Fetch apt's package lists; a machine that has just come up may be doing so itself, for which apt does not wait."""
    for attempt in range(10):
        try:
            logged("apt-get update", ["apt-get", "update"], LOGS / "apt.log", append=True)
            return
        except Fail as error:
            if "Could not get lock" not in str(error) or attempt == 9:
                raise
            time.sleep(30)


def unpacked(name):
    """Return the folder of a package's files: downloaded, checked by apt, and unpacked, but not installed; kept in the cache."""
    said = capture(["apt-get", "download", "--print-uris", name], check=False)
    if not said.strip() and os.geteuid() == 0:
        with lock(LOCK):
            _update()
        said = capture(["apt-get", "download", "--print-uris", name], check=False)
    if not said.strip():
        raise Missing(f"apt has no package {name}")
    file = said.split()[1]
    home = cache() / "packages"
    with lock(home / "lock"), tempfile.TemporaryDirectory(dir=home) as scratch:
        folder = home / file.removesuffix(".deb")
        if not folder.exists():
            with step(f"downloading {name}"):
                logged("apt-get download", ["apt-get", "-o", "APT::Sandbox::User=root", "download", name], LOGS / "apt.log", cwd=scratch,
                       append=True)
            archive = next(pathlib.Path(scratch).glob("*.deb"))
            capture(["dpkg-deb", "-x", archive, f"{scratch}/files"])
            os.replace(f"{scratch}/files", folder)
    return folder


def depends(name):
    """Return the packages that a package depends on, of its newest version that apt knows."""
    return re.findall(r"^ *Depends: (\S+)", capture(["apt-cache", "depends", name], check=False), re.MULTILINE)


def update_lists(stale=False):
    """Fetch apt's package lists if this machine has none for linux-source yet, or if those that it has are stale."""
    known = capture(["apt-cache", "madison", "linux-source-6.12"], check=False).strip()
    if os.geteuid() == 0 and (stale or not known):
        with lock(LOCK):
            _update()


def mirrors():
    """Return the addresses of the archives that this machine's apt uses."""
    said = capture(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
    return list(dict.fromkeys(line.strip().rstrip("/") for line in said.splitlines() if line.strip()))
