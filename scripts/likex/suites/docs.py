# SPDX-License-Identifier: GPL-2.0
"""The documents: every command they show is run, and prints what they say it prints.

In a ```console block a line that starts with "$ " is a command, the lines below
it are what it prints: "..." alone stands for any lines, within a line for any
text. A comment above the block says where it runs, if not in the checkout:

    <!-- run: scratch -->       in a copy of the checkout, which it may change
    <!-- run: long -->          in the checkout, with --exhaustive only
    <!-- run: test NAME -->     by the test of that name, which does the same
"""

import dataclasses
import pathlib
import re
import shutil
import tempfile

from .. import packages, series, suite
from ..base import BUILD, TOP, cache, capture
from ..suite import test

BLOCK = re.compile(r"(?:<!-- run: ([^>]*?) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass
class Block:
    """One ```console block: where it stands, how it is run, and its commands with their output."""
    place: str
    how: str
    commands: list


def documents():
    """Return the files that show commands."""
    return [TOP / "README.md", *sorted((TOP / "Documentation").rglob("*.md"))]


def blocks(path):
    """Return a document's console blocks; a command in another kind of block is an error."""
    text, found = path.read_text(), []
    for match in BLOCK.finditer(text):
        how, kind, body = match.groups()
        place = f"{path.relative_to(TOP)}:{text.count(chr(10), 0, match.start()) + 1}"
        if kind in ("sh", "bash", "shell") or (kind != "console" and re.search(r"^\$ ", body, re.MULTILINE)):
            raise suite.Failure(f"{place}: commands stand in ```console blocks, where they are run")
        if kind == "console":
            found.append(Block(place, how or "here", _commands(body)))
    return found


def _commands(body):
    commands = []
    for row in body.splitlines():
        if row.startswith("$ "):
            commands.append((row[2:], []))
        elif row.startswith("> "):
            commands[-1] = (commands[-1][0] + "\n" + row[2:], [])
        else:
            commands[-1][1].append(row)
    return commands


def matches(expected, said):
    """Tell whether output is as shown."""
    pattern = ""
    for row in expected:
        row = row.rstrip()
        pattern += r"(?:[^\n]*\n)*" if row == "..." else \
            re.escape(row).replace(r"\.\.\.", r"[^\n]*") + r"[ \t]*\n"
    said = "".join(f"{row}\n" for row in said.splitlines())
    return re.fullmatch(pattern, said) is not None


def _run_blocks(t, how, home, env=None, prepare=None):
    """Run the blocks of one kind, each from `home` on, after what prepare() does for it."""
    count = 0
    for path in documents():
        for block in blocks(path):
            if block.how != how:
                continue
            where = home
            if prepare:
                prepare()
            for command, expected in block.commands:
                said = t.run(["bash", "-c", "exec 2>&1; " + command], cwd=where, env=env, timeout=1500).stdout
                t.check(not expected or matches(expected, said),
                        f"{block.place}: $ {command}\nshown:\n" + "\n".join(expected) + f"\nprinted:\n{said}")
                where = _moved(command, where)
                count += 1
    t.note(f"{count} commands")
    t.check(count, "no document shows a command to run here")


def _moved(command, where):
    """Follow a plain `cd`, which the next command of a document relies on."""
    found = re.fullmatch(r"cd (\S+)", command)
    return (where / found[1]).resolve() if found else where


@test("docs.here")
def here(t):
    """The commands of README and Documentation print what is shown."""
    packages.need("kernel", "qemu", "vmm")
    _run_blocks(t, "here", TOP)


@test("docs.scratch")
def scratch(t):
    """The commands that change things do what is shown, in a copy of the checkout and of a kernel."""
    t.packages("libzydis-dev")
    with tempfile.TemporaryDirectory(dir=BUILD) as home:
        home = pathlib.Path(home)
        copy = home / "likex"
        for name in capture(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP).splitlines():
            if (TOP / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(TOP / name, copy / name, follow_symlinks=False)
        capture(["git", "init", "-q"], cwd=copy)
        for name, value in (("user.name", "A. Developer"), ("user.email", "developer@localhost")):
            capture(["git", "config", name, value], cwd=copy)
        # The reader's own kernel tree: ~/linux.
        series.reader(home / "linux")
        env = {"HOME": str(home), "LIKEX_CACHE": str(cache()), "GIT_EDITOR": "true", "GIT_SEQUENCE_EDITOR": "true",
               "GIT_AUTHOR_NAME": "A. Developer", "GIT_AUTHOR_EMAIL": "developer@localhost",
               "GIT_COMMITTER_NAME": "A. Developer", "GIT_COMMITTER_EMAIL": "developer@localhost"}

        def pristine_kernel():
            capture(["git", "checkout", "-q", "-f", "-B", "mine", "pristine"], cwd=home / "linux")
            capture(["git", "clean", "-q", "-f", "-d", "-x"], cwd=home / "linux")
        _run_blocks(t, "scratch", copy, env, pristine_kernel)


@test("docs.long", exhaustive=True)
def long(t):
    """The commands that take long, and end well: another kernel tree, the debug kernel, kunit.py."""
    packages.need("kernel", "qemu")
    with tempfile.TemporaryDirectory() as home:
        (pathlib.Path(home) / "linux").symlink_to(series.worktree("unpatched", series.BASE))
        _run_blocks(t, "long", TOP, {"HOME": home, "LIKEX_CACHE": str(cache())})


@test("docs.tests-named")
def tests_named(t):
    """Each test that a document names, at a command or in a table, exists."""
    for path in documents():
        for block in blocks(path):
            if block.how.startswith("test "):
                t.check(block.how[5:] in suite.REGISTRY, f"{block.place}: there is no test {block.how[5:]}")
        for name in re.findall(r"`((?:machine|series|kunit|owner|bench|docs|lib|both|guest|host|vcpu|debug|irq|facade|apps|vmm|port)\.(?!py`)[\w-]+)`",
                               path.read_text()):
            t.check(name in suite.REGISTRY, f"{path.name} names the test {name}, which does not exist")


@test("docs.links")
def links(t):
    """Every file that a document links to is there."""
    for path in documents():
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            t.check((path.parent / target).exists(), f"{path.relative_to(TOP)} links to {target}, which is not there")


@test("docs.scripts-clean")
def scripts_clean(t):
    """Shell scripts pass shellcheck, Python files compile, and none names a machine or a package host."""
    t.packages("shellcheck")
    names = capture(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP).splitlines()
    files = [TOP / name for name in names if (TOP / name).is_file()]
    shell = [path for path in files if path.read_bytes().startswith((b"#!/usr/bin/env bash", b"#!/bin/sh"))]
    t.run(["shellcheck", *shell])
    for path in files:
        if path.suffix == ".py" or path.read_bytes().startswith(b"#!/usr/bin/env python3"):
            compile(path.read_text(), str(path), "exec")
    host = re.compile(rb"(?:deb|security|snapshot|ftp)\.debian\.org|registry\.npmjs|/root/|/work/main")
    for path in files:
        if path != pathlib.Path(__file__):
            t.check(not host.search(path.read_bytes()), f"{path.relative_to(TOP)} names a host or a path of a machine")
