# SPDX-License-Identifier: GPL-2.0
"""The patch series and the git tree that it is worked on in: one commit a patch, both ways."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import shutil
import tempfile

from . import order, packages, source
from .base import BUILD, Fail, LOGS, TOP, cache, capture, digest, lock, logged, say, step, write

PATCHES = TOP / "patches"
TREE = BUILD / "linux"
BRANCH, BASE = "likex", "base"

# A person's own git settings (signing, hooks) must not change what is written, or refuse it.
PLAIN = {"GIT_CONFIG_GLOBAL": "/dev/null"}
# The author and committer of commits that a script makes.
NOBODY = {**PLAIN, "GIT_AUTHOR_NAME": "LiKeX", "GIT_AUTHOR_EMAIL": "likex@localhost",
          "GIT_COMMITTER_NAME": "LiKeX", "GIT_COMMITTER_EMAIL": "likex@localhost"}
_FORMAT = ["--zero-commit", "-N", "--no-signature", "--full-index", "--no-renames", "--no-color",
           "--diff-algorithm=myers", "--src-prefix=a/", "--dst-prefix=b/", "--stat=72"]


def names():
    """Return the patches' file names in the order of the file `series`."""
    return [name for _, patches in order.parse((TOP / "series").read_text()) for name in patches]


def fingerprint():
    """Return a hash over the series as it lies in the checkout."""
    return digest((TOP / "series"), *[PATCHES / name for name in names()])


def git(*words, tree=TREE, env=PLAIN, **more):
    """Run git in a kernel tree and return what it printed."""
    return capture(["git", *words], cwd=tree, env=env, **more).rstrip("\n")


# In place of a fingerprint: the series is being applied, or could not be applied.
_UPDATING, _REFUSED = "updating", "refused"


def _stamped(tree):
    """Return the file that says of which series a tree is."""
    return tree / ".git" / "likex-series"


def _stamp(tree=TREE):
    """Return (fingerprint, commit) of when the tree was last in step with the checkout's patches."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        made, head = _stamped(tree).read_text().split()
        return made, head
    return None, None


def in_step(tree=TREE):
    """Record that the tree and the checkout's patches say the same."""
    write(_stamped(tree), f"{fingerprint()} {git('rev-parse', 'HEAD', tree=tree)}\n")


def clone(where, repository, version):
    """Make a kernel tree at the base; a half-made one is thrown away."""
    shutil.rmtree(where, ignore_errors=True)
    where.parent.mkdir(parents=True, exist_ok=True)
    log = LOGS / "tree.log"
    with step(f"checking out the kernel source {version}"):
        logged("git clone", ["git", "clone", "-q", "--shared", "--no-checkout", repository, where], log, env=PLAIN)
        git("config", "gc.auto", "0", tree=where)
        git("config", "checkout.workers", "2", tree=where)
        git("tag", BASE, "origin/pristine", tree=where)
        logged("git checkout", ["git", "checkout", "-q", "--no-track", "-B", BRANCH, BASE], log, cwd=where,
               env=PLAIN)
    _own_identity(where)


def _apply_series():
    """Apply the series to the tree. The same patches on the same base give the same commits anywhere."""
    # Until all patches are applied, the tree holds no work that could be lost.
    write(_stamped(TREE), f"{_UPDATING} {git('rev-parse', BASE)}\n")
    git("checkout", "-q", "-f", "-B", BRANCH, BASE)
    # The committer is always the same, so the commits have the same names on every machine.
    try:
        logged("git am", ["git", "am", "-q", "--committer-date-is-author-date", *[PATCHES / name for name in names()]],
               LOGS / "am.log", cwd=TREE, env=NOBODY)
    except Fail as error:
        git("am", "--abort", check=False, env=NOBODY)
        # From here on the tree may hold a person's work again.
        write(_stamped(TREE), f"{_REFUSED} {git('rev-parse', 'HEAD')}\n")
        # Without git's advice on how to go on: it has been aborted.
        said = [row for row in str(error).splitlines()[1:] if row.startswith(("Patch failed", "error:", "fatal:"))]
        raise Fail("\n".join([f"the series does not apply to {git('describe', '--always', BASE)}, so build/linux is "
                              "without it; git says:", *said])) from error
    in_step()


def dirty(tree=TREE, env=PLAIN):
    """Return what differs from the tree's last commit, as git's short status lines."""
    return git("status", "--porcelain", tree=tree, env=env)


def _own_identity(where):
    """Give a tree the checkout's author, so that a commit there is signed off by the right one."""
    for key in ("user.name", "user.email"):
        value = capture(["git", "config", key], cwd=TOP, check=False).strip()
        if value:
            git("config", key, value, tree=where)


def make(force=False):
    """Make or bring up to date the git tree of the series; work in it that was not exported is kept."""
    with lock(BUILD / "linux.lock"):
        return _make(force)


def _find_base():
    """Point the tree, which borrows the kernel source's objects from the cache, at where that is now."""
    borrowed = TREE / ".git" / "objects" / "info" / "alternates"
    if borrowed.exists() and not pathlib.Path(borrowed.read_text().strip()).exists():
        repository, version = source.pristine()
        write(borrowed, f"{repository / 'objects'}\n")
        if not git("rev-parse", "--verify", "-q", f"{BASE}^{{tree}}", check=False):
            raise Fail(f"build/linux was made from another kernel source than {version}, which is no longer in the cache:\n"
                       "    scripts/series tree --force      makes it anew, without work that was not exported")


def _make(force):
    if not _stamped(TREE).exists() or force:
        clone(TREE, *source.pristine())
        _apply_series()
        return TREE
    _find_base()
    made, head = _stamp()
    if made == fingerprint():
        return TREE
    if made == _UPDATING:
        git("am", "--abort", check=False, env=NOBODY)
        worked = any(who != NOBODY["GIT_COMMITTER_EMAIL"] for who in git("log", "--format=%ce", f"{BASE}..").split())
    else:
        worked = git("rev-parse", "HEAD") != head or dirty()
    if worked:
        raise Fail("build/linux has work that is not in patches/, and patches/ has changed since the tree was made:\n"
                   "    scripts/series export --force    writes the tree's commits over patches/\n"
                   "    scripts/series tree --force      throws the tree's work away")
    with step("applying the changed series"):
        _apply_series()
    return TREE


def render(tree, where, base=BASE):
    """Write the tree's commits since the base as patches into a folder; return their names."""
    where.mkdir(parents=True, exist_ok=True)
    said = capture(["git", "format-patch", *_FORMAT, "-o", where, f"{base}..HEAD"], cwd=tree, env=PLAIN)
    return [pathlib.Path(line).name for line in said.splitlines()]


def series_text(patches):
    """Return the text of the file `series`: its comments and parts as they are, with these patches."""
    return order.render((TOP / "series").read_text(), patches)


def export(force=False):
    """Write the tree's commits to patches/ and series; return how many there are. force: over other changes there, too."""
    with lock(BUILD / "linux.lock"):
        return _export(force)


def exportable(tree):
    """Raise Fail if a tree has commits that cannot be written out as they are, or more than commits."""
    if not (tree / ".git").exists():
        raise Fail("there is no tree to export: scripts/series tree makes it")
    name = f"build/{tree.name}"
    if dirty(tree):
        raise Fail(f"{name} has changes that are not committed:\n" + dirty(tree))
    if git("rev-parse", "HEAD", tree=tree) != git("rev-parse", BRANCH, tree=tree):
        raise Fail(f"{name} is not at the end of its branch {BRANCH}, but at a commit of a rebase or bisection, say")
    left = [row for row in git("log", "--format=%s", f"{BASE}..HEAD", tree=tree).splitlines()
            if row.startswith(("fixup!", "squash!", "amend!"))]
    if left:
        raise Fail(f"fold the fixups first (git -C {name} rebase -i --autosquash {BASE}):\n" + "\n".join(left))


def _export(force):
    exportable(TREE)
    if _stamp()[0] != fingerprint() and not force:
        raise Fail("patches/ has changed since build/linux was made from it, and that would be lost:\n"
                   "    scripts/series tree              takes the changes over, if the tree has no work of its own\n"
                   "    scripts/series export --force    writes the tree's commits over them")
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        new = render(TREE, pathlib.Path(scratch))
        PATCHES.mkdir(exist_ok=True)
        for name in new:
            os.replace(pathlib.Path(scratch) / name, PATCHES / name)
    for old in PATCHES.glob("*.patch"):
        if old.name not in new:
            old.unlink()
    before = (TOP / "series").read_text()
    write(TOP / "series", series_text(new))
    for port in TOP.glob("series-*"):
        write(port, order.follow((TOP / "series").read_text(), before, "likex", port.read_text()))
    in_step()
    return len(new)


def worktree(name, commit):
    """Return a work tree of its own beside build/linux, at a commit."""
    make()
    where = BUILD / "trees" / name
    with lock(BUILD / "trees" / "lock"):
        # A tree made anew, or a checkout that has moved, knows nothing of it any more.
        if not (where.exists() and git("rev-parse", "--git-dir", tree=where, check=False)):
            shutil.rmtree(where, ignore_errors=True)
            git("worktree", "prune")
            git("worktree", "add", "-q", "-f", "--detach", where, commit)
        git("checkout", "-q", "-f", "--detach", commit, tree=where)
    return where


def reader(where):
    """Make the kernel tree of a reader who tries the series; return it.

    It has no more than the folders that the series touches: all that git looks at, and written in a second.
    """
    repository, _ = source.pristine()
    touched = git("diff", "--name-only", BASE, "HEAD", tree=make()).split()
    folders = {f"{pathlib.Path(name).parent}/".replace("./", "") for name in touched}
    capture(["git", "clone", "-q", "--shared", "--no-checkout", repository, where])
    rows = [row for folder in sorted(folders)
            for row in git("ls-tree", "HEAD", *[folder] * bool(folder), tree=where).splitlines()]
    git("update-index", "--index-info", tree=where, data="".join(f"{row}\n" for row in rows if " blob " in row))
    git("commit", "-q", "-m", "cut down", tree=where, env=NOBODY)
    git("checkout", "-q", "-f", "-B", "pristine", tree=where)
    return where


def differences(scratch):
    """Return a line for each patch in which the tree, written out, and the checkout differ."""
    new = render(TREE, scratch)
    said = [f"{name}: only in the tree" for name in new if not (PATCHES / name).exists()]
    for path in sorted(PATCHES.glob("*.patch")):
        if path.name not in new:
            said.append(f"{path.name}: only in patches/")
        elif path.read_bytes() != (scratch / path.name).read_bytes():
            said.append(f"{path.name}: differs from the tree")
    if series_text(new) != (TOP / "series").read_text():
        said.append("series: its list is not that of the tree's commits")
    return said


# Findings of checkpatch that are wrong, or that the series cannot change: kind, line of the patch, reason.
EXPLAINED = (
    ("FILE_PATH_CHANGES", r"^diff --git a/(Documentation/virt|arch/x86|virt/likex|include/uapi/linux/likex|tools/testing/selftests/likex)",
     "MAINTAINERS names the whole folder"),
    ("SPACING", r"cpu_emergency_virt_cb \*", "a pointer to a type, which it takes for a multiplication"),
    ("SPACING", r"%l\[\w+\]", "a label of asm goto, which it takes for a remainder"),
    ("AVOID_BUG", r"BUG_ON\(!virt_rebooting\)", "KVM's own, of which only the flag changes"),
    ("SPACING", r"^\+guest_\\name", "a label whose name is a macro's argument"),
    ("MACRO_ARG_REUSE", r"VMCS_ACCESSORS|SEGAR_PUT", "the arguments are constants"),
    ("MACRO_ARG_REUSE", r"define FIELD\(", "the name of a member"),
    ("MACRO_ARG_REUSE", r"define for_each_", "an iterator, whose arguments are variables"),
    ("MACRO_WITH_FLOW_CONTROL", r"define VMX_INSN", "the body of functions of one instruction each"),
    ("CONSTANT_COMPARISON", r"static_assert\(", "both sides are constants"),
    ("SPLIT_STRING", r"asm volatile\(\"\.irp|576, 640", "one directive of the assembler"),
    ("SPACING", r"_ASM_EXTABLE|TRACE_INCLUDE_PATH", "a constraint of asm, and a path"),
    ("EXPORT_SYMBOL", r"EXPORT_SYMBOL_FOR_KVM\(current_vmcs\)", "a variable of each CPU, defined in the line before"),
    ("NEW_TYPEDEFS", r"typedef typeof\(", "the type that this kernel has there"),
    ("OPEN_ENDED_LINE|PARENTHESIS_ALIGNMENT", r"TP_|TRACE_EVENT|^\+\t\t", "tracepoints are written so throughout the kernel"),
    ("LONG_LINE(_COMMENT)?", r"CONFIG_VIRT_XFER_TO_GUEST_WORK", "a symbol of nearly the same length in a line that was so before"),
)


def _explained(said, rows):
    """Tell whether what checkpatch says, of a patch of these lines, is in the table."""
    found = re.match(r".*?:(\d+): \w+:(\w+): ", said)
    if not found:
        return False
    place = "\n".join(rows[int(found[1]) - 2:int(found[1])])
    return any(re.fullmatch(known, found[2]) and re.search(pattern, place, re.MULTILINE)
               for known, pattern, _ in EXPLAINED)


def _checkpatch_says(name):
    """Return what the kernel's checkpatch --strict prints of a patch, from the last time if neither has changed."""
    script = TREE / "scripts" / "checkpatch.pl"
    options = ["--strict", "--no-summary", "--terse", "--show-types"]
    said = cache() / "checkpatch" / digest(PATCHES / name, script, options, script.with_name("spelling.txt"))
    if not said.exists():
        # Its licence check wants Debian's Python, which has the modules that it needs.
        # Status 1: it has found something.
        write(said, capture(["perl", script, *options, PATCHES / name], cwd=TREE,
                            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}, good=(0, 1)))
    return said.read_text()


def checkpatch(chosen=None):
    """Run checkpatch on patches; print what it finds and the table does not explain; return which have findings."""
    packages.need("checkpatch")
    chosen = chosen or names()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(_checkpatch_says, chosen))
    bad = []
    for name, said in zip(chosen, answers):
        rows = (PATCHES / name).read_text().splitlines()
        found = [line for line in said.splitlines() if not _explained(line, rows)]
        for line in found:
            say(f"    {line[line.index(pathlib.Path(name).name):]}")  # another checkout may have asked first
        bad += [name] * bool(found)
    return list(dict.fromkeys(bad + _misspelt(chosen)))


# Names that codespell takes for a misspelling: the Interrupt Stack Table, a member of struct kvm_fpu, a struct file,
# an interrupt of a PIC.
SPELT_SO = "ist,fpr,filp,extint"


def _misspelt(chosen):
    """Print what codespell finds in messages and added lines; return the patches in which it has.

    checkpatch's --codespell is the same, and takes three times as long as all else that it does.
    """
    bad = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in chosen:
            message, _, change = (PATCHES / name).read_text().partition("\n---\n")
            added = [row[1:] for row in change.splitlines() if row.startswith("+")]
            write(pathlib.Path(scratch) / name, "\n".join([message, *added]))
        for row in capture(["/usr/bin/codespell", "-L", SPELT_SO, "."], cwd=scratch, good=(0, 65)).splitlines():
            say(f"    {row}")
            bad.append(row.split(":")[0].removeprefix("./"))
    return bad
