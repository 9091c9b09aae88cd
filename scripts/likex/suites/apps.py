# SPDX-License-Identifier: GPL-2.0
"""Programs that are written for KVM, as Debian ships them, on /dev/likex-kvm.

The node is bound over /dev/kvm, and the library that completes LiKeX in user space is preloaded. The
same program runs on KVM in the same boot.
"""

import hashlib
import pathlib
import re
import shutil

from .. import image, kernel, machine, packages, program, series
from ..base import BUILD, TOP, write
from ..suite import Skip, test
from . import guest, irq, lib

QEMU = pathlib.Path("/usr/bin/qemu-system-x86_64-microvm")
# No device but the serial port; the local APIC is in the kernel, the IOAPIC in QEMU.
QEMU_MACHINE = "microvm,accel=kvm,kernel-irqchip=split,pic=off,pit=off,rtc=off"
ALWAYS = ("-L", "/tests", "-cpu", "host", "-m", "96", "-nodefaults", "-no-user-config", "-no-reboot")
QEMU_WORDS = (*ALWAYS, "-M", QEMU_MACHINE, "-nographic", "-serial", "stdio")
ROMS = pathlib.Path("/usr/share/seabios"), pathlib.Path("/usr/share/qemu")
FIRMWARE = (ROMS[0] / "bios-microvm.bin", ROMS[1] / "linuxboot_dma.bin", ROMS[1] / "pvh.bin", ROMS[1] / "qboot.rom")

# A PC with PCI Express and SeaBIOS, which starts the guest's kernel by a ROM.
PC = pathlib.Path("/usr/bin/qemu-system-x86_64")
PC_MACHINE = "q35,accel=kvm,kernel-irqchip=split"
PC_FIRMWARE = (ROMS[0] / "bios-256k.bin", ROMS[1] / "linuxboot_dma.bin", ROMS[1] / "pvh.bin", ROMS[1] / "kvmvapic.bin")

# The microvm has no network of its own ("user"), so that its guest's two cards are on one hub.
HUB = ("-netdev", "hubport,id=first,hubid=0", "-device", "virtio-net-{},netdev=first",
       "-netdev", "hubport,id=second,hubid=0", "-device", "virtio-net-{},netdev=second")
# A network of QEMU's own, which gives the guest a file. The machine's kernel has no Internet protocols: what QEMU
# would do with sockets is not tested.
USER = ("-netdev", "user,id=first,restrict=on,tftp=/tmp/served", "-device", "virtio-net-{},netdev=first")
# Tells how often each vCPU of QEMU's guest has left it.
EXITS = TOP / "tools/guests/qemu-exits.sh"
# A program on rust-vmm's crate, which is in newer releases of Debian, and one in C with its system calls.
HELLO, CRATE, REGISTRY = TOP / "tools/examples/kvm-hello", "librust-kvm-ioctls-dev", pathlib.Path("/usr/share/cargo/registry")
HELLO_SAYS = "Hello\nKVM_EXIT_HLT\n" * 3
TYPED = "a line from the host"
# Features of KVM's that LiKeX does not have, by QEMU's names.
PARAVIRTUAL = ("kvm-pv-ipi", "kvm-pv-sched-yield", "kvm-pv-unhalt", "kvm-pv-tlb-flush", "kvm-pv-eoi", "kvm-asyncpf",
               "kvm-msi-ext-dest-id")

# Counts that both hypervisors have.
COUNTED = ("exits", "io_exits", "mmio_exits", "halt_exits", "irq_exits")

_BOOTS = {}


def _added(t, parts, qemu=QEMU, firmware=FIRMWARE):
    """Return what QEMU and its guest need in the machine; parts: the files of the guest."""
    packages.need("qemu")
    lacking = [path for path in (qemu, *firmware) if not path.exists()]
    if lacking:
        raise Skip(f"Debian's QEMU has no {lacking[0]} here")
    files = [(qemu, f"bin/{qemu.name}"), (EXITS, f"bin/{EXITS.name}"), *((path, f"tests/{path.name}") for path in (*firmware, *parts))]
    return program.archive(files, kvm_program=True)


def _qemu(device, cpus, mode, features=()):
    """Return the step that boots the guest with so many processors in a mode of the local APIC; features: of QEMU's -cpu."""
    append = f"console=ttyS0 {irq.APPEND} panic=-1 reboot=t{' nox2apic' * (mode == 'xapic')}"
    command = [EXITS.name, cpus, QEMU.name, *QEMU_WORDS, "-smp", f"{cpus},sockets={cpus}", "-kernel", "/tests/guest-vmlinux",
               "-initrd", "/tests/guest.cpio", "-append", append]
    command[command.index("host")] = ",".join(["host", *features])
    return guest.marked(" ".join(["qemu", device, str(cpus), mode, *features[:1]]),
                        command if device == "kvm" else program.on_likex(command))


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
        exits = dict(re.findall(r"^guest: (\w*exits) (\d+)", said, re.MULTILINE))
        t.check(int(exits.get("exits", 0)) > int(exits.get("io_exits", 0)) > 0, f"{step.name}: exits: {exits}")
        t.note(f"{device}: {want}; " + ", ".join(f"{name} {exits[name]}" for name in COUNTED))


@test("apps.qemu-microvm")
def qemu_microvm(t):
    "Debian's QEMU boots a small Linux on a microvm with one vCPU, x2APIC and xAPIC, and ends well."
    _booted(t, irq.BROADWELL, 1)


@test("apps.qemu-microvm-smp")
def qemu_microvm_smp(t):
    "The same with two vCPUs, on LiKeX and on KVM."
    _booted(t, irq.BROADWELL, 2)


@test("apps.qemu-paravirtual", exhaustive=True)
def qemu_paravirtual(t):
    "Exits that KVM's paravirtual features spare a guest with four vCPUs on two processors: each alone, none, and all."
    none = [f"{name}=off" for name in PARAVIRTUAL]
    built, (_, parts) = _host(), irq.guest_files(t)
    steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel"]), _qemu("kvm", 4, "x2apic"), _qemu("kvm", 4, "x2apic", none)]
    steps += [_qemu("kvm", 4, "x2apic", [f"{name}=on", *(word for word in none if word != f"{name}=off")]) for name in PARAVIRTUAL]
    target = machine.for_kernel(built, cpus=2, model=irq.BROADWELL, memory=768)
    outcome = t.boot_once(target, built, image.base(built) + _added(t, parts).bytes(), steps, BUILD / "run" / "apps-paravirtual", limit=2400)
    for step in outcome.steps[1:]:
        said = (step.out + step.err).decode(errors="replace")
        t.check("guest-init: cpus 4, x2apic" in said and step.status == 0, f"{step.name}: {outcome.verdict}, exit status {step.status}\n{said[-3000:]}")
        exits = {name: int(count) for name, count in re.findall(r"^guest: (\w*exits) (\d+)", said, re.MULTILINE)}
        t.note(f"{step.name}: {exits['exits'] - exits['io_exits']} exits without those for ports, {exits['halt_exits']} for HLT")


def _virtio_files(t):
    """Return a guest with virtio devices: its kernel and its initramfs."""
    write(t.results / "virtio.cpio", image.scripted(TOP / "tools/guests/virtio-init.sh"))
    return [kernel.build("guest").stripped(t.results / "guest-vmlinux"), t.results / "virtio.cpio"]


def _devices(bus, network):
    """Return QEMU's words for a disk, network cards and a console; bus: the rest of a device's name, and its properties."""
    return [word.format(bus) for word in
            ("-display", "none", "-serial", "file:/proc/self/fd/2", "-chardev", "stdio,id=console",
             "-drive", "file=/tmp/disk,format=raw,if=none,id=disk", "-device", "virtio-blk-{},drive=disk", *network,
             "-device", "virtio-serial-{}", "-device", "virtconsole,chardev=console")]


def _virtio(device, cpus, mode, way, qemu):
    """Return the step that boots the guest with virtio devices, on an empty disk, and types a line; qemu: program and words."""
    append = f"console=ttyS0 quiet panic=-1 reboot=t{' nox2apic' * (mode == 'xapic')}"
    command = [*qemu, "-smp", f"{cpus},sockets={cpus}", "-kernel", "/tests/guest-vmlinux", "-initrd", "/tests/virtio.cpio",
               "-append", append]
    command = command if device == "kvm" else program.on_likex(command)
    typed = f'mkdir -p /tmp/served; seq 20000 >/tmp/served/file; rm -f /tmp/disk; truncate -s 4M /tmp/disk; echo "{TYPED}" | "$@" && "$@" </dev/null'
    return guest.marked(f"virtio {device} {cpus} {mode} {way}", ["sh", "-c", typed, "sh", *command])


def _virtio_says(cpus, mode):
    """Return the lines that the guest prints, before and after its reboot."""
    total = hashlib.sha1("".join(f"{number}\n" for number in range(1, 20001)).encode()).hexdigest()
    return [f"guest: {text}" for text in (f"cpus {cpus}, {mode}", f"wrote {total}", f"received {total}", "what now?",
                                          f"console: {TYPED}", f"cpus {cpus}, {mode}", f"read {total}")]


def _virtio_boot(t, target, added, ways, name):
    """Boot the guest with virtio devices on both devices, in each way: (vCPUs, mode, way, QEMU and its words)."""
    built = _host()
    steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
    steps += [_virtio(device, *way) for device in ("kvm", "likex-kvm") for way in ways]
    outcome = t.boot_once(target, built, image.base(built) + added.bytes(), steps, BUILD / "run" / name, limit=2400)
    for step in outcome.steps[1:]:
        _, device, cpus, mode, way = step.name.split()
        lines = [line.strip() for line in step.text.splitlines() if line.startswith("guest: ")]
        t.check(lines == _virtio_says(cpus, mode) and step.status == 0, f"{step.name}: {outcome.verdict}, exit status {step.status}\n"
                f"{step.text[-2000:]}\n{step.err.decode(errors='replace')[-2000:]}")
        complaints = guest.reports(outcome, step.name)
        t.check(not complaints, f"the kernel complains in {step.name}:\n" + guest.section(outcome, step.name))
        t.note(f"{device}, {way}: {len(lines)} lines, {lines[0]}")


@test("apps.qemu-virtio")
def qemu_virtio(t):
    "QEMU's virtio disk, network cards and console, with a reboot in between: on LiKeX as on KVM."
    qemu = QEMU.name, *ALWAYS, "-M", f"{QEMU_MACHINE},acpi=off", *_devices("device", HUB)
    ways = [(cpus, mode, "memory", qemu) for cpus in (1, 2) for mode in irq.MODES if t.exhaustive or (cpus == 2) == (mode == "xapic")]
    _virtio_boot(t, machine.for_kernel(_host(), cpus=2, memory=768), _added(t, _virtio_files(t)), ways, "apps-virtio")


@test("apps.qemu-q35", exhaustive=True)
def qemu_q35(t):
    "The same with a whole PC, SeaBIOS and PCI, notifications to memory and to ports; QEMU's own network, also on a microvm."
    notified = {"memory": "pci,romfile=", "ports": "pci,romfile=,modern-pio-notify=on"}
    pc = PC.name, *ALWAYS, "-M", PC_MACHINE, "-vga", "none"
    ways = [(cpus, mode, way, (*pc, *_devices(bus, USER))) for way, bus in notified.items() for cpus, mode in ((1, "x2apic"), (2, "xapic"))]
    ways += [(2, "x2apic", "microvm", (PC.name, *ALWAYS, "-M", f"{QEMU_MACHINE},acpi=off", *_devices("device", USER)))]
    added = _added(t, _virtio_files(t), PC, (*PC_FIRMWARE, *FIRMWARE))
    _virtio_boot(t, machine.for_kernel(_host(), cpus=2, memory=added.memory(768)), added, ways, "apps-q35")


def _rust_hello(t):
    """Build the program on Debian's crate; return its path, or None where Debian has no such crate."""
    if packages.missing([CRATE]) and not packages.available(CRATE):
        return None
    packages.need(CRATE, *(() if shutil.which("cargo") else ("cargo",)))
    place = t.results / "kvm-hello"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(HELLO, place)
    write(place / ".cargo/config.toml", f'[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "{REGISTRY}"\n')
    t.run(["cargo", "build", "--offline", "--quiet"], cwd=place, timeout=900)
    return place / "target/debug/kvm-hello"


@test("apps.kvm-ioctls")
def kvm_ioctls(t):
    "The guest of seed 002 says Hello to a program on kvm-ioctls, where Debian has that crate, and to one in C without the library."
    lib.build(t, folder="examples")
    rust, built = _rust_hello(t), _host()
    files = {"c": BUILD / "tools/examples/kvm-hello"} | ({"rust": rust} if rust else {})
    added = program.archive([(file, f"bin/hello-{name}") for name, file in files.items()], kvm_program=True)
    steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
    for name in files:
        on_likex = program.on_likex([f"hello-{name}"])
        steps += [guest.marked(f"{name} kvm", [f"hello-{name}"]), guest.marked(f"{name} likex-kvm", on_likex)]
    steps += [guest.marked("c likex-kvm alone", program.on_likex(["env", "-u", "LD_PRELOAD", "hello-c"]))]
    outcome = t.boot_once(machine.for_kernel(built), built, image.base(built) + added.bytes(), steps, BUILD / "run" / "apps-hello")
    for step in outcome.steps[1:]:
        t.check(step.status == 0 and step.text == HELLO_SAYS, f"{step.name}: {outcome.verdict}, exit status {step.status}\n{step.text}"
                f"{step.err.decode(errors='replace')}")
    t.check(not outcome.reports(), "the kernel complains: " + "; ".join(outcome.reports()[:3]))
    t.note(", ".join(step.name for step in outcome.steps[1:]) + ("" if rust else f"; {CRATE} is not to be had here"))
