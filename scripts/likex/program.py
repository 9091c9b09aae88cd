# SPDX-License-Identifier: GPL-2.0
"""Programs of the person's own in the emulated machine, and programs for KVM on /dev/likex-kvm there."""

import os
import pathlib
import re

from . import packages
from .base import BUILD, Fail, LOGS, TOP, capture, lock, logged, say
from .initramfs import Archive

# The init of the machine covers the first with file systems of its own, and has its own files in the last.
COVERED = ("dev", "proc", "sys", "tmp")
OWN = ("init", "job")
# Folders in which the loader looks without being told.
USUAL = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu")
LINKED = "/lib/x86_64-linux-gnu"
ELF = b"\x7fELF"

PRELOAD = "/lib/liblikex-preload.so"
# Exit status 125, as where there was no machine to run a command in.
BIND = ("[ -c /dev/likex-kvm ] || { echo 'there is no /dev/likex-kvm in this machine' >&2; exit 125; }; "
        "[ -e /dev/kvm ] || : >/dev/kvm; mount --bind /dev/likex-kvm /dev/kvm")
# In a mount namespace of its own: other programs find KVM at /dev/kvm.
ON_LIKEX = f'({BIND}) || exit; export LD_PRELOAD={PRELOAD}; exec "$@"'


class Unusable(Fail):
    """A file that cannot be added, or not there: the call is wrong."""

    status = 2


def parse(text):
    """Return the file that is added, and its path in the machine, of FILE[=PATH]."""
    file, path = pathlib.Path(text), ""
    if "=" in text and not file.exists():
        name, _, path = text.rpartition("=")
        file = pathlib.Path(name)
    if not file.exists():
        raise Unusable(f"--add: there is no {file}")
    if not os.access(file, os.R_OK):
        raise Unusable(f"--add: {file} cannot be read")
    if file.is_file():
        libraries(file)
    return file, _place(file, path)


def parse_all(texts):
    """Return parse() of each; no two may have the same place."""
    added = [parse(text) for text in texts]
    for number, (file, path) in enumerate(added):
        if path in [other for _, other in added[:number]]:
            raise Unusable(f"--add: there are two files for /{path}; give {file} another path: {file}=PATH")
    return added


def _place(file, path):
    """Return where a file goes: a program, if nothing is said, to where the machine's shell finds it."""
    name = file.resolve().name if file.name in ("", "..") else file.name
    if not path:
        path = f"bin/{name}" if file.is_file() and os.access(file, os.X_OK) else name
    elif path.endswith("/"):
        path += name
    parts = pathlib.PurePosixPath(path.strip("/")).parts
    if not parts or ".." in parts:
        raise Unusable(f"--add: {path} is no path in the machine")
    if parts[0] in COVERED or parts[0] in OWN and len(parts) == 1:
        raise Unusable(f"--add: /{parts[0]} is the machine's own; give another path: --add {file}=PATH")
    return "/".join(parts)


def _elf(file):
    with open(file, "rb") as opened:
        return opened.read(len(ELF)) == ELF


def libraries(file):
    """Return the loader and the shared libraries that a program or a library needs: none if it is static, or no program."""
    if not _elf(file):
        return []
    said = capture(["ldd", file.resolve()], check=False)
    lacking = re.findall(r"(\S+) => not found", said)
    if lacking:
        raise Unusable(f"--add: {file} needs {' '.join(lacking)}, which this machine does not have (LD_LIBRARY_PATH?)")
    return [pathlib.Path(path) for path in re.findall(r"(/\S+) \(0x", said)]


def static(file):
    """Tell whether a file is a program that is linked statically, so that no library can be preloaded to it."""
    if not file.is_file() or not _elf(file) or "xecutable file" not in capture(["readelf", "-hW", file]):
        return False
    segments = capture(["readelf", "-lW", file])
    # A guest's kernel has no stack of its own.
    return " INTERP " not in segments and " GNU_STACK " in segments


class Added:
    """Files that are added to a machine's file system, each library once."""

    def __init__(self):
        self.archive, self.size = Archive(), 0

    def file(self, file, path):
        """Add a file, or a folder with all that is in it, and what its programs need."""
        if file.is_dir():
            self.archive.directory(path)
            for one in sorted(file.iterdir()):
                self.file(one, f"{path}/{one.name}")
            return
        if not file.is_file():
            raise Unusable(f"--add: {file} is neither a file nor a folder")
        self._put(file, path)
        for library in libraries(file):
            self._put(library, str(library))
            if str(library.parent) not in USUAL:
                self.archive.link(f"{LINKED}/{library.name}", str(library))

    def _put(self, file, path):
        if path.strip("/") in self.archive.entries:
            return
        self.archive.file(path, file, file.stat().st_mode & 0o777)
        self.size += file.stat().st_size

    def bytes(self):
        """Return the archive."""
        return self.archive.bytes()

    def memory(self, least):
        """Return the megabytes that a machine needs: the archive is there twice while the kernel unpacks it."""
        return least + -(-2 * self.size // (64 << 20)) * 64


def preload():
    """Build the library that completes /dev/likex-kvm in user space; return its path."""
    packages.need("tools", "preload")
    with lock(BUILD / "tools" / "lib.lock"):
        logged("the preload library", ["make", "-C", TOP / "tools" / "preload", f"O={BUILD / 'tools'}"],
               LOGS / "preload.log")
    return BUILD / "tools" / "preload" / "liblikex-preload.so"


def on_likex(command):
    """Return the command that runs another with /dev/likex-kvm as its /dev/kvm, the library preloaded."""
    return ["unshare", "-m", "sh", "-c", ON_LIKEX, "sh", *command]


def archive(added, kvm_program=False):
    """Return what goes into a machine: files, each (file here, path there), and for programs of KVM the library."""
    all_of_it = Added()
    for file, path in added:
        all_of_it.file(file, path)
        if kvm_program and static(file):
            say(f"    {file} is linked statically, so the preload library does not reach it: its guests can use ports, "
                "but no devices in memory")
    if kvm_program:
        all_of_it.file(preload(), PRELOAD)
        # A shell in the machine is such a program, too, for those that it starts.
        all_of_it.archive.file("etc/profile", f"export PS1='likex# '\n({BIND}) && export LD_PRELOAD={PRELOAD}\n", 0o644)
    return all_of_it
