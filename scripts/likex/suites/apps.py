# SPDX-License-Identifier: GPL-2.0
"""Programs that are written for KVM, as Debian ships them, on /dev/likex-kvm.

The node is bound over /dev/kvm, and the library that completes LiKeX in user space is preloaded. The
same program runs on KVM in the same boot.
"""

import pathlib

from .. import image, kernel, machine, packages, program, series
from ..base import BUILD
from ..suite import Skip, test
from . import guest, irq

QEMU = pathlib.Path("/usr/bin/qemu-system-x86_64-microvm")
# No device but the serial port; the local APIC is in the kernel, the IOAPIC in QEMU.
QEMU_MACHINE = "microvm,accel=kvm,kernel-irqchip=split,pic=off,pit=off,rtc=off"
QEMU_WORDS = ("-L", "/tests", "-M", QEMU_MACHINE, "-cpu", "host", "-m", "96", "-nodefaults", "-no-user-config",
              "-nographic", "-serial", "stdio", "-no-reboot")
FIRMWARE = tuple(map(pathlib.Path, ("/usr/share/seabios/bios-microvm.bin", "/usr/share/qemu/linuxboot_dma.bin",
                                    "/usr/share/qemu/pvh.bin")))

_BOOTS = {}


def _added(t):
    """Return what QEMU and its guest need in the machine."""
    packages.need("qemu")
    lacking = [path for path in (QEMU, *FIRMWARE) if not path.exists()]
    if lacking:
        raise Skip(f"Debian's QEMU has no {lacking[0]} here")
    _, parts = irq.guest_files(t)
    return program.archive([(QEMU, f"bin/{QEMU.name}"), *((path, f"tests/{path.name}") for path in (*FIRMWARE, *parts))],
                           kvm_program=True)


def _qemu(device, cpus, mode):
    """Return the step that boots the guest with so many processors in a mode of the local APIC."""
    append = f"console=ttyS0 {irq.APPEND} panic=-1 reboot=t{' nox2apic' * (mode == 'xapic')}"
    command = [QEMU.name, *QEMU_WORDS, "-smp", f"{cpus},sockets={cpus}", "-kernel", "/tests/guest-vmlinux",
               "-initrd", "/tests/guest.cpio", "-append", append]
    return guest.marked(f"qemu {device} {cpus} {mode}", command if device == "kvm" else program.on_likex(command))


def _boot(t, model):
    if model not in _BOOTS:
        if "LIKEX_KVM_COMPAT" not in (series.make() / "arch/x86/likex/Kconfig").read_text():
            raise Skip("the series has no /dev/likex-kvm yet")
        added, built = _added(t), kernel.build("host")
        steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"]),
                 _qemu("kvm", 2, "x2apic")]
        steps += [_qemu("likex-kvm", cpus, mode) for cpus in (1, 2) for mode in irq.MODES]
        target = machine.for_kernel(built, cpus=2, model=model, memory=768)
        _BOOTS[model] = t.boot_once(target, built, image.base(built) + added.bytes(), steps, BUILD / "run" / f"apps-{model}",
                                    limit=900)
    return _BOOTS[model]


def _booted(t, model, cpus):
    outcome = _boot(t, model)
    for step in outcome.steps[1:]:
        _, device, count, mode = step.name.split()
        if int(count) != cpus:
            continue
        said = (step.out + step.err).decode(errors="replace")
        wakes = (int(count) - 1) * 200
        want = f"guest-init: cpus {count}, {mode}, early 0, wakes {wakes}, changes {wakes // 2}"
        t.check(want in said and step.status == 0, f"{step.name}: {outcome.verdict}, exit status {step.status}, "
                f"not {want!r}:\n{said[-3000:]}")
        complaints = guest.reports(outcome, step.name)
        t.check(not complaints, f"the kernel complains in {step.name}:\n" + guest.section(outcome, step.name))
        t.note(f"{device}: {want}")


@test("apps.qemu-microvm")
def qemu_microvm(t):
    "Debian's QEMU boots a small Linux on a microvm with one vCPU, x2APIC and xAPIC, and ends well."
    _booted(t, irq.BROADWELL, 1)


@test("apps.qemu-microvm-smp")
def qemu_microvm_smp(t):
    "The same with two vCPUs, on LiKeX and on KVM."
    _booted(t, irq.BROADWELL, 2)
