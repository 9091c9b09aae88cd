# SPDX-License-Identifier: GPL-2.0
"""likexvm: Linux, and functions without an operating system, on LiKeX and on KVM in one boot."""

import re
import zlib

from .. import image, kernel, machine, packages
from ..base import BUILD
from ..suite import test
from . import guest, irq, lib

TOOLS = BUILD / "tools" / "vmm"
LIVES = 1000

TEXT = "Some words, in small and LARGE letters.\n"
# Several pieces of the shared page.
LONG = bytes(number * 7 % 251 for number in range(5000))

# Images of a few bytes: (name, bytes, options, exit status, words on standard error).
ENDS = (
    ("halt", b"\xf4", "", 0, ""),
    ("code", b"\xb0\x07\xe6\xf4", "", 7, "the function's exit code is 7"),
    ("late", b"\xeb\xfe", "--timeout 0.05", 1, "the function did not end in time"),
    ("port", b"\xe6\x99", "", 1, "the function used port 0x99"),
    ("triple", b"\x0f\x0b", "--entry protected", 1, "the function ended with a triple fault"),
    ("address", b"\xa1\x00\x00\x00\xd0", "--entry protected", 1, "the function used address 0xd0000000"),
    # mov dword [FUNCTION_OUT_SIZE], 0xffff; hlt
    ("output", b"\xc7\x05\x04\x10\x00\x00\xff\xff\x00\x00\xf4", "--entry protected", 1, "65535 bytes of output"),
    ("room", bytes(2 << 20), "", 1, "an image has 1 to"),
)

# Linux: vCPUs and modes of the local APIC, the words of its kernel, and what its init says on the serial port.
CPUS, APICS = (1, 2), ("x2apic", "xapic")
WORDS = "console=ttyS0 quiet panic=-1 reboot=t -- tty"
LINES = 40
ANSWER = "some words for the guest"

# Ends that a small kernel comes to: (its word, options, exit status, words on standard error).
KERNEL_ENDS = (
    ("off", "", 0, ""),
    ("panic", "", 3, "the guest has panicked"),
    ("reset", "--no-reset", 4, "the guest has reset the machine"),
    ("triple", "--no-reset", 4, "the guest has reset the machine"),
    ("error", "", 1, "RIP 00000000d0000000"),
    ("level", "", 0, ""),
    ("level", "--cpus 2 --apic xapic", 0, ""),
    ("answer", "", 0, ""),
)

# System calls that a thread of likexvm may make once it is confined, and others: they end the process.
CALLS = {
    "cpu": ("write run message data", "create type sync random code file device socket event exec"),
    "wait": ("write run message data", "create type sync random code file device socket event exec"),
    "make": ("write run message data create device event sync random", "type code file socket exec"),
    "worker": ("write message data sync random", "run create type code file device socket event exec"),
}
SIGSYS = 31

# Ends of likexvm on a terminal: (how, the small kernel's word and options, what came of it).
TERMINAL_ENDS = (
    ("key", "sleep", "exit 0"), ("term", "sleep", "signal 15"), ("hangup", "sleep", "signal 1"),
    ("key", "reset", "exit 0"), ("none", "panic", "exit 3"), ("none", "reset --no-reset", "exit 4"),
    ("none", "error", "exit 1"), ("none", "off", "exit 0"), ("stuck", "write", "exit 0"),
)

_BOOTS = {}


def monitor(t):
    """Build likexvm; return it with what it needs in the machine."""
    packages.need("vmm")
    lib.build(t, folder="vmm")
    return [TOOLS / "likexvm", *image.shared(TOOLS / "likexvm")]


def files(t):
    """Build likexvm and its examples; return all that goes into the machine."""
    program = monitor(t)
    folder = t.results
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text").write_text(TEXT)
    (folder / "long").write_bytes(LONG)
    for name, data, *_ in ENDS:
        (folder / f"{name}.bin").write_bytes(data)
    return [*program, TOOLS / "upper.bin", TOOLS / "crc32.bin", folder / "text", folder / "long",
            *[folder / f"{name}.bin" for name, *_ in ENDS]]


def _functions(t):
    """Run all functions in one boot; return its outcome."""
    if "functions" not in _BOOTS:
        added, built = files(t), kernel.build("host")
        command = [*image.run_shared(added), "function"]
        steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
        for device, lives in (("kvm", LIVES // 20), ("likex", LIVES)):
            on = [*command, "--hypervisor", device]
            steps += [guest.marked(f"lives {device}", [*on, "/tests/upper.bin", "--input", "/tests/text", "--repeat", lives, "--stats"]),
                      guest.marked(f"crc32 {device}", [*on, "/tests/crc32.bin", "--entry", "long", "--input", "/tests/long",
                                                       "--mem", "4M"]),
                      guest.marked(f"empty {device}", [*on, "/tests/crc32.bin", "--entry", "long"])]
            steps += [guest.marked(f"{name} {device}", [*on, f"/tests/{name}.bin", *options.split()])
                      for name, _, options, *_ in ENDS]
        steps += [guest.marked("auto", ["sh", "-c", f"{' '.join(command)} /tests/upper.bin --input - </tests/text"])]
        _BOOTS["functions"] = machine.boot(machine.for_kernel(built), built, image.base(built, added), steps,
                                           BUILD / "run" / "vmm-functions", limit=300)
    return _BOOTS["functions"]


def result(t, outcome, name, status=0):
    """Return (standard output, standard error) of a step of a boot, which must have an exit status."""
    step = outcome.step(name)
    said = step.err.decode(errors="replace")
    t.check(step.status == status, f"{name}: {outcome.verdict}, exit status {step.status}, not {status}:\n{said[-2000:]}")
    complaints = guest.reports(outcome, name)
    t.check(not complaints, f"the kernel complains in {name}:\n" + guest.section(outcome, name))
    return step.out, said


@test("apps.function", lane="vmm")
def function(t):
    "A function lives a thousand times on LiKeX, each time in a VM of its own, and each result is right; also on KVM."
    for device, lives in (("kvm", LIVES // 20), ("likex", LIVES)):
        out, said = result(t, _functions(t), f"lives {device}")
        t.check(out.decode() == TEXT.upper() * lives, f"{device}: a result is wrong:\n{out[-500:]}")
        found = re.search(rf"{lives} lives, ticks of a life: least (\d+), median (\d+), most (\d+)", said)
        t.check(found and 0 < int(found[1]) <= int(found[2]) <= int(found[3]), f"{device}: the ticks: {said}")
        t.note(f"{device}: {found[0]}")
    t.check(result(t, _functions(t), "auto")[0].decode() == TEXT.upper(), "auto, with the input from a pipe, has another result")


@test("apps.function-examples", lane="vmm")
def function_examples(t):
    "The examples in real and long mode; exit codes, and the message of each end that is an error; on both hypervisors."
    for device in ("kvm", "likex"):
        said = result(t, _functions(t), f"crc32 {device}")[0].decode()
        t.check(said == f"{zlib.crc32(LONG):08x} {len(LONG)}\n", f"{device}: crc32 says {said!r}")
        out, said = result(t, _functions(t), f"empty {device}", 1)
        t.check(out.decode() == "00000000 0\n" and "exit code is 1" in said, f"{device}: without input: {out} {said}")
        for name, _, _, status, words in ENDS:
            said = result(t, _functions(t), f"{name} {device}", status)[1]
            t.check(words in said, f"{name} on {device} says:\n{said}")
            t.check(status != 1 or name == "room" or "RIP " in said, f"{name} on {device} prints no registers:\n{said}")
    t.note(f"{len(ENDS)} ends")


def _linux_steps(command, device):
    """Return the steps that boot Linux on a device, with a line of input for it."""
    steps = []
    for apic in APICS:
        for cpus in CPUS:
            words = [*command, "--hypervisor", device, "--kernel", "/tests/guest-vmlinux", "--initrd", "/tests/guest.cpio",
                     "--cpus", cpus, "--apic", apic, "--mem", "48M", "--no-reset", "--cmdline", f"'{WORDS}'"]
            # A boot whose steps all end with 0 can be remembered.
            piped = f"echo '{ANSWER}' | {' '.join(map(str, words))}; [ $? = 4 ]"
            steps.append(guest.marked(f"{device} {cpus} {apic}", ["sh", "-c", piped]))
    return steps


def _linux(t, model):
    """Boot Linux by likexvm on a model of processor, on KVM and on LiKeX."""
    if model not in _BOOTS:
        program = monitor(t)
        _, parts = irq.guest_files(t)
        built = kernel.build("host")
        steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
        for device in ("kvm", "likex"):
            steps += _linux_steps([*image.run_shared(program), "run"], device)
        target = machine.for_kernel(built, cpus=2, model=model)
        _BOOTS[model] = t.boot_once(target, built, image.base(built, [*program, *parts]), steps,
                                    BUILD / "run" / f"vmm-linux-{model}", limit=900)
    return _BOOTS[model]


@test("apps.linux", lane="vmm")
def linux(t):
    "Linux boots by likexvm with 1 and 2 vCPUs, x2APIC and xAPIC, on LiKeX and KVM; its serial port works by interrupts."
    for device in ("kvm", "likex"):
        for apic in APICS:
            for cpus in CPUS:
                out, said = result(t, _linux(t, irq.BROADWELL), f"{device} {cpus} {apic}")
                out = out.decode(errors="replace").replace("\r", "")
                # The kernel's log has no lines in the middle of those of a program.
                wanted = [f"tty: line {line} of {LINES}" for line in range(LINES)]
                wanted += [f"tty: got {ANSWER}", "tty: interrupts come", irq._init_says(apic, cpus)]
                rows = out.splitlines()
                missing = [row for row in wanted if row not in rows]
                t.check(not missing, f"{device}, {cpus} vCPUs, {apic}: no line {missing[0] if missing else ''!r}:\n{out[-2000:]}")
                t.check("has reset the machine" in said, f"{device}: {said}")
                t.note(f"{device}: {wanted[-1]}")


def _kernel_steps(command, device):
    """Return the steps that run the small kernel on a device, to each of its ends."""
    on = [*command, "--kernel", "/tests/kernel", "--mem", "4M", "--hypervisor", device, "--cmdline"]
    # One that does not end would take the whole machine along.
    limited = f"timeout 30 {' '.join(on)}"
    steps = [guest.marked(f"{word} {options} {device}", ["sh", "-c", f"echo {ANSWER} | {limited} {word} {options}"])
             for word, options, *_ in KERNEL_ENDS]
    on = " ".join(on)
    # Each time the signal comes at another moment of a machine's life.
    resets = (f"for time in 0.5 0.61 0.72 0.83 0.94; do {on} reset >/tmp/said & sleep $time; kill -TERM $!; wait $!; "
              "status=$?; head -3 /tmp/said; [ $status = 143 ] || exit; done; exit $status")
    dumps = f"{on} sleep & sleep 1; kill -USR1 $!; sleep 1; kill -INT $!; kill -TERM $!; wait $!"
    status = f"truncate -s 1M /tmp/disk; {on} sleep --cpus 2 --disk /tmp/disk --rng & sleep 1; grep -hE '^(NoNewPrivs|Seccomp):' /proc/$!/task/*/status; kill -TERM $!; wait $!"
    file = f"{on} off --console /tmp/console && cat /tmp/console"
    check = on.replace("/likexvm run", "/likexvm check")
    checks = (f"truncate -s 1M /tmp/checked; {check} off --cpus 2 --disk /tmp/checked --console /tmp/none; echo right $?; ls /tmp/none; "
              f"{check} off --disk /tmp/none; echo wrong $?; {check} off --initrd /tests/libc.so.6 --mem 2M; echo wrong $?")
    steps += [guest.marked(f"terminal {how} {word} {device}", ["sh", "-c", f"/tests/terminal {how} {on} {word}"])
              for how, word, _ in TERMINAL_ENDS]
    return [*steps, *(guest.marked(f"{name} {device}", ["sh", "-c", script])
                      for name, script in (("resets", resets), ("dumps", dumps), ("status", status), ("file", file), ("checks", checks)))]


def _kernels(t):
    """Run the small kernel in all ways in one boot; return its outcome."""
    if "kernels" not in _BOOTS:
        lib.build(t, folder="tests/vmm")
        program, built, tests = monitor(t), kernel.build("host"), BUILD / "tools" / "tests-vmm"
        steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
        for device in ("kvm", "likex"):
            steps += _kernel_steps([*image.run_shared(program), "run"], device)
        _BOOTS["kernels"] = machine.boot(machine.for_kernel(built, cpus=2), built,
                                         image.base(built, [*program, tests / "kernel", tests / "terminal"]), steps,
                                         BUILD / "run" / "vmm-kernels", limit=300)
    return _BOOTS["kernels"]


def _ends(t, *words):
    """Check the ends of the small kernel with one of these words; return what it said: {(device, word): output}."""
    outputs = {}
    for device in ("kvm", "likex"):
        for word, options, status, wanted in KERNEL_ENDS:
            if word in words:
                out, said = result(t, _kernels(t), f"{word} {options} {device}", status)
                t.check(f"kernel: {word}\n" in out.decode(), f"{word} on {device}: the console has {out}")
                t.check(wanted in said, f"{word} on {device} says:\n{said}")
                outputs[device, word] = out.decode()
                t.note(f"{device}: {word} {options}, exit status {status}")
    return outputs


@test("apps.reboot", lane="vmm")
def reboot(t):
    "Resets by the keyboard controller and by a triple fault: a new machine, or an exit status; power-off; SIGTERM."
    _ends(t, "off", "reset", "triple")
    for device in ("kvm", "likex"):
        out = result(t, _kernels(t), f"resets {device}", 128 + 15)[0].decode()
        t.check(out == "kernel: reset\n" * 15, f"{device}: the first three machines of each run say:\n{out}")


@test("apps.panic", lane="vmm")
def panic(t):
    "A guest's panic has an exit status of its own; an error and SIGUSR1 print registers, code and exits by reason."
    _ends(t, "panic", "error")
    for device in ("kvm", "likex"):
        said = result(t, _kernels(t), f"dumps {device}", 128 + 2)[1]
        for wanted in (r"^vCPU 0\nRIP 00000000001", r"^code [0-9a-f ]{47}$", r"^vCPU 0:  \w+ \d+", r"  exits \d+"):
            t.check(re.search(wanted, said, re.MULTILINE), f"{device}: SIGUSR1 prints no {wanted}:\n{said}")


@test("apps.devices", lane="vmm")
def devices(t):
    "A level-triggered interrupt of the IOAPIC comes again until its line is low; input; the console in a file."
    outputs = _ends(t, "level", "answer")
    for device in ("kvm", "likex"):
        t.check("level-triggered: 3 interrupts\n" in outputs[device, "level"], f"{device}: {outputs[device, 'level']}")
        t.check(f"{ANSWER}\n" in outputs[device, "answer"], f"{device}: {outputs[device, 'answer']}")
        out = result(t, _kernels(t), f"file {device}")[0].decode()
        t.check(out == "kernel: off\n", f"{device}: the file has {out!r}")


@test("apps.check", lane="vmm")
def check(t):
    "likexvm check makes a machine and runs nothing in it: no output, no console's file; what is wrong is named."
    for device in ("kvm", "likex"):
        out, said = result(t, _kernels(t), f"checks {device}")
        t.check(out.decode().splitlines() == ["right 0", "wrong 1", "wrong 1"], f"{device}: {out}")
        for wanted in ("/tmp/none: No such file", "leaves no room for the initrd"):
            t.check(wanted in said, f"{device}: check does not say {wanted!r}:\n{said}")


@test("apps.terminal", lane="vmm")
def terminal(t):
    "On a real pseudo-terminal: raw mode while a machine runs, the escape key told once, the mode restored after each end."
    for device in ("kvm", "likex"):
        for how, word, wanted in TERMINAL_ENDS:
            out, said = result(t, _kernels(t), f"terminal {how} {word} {device}")
            t.check(out.decode() == f"{wanted}, told 1\n", f"{device}, {how}, {word}: {out} {said}")
            t.note(f"{device}: {how}, {word}: {wanted}")


@test("apps.seccomp", lane="vmm")
def seccomp(t):
    "Each thread of likexvm has a filter of system calls and gets no new privileges; a forbidden call ends the process."
    packages.need("vmm")
    lib.build(t, folder="tests/vmm")
    program = BUILD / "tools" / "tests-vmm" / "forbidden"
    for thread, (good, bad) in CALLS.items():
        for call in good.split():
            t.run([program, thread, call])
        for call in bad.split():
            t.run([program, thread, call], status=-SIGSYS)
        t.note(f"{thread}: {good}; not {bad}")
    for device in ("kvm", "likex"):
        out = result(t, _kernels(t), f"status {device}", 128 + 15)[0].decode()
        rows = [row for row in out.splitlines() if ":\t" in row]
        # Two vCPUs, two devices, the thread that waits, and with KVM one that the kernel has added.
        t.check(set(rows) == {"NoNewPrivs:\t1", "Seccomp:\t2"} and len(rows) >= 10, f"{device}: threads are not all confined:\n{out}")


@test("vmm.unit", lane="vmm")
def unit(t):
    "likexvm's parts that need no hypervisor, with AddressSanitizer and UBSan."
    packages.need("vmm")
    lib.build(t, folder="tests/vmm")
    done = t.run([BUILD / "tools" / "tests-vmm" / "unit"], timeout=60)
    lib.note_lines(t, done.stdout, r"checks, ")


@test("vmm.build", lane="vmm")
def build_all(t):
    "gcc and clang without a warning, static analysis clean; options that are wrong or missing are refused; the man page."
    t.packages("libseccomp-dev", "clang", "cppcheck", "clang-tidy", "man-db")
    for compiler in ("gcc", "clang"):
        for folder in ("vmm", "tests/vmm"):
            lib.build(t, folder=folder, out=f"tools-{compiler}", CC=compiler)
    t.run(["make", "-s", "-C", t.top / "tools/vmm", "check-static"], timeout=600)
    lib.build(t, "install", folder="vmm", DESTDIR=t.results / "root", prefix="/usr")
    program = t.results / "root/usr/bin/likexvm"
    for words in ("", "run-it", "function", "function a b", "function --entry flat a", "function --mem 3M a",
                  "run", "run x", "run --kernel", "run --kernel a b", "run --kernel a --cpus 0", "run --kernel a --cpus 129",
                  "run --kernel a --mem 1M", "run --kernel a --mem 4097K", "run --kernel a --apic x", "run --kernel a --disk", "run --kernel a --bus isa", "check", "check --kernel a --cpus 0", "function --repeat 0 a", "function --timeout 0 a", "function --hypervisor xen a", "function --no-such a"):
        said = t.run([program, *words.split()], status=2).stdout
        t.check("--help lists what there is" in said, f"likexvm {words}: {said}")
    for what, text in ((program, "has a segment that no kernel has"), (t.top / "README.md", "is neither an ELF file nor a bzImage")):
        for command in ("run", "check"):
            said = t.run([program, command, "--kernel", what], status=1).stdout
            t.check(text in said or "/dev/" in said, f"{command} of {what} as a kernel: {said}")
    t.check("No such file" in t.run([program, "function", "/nowhere"], status=1).stdout, "a file that is not there")
    page = t.results / "root/usr/share/man/man1/likexvm.1"
    shown = t.run(["man", "--warnings", "-l", "-Tutf8", page], env={"MANROFFSEQ": ""}).stdout
    # Bold letters are printed twice.
    shown = re.sub(".\b", "", shown)
    t.check("warning" not in shown.lower(), f"{page.name}:\n{shown[-500:]}")
    for command in re.findall(r"^  (\w+) ", t.run([program, "--help"]).stdout, re.MULTILINE):
        for option in re.findall(r"^  (--\w[\w-]*)", t.run([program, command, "--help"]).stdout, re.MULTILINE):
            t.check(option in shown.replace("\N{HYPHEN}", "-"), f"{page.name} does not have {command}'s {option}")
    t.check(t.run([program, "--version"]).stdout.startswith("likexvm "), "no version")
