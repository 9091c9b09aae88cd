# SPDX-License-Identifier: GPL-2.0
"""Virtio devices of likexvm: Linux uses disks, random numbers and a console; on LiKeX and on KVM in one boot."""

import hashlib
import re

from .. import image, kernel, machine
from ..base import BUILD, TOP, write
from ..suite import test
from . import guest, irq, vmm

CPUS = (1, 2)
DEVICES = ("kvm", "likex")
SAID = r"guest: |locked: |no disk: |ended: |status: |the second |third: "
WORDS = "console=ttyS0 quiet panic=-1 reboot=t"
TYPED = "".join(f"{number}\n" for number in range(1, 20001)).encode()
SECOND = 100 * 512
LINE = "a line for the guest"

# A machine with three disks, then one with the first for reading only. SIGUSR1 has statistics printed.
SCRIPT = f"""\
WORDS="{WORDS}"
mkdir -p /tmp/disks && mount -t tmpfs none /tmp/disks && cd /tmp/disks
truncate -s 4M a; cp /tests/second b; truncate -s 512K c
"$@" --cmdline "$WORDS" --disk a --disk b,ro --disk c --rng >said 2>err &
until grep -q 'guest: ready' said; do sleep 0.1; kill -0 $! || break; done
kill -USR1 $!
until grep -q 'guest: done' said; do sleep 0.1; kill -0 $! || break; done
kill -USR1 $!
"$@" --disk a; echo "locked: $?"
"$@" --disk a,ro; echo "locked: $?"
"$@" --disk /; echo "no disk: $?"
sleep 1; kill -TERM $!; wait $!; echo "ended: $?"
cat said; cat err >&2
"$@" --cmdline "$WORDS once" --no-reset --disk a,ro; echo "status: $?"
cmp b /tests/second && echo "the second is as it was"
echo "third: $(stat -c %b c) blocks"
cd / && umount /tmp/disks
"""

# A guest whose console is virtio's gets a line when it is ready for it. Then one whose output is not read is told to end.
CONSOLE = """\
mkdir /tmp/hvc; cd /tmp/hvc; mkfifo full
>said
{ until grep -q 'guest: ready' said; do sleep 0.1; done; echo '{typed}'; sleep 1000; } | {
	"$@" --cmdline "console=hvc0 quiet panic=-1 reboot=t" >said; echo "status: $?"; cat said; killall sleep; }
for name in hvc0 ttyS0; do
	{ head -c 5000 >begun; mv begun $name; sleep 1000; } <full &
	"$@" --rng --cpus 2 --cmdline "console=$name quiet panic=-1 reboot=t flood" >full &
	until [ -e $name ]; do sleep 0.1; kill -0 $! || break; done
	sleep 1; kill -TERM $!; wait $!; echo "ended: $?"
	killall sleep
done
cd /; rm -r /tmp/hvc
""".replace("{typed}", LINE)

_BOOTS = {}


def _files(t):
    """Return the guest's kernel and initramfs, and the content of the second disk."""
    write(t.results / "disk.cpio", image.scripted(TOP / "tools/guests/disk-init.sh"))
    write(t.results / "console.cpio", image.scripted(TOP / "tools/guests/console-init.sh"))
    write(t.results / "second", TYPED[:SECOND])
    return [kernel.build("guest").stripped(t.results / "guest-vmlinux"), t.results / "disk.cpio", t.results / "console.cpio",
            t.results / "second"]


def _boot(t, bus="pci"):
    """Boot the guest in all ways in one boot, with its devices on a bus; return its outcome."""
    if bus not in _BOOTS:
        program, parts, built = vmm.monitor(t), _files(t), kernel.build("host")
        steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
        for device in DEVICES:
            run = [*image.run_shared(program), "run", "--hypervisor", device, "--kernel", "/tests/guest-vmlinux", "--mem", "48M", "--bus", bus]
            for cpus in CPUS:
                steps.append(guest.marked(f"{device} {cpus}", ["sh", "-c", SCRIPT, "sh", *run, "--initrd", "/tests/disk.cpio",
                                                               "--cpus", cpus]))
            steps.append(guest.marked(f"console {device}", ["sh", "-c", CONSOLE, "sh", *run, "--initrd", "/tests/console.cpio",
                                                            "--hvc", "--no-reset"]))
        _BOOTS[bus] = t.boot_once(machine.for_kernel(built, cpus=2, model=irq.BROADWELL), built,
                                  image.base(built, [*program, *parts]), steps, BUILD / "run" / f"vmm-disks-{bus}", limit=900)
    return _BOOTS[bus]


def _wanted(cpus):
    """Return the lines of the guest and of the script, in their order."""
    typed, second = (hashlib.sha1(data).hexdigest() for data in (TYPED, TYPED[:SECOND]))
    full, half = (b"y\n" * (size // 2) for size in (512 << 10, 256 << 10))
    full, half = (hashlib.sha1(data).hexdigest() for data in (full, half + bytes(256 << 10)))
    lines = ["random virtio_rng.0", f"cpus {cpus}", f"wrote {typed}", f"second {second}, 100 sectors, ro 1", "serials likexvm-0 likexvm-1 likexvm-2",
             f"third {full}", f"discarded {half}", "random virtio_rng.0", f"cpus {cpus}", f"read {typed}", "ready", "interrupts come", "done"]
    return ["locked: 1", "locked: 1", "no disk: 1", "ended: 143", *(f"guest: {line}" for line in lines), f"guest: cpus {cpus}",
            f"guest: again {typed}", "status: 4", "the second is as it was", "third: 512 blocks"]


def _mmio_exits(said, cpu):
    """Return a vCPU's count of each time that statistics were printed. Those that are 0 are left out."""
    found = re.findall(rf"^vCPU {cpu}:(.*\n(?: .*\n)*)", said, re.MULTILINE)
    return [int(count[1]) if count else 0 for count in (re.search(r"\bmmio_exits (\d+)", text) for text in found)]


def _check_disks(t, outcome, device, cpus):
    """Check the lines of a guest with disks; return what likexvm has said."""
    out, said = vmm.result(t, outcome, f"{device} {cpus}")
    lines = [line for line in out.decode(errors="replace").replace("\r", "").splitlines() if re.match(SAID, line)]
    t.check(lines == _wanted(cpus), f"{device}, {cpus} vCPUs:\n" + "\n".join(lines) + said[-2000:])
    return said


def _check_console(t, outcome, device):
    """Check the lines of a guest whose console is virtio's."""
    out, said = vmm.result(t, outcome, f"console {device}")
    lines = out.decode(errors="replace").replace("\r", "").splitlines()
    wanted = ["status: 4", "guest: ready", f"guest: got {LINE}", *map(str, range(1, 3001)), "guest: interrupts come", "guest: done",
              "ended: 143", "ended: 143"]
    t.check([line for line in lines if line in set(wanted)] == wanted, f"{device}: {lines[:20]} ... {lines[-20:]}\n{said[-2000:]}")


@test("apps.disk", lane="vmm")
def disk(t):
    "Linux writes to disks, syncs, reads again, also after a reboot; one only for reading; locks; discard; random numbers."
    for device in DEVICES:
        for cpus in CPUS:
            said = _check_disks(t, _boot(t), device, cpus)
            # SIGUSR1 before and after 400 reads
            counts = [_mmio_exits(said, cpu) for cpu in range(cpus)]
            t.check(all(len(found) == 2 and found[0] == found[1] for found in counts), f"{device}: MMIO exits of a disk: {counts}\n{said}")
            t.note(f"{device}: {cpus} vCPUs; {sum(found[0] for found in counts)} MMIO exits, all before I/O")


@test("apps.console", lane="vmm")
def console(t):
    "Linux has its console by virtio: input and much output, by interrupts; a machine ends although its output is not read."
    for device in DEVICES:
        _check_console(t, _boot(t), device)


@test("apps.linux-mmio", exhaustive=True, lane="vmm")
def linux_mmio(t):
    "The same disks, random numbers and console, in memory instead of on a PCI bus."
    for device in DEVICES:
        for cpus in CPUS:
            _check_disks(t, _boot(t, "mmio"), device, cpus)
        _check_console(t, _boot(t, "mmio"), device)
