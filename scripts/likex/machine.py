# SPDX-License-Identifier: GPL-2.0
"""The machines that programs run in: starting one, and taking in what it reports."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import select
import shutil
import struct
import subprocess
import time

from . import emulator, packages
from .base import Fail, cache, capture, digest, end, shown, start, write
from .initramfs import Archive

# To Linux the three models have different faults, so they walk different mitigation paths.
MODELS = {
    "broadwell_ult": "EPT A/D, 1G pages, APIC-register virtualization, virtual-interrupt delivery",
    "corei7_sandy_bridge_2600k": "lean: no EPT A/D, no 1G pages, no APIC virtualization",
    "arrow_lake": "newest (not in Bochs 2.7): posted interrupts, PML, TSC scaling",
}
KINDS = ("bochs", "bochs-2.7", "qemu", "qemu-tcg")

# Deterministic (Documentation/machine.md): virtual time only, for the screen's refresh too,
# and no RDRAND and RDSEED, which Bochs seeds from the host's clock.
BOCHSRC = """\
config_interface: textconfig
display_library: {display}
cpu: model={model}, count={cpus}, ips={ips}, quantum={quantum}, reset_on_triple_fault=0, ignore_bad_msrs=1{features}
memory: guest={memory}, host={memory}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
clock: sync={sync}, time0=1000000000, rtc_sync=0
vga: extension=vbe, update_freq=5, realtime=0
pci: enabled=1, chipset=i440fx
ata0-master: type=cdrom, path=boot.iso, status=inserted
boot: cdrom
port_e9_hack: enabled=1
com1: enabled=1, mode={serial_mode}, dev={serial}
log: bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
{sound}"""

# Bochs 2.7 cannot leave features out, so there the kernel does, which taints it (bit 2);
# and the kernel warns of its CPUID (bit 9).
CLEARED, CLEARED_TAINT = "rdrand,rdseed", 1 << 2 | 1 << 9

ISOLINUX = """\
default likex
prompt 0
timeout 0
label likex
  kernel /kernel
  initrd /initrd
  append {append}
"""


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine to emulate. `ips` is also the frequency of its TSC."""
    kind: str = "bochs"
    cpus: int = 1
    model: str = "broadwell_ult"
    memory: int = 256
    ips: int = 20_000_000
    quantum: int = 32
    profile: bool = False       # in a Bochs that writes the file `profile`, see profile.py


@dataclasses.dataclass
class Step:
    """One program run in the machine, and what became of it."""
    name: str
    argv: list
    status: int = None          # exit status; 128 + signal; None: never ended
    out: bytes = b""
    err: bytes = b""

    @property
    def text(self):
        return self.out.decode(errors="replace")


class NotDone(Fail):
    """A machine that did not come to its end. Unlike other failures, it says something about the kernel."""

    status = 1


@dataclasses.dataclass
class Outcome:
    """How a machine's run went.

    verdict: "done" (all steps ran, whatever their status), "panic", "hang" (time
    limit), or "died" (the machine went off without a word).
    """
    verdict: str
    steps: list
    console: bytes
    taint: int = None
    release: str = ""
    seconds: float = 0.0
    where: pathlib.Path = None
    kind: str = "bochs"
    recalled: bool = False      # not of this run: see boot_once()

    def step(self, name):
        return next(step for step in self.steps if step.name == name)

    def reports(self):
        """Return console lines in which the kernel complains of itself, less what is known of the emulator."""
        text = _KNOWN[self.kind].sub("", self.console.decode(errors="replace")) if self.kind in _KNOWN else \
            self.console.decode(errors="replace")
        return [line for line in text.splitlines() if _REPORT.search(line)]

    def tail(self, count=15):
        """Return the console's last lines."""
        return self.console.decode(errors="replace").splitlines()[-count:]

    def require_done(self):
        """Raise Fail unless the machine ran to its end, naming what happened instead."""
        said = {"panic": "the kernel panicked", "hang": "the machine hung and was ended at its time limit",
                "died": "the machine went off before it was done"}
        if self.verdict != "done":
            # A machine that never started says why not on standard error.
            why = (self.where / "emulator.err").read_text(errors="replace").splitlines()[-8:] if not self.console else []
            raise NotDone("\n".join([f"{said[self.verdict]} ({shown(self.where)}); the console ends:", *self.tail(), *why]))
        return self


_REPORT = re.compile(r"\b(BUG:|WARNING:|KASAN:|UBSAN:|KCSAN:|INFO: (?:possible|task|suspicious|trying|rcu)|"
                     r"Oops:|general protection|kernel BUG at|unreferenced object|Call Trace:|"
                     r"unchecked MSR access|rcu: INFO|possible recursive locking|Kernel panic)")
# Bochs 2.7 does not say in CPUID what Linux expects of topology and XSAVE.
_KNOWN = {"bochs-2.7": re.compile(r"-+\[ cut here \]-+\s+WARNING: [^\n]*(?:topology_common|fpu/xstate)\.c:.*?"
                                  r"\[ end trace \w+ \]-+", re.DOTALL)}
_PANIC = re.compile(rb"Kernel panic - not syncing")


class _Frames:
    """Takes apart the byte stream of the report port (see tools/machine/init.c)."""

    def __init__(self, steps, on_output):
        self.steps, self.on_output = steps, on_output
        self.data, self.next, self.current = b"", 0, None
        self.release, self.taint, self.done = "", None, False

    def feed(self, data):
        self.data += data
        while True:
            start = self.data.find(b"LX1")
            if start < 0:
                self.data = self.data[-2:]
                return
            self.data = self.data[start:]
            if len(self.data) < 8:
                return
            kind, length = struct.unpack("<cI", self.data[3:8])
            if len(self.data) < 8 + length:
                return
            payload, self.data = self.data[8:8 + length], self.data[8 + length:]
            self._take(kind, payload)

    def _take(self, kind, payload):
        if kind == b"H":
            self.release = payload.decode()
        elif kind == b"S":
            self.current = self.steps[self.next]
            self.next += 1
        elif kind in (b"O", b"E"):
            if kind == b"O":
                self.current.out += payload
            else:
                self.current.err += payload
            if self.on_output:
                self.on_output(self.current, kind == b"E", payload)
        elif kind == b"X":
            status = struct.unpack("<I", payload)[0]
            self.current.status = 128 + (status & 0x7f) if status & 0x7f else status >> 8
        elif kind == b"T":
            self.taint = int(payload) if payload.isdigit() else None
            self.done = True


def for_kernel(kernel, **chosen):
    """Return the machine a kernel needs: a debug kernel is bearable only on a faster clock and with more memory."""
    if kernel.flavour == "debug":
        chosen = {"ips": 400_000_000, "memory": 512, **chosen}
    return Machine(**chosen)


def job(steps):
    """Return the job file for init; a step without a program is an interactive shell."""
    words = []
    for step in steps:
        words += ["run" if step.argv else "shell", step.name, str(len(step.argv)), *map(str, step.argv)]
    return b"".join(word.encode() + b"\0" for word in words)


def host_has_vmx():
    """Tell whether QEMU with KVM could give its guest VT-x on this host."""
    with contextlib.suppress(OSError):
        nested = pathlib.Path("/sys/module/kvm_intel/parameters/nested").read_text().strip() in ("Y", "1")
        return nested and " vmx " in pathlib.Path("/proc/cpuinfo").read_text() and os.access("/dev/kvm", os.W_OK)
    return False


def choose(kind, model=None):
    """Return the kind of machine that `auto` stands for here, or the one asked for; model: a processor for Bochs, if any."""
    if kind == "qemu" and not host_has_vmx():
        raise Fail("this host offers QEMU no nested VT-x: it takes /dev/kvm, and kvm_intel's parameter `nested`")
    if kind == "auto":
        return "qemu" if host_has_vmx() and not model else "bochs"
    if model and kind.startswith("qemu"):
        raise Fail(f"--cpu-model is for Bochs, which alone plays several processors, and not for --machine {kind}")
    return kind


def need(kind):
    """Get all that comes from elsewhere before the long build: who may not install packages learns of all of them."""
    packages.need("source", "kernel", "tools", "qemu" if kind.startswith("qemu") else "bochs",
                  *["bochs-build"] * (kind == "bochs"))
    if kind == "bochs":
        emulator.find()


def command_line(machine, append=""):
    """Return the kernel command line."""
    # reboot=t: a reboot is a triple fault, at which the machine ends instead of starting anew.
    words = ["console=ttyS0,115200", "loglevel=5", "panic=-1", "reboot=t"]
    if machine.kind == "bochs-2.7":
        # There MWAIT sleeps through other processors' stores (tools/machine/bochs.patch).
        words += [f"clearcpuid={CLEARED}", "idle=halt"]
    return " ".join([*words, append]).strip()


def _at_hand(machine):
    """Return the machine asked for, or Debian's Bochs, with all that it takes, where the fast one cannot be had."""
    if machine.kind == "bochs" and not emulator.find()[1]:
        return dataclasses.replace(machine, kind="bochs-2.7")
    return machine


def boot(machine, kernel, initrd, steps, where, append="", limit=60, on_output=None, terminal=None):
    """Run steps in a machine; return an Outcome, whatever happens in it.

    initrd: bytes of the archive, without the job. limit: seconds of the host's time.
    on_output(step, is_stderr, data): called as output comes in.
    terminal: path of a terminal for the serial line, else it is kept in a file.
    """
    where, machine = pathlib.Path(where), _at_hand(machine)
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    extra = Archive()
    extra.file("job", job(steps), 0o644)
    (where / "initrd").write_bytes(initrd + extra.bytes())
    if machine.kind.startswith("qemu"):
        command = _qemu(machine, kernel, where, append, terminal)
    else:
        command = _bochs(machine, kernel, where, append, terminal)
    (where / "command").write_text(" ".join(map(str, command)) + "\n")
    # A script that is killed can end nothing, and an emulator that is left behind takes a processor for ever.
    outcome = _run(["setpriv", "--pdeathsig", "KILL", *command], steps, where, limit, on_output)
    outcome.kind = machine.kind
    if machine.kind == "bochs-2.7" and outcome.taint:
        outcome.taint &= ~CLEARED_TAINT
    return outcome


def boot_once(machine, kernel, initrd, steps, where, append="", **more):
    """Do as boot(), or give the outcome again that the very same boot had, where all went well.

    The same: kernel, programs, steps and emulator, byte for byte, of which a second boot shows nothing new
    (Documentation/machine.md). For boots of minutes. Not for QEMU.
    """
    machine = _at_hand(machine)
    program = emulator.find(fast=machine.kind == "bochs")[0]
    key = digest(machine, command_line(machine, append), BOCHSRC, program, kernel.image, initrd, job(steps))
    kept = cache() / "boots" / f"{key}.json"
    if kept.exists():
        return recall(kept.read_text(), steps)
    outcome = boot(machine, kernel, initrd, steps, where, append, **more)
    text = record(outcome)
    if text:
        write(kept, text)
    return outcome


def record(outcome):
    """Return an outcome as text, if all went well: no step ended with an error, and the kernel complained of nothing."""
    failed = any(step.status for step in outcome.steps)
    if outcome.verdict != "done" or outcome.taint != 0 or outcome.reports() or failed:
        return None
    return json.dumps({
        "steps": [(step.status, step.out.decode("latin-1"), step.err.decode("latin-1")) for step in outcome.steps],
        "console": outcome.console.decode("latin-1"), "release": outcome.release, "kind": outcome.kind})


def recall(text, steps):
    """Return the outcome that record() wrote down; fill in its steps."""
    kept = json.loads(text)
    for step, (status, out, err) in zip(steps, kept["steps"], strict=True):
        step.status, step.out, step.err = status, out.encode("latin-1"), err.encode("latin-1")
    console = kept["console"].encode("latin-1")
    return Outcome("done", steps, console, 0, kept["release"], kind=kept["kind"], recalled=True)


def _bochs(machine, kernel, where, append, terminal):
    program, fast = (emulator.profiler(), True) if machine.profile else emulator.find(fast=machine.kind == "bochs")
    if machine.model == "arrow_lake" and not fast:
        raise Fail("the model arrow_lake is not in Debian's Bochs 2.7")
    _iso(machine, kernel, where, append)
    (where / "bochsrc").write_text(BOCHSRC.format(
        display="nogui" if fast else 'rfb, options="timeout=0"',
        # Debian's is built with sound, and falls over where the host has no card.
        sound="speaker: enabled=0\n" if fast else "sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\n",
        features=', exclude_features="rdrand,rdseed"' if fast else "", model=machine.model, cpus=machine.cpus,
        ips=machine.ips, quantum=machine.quantum, memory=machine.memory,
        sync="slowdown" if terminal else "none",
        serial_mode="term" if terminal else "file", serial=terminal or "console"))
    command = [program, "-q", "-f", "bochsrc"]
    if machine.profile:
        command = ["env", f"LIKEX_PROFILE={where / 'profile'}", *command]
    if not fast:
        # Debian's has the debugger built in, which waits for a word to begin.
        (where / "go").write_text("c\n")
        command += ["-rc", "go"]
    return command


def _iso(machine, kernel, where, append):
    """Make the CD that the emulator boots from."""
    tree = where / "iso"
    tree.mkdir()
    shutil.copyfile("/usr/lib/ISOLINUX/isolinux.bin", tree / "isolinux.bin")
    shutil.copyfile("/usr/lib/syslinux/modules/bios/ldlinux.c32", tree / "ldlinux.c32")
    os.link(where / "initrd", tree / "initrd")
    shutil.copyfile(kernel.image, tree / "kernel")
    (tree / "isolinux.cfg").write_text(ISOLINUX.format(append=command_line(machine, append)))
    capture(["xorriso", "-as", "mkisofs", "-quiet", "-o", where / "boot.iso", "-b", "isolinux.bin", "-c", "boot.cat",
             "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree])
    shutil.rmtree(tree)


def _qemu(machine, kernel, where, append, terminal):
    packages.need("qemu")
    serial = terminal or f"file:{where / 'console'}"
    # One thread for all processors: with one each, a kernel once panicked here on an instruction under patching.
    accelerator = ["-accel", "tcg,thread=single", "-cpu", "max"] if machine.kind == "qemu-tcg" else \
        ["-accel", "kvm", "-cpu", "host"]
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
               *accelerator, "-smp", machine.cpus, "-m", machine.memory,
               "-kernel", kernel.image, "-initrd", where / "initrd", "-append", command_line(machine, append),
               "-serial", serial, "-debugcon", "stdio"]
    return command


def _run(command, steps, where, limit, on_output):
    """Start the emulator, feed what it reports to the frames, and watch for a panic and the limit."""
    frames = _Frames(steps, on_output)
    began, verdict = time.monotonic(), None
    console = where / "console"
    with open(where / "emulator.err", "wb") as err:
        child = start(command, cwd=where, stdout=subprocess.PIPE, stderr=err)
    try:
        while True:
            ready, _, _ = select.select([child.stdout], [], [], 0.5)
            if ready:
                data = os.read(child.stdout.fileno(), 1 << 16)
                if not data:
                    break
                frames.feed(data)
            if time.monotonic() - began > limit:
                verdict = "hang"
                break
    finally:
        end(child)
        child.stdout.close()
    said = console.read_bytes() if console.exists() else b""
    if _PANIC.search(said):
        verdict = "panic"
    elif frames.done:
        verdict = "done"
    return Outcome(verdict or "died", steps, said, frames.taint, frames.release, time.monotonic() - began, where)
