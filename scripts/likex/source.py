# SPDX-License-Identifier: GPL-2.0
"""The kernel source that the series is made on: fetched once, kept as a git repository outside the checkout."""

import re
import shutil
import tempfile
import pathlib

from . import packages
from .base import Fail, LOGS, TOP, cache, capture, lock, logged, say, step

# Everyone's import of one version is the same commit.
_FIXED = {
    "GIT_AUTHOR_NAME": "linux-source", "GIT_AUTHOR_EMAIL": "linux-source@localhost",
    "GIT_COMMITTER_NAME": "linux-source", "GIT_COMMITTER_EMAIL": "linux-source@localhost",
    "GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


def recorded():
    """Return (package, version) that the file `series` says the series was made on."""
    first = (TOP / "series").read_text().splitlines()[0]
    found = re.fullmatch(r"# base: (\S+) (\S+)", first)
    if not found:
        raise Fail("the first line of `series` must be `# base: PACKAGE VERSION`")
    return found.groups()


def available(package):
    """Return the versions of a package that apt can fetch, newest first."""
    rows = capture(["apt-cache", "madison", package], check=False).splitlines()
    return list(dict.fromkeys(row.split("|")[1].strip() for row in rows if row.count("|") == 2))


def repository(version):
    """Return where the repository of one version is kept."""
    return cache() / "src" / f"linux-{version}.git"


def pristine():
    """Return (repository, version) of the kernel source, fetching and importing it if need be."""
    packages.need("source")
    package, wanted = recorded()
    if (repository(wanted) / "complete").exists():
        return repository(wanted), wanted
    packages.update_lists()
    versions = available(package)
    version = wanted if wanted in versions else versions[0] if versions else None
    if version is None:
        raise Fail(f"apt knows no package {package}; the series is made on its version {wanted}")
    if version != wanted:
        say(f"    {package} {wanted}, which the series was made on, is no longer there; taking {version}")
    with lock(cache() / "src" / "lock"):
        if not (repository(version) / "complete").exists():
            _import(package, version)
    return repository(version), version


def _import(package, version):
    """Fetch one version of the source package and commit it into a bare repository."""
    home = repository(version)
    shutil.rmtree(home, ignore_errors=True)
    log = LOGS / "source.log"
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        scratch = pathlib.Path(scratch)
        scratch.chmod(0o755)
        with step(f"fetching {package} {version}"):
            logged("apt-get download", ["apt-get", "download", "-o", "APT::Sandbox::User=root",
                                        f"{package}={version}"], log, cwd=scratch)
        with step("unpacking the kernel source"):
            deb = next(scratch.glob("*.deb"))
            # The package holds one .tar.xz with everything; nothing else of it is wanted.
            inner = f"./usr/src/{package}.tar.xz"
            logged("unpack", ["bash", "-c", 'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -xO "$2" | tar -xJ',
                              "unpack", deb, inner], log, cwd=scratch, append=True)
        with step("importing it into git"):
            git = ["git", f"--git-dir={home}"]
            logged("git init", [*git, "init", "-q", "--bare", "-b", "pristine"], log, env=_FIXED, append=True)
            for name, value in (("core.compression", "1"), ("gc.auto", "0"), ("core.autocrlf", "false")):
                capture([*git, "config", name, value])
            work = [*git, f"--work-tree={scratch / package}"]
            logged("git add", [*work, "add", "-A", "-f", "."], log, env=_FIXED, append=True)
            logged("git commit", [*work, "commit", "-q", "-m", f"{package} {version}"], log, env=_FIXED, append=True)
    (home / "index").unlink()
    (home / "complete").touch()
