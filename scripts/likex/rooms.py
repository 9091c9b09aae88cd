# SPDX-License-Identifier: GPL-2.0
"""The rooms of LiKeX's kernel code: which file may include which, circles, and the prefixes of names.

A module is a .c file (or .S) and the header of its name. It uses another one if it includes that one's header. Some
headers are faces of a layer instead: others implement what they declare, so including them is no use of a module.
"""

import collections
import pathlib
import re

ROOTS = ("virt/likex", "arch/x86/likex")
# The vendor's half of x86, and the architecture's half of LiKeX: declared there, implemented in a folder below.
FACES = ("arch/x86/likex/vendor", "virt/likex/likex_host")
# Folder: what may not be included there, as a path from the folder of the kernel tree.
FORBIDDEN = {
    "virt/likex": r"arch/x86/likex/(?!likex_arch\.h)|asm/",
    "arch/x86/likex": r"arch/x86/likex/(vmx|ept)/|asm/vmx\.h|asm/virt\.h",
    "arch/x86/likex/ept": r"arch/x86/likex/vmx/",
}
# Folder: how the names of its global functions begin.
PREFIXES = {
    "virt/likex": r"likex_",
    "arch/x86/likex": r"likex_",
    "arch/x86/likex/vmx": r"(vmx_|vmcs_|likex_(arch|vendor)_)",
    "arch/x86/likex/ept": r"(ept_|likex_arch_)",
}
MOST_IN_A_CIRCLE = 3


def sources(tree):
    """Return the paths of LiKeX's sources in a kernel tree, without its tests."""
    found = [path for root in ROOTS for path in sorted((tree / root).rglob("*.[chS]"))]
    return [path.relative_to(tree) for path in found if not path.name.endswith("_test.c")]


def module(path):
    """Return the module that a file belongs to."""
    return str(path.with_suffix(""))


def included(tree, path):
    """Return what a file includes: a path in the tree for LiKeX's own headers, else as it is written."""
    found = []
    for quote, name in re.findall(r'^#include ([<"])([^">]+)[">]', (tree / path).read_text(), re.MULTILINE):
        places = [path.parent / name] * (quote == '"') + [pathlib.Path(root) / name for root in ROOTS]
        places = [pathlib.Path(*_normal(place.parts)) for place in places]
        own = [place for place in places if quote == '"' and (tree / place).exists()]
        found.append(str(own[0]) if own else name)
    return found


def _normal(parts):
    """Resolve .. in a relative path."""
    done = []
    for part in parts:
        done = done[:-1] if part == ".." else [*done, part]
    return done


def forbidden(tree):
    """Return a line for each include that goes where it must not."""
    said = []
    for path in sources(tree):
        rule = FORBIDDEN.get(str(path.parent))
        said += [f"{path} includes {name}" for name in included(tree, path) if rule and re.match(rule, name)]
    return said


def uses(tree):
    """Return {module: set of modules that it uses}."""
    graph = collections.defaultdict(set)
    for path in sources(tree):
        for name in included(tree, path):
            target = module(pathlib.Path(name))
            if name.startswith(ROOTS) and target != module(path) and target not in FACES:
                graph[module(path)].add(target)
    return graph


def circles(graph):
    """Return the sets of modules that use each other, directly or not (Tarjan's algorithm)."""
    number, low, stack, found = {}, {}, [], []

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            at = stack.index(node)
            circle = stack[at:]
            del stack[at:]
            if len(circle) > 1:
                found.append(sorted(circle))

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def bad_circles(tree):
    """Return a line for each circle that is too large, or goes through more than one folder."""
    said = []
    for circle in circles(uses(tree)):
        folders = {str(pathlib.Path(name).parent) for name in circle}
        if len(circle) > MOST_IN_A_CIRCLE or len(folders) > 1:
            said.append("a circle: " + " ".join(circle))
    return said


def declared(text):
    """Return the names of the functions that a header declares or defines."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"^\s*#(?:[^\n\\]|\\.)*(?:\\\n[^\n]*)*", "", text, flags=re.MULTILINE)
    return re.findall(r"^(?!typedef|static_assert|DECLARE|TRACE_EVENT|\s)[\w\s*]*?\b(\w+)\([^;{]*\)[\s\w]*[;\n]", text, re.MULTILINE)


def bad_names(tree):
    """Return a line for each function whose name does not begin as its folder's do."""
    said = []
    for path in sources(tree):
        rule = PREFIXES.get(str(path.parent))
        if path.suffix != ".h" or not rule or path.name == "trace.h":
            continue
        if module(path) in FACES:
            rule = "likex_"
        said += [f"{path}: {name}" for name in declared((tree / path).read_text())
                 if not re.match(rule, name) and not name.isupper()]
    return said


RULES = (forbidden, bad_circles, bad_names)
