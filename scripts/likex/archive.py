# SPDX-License-Identifier: GPL-2.0
"""Packages of Debian that this machine's apt does not know: those of the newest release's backports.

They come from the archive that apt itself uses, and apt's sources stay as they are. The archive's signature covers the
checksum of its list of packages, and the list has the checksum of each package.
"""

import lzma
import pathlib
import re
import tempfile

from . import packages
from .base import Fail, capture

# A new Debian release, and with it newer kernels, comes by this name without a change here.
SUITE = "stable-backports"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_HELPER = "/usr/lib/apt/apt-helper"
_LIST = "main/binary-amd64/Packages.xz"


def _fetch(address, where, digest=None):
    """Fetch a file as apt does, by its proxy and settings; digest: the SHA256 that it must have."""
    capture([_HELPER, "download-file", address, where, *[f"SHA256:{digest}"] * bool(digest)])
    return where


def _release(mirror, suite, where):
    """Fetch a suite's Release file; return its text, after its signature has been checked."""
    signed, text = where / f"{suite}.signed", where / suite
    _fetch(f"{mirror}/dists/{suite}/InRelease", signed)
    capture(["gpgv", "--keyring", KEYS, "--output", text, signed])
    return text.read_text()


def _suite(where):
    """Return (archive, codename, Release file) of the suite, in the first of apt's archives that has it."""
    for mirror in packages.mirrors():
        try:
            text = _release(mirror, SUITE, where)
        except Fail:
            continue
        # A cache between may have an older file by the alias than by the codename.
        name = re.search(r"^Codename: (\S+)$", text, re.MULTILINE)[1]
        return mirror, name, _release(mirror, name, where)
    raise Fail(f"none of the archives that apt uses has {SUITE}")


def _entries(text):
    """Return {(package, version): {field: value}} of a list of packages."""
    found = {}
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"^(\w[\w-]*): (.*)$", block, re.MULTILINE))
        if fields:
            found[fields["Package"], fields["Version"]] = fields
    return found


def _catalogue(where):
    """Return (archive, {(package, version): fields}) of the suite."""
    mirror, name, text = _suite(where)
    sums = re.search(r"^SHA256:\n((?: .*\n)+)", text, re.MULTILINE)[1]
    found = re.search(rf"^ (\w{{64}}) +\d+ {re.escape(_LIST)}$", sums, re.MULTILINE)
    if not found:
        raise Fail(f"the Release file of {name} does not list {_LIST}")
    packed = _fetch(f"{mirror}/dists/{name}/{_LIST}", where / "Packages.xz", found[1])
    return mirror, _entries(lzma.decompress(packed.read_bytes()).decode())


def _number(version):
    """Return what versions of kernels are compared by."""
    return [int(part) for part in re.findall(r"\d+", version)]


def newest_kernel():
    """Return (package, version) of the newest kernel source that there is."""
    with tempfile.TemporaryDirectory() as scratch:
        _, entries = _catalogue(pathlib.Path(scratch))
    kernels = [key for key in entries if re.fullmatch(r"linux-source-\d+\.\d+", key[0])]
    return max(kernels, key=lambda key: _number(key[1]))


def download(package, version, where):
    """Fetch a version of a package, or the newest if that is no longer there; return (file, version)."""
    where = pathlib.Path(where)
    with tempfile.TemporaryDirectory() as scratch:
        mirror, entries = _catalogue(pathlib.Path(scratch))
    versions = sorted((have for name, have in entries if name == package), key=_number)
    if not versions:
        raise Fail(f"{SUITE} has no package {package}")
    version = version if version in versions else versions[-1]
    entry = entries[package, version]
    return _fetch(f"{mirror}/{entry['Filename']}", where / f"{package}.deb", entry["SHA256"]), version
