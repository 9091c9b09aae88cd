# SPDX-License-Identifier: GPL-2.0
"""Paths, messages, and running commands: what every script here stands on."""

import argparse
import collections
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import weakref

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
LOGS = BUILD / "log"
RESULTS = BUILD / "results"


def cache():
    """Return the folder for what outlives a checkout: sources, compiler cache, emulator."""
    chosen = os.environ.get("LIKEX_CACHE")
    if chosen:
        return pathlib.Path(chosen).expanduser().resolve()
    xdg = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(xdg).expanduser() / "likex"


class Fail(Exception):
    """Something the person at the terminal should read: one line, then what there is to see.

    status: the script's exit status, where it is another than main() was told.
    """


def say(text):
    """Print one line of progress; standard output is left to results."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(what):
    """Announce a step and say how long it took."""
    start = time.monotonic()
    say(f"... {what}")
    yield
    say(f"    {what}: {time.monotonic() - start:.1f} s")


def main(function, failed=1):
    """Run a script's main function; turn what it raises into a line and an exit status (failed: if it raises Fail)."""
    name = pathlib.Path(sys.argv[0]).name
    # A time limit or a closed terminal must take the children along.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        for path in (TOP, cache()):
            if re.search(r"[\s:]", str(path)) and not {"-h", "--help"} & set(sys.argv):
                raise Fail(f"makefiles take no path with a space or a colon, and this is one: {path}")
        sys.exit(function() or 0)
    except BrokenPipeError:
        sys.exit(141)
    except (Fail, OSError) as error:
        say(f"{name}: {error}")
        sys.exit(getattr(error, "status", failed))
    except KeyboardInterrupt:
        say(f"{name}: interrupted; run it again to go on from here")
        sys.exit(130)
    finally:
        _end_all()


def parser(text, **more):
    """Return an argument parser whose help is the text as written."""
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter, **more)


# Variables that a developer's shell or a git hook may have set, and that would change what make and git do here.
_FOREIGN = {"ARCH", "CROSS_COMPILE", "LLVM", "CC", "CFLAGS", "LDFLAGS", "KCFLAGS", "KBUILD_OUTPUT", "KCONFIG_CONFIG",
            "LOCALVERSION", "W", "V", "C", "MAKEFLAGS", "MAKELEVEL", "MFLAGS",
            "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"}


def environment(extra=None):
    """Return the environment for commands: no locale, nothing that was meant for another make or git."""
    env = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return {**env, "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1", **(extra or {})}


def capture(command, cwd=None, env=None, check=True, data=None, good=(0,)):
    """Run a short command and return its standard output; raise Fail with what it said unless its status is good."""
    child = start(command, cwd=cwd, env=environment(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                  stderr=subprocess.PIPE, text=True, errors="replace")
    out, err = child.communicate(data)
    if check and child.returncode not in good:
        said = (err.strip() or out.strip()).splitlines()[-12:]
        raise Fail(f"{' '.join(map(str, command[:6]))}: exit status {child.returncode}\n" + "\n".join(said))
    return out


class _Progress:
    """One line that says how far a slow command is: rewritten on a terminal, else now and then."""

    def __init__(self, what):
        self.what, self.start, self.last = what, time.monotonic(), time.monotonic()
        self.terminal = sys.stderr.isatty()

    def tick(self, count, line):
        now = time.monotonic()
        if now - self.last < (0.5 if self.terminal else 30):
            return
        self.last = now
        text = f"    {self.what}: {now - self.start:.0f} s, {count} lines, {line.strip()[:48]}"
        if self.terminal:
            print(f"\r{text[:100]:<100}", end="", file=sys.stderr, flush=True)
        else:
            say(text)

    def done(self):
        if self.terminal:
            print("\r" + " " * 100 + "\r", end="", file=sys.stderr, flush=True)


def logged(what, command, log, cwd=None, env=None, timeout=None, append=False):
    """Run a slow command into a log file with progress; raise Fail with the log's end if it fails."""
    log = pathlib.Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    progress, tail, count = _Progress(what), collections.deque(maxlen=15), 0
    with open(log, "a" if append else "w", errors="replace") as out:
        child = start(command, cwd=cwd, env=environment(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                      text=True, errors="replace")
        late = threading.Timer(timeout, end, [child]) if timeout else None
        if late:
            late.start()
        try:
            for line in child.stdout:
                out.write(line)
                tail.append(line.rstrip())
                count += 1
                progress.tick(count, line)
            child.wait()
        finally:
            if late:
                late.cancel()
            end(child)
            progress.done()
    if child.returncode:
        why = f"ended at its limit of {timeout} s" if timeout and child.returncode < 0 \
            else f"exit status {child.returncode}"
        raise Fail(f"{what}: {why}; the log is {shown(log)}, it ends:\n" + "\n".join(tail))


_STARTED, _ENDING = weakref.WeakSet(), threading.Event()


def start(command, **more):
    """Start a process, in a session of its own, that does not outlive this script."""
    if _ENDING.is_set():
        raise Fail("interrupted")
    child = subprocess.Popen([str(word) for word in command], **{"stdin": subprocess.DEVNULL, **more},
                             start_new_session=True)
    _STARTED.add(child)
    return child


def _end_all():
    """End what is still running, whichever thread started it: a script that is interrupted leaves nothing behind."""
    _ENDING.set()
    # Nor if it is interrupted again meanwhile.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = [child for child in _STARTED if child.poll() is None]
    for child in left:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
    for child in left:
        end(child)


def end(child, patience=3):
    """End a process that start() started, with all that it started; patience: seconds for it to end by itself."""
    if child.poll() is not None:
        return
    # By itself first: another of these scripts has children in sessions of their own.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def ending():
    """Tell whether this script is on its way out: what its children do now says nothing."""
    return _ENDING.is_set()


def shown(path):
    """Return a path as a person would type it: relative to where they are, if it is below."""
    with contextlib.suppress(ValueError):
        return str(pathlib.Path(path).relative_to(pathlib.Path.cwd()))
    return str(path)


def _taken(held):
    """Lock a file unless another process has locked it; tell whether this one holds the lock now."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def lock(path):
    """Hold a lock file, so that two runs at once do not build the same thing."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as held:
        # Most are held for a moment only, which is not worth a line.
        for _ in range(20):
            if _taken(held):
                break
            time.sleep(0.1)
        else:
            say(f"    waiting for another run that holds {shown(path)}")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def place(path):
    """Hold a folder for this run alone: the one that is wanted, or, where another run has it, the next: last-2, ..."""
    path, number = pathlib.Path(path), 1
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        chosen = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with open(chosen.with_name(chosen.name + ".lock"), "w") as held:
            if _taken(held):
                yield chosen
                return
        number += 1


def digest(*parts):
    """Return a short hash over strings, bytes and files (by content)."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, pathlib.Path) else \
            part if isinstance(part, bytes) else str(part).encode()
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()[:16]


def write(path, data):
    """Replace a file in one step, so that a run cut off leaves the old one or the new one."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: others may be writing the same file.
    new = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        new.write_bytes(data if isinstance(data, bytes) else data.encode())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
