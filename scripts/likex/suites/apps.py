# SPDX-License-Identifier: GPL-2.0
"""Programs that are written for KVM, as Debian ships them, on /dev/likex-kvm.

The node is bound over /dev/kvm, and the library that completes LiKeX in user space is preloaded. The
same program runs on KVM in the same boot.
"""

import hashlib
import pathlib

from .. import image, kernel, machine, packages, program, series
from ..base import BUILD, TOP
from ..initramfs import Archive
from ..suite import Skip, test
from . import guest, irq

QEMU = pathlib.Path("/usr/bin/qemu-system-x86_64-microvm")
# No device but the serial port; the local APIC is in the kernel, the IOAPIC in QEMU.
QEMU_MACHINE = "microvm,accel=kvm,kernel-irqchip=split,pic=off,pit=off,rtc=off"
QEMU_WORDS = ("-L", "/tests", "-M", QEMU_MACHINE, "-cpu", "host", "-m", "96", "-nodefaults", "-no-user-config",
              "-nographic", "-serial", "stdio", "-no-reboot")
FIRMWARE = tuple(map(pathlib.Path, ("/usr/share/seabios/bios-microvm.bin", "/usr/share/qemu/linuxboot_dma.bin",
                                    "/usr/share/qemu/pvh.bin", "/usr/share/qemu/qboot.rom")))

# Devices in memory. This QEMU has no network of its own ("user"), so the guest's two cards are on one hub.
VIRTIO_WORDS = ("-L", "/tests", "-M", f"{QEMU_MACHINE},acpi=off", "-cpu", "host", "-m", "96", "-nodefaults", "-no-user-config",
                "-no-reboot", "-display", "none", "-serial", "file:/proc/self/fd/2", "-chardev", "stdio,id=console",
                "-drive", "file=/tmp/disk,format=raw,if=none,id=disk", "-device", "virtio-blk-device,drive=disk",
                "-netdev", "hubport,id=first,hubid=0", "-device", "virtio-net-device,netdev=first",
                "-netdev", "hubport,id=second,hubid=0", "-device", "virtio-net-device,netdev=second",
                "-device", "virtio-serial-device", "-device", "virtconsole,chardev=console")
TYPED = "a line from the host"

_BOOTS = {}


def _added(t, parts):
    """Return what QEMU and its guest need in the machine; parts: the files of the guest."""
    packages.need("qemu")
    lacking = [path for path in (QEMU, *FIRMWARE) if not path.exists()]
    if lacking:
        raise Skip(f"Debian's QEMU has no {lacking[0]} here")
    return program.archive([(QEMU, f"bin/{QEMU.name}"), *((path, f"tests/{path.name}") for path in (*FIRMWARE, *parts))],
                           kvm_program=True)


def _qemu(device, cpus, mode):
    """Return the step that boots the guest with so many processors in a mode of the local APIC."""
    append = f"console=ttyS0 {irq.APPEND} panic=-1 reboot=t{' nox2apic' * (mode == 'xapic')}"
    command = [QEMU.name, *QEMU_WORDS, "-smp", f"{cpus},sockets={cpus}", "-kernel", "/tests/guest-vmlinux",
               "-initrd", "/tests/guest.cpio", "-append", append]
    return guest.marked(f"qemu {device} {cpus} {mode}", command if device == "kvm" else program.on_likex(command))


def _host():
    """Return the kernel of the machine."""
    if "LIKEX_KVM_COMPAT" not in (series.make() / "arch/x86/likex/Kconfig").read_text():
        raise Skip("the series has no /dev/likex-kvm yet")
    return kernel.build("host")


def _boot(t, model):
    if model not in _BOOTS:
        built, (_, parts) = _host(), irq.guest_files(t)
        added = _added(t, parts)
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


def _virtio_files(t):
    """Return a guest with virtio devices: its kernel and its initramfs."""
    t.results.mkdir(parents=True, exist_ok=True)
    archive = Archive()
    image.busybox(archive)
    archive.file("init", TOP / "tools/guests/virtio-init.sh")
    for name in ("proc", "dev", "mnt"):
        archive.directory(name)
    archive.device("dev/console", 5, 1)
    (t.results / "virtio.cpio").write_bytes(archive.bytes())
    return [kernel.build("guest").stripped(t.results / "guest-vmlinux"), t.results / "virtio.cpio"]


def _virtio(device, cpus, mode):
    """Return the step that boots the guest with virtio devices, on an empty disk, and types a line."""
    append = f"console=ttyS0 quiet panic=-1 reboot=t{' nox2apic' * (mode == 'xapic')}"
    command = [QEMU.name, *VIRTIO_WORDS, "-smp", f"{cpus},sockets={cpus}", "-kernel", "/tests/guest-vmlinux",
               "-initrd", "/tests/virtio.cpio", "-append", append]
    command = command if device == "kvm" else program.on_likex(command)
    typed = f'rm -f /tmp/disk; truncate -s 4M /tmp/disk; echo "{TYPED}" | "$@" && "$@" </dev/null'
    return guest.marked(f"virtio {device} {cpus} {mode}", ["sh", "-c", typed, "sh", *command])


def _virtio_says(cpus, mode):
    """Return the lines that the guest prints, before and after its reboot."""
    total = hashlib.sha1("".join(f"{number}\n" for number in range(1, 20001)).encode()).hexdigest()
    return [f"guest: {text}" for text in (f"cpus {cpus}, {mode}", f"wrote {total}", f"received {total}", "what now?",
                                          f"console: {TYPED}", f"cpus {cpus}, {mode}", f"read {total}")]


@test("apps.qemu-virtio")
def qemu_virtio(t):
    "QEMU's virtio disk, network cards and console, with a reboot in between: on LiKeX as on KVM."
    ways = [(cpus, mode) for cpus in (1, 2) for mode in irq.MODES if t.exhaustive or (cpus == 2) == (mode == "xapic")]
    built, added = _host(), _added(t, _virtio_files(t))
    steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
    steps += [_virtio(device, *way) for device in ("kvm", "likex-kvm") for way in ways]
    target = machine.for_kernel(built, cpus=2, memory=768)
    outcome = t.boot_once(target, built, image.base(built) + added.bytes(), steps, BUILD / "run" / "apps-virtio", limit=1500)
    for step in outcome.steps[1:]:
        _, device, cpus, mode = step.name.split()
        lines = [line.strip() for line in step.text.splitlines() if line.startswith("guest: ")]
        t.check(lines == _virtio_says(cpus, mode) and step.status == 0, f"{step.name}: {outcome.verdict}, exit status {step.status}\n"
                f"{step.text[-2000:]}\n{step.err.decode(errors='replace')[-2000:]}")
        complaints = guest.reports(outcome, step.name)
        t.check(not complaints, f"the kernel complains in {step.name}:\n" + guest.section(outcome, step.name))
        t.note(f"{device}: {len(lines)} lines, {lines[0]}")
