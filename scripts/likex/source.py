# SPDX-License-Identifier: GPL-2.0
"""The kernel source that the series is made on: fetched once, kept as a git repository outside the checkout."""

import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile

from . import archive, packages
from .base import Fail, LOGS, TOP, cache, capture, end, lock, logged, say, start, step

# Everyone's import of one version is the same commit.
_COMMIT = """\
commit refs/heads/pristine
author linux-source <linux-source@localhost> 946684800 +0000
committer linux-source <linux-source@localhost> 946684800 +0000
data {length}
{message}
"""

SERIES = TOP / "series"


def recorded(listing=SERIES):
    """Return (package, version) that a series file says its series was made on."""
    first = listing.read_text().splitlines()[0]
    found = re.fullmatch(r"# base: (\S+) (\S+)", first)
    if not found:
        raise Fail(f"the first line of `{listing.name}` must be `# base: PACKAGE VERSION`")
    return found.groups()


def available(package):
    """Return the versions of a package that apt can fetch, newest first."""
    rows = capture(["apt-cache", "madison", package], check=False).splitlines()
    return list(dict.fromkeys(row.split("|")[1].strip() for row in rows if row.count("|") == 2))


def repository(version):
    """Return where the repository of one version is kept."""
    return cache() / "src" / f"linux-{version}.git"


def pristine(listing=SERIES):
    """Return (repository, version) of a series file's kernel source, fetching and importing it if need be."""
    packages.need("source")
    return fetched(*recorded(listing))


def fetched(package, wanted):
    """Return (repository, version) of a kernel source, fetching and importing it if need be."""
    if (repository(wanted) / "complete").exists():
        return repository(wanted), wanted
    packages.update_lists()
    with lock(cache() / "src" / "lock"):
        try:
            version = _fetched(package, wanted)
        except Fail:
            # The archive may have moved on since apt's lists were fetched.
            packages.update_lists(stale=True)
            version = _fetched(package, wanted)
    return repository(version), version


def _fetched(package, wanted):
    """Fetch the version wanted, or the newest that there is, and import it; return which it is."""
    versions = available(package)
    if not versions:
        return _from_archive(package, wanted)
    version = wanted if wanted in versions else versions[0]
    if version != wanted:
        say(f"    {package} {wanted}, which the series was made on, is no longer there; taking {version}")
    if not (repository(version) / "complete").exists():
        _download(package, version)
    return version


def _from_archive(package, wanted):
    """Fetch the version wanted, or the newest, of a package that apt does not know, and import it; return which it is."""
    with tempfile.TemporaryDirectory(dir=cache() / "src") as scratch:
        with step(f"fetching {package} {wanted}, which apt's sources do not have"):
            deb, version = archive.download(package, wanted, scratch)
        if version != wanted:
            say(f"    {package} {wanted} is no longer there; taking {version}")
        if not (repository(version) / "complete").exists():
            _import(deb, package, version)
    return version


def _download(package, version):
    """Fetch one version of a package that apt knows, and import it."""
    with tempfile.TemporaryDirectory(dir=cache() / "src") as scratch:
        with step(f"fetching {package} {version}"):
            logged("apt-get download", ["apt-get", "download", "-o", "APT::Sandbox::User=root",
                                        f"{package}={version}"], LOGS / "source.log", cwd=scratch)
        _import(next(pathlib.Path(scratch).glob("*.deb")), package, version)


def _import(deb, package, version):
    """Commit a source package into a bare repository."""
    home = repository(version)
    shutil.rmtree(home, ignore_errors=True)
    with step("importing the kernel source into git (a minute or two, once)"):
        capture(["git", "init", "-q", "--bare", "-b", "pristine", home])
        for name, value in (("core.compression", "1"), ("gc.auto", "0")):
            capture(["git", f"--git-dir={home}", "config", name, value])
        _stream(deb, package, version, home)
    (home / "complete").touch()


def _shown(path, data):
    """Take out of .gitignore what Debian adds: it would hide every new file of the series from git."""
    if path != ".gitignore":
        return data
    return re.sub(rb"#\n# Debian packaging:.*?^!/debian/\n", b"", data, flags=re.DOTALL | re.MULTILINE)


def _stream(deb, package, version, home):
    """Turn the .tar.xz inside a package into a commit, without laying its 85,000 files out on disk."""
    pipe = f'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/src/{package}.tar.xz | xz -dc'
    unpack = start(["bash", "-c", pipe, "unpack", deb], stdout=subprocess.PIPE)
    git = start(["git", f"--git-dir={home}", "fast-import", "--quiet"], stdin=subprocess.PIPE)
    message = f"{package} {version}"
    try:
        git.stdin.write(_COMMIT.format(length=len(message), message=message).encode())
        with tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
            for entry in archive:
                _put(git.stdin, archive, entry)
        git.stdin.close()
    except (BrokenPipeError, tarfile.TarError):
        # One of the two has ended, and has said why; what the other has so far is of no use.
        end(unpack)
        end(git)
    if unpack.wait() or git.wait():
        raise Fail(f"{package} {version} could not be imported (disk full?)")


def _put(stream, archive, entry):
    """Write one member of the archive for git fast-import."""
    path = entry.name.split("/", 1)[-1]
    if entry.isfile() or entry.issym():
        data = entry.linkname.encode() if entry.issym() else archive.extractfile(entry).read()
        data = _shown(path, data)
        mode = "120000" if entry.issym() else "100755" if entry.mode & 0o100 else "100644"
        stream.write(f"M {mode} inline {path}\ndata {len(data)}\n".encode() + data + b"\n")
