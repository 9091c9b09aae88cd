# SPDX-License-Identifier: GPL-2.0
"""LiKeX's module on a host: loading and unloading, and a host that cannot run it (host.spin: see guest.py)."""

import pathlib
import re
import shutil
import tempfile

from .. import image, kernel, machine
from ..suite import test

# A guest in between, so that there is something to leave behind.
LOADS = """
set -eu
vmx=$(mktemp)
for i in $(seq "$1"); do
	modprobe likex
	[ -c /dev/likex ]
	hello /dev/likex >"$vmx"
	grep -q 'says: 4' "$vmx"
	rmmod likex
	[ ! -e /dev/likex ]
	[ ! -e /sys/module/likex ]
done
echo "rounds $i"
"""
# A module that is in use cannot go, and is as it was.
IN_USE = """
modprobe likex
sleep 100 </dev/likex &
sleep 1
rmmod likex && exit 3
hello /dev/likex || exit 4
kill $!
wait
rmmod likex
"""


def _boot(t, steps, limit=300, **chosen):
    """Run steps in a machine of their own; return the outcome, if the kernel had nothing to complain of."""
    built = kernel.build("host")
    outcome = machine.boot(machine.for_kernel(built, **chosen), built, image.base(built), steps, t.results / "run",
                           limit=limit)
    for step in steps:
        for line in (step.out + step.err).decode(errors="replace").splitlines():
            t.note(f"{step.name}: {line}")
    outcome.require_done()
    t.check(not outcome.reports(), "the kernel complains:\n" + "\n".join(outcome.reports()))
    return outcome


@test("host.load-unload")
def load_unload(t):
    "The module is loaded and unloaded 20 times with a guest in between; in use, it stays."
    outcome = _boot(t, [machine.Step("loads", ["sh", "-c", LOADS, "sh", "20"]),
                        machine.Step("in use", ["sh", "-c", IN_USE]),
                        machine.Step("beside KVM", ["sh", "-c", f"modprobe kvm_intel; {LOADS}", "sh", "3"])], cpus=2)
    for step in outcome.steps:
        t.check(step.status == 0, f"{step.name}: exit status {step.status}")
    t.check("rounds 20" in outcome.steps[0].text, "20 rounds")


# After each change of the loaded modules: sysfs on iTLB multihit, and the number of LiKeX's warnings of L1TF.
REPORTED = """
set -eu
say() {
	echo "$1: $(cat /sys/devices/system/cpu/vulnerabilities/itlb_multihit), $(dmesg | grep -c 'likex: L1TF') warnings"
}
say nothing
modprobe likex
say likex
hello /dev/likex >/dev/null
hello /dev/likex >/dev/null
say guests
modprobe kvm nx_huge_pages=off
modprobe kvm_intel
say "a vulnerable KVM"
rmmod kvm_intel kvm
say "no KVM"
modprobe kvm_intel
rmmod likex
say "KVM alone"
"""
SPLIT = "KVM: Mitigation: Split huge pages"


@test("host.reported")
def reported(t):
    "sysfs says what LiKeX does about iTLB multihit, alone and beside KVM; it warns of L1TF with SMT at its first VM."
    # To Linux, two processors of Bochs are two threads of a core.
    outcome = _boot(t, [machine.Step("reported", ["sh", "-c", REPORTED])], cpus=2)
    t.check(outcome.steps[0].status == 0, f"exit status {outcome.steps[0].status}")
    t.check(outcome.steps[0].text.splitlines() == [
        "nothing: KVM: Mitigation: VMX disabled, 0 warnings", f"likex: {SPLIT}, 0 warnings",
        f"guests: {SPLIT}, 1 warnings", "a vulnerable KVM: KVM: Vulnerable, 1 warnings",
        f"no KVM: {SPLIT}, 1 warnings", f"KVM alone: {SPLIT}, 1 warnings"], outcome.steps[0].text)


# On a host with LiKeX, the last lines of likex-check.
USABLE = "LiKeX can be used."
# Each step is likex-check, after this; and what is the last but one line of it, and its exit status.
CHECKS = {
    "with the module": ("modprobe kvm_intel; modprobe likex", USABLE, 0),
    "without": ("rmmod likex", "LiKeX cannot be used: kernel: has the module likex, which is not loaded.", 1),
    "without one": ("rm /lib/modules/*/modules.dep", "LiKeX cannot be used: kernel: has no LiKeX.", 1),
}
# QEMU without KVM plays a processor of AMD's.
NO_VTX = "LiKeX cannot be used: VT-x: is not there: this processor is AMD's."


def _verdict(said):
    """Return the line of likex-check that begins its end, and all lines above."""
    found = re.search(r"\n\n(LiKeX .*)\n", said)
    return found[1] if found else said


@test("host.check")
def check(t):
    "likex-check in the machine: with the module, which it names all of, without it, in a kernel without, and without VT-x."
    steps = [machine.Step(name, ["sh", "-c", f"({first}) >/dev/null 2>&1; likex-check"]) for name, (first, *_) in CHECKS.items()]
    outcome = _boot(t, steps)
    for step, (_, want, status) in zip(outcome.steps, CHECKS.values()):
        t.check(_verdict(step.text) == want and step.status == status, f"{step.name}: exit status {step.status}\n{step.text}")
    said = outcome.steps[0].text
    for want in ("all that LiKeX needs; also EPT A/D bits", "likex is loaded", "KVM             is there; both", "makes VMs",
                 "a local APIC, irqfd, ioeventfd", "/dev/likex-kvm  is there"):
        t.check(want in said, f"not {want!r}:\n{said}")
    step = _boot(t, [machine.Step("check", ["likex-check"])], kind="qemu-tcg").steps[0]
    t.check(_verdict(step.text) == NO_VTX and step.status == 1, f"exit status {step.status}\n{step.text}")


NEEDED = "ept vpid unrestricted_guest vtpr vnmi tsc_offset mtf"
INTEL = "vendor_id\t: GenuineIntel\nmodel name\t: Made up\nflags\t\t: fpu {flags}\nvmx flags\t: {vmx}\n\nvendor_id\t: other\n"
OFF, ON = 1, 5
# Hosts that are made up: flags, VT-x's features, IA32_FEAT_CTL, vendor; and the verdict.
HOSTS = {
    "firmware": (dict(flags="", vmx="", msr=OFF), "VT-x: is there, but the firmware has disabled it."),
    "old": (dict(flags="", vmx="", msr=None), "VT-x: is not there."),
    "guest": (dict(flags="hypervisor", vmx="", msr=ON), "VT-x: is not there: the hypervisor of this virtual machine does not"),
    "amd": (dict(flags="svm", vmx="", msr=None, vendor="AuthenticAMD"), "VT-x: is not there: this processor is AMD's."),
    "lean": (dict(flags="vmx", vmx=NEEDED.replace("ept ", "").replace("mtf", "ept_ad"), msr=ON),
             "its features: lacks EPT, monitor trap flag."),
    "kernel": (dict(flags="vmx", vmx=NEEDED, msr=ON), "kernel: has no LiKeX."),
    "device": (dict(flags="vmx", vmx=NEEDED, msr=ON, device=0o666), "/dev/likex: is not LiKeX's device."),
    "forbidden": (dict(flags="vmx", vmx=NEEDED, msr=ON, device=0o600), "/dev/likex: cannot be opened: Permission denied."),
}


def _made_up(root, flags, vmx, msr, vendor="GenuineIntel", device=None):
    """Make the files of a host in a folder."""
    for name in ("proc", "dev/cpu/0", "sys/module"):
        (root / name).mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(INTEL.format(flags=flags, vmx=vmx).replace("GenuineIntel", vendor))
    if msr is not None:
        (root / "dev/cpu/0/msr").write_bytes(bytes(0x3a) + msr.to_bytes(8, "little"))
    if device is not None:
        (root / "sys/module/likex").mkdir()
        (root / "dev/likex").touch()
        (root / "dev/likex").chmod(device)


@test("host.check-made-up")
def check_made_up(t):
    "likex-check names the problem on this host and on hosts that are made up, and what to do; wrong calls; its man page."
    tool = image.tools() / "likex-check"
    for name, (how, want) in HOSTS.items():
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            _made_up(root, **how)
            # A user who is not root has to reach it.
            root.chmod(0o755)
            copy = shutil.copy2(tool, root / "likex-check")
            done = t.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "--root", root], status=1)
        t.check(_verdict(done.stdout).startswith(f"LiKeX cannot be used: {want}"), f"{name}: not {want!r}:\n{done.stdout}")
        t.check(re.search(r"\n\n.+\n[A-Z].+\.\n$", done.stdout), f"{name}: it does not say what to do:\n{done.stdout}")
    usable = pathlib.Path("/dev/likex").exists()
    done = t.run([tool], status=0 if usable else 1)
    t.note(_verdict(done.stdout))
    t.check(t.run([tool, "--quiet"], status=done.returncode).stdout == "", "--quiet prints something")
    t.check("Usage" in t.run([tool, "--help"]).stdout, "--help")
    for words in (["--no-such"], ["extra"]):
        t.run([tool, *words], status=2)
    page = t.top / "tools/check/likex-check.1"
    said = t.run(["man", "--warnings", "-l", "-Tutf8", page], env={"MANROFFSEQ": "", "LC_ALL": "C.UTF-8"}).stdout
    t.check("warning" not in said.lower(), f"{page.name}:\n{said[-500:]}")


@test("host.no-vtx")
def no_vtx(t):
    "Without VT-x the module is refused with -EOPNOTSUPP and one clear line, and nothing else happens."
    # busybox's modprobe says strerror() of what finit_module() returned, and then tries init_module().
    steps = [machine.Step("load", ["sh", "-c", "dmesg -c >/dev/null; modprobe likex"]),
             machine.Step("said", ["dmesg"]),
             machine.Step("left", ["sh", "-c", "ls /dev/likex /sys/module/likex 2>/dev/null; true"])]
    outcome = _boot(t, steps, kind="qemu-tcg")
    load, said, left = outcome.steps
    t.check(load.status not in (0, None), "modprobe succeeds")
    t.check("Operation not supported" in load.err.decode(), f"modprobe says {load.err.decode()!r}")
    lines = [line for line in said.text.splitlines() if re.search("likex", line, re.IGNORECASE)]
    t.check(len(set(lines)) == 1 and len(lines) <= 2, f"not one line for each of two tries: {lines}")
    t.check(re.search(r"likex: .*VT-x|likex: .*VMX", lines[0]), f"the line does not say why: {lines[0]}")
    t.check(not left.out, f"something is left: {left.text}")
