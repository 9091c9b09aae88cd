# SPDX-License-Identifier: GPL-2.0
"""The benchmark's guest with an operating system: likexvm boots a small Linux, on KVM and on LiKeX in one boot."""

import re

from . import image, kernel, machine, packages
from .base import BUILD, Fail, LOGS, TOP, lock, logged, write

METRICS = ("linux_boot", "linux_boot_outside", "linux_boot_host", "vmm_start", "linux_kernel_bytes")
# Reasons for exits: the counter among likexvm's statistics that both hypervisors have, and words for people.
REASONS = {"io": ("io_exits", "ports"), "mmio": ("mmio_exits", "devices in memory"), "fault": ("pf_taken", "first use of a page"),
           "irq": ("irq_exits", "the host's interrupts"), "other": ("exits", "all others")}
EXITS = tuple(f"linux_exits_{reason}" for reason in REASONS)
WORDS = "console=ttyS0 quiet panic=-1 reboot=t"
# Of a thread in the kernel
STACK = 16384
# The emulator does not count instructions.
NOT_COUNTED = 77

# A cgroup for likexvm alone. When the guest has come up it resets its machine, and likexvm ends the VM, says so, and
# waits, as the pipe is full: the kernel memory of the VM is gone then, and that of the process is not.
KERNEL_MEMORY = """\
mkfifo /tmp/full; exec 3<>/tmp/full; head -c 65536 /dev/zero >&3
cd /sys/fs/cgroup && echo +memory >cgroup.subtree_control && mkdir vm || exit
sh -c 'echo $$ >vm/cgroup.procs; exec "$@"' sh "$@" >/tmp/said 2>&3 & monitor=$!
until grep -q 'guest: ready' /tmp/said; do sleep 0.1; kill -0 $monitor || exit; done
sleep 3
sed 's/^/with /' vm/memory.stat
while [ "$(ls /proc/$monitor/task | wc -l)" != 1 ]; do sleep 0.1; kill -0 $monitor || exit; done
sleep 3
sed 's/^/without /' vm/memory.stat
echo "task $(cat /sys/kernel/slab/task_struct/slab_size)"
cat <&3 >/dev/null & reader=$!
wait $monitor; kill $reader
exec 3>&-; rm /tmp/full; rmdir vm
"""

# SIGUSR1 has exits by reason printed.
COUNT_EXITS = """\
"$@" >/tmp/said 2>/tmp/err & monitor=$!
until grep -q 'guest: ready' /tmp/said; do sleep 0.1; kill -0 $monitor || exit; done
kill -USR1 $monitor; sleep 1; kill -TERM $monitor
wait $monitor; cat /tmp/err
"""


def _programs():
    """Build what is measured: return the files for the machine, likexvm and its libraries first."""
    packages.need("tools", "vmm")
    tiny = BUILD / "tools/tests-vmm/kernel"
    with lock(BUILD / "tools" / "lib.lock"):
        for folder, target in (("bench", "all"), ("vmm", "all"), ("tests/vmm", tiny)):
            logged(folder, ["make", "-C", TOP / "tools" / folder, f"O={BUILD / 'tools'}", target], LOGS / "boots.log", append=True)
    likexvm, where = BUILD / "tools/vmm/likexvm", BUILD / "run"
    write(where / "boot.cpio", image.scripted(TOP / "tools/guests/boot-init.sh"))
    return [likexvm, *image.shared(likexvm), tiny, BUILD / "tools/bench/likex-bench-boot", where / "boot.cpio",
            kernel.build("guest").stripped(where / "guest-vmlinux")]


def _steps(name, node, likexvm):
    """Return the steps that measure on one hypervisor, if it has its node."""
    run = [*likexvm, "run", "--hypervisor", name, "--no-reset", "--mem"]
    linux = [*run, "48M", "--kernel", "/tests/guest-vmlinux", "--initrd", "/tests/boot.cpio", "--cmdline"]
    counted = f'/tests/likex-bench-boot "$@"; case $? in 0|4|{NOT_COUNTED}) ;; *) exit 1 ;; esac'
    steps = (("boot", counted, [*linux, WORDS]),
             # With all memory there, what remains is the work of hypervisor and VMM for the guest.
             ("host", counted, [*linux, WORDS, "--populate"]),
             # A kernel of a few pages, so that nothing has to be loaded.
             ("start", counted, [*run, "4M", "--kernel", "/tests/kernel", "--cmdline", "off"]),
             ("bytes", KERNEL_MEMORY, [*linux, f"{WORDS} wait"]), ("exits", COUNT_EXITS, [*linux, f"{WORDS} wait"]))
    return [machine.Step(f"{step} {name}", ["sh", "-c", f"[ -e {node} ] || exit 0\n{script}", "sh", *words])
            for step, script, words in steps]


def measure(target, built, where, nodes):
    """Boot and measure; return {hypervisor: {metric: (unit, value)}}. nodes: {hypervisor: its node}."""
    files = _programs()
    steps = [machine.Step("modules", ["sh", "-c", "modprobe kvm_intel && { modprobe likex || true; }"])]
    for name, node in nodes.items():
        steps += _steps(name, node, image.run_shared(files))
    outcome = machine.boot(target, built, image.base(built, files), steps, where, limit=600).require_done()
    if outcome.reports() or outcome.taint:
        raise Fail(f"the kernel complained while measuring (taint {outcome.taint}):\n" + "\n".join(outcome.tail()))
    for step in outcome.steps:
        if step.status not in (0, 128 + 15):
            raise Fail(f"{step.name}: exit status {step.status}: {step.text[-500:]}{step.err.decode(errors='replace')[-500:]}")
    return {name: _figures(*(outcome.step(f"{step} {name}").text for step in ("boot", "host", "start", "bytes", "exits"))) for name in nodes}


def _kernel_bytes(rows):
    """Return the kernel memory of a VM: without page tables of the process, and without the thread that has run the vCPU."""
    both = [rows[f"{when} kernel"] - rows[f"{when} pagetables"] for when in ("with", "without")]
    return both[0] - both[1] - STACK - rows["task"]


def _figures(boot, host, start, memory, exits):
    """Return the figures of one hypervisor, of the output of its steps: none, if there was no such hypervisor."""
    found = {}
    boot, host, start = ({row: int(value) for row, value in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)} for text in (boot, host, start))
    if boot:
        found = {"linux_boot": ("ticks", boot["boot"]), "linux_boot_outside": ("ticks", boot["boot"] - boot["inside"]),
                 "linux_boot_host": ("ticks", host["boot"] - host["start"] - host["inside"]), "vmm_start": ("ticks", start["start"])}
    if memory:
        found["linux_kernel_bytes"] = "bytes", _kernel_bytes({row: int(value) for row, value in re.findall(r"^(.+) (\d+)$", memory, re.MULTILINE)})
    if "exits" in exits:
        counts = {name: int(value) for name, value in re.findall(r"\b(\w+) (\d+)(?=  |$)", exits.partition("vCPU 0:")[2], re.MULTILINE)}
        counts = {reason: counts.get(name, 0) for reason, (name, _) in REASONS.items()}
        counts["other"] -= sum(count for reason, count in counts.items() if reason != "other")
        found |= {f"linux_exits_{reason}": ("count", count) for reason, count in counts.items()}
    return found
