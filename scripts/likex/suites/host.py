# SPDX-License-Identifier: GPL-2.0
"""LiKeX's module on a host: loading and unloading, and a host that cannot run it (host.spin: see guest.py)."""

import re

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
