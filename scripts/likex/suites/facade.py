# SPDX-License-Identifier: GPL-2.0
"""KVM's three descriptors: /dev/likex-kvm, and programs that know nothing of LiKeX.

The program `compat` expects what KVM does, and runs on both devices in one machine. Programs of the
other selftests run on /dev/likex-kvm, too, where they use each descriptor for its own.
"""

from .. import image, kernel, machine, series
from ..base import BUILD
from ..suite import Failure, Skip, test
from . import guest

DEVICE = "/dev/likex-kvm"

# Selftests that are not about the single descriptor, with smaller counts; each case passes, or says that it is.
OTHERS = ("fds", "life", "exits", "memory", "mmio", "vcpu", "msr", "clock", "stats", "event", "ioeventfd", "irqfd")
SMALLER = 20

_BOOTS = []


def _boot(t):
    """Run all steps once; return the outcome."""
    if not _BOOTS:
        tree = series.make()
        if not (tree / "tools/testing/selftests/likex/compat.c").exists():
            raise Skip("the series has no /dev/likex-kvm yet")
        built = kernel.build("host")
        folder = guest.selftests(tree)[0].parent
        steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
        steps += [guest.marked(f"compat {device}", ["env", f"LIKEX_DEV={device}", "/tests/compat"])
                  for device in (DEVICE, "/dev/kvm")]
        steps += [guest.marked(name, ["env", f"LIKEX_DEV={DEVICE}", f"/tests/{name}"], SMALLER) for name in OTHERS]
        steps.append(guest.marked("unload", ["rmmod", "likex"]))
        initrd = image.base(built, [folder / name for name in ("compat", *OTHERS)])
        _BOOTS.append(t.boot_once(machine.for_kernel(built, cpus=2), built, initrd, steps, BUILD / "run" / "facade", limit=900))
    return _BOOTS[0]


def _step(t, name):
    """Return a step that ran to its end in peace, or fail the test."""
    outcome = _boot(t)
    found = outcome.step(name)
    if found.status is None:
        raise Failure(f"{name} was not ended: {outcome.verdict}\n{found.text}\n" + "\n".join(outcome.tail()))
    complaints = guest.reports(outcome, name)
    t.check(not complaints, f"the kernel complains in {name}:\n" + guest.section(outcome, name))
    return found


def _cases(t, name, prefix="", skips=()):
    """Fail unless all cases of a step whose names begin so passed; skips: reasons for which one may be left out."""
    found = _step(t, name)
    said = (found.out + found.err).decode(errors="replace")
    verdicts = {case: verdict for case, verdict in guest.cases(found).items() if case.split(".")[-1].startswith(prefix)}
    t.check(verdicts, f"{name}: no case {prefix}* was run\n{said}")
    bad = [case for case, verdict in verdicts.items() if verdict == "not ok"]
    t.check(not bad and (prefix or found.status == 0), f"{name}: failed: {' '.join(bad)}\n{said}")
    skipped = [line for line in found.text.splitlines() if "# SKIP" in line and prefix in line]
    unknown = [line for line in skipped if not any(reason in line for reason in skips)]
    t.check(not unknown, f"{name}: skipped:\n" + "\n".join(unknown))
    t.note(f"{name}: {len(verdicts) - len(skipped)} passed" + f", {len(skipped)} left out" * bool(skipped))


@test("facade.lifetime")
def lifetime(t):
    "Descriptors and mappings end in each order, over fork, exec and sockets; guests run; the same program passes on KVM."
    for device in (DEVICE, "/dev/kvm"):
        _cases(t, f"compat {device}", "lifetime_")


@test("facade.errors")
def errors(t):
    "Each descriptor refuses what belongs to the others; bad arguments, mappings, limits; the same program passes on KVM."
    _cases(t, f"compat {DEVICE}", "errors_")
    _cases(t, "compat /dev/kvm", "errors_", ("KVM has more", "KVM's limit is its own"))


@test("facade.selftests")
def selftests(t):
    "The other selftests pass on /dev/likex-kvm, except those of the single descriptor; then the module can be unloaded."
    for name in OTHERS:
        _cases(t, name, skips=("of one descriptor", "another VM is made", "grows, with nothing behind it"))
    t.check(_step(t, "unload").status == 0, "the module cannot be unloaded")
    outcome = _boot(t)
    outcome.require_done()
    t.check(not outcome.reports(), "the kernel complains: " + "; ".join(outcome.reports()[:3]))


@test("debug.facade", lane="debug")
def debug(t):
    "On the debug kernel: KVM's three descriptors, their lives and errors."
    guest.step(t, "debug", "load")
    guest.chosen(t, guest.step(t, "debug", "compat"), ["*.lifetime_*", "*.errors_*"])
