# SPDX-License-Identifier: GPL-2.0
"""The contents of the emulated machine's memory at start: init, busybox, modules, programs."""

import os
import pathlib
import re
import shutil
import tempfile

from . import packages
from .base import BUILD, LOGS, TOP, capture, lock, logged
from .initramfs import Archive

TOOLS = BUILD / "tools" / "machine"
BUSYBOX = pathlib.Path("/usr/bin/busybox")


def tools():
    """Build the programs for the machine; return their folder."""
    packages.need("tools")
    with lock(BUILD / "tools.lock"):
        logged("tools", ["make", "-C", TOP / "tools", f"O={BUILD / 'tools'}", f"-j{os.cpu_count()}"], LOGS / "tools.log")
    return TOOLS


def busybox(archive):
    """Add busybox and a link for each of its programs."""
    archive.file("bin/busybox", BUSYBOX)
    for applet in capture([BUSYBOX, "--list-full"]).split():
        name = os.path.basename(applet)
        if name not in ("busybox", "init"):
            archive.link(f"bin/{name}", "busybox")


def base(kernel, programs=()):
    """Return the machine's file system for a kernel, as the bytes of an archive.

    programs: more files to put in /tests, each a path here.
    """
    packages.need("busybox-static")
    built, archive = tools(), Archive()
    archive.file("init", built / "init")
    archive.directory("tests")
    archive.device("dev/console", 5, 1)
    busybox(archive)
    archive.directory("sbin")
    archive.file("etc/passwd", "root:x:0:0:root:/:/bin/sh\n", 0o644)
    archive.file("etc/group", "root:x:0:\n", 0o644)
    archive.file("etc/profile", "export PS1='likex# '\n", 0o644)
    for program in sorted(built.iterdir()):
        if os.access(program, os.X_OK) and program.is_file() and program.name != "init":
            archive.file(f"bin/{program.name}", program)
    for program in programs:
        archive.file(f"tests/{pathlib.Path(program).name}", pathlib.Path(program))
    _modules(archive, kernel)
    return archive.bytes()


def scripted(init):
    """Return the file system of a Linux guest whose first program is a script for busybox, as the bytes of an archive."""
    archive = Archive()
    archive.file("init", init)
    busybox(archive)
    for name in ("proc", "sys", "dev", "mnt", "tmp"):
        archive.directory(name)
    archive.device("dev/console", 5, 1)
    return archive.bytes()


def shared(program):
    """Return the loader and the shared libraries that a program needs, the loader first."""
    found = re.findall(r"(/\S+) \(0x", capture(["ldd", program]))
    return sorted(map(pathlib.Path, found), key=lambda path: not path.name.startswith("ld-"))


def run_shared(files):
    """Return the command that runs a program in the machine; files: what it was given, the program and shared() of it."""
    program, loader = (pathlib.Path(path).name for path in files[:2])
    return [f"/tests/{loader}", "--library-path", "/tests", f"/tests/{program}"]


def _modules(archive, kernel):
    """Add the kernel's modules, without debug information, and the index that modprobe reads."""
    release, modules = kernel.release(), kernel.modules()
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        home = pathlib.Path(scratch) / "lib" / "modules" / release
        home.mkdir(parents=True)
        for module in modules:
            shutil.copyfile(module, home / module.name)
        if modules:
            capture(["strip", "--strip-debug", *home.glob("*.ko")])
        for index in ("modules.order", "modules.builtin"):
            shutil.copyfile(kernel.out / index, home / index)
        capture(["/sbin/depmod", "-b", scratch, release])
        for path in sorted(home.iterdir()):
            if path.suffix == ".ko" or path.name in ("modules.dep", "modules.alias", "modules.symbols"):
                archive.file(f"lib/modules/{release}/{path.name}", path, 0o644)
