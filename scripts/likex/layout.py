# SPDX-License-Identifier: GPL-2.0
"""How LiKeX's kernel code is laid out.

A rule is a function that takes the kernel tree and returns a line for each place that breaks it. RULES lists
all of them; the test series.layout applies them.
"""

import itertools
import re

API = "Documentation/virt/likex/api.rst"
TABLES = ("virt/likex/ioctl.c", "virt/likex/capability.c", "arch/x86/likex/ioctl.c")

# The macro of a row in the ioctl tables: where api.rst lists its command.
SCOPES = {
    "SYSTEM": ["System ioctls"],
    "SYSTEM_VM": ["System ioctls", "VM ioctls"],
    "EMPTY_SESSION": ["Session ioctls"],
    "SESSION": ["Session ioctls"],
    "VM": ["VM ioctls"],
    "VCPU": ["vCPU ioctls"],
    "RUNNING_VCPU": ["vCPU ioctls"],
}
CAPABILITIES = "Capabilities"


def tables(tree):
    """Each ioctl and capability has a row exactly if api.rst lists it, with the same scope."""
    code, listed = rows(tree), documented(tree)
    found = [f"{API} does not list {name} under {where}, {path} has it" for (name, where), path in code.items()
             if (name, where) not in listed]
    found += [f"{API} lists {name} under {where}, no table has it" for name, where in listed if (name, where) not in code]
    several = _section((tree / API).read_text(), "Numbers with several meanings")
    scopes = [name for name, _ in code]
    found += [f"{API} does not say what {name} means, which has several scopes" for name in dict.fromkeys(scopes)
              if scopes.count(name) > 1 and name not in _names(several)]
    return found


def rows(tree):
    """Return {(command or capability, heading in api.rst): file} of all rows."""
    found = {}
    for path in TABLES:
        text = (tree / path).read_text()
        for kind, name in re.findall(r"^\t(\w+)_(?:IOCTL|ELEMENT)\((\w+),", text, re.MULTILINE):
            found.update({(name, where): path for where in SCOPES[kind]})
        found.update({(name, CAPABILITIES): path for name in re.findall(r"^\t{ (KVM_CAP_\w+),", text, re.MULTILINE)})
    return found


def documented(tree):
    """Return (command or capability, heading) of everything that api.rst says is supported."""
    text = _section((tree / API).read_text(), "What is supported")
    found = []
    for where, body in re.findall(r"^(\w[\w ]*)\n((?:(?:  .*)?\n)+)", text, re.MULTILINE):
        # In parentheses: what is meant by a name, not one more.
        names = _names(re.sub(r"\([^()]*\)", "", body))
        found += [(name, where) for name in names if name.startswith("KVM_CAP_") == (where == CAPABILITIES)]
    return found


def _section(text, title):
    """Return what is below a title, up to the next one."""
    parts = re.split(r"^(\S.*)\n[=-]{4,}\n", text, flags=re.MULTILINE)
    return parts[parts.index(title) + 1]


def _names(text):
    """Return the literals that are commands or capabilities; ``KVM_{GET,SET}_REGS`` is two."""
    found = []
    for literal in re.findall(r"``((?:KVM|LIKEX)_[\w{},]+)``", text):
        parts = [part.split(",") for part in re.split(r"[{}]", literal)]
        found += ["".join(choice) for choice in itertools.product(*parts)]
    return found


RULES = (tables,)
