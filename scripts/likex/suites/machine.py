# SPDX-License-Identifier: GPL-2.0
"""The emulated machine: it starts, tells apart what can go wrong, and repeats itself exactly."""

import dataclasses
import functools
import os
import pty
import select
import subprocess
import time

from .. import emulator, image, kernel, machine, suite
from ..base import Fail, TOP, end
from ..suite import Skip, test
from . import lib

# An object is a leak for kmemleak when two scans found it alike, and older than five seconds. Once it is out of memory
# it refuses to scan, and has nothing to say.
LEAKS = "cd /sys/kernel/debug && echo scan >kmemleak && sleep 6 && echo scan >kmemleak && cat kmemleak"

SHOW = ["sh", "-c", "nproc; uname -r; grep -m1 -o -w vmx /proc/cpuinfo || echo no vmx"]


@functools.lru_cache
def _initrd(flavour):
    built = kernel.build(flavour)
    return built, image.base(built)


def boot(t, steps, flavour="host", append="", limit=120, **chosen):
    """Run steps (name: argv) in a machine; return its outcome."""
    built, initrd = _initrd(flavour)
    target = machine.for_kernel(built, **chosen)
    if target.kind == "bochs" and not emulator.find()[1]:
        raise Skip("the fast Bochs cannot be built here")
    if target.kind == "qemu" and not machine.host_has_vmx():
        raise Skip("this host offers no nested VT-x")
    steps = [machine.Step(name, argv) for name, argv in steps.items()]
    outcome = machine.boot(target, built, initrd, steps, t.build / "run" / t.name, append=append, limit=limit)
    t.note(f"{outcome.verdict} in {outcome.seconds:.1f} s")
    return outcome


def silent(t, outcome):
    """Fail unless the machine ran to its end and its kernel complained of nothing."""
    outcome.require_done()
    t.check(not outcome.reports(), "the kernel complained:\n" + "\n".join(outcome.reports()))
    t.check(outcome.taint == 0, f"the kernel is tainted: {outcome.taint}")
    return outcome


def _boots(t, cpus, kind, vmx, **more):
    outcome = silent(t, boot(t, {"show": SHOW}, kind=kind, cpus=cpus, **more))
    t.check(outcome.step("show").text.split("\n")[0] == str(cpus), f"not {cpus} processors: {outcome.step('show').text}")
    found = "vmx\n" in outcome.step("show").text and "no vmx" not in outcome.step("show").text
    t.check(found == vmx, f"VT-x is {'there' if found else 'missing'}: {outcome.step('show').text}")


@test("machine.boot-1")
def boot_1(t):
    """One processor, Bochs built here."""
    _boots(t, 1, "bochs", True)


@test("machine.boot-2")
def boot_2(t):
    """Two processors, Bochs built here."""
    _boots(t, 2, "bochs", True)


@test("machine.boot-packaged-1")
def boot_packaged_1(t):
    """One processor, Debian's Bochs 2.7."""
    _boots(t, 1, "bochs-2.7", True)


@test("machine.boot-packaged-2")
def boot_packaged_2(t):
    """Two processors, Debian's Bochs 2.7, on the second attempt at the latest."""
    try:
        _boots(t, 2, "bochs-2.7", True)
    except Fail as error:
        # One of its timers asks for the host's clock (tools/machine/bochs.patch): on a busy host it has hung at boot.
        if "hung" not in str(error):
            raise
        t.note("the emulator hung; once more")
        _boots(t, 2, "bochs-2.7", True)


@test("machine.boot-tcg-1")
def boot_tcg_1(t):
    """One processor, QEMU without VT-x."""
    _boots(t, 1, "qemu-tcg", False)


@test("machine.boot-tcg-2")
def boot_tcg_2(t):
    """Two processors, QEMU without VT-x."""
    _boots(t, 2, "qemu-tcg", False)


@test("machine.boot-nested")
def boot_nested(t):
    """QEMU with nested VT-x, where the host offers it."""
    _boots(t, 2, "qemu", True)


@test("machine.lean")
def lean(t):
    """A processor model without APIC virtualization and EPT A/D bits runs the demo."""
    _demo_on(t, "corei7_sandy_bridge_2600k")


@test("machine.newest")
def newest(t):
    """A processor model without Meltdown, with posted interrupts, runs the demo."""
    _demo_on(t, "arrow_lake")


def _demo_on(t, model, cpus=1):
    steps = {}
    for module, device in (("kvm_intel", "/dev/kvm"), ("likex", "/dev/likex")):
        steps |= {module: ["modprobe", module], device: ["hello", device]}
    outcome = silent(t, boot(t, steps, model=model, cpus=cpus))
    for step in outcome.steps:
        t.check(step.status == 0, f"{step.name}: exit status {step.status}: {step.err}")
        wanted = f"guest on {step.name} says: 4\nguest halted\n" if step.name.startswith("/dev") else ""
        t.check(step.text == wanted, f"{step.name} printed {step.out}")


@test("machine.models", exhaustive=True)
def models(t):
    """Every processor model runs the demo with two processors."""
    for model in machine.MODELS:
        _demo_on(t, model, cpus=2)


def _debug(t, cpus):
    steps = {"load": ["modprobe", "kvm_intel"], "guest": ["hello", "/dev/kvm"], "likex": ["modprobe", "likex"],
             "own": ["hello", "/dev/likex"], "kmemleak": ["sh", "-c", LEAKS]}
    outcome = silent(t, boot(t, steps, flavour="debug", cpus=cpus, limit=900))
    for name in steps:
        t.check(outcome.step(name).status == 0, f"{name} failed: {outcome.step(name).err}")
    t.check(not outcome.step("kmemleak").out, f"kmemleak: {outcome.step('kmemleak').text}")


# debug.* looks for the same, and for more, in every run.
@test("machine.debug", exhaustive=True)
def debug(t):
    """The kernel with KASAN, lockdep and the rest runs the demo, loads LiKeX, and finds nothing."""
    _debug(t, 1)


@test("machine.debug-2", exhaustive=True)
def debug_2(t):
    """machine.debug with two processors."""
    _debug(t, 2)


def _twice(t, cpus):
    steps = {"show": SHOW, "load": ["modprobe", "kvm_intel"], "guest": ["hello", "/dev/kvm"],
             "time": ["cat", "/proc/uptime", "/proc/interrupts"]}
    first, second = (boot(t, steps, cpus=cpus, append="loglevel=8").require_done() for _ in range(2))
    t.check(len(first.console) > 1000, "the console is too short to prove anything")
    t.check(first.console == second.console, "the consoles of two runs differ")
    for one, other in zip(first.steps, second.steps, strict=True):
        t.check(one.out == other.out, f"two runs printed differently in {one.name}:\n{one.text}\n{other.text}")
    t.note(f"{len(first.console)} bytes of console are the same")


@test("machine.same-1")
def same_1(t):
    """Two runs with one processor give the same console, byte for byte, time stamps included."""
    _twice(t, 1)


@test("machine.same-2")
def same_2(t):
    """Two runs with two processors give the same console, byte for byte."""
    _twice(t, 2)


@test("machine.recalled")
def recalled(t):
    """A stored boot gives back all of its outcome, byte for byte; a boot that went wrong is not stored."""
    def outcome(**but):
        # A step that goes over into another kernel has no status.
        steps = [machine.Step("one", ["true"], 0, b"\xff\0out", b"err\r\n"), machine.Step("two", [])]
        return dataclasses.replace(machine.Outcome("done", steps, b"console \x80\n", 0, "6.12", kind="bochs"), **but)
    again = machine.recall(machine.record(outcome()), [machine.Step("one", ["true"]), machine.Step("two", [])])
    t.check(again == outcome(recalled=True), "it is not what was remembered")
    bad = [{"verdict": "hang"}, {"taint": 512}, {"taint": None}, {"console": b"WARNING: at mm/page.c"},
           {"steps": [machine.Step("one", ["false"], 1)]}]
    for but in bad:
        t.check(machine.record(outcome(**but)) is None, f"remembered: {but}")


def _script(t, *words, timeout=300):
    """Run scripts/run as a person would; return (status, standard output, standard error)."""
    child = subprocess.Popen([str(TOP / "scripts" / "run"), *words], stdin=subprocess.DEVNULL, cwd=TOP, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = child.communicate(timeout=timeout)
    finally:
        end(child)
    return child.returncode, out, err


@test("machine.demo")
def demo(t):
    """scripts/run prints what the guest says, and nothing else, on standard output; warm it takes seconds."""
    start = time.monotonic()
    status, out, err = _script(t)
    t.check(status == 0, f"exit status {status}: {err}")
    wanted = "".join(f"guest on {device} says: 4\nguest halted\n" for device in ("/dev/kvm", "/dev/likex"))
    wanted += "exit io:4\nexit io:\n\n"
    t.check(out == wanted, f"it printed {out!r}")
    t.note(f"{time.monotonic() - start:.1f} s")


@test("machine.failing-command")
def failing_command(t):
    """A command's output and exit status are scripts/run's; nothing of it is taken for the kernel's."""
    status, out, err = _script(t, "--", "sh", "-c", "echo Kernel panic - not syncing; echo BUG: no >&2; exit 7")
    t.check(status == 7, f"exit status {status}, not 7: {err}")
    t.check(out == "Kernel panic - not syncing\n", f"standard output: {out!r}")
    t.check("BUG: no\n" in err and "kernel:" not in err, f"standard error: {err!r}")
    status, _, err = _script(t, "--", "no-such-command")
    t.check(status == 127 and "no-such-command" in err, f"exit status {status}, not 127: {err}")
    status, _, err = _script(t, "--", "sh", "-c", "kill -SEGV $$")
    t.check(status == 128 + 11, f"exit status {status}, not 139: {err}")
    status, _, err = _script(t, "--", "sh", "-c", "yes >&2 & sleep 1; exit 4")
    t.check(status == 4, f"what was left behind and goes on writing held it up: {status}: {err[-300:]}")


@test("machine.hang")
def hang(t):
    """A machine that does not end is ended at its time limit, and said to have hung, with its last lines."""
    status, _, err = _script(t, "--limit", "12", "--", "sh", "-c", "echo last words >/dev/kmsg; while :; do :; done")
    t.check(status == 1 and "hung" in err and "time limit" in err, f"exit status {status}: {err}")
    t.check("last words" in err, f"the console's end is missing: {err}")


@test("machine.panic")
def panic(t):
    """A panic is told apart from a hang, at once, and the console's end is shown."""
    start = time.monotonic()
    status, _, err = _script(t, "--limit", "200", "--", "sh", "-c", "echo c >/proc/sysrq-trigger")
    t.check(status == 1 and "the kernel panicked" in err, f"exit status {status}: {err}")
    t.check("sysrq triggered crash" in err, f"the console's end is missing: {err}")
    t.check(time.monotonic() - start < 100, "it waited for the time limit")


@test("machine.usage")
def usage(t):
    """Wrong calls get one clear line and an exit status of their own; --help is there for every script."""
    for name in ("run", "test", "bench", "series"):
        said = t.run([TOP / "scripts" / name, "--help"]).stdout
        t.check("usage:" in said, f"{name} --help: {said}")
        said = t.run([TOP / "scripts" / name, *["tree"] * (name == "series"), "--no-such-option"], status=2).stdout
        t.check("no-such-option" in said, f"{name}: {said}")
    said = t.run([TOP / "scripts" / "run", "--kernel", "/nonexistent"], status=125).stdout
    t.check("not a kernel tree" in said, said)
    said = t.run([TOP / "scripts" / "test", "--only", "no.such"], status=1).stdout
    t.check("no test is called" in said, said)
    said = t.run([TOP / "scripts" / "run", "--limit", "0"], status=2).stdout
    t.check("--limit: a number" in said, said)
    said = t.run([TOP / "scripts" / "bench", "--json", "/nonexistent/file"], status=2).stdout
    t.check("cannot be written" in said, said)
    if not machine.host_has_vmx():
        said = t.run([TOP / "scripts" / "run", "--machine", "qemu"], status=125).stdout
        t.check("nested" in said, said)
    said = t.run([TOP / "scripts" / "run", "--machine", "qemu-tcg", "--cpu-model", "arrow_lake"], status=125).stdout
    t.check("--cpu-model is for Bochs" in said, said)
    said = t.run([TOP / "scripts" / "run", "--shell"], status=2).stdout
    t.check("needs a terminal" in said, said)


GREET_C = 'const char *greet(void) { return "linked"; }'
SHARED = ("-shared", "-fPIC", "-Wl,-soname,libgreet.so")
MAIN_C = """\
#include <stdio.h>
const char *greet(void);
int main(void) { return puts(greet()) < 0; }
"""


def _compiled(t, name, source, *words):
    """Compile a program, or a library, for a test; return its path."""
    folder = t.results / "own"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.c").write_text(source)
    t.run(["gcc", "-o", folder / name, folder / f"{name}.c", *words])
    return folder / name


@test("machine.add")
def add(t):
    """scripts/run --add: a program runs with a library from a folder of its own; a file and a folder are where they should be."""
    library = _compiled(t, "libgreet.so", GREET_C, *SHARED)
    main = _compiled(t, "greet", MAIN_C, library, "-Wl,-rpath,$ORIGIN")
    folder = t.results / "own" / "folder"
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    (folder / "deep" / "file=1").write_text("deep\n")
    status, out, err = _script(t, "--memory", "192", "--add", str(main), f"{folder / 'deep' / 'file=1'}=/data/", "--add", str(folder),
                               "--", "sh", "-c", "greet; cat /data/file=1 /folder/deep/file=1; cat /proc/meminfo")
    t.check(status == 0, f"exit status {status}: {err}")
    t.check(out.startswith("linked\ndeep\ndeep\n"), f"it printed {out!r}")
    total = int(out.split("MemTotal:")[1].split()[0])
    t.check(128 << 10 < total < 192 << 10, f"of 192 MB of memory there are {total} KB")


@test("machine.add-usage")
def add_usage(t):
    """Wrong files for --add, and --kvm-program without a command, get one clear line and an exit status of 2."""
    library = _compiled(t, "libgreet.so", GREET_C, *SHARED)
    lost = _compiled(t, "lost", MAIN_C, library)
    library.unlink()
    wrong = [(["--add", "/no/such"], "there is no /no/such"), (["--add", "/etc/passwd=/dev/x"], "/dev is the machine's own"),
             (["--add", "/etc/passwd=init"], "/init is the machine's own"), (["--add", "/etc/passwd=../x"], "no path in the machine"),
             (["--add", "/etc/passwd", "/etc/group=passwd"], "two files for /passwd"), (["--add"], "expected at least one"),
             (["--add", str(lost)], "needs libgreet.so"), (["--kvm-program"], "--kvm-program needs a command"),
             (["--memory", "1"], "--memory: 128 MB is the least")]
    for words, want in wrong:
        said = t.run([TOP / "scripts" / "run", *words], status=2).stdout
        t.check(want in said and "Traceback" not in said, f"{' '.join(words)}: {said}")


@test("machine.kvm-program")
def kvm_program(t):
    """scripts/run --kvm-program: a program for KVM has LiKeX at /dev/kvm and the library; a static one is told of."""
    tool = lib.program(t, "kvm")
    command = ["--add", str(tool), "--", "kvm", "--how", "plain"]
    status, out, err = _script(t, "--kvm-program", *command)
    t.check(status == 0 and out == "5 accesses, then exit 5\n", f"exit status {status}: {out!r} {err}")
    t.check("statically" not in err, f"it takes {tool} for static: {err}")
    status, out, err = _script(t, *command)
    t.check(status == 1 and "exit 17" in out, f"without --kvm-program: exit status {status}: {out!r} {err}")
    hello = t.build / "tools/machine/hello"
    compare = "hello /dev/kvm && own=$(stat -c %t:%T /dev/likex-kvm) && [ $own = $(stat -c %t:%T /dev/kvm) ] && echo $LD_PRELOAD"
    status, out, err = _script(t, "--add", f"{hello}=/bin/static", "--kvm-program", "--", "sh", "-c", compare)
    t.check(status == 0 and out.endswith("guest halted\n/lib/liblikex-preload.so\n"), f"exit status {status}: {out!r} {err}")
    t.check(f"{hello} is linked statically" in err, f"no word of the static program: {err}")
    status, _, err = _script(t, "--machine", "qemu-tcg", "--kvm-program", "--", "true")
    t.check(status == 125 and "there is no /dev/likex-kvm" in err, f"without VT-x: exit status {status}: {err}")


AMD = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC 9005
stepping\t: 1

processor\t: 1
vendor_id\t: other
"""


@test("machine.test-report")
def test_report(t):
    """A run of tests names the first processor by vendor, family, model and stepping, and sorts tests by their cost."""
    said = suite.processor(AMD)
    t.check(said == "AuthenticAMD, family 26, model 2, stepping 1", said)
    said = suite.processor("processor\t: 0\n")
    t.check(said == "unknown, family ?, model ?, stepping ?", said)
    rows = [line.split() for line in suite.times([("machine.usage", "passed", 1.0), ("machine.hang", "failed", 3.0)]).splitlines()]
    t.check(rows == [["seconds", "share", "verdict", "lane", "test"], ["3.0", "75.0%", "failed", "machine", "machine.hang"],
                     ["1.0", "25.0%", "passed", "machine", "machine.usage"], ["4.0", "100.0%", "in", "all"]], rows)
    said = suite.times([])
    t.check(said.endswith("0.0 100.0%  in all\n"), said)


def _console(talk, *words):
    """Run scripts/run --shell and type; return what the console said, and the exit status."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([str(TOP / "scripts" / "run"), "--shell", "--limit", "120", *words], cwd=TOP, stdin=theirs,
                             stdout=theirs, stderr=subprocess.STDOUT, start_new_session=True)
    os.close(theirs)
    try:
        said = _converse(ours, talk)
        return said, child.wait(timeout=60)
    finally:
        end(child)
        os.close(ours)


@test("machine.shell")
def shell(t):
    """scripts/run --shell is a console: a command typed there answers, and exit ends the machine."""
    said, status = _console([(b"likex# ", b"echo $((6 * 7))\n"), (b"\n42", b"exit 3\n")])
    t.check(b"42" in said, f"the console said {said[-300:]!r}")
    t.check(status == 3, f"exit status {status}, not 3: {said[-300:]!r}")


@test("machine.kvm-program-shell")
def kvm_program_shell(t):
    """scripts/run --shell --kvm-program: a program for KVM that is started from the console runs on LiKeX."""
    tool = lib.program(t, "kvm")
    said, status = _console([(b"likex# ", b"kvm --how plain\n"), (b"accesses", b"exit\n")], "--kvm-program", "--add", str(tool))
    t.check(b"5 accesses, then exit 5" in said and status == 0, f"exit status {status}: {said[-500:]!r}")


def _converse(line, talk, limit=120):
    """Type each answer after its prompt was seen; return all that was said."""
    said, seen, start = b"", 0, time.monotonic()
    talk = list(talk)
    while time.monotonic() - start < limit:
        if select.select([line], [], [], 1)[0]:
            try:
                said += os.read(line, 4096)
            except OSError:             # the other end is closed: the script has ended
                return said
        if talk and talk[0][0] in said[seen:]:
            seen = len(said)
            os.write(line, talk.pop(0)[1])
    return said
