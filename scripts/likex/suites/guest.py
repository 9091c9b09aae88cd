# SPDX-License-Identifier: GPL-2.0
"""Guests on /dev/likex: the kernel's selftests of LiKeX, and the programs that the project began with.

A boot costs more than most of these tests, so all of them run in one machine, as
its steps, and each test reports what became of its own: guest.* and some of
host.* on the usual kernel, debug.* the same on the debug kernel.
"""

import dataclasses
import fnmatch
import re

from .. import image, kernel, machine, series
from ..base import BUILD, LOGS, lock, logged
from ..suite import Failure, Skip, test
from .machine import LEAKS

PROGRAMS = ("life", "create", "run_area", "fds", "errors", "exits", "memory", "mmu", "mmu_pages", "process", "mmio", "vcpu", "cpu", "fpu", "msr", "clock", "walk",
            "strings", "insns", "stats", "event", "debug", "save", "fuzz", "both", "compat", "ioeventfd", "irqfd", "host")

# The tests of interrupts: see irq.py. On the debug kernel they run with the others.
INTERRUPTS = ("irq_lapic", "irq_deliver", "irq_timer", "irq_ipis", "irq_save", "irq_fuzz", "irq_page")
DEBUG_INTERRUPTS, DEBUG_LATE_MS = 100, 20       # divides their counts there; how late a timer may be
DEBUG_LONG = ("irq_timer", "irq_ipis", "irq_save")      # more than half of that boot's time: only with --exhaustive

# Those that run on KVM, too: the same fault was KVM's (fds), or they show that a behaviour is KVM's.
ON_KVM = ("fds", "ioeventfd", "irqfd")

# Test: (what it shows, {step: patterns of the cases in it that it is about}).
TESTS = {
    "guest.one-fd": ("The whole life of a VM takes one descriptor.", {"life": ["*.one_fd"]}),
    "guest.many-opens": ("16 VMs at once, each of its own open; some go while others run.", {"life": ["*.many_opens"]}),
    "guest.kill": ("SIGKILL in the middle of 100 runs leaves no memory and no reference behind.",
                   {"life": ["*.sigkill"]}),
    "life.batched": ("A VM by one call has the state of one by single calls, and runs; vCPUs that share a run area.",
                     {"create": ["*.runs", "*.same_state", "list.one_vm", "list.race", "list.*eventfd*", "list.three_*"],
                      "run_area": ["*"]}),
    "life.errors": ("Each element of a list is wrong in turn: its errno, its index, and nothing is left of the VM.",
                    {"create": ["list.bad_*", "list.no_*", "list.order", "list.wrong_*", "list.list_*", "list.failed_*", "list.too_long"]}),
    "guest.fds": ("Close against a running ioctl and by io_uring, mappings, fork, exec, descriptors over sockets.",
                  {"fds": ["*"]}),
    "guest.errors": ("A table of wrong calls: each has its errno, and the VM works after each.", {"errors": ["*"]}),
    "guest.exits": ("PIO of each width, HLT, shutdown, failed entries, CPUID, signals, registers in the run page.",
                    {"exits": ["*"]}),
    "guest.slots": ("64 pages in several slots, a pattern in each; slots move, go, are read-only.",
                    {"memory": ["*.slot*"]}),
    "guest.notifier": ("Memory given back, unmapped, forked, collapsed and split under a guest: every byte is right.",
                       {"memory": ["notifier.*", "*.fault_race", "huge.*"]}),
    "guest.process": ("Many VMs in a process: memory is taken from those that have it, while slots and VMs come and go.",
                      {"process": ["*"]}),
    "mmu.drop": ("Memory of each kind is given back, replaced and moved under two vCPUs: no stale page, no write to what is gone.",
                 {"mmu": ["drop.*"]}),
    "mmu.file": ("Holes are punched in a file and it is truncated under two vCPUs; while it is short they cannot go on.",
                 {"mmu": ["file.*"]}),
    "mmu.keep": ("Memory is protected, moved, forked, collapsed and split under two vCPUs: each write is there, each counted.",
                 {"mmu": ["keep.*", "*.collapse_and_split"]}),
    "mmu.userfault": ("Pages that userfaultfd protects stand still until they are free; those that are missing come from it.",
                      {"mmu": ["*.userfault_*"]}),
    "mmu.kinds": ("No secret memory, the zero page only to read; a read leaves free pages free, a write does not; neighbours are in their places.",
                  {"mmu_pages": ["*.secretmem", "*.zero_page", "*.lazy_free", "*.neighbours", "*.protection"]}),
    "mmu.faults": ("The number of faults for pages that are there is as computed: one for 16 pages, one for each clean page.",
                   {"mmu_pages": ["*.fault_count"]}),
    "mmu.tables": ("The number of page tables is as computed: they stay for their slot, and make room for a large page.",
                   {"mmu_pages": ["*.tables", "*.large_again"]}),
    "guest.mmio": ("Reads, writes, fetches, page walks and events without a slot: the right exit for each.",
                   {"mmio": ["*"]}),
    "guest.two-vcpus": ("Two threads, two vCPUs, one counter.", {"vcpu": ["*.two_vcpus", "*.one_*"]}),
    "guest.modes": ("Real, protected and long mode.", {"vcpu": ["*_mode*", "*.modes_in_turn"]}),
    "guest.move": ("A vCPU is thrown between processors 10,000 times; FPU and segments stay right, here and there.",
                   {"vcpu": ["*.move"]}),
    "guest.tamper": ("Somebody writes to the run page all the time.", {"vcpu": ["*.tamper*"]}),
    "vcpu.cpuid": ("CPUID: get and set, what follows from registers, what is refused after a run.",
                   {"cpu": ["*.cpuid_*"]}),
    "vcpu.control": ("Control registers as CPUID allows them, by ioctl and in the guest; SREGS2.",
                     {"cpu": ["*.cr?_*", "*.efer*", "*.smap_smep", "*.fsgsbase", "*.pcid", "*.sregs2*"]}),
    "vcpu.xsave": ("FPU, XSAVE and XCRS: round trips, and what is refused.", {"fpu": ["*.fpu_*", "*.xsave*", "*.xcrs"]}),
    "vcpu.fpu": ("Two guests, the host and a program compute with all registers; nothing goes from one to another.",
                 {"fpu": ["*.fpu", "*.fresh"]}),
    "vcpu.msrs": ("MSRs, for user space and the guest: what there is, who may write what; filters, and exits for them.",
                  {"msr": ["*"]}),
    "vcpu.clock": ("TSC, kvmclock and steal time agree with the host's and never run back, over moves and pauses.",
                   {"clock": ["*"]}),
    "vcpu.translate": ("KVM_TRANSLATE in each way of paging.", {"walk": ["*.translate_*"]}),
    "vcpu.strings": ("INS and OUTS with REP: data, faults, segments, no memory, single step.", {"strings": ["*.string_*"]}),
    "vcpu.exits": ("Each instruction that leaves the guest: what it does, or its exception.", {"insns": ["*.insn_*"]}),
    "vcpu.stats": ("KVM_GET_STATS_FD: its format, what is counted, how long it lives.", {"stats": ["*.stats_*"]}),
    "vcpu.events": ("Each exception, NMIs and interrupts: when the guest takes them, and saved and set by user space.",
                    {"event": ["event.*"]}),
    "vcpu.debug": ("Debug registers; a guest stepped through, and stopped by breakpoints of a debugger.",
                   {"debug": ["debug.*"]}),
    "vcpu.save": ("A computing guest goes through 1,000 VMs, each in a process of its own, with all its state; and is right.",
                  {"save": ["*.save*"]}),
    "vcpu.fuzz": ("20,000 random states: refused as documented, or a defined exit; each failed entry is explained.",
                  {"fuzz": ["*.fuzz*"]}),
    "both.guests": ("VMs of KVM and of LiKeX on one processor, 100,000 exits each.", {"both": ["*"]}),
    "both.uring-close": ("A VM of KVM whose only thread closes it from within its own KVM_RUN, by io_uring.",
                         {"fds-kvm": ["*.uring_close"]}),
    "irq.ioeventfd": ("KVM_IOEVENTFD: which writes signal, collisions, removal; storms, changes and close under fire.",
                      {"ioeventfd": ["*.ioeventfd_*"]}),
    "irq.ioeventfd-kvm": ("The same program on KVM: it expects what KVM does.", {"ioeventfd-kvm": ["*.ioeventfd_*"]}),
    "irq.irqfd": ("KVM_IRQFD, KVM_SET_GSI_ROUTING, KVM_IRQ_LINE: events, wake-ups; storms, changes and close under fire.",
                  {"irqfd": ["*.irqfd_*"]}),
    # All but irqfd_resample_shared, which KVM cannot do.
    "irq.irqfd-kvm": ("The same program on KVM with a split irqchip: it expects what KVM does.",
                      {"irqfd-kvm": ["*.irqfd_[!r]*", "*.irqfd_r[!e]*", "*.irqfd_reroute", "*.irqfd_resample"]}),
    "host.open": ("open() of the device allocates nothing; of two threads that make a VM, one does.",
                  {"life": ["*.open", "*.create_race"]}),
    "host.spin": ("A guest that spins leaves the host its clock, its work and its signals.", {"host": ["*.spin*"]}),
    "host.hotplug": ("The second processor goes and comes ten times under running VMs.", {"host": ["*.hotplug"]}),
}

MARK = "likex-test: step"
TRACE = "--- trace"
# The guest of seed 000 with the tracepoint on; the trace follows after a line of its own.
TRACED = """
events=/sys/kernel/tracing/events/likex/likex_exit/enable
echo 1 >$events || exit 9
misc --registers $1
status=$?
echo 0 >$events
echo '{trace}'
cat /sys/kernel/tracing/trace
echo >/sys/kernel/tracing/trace
exit $status
""".format(trace=TRACE)

# Modules that no VM holds any more can be unloaded. A process that had a VM goes on after that.
UNLOAD = """
set -eu
dir=$(mktemp -d)
mkfifo $dir/go
LIKEX_TEST_OUTLIVE=1 /tests/process <$dir/go >$dir/said &
exec 3>$dir/go
until grep -q ready $dir/said; do sleep 0.1; done
rmmod likex
rmmod kvm_intel
echo >&3
wait $!
"""

# A processor that has AVX-512, UMIP and TSC scaling. Linux, not LiKeX, prints messages about it when modules load.
AVX512 = "corei7_icelake_u"
AVX512_PROGRAMS = ("cpu", "fpu", "clock")
# One without APIC virtualization, FSGSBASE, INVPCID and PAUSE-loop exiting, and one that has all of them.
LEAN, NEWEST = "corei7_sandy_bridge_2600k", "arrow_lake"

# Another quantum interleaves the processors differently; with --exhaustive all of these, and the whole counts.
QUANTA = (7, 32, 113, 250, 1000)
PARALLEL, PARALLEL_SCALE = "mmu_parallel", 20

# Without its tables in byte code, which the debug kernel interprets for a minute.
APPEND = {"debug": "acpi=ht"}

# Each is used by the tests of one lane.
_BOOTS = {}


def _source(tree):
    """Return the selftests' folder, or skip the test where the series has none."""
    folder = tree / "tools/testing/selftests/likex"
    if not folder.exists():
        raise Skip("the series has no LiKeX selftests yet")
    return folder


def selftests(tree):
    """Build the selftests, static; return their paths."""
    out, log = BUILD / "tools" / "selftests", LOGS / "selftests.log"
    env, headers = kernel.environment(), BUILD / "tools" / "headers"
    source = _source(tree)
    out.mkdir(parents=True, exist_ok=True)
    headers.mkdir(parents=True, exist_ok=True)
    with lock(BUILD / "tools" / "selftests.lock"):
        logged("kernel headers", ["make", "-C", tree, f"O={headers}", "headers_install"], log, env=env)
        # Stripped: the same bytes from each build, where a symbol is the name of the compiler's temporary file.
        logged("LiKeX's selftests", ["make", "-C", source, f"OUTPUT={out}", "-j2", "CC=ccache gcc", "USERCFLAGS=-Werror",
                                     "USERLDFLAGS=-s -Wl,--build-id=none",
                                     f"KHDR_INCLUDES=-isystem {headers}/usr/include"], log, env=env, append=True)
    return [out / name for name in (*PROGRAMS, *INTERRUPTS, PARALLEL)]


def marked(name, command, scale=1):
    """Return a step whose beginning can be seen on the console, with counts divided by a scale."""
    words = f'echo "<3>{MARK} {name}" >/dev/kmsg; export LIKEX_TEST_SCALE={scale}; exec "$0" "$@"'
    return machine.Step(name, ["sh", "-c", words, *command])


def _steps(flavour, exhaustive):
    scale = 20 if flavour in ("debug", LEAN, NEWEST) else 1
    steps = [marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
    if flavour in (AVX512, LEAN, NEWEST):
        programs = AVX512_PROGRAMS if flavour == AVX512 else PROGRAMS
        return steps + [marked(name, [f"/tests/{name}"], scale) for name in programs]
    steps += [marked("misc", ["sh", "-c", TRACED, "sh"]), marked("misc-cpuid", ["sh", "-c", TRACED, "sh", "--cpuid"]),
              marked("hello", ["hello", "/dev/likex"])]
    steps += [marked(name, [f"/tests/{name}"], scale) for name in PROGRAMS]
    steps += [marked(f"{name}-kvm", ["env", "LIKEX_DEV=/dev/kvm", f"/tests/{name}"], scale) for name in ON_KVM]
    if flavour == "debug":
        steps += [marked(name, ["env", f"LIKEX_TEST_LATE_MS={DEBUG_LATE_MS}", f"/tests/{name}"], DEBUG_INTERRUPTS)
                  for name in INTERRUPTS if exhaustive or name not in DEBUG_LONG]
    steps.append(marked("unload", ["sh", "-c", UNLOAD]))
    if flavour == "debug":
        steps.append(marked("kmemleak", ["sh", "-c", LEAKS]))
    return steps


def boot(t, flavour):
    """Run all steps on a kernel, or on the usual one and a processor of another model, once; return the outcome."""
    if flavour not in _BOOTS:
        tree = series.make()
        programs, built = selftests(tree), kernel.build("debug" if flavour == "debug" else "host")
        if flavour != "debug":
            programs = programs[:len(PROGRAMS)]
        chosen = {} if flavour in ("host", "debug") else {"model": flavour}
        target, initrd = machine.for_kernel(built, cpus=2, **chosen), image.base(built, programs)
        # On the usual kernel and processor guests run in each run of the tests, whatever has passed before.
        start = machine.boot if flavour == "host" else t.boot_once
        _BOOTS[flavour] = start(target, built, initrd, _steps(flavour, t.exhaustive), BUILD / "run" / f"guests-{flavour}",
                                append=APPEND.get(flavour, ""), limit=3600 if flavour == "debug" else 900)
    return _BOOTS[flavour]


def section(outcome, name):
    """Return what the kernel said while a step ran."""
    text = outcome.console.decode(errors="replace")
    found = re.search(rf"{MARK} {re.escape(name)}\n(.*?)(?=[^\n]*{MARK} |\Z)", text.replace("\r", ""), re.DOTALL)
    return found[1] if found else ""


def reports(outcome, name):
    """Return the lines in which the kernel complains while a step ran."""
    part = machine.Outcome(outcome.verdict, [], section(outcome, name).encode(), kind=outcome.kind)
    return part.reports()


def step(t, flavour, name):
    """Return a step of the boot, or fail the test if it did not run to its end in peace."""
    outcome = boot(t, flavour)
    found = outcome.step(name)
    complaints = reports(outcome, name)
    if found.status is None:
        started = f"{MARK} {name}\n" in outcome.console.decode(errors="replace").replace("\r", "")
        before = [one.name for one in outcome.steps if one.status is not None]
        raise Failure(f"{name} was {'not ended' if started else 'never started'}: {outcome.verdict} after "
                      f"{before[-1] if before else 'nothing'}\n" + "\n".join([*_said(found), *outcome.tail()]))
    t.check(not complaints, f"the kernel complains in {name}:\n" + section(outcome, name))
    return found


def _said(found):
    return (found.out + found.err).decode(errors="replace").splitlines()


def cases(found):
    """Return what a selftest reports: {case: "ok", "not ok" or "skip"}."""
    verdicts = {}
    for verdict, name, skip in re.findall(r"^(ok|not ok) \d+ (\S+)(.*)$", found.text, re.MULTILINE):
        verdicts[name] = "skip" if verdict == "ok" and "SKIP" in skip else verdict
    return verdicts


def _planned(found):
    plan = re.search(r"^1\.\.(\d+)$", found.text, re.MULTILINE)
    return int(plan[1]) if plan else None


def _about(found, case):
    """Return what a selftest says of a case: messages carry the case's bare name."""
    name = case.split(".")[-1]
    return [line for line in _said(found) if f":{name}:" in line or line.startswith(f"# {name}:")]


def chosen(t, found, globs):
    """Note the cases that match; fail unless there are some, and all of them passed."""
    verdicts = cases(found)
    chosen = [name for name in verdicts if any(fnmatch.fnmatch(name, glob) for glob in globs)]
    for glob in globs:
        t.check(any(fnmatch.fnmatch(name, glob) for name in chosen),
                f"{found.name}: no case {glob} was run:\n" + "\n".join(_said(found)[-15:]))
    for name in chosen:
        for line in _about(found, name):
            t.note(line)
    bad = [name for name in chosen if verdicts[name] == "not ok"]
    # A case that ends its own process prints its message without its name.
    t.check(not bad, f"{found.name}: failed: {' '.join(bad)}\n" + "\n".join(_said(found)))
    skipped = [name for name in chosen if verdicts[name] == "skip"]
    t.check(not skipped, f"{found.name}: skipped: {' '.join(skipped)}\n" + "\n".join(_said(found)))
    t.check(len(verdicts) == _planned(found), f"{found.name}: {len(verdicts)} cases, planned {_planned(found)}")
    t.note(f"{found.name}: {' '.join(chosen)}")


def _register(name, flavour, text, steps):
    def run(t):
        step(t, flavour, "load")
        for program, globs in steps.items():
            chosen(t, step(t, flavour, program), globs)
    run.__doc__ = text
    test(name, lane="debug" if flavour == "debug" else None)(run)


def _seed(t, flavour, name, exits, last):
    """The guest of seed 000: what it prints, and RIP at each exit, for user space and by the tracepoint."""
    found = step(t, flavour, name)
    printed, _, trace = found.text.partition(TRACE + "\n")
    t.check(found.status == 0, f"exit status {found.status}: {_said(found)}")
    t.check(printed == "exit io:4\nexit io:\n\n", f"it printed {printed!r}")
    rips = [int(rip, 16) for rip in re.findall(r"^rip (\S+)$", found.err.decode(), re.MULTILINE)]
    t.check(rips == [0x7, 0xa, last], f"RIP by KVM_GET_REGS: {rips}")
    seen = [(reason, int(rip, 16)) for reason, rip in
            re.findall(r" likex_exit: .*?reason (\w+) rip 0x([0-9a-f]+) ", trace)]
    # The host's interrupts and the first touch of the page come where they come.
    seen = [one for one in seen if one[0] not in ("EXTERNAL_INTERRUPT", "EPT_VIOLATION")]
    t.check(seen == exits, f"exits by the tracepoint: {seen}")
    t.note(" ".join(f"{reason}@{rip:#x}" for reason, rip in seen))


def _misc(t, flavour):
    _seed(t, flavour, "misc", [("IO_INSTRUCTION", 0x7), ("IO_INSTRUCTION", 0xa), ("HLT", 0xb)], 0xc)


def _misc_cpuid(t, flavour):
    _seed(t, flavour, "misc-cpuid",
          [("IO_INSTRUCTION", 0x7), ("IO_INSTRUCTION", 0xa), ("CPUID", 0x10), ("HLT", 0x12)], 0x13)


def _hello(t, flavour):
    found = step(t, flavour, "hello")
    t.check(found.text == "guest on /dev/likex says: 4\nguest halted\n" and found.status == 0, f"{_said(found)}")
    chosen(t, step(t, flavour, "life"), ["*.hello"])


def _unload(t, flavour):
    found, outcome = step(t, flavour, "unload"), boot(t, flavour)
    t.check(found.status == 0, f"exit status {found.status}: {_said(found)}")
    outcome.require_done()
    # Before the first step, too: a kernel that has complained once may hold its tongue from then on.
    t.check(not outcome.reports(), "the kernel complained:\n" + "\n".join(outcome.reports()))
    t.check(outcome.taint == 0, f"the kernel is tainted: {outcome.taint}")


@test("guest.seed-misc")
def seed_misc(t):
    "The test program of seed 000: `exit io:4`, `exit io:` and a newline, HLT; RIP at each exit is as it should be."
    _misc(t, "host")


@test("guest.seed-misc-cpuid")
def seed_misc_cpuid(t):
    "The test program of seed 000 with a CPUID before HLT, which does not come to user space."
    _misc_cpuid(t, "host")


@test("guest.hello")
def hello(t):
    "The guest of seed 002 says Hello three times, with KVM_EXIT_HLT between; the tools' hello says 4."
    _hello(t, "host")


@test("guest.unload")
def unload(t):
    "After all the tests of guests nothing holds the module, and the kernel has complained of nothing since its start."
    _unload(t, "host")


@test("vcpu.fpu-avx512", lane="guest-avx512")
def fpu_avx512(t):
    "On a processor with AVX-512: ZMM and mask registers never leak."
    chosen(t, step(t, AVX512, "fpu"), ["*.new_fpu_avx512", "*.fpu*", "*.xsave*", "*.fresh"])
    chosen(t, step(t, AVX512, "cpu"), ["*.new_umip", "*.cr4_features"])


@test("vcpu.clock-scaled", lane="guest-avx512")
def clock_scaled(t):
    "vcpu.clock on a processor with TSC scaling: a guest's TSC has the frequency that it was given."
    chosen(t, step(t, AVX512, "clock"), ["*"])


def _all_on(t, model):
    for name in ("load", *PROGRAMS):
        found = step(t, model, name)
        t.check(found.status == 0, f"{name}: exit status {found.status}:\n" + "\n".join(_said(found)))
        for case, verdict in cases(found).items():
            if verdict == "skip":
                t.note(f"not there: {case}")
    boot(t, model).require_done()


@test("vcpu.lean", lane="guest-lean")
def lean(t):
    "All guests, with smaller counts, on a processor without APIC virtualization, FSGSBASE and PAUSE-loop exiting."
    _all_on(t, LEAN)


@test("vcpu.newest", exhaustive=True, lane="guest-newest")
def newest(t):
    "All guests, with smaller counts, on a processor with TSC scaling, posted interrupts, and no Meltdown."
    _all_on(t, NEWEST)


@test("mmu.parallel", lane="guest-parallel")
def parallel(t):
    "Four vCPUs on two processors over the same 64 MB, while threads protect, move and drop it and change slots: by several quantum values."
    programs, built = [one for one in selftests(series.make()) if one.name == PARALLEL], kernel.build("host")
    for quantum in QUANTA if t.exhaustive else QUANTA[:2]:
        steps = [marked("load", ["modprobe", "likex"]),
                 marked(PARALLEL, [f"/tests/{PARALLEL}"], 1 if t.exhaustive else PARALLEL_SCALE)]
        target = dataclasses.replace(machine.for_kernel(built, cpus=2), quantum=quantum, memory=512)
        outcome = t.boot_once(target, built, image.base(built, programs), steps, BUILD / "run" / f"parallel-{quantum}",
                              limit=3600 if t.exhaustive else 300).require_done()
        t.check(not outcome.reports(), f"quantum {quantum}: the kernel complains: " + "; ".join(outcome.reports()[:3]))
        t.note(f"quantum {quantum}:")
        chosen(t, outcome.step(PARALLEL), ["*.parallel"])


@test("vcpu.fuzz-million", exhaustive=True, lane="fuzz")
def fuzz_million(t):
    "A million random states, from a seed of its own."
    # Parts, each within the time that the harness gives a test.
    part, parts = 50_000, 20
    tree = series.make()
    programs, built = [one for one in selftests(tree) if one.name == "fuzz"], kernel.build("host")
    steps = [machine.Step("load", ["modprobe", "likex"])]
    steps += [machine.Step(f"fuzz from {first}", ["env", "LIKEX_FUZZ_SEED=2", f"LIKEX_FUZZ_CASES={part}",
                                                  f"LIKEX_FUZZ_FIRST={first}", "/tests/fuzz"])
              for first in range(0, part * parts, part)]
    outcome = machine.boot(machine.for_kernel(built, cpus=2), built, image.base(built, programs), steps,
                           t.results / "run", limit=3 * 3600)
    sums = {}
    for one in steps:
        for kind, name, first, second in re.findall(r"^# (set|exit|entry:) (\S.*?) {2,}(\d+)(?:[^\d\n]+(\d+))?", one.text, re.M):
            had = sums.get((kind, name), (0, 0))
            sums[kind, name] = had[0] + int(first), had[1] + int(second or 0)
        if one.status != 0:
            t.note(f"{one.name}: exit status {one.status}\n" + "\n".join(_said(one)))
    for (kind, name), (first, second) in sums.items():
        t.note(f"{kind} {name}: {first}" + {"set": f", {second} refused", "entry:": f" failed, {second} not"}.get(kind, ""))
    outcome.require_done()
    t.check(all(one.status == 0 for one in steps), "each part passes")
    t.check(not outcome.reports(), "the kernel complains: " + "; ".join(outcome.reports()[:3]))


@test("debug.seeds", lane="debug")
def debug_seeds(t):
    "On the debug kernel: the guests of the seeds."
    _misc(t, "debug")
    _misc_cpuid(t, "debug")
    _hello(t, "debug")


for _name, (_text, _of) in TESTS.items():
    _register(_name, "host", _text, _of)
    # guest.errors and life.errors are two.
    _short = _name.replace(".", "-") if _name.startswith(("vcpu.", "life.")) else _name.split(".")[1]
    _register(f"debug.{_short}", "debug", f"On the debug kernel, with smaller counts: {_text}", _of)


@test("debug.unload", lane="debug")
def debug_unload(t):
    "On the debug kernel: nothing holds the module, and kmemleak finds nothing lost."
    _unload(t, "debug")
    found = step(t, "debug", "kmemleak")
    t.check(found.status == 0 and not found.out, f"kmemleak: {_said(found)}")
