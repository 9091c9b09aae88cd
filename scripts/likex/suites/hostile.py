# SPDX-License-Identifier: GPL-2.0
"""likexvm against what means harm: guests that scribble over all that they reach."""

import re

from .. import image, kernel, machine, packages
from ..base import BUILD
from ..suite import test
from . import guest, irq, lib, vmm

TESTS = BUILD / "tools" / "tests-vmm"
# likexvm with sanitizers: a report of theirs is no exit status that the manual has.
SANITIZED = "tools-sanitized"
FLAGS = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
# likexvm's filters do not allow the sanitizers' system calls at a report and at the end of a thread.
OPTIONS = "use_sigaltstack=0:detect_leaks=0:symbolize=0"

DEVICES = ("kvm", "likex")
# One vCPU, two, and two with devices in memory; --exhaustive: many. Each guest does so many things.
SEEDS, LONG_SEEDS, LIMIT = range(6, 9), range(150), 3600
ROUNDS = 1000
# The kernel's last words, and the exit status for each.
ENDS = {"off": 0, "panic": 3, "reset": 4}
# Without last words, as the other vCPU uses the serial port, too: an error that is explained, a triple fault, or a machine
# that sleeps until it is told to end.
EXPLAINED = re.compile(r"an instruction is not emulated|internal error|exit reason")
OTHERS = {0: "off", 1: "error", 3: "panic", 4: "reset", 143: "asleep"}

SCRIPT = """\
mkdir -p /tmp/disks && mount -t tmpfs none /tmp/disks && cd /tmp/disks
first=$1; last=$2; shift 2
for seed in $(seq $first $last); do
	truncate -s 1M a; truncate -s 1M b
	timeout 8 "$@" --cpus $((seed % 3 == 0 ? 1 : 2)) --disk a --disk b,ro --rng --cmdline "$seed {rounds}" </dev/null >said 2>err
	echo "seed $seed: status $? $(grep -aoE 'hostile: (off|panic|reset)' said | tail -n 1)"
	echo "seed $seed:" >&2; cat err >&2
done
ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c /ld-linux
cd / && umount -l /tmp/disks
"""


def _monitor(t):
    """Build likexvm with sanitizers; return it with what it needs in the machine."""
    packages.need("vmm")
    lib.build(t, t.build / SANITIZED / "vmm" / "likexvm", folder="vmm", out=SANITIZED, CFLAGS=FLAGS)
    program = t.build / SANITIZED / "vmm" / "likexvm"
    return [program, *image.shared(program)]


def _boot(t, seeds):
    """Run guests with these seeds on both devices in one boot; return its outcome."""
    lib.build(t, folder="tests/vmm")
    program, built = _monitor(t), kernel.build("host")
    run = ["env", f"ASAN_OPTIONS={OPTIONS}", *image.run_shared(program), "run", "--kernel", "/tests/hostile", "--mem", "16M", "--no-reset"]
    steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
    for device in DEVICES:
        steps.append(guest.marked(f"hostile {device}", ["sh", "-c", SCRIPT.format(rounds=ROUNDS), "sh", seeds[0], seeds[-1],
                                                        *run, "--hypervisor", device]))
    steps.append(guest.marked("unload", ["sh", "-c", "rmmod likex; rmmod kvm_intel"]))
    return t.boot_once(machine.for_kernel(built, cpus=2, model=irq.BROADWELL, memory=512), built,
                       image.base(built, [*program, TESTS / "hostile"]), steps, BUILD / "run" / "vmm-hostile", limit=LIMIT)


def _verdict(status, word, said):
    """Return how a guest ended, or None if likexvm's manual has no such end."""
    # The other vCPU may stop one that has said its last words.
    if word and status != 143:
        return word if ENDS.get(word) == status else None
    if status == 1 and not EXPLAINED.search(said):
        return None
    return OTHERS.get(status)


@test("apps.hostile", lane="vmm")
def hostile(t):
    "Guests that scribble over rings, registers, APICs, ports and addresses: likexvm, with sanitizers, and the host are sound."
    seeds = LONG_SEEDS if t.exhaustive else SEEDS
    outcome = _boot(t, seeds)
    vmm.result(t, outcome, "unload")
    for device in DEVICES:
        out, said = vmm.result(t, outcome, f"hostile {device}")
        errors = re.split(r"^seed (\d+):\n", said, flags=re.MULTILINE)
        errors = dict(zip(map(int, errors[1::2]), errors[2::2]))
        ends, found = {}, out.decode(errors="replace").splitlines()
        t.check(found and found[-1] == "0", f"{device}: a likexvm is left:\n{out[-500:]}")
        for seed, status, word in re.findall(r"seed (\d+): status (\d+) (?:hostile: )?(\w*)", "\n".join(found)):
            verdict = _verdict(int(status), word, errors[int(seed)])
            t.check(verdict, f"{device}: seed {seed}: exit status {status} after {word!r}:\n{errors[int(seed)][-3000:]}")
            ends[verdict] = ends.get(verdict, 0) + 1
        t.check(sum(ends.values()) == len(seeds), f"{device}: not all seeds have ended:\n{out[-500:]}")
        t.note(f"{device}: " + ", ".join(f"{count} {word}" for word, count in sorted(ends.items())))
