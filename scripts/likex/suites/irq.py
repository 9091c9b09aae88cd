# SPDX-License-Identifier: GPL-2.0
"""Interrupts: the kernel's selftests of the local APIC, and a small Linux as a guest.

The programs are the same for /dev/kvm, with its split irqchip, and for /dev/likex, and run
on both in one machine: KVM's results test the tests. With --exhaustive all of them run in
full on LiKeX and the newest model; else, and on the others, with smaller counts.
"""

import fnmatch
import re

from .. import image, kernel, machine, series
from ..base import BUILD
from ..initramfs import Archive
from ..suite import Failure, Skip, test
from . import guest, lib

PROGRAMS = guest.INTERRUPTS
BROADWELL = "broadwell_ult"
# Divisors of counts in an ordinary run, on LiKeX and the newest model: a few thousand wake-ups, a hundred saves.
ORDINARY = {"irq_ipis": 5, "irq_save": 10}
SMALLER = 20

# Test: (what it shows, program, patterns of its cases).
TESTS = {
    "irq.registers": ("The local APIC's registers and modes, for the guest and user space; vCPU states; HLT.",
                      "irq_lapic", ["*.lapic_[!hp]*", "*.lapic_halt*"]),
    "irq.states": ("States that no guest makes, each run; INIT, SIPI and NMI that wait while user space sets a state.",
                   "irq_lapic", ["*.lapic_hostile", "*.lapic_pending"]),
    "irq.deliver": ("Each delivery mode, destination, shorthand and trigger; priorities; TPR; ExtINT; EOI exits.",
                    "irq_deliver", ["*.irq_*"]),
    "irq.start": ("INIT and SIPI to a vCPU in each state, saved too; start of 1, 2, 8 and 64 vCPUs.",
                  "irq_deliver", ["*.irq_init*", "*.irq_smp*"]),
    "irq.timer": ("The timer in three modes: never early, late within a bound, once; moved, saved, restored in any order.",
                  "irq_timer", ["*.timer_*"]),
    "irq.ipis": ("100,000 IPIs among four vCPUs on two processors, each with a number: none lost, none twice.",
                 "irq_ipis", ["*.ipis_*"]),
    "irq.wake": ("A halting vCPU against each source that wakes it, or ends its run, thousands of times.",
                 "irq_ipis", ["*.wake_*"]),
    "irq.save": ("A VM whose vCPUs send IPIs goes through 1,000 VMs, with NMIs, timers and EOIs: nothing is lost or comes twice.",
                 "irq_save", ["*.save_*"]),
    "irq.race": ("Posting to a vCPU that moves, is preempted, or whose processor goes offline.",
                 "irq_ipis", ["*.race_*"]),
    "irq.page": ("xAPIC mode: accesses that the processor executes, for no vCPU as memory; no slot in their place.",
                 "irq_page", ["*.page_*"]),
    "irq.fuzz": ("200,000 random states and writes of the local APIC: the host says nothing, and a new VM works.",
                 "irq_fuzz", ["irq_fuzz", "*.irq_fuzz"]),
}

# Linux as a guest: "early 0" sleeps on each processor, 200 wake-ups and 100 changed mappings for each pair.
MODES = ("x2apic", "xapic")
COUNTS = (1, 2)
APPEND = "earlyprintk=serial,ttyS0,115200,keep"

# Linux with 8259s and an 8254 in user space: without a local APIC, or with their output at LINT0 of one.
# The guest uses a timer of the local APIC only if none of these words forbids it.
VIRTUAL_WIRE = "nolapic_timer lapic=notscdeadline"
PIC_MODES = {"none": "nolapic", "x2apic": VIRTUAL_WIRE, "xapic": VIRTUAL_WIRE}
SLEEPS = 20

_BOOTS = {}


def _programs(tree):
    built = guest.selftests(tree)
    folder = built[0].parent
    missing = [name for name in PROGRAMS if not (folder / name).exists()]
    if missing:
        raise Skip(f"the series has no {missing[0]} yet")
    return [folder / name for name in PROGRAMS]


def _append(target):
    """Return kernel parameters: the newest model's CPUID says that the TSC has GHz, so that each wait took 200 times as long."""
    return f"tsc_early_khz={target.ips // 1000}" if target.model == guest.NEWEST else ""


def _scale(t, model, device, program):
    if (model, device) != (guest.NEWEST, "likex"):
        return SMALLER
    return 1 if t.exhaustive else ORDINARY.get(program, SMALLER)


def _boot(t, model, device):
    """Run all programs on a device, on a processor of a model, once; return the outcome."""
    key = model, device
    if key not in _BOOTS:
        tree = series.make()
        programs, built = _programs(tree), kernel.build("host")
        steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
        steps += [guest.marked(name, ["env", f"LIKEX_DEV=/dev/{device}", f"/tests/{name}"],
                               _scale(t, model, device, name)) for name in PROGRAMS]
        target = machine.for_kernel(built, cpus=2, model=model)
        _BOOTS[key] = t.boot_once(target, built, image.base(built, programs), steps, BUILD / "run" / f"irq-{model}-{device}",
                                  append=_append(target), limit=1800)
    return _BOOTS[key]


def _said(step):
    return (step.out + step.err).decode(errors="replace")


def _chosen(t, model, device, program, globs):
    """Fail unless all cases of a program that match passed; skip if the device lacks what they need."""
    _judge(t, _boot(t, model, device), device, program, globs)


def _judge(t, outcome, device, program, globs):
    step = outcome.step(program)
    if step.status is None:
        raise Failure(f"{program} on {device}: {outcome.verdict}\n{_said(step)}\n" + "\n".join(outcome.tail()))
    complaints = guest.reports(outcome, program)
    t.check(not complaints, f"the kernel complains in {program}:\n" + guest.section(outcome, program))
    verdicts = {name: verdict for name, verdict in guest.cases(step).items()
                if any(fnmatch.fnmatch(name, glob) for glob in globs)}
    t.check(verdicts, f"{program}: no case {' '.join(globs)} was run\n{_said(step)}")
    bad = [name for name, verdict in verdicts.items() if verdict == "not ok"]
    t.check(not bad, f"{program} on {device}: failed: {' '.join(bad)}\n{_said(step)}")
    lacks = set(re.findall(r"# SKIP (KVM_CAP_\w+ is 0)", _said(step)))
    if lacks and all(verdict == "skip" for verdict in verdicts.values()):
        raise Skip(f"/dev/{device}: {' '.join(sorted(lacks))}")
    for line in re.findall(r"late by up to .*|\d+ states set.*|\d+ hops: .*|requested \d+, in service .*", _said(step)):
        t.note(f"{device}: {line}")
    t.note(f"{device}: " + " ".join(f"{name}{' (skipped)' * (verdict == 'skip')}" for name, verdict in verdicts.items()))


def _register(name, text, program, globs):
    def run(t):
        _chosen(t, guest.NEWEST, "kvm", program, globs)
        _chosen(t, guest.NEWEST, "likex", program, globs)

    def debug(t):
        _judge(t, guest.boot(t, "debug"), "likex", program, globs)

    run.__doc__, debug.__doc__ = text, f"On the debug kernel, with smaller counts: {text}"
    test(name)(run)
    test(f"debug.{name.replace('.', '-')}", exhaustive=program in guest.DEBUG_LONG, lane="debug")(debug)


for _name, (_text, _program, _globs) in TESTS.items():
    _register(_name, _text, _program, _globs)


def _part(t, model):
    for program in PROGRAMS:
        _chosen(t, model, "likex", program, ["*"])


@test("irq.lean", exhaustive=True)
def lean(t):
    "All programs, with smaller counts, on a processor without APIC virtualization."
    _part(t, guest.LEAN)


@test("irq.broadwell", exhaustive=True)
def broadwell(t):
    "All programs, with smaller counts, on a processor with APIC-register virtualization and no posted interrupts."
    _part(t, BROADWELL)


def guest_files(t, program="linux"):
    """Return what boots a Linux guest: a VMM of the examples with its libraries; the kernel, the initramfs."""
    guest_kernel = kernel.build("guest")
    lib.build(t, folder="examples")
    vmm, folder = BUILD / "tools" / "examples" / program, t.results
    folder.mkdir(parents=True, exist_ok=True)
    archive = Archive()
    archive.file("init", image.tools() / "guest-init")
    archive.directory("proc")
    archive.directory("dev")
    archive.device("dev/console", 5, 1)
    (folder / "guest.cpio").write_bytes(archive.bytes())
    return [vmm, *image.shared(vmm)], [guest_kernel.stripped(folder / "guest-vmlinux"), folder / "guest.cpio"]


def _boot_linux(t, model, program, wanted):
    """Boot Linux by a VMM of the examples, on KVM and on LiKeX; return the steps.

    wanted: {(words of the VMM): (words of the guest's kernel, line of its init)}.
    """
    vmm, parts = guest_files(t, program)
    built = kernel.build("host")
    steps = [machine.Step("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
    for device in ("kvm", "likex"):
        steps += [machine.Step(" ".join([device, *words]),
                               [*image.run_shared(vmm), f"/dev/{device}", *words,
                                *[f"/tests/{path.name}" for path in parts], APPEND, *append.split()])
                  for words, (append, _) in wanted.items()]
    target = machine.for_kernel(built, cpus=2, model=model)
    outcome = t.boot_once(target, built, image.base(built, [*vmm, *parts]), steps, BUILD / "run" / f"{program}-{model}",
                          append=_append(target), limit=900)
    for step in steps[1:]:
        device, *words = step.name.split()
        said, line = _said(step), wanted[tuple(words)][1]
        if "KVM_CAP_SPLIT_IRQCHIP: " in said:
            raise Skip(f"/dev/{device}: KVM_CAP_SPLIT_IRQCHIP is 0")
        t.check(line in said and step.status == 0, f"{step.name}: exit status {step.status}, not {line!r}:\n{said[-3000:]}")
        t.note(f"{step.name}: {line}")
    outcome.require_done()
    t.check(not outcome.reports(), "the kernel complains: " + "; ".join(outcome.reports()[:3]))
    return steps[1:]


def _init_says(mode, count):
    others = count - 1
    return f"guest-init: cpus {count}, {mode}, early 0, wakes {others * 200}, changes {others * 100}"


def _linux(t, model):
    _boot_linux(t, model, "linux", {(str(count), mode): ("", _init_says(mode, count)) for mode in MODES for count in COUNTS})


def _linux_pic(t, model):
    # Without a local APIC, the guest finds no x2APIC either.
    modes = {(mode,): (f"noapic acpi=off {word}", _init_says("xapic" if mode == "none" else mode, 1))
             for mode, word in PIC_MODES.items()}
    for step in _boot_linux(t, model, "linux-pic", modes):
        found = re.search(r"^linux-pic: (\d+) interrupts, (\d+) windows, (\d+) halts$", step.text, re.MULTILINE)
        t.check(found, f"{step.name}: the VMM does not tell its counts:\n{_said(step)[-3000:]}")
        interrupts, windows, halts = map(int, found.groups())
        t.note(f"{step.name}: {found[0]}")
        t.check(interrupts >= SLEEPS, f"{step.name}: {interrupts} interrupts for {SLEEPS} sleeps")
        t.check(windows, f"{step.name}: no interrupt had to wait for its window")
        t.check(bool(halts) == step.name.endswith(" none"), f"{step.name}: {halts} halts in user space")


@test("irq.linux", lane="irq-linux")
def linux(t):
    "A small Linux boots to its init with 1 and 2 vCPUs, x2APIC and xAPIC, on KVM and on LiKeX, and uses timer and IPIs."
    _linux(t, guest.NEWEST)


@test("irq.linux-models", exhaustive=True, lane="irq-linux")
def linux_models(t):
    "irq.linux on the other processor models."
    _linux(t, guest.LEAN)
    _linux(t, BROADWELL)


@test("irq.linux-pic", lane="irq-linux")
def linux_pic(t):
    "Linux with 8259s and an 8254 in user space: without a local APIC, and as ExtINT at LINT0 of one; on KVM and on LiKeX."
    _linux_pic(t, guest.NEWEST)


@test("irq.linux-pic-models", exhaustive=True, lane="irq-linux")
def linux_pic_models(t):
    "irq.linux-pic on the other processor models."
    _linux_pic(t, guest.LEAN)
    _linux_pic(t, BROADWELL)
