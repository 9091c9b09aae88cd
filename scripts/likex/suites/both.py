# SPDX-License-Identifier: GPL-2.0
"""Two users of VMX on one machine: KVM, and the module that stands in for another hypervisor."""

import re

from .. import image, kernel, machine, packages, series
from ..base import BUILD, LOGS, TOP, lock, logged
from ..initramfs import Archive
from ..suite import Skip, test

HERE = TOP / "tools" / "tests" / "both"
PROGRAMS = BUILD / "tools" / "both"


def _built():
    """Return the kernel that these tests run on."""
    return kernel.build("host")


def _initrd(built):
    """Return the machine's file system with the programs of these tests."""
    packages.need("tools")
    with lock(BUILD / "tools" / "both.lock"):
        logged("tools/tests/both", ["make", "-C", HERE, f"O={PROGRAMS}"], LOGS / "both.log")
    programs = [PROGRAMS / "uret", PROGRAMS / "kexec", PROGRAMS / "same", *sorted(HERE.glob("*.sh"))]
    return image.base(built, programs)


def _boot(t, steps, *, built=None, initrd=None, name="run", cpus=2, limit=300, **more):
    """Run steps on two processors; note what they print, return the outcome."""
    built = built or _built()
    target = machine.for_kernel(built, cpus=cpus)
    outcome = t.boot_once(target, built, initrd or _initrd(built), steps, t.results / name, limit=limit, **more)
    for step in steps:
        for line in (step.out + step.err).decode(errors="replace").splitlines():
            t.note(f"{step.name}: {line}")
    return outcome


def _clean(t, outcome, allowed=None):
    """Fail unless the kernel had nothing to complain of."""
    reports = [line for line in outcome.reports() if not (allowed and re.search(allowed, line))]
    t.check(not reports, "the kernel complains: " + "; ".join(reports[:3]))


def _passed(t, outcome):
    """Fail unless each step ended with 0, on a kernel with nothing to complain of."""
    outcome.require_done()
    for step in outcome.steps:
        t.check(step.status == 0, f"{step.name}: exit status {step.status}")
    _clean(t, outcome)


def _numbers(text):
    """Return what is printed as "word number"."""
    return {word: int(number) for word, number in re.findall(r"(\w+) (\d+)\b", text)}


@test("both.order")
def order(t):
    "KVM and a second user of VMX come and go in every order 4 times (20): VMX is on where it is used, and only there."
    rounds = 20 if t.exhaustive else 4
    outcome = _boot(t, [machine.Step("order", ["order.sh", str(rounds)])], limit=1800)
    _passed(t, outcome)
    t.check(_numbers(outcome.steps[0].text)["rounds"] == rounds, f"{rounds} rounds")


@test("both.full")
def full(t):
    "KVM and a second user are refused if no place is left for an emergency callback; with a free place they work."
    outcome = _boot(t, [machine.Step("full", ["full.sh"])])
    _passed(t, outcome)
    t.check(_numbers(outcome.steps[0].text)["places"] == 4, "four places")


@test("both.uret")
def uret(t):
    "KVM guests keep their SYSCALL MSRs and TSC_AUX over 100,000 exits on each processor while a second user turns its own over."
    outcome = _boot(t, [machine.Step("load", ["load.sh", "100000"])], limit=1200)
    _passed(t, outcome)
    seen = _numbers(outcome.steps[0].text)
    t.check(seen["errors"] == 0, "the second user found its VMCSs and MSRs as it left them")
    t.check(seen["loads"] > 1000, f"the two met often enough to matter ({seen['loads']} times)")


@test("both.hotplug")
def hotplug(t):
    "The second processor goes and comes ten times under guests and a second user of VMX."
    _passed(t, _boot(t, [machine.Step("hotplug", ["hotplug.sh", "10"])]))


@test("both.debug", exhaustive=True)
def debug(t):
    "On the debug kernel, with smaller counts: each order once, guests and turns, hotplug; it complains of nothing."
    built = kernel.build("debug")
    for name, argv in (("load", ["load.sh", "2000"]), ("hotplug", ["hotplug.sh", "1"]), ("order", ["order.sh", "1"])):
        _passed(t, _boot(t, [machine.Step(name, argv)], built=built, name=name, limit=3600))


@test("both.suspend")
def suspend(t):
    "Both users of VMX come through a suspend to memory, as far as it can be tested without sleeping."
    steps = [machine.Step("suspend", ["suspend.sh", "3"])]
    outcome = _boot(t, steps)
    if steps[0].status == 4:
        raise Skip("the machine's firmware offers no suspend to memory")
    _passed(t, outcome)


def _next(built, initrd):
    """Return an archive that holds another kernel, and what that is to do, under /next."""
    arrived, there = [machine.Step("arrived", ["arrived.sh"])], Archive()
    job = Archive()
    job.file("job", machine.job(arrived), 0o644)
    there.file("next/kernel", built.image, 0o644)
    there.file("next/initrd", initrd + job.bytes(), 0o644)
    return there.bytes(), arrived


def _leave(t, how, words, allowed=None, append=""):
    """Leave the first kernel for a second and look around in that one."""
    built = _built()
    initrd = _initrd(built)
    there, arrived = _next(built, initrd)
    line = " ".join([machine.command_line(machine.Machine()), "both.next=1", words])
    steps = [machine.Step("leave", ["leave.sh", how, line]), *arrived]
    outcome = _boot(t, steps, built=built, initrd=initrd + there, append=append, limit=600)
    t.check(arrived[0].status == 0, f"after {how}, {outcome.verdict}: " + "; ".join(outcome.tail(3)))
    _clean(t, outcome, allowed)
    return arrived[0].text


@test("both.kexec")
def kexec(t):
    "kexec with both users of VMX at work: the next kernel starts both processors and VMX is usable on them."
    t.check("VMX on CPUs 0-1" in _leave(t, "kexec", ""), "VMX is usable on both processors")


@test("both.panic")
def panic(t):
    "A panic with both users of VMX at work: the crash kernel starts and VMX is usable in it."
    said = _leave(t, "panic", "nr_cpus=1 reset_devices", append="crashkernel=96M",
                  allowed=r"Kernel panic - not syncing: sysrq|Call Trace|sysrq: Trigger a crash")
    t.check("VMX on CPUs 0" in said, "VMX is usable")


@test("both.reboot")
def reboot(t):
    "A forced reboot with both users of VMX at work goes through."
    steps = [machine.Step("leave", ["leave.sh", "reboot"])]
    outcome = _boot(t, steps, append="loglevel=7")
    t.check("still here" not in steps[0].text, "the machine is left")
    # "machine restart" comes after, but is lost where a guest's processor is just writing to the console when stopped.
    t.check(b"reboot: Restarting system" in outcome.console and outcome.verdict == "died",
            f"{outcome.verdict}: " + "; ".join(outcome.tail(3)))
    _clean(t, outcome)


# Each tests KVM's use of VMX, its MSRs or its entry loop; its source says which.
SELFTESTS = ("cr4_cpuid_sync_test", "exit_on_emulation_failure_test", "get_msr_index_features",
             "max_vcpuid_cap_test", "platform_info_test", "set_boot_cpu_id", "set_sregs_test", "sync_regs_test",
             "triple_fault_event_test", "tsc_msrs_test", "userspace_io_test", "userspace_msr_exit_test",
             "vmx_msrs_test", "xcr0_cpuid_test")


def _selftests():
    """Build KVM's selftests from the kernel tree, static; return their paths."""
    tree, out, log = series.make(), BUILD / "tools" / "kvm-selftests", LOGS / "kvm-selftests.log"
    env, headers = kernel.environment(), BUILD / "tools" / "kvm-selftests" / "headers"
    headers.mkdir(parents=True, exist_ok=True)
    logged("kernel headers", ["make", "-C", tree, f"O={headers}", "headers_install"], log, env=env)
    paths = [out / "x86_64" / name for name in SELFTESTS]
    logged("KVM's selftests", ["make", "-C", tree / "tools/testing/selftests/kvm", f"OUTPUT={out}", "-j2",
                               f"KHDR_INCLUDES=-isystem {headers}/usr/include", "CC=ccache gcc -static", *paths],
           log, env=env, append=True)
    return paths


def _selftests_on(t, built, name):
    """Run KVM's selftests on a kernel; return {test: exit status}."""
    paths = _selftests()
    steps = [machine.Step("load", ["modprobe", "kvm_intel"])]
    steps += [machine.Step(path.name, [f"/tests/{path.name}"]) for path in paths]
    outcome = t.boot_once(machine.for_kernel(built, cpus=2), built, image.base(built, paths), steps,
                          t.results / name, limit=900)
    t.note(f"{name}: " + " ".join(f"{step.name}={step.status}" for step in steps[1:]))
    outcome.require_done()
    _clean(t, outcome)
    return {step.name: step.status for step in steps}


@test("both.kvm-selftests")
def kvm_selftests(t):
    "KVM's own selftests pass, as they do on an unpatched kernel."
    statuses = _selftests_on(t, _built(), "run")
    bad = [name for name, status in statuses.items() if status != 0]
    t.check(not bad, f"failed: {' '.join(bad)}")


@test("both.kvm-selftests-unpatched", exhaustive=True)
def kvm_selftests_unpatched(t):
    "On the kernel without the series, KVM's selftests give the same results."
    tree = series.worktree("unpatched", series.BASE)
    ours, theirs = _selftests_on(t, _built(), "run"), _selftests_on(t, kernel.build("host", tree), "unpatched")
    t.check(ours == theirs, f"on the patched kernel {ours}, on the unpatched {theirs}")


# Programs of both.same: in a usual run; with --exhaustive, and then so many in one boot.
SAME, SAME_ALL, SAME_PART = 2000, 200_000, 20_000


def _plain(text):
    """Return the words of a text without the marks of a comment."""
    return " ".join(text.replace("*", "").split())


def _undocumented(said):
    """Return the reasons, one a line, that are not words of the documents."""
    tree = series.make()
    paths = ("Documentation/virt/likex/api.rst", "include/uapi/linux/likex.h")
    text = " ".join(_plain((tree / path).read_text()) for path in paths)
    lines = dict.fromkeys(said.splitlines())
    return [line for line in lines if not line.startswith("time:") and _plain(line) not in text]


def _same_part(t, first, count):
    """Run programs from the first on; note the classes of differences, return how many came to their end."""
    command = ["same", "--first", str(first), "--count", str(count)]
    steps = [machine.Step("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"]),
             machine.Step("rules", ["same", "--rules"]), machine.Step("same", command)]
    built = _built()
    target = machine.for_kernel(built, cpus=1)
    outcome = t.boot_once(target, built, _initrd(built), steps, t.results / f"from-{first}", limit=1800)
    outcome.require_done()
    undocumented = _undocumented(outcome.step("rules").text)
    t.check(not undocumented, "no line of api.rst says: " + "; ".join(undocumented))
    said = outcome.step("same").text
    told = "\n".join(line for line in said.splitlines() if not line.startswith("# rule "))
    t.check(outcome.step("same").status == 0, f"{' '.join(command)}:\n{told[-8000:]}")
    _clean(t, outcome)
    return count - _numbers(said)["early"]


@test("both.same")
def same(t):
    "2,000 random programs (200,000) of ioctls and small guests do on /dev/likex-kvm what they do on KVM, or what api.rst says."
    count, part = (SAME_ALL, SAME_PART) if t.exhaustive else (SAME, SAME)
    whole = sum(_same_part(t, first, part) for first in range(0, count, part))
    t.note(f"{whole} of {count} programs came to their end; a documented difference ended the others")
    t.check(whole > count // 2, "most programs end early")
