# SPDX-License-Identifier: GPL-2.0
"""Rules of plain English that a pattern can find broken: in comments, docstrings, documents and patch subjects.

ROWS has a pattern for each rule. A unit is what the patterns are applied to: a paragraph, an item of a list, a cell
of a table or a patch subject, with the place where it begins. No finding here does not mean that a text is plain.
"""

import ast
import collections
import io
import pathlib
import re
import tokenize

from . import series
from .base import TOP, capture

Row = collections.namedtuple("Row", "rule pattern bad good")
Unit = collections.namedtuple("Unit", "path line text")

# Folders and files of LiKeX in the kernel tree.
KERNEL = ("arch/x86/likex", "virt/likex", "include/uapi/linux/likex.h", "tools/testing/selftests/likex",
          "Documentation/virt/likex")
# Folders and files of this repository.
OWN = ("README.md", "Documentation", "configs", "kunit", "scripts", "series", "tools")

_WORDS = "What|Which|Where|Whether|Who|Whom|Whose|Whoever|Whatever"

# The first group of a pattern is the finding; a match without it is a correct use, which is passed over.
ROWS = (
    Row("begin with the thing or with a verb",
        rf"(?:\A|[.!?:][\"')]?\s+(?=[A-Z]))((?i:{_WORDS}))\b(?![^.!]*\?)",
        bad=("Which there are, says msr_table.c.", "Lists MSRs. What they take is in the table.", "what counts of it",
             "Whether the guest\nruns", "LiKeX: Whatever comes", "Is it so? Where it is not, nothing is done."),
        good=("msr_table.c lists the MSRs.", "Whichever is less.", "What is that? A table.", "Return what was read.",
              "Wherever it is.", "The document says: what the bits are.")),
    Row("name the actor",
        r"\b([Ww]hoever|[Nn]obody|[Ss]omebody)\b",
        bad=("an id that nobody has", "Somebody writes to the page.", "It ends, whoever ends it."),
        good=("an id that no vCPU has", "Another thread writes to the page.", "user NOBODY")),
    Row("except, not but for",
        r"\b(?:[Nn]ot|[Nn]o|[Oo]nly)\b[^.;:]*?\bbut\s+for\b|\b([Bb]ut\s+for)\b",
        bad=("all registers but for RSP", "But for the\nfirst, they are equal"),
        good=("all registers except RSP", "not for the vCPU but for its VM")),
    Row("after, past or the end, not behind",
        r"\b(?:leav\w+|left)\b[^.;:]{0,60}?\bbehind\b"
        r"|\b(?:memory|pages?|hid\w*)\s+behind\b"
        r"|\bbehind\s+(?:the|its|a)\s+(?:\w+'s\s+)?(?:back|symbol)\b"
        r"|\b([Bb]ehind)\b",
        bad=("the program goes on behind it", "Behind STI, in its shadow", "the number behind a word"),
        good=("the memory behind a slot", "leaves no reference behind", "Each file is behind a symbol.")),
)
_COMPILED = [(row.rule, re.compile(row.pattern)) for row in ROWS]


def broken(text):
    """Return (rule, offset, words) of each place in a text that breaks a rule."""
    # A literal is no prose. The replacement keeps offsets and lines.
    text = re.sub(r"(`+)[^`]+\1", lambda found: re.sub(r"\S", "x", found[0]), text)
    return [(rule, found.start(1), " ".join(found[1].split())) for rule, pattern in _COMPILED
            for found in pattern.finditer(text) if found[1]]


def wrong_samples():
    """Return a line for each sample of ROWS that its pattern does not judge as it should."""
    said = [f"{row.rule}: does not find {text!r}" for row in ROWS for text in row.bad
            if row.rule not in [rule for rule, *_ in broken(text)]]
    return said + [f"{row.rule}: finds {text!r}" for row in ROWS for text in row.good if broken(text)]


def findings(units):
    """Return a line for each place that breaks a rule: file, line, rule, words."""
    said = []
    for path, line, text in units:
        for rule, offset, words in broken(text):
            rest = " ".join(text[offset:].split())[:60]
            said.append(f"{path}:{line + text.count(chr(10), 0, offset)}: {rule} ({words}): {rest}")
    return said


def paragraphs(path, rows):
    """Return the units of prose; rows: (line number, text without comment signs)."""
    units, last = [], None
    for line, text in rows:
        text = text.strip()
        # A unit of its own: an item of a list, a kernel-doc parameter.
        begins = re.match(r"(?:[-*+•]|\d+[.)]|\(\d+\))\s+|@[\w.]+:\s*", text)
        if not text:
            last = None
        elif begins or last is None or line != last + 1:
            # The name before a kernel-doc description is no part of the sentence.
            text = re.sub(r"\A(?:(?:struct|enum|union|typedef|define)\s+)?\w+(?:\(\))?\s+-\s+", "", text)
            units.append(Unit(path, line, text[begins.end():] if begins else text))
            last = line
        else:
            units[-1] = units[-1]._replace(text=f"{units[-1].text}\n{text}")
            last = line
    return units


def c_units(path, text):
    """Return the units of C or assembler source: its comments."""
    units = []
    token = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*(?:\n[ \t]*//[^\n]*)*'
    for found in re.finditer(token, text, re.DOTALL):
        if found[0].startswith("/"):
            first = text.count("\n", 0, found.start()) + 1
            rows = [re.sub(r"^\s*(?:/\*+|\*(?!/)|//+)?|\*+/\s*$", "", row) for row in found[0].splitlines()]
            units += paragraphs(path, enumerate(rows, first))
    return units


def python_units(path, text):
    """Return the units of a Python file: its comments and docstrings."""
    units, rows = [], []
    for kind, words, (line, column), *_ in tokenize.generate_tokens(io.StringIO(text).readline):
        if kind == tokenize.COMMENT:
            # One after code is a unit of its own: an empty line, which has no number here, ends the one before.
            alone = not text.splitlines()[line - 1][:column].strip()
            rows += [(line, words.lstrip("#!"))] if alone else [(0, ""), (line, words.lstrip("#")), (0, "")]
    units += paragraphs(path, rows)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            units += paragraphs(path, enumerate(node.body[0].value.value.splitlines(), node.body[0].lineno))
    return sorted(units, key=lambda unit: unit.line)


def hash_units(path, text):
    """Return the units of a makefile or shell script: the lines that are comments."""
    rows = [(line, row.lstrip().lstrip("#")) for line, row in enumerate(text.splitlines(), 1)
            if re.match(r"\s*#(?!!)", row)]
    return paragraphs(path, rows)


def document_units(path, text):
    """Return the units of a document in Markdown or reStructuredText, without its headings and literal blocks."""
    rows, fence, literal, comment, lines = [], False, None, False, text.splitlines()
    for line, row in enumerate(lines, 1):
        indent = len(row) - len(row.lstrip())
        fenced = row.lstrip().startswith("```")
        fence ^= fenced
        comment = comment or row.lstrip().startswith("<!--")
        if literal is not None and row.strip() and indent <= literal:
            literal = None
        under = lines[line] if line < len(lines) else ""
        heading = row.startswith("#") or re.fullmatch(r"([=~^*-])\1{2,}", under) or re.fullmatch(r"\|[-|: ]+\|", under)
        if fence or fenced or comment or literal is not None or heading or re.match(r"\s*\.\. [\w-]+::|\s*:\w+:", row):
            rows.append((line, ""))
        elif row.lstrip().startswith("|"):
            for cell in row.strip().strip("|").split("|"):
                rows += [(line, ""), (line, cell), (line, "")]
        else:
            rows.append((line, row))
        if literal is None and row.rstrip().endswith("::"):
            literal = indent
        comment = comment and "-->" not in row
    return paragraphs(path, rows)


def kconfig_units(path, text):
    """Return the units of a Kconfig file: its help texts and comments."""
    return paragraphs(path, [(line, row.lstrip().lstrip("#")) for line, row in enumerate(text.splitlines(), 1)])


def file_units(root, path):
    """Return the units of a file; none if it is of no kind that has prose."""
    full = root / path
    kinds = {".c": c_units, ".h": c_units, ".S": c_units, ".py": python_units, ".sh": hash_units, ".config": hash_units,
             ".md": document_units, ".rst": document_units}
    reader = kinds.get(path.suffix)
    if path.name.startswith("Makefile") or path.name == "series":
        reader = hash_units
    elif path.name.startswith("Kconfig"):
        reader = kconfig_units
    elif not path.suffix and full.read_bytes().startswith(b"#!/usr/bin/env python3"):
        reader = python_units
    return reader(path, full.read_text()) if reader else []


def kernel_units(tree):
    """Return the units of LiKeX's files in the kernel tree."""
    names = series.git("ls-files", "--", *KERNEL, tree=tree).split()
    return [unit for name in names for unit in file_units(tree, pathlib.Path(name))]


def own_units():
    """Return the units of this repository's files."""
    names = capture(["git", "ls-files", "-co", "--exclude-standard", "--", *OWN], cwd=TOP).split()
    return [unit for name in names if (TOP / name).is_file() for unit in file_units(TOP, pathlib.Path(name))]


def subject_units():
    """Return the units of the patches: their subjects."""
    units = []
    for name in series.names():
        subject = re.search(r"^Subject: (?:\[[^]]*\] )?(.*(?:\n .*)*)", (series.PATCHES / name).read_text(), re.MULTILINE)
        units.append(Unit(pathlib.Path("patches") / name, 4, subject[1]))
    return units


# A file of each kind, and the lines where a rule is broken. Other lines would break it if they were prose.
_FILES = (
    (c_units, "/**\n * f() - Which it is\n * @n: What it is\n */\nint a;\t/* whose it is */\n// Who is it\n"
              'char *s = "/* Who";\n/*\n * It is so. Where it is\n */\n', [2, 3, 5, 6, 9]),
    (python_units, '"""Docs.\n\nWhat it is.\n"""\n# It is so.\n# Where it is.\na = 1  # what it is\nb = "# Who"\n', [3, 6, 7]),
    (hash_units, "#!What\n# What it is\nall:\n\techo What  # Who\n", [2]),
    (document_units, "# What\n\nWhat is\n====\n\n- Who it is\n\n| What | is |\n|---|---|\n| a | who is |\n\n"
                     "```\nWhat\n```\n\nIt is::\n\n  What\n\nWho\n\n``Who`` is\n", [6, 10, 20]),
    (kconfig_units, "config A\n\tbool \"a\"\n\thelp\n\t  It is. What is it? No.\n\n\t  Whether it is.\n", [6]),
)


def wrong_files():
    """Return a line for each kind of file whose prose is not found where it is."""
    said = []
    for reader, text, wanted in _FILES:
        lines = [int(row.split(":")[1]) for row in findings(reader(pathlib.Path("file"), text))]
        if lines != wanted:
            said.append(f"{reader.__name__} finds lines {lines}, not {wanted}")
    return said
