# SPDX-License-Identifier: GPL-2.0
"""likexvm: functions without an operating system, on LiKeX and on KVM in one boot."""

import re
import zlib

from .. import image, kernel, machine
from ..base import BUILD
from ..suite import test
from . import guest, lib

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

_BOOTS = {}


def files(t):
    """Build likexvm and its examples; return all that goes into the machine."""
    lib.build(t, folder="vmm")
    folder = t.results
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text").write_text(TEXT)
    (folder / "long").write_bytes(LONG)
    for name, data, *_ in ENDS:
        (folder / f"{name}.bin").write_bytes(data)
    program = TOOLS / "likexvm"
    return [program, *image.shared(program), TOOLS / "upper.bin", TOOLS / "crc32.bin", folder / "text", folder / "long",
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


def _step(t, name, status=0):
    """Return (standard output, standard error) of a step of the boot, which must have an exit status."""
    outcome = _functions(t)
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
        out, said = _step(t, f"lives {device}")
        t.check(out.decode() == TEXT.upper() * lives, f"{device}: a result is wrong:\n{out[-500:]}")
        found = re.search(rf"{lives} lives, ticks of a life: least (\d+), median (\d+), most (\d+)", said)
        t.check(found and 0 < int(found[1]) <= int(found[2]) <= int(found[3]), f"{device}: the ticks: {said}")
        t.note(f"{device}: {found[0]}")
    t.check(_step(t, "auto")[0].decode() == TEXT.upper(), "auto, with the input from a pipe, has another result")


@test("apps.function-examples", lane="vmm")
def function_examples(t):
    "The examples in real and long mode; exit codes, and the message of each end that is an error; on both hypervisors."
    for device in ("kvm", "likex"):
        said = _step(t, f"crc32 {device}")[0].decode()
        t.check(said == f"{zlib.crc32(LONG):08x} {len(LONG)}\n", f"{device}: crc32 says {said!r}")
        out, said = _step(t, f"empty {device}", 1)
        t.check(out.decode() == "00000000 0\n" and "exit code is 1" in said, f"{device}: without input: {out} {said}")
        for name, _, _, status, words in ENDS:
            said = _step(t, f"{name} {device}", status)[1]
            t.check(words in said, f"{name} on {device} says:\n{said}")
            t.check(status != 1 or name == "room" or "RIP " in said, f"{name} on {device} prints no registers:\n{said}")
    t.note(f"{len(ENDS)} ends")


@test("vmm.unit", lane="vmm")
def unit(t):
    "likexvm's parts that need no hypervisor, with AddressSanitizer and UBSan."
    lib.build(t, folder="tests/vmm")
    done = t.run([BUILD / "tools" / "tests-vmm" / "unit"], timeout=60)
    lib.note_lines(t, done.stdout, r"checks, ")


@test("vmm.build", lane="vmm")
def build_all(t):
    "gcc and clang without a warning, static analysis clean; options that are wrong or missing are refused; the man page."
    t.packages("clang", "cppcheck", "clang-tidy", "man-db")
    for compiler in ("gcc", "clang"):
        for folder in ("vmm", "tests/vmm"):
            lib.build(t, folder=folder, out=f"tools-{compiler}", CC=compiler)
    t.run(["make", "-s", "-C", t.top / "tools/vmm", "check-static"], timeout=600)
    lib.build(t, "install", folder="vmm", DESTDIR=t.results / "root", prefix="/usr")
    program = t.results / "root/usr/bin/likexvm"
    for words in ("", "run-it", "function", "function a b", "function --entry flat a", "function --mem 3M a",
                  "function --repeat 0 a", "function --timeout 0 a", "function --hypervisor xen a", "function --no-such a"):
        said = t.run([program, *words.split()], status=2).stdout
        t.check("--help lists what there is" in said, f"likexvm {words}: {said}")
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
