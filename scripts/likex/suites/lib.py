# SPDX-License-Identifier: GPL-2.0
"""liblikex: the instruction emulator in user space, its preload library and its example."""

import difflib
import os
import pathlib
import re
import shutil

from .. import image, kernel, machine
from ..base import lock
from ..suite import Failure, Skip, test

BUILD_PACKAGES = ("libzydis-dev",)
SKIPPED = 77


def build(t, *targets, folder="tests/lib", out="tools", **variables):
    """Build targets of one folder of tools, into its own folder of the build directory."""
    t.packages(*BUILD_PACKAGES)
    words = ["nice", "-n", "5", "make", "-s", "-j2", "-C", t.top / "tools" / folder, f"O={pathlib.Path(t.build) / out}"]
    with lock(t.build / "tools" / "lib.lock"):
        t.run(words + [f"{name}={value}" for name, value in variables.items()] + list(targets), timeout=900)


def program(t, name, target=None):
    """Build one of the test programs; return its path."""
    place = pathlib.Path(t.build) / "tools" / "tests-lib" / name
    build(t, target or place)
    return place


def note_lines(t, output, *patterns):
    """Note the lines of a program's output that say what was done."""
    for line in output.splitlines():
        if any(re.search(pattern, line) for pattern in patterns):
            t.note(line)


def run_or_skip(t, command, **more):
    """Run a program that exits with 77 where it cannot run; return what it printed."""
    done = t.run(command, status=None, **more)
    if done.returncode == SKIPPED:
        raise Skip(done.stdout.strip().splitlines()[-1])
    if done.returncode:
        raise Failure("\n".join(done.stdout.splitlines()[-40:]) or f"exit status {done.returncode}")
    return done.stdout


@test("lib.unit")
def unit(t):
    """Page walks, each group of instructions, faults, transactions, the run loop, and the preload library."""
    done = t.run([program(t, "unit")], timeout=60)
    note_lines(t, done.stdout, r"checks, ")


@test("lib.vendor")
def vendor(t):
    """Intel's and AMD's processors are each emulated as they are, in every respect that is known to differ."""
    done = t.run([program(t, "unit"), "--group", "vendors"], timeout=60)
    note_lines(t, done.stdout, r"checks, ")


@test("lib.native")
def native(t):
    """No difference to this processor in 64-, 32- and 16-bit code, in 200,000 cases (ten million)."""
    count = 10_000_000 if t.exhaustive else 200_000
    said = run_or_skip(t, [program(t, "native"), "--count", count], timeout=3600 if t.exhaustive else 300)
    note_lines(t, said, r"^this processor", r"cases, ", r"^explained")


@test("lib.native-rsp")
def native_rsp(t):
    """A processor that faults at a return to user mode if RSP is not canonical is found out, and given other registers."""
    said = run_or_skip(t, [program(t, "native"), "--count", 20_000, "--bits", "rsp"], timeout=60)
    t.check("RSP checked at a return" in said, f"it was not found out:\n{said}")
    note_lines(t, said, r"^this processor", r"cases, ")


@test("lib.libc")
def libc(t):
    """The C library's memory and string functions on a device, in three variants: nothing refused, no byte wrong."""
    tool, ran = program(t, "libc"), 0
    for level in ("avx512", "avx2", "sse2"):
        done = t.run([tool, "--level", level], status=None, timeout=300)
        t.note(done.stdout.splitlines()[-1])
        t.check(done.returncode in (0, SKIPPED), "\n".join(done.stdout.splitlines()[-20:]))
        ran += done.returncode == 0
    t.check(ran, "no variant can run on this processor")


@test("lib.unicorn")
def unicorn(t):
    """No unexplained difference to Unicorn in real mode and under paging, in 200,000 cases (ten million)."""
    t.packages("libunicorn-dev")
    count = 10_000_000 if t.exhaustive else 200_000
    done = t.run([program(t, "unicorn", "unicorn"), "--count", count], timeout=7200 if t.exhaustive else 300)
    note_lines(t, done.stdout, r"cases, ", r"^explained")


@test("lib.linux-forms")
def linux_forms(t):
    """Every instruction with which a real kernel reaches its devices is emulated as a processor does it."""
    vmlinux = os.environ.get("LIKEX_VMLINUX") or kernel.build("host").vmlinux
    done = t.run([program(t, "forms"), "--vmlinux", vmlinux], timeout=120)
    note_lines(t, done.stdout, r"forms with a memory operand")


@test("lib.fuzz", lane="lib-fuzz")
def fuzz(t):
    """Two minutes (an hour) of libFuzzer under ASan and UBSan find nothing."""
    t.packages("clang", "libclang-rt-14-dev")
    seconds = 3600 if t.exhaustive else 120
    corpus = pathlib.Path(t.results) / "corpus"
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    done = t.run([program(t, "fuzz", "fuzz"), f"-max_total_time={seconds}", "-max_len=256", "-print_final_stats=1",
                  f"-artifact_prefix={t.results}/", corpus, t.top / "tools/tests/lib/corpus"],
                 timeout=seconds + 300)
    note_lines(t, done.stdout, r"number_of_executed_units", r"^Done ")
    shutil.rmtree(corpus, ignore_errors=True)


# The C library copies and clears memory as it thinks best on a processor, which is a percent of the figure. It cannot
# choose if all seem to lack these features.
PLAIN_LIBC = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-ERMS,-FSRM,-SSSE3,-SSE4_2"}
# The most instructions of one emulated 4-byte store, or of one iteration of REP STOSD. "miss" has the baseline only.
# "run" is a store that is an exit to the caller: decoded before it, and completed after it.
MOST = {"hit": 350, "miss": None, "rep": 40, "bulk": 40, "memory": 40, "run": 650}
SINGLE = ("hit", "miss", "run")
# Functions at which counting begins or ends, without and with likex_vcpu_run().
COUNTED = (("measured",), ("measured_run", "kernel"))
ITERATIONS = 1000


def callgrind(t, speed, which):
    """Return the instructions of one emulated store, counted exactly."""
    count = 100
    done = t.run(["valgrind", "--tool=callgrind", *(f"--toggle-collect={name}" for name in COUNTED[which == "run"]),
                  f"--callgrind-out-file={t.results}/callgrind.{which}", speed, "--which", which, "--count", count],
                 timeout=120, env=PLAIN_LIBC)
    found = re.search(r"Collected : (\d+)", done.stdout)
    if not found:
        raise Failure("callgrind did not say how many instructions it counted")
    return int(found.group(1)) / count / (1 if which in SINGLE else ITERATIONS)


def baseline(t):
    """Return the committed figures: name -> instructions."""
    lines = (t.top / "tools/tests/lib/speed.baseline").read_text().splitlines()
    return {name: float(value) for name, value in
            (line.split() for line in lines if line.strip() and not line.startswith("#"))}


def allocations(t, speed, which, count):
    """Return how often memory was allocated for this many stores, setting up included."""
    done = t.run(["valgrind", speed, "--which", which, "--count", count], timeout=120)
    found = re.search(r"total heap usage: ([\d,]+) allocs", done.stdout)
    if not found:
        raise Failure("valgrind did not say how often memory was allocated")
    return int(found.group(1).replace(",", ""))


@test("lib.speed")
def speed(t):
    """A store from the cache costs at most 350 instructions, 650 as an exit, REP STOSD 40 an iteration; no allocation."""
    t.packages("valgrind")
    binary, committed, worse = program(t, "speed"), baseline(t), []
    for which, most in MOST.items():
        now = callgrind(t, binary, which)
        t.note(f"{which}: {now:.1f} instructions, baseline {committed[which]:.1f}")
        if now > committed[which] * 1.02:
            worse.append(which)
        few, many = (allocations(t, binary, which, count) for count in (1, 100))
        t.check(few == many, f"{which}: {many} allocations for 100 steps, {few} for one")
        t.check(most is None or now <= most, f"{which}: {now:.1f} instructions; {most} is the most")
    t.check(not worse, f"more than 2 % worse than speed.baseline: {', '.join(worse)}")


@test("lib.threads")
def threads(t):
    """Locked instructions of four vCPUs on one memory lose no update."""
    done = t.run([program(t, "threads")], timeout=120)
    note_lines(t, done.stdout, r"locked additions")


@test("lib.kvm")
def kvm(t):
    """On a real /dev/kvm, what KVM cannot emulate is completed and read back."""
    said = run_or_skip(t, [program(t, "kvm")], timeout=60)
    note_lines(t, said, r"accesses")


@test("lib.preload")
def preload(t):
    """A program that is not changed gets KVM_EXIT_MMIO under the preload library, and only then."""
    tool = program(t, "kvm")
    build(t, folder="preload")
    library = pathlib.Path(t.build) / "tools/preload/liblikex-preload.so"
    said = run_or_skip(t, [tool, "--how", "plain", "--count", "0"], timeout=60)
    note_lines(t, said, r"without the library")
    done = t.run([tool, "--how", "plain"], timeout=60, env={"LD_PRELOAD": str(library)})
    note_lines(t, done.stdout, r"accesses")


@test("lib.preload-ioeventfd")
def preload_ioeventfd(t):
    """Eventfds for memory: on /dev/likex-kvm under the preload library as on KVM, of each length, and changed under fire."""
    tool, tools = program(t, "ioeventfd"), pathlib.Path(t.build) / "tools"
    build(t, folder="preload")
    library = tools / "preload/liblikex-preload.so"
    loader, *libraries = image.shared(tool)
    command = [f"/tests/{loader.name}", "--library-path", "/tests"]
    steps = [machine.Step("load", ["sh", "-c", "modprobe kvm_intel && modprobe likex"]),
             machine.Step("kvm", [*command, "/tests/ioeventfd"]),
             machine.Step("likex-kvm", [*command, "--preload", f"/tests/{library.name}", "/tests/ioeventfd", "--device",
                                        "/dev/likex-kvm"])]
    built = kernel.build("host")
    initrd = image.base(built, [tool, library, *dict.fromkeys([loader, *libraries, *image.shared(library)])])
    target = machine.for_kernel(built, cpus=2)
    outcome = machine.boot(target, built, initrd, steps, t.results / "run", limit=300).require_done()
    for one in steps:
        said = (one.out + one.err).decode(errors="replace")
        t.check(one.status == 0, f"{one.name}: exit status {one.status}\n{said}")
        note_lines(t, said, r"^storm", r"rows, ")
    t.check(not outcome.reports(), "the kernel complains:\n" + "\n".join(outcome.reports()))


@test("lib.example")
def example(t):
    """The example is under 100 lines, and runs a guest with a device."""
    source = t.top / "tools/examples/mmio.c"
    lines = len(source.read_text().splitlines())
    t.check(lines < 100, f"{source.name} has {lines} lines")
    build(t, folder="examples")
    nodes = [node for node in ("/dev/likex", "/dev/kvm") if os.access(node, os.R_OK | os.W_OK)]
    if not nodes:
        raise Skip("neither /dev/likex nor /dev/kvm can be opened here")
    for node in nodes:
        done = t.run([pathlib.Path(t.build) / "tools/examples/mmio", node], timeout=60)
        t.note(f"{node}: {done.stdout.splitlines()[-1]}")


@test("lib.rust")
def rust(t):
    """The Rust binding is what bindgen makes of the header; its example emulates a store and a load."""
    if not shutil.which("cargo"):
        raise Skip("there is no cargo here")
    t.packages("bindgen")
    folder = t.top / "tools/examples/rust"
    committed = folder / "likex-sys/src/bindings.rs"
    copy = pathlib.Path(t.results) / "tools"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(t.top / "tools/lib/include", copy / "lib/include")
    shutil.copytree(folder, copy / "examples/rust")
    t.run(["make", "-s", "-C", copy / "examples/rust", "bindings"])
    made = (copy / "examples/rust/likex-sys/src/bindings.rs").read_text()
    # Another version of bindgen says so in its first line.
    said = "\n".join(difflib.unified_diff(committed.read_text().splitlines()[1:], made.splitlines()[1:], lineterm=""))
    t.check(not said, f"{committed.name} is not what bindgen makes of emul.h:\n{said}")
    build(t, folder="lib")
    out = pathlib.Path(t.build) / "tools"
    t.run(["make", "-s", "-C", folder, f"O={out}"], timeout=900)
    done = t.run([out / "rust/debug/store"], env={"LD_LIBRARY_PATH": str(out / "lib")})
    t.check(done.stdout.splitlines()[-1] == "register 0x1256, rax 0x1256", done.stdout)
    t.note(done.stdout.splitlines()[0])


@test("lib.deb", exhaustive=True)
def deb(t):
    """dpkg-buildpackage makes the library's packages, and a program builds against what is in them."""
    t.packages("debhelper", "dpkg-dev", *BUILD_PACKAGES)
    place = pathlib.Path(t.results) / "deb"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(t.top / "tools/lib", place / "lib")
    t.run(["dpkg-buildpackage", "-us", "-uc", "-b"], cwd=place / "lib", timeout=900)
    made = sorted(path.name.split("_")[0] for path in place.glob("*.deb"))
    t.check({"liblikex1", "liblikex-dev"} <= set(made), f"packages made: {' '.join(made)}")
    root = place / "root"
    for name in ("liblikex1", "liblikex-dev"):
        t.run(["dpkg-deb", "-x", next(place.glob(f"{name}_*.deb")), root])
    library = next(root.glob("usr/lib/*/liblikex.so.1")).parent
    program = place / "alone"
    program.with_suffix(".c").write_text("#include <likex/vcpu.h>\nint main(void) { return likex_version() != 2; }\n")
    t.run(["gcc", "-I", root / "usr/include", "-o", program, program.with_suffix(".c"), "-L", library, "-llikex"])
    t.run([program], env={"LD_LIBRARY_PATH": str(library)})
    t.check((root / "usr/share/man/man3/likex_emul_step.3.gz").exists(), "no man pages in liblikex-dev")
    t.note(" ".join(made))


EXAMPLE_SAYS = """\
write d0000, 1 bytes
read  d0000, 1 bytes
write d0000, 2 bytes
read  d0000, 2 bytes
write d0000, 4 bytes
read  d0000, 4 bytes
read  d0000, 8 bytes
write d0000, 8 bytes
exit 5, eax 0x12345678, ebx 0x1234
"""


NODES = ("/dev/likex", "/dev/kvm")


def machine_steps(loader, preload_library):
    """Return what is run in the machine: each program on each device; what only KVM has, in three ways."""
    def step(name, *words, options=()):
        return machine.Step(name, [f"/tests/{loader.name}", "--library-path", "/tests", *options, *words])

    steps = [machine.Step("load", ["sh", "-c", "modprobe kvm_intel && modprobe likex"])]
    for node in NODES:
        steps += [step(f"mmio {node}", "/tests/mmio", node), step(f"device {node}", "/tests/device", "--device", node)]
    return steps + [
        step("plain", "/tests/kvm", "--how", "plain", "--count", "0"),
        step("library", "/tests/kvm"),
        step("preload", "/tests/kvm", "--how", "plain", options=("--preload", f"/tests/{preload_library.name}"))]


@test("lib.machine")
def in_machine(t):
    """On /dev/likex as on /dev/kvm: the example, instructions on a device, one unknown; the preload library on KVM."""
    tools = pathlib.Path(t.build) / "tools"
    for folder in ("tests/lib", "examples", "preload"):
        build(t, folder=folder)
    programs = [tools / "examples/mmio", tools / "tests-lib/device", tools / "tests-lib/kvm"]
    preload_library = tools / "preload/liblikex-preload.so"
    loader, *libraries = image.shared(programs[0])
    steps, built = machine_steps(loader, preload_library), kernel.build("host")
    initrd = image.base(built, [*programs, preload_library, loader, *libraries])
    outcome = machine.boot(machine.for_kernel(built), built, initrd, steps, t.results / "run", limit=300).require_done()
    for one in steps:
        said = (one.out + one.err).decode(errors="replace")
        t.check(one.status == 0, f"{one.name}: exit status {one.status}\n{said}")
        t.note(f"{one.name}: {(said.splitlines() or ['done'])[-1]}")
    t.check(not outcome.reports(), "the kernel complains:\n" + "\n".join(outcome.reports()))
    for node in NODES:
        said = outcome.step(f"mmio {node}").text
        t.check(said == EXAMPLE_SAYS, f"the example on {node}:\n{said}")
    said = [outcome.step(f"device {node}").text.splitlines() for node in NODES]
    t.check(said[0] == said[1], "on the two devices:\n" + "\n".join(difflib.unified_diff(*said, *NODES, lineterm="")))


def exported(t, library):
    """Return the versioned names that the shared library exports."""
    done = t.run(["nm", "-D", "--defined-only", library])
    return {line.split()[-1] for line in done.stdout.splitlines() if " T " in line}


def global_names(t, code):
    """Return the names that an object file offers to others."""
    return [line.split()[-1] for line in t.run(["nm", "-g", "--defined-only", code]).stdout.splitlines()]


def variables(t, code):
    """Return the variables in an object file, those that can be written to."""
    symbols = re.findall(r"^\w+ .{7} (?:\.t?data|\.t?bss|\*COM\*)\t\w+ (?:\.\w+ )?(.*)$",
                         t.run(["objdump", "-t", code]).stdout, re.MULTILINE)
    return [name for name in symbols if not name.startswith(".")]


def circles(t, folder):
    """Return the circles among object files: each a list of files that call each other, directly or not."""
    defined, wanted = {}, {}
    for code in sorted(pathlib.Path(folder).glob("*.o")):
        if code.name == "all.o":
            continue
        for line in t.run(["nm", code]).stdout.splitlines():
            *_, kind, name = line.split()
            if kind == "U":
                wanted.setdefault(code.stem, set()).add(name)
            elif kind.isupper():
                defined[name] = code.stem
    uses = {code: {defined[name] for name in names if name in defined} - {code} for code, names in wanted.items()}

    def reached(code):
        found, todo = set(), [code]
        while todo:
            more = uses.get(todo.pop(), set()) - found
            found |= more
            todo += more
        return found
    reach = {code: reached(code) for code in uses}
    return sorted({tuple(sorted(other for other in reach[code] if code in reach.get(other, ())))
                   for code in reach if code in reach[code]})


@test("lib.layout")
def layout(t):
    """Calls between the files of the library go one way: no circle has more than three files."""
    build(t, folder="lib")
    found = [one for one in circles(t, pathlib.Path(t.build) / "tools/lib") if len(one) > 3]
    t.check(not found, "circles: " + "; ".join(" ".join(one) for one in found))


def abidiff(t, committed, library):
    """Compare a committed description of the interface to a library; return the tool's exit status and what it said."""
    done = t.run(["abidiff", committed, library], status=None)
    return done.returncode, done.stdout


@test("lib.abi")
def abi(t):
    """The binary interface is the one that is committed, liblikex.abi; a change of it would be seen."""
    t.packages("abigail-tools")
    folder = t.top / "tools/lib"
    committed = folder / "liblikex.abi"
    build(t, folder="lib")
    status, said = abidiff(t, committed, pathlib.Path(t.build) / "tools/lib/liblikex.so.1")
    t.check(status == 0, f"the interface differs from {committed.name} (make -C tools/lib abi writes it anew):\n{said}")
    other = pathlib.Path(t.results) / "other"
    for name, before, after in (
            ("include/likex/emul.h", "\tuint8_t vector;\n\tbool has_error;", "\tbool has_error;\n\tuint8_t vector;"),
            ("liblikex.map", "\tlikex_reason_str;\n", "")):
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(folder, other)
        text = (other / name).read_text()
        t.check(before in text, f"{name} has no {before!r}")
        (other / name).write_text(text.replace(before, after))
        t.run(["make", "-s", "-j2", "-C", other, f"O={other}/build"], timeout=600)
        status, _ = abidiff(t, committed, other / "build/lib/liblikex.so.1")
        t.check(status & 4, f"abidiff takes no notice of {after!r} for {before!r}")
    shutil.rmtree(other)


HEADERS_OF = {"emul.h": False, "vcpu.h": True}  # true: the header may need the kernel's
LANGUAGES = (("gcc", "c", "c99"), ("gcc", "c", "c11"), ("g++", "c++", "c++17"),
             ("clang", "c", "c99"), ("clang++", "c++", "c++17"))


@test("lib.headers")
def headers(t):
    """The headers compile by themselves as C99 and C++17, pedantic; emul.h without any of the kernel's."""
    t.packages("g++", "clang")
    include = t.top / "tools/lib/include"
    for name, kernels in HEADERS_OF.items():
        for compiler, language, standard in LANGUAGES:
            source = pathlib.Path(t.results) / f"alone.{'cc' if language == 'c++' else 'c'}"
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_text(f"#include <likex/{name}>\nint main(void) {{ return (int)likex_version() < 0; }}\n")
            words = [compiler, "-x", language, f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror",
                     "-I", include]
            # The kernel's own header is not pedantic.
            t.run(words + ([] if not kernels else ["-Wno-pedantic"]) + ["-fsyntax-only", source])
            needed = t.run(words + ["-M", source], status=None if kernels else 0).stdout.split()
            found = [path for path in needed if re.search(r"/(linux|asm|asm-generic)/", path)]
            t.check(kernels or not found, f"{name} includes {' '.join(found)}")
    t.note(f"{len(LANGUAGES)} compilers and languages")


@test("lib.build")
def build_all(t):
    """gcc and clang without a warning, static analysis clean, installable, and only public names exported."""
    t.packages("clang", "cppcheck", "clang-tidy", "pkg-config", "libunicorn-dev", "man-db")
    for compiler in ("gcc", "clang"):
        for folder in ("lib", "preload", "examples", "tests/lib"):
            build(t, folder=folder, out=f"tools-{compiler}", CC=compiler)
        build(t, "unicorn", out=f"tools-{compiler}", CC=compiler)
        build(t, folder="lib", out=f"tools-{compiler}-lto", CC=compiler, CFLAGS="-O2 -flto")
        names = global_names(t, pathlib.Path(t.build) / f"tools-{compiler}-lto/lib/all.o")
        names = [name for name in names if not name.startswith("likex_")]
        t.check(not names, f"global in {compiler}'s liblikex.a: {' '.join(names)}")
    for folder in ("lib", "preload", "examples"):
        t.run(["make", "-s", "-C", t.top / "tools" / folder, "check-static"], timeout=600)
    root = pathlib.Path(t.results) / "root"
    shutil.rmtree(root, ignore_errors=True)
    build(t, "install", folder="lib", DESTDIR=root, prefix="/usr")
    library = root / "usr/lib/liblikex.so.1"
    t.check("[liblikex.so.1]" in t.run(["readelf", "-d", library]).stdout, "the soname is not liblikex.so.1")
    found = variables(t, pathlib.Path(t.build) / "tools/lib/all.o")
    t.check(not found, f"global or static variables: {' '.join(found)}")
    names = exported(t, library)
    t.check(names and all(name.startswith("likex_") and name.endswith("@@LIKEX_0.2") for name in names),
            f"exported: {' '.join(sorted(names))}")
    header = "".join(path.read_text() for path in (root / "usr/include/likex").iterdir())
    missing = {name.split("@")[0] for name in names} - set(re.findall(r"likex_\w+", header))
    t.check(not missing, f"exported but in no header: {' '.join(sorted(missing))}")
    flags = t.run(["pkg-config", "--cflags", "--libs", "liblikex"],
                  env={"PKG_CONFIG_PATH": str(root / "usr/lib/pkgconfig")}).stdout.split()
    t.check("-llikex" in flags, f"pkg-config says {' '.join(flags)}")
    pages = [*(root / "usr/share/man/man3").iterdir(), t.top / "tools/preload/liblikex-preload.7"]
    undescribed = {name.split("@")[0] for name in names} - {page.stem for page in pages}
    t.check(not undescribed, f"without a man page: {' '.join(sorted(undescribed))}")
    for page in sorted(pages):
        said = t.run(["man", "--warnings", "-l", "-Tutf8", page], env={"MANPATH": str(root / "usr/share/man"),
                                                                       "MANROFFSEQ": "", "LC_ALL": "C.UTF-8"}).stdout
        t.check(page.stem in said.split("DESCRIPTION")[0], f"{page.name} does not name {page.stem}")
        t.check("warning" not in said.lower(), f"{page.name}:\n" + said[-500:])
    t.note(f"{len(names)} names exported, all of version LIKEX_0.2")
