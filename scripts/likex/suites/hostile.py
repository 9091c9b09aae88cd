# SPDX-License-Identifier: GPL-2.0
"""likexvm against what means harm: guests that scribble over all that they reach, and inputs that a fuzzer makes."""

import re
import shutil
import struct

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
	timeout 8 "$@" --cpus $((seed % 3 == 0 ? 1 : 2)) --disk a --disk b,ro --rng --hvc --bus $([ $((seed % 8)) = 7 ] && echo mmio || echo pci) --cmdline "$seed {rounds}" </dev/null >said 2>err
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


# Inputs that fuzz.c begins with: the part's number, then what a driver, a file or a user gives it.
def _access(kind, at, value, size):
    """Return an access to the bus (2: a register) or to the guest's memory (4), as fuzz.c takes it."""
    room = 8 if size >= 4 else size
    return struct.pack("<BH", 0x80 | size.bit_length() - 1 << 5 | kind, at) + value.to_bytes(room, "little")


def _register(at, value, size):
    return _access(2, at, value, size)


def _memory(at, value, size):
    return _access(4, at, value, size)


def _chain(table, *buffers):
    """Return the descriptors of a chain in memory: (address, length, flags) of each."""
    return b"".join(_memory(table + 16 * i, address, 8) + _memory(table + 16 * i + 8, length | (flags | (i + 1 < len(buffers))) << 32 |
                    (i + 1) << 48, 8) for i, (address, length, flags) in enumerate(buffers))


def _disk_seed(kind):
    """Return a driver that brings a disk up and makes one request of a kind."""
    up = [_register(20, 0, 1), _register(8, 1, 4), _register(12, 1, 4), _register(20, 0xb, 1), _register(24, 8, 2)]
    up += [_register(32 + 8 * i, ring, 8) for i, ring in enumerate((0x1000, 0x2000, 0x3000))]
    up += [_register(28, 1, 2), _register(20, 0xf, 1)]
    data = (0x5000, 16 if kind in (11, 13) else 512, 0 if kind in (1, 11, 13) else 2)
    asked = [_memory(0x4000, kind, 4), _memory(0x4008, 1, 4), _memory(0x5008, 1, 4)]
    return bytes([1]) + b"".join(up + asked) + _chain(0x1000, (0x4000, 16, 0), data, (0x6000, 1, 2)) + _memory(0x2002, 1, 2) + bytes([7, 0, 0, 0])


def _bzimage():
    """Return a file that passes for a bzImage."""
    head = bytearray(2048)
    head[0x1f1], head[0x201] = 1, 0x6a
    struct.pack_into("<4sH", head, 0x202, b"HdrS", 0x20f)
    struct.pack_into("<I", head, 0x22c, 0x7fffffff)
    struct.pack_into("<HB", head, 0x236, 1, 0)
    struct.pack_into("<IQI", head, 0x238, 2047, 0, 0)
    struct.pack_into("<QI", head, 0x258, 0x100000, 0x10000)
    return bytes(head)


def _seeds():
    """Return the inputs by name."""
    ring = struct.pack("<4H", 4, 0, 0x100, 0x200) + struct.pack("<QIHHQIHH", 0x400, 16, 1, 1, 0x500, 64, 2, 0)
    ring += bytes(0x100 - len(ring) + 8) + struct.pack("<4H", 0, 2, 0, 1)
    words = "--kernel a --initrd b --cmdline c --cpus 2 --mem 128M --disk d,ro --rng --console stdio --apic xapic --no-reset --hypervisor kvm"
    seeds = {f"disk-{kind}": _disk_seed(kind) for kind in (0, 1, 4, 8, 11, 13)}
    seeds |= {"queue": b"\0" + ring, "tables": bytes([2, 4, 0, 3]), "elf": bytes([3, 1, 1]) + (TESTS / "kernel").read_bytes(),
              "bzimage": bytes([3, 1, 1]) + _bzimage(), "options": b"\4" + words.replace(" ", "\0").encode(),
              "disks": b"\4--kernel\0a" + b"\0--disk\0d" * 18}
    return seeds


@test("apps.fuzz", lane="vmm")
def fuzz(t):
    "Half a minute (an hour) of libFuzzer on likexvm's queues, bus, disk, tables, loader and options finds nothing."
    t.packages("clang", "libclang-rt-14-dev")
    packages.need("vmm")
    seconds, corpus = 3600 if t.exhaustive else 30, t.results / "corpus"
    lib.build(t, "all", "fuzz", folder="tests/vmm")
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    for name, seed in _seeds().items():
        (corpus / name).write_bytes(seed)
    done = t.run([TESTS / "fuzz", f"-max_total_time={seconds}", "-max_len=8192", "-print_final_stats=1", "-close_fd_mask=3",
                  f"-artifact_prefix={t.results}/", corpus], timeout=seconds + 300)
    lib.note_lines(t, done.stdout, r"number_of_executed_units", r"^Done ")
    shutil.rmtree(corpus, ignore_errors=True)
