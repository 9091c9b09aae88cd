# SPDX-License-Identifier: GPL-2.0
"""KVM's own selftests on /dev/likex-kvm: each has a verdict in Documentation/kvm-selftests.md.

They are built dynamically, so that the preload library serves them. They create KVM's whole irqchip, for which
the library gives them the local APICs alone.
"""

import collections
import pathlib
import re

from .. import image, kernel, machine, program, series
from ..base import BUILD, LOGS, TOP, lock, logged, write
from ..layout import API
from ..suite import Skip, test
from . import guest

TABLE = TOP / "Documentation" / "kvm-selftests.md"
FOLDER = "tools/testing/selftests/kvm"
# pthread_cancel() loads it by name.
LIBGCC = "libgcc_s.so.1"
ROW = re.compile(r"^\| `(\w+)( [^`]*)?` \| ([a-z ]+)(?:: (.*?))? \|$", re.M)
LIMIT, LONG_LIMIT = 100, 3000   # seconds in the machine

PASSES, SKIPS, OUT, LONG = "passes", "skips itself", "out of scope", "passes in minutes"
Verdict = collections.namedtuple("Verdict", "words kind reason")


def verdicts():
    """Return {name of a selftest: Verdict}, as the document has them."""
    return {name: Verdict((words or "").split(), kind, reason) for name, words, kind, reason in ROW.findall(TABLE.read_text())}


def _names(tree):
    return re.findall(r"^TEST_GEN_PROGS_x86_64 \+?= (\S+)$", (tree / FOLDER / "Makefile").read_text(), re.M)


def _build(tree):
    """Build all of them; return their paths."""
    out, log, env = BUILD / "tools" / "kvm-selftests-shared", LOGS / "kvm-selftests-shared.log", kernel.environment()
    headers = out / "headers"
    headers.mkdir(parents=True, exist_ok=True)
    paths = [out / name for name in _names(tree)]
    with lock(BUILD / "tools" / "kvm-selftests-shared.lock"):
        logged("kernel headers", ["make", "-C", tree, f"O={headers}", "headers_install"], log, env=env)
        logged("KVM's selftests", ["make", "-C", tree / FOLDER, f"OUTPUT={out}", "-j2",
                                   f"KHDR_INCLUDES=-isystem {headers}/usr/include", "CC=ccache gcc -s", *paths],
               log, env=env, append=True)
    return paths


def _libgcc(t):
    said = t.run(["gcc", f"-print-file-name={LIBGCC}"]).stdout.strip()
    return [(pathlib.Path(said), f"{program.LINKED}/{LIBGCC}")] if said != LIBGCC else []


def _step(name, words, limit=LIMIT):
    command = ["timeout", str(limit), f"/kvm/{name}", *words]
    return guest.marked(name, ["env", "LIKEX_PRELOAD_IRQCHIP=split", *program.on_likex(command)])


def _seen(step, had):
    """Return the verdict that a run gives; what only a person knows comes from the document."""
    said = step.text + step.err.decode(errors="replace")
    skip = re.search(r"^1\.\.0 # SKIP - (?:Requirement not met: )?(.*)$", said, re.M)
    if step.status == 0:
        return had if had.kind == LONG else Verdict(had.words, PASSES, "")
    if step.status == 4:
        return Verdict(had.words, SKIPS, skip[1].strip() if skip else had.reason)
    return Verdict(had.words, OUT, had.reason if had.kind == OUT else f"? exit status {step.status}")


def _row(name, verdict):
    reason = f": {verdict.reason}" if verdict.reason else ""
    return f"| `{' '.join([name, *verdict.words])}` | {verdict.kind}{reason} |"


@test("apps.kvm-selftests")
def kvm_selftests(t):
    "Each of KVM's own selftests has the verdict that the document says: passes, skips itself, or is out of scope."
    tree, known = series.make(), verdicts()
    if "KVM_CAP_USER_MEMORY2" not in (tree / API).read_text():
        raise Skip("the series lacks an ioctl that all of them need")
    paths = {path.name: path for path in _build(tree)}
    t.check(set(paths) == set(known), f"the document and the folder differ in {sorted(set(paths) ^ set(known))}")
    _run(t, paths, known, [name for name in paths if known[name].kind != LONG], LIMIT, memory=1024)
    _reasons(t, tree, known)
    for kind in (PASSES, SKIPS, OUT, LONG):
        names = [name for name, verdict in known.items() if verdict.kind == kind]
        t.note(f"{kind}: {len(names)}")


@test("apps.kvm-selftests-long", exhaustive=True)
def kvm_selftests_long(t):
    "KVM's own selftests that take minutes in the emulated machine, or gigabytes, pass."
    paths, known = {path.name: path for path in _build(series.make())}, verdicts()
    for name in paths:
        if known[name].kind == LONG:
            _run(t, paths, known, [name], LONG_LIMIT, memory=2048)


def _run(t, paths, known, chosen, limit, memory):
    """Run selftests in one machine; each must give the verdict that is known."""
    files = [(paths[name], f"kvm/{name}") for name in chosen] + _libgcc(t)
    built, added = kernel.build("host"), program.archive(files, kvm_program=True)
    steps = [guest.marked("load", ["sh", "-c", "modprobe kvm_intel; modprobe likex"])]
    steps += [_step(name, known[name].words, limit) for name in chosen]
    outcome = t.boot_once(machine.for_kernel(built, cpus=2, memory=memory), built, image.base(built) + added.bytes(), steps,
                          BUILD / "run" / "kvm-selftests", limit=max(2400, limit))
    seen = known | {name: _seen(outcome.step(name), known[name]) for name in chosen if outcome.step(name).status is not None}
    write(t.results / "table", "".join(f"{_row(name, verdict)}\n" for name, verdict in seen.items()))
    outcome.require_done()
    t.check(not outcome.reports(), "the kernel complains: " + "; ".join(outcome.reports()[:3]))
    wrong = [f"{_row(name, seen[name])}\n{outcome.step(name).text[-800:]}{outcome.step(name).err.decode(errors='replace')[-800:]}"
             for name in chosen if seen[name] != known[name]]
    t.check(not wrong, "not as the document says; the new table is in the results:\n" + "\n".join(wrong))


def _reasons(t, tree, known):
    """Each selftest that is out of scope is so by a line of api.rst, which the table quotes."""
    text = " ".join((tree / API).read_text().replace("``", "").split())
    for name, verdict in known.items():
        if verdict.kind == OUT:
            quoted = re.findall(r'"([^"]+)"', verdict.reason)
            t.check(quoted and all(quote in text for quote in quoted), f"{name}: no line of api.rst says {verdict.reason}")
