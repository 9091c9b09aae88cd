# SPDX-License-Identifier: GPL-2.0
"""Initial RAM file systems, written here so that the same input gives the same bytes."""

import os
import pathlib
import stat

TRAILER = "TRAILER!!!"


class Archive:
    """A cpio archive in the kernel's "newc" form."""

    def __init__(self):
        self.entries = {}

    def directory(self, path):
        """Add a folder and those above it."""
        path = path.strip("/")
        if path and path not in self.entries:
            self.directory(os.path.dirname(path))
            self.entries[path] = (stat.S_IFDIR | 0o755, b"", 0)

    def file(self, path, data, mode=0o755):
        """Add a file: bytes, text, or the path of one here."""
        if isinstance(data, pathlib.Path):
            data = data.read_bytes()
        elif isinstance(data, str):
            data = data.encode()
        self._add(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        """Add a symbolic link."""
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, major, minor, mode=0o600):
        """Add a character device."""
        self._add(path, stat.S_IFCHR | mode, b"", major << 8 | minor)

    def _add(self, path, mode, data, device=0):
        path = path.strip("/")
        self.directory(os.path.dirname(path))
        self.entries[path] = (mode, data, device)

    def bytes(self):
        """Return the archive."""
        out = bytearray()
        for number, (path, (mode, data, device)) in enumerate([*self.entries.items(), (TRAILER, (0, b"", 0))], 1):
            links = 2 if stat.S_ISDIR(mode) else 1
            name = path.encode() + b"\0"
            fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, device >> 8, device & 0xff, len(name), 0)
            out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
            out += b"\0" * (-len(out) % 4)
            out += data
            out += b"\0" * (-len(out) % 4)
        # The kernel gets several archives, one after the other, and wants each to start on a word.
        return bytes(out + b"\0" * (-len(out) % 512))
