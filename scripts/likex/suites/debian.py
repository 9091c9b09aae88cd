# SPDX-License-Identifier: GPL-2.0
"""Debian's own kernel for clouds as a guest of likexvm: to a shell, with a disk; on LiKeX and on KVM in one boot."""

import hashlib
import re

from .. import image, kernel, machine, packages
from ..base import BUILD, TOP, write
from ..initramfs import Archive
from ..suite import test
from . import guest, irq, vmm

META = "linux-image-cloud-amd64"
# In the order in which they can be loaded.
MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "virtio-rng")
WORDS = "console=ttyS0 quiet panic=-1"
DEVICES = ("kvm", "likex")
TEXT = "".join(f"{number}\n" for number in range(1, 20001)).encode()

# Typed to the shell of a machine with one vCPU, and of a second one, with two.
SAYS = 'echo "guest: $(uname -r), cpus $(grep -c ^processor /proc/cpuinfo)"'
TYPED = (f"""\
{SAYS}
echo "guest: random $(cat /sys/class/misc/hw_random/rng_current)"
mke2fs /dev/vda >/dev/null; mount /dev/vda /mnt
seq 20000 >/mnt/file; sync; echo 3 >/proc/sys/vm/drop_caches
echo "guest: wrote $(sha1sum </mnt/file)"; umount /mnt
poweroff -f
""", f"""\
{SAYS}
mount /dev/vda /mnt; echo "guest: read $(sha1sum </mnt/file)"; umount /mnt
poweroff -f
""")

SCRIPT = """\
mkdir -p /tmp/debian && cd /tmp/debian && truncate -s 4M disk
for cpus in 1 2; do
	>said
	{ until grep -q 'guest: ready' said; do sleep 0.1; done; cat /tests/typed-$cpus; sleep 1000; } | {
		"$@" --cpus $cpus >said; echo "guest: exit status $?" >>said; killall sleep; }
	cat said
done
cd / && rm -r /tmp/debian
"""


def kernel_files():
    """Download Debian's kernel; return (its release, its image, the folder of its modules)."""
    name = next(name for name in packages.depends(META) if name.startswith("linux-image-"))
    files = packages.unpacked(name)
    release = name.removeprefix("linux-image-")
    return release, files / f"boot/vmlinuz-{release}", files / f"lib/modules/{release}"


def file_system(modules):
    """Return the bytes of an initramfs with virtio's modules; the folder that they are in."""
    archive = Archive()
    archive.file("init", TOP / "tools/guests/debian-init.sh")
    image.busybox(archive)
    for name in ("proc", "sys", "dev", "mnt"):
        archive.directory(name)
    archive.device("dev/console", 5, 1)
    for number, name in enumerate(MODULES):
        archive.file(f"modules/{number}-{name}", next(modules.rglob(f"{name}.ko")), 0o644)
    return archive.bytes()


def _boot(t):
    """Boot the kernel twice on each device; return (its release, the outcome)."""
    program, built, (release, linux, modules) = vmm.monitor(t), kernel.build("host"), kernel_files()
    write(t.results / "debian.cpio", file_system(modules))
    parts = [t.results / name for name in ("debian.cpio", "typed-1", "typed-2")]
    for path, typed in zip(parts[1:], TYPED, strict=True):
        write(path, typed)
    steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
    for device in DEVICES:
        run = [*image.run_shared(program), "run", "--hypervisor", device, "--kernel", f"/tests/{linux.name}", "--initrd", "/tests/debian.cpio",
               "--mem", "192M", "--no-reset", "--disk", "disk", "--rng", "--cmdline", WORDS]
        steps.append(guest.marked(device, ["sh", "-c", SCRIPT, "sh", *run]))
    target = machine.for_kernel(built, cpus=2, model=irq.BROADWELL, memory=768)
    return release, t.boot_once(target, built, image.base(built, [*program, linux, *parts]), steps, BUILD / "run" / "vmm-debian", limit=2400)


@test("apps.linux-debian", exhaustive=True, lane="vmm")
def linux_debian(t):
    "Debian's cloud kernel, unchanged, boots to a shell by likexvm, loads its modules, uses a disk and powers off."
    release, outcome = _boot(t)
    total = f"{hashlib.sha1(TEXT).hexdigest()}  -"
    for device in DEVICES:
        out, said = vmm.result(t, outcome, device)
        lines = re.findall(r"^(?:.*# )?guest: (.*)$", out.decode(errors="replace").replace("\r", ""), re.MULTILINE)
        wanted = ["ready", f"{release}, cpus 1", "random virtio_rng.0", f"wrote {total}", "exit status 0",
                  "ready", f"{release}, cpus 2", f"read {total}", "exit status 0"]
        t.check(lines == wanted, f"{device}: {lines}\n{out.decode(errors='replace')[-2000:]}\n{said[-2000:]}")
        t.note(f"{device}: {release}")
