# SPDX-License-Identifier: GPL-2.0
"""The patch series: it applies, comes back byte for byte, and each patch stands by itself."""

import contextlib
import functools
import inspect
import pathlib
import re
import shutil
import tempfile

from .. import foreign, kernel, layout, packages, parts, prose, rooms, series, source
from ..base import BUILD, Fail, TOP, cache, capture, digest, lock, write
from ..suite import ALONE, Failure, test


def _git(*words, **more):
    return series.git(*words, **more)


def _commits():
    """Return (commit, patch name) of each patch in the tree, first to last."""
    series.make()
    rows = _git("rev-list", "--reverse", f"{series.BASE}..HEAD").split()
    return list(zip(rows, series.names(), strict=True))


@test("series.applies")
def applies(t):
    """Each patch applies to a pristine tree: without fuzz, and on the recorded version without offset."""
    repository, version = source.pristine()
    recorded = source.recorded()[1]
    with tempfile.TemporaryDirectory() as scratch:
        env = {"GIT_INDEX_FILE": f"{scratch}/index", "GIT_DIR": str(repository)}
        capture(["git", "read-tree", "pristine"], env=env)
        for name in series.names():
            # git apply knows no fuzz; where it had to move a hunk it says "offset".
            words = ["git", "apply", "--cached", "--verbose", "--whitespace=error-all", series.PATCHES / name]
            said = t.run(words, env=env).stdout
            t.check(version != recorded or "offset" not in said, f"{name} needs offsets:\n{said}")
    t.note(f"{len(series.names())} patches on {version}, made on {recorded}")


@test("series.export-stable")
def export_stable(t):
    """Patches made into commits and written out again are the same, byte for byte."""
    series.make()
    head, made = _git("rev-parse", "HEAD"), series._stamp()
    t.check(head == made[1] and not series.dirty(), "build/linux has work that is not in patches/")
    with tempfile.TemporaryDirectory() as scratch:
        differ = series.differences(pathlib.Path(scratch))
    t.check(not differ, "\n".join(differ))


@test("series.export-keeps", lane="series-keeps")
def export_keeps(t):
    """No script loses a change in the tree or in patches/ unasked, and each refusal says how to go on."""
    with tempfile.TemporaryDirectory(dir=BUILD) as home:
        copy = _checkout(pathlib.Path(home) / "likex", 2)
        tree, last = copy / "build" / "linux", sorted((copy / "patches").glob("*.patch"))[-1]
        readme, kept = tree / "README", last.read_text()

        def git(*words):
            return series.git(*words, tree=tree, env=series.NOBODY)

        def does(*words):
            t.run([copy / "scripts" / "series", *words])

        def refuses(action, what):
            said = t.run([copy / "scripts" / "series", action], status=1).stdout
            t.check(what in said, f"scripts/series {action}: {said}")

        does("tree")
        git("checkout", "-q", "--detach", "HEAD~1")
        refuses("export", "not at the end of its branch")
        git("checkout", "-q", series.BRANCH)
        readme.write_text("work in progress\n")
        refuses("export", "not committed")
        does("tree")
        t.check(readme.read_text() == "work in progress\n", "`series tree` threw work away")
        git("commit", "-q", "-a", "--fixup=HEAD")
        refuses("export", "fold the fixups first")
        git("reset", "-q", "--hard", "HEAD~1")
        t.check(last.read_text() == kept, "patches/ changed")

        # Changed in patches/ only
        last.write_text(kept.replace("\n---\n", "\nOne more line.\n---\n", 1))
        refuses("export", "patches/ has changed")
        t.check("One more line." in last.read_text(), "export took the change back")
        does("tree")
        t.check("One more line." in git("log", "-1", "--format=%B"), "the tree has not followed")

        # Changed so that it does not apply; the developer resolves that in the tree
        last.write_text(kept.replace("\n-", "\n-no such line", 3))
        refuses("tree", "does not apply")
        readme.write_text("resolved by hand\n")
        git("commit", "-q", "-a", "-m", "resolved")
        for _ in range(2):
            refuses("tree", "has work")
        refuses("export", "patches/ has changed")
        t.check(readme.read_text() == "resolved by hand\n", "the work is gone")
        does("export", "--force")
        t.check("resolved" in (copy / "series").read_text(), "export --force did not write the tree's commits")
        does("tree")


def _checkout(where, count):
    """Make a checkout of its own, with only the first patches; return it."""
    chosen = series.names()[:count]
    for name in ("scripts", "tools/machine"):
        shutil.copytree(TOP / name, where / name, ignore=shutil.ignore_patterns("__pycache__"))
    (where / "patches").mkdir()
    for name in chosen:
        shutil.copy2(series.PATCHES / name, where / "patches" / name)
    rows = (TOP / "series").read_text().splitlines()
    write(where / "series", "".join(f"{row}\n" for row in rows if row.startswith("#") or row in chosen))
    capture(["git", "init", "-q", where])
    return where


@test("series.cache-moves", lane=ALONE)
def cache_moves(t):
    """A tree whose kernel source is elsewhere now (another LIKEX_CACHE, say) is whole again at the next command."""
    borrowed = series.make() / ".git" / "objects" / "info" / "alternates"
    kept = borrowed.read_text()
    try:
        write(borrowed, "/nowhere/objects\n")
        t.run([TOP / "scripts" / "series", "tree"])
        t.check(borrowed.read_text() == f"{source.pristine()[0] / 'objects'}\n", f"it borrows from {borrowed.read_text()}")
    finally:
        write(borrowed, kept)


# Not in every run: each file that the series touches is written anew, and what is built from it is built again.
@test("series.cut-off", exhaustive=True, lane=ALONE)
def cut_off(t):
    """A tree whose update was cut off is taken up again; the half that was applied is not taken for a developer's work."""
    tree = series.make()
    head, wanted = _git("rev-parse", "HEAD"), _git("rev-parse", "HEAD^{tree}")
    t.check(head == series._stamp()[1] and not series.dirty(), "build/linux has work that is not in patches/")
    write(tree / ".git" / "likex-series", f"updating {head}\n")
    _git("checkout", "-q", "-B", series.BRANCH, series.BASE)
    _git("am", "-q", *[series.PATCHES / name for name in series.names()[:3]], env=series.NOBODY)
    (tree / "MAINTAINERS").write_text("half\n")
    t.run([TOP / "scripts" / "series", "tree"])
    t.check(_git("rev-parse", "HEAD") == _git("rev-parse", series.BRANCH), "the tree is not on its branch")
    t.check(_git("rev-parse", "HEAD^{tree}") == wanted and not series.dirty(), "the tree is not that of the series")


@test("series.quilt")
def quilt(t):
    """quilt pushes the whole series and pops it again, and leaves what it found."""
    packages.need("series")
    series.make()
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        scratch = pathlib.Path(scratch)
        # Only the files that the series touches: all that quilt looks at.
        tree = _extract(series.BASE, "MD", scratch / "linux")
        wanted = _extract("HEAD", "AM", scratch / "wanted")
        env = {"QUILT_PATCHES": str(series.PATCHES), "QUILT_SERIES": str(TOP / "series"), "QUILT_PC": ".pc",
               "QUILTRC": "/dev/null"}
        before = _snapshot(tree)
        said = t.run(["quilt", "push", "-a", "--fuzz=0"], cwd=tree, env=env).stdout
        t.check(not re.search(r"\bwith fuzz \d", said), said)
        t.check(_snapshot(tree) == _snapshot(wanted), "after quilt push the files are not those of the git tree")
        t.run(["quilt", "pop", "-a"], cwd=tree, env=env)
        t.check(_snapshot(tree) == before, "quilt pop did not restore the tree")


def _extract(commit, kinds, where):
    """Lay out, as they are at a commit, the files that the series changes in one of these ways."""
    names = _git("diff", "--no-renames", "--name-only", f"--diff-filter={kinds}", series.BASE, "HEAD").split()
    where.mkdir()
    archive = where.with_suffix(".tar")
    _git("archive", "-o", str(archive), commit, "--", *names)
    capture(["tar", "-xf", archive, "-C", where])
    return where


def _snapshot(tree):
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*")
            if path.is_file() and ".pc" not in path.parts}


@test("series.checkpatch")
def checkpatch(t):
    """checkpatch.pl --strict finds nothing in any patch."""
    series.make()
    bad = series.checkpatch()
    t.check(not bad, "checkpatch found something in: " + " ".join(bad))


@test("series.messages")
def messages(t):
    """Each patch has a subject of the right form under 72 columns, a body, and its author's sign-off."""
    for commit, name in _commits():
        subject, author, body = _git("log", "-1", "--format=%s%x00%an <%ae>%x00%b", commit).split("\0")
        t.check(re.match(r"[A-Za-z0-9_/]+: (\w[\w/]*: )*[A-Z]", subject), f"{name}: subject {subject!r}")
        t.check(len(subject) < 72, f"{name}: a subject of {len(subject)} columns")
        t.check(f"Signed-off-by: {author}" in body, f"{name}: not signed off by {author}")
        t.check(len(body.split("Signed-off-by")[0].split()) >= 25, f"{name}: no body to speak of")


def _own_folders(tree):
    """Return the folders of the kernel that are LiKeX's own at this commit."""
    return [f"{name}/" for name in ("arch/x86/likex",) if (tree / name / "Makefile").exists()]


def _touched(tree, commit):
    """Return the objects of the sources that a commit touches outside LiKeX's folders, those of x86 and generic code."""
    names = series.git("diff", "--no-renames", "--name-only", "--diff-filter=AM", f"{commit}~", commit, tree=tree).split()
    foreign = re.compile(r"(arch/(?!x86/)|arch/x86/likex/|virt/|tools/|.*_test\.c$)")
    return [re.sub(r"\.[cS]$", ".o", name) for name in names if name.endswith((".c", ".S")) and not foreign.match(name)]


def _kconfig(tree):
    """Return the symbols of LiKeX that can be modules at this commit, as lines of a configuration fragment."""
    path = tree / "arch" / "x86" / "likex" / "Kconfig"
    names = re.findall(r"^(?:menu)?config (\w+)\n\ttristate", path.read_text(), re.MULTILINE) if path.exists() else []
    return "".join(f"CONFIG_{name}=m\n" for name in names)


def _at(commit, tree, out, value, log):
    """Check out a commit and configure it with LiKeX (where it is there yet) set to a value."""
    series.git("checkout", "-q", "--detach", commit, tree=tree)
    fragment = BUILD / "kernel" / "steps.config"
    write(fragment, _kconfig(tree).replace("=m", f"={value}") + f"CONFIG_KUNIT={value}\nCONFIG_KVM_AMD=m\nCONFIG_X86_FRED=y\n")
    kernel.configure(tree, out, ("host", fragment), log)


def _step(commit, tree, out, log, configured):
    """Check out a commit with LiKeX as a module; configure it unless it has the Kconfig of another one."""
    if configured and not series.git("diff", "--name-only", configured, commit, "--", "*Kconfig*", tree=tree):
        series.git("checkout", "-q", "--detach", commit, tree=tree)
    else:
        _at(commit, tree, out, "m", log)


@functools.lru_cache
def _made_by(*makers):
    """Return a hash over how kernels are built here, and judged: by these tools and functions, and configurations."""
    how = [inspect.getsource(one) if callable(one) else capture([one, "--version"]) for one in makers]
    return digest(*how, *sorted((TOP / "configs").iterdir()), pathlib.Path(kernel.__file__))


def _passed(t, *what):
    """Return the file that is there if this very build passed before; None if it is to be made all the same."""
    return None if t.exhaustive else cache() / "built" / digest(t.name, *what)


@test("series.build-each")
def build_each(t):
    """At each of LiKeX's patches (at all) its folders build as modules, no warning with W=1 or sparse, and so does all it touches."""
    t.packages("sparse")
    packages.need("kernel")
    tree, out, log = series.worktree("steps", series.BASE), BUILD / "kernel" / "steps", "kernel-steps.log"
    # Only what is compiled now gives warnings; so remove all that an earlier run has compiled.
    for path in (out / "arch/x86/likex", out / "virt/likex"):
        shutil.rmtree(path, ignore_errors=True)
    built, configured = 0, None
    made_by = _made_by("gcc", "ld", "sparse", build_each, _own_folders, _touched, _kconfig, _at, _step)
    for commit, name in _commits():
        # The owner's patches touch headers that all of KVM includes: minutes that not every run has.
        if not (t.exhaustive or "LiKeX" in name):
            continue
        passed = _passed(t, _git("rev-parse", f"{commit}^{{tree}}"), made_by)
        if passed and passed.exists():
            continue
        built += 1
        _step(commit, tree, out, log, configured)
        configured = commit
        command = ["make", "-s", "-C", tree, f"O={out}", "-j2", "CC=ccache gcc", "HOSTCC=ccache gcc"]
        strict, touched = ["W=1", "C=1", "CHECK=sparse"], _touched(tree, commit)
        for path in touched:
            (out / path).unlink(missing_ok=True)  # so is this: what make has no need to build has no warnings
        for more in [strict + _own_folders(tree)] * bool(_own_folders(tree)) + [touched]:
            said = t.run([*command, *more], env=kernel.environment()).stdout if more else ""
            if re.search(r"warning|error", said, re.IGNORECASE):
                raise Failure(f"{name}:\n{said}")
        if passed:
            write(passed, name)
    t.note(f"{built} built, the others as they were when they passed")


def _link(t, value, kvm="m"):
    """Link the host kernel with LiKeX and KVM set to values, if that has not passed before.

    It is linked where it was built, so that make does only what differs: no other test may meet this one.
    """
    packages.need("kernel")
    tree, out = series.make(), BUILD / "kernel" / "host"
    passed = _passed(t, _git("rev-parse", "HEAD^{tree}"), value, kvm, _made_by("gcc", "ld", _link_in, _global, _linked))
    if passed and passed.exists():
        t.note("as it was when it passed")
        return
    with lock(BUILD / "kernel" / "host.lock"):
        _link_in(t, tree, out, value, kvm)
    if passed:
        write(passed, t.name)


def _link_in(t, tree, out, value, kvm):
    """Link the host kernel with LiKeX and KVM set to values, in the folder of its build."""
    log = "kernel-link.log"
    (out / ".built").unlink(missing_ok=True)  # the next user of the host kernel links it anew
    for name in _git("diff", "--name-only", "--diff-filter=AM", series.BASE, "HEAD").split():
        if name.endswith((".c", ".S")):
            (out / name).with_suffix(".o").unlink(missing_ok=True)  # a warning is told by the compiler, once
    fragment = BUILD / "kernel" / f"link-{value}.config"
    write(fragment, f"CONFIG_LIKEX={value}\nCONFIG_X86_VIRT_TEST_USER={value}\n"
                    f"CONFIG_KVM={kvm}\nCONFIG_KVM_INTEL={kvm}\n"
                    + "".join(f"CONFIG_{name}=n\n" for name in _OF_KVM if kvm == "n")
                    + "CONFIG_MITIGATION_VMSCAPE=n\n" * (kvm == value == "n"))  # without any hypervisor there is none
    kernel.configure(tree, out, ("host", fragment), log)
    kernel.make(tree, out, "bzImage", "modules", what=f"link with LiKeX={value}, KVM={kvm}", log=log)
    said = (kernel.LOGS / log).read_text()
    t.check("warning:" not in said, "warnings:\n" + "\n".join(row for row in said.splitlines() if "warning:" in row))
    if (value, kvm) == ("y", "m"):
        same = _global(out, "arch/x86/likex", "virt/likex") & _global(out, "arch/x86/kvm", "virt/kvm")
        t.check(not same, f"names of LiKeX's that are KVM's, too, so that they cannot both be in the kernel: {' '.join(same)}")
    found = _linked(out)
    t.check(found == value, f"LiKeX is {found} in the kernel, and not {value}")


def _global(out, *folders):
    """Return the global names that the objects in folders of a kernel's build define."""
    objects = [path for folder in folders for path in (out / folder).rglob("*.o") if not path.name.endswith(".mod.o")]
    said = capture(["nm", "-g", "--defined-only", *objects])
    return {name for name in re.findall(r"^[0-9a-f]+ [A-Z] (\w+)$", said, re.MULTILINE) if not name.endswith("_module")}


def _linked(out):
    """Tell what became of LiKeX in a kernel: y, m or n."""
    if "arch/x86/likex/likex.ko" in (out / "modules.builtin").read_text():
        return "y"
    if "arch/x86/likex/likex.o" in (out / "modules.order").read_text():
        return "m"
    return "?" if "likex_" in capture(["nm", out / "vmlinux"]) else "n"


# Symbols that the host kernel has because of KVM.
_OF_KVM = ("KVM_SMM", "KVM_HYPERV", "KVM_XEN", "X86_SGX_KVM", "X86_SGX")

# Choices that LiKeX's two folders depend on, one a line: (LiKeX, its KUnit suites, symbols that are turned off).
COMBINATIONS = (
    ("m", "m", ()),
    ("y", "n", ("IA32_EMULATION", "LIKEX_IOEVENTFD", "LIKEX_IRQFD", "LIKEX_KVM_COMPAT")),
    ("y", "y", ("X86_MCE", "X86_MCE_INTEL", "X86_MCE_AMD", "X86_MCE_INJECT")),
    ("m", "n", ("KVM", "KVM_INTEL", *_OF_KVM)),
    ("m", "m", ("SMP",)),
)


@test("series.kconfig")
def kconfig(t):
    """LiKeX's folders build in each combination of symbols; what cannot be left out is selected, and its help says why."""
    packages.need("kernel")
    tree, out, log = series.make(), BUILD / "kernel" / "kconfig", "kernel-kconfig.log"
    text = (tree / "arch/x86/likex/Kconfig").read_text()
    hidden = re.findall(r"^config (LIKEX_\w+)\n\tbool\n((?:\t.*\n|\n(?=\t))*)", text, re.MULTILINE)
    for name, body in hidden:
        t.check(f"select {name}\n" in text and "help" in body, f"{name} is not selected, or its help does not say why")
    built = 0
    made_by = _made_by("gcc", "ld", kconfig)
    for value, kunit, off in COMBINATIONS if t.exhaustive else COMBINATIONS[:2] + COMBINATIONS[3:4]:
        passed = _passed(t, _git("rev-parse", "HEAD:arch/x86/likex", "HEAD:virt/likex"), value, kunit, repr(off), made_by)
        if passed and passed.exists():
            continue
        built += 1
        fragment = BUILD / "kernel" / "kconfig.config"
        write(fragment, f"CONFIG_LIKEX={value}\nCONFIG_KUNIT={kunit}\nCONFIG_LIKEX_KUNIT_TEST={kunit}\n"
                        + "".join(f"CONFIG_{name}=n\n" for name in off))
        kernel.configure(tree, out, ("host", fragment), log)
        said = t.run(["make", "-s", "-C", tree, f"O={out}", "-j2", "CC=ccache gcc", "HOSTCC=ccache gcc", "W=1",
                      "arch/x86/likex/"], env=kernel.environment()).stdout
        t.check(not re.search(r"warning|error", said, re.IGNORECASE), f"LIKEX={value}, without {' '.join(off)}:\n{said}")
        if passed:
            write(passed, t.name)
    t.note(f"{len(hidden)} symbols that are selected; {built} combinations built, the others as they were when they passed")


@test("series.link-y", lane=ALONE)
def link_y(t):
    """The whole kernel links with LiKeX built in."""
    _link(t, "y")


@test("series.link-n", lane=ALONE)
def link_n(t):
    """The whole kernel links with LiKeX off, and then holds nothing of it."""
    _link(t, "n")


@test("series.link-m")
def link_m(t):
    """The whole kernel links with LiKeX as a module; it loads and unloads twenty times and says nothing."""
    from .machine import boot, silent
    loop = "for i in $(seq 20); do modprobe likex && modprobe -r likex || exit 1; done; dmesg | grep -i likex | grep -v 'Linux version'; true"
    outcome = silent(t, boot(t, {"loop": ["sh", "-c", loop]}, cpus=2))
    t.check(outcome.step("loop").status == 0, f"it failed: {outcome.step('loop').err}")
    t.check(not outcome.step("loop").out, f"it said {outcome.step('loop').text}")


@test("series.link-kvm", exhaustive=True, lane=ALONE)
def link_kvm(t):
    """The whole kernel links with KVM and LiKeX each built in, as a module, and off."""
    for kvm in "ynm":
        for value in "ynm":
            _link(t, value, kvm)


@test("series.each-part", exhaustive=True)
def each_part(t):
    """At the end of each part the whole kernel links with LiKeX built in, as a module, and off."""
    tree, out, log = series.worktree("steps", series.BASE), BUILD / "kernel" / "steps", "kernel-steps.log"
    series.make()
    for part, _, last in parts.ranges():
        for value in "ymn":
            _at(last, tree, out, value, log)
            kernel.make(tree, out, "bzImage", "modules", what=f"the part {part}, LiKeX={value}", log=log)
            if not _own_folders(tree):
                break


@test("series.each-module", exhaustive=True)
def each_module(t):
    """At each of LiKeX's patches its modules link: modpost finds every symbol that they use."""
    tree, out, log = series.worktree("steps", series.BASE), BUILD / "kernel" / "steps", "kernel-steps.log"
    configured, linked = None, 0
    for commit, name in _commits():
        if not series.git("ls-tree", commit, "arch/x86/likex/Makefile", tree=tree):
            continue
        _step(commit, tree, out, log, configured)
        # To build one module forgets what the others export, so that KUnit has to be in the kernel.
        t.run([tree / "scripts/config", "--file", out / ".config", "--enable", "KUNIT"])
        if not configured or _touched(tree, commit):
            kernel.make(tree, out, "vmlinux", what=f"the kernel at {name[:4]}", log=log)
        modules = re.findall(r"^obj-\S+ \+= (likex[\w-]*)\.o$", (tree / "arch/x86/likex/Makefile").read_text(), re.MULTILINE)
        kernel.make(tree, out, *[f"arch/x86/likex/{module}.ko" for module in modules], what=name[:4], log=log)
        configured, linked = commit, linked + 1
    t.note(f"{linked} patches")


@test("series.bisect", exhaustive=True, lane=ALONE)
def bisect(t):
    """git bisect with scripts/run finds the patch from which the module loads."""
    series.make()
    try:
        t.run(["git", "bisect", "start", "--term-old=without", "--term-new=with", series.BRANCH, series.BASE],
              cwd=series.TREE)
        recipe = re.search(r"^\$ (git bisect run .*)$", (TOP / "Documentation/series.md").read_text(), re.MULTILINE)[1]
        said = t.run(["bash", "-c", recipe], cwd=series.TREE, timeout=3600).stdout
    finally:
        capture(["git", "bisect", "reset"], cwd=series.TREE, check=False)
    t.check("is the first with commit" in said and "LiKeX: Add an empty module" in said, said)


# A line of the kernel that one patch, on which few others stand, wants to change, and what another tree has there.
_CLASH, _LINE, _THEIRS = "arch/x86/kernel/cpu/bugs.c", "#if IS_ENABLED(CONFIG_KVM_INTEL)", "#if IS_REACHABLE(CONFIG_KVM_INTEL)"


@contextlib.contextmanager
def _moved_on(path, line, theirs):
    """Make a kernel tree of another kind: one that has moved on in a line; remove it, and its copy, in the end."""
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        tree = series.reader(pathlib.Path(scratch) / "linux")
        (tree / path).write_text((tree / path).read_text().replace(line, theirs))
        capture(["git", "commit", "-q", "-a", "-m", "moved on"], cwd=tree, env=series.NOBODY)
        try:
            yield tree
        finally:
            where = foreign.place(tree)
            shutil.rmtree(where, ignore_errors=True)
            where.with_name(where.name + ".lock").unlink(missing_ok=True)


def _clashing():
    """Return the patches that change the line of the clash."""
    changes = re.compile(rf"^--- a/{_CLASH}$(?:\n(?!--- a/).*)*\n-{re.escape(_LINE)}$", re.MULTILINE)
    return [name for name in series.names() if changes.search((series.PATCHES / name).read_text())]


@test("series.other-tree", lane="other-tree")
def other_tree(t):
    """scripts/run --kernel --keep-going takes a tree of another kind as it is, says what did not apply, leaves it alone."""
    with _moved_on(_CLASH, _LINE, _THEIRS) as tree:
        before = series.git("rev-parse", "HEAD", tree=tree)
        where, refused = foreign.onto(tree, keep_going=True)
        t.check(series.git("rev-parse", "HEAD", tree=tree) == before and not series.dirty(tree), "the tree was changed")
        clashing = _clashing()
        t.check(clashing and set(clashing) <= set(refused), f"refused {refused}, due were at least {clashing}")
        t.check(len(refused) <= len(clashing) + 2, f"refused {refused}, due were little more than {clashing}")
        # The rest went in, as far as it stands without what was refused.
        applied = series.git("rev-list", "--count", f"{before}..HEAD", tree=where)
        t.check(int(applied) + len(refused) == len(series.names()), f"{applied} applied, {len(refused)} refused")
        t.check(foreign.onto(tree, keep_going=True) == (where, refused), "a second run says something else")
        # Work that the user does in the copy afterwards is not thrown away.
        (where / _CLASH).write_text("work\n")
        _keeps_work(t, tree)


def _keeps_work(t, tree):
    """Check that the copy of a tree that has changed is not made anew over work in it."""
    capture(["git", "commit", "-q", "--allow-empty", "-m", "moved on again"], cwd=tree, env=series.NOBODY)
    try:
        foreign.onto(tree, keep_going=True)
        raise Failure("a second run threw work away")
    except Fail as error:
        t.check("work of yours" in str(error), str(error))


@test("series.foreign", lane="other-tree")
def stops_at_a_conflict(t):
    """scripts/run --kernel stops at a patch that does not apply, with one screen; nothing is built; resolved, it goes on."""
    with _moved_on(_CLASH, _LINE, _THEIRS) as tree:
        where, first = foreign.place(tree), _clashing()[0]
        command = [TOP / "scripts" / "run", "--kernel", tree]
        said = t.run(command, status=125).stdout
        screen = said[said.index("run: "):]
        number = series.names().index(first)
        for word in (f"patch {number + 1} of {len(series.names())} does not apply; nothing was built", "virt", first,
                     f"{_CLASH} (changed in both)", "<<<<<<< ", _THEIRS, str(where), f"scripts/run --kernel {tree}"):
            t.check(word in screen, f"the screen does not say {word!r}:\n{screen}")
        t.check(len(screen.splitlines()) <= 24, f"more than a screen:\n{screen}")
        t.check(not (BUILD / "kernel" / f"host-{where.name}").exists(), "something was built")
        t.check("is not resolved yet" in t.run(command, status=125).stdout, "a second run does not say what is to be done")
        _resolve(where)
        t.check(foreign.onto(tree) == (where, []), "resolved, it does not go on to the end")
        count = series.git("rev-list", "--count", f"{series.git('rev-parse', 'HEAD', tree=tree)}..HEAD", tree=where)
        t.check(int(count) == len(series.names()), f"{count} patches")
        t.check(foreign.onto(tree) == (where, []), "what was resolved is not kept")
        _keeps_work(t, tree)


def _resolve(where):
    """Resolve the conflict as a person would: with the patch's side of each."""
    path = where / _CLASH
    path.write_text(re.sub(r"<<<<<<< .*?\n=======\n(.*?)>>>>>>> .*?\n", r"\1", path.read_text(), flags=re.DOTALL))
    series.git("add", _CLASH, tree=where)


@test("series.foreign-without", lane="other-tree")
def never_without_likex(t):
    """A kernel that LiKeX did not go into is not built, also if asked to keep going."""
    with _moved_on("arch/x86/Kbuild", "# Xen paravirtualization support", "# Xen") as tree:
        said = t.run([TOP / "scripts" / "run", "--kernel", tree, "--keep-going"], status=125).stdout
        t.check("would be without LiKeX" in said, said)
        out = BUILD / "kernel" / f"host-{foreign.place(tree).name}"
        t.check(not out.exists(), "something was built")
        out.with_name(f"{out.name}.lock").unlink(missing_ok=True)


@test("series.layout")
def layout_holds(t):
    """The kernel code keeps to its layout: tables as api.rst says, includes that go down, no circles, one prefix a layer."""
    tree = series.make()
    rules = layout.RULES + rooms.RULES
    found = [f"{rule.__name__}: {line}" for rule in rules for line in rule(tree)]
    t.check(not found, "\n".join(found))
    t.note(f"{len(rules)} rules, {len(layout.rows(tree))} rows of tables, {len(rooms.sources(tree))} files, "
           f"circles: {', '.join(' '.join(map(_stem, one)) for one in rooms.circles(rooms.uses(tree))) or 'none'}")


def _stem(path):
    return pathlib.Path(path).name


@test("series.prose")
def prose_is_plain(t):
    """Comments, docstrings, documents and patch subjects break no rule of plain English that a pattern can see."""
    wrong = prose.wrong_samples() + prose.wrong_files()
    t.check(not wrong, "\n".join(wrong))
    units = prose.kernel_units(series.make()) + prose.own_units() + prose.subject_units()
    found = prose.findings(units)
    t.check(not found, "\n".join(found))
    t.note(f"{len(prose.ROWS)} rules, {len(units)} paragraphs of {len({path for path, *_ in units})} files")


@test("series.parts")
def parts_stand(t):
    """Each part applies on the ones before it, has a cover letter, and can be mailed: what is mailed gives its commits."""
    tree = series.make()
    ranges = parts.ranges(tree)
    t.check(sum(len(names) for _, names in parts.all_parts()) == len(series.names()), "a patch is in no part")
    t.check(ranges[-1][2] == _git("rev-parse", "HEAD"), "the parts are not the whole series")
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        where = pathlib.Path(scratch)
        reader = series.reader(where / "linux")
        for part, before, last in ranges:
            names = parts.mail(part, where / part)
            letter = (where / part / names[0]).read_text()
            t.check("***" not in letter and "To: " in letter, f"{part}: the cover letter is not complete")
            t.run(["git", "am", "-q", *[where / part / name for name in names[1:]]], cwd=reader,
                  env={"GIT_COMMITTER_NAME": "LiKeX", "GIT_COMMITTER_EMAIL": "likex@localhost"})
            wanted = series.git("diff", "--name-only", before, last, tree=tree).split()
            same = all(_blob(reader, "HEAD", name) == _blob(tree, last, name) for name in wanted)
            t.check(same, f"{part}: what was mailed does not give its commits")
    t.note(", ".join(f"{part} {len(names)}" for part, names in parts.all_parts()))


def _blob(tree, commit, name):
    return series.git("rev-parse", "-q", "--verify", f"{commit}:{name}", tree=tree, check=False)


@test("series.header-copy")
def header_copy(t):
    """The header that the library is built with, where no kernel tree is at hand, is the series' own."""
    wanted = series.git("show", f"{series.BRANCH}:include/uapi/linux/likex.h", tree=series.make()) + "\n"
    have = (TOP / "tools" / "lib" / "uapi" / "linux" / "likex.h").read_text()
    t.check(have == wanted, "tools/lib/uapi/linux/likex.h differs from the series' include/uapi/linux/likex.h")
