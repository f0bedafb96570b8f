"""`python -m torchish check`: which of PyTorch's names a script or a package uses, and which of them torchish lacks.

Nothing of the script runs. Its names are read off the source (`_uses`); torchish is imported to look each of them up.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from types import ModuleType
from typing import Any

from torchish._runner import _names
from torchish._runner._uses import Use, uses_in

_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})


@dataclass
class Name:
    """A name of PyTorch's that was used: whether torchish has it, whether PyTorch 2.13 has it (None: not known), and where."""

    name: str
    present: bool
    in_pytorch: bool | None
    uses: list[tuple[str, Use]] = field(default_factory=list)

    @property
    def missing(self) -> bool:
        """Whether torchish lacks it and the script relies on it."""
        return not self.present and not all(use.guarded for _, use in self.uses)

    @property
    def remark(self) -> str:
        if self.present:
            return ""
        if self.in_pytorch is False:
            return "PyTorch 2.13 does not have it either"
        return "" if self.missing else "the script does without it"

    def places(self) -> str:
        """`train.py:3, 17; model.py:4`"""
        by_file: dict[str, list[str]] = {}
        for file, use in self.uses:
            lines = by_file.setdefault(file, [])
            if use.place not in lines:
                lines.append(use.place)
        return "; ".join(f"{file}:{', '.join(lines)}" for file, lines in by_file.items())


@dataclass
class Report:
    """What `check` found in some files."""

    files: list[str]
    names: list[Name]
    errors: list[str]

    @property
    def missing(self) -> list[Name]:
        return [n for n in self.names if n.missing]

    @property
    def optional(self) -> list[Name]:
        return [n for n in self.names if not n.present and not n.missing]

    @property
    def present(self) -> list[Name]:
        return [n for n in self.names if n.present]

    def summary(self) -> str:
        files = f"{len(self.files)} file{'s' * (len(self.files) != 1)}"
        if not self.names:
            return f"{files}: no names of PyTorch's"
        text = f"{files}, {len(self.names)} names of PyTorch's: torchish has {len(self.present)}"
        return text + (f", lacks {len(self.names) - len(self.present)}" if len(self.present) < len(self.names) else ", all of them")


def main(arguments: list[str]) -> int:
    """The command line of `python -m torchish check`; the exit status: 1 if something is missing, 2 for what cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m torchish check",
        description="Lists the names of torch and torchvision that Python files and notebooks use, and whether torchish has them. "
        "Nothing is run. Methods of tensors cannot be known from the source, and are not looked at.",
        epilog="The exit status is 1 if a name is missing, 2 if a file cannot be read.",
    )
    parser.add_argument("paths", nargs="+", metavar="SCRIPT|FOLDER", help="Python files, notebooks, and folders of them")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument("--html", metavar="FILE", help="write a page as well")
    parser.add_argument("--missing", action="store_true", help="list only what is missing")
    options = parser.parse_args(arguments)
    report = check(options.paths)
    if options.html:
        Path(options.html).write_text(as_html(report), encoding="utf-8")
    try:
        print(as_json(report) if options.json else as_text(report, options.missing), flush=True)
    except BrokenPipeError:  # whoever reads this has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python itself writes what is left, at exit
    for error in report.errors:
        print(error, file=sys.stderr)
    return 2 if report.errors else 1 if report.missing else 0


def check(paths: Iterable[str | Path]) -> Report:
    """Look up the names that the files, and those in the folders, use; a file that is given twice is read once."""
    files: dict[Path, Path] = {}
    errors = []
    for path in map(Path, paths):
        found = sorted(_sources(path)) if path.is_dir() else [path]
        if not found:
            errors.append(f"{path}: no Python files")
        for file in found:
            files.setdefault(file.resolve(), file)
    names: dict[str, Name] = {}
    for file in files.values():
        try:
            uses = uses_in(file)
        except (OSError, SyntaxError, ValueError) as error:
            errors.append(f"{file}: {type(error).__name__}: {error}")
            continue
        for use in uses:
            name, present = look_up(use.name, use.modules)
            entry = names.get(name)
            if entry is None:
                entry = names[name] = Name(name, present, _in_pytorch(name))
            entry.uses.append((str(file), use))
    return Report([str(f) for f in files.values()], sorted(names.values(), key=lambda n: (n.name.casefold(), n.name)), errors)


def _sources(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in _SKIPPED_FOLDERS and not path.name.startswith(".") and not (path / "pyvenv.cfg").exists():
                yield from _sources(path)
        elif path.suffix in (".py", ".ipynb") and not path.name.startswith("."):
            yield path


def look_up(name: str, modules: frozenset[str] = frozenset()) -> tuple[str, bool]:
    """The part of a dotted name that is PyTorch's, without attributes of objects, and whether torchish has it.

    `modules` are names that the script imports as modules: what follows them is still PyTorch's.
    """
    parts = name.split(".")
    found: Any = None
    for i in range(1, len(parts) + 1):
        known = ".".join(parts[:i])
        found = _member(found, known, parts[i - 1])
        if found is _ABSENT:
            while i < len(parts) and _is_module_name(known, modules):
                i += 1
                known = ".".join(parts[:i])
            return known, False
        if not isinstance(found, (ModuleType, type)):
            return known, True
    return name, True


_ABSENT = object()


def _member(parent: Any, full: str, last: str) -> Any:
    """The member `last` of a module or class, which is `full` in PyTorch; `_ABSENT` if there is none."""
    if isinstance(parent, type):
        # What a class sets on its objects only cannot be seen here: of the classes, Tensor alone has all its names.
        return getattr(parent, last, _ABSENT if parent.__name__ == "Tensor" else None)
    ours = _names.torchish_name(full)
    if ours is None:
        return _ABSENT
    if parent is not None:
        try:
            return getattr(parent, last)
        except AttributeError:
            pass
    try:
        return importlib.import_module(ours)
    except ModuleNotFoundError as error:
        if error.name is None or not ours.startswith(error.name):
            raise
        return _ABSENT


def _is_module_name(name: str, modules: frozenset[str]) -> bool:
    last = name.rpartition(".")[2]
    return name in modules or name in _names.pytorch_names() or (name.startswith("torchvision") and last.islower())


def _in_pytorch(name: str) -> bool | None:
    module, _, last = name.rpartition(".")
    names = _names.pytorch_names().get(module)
    return None if names is None or (last.startswith("_") and last not in names) else last in names or name in _names.pytorch_names()


def as_text(report: Report, only_missing: bool = False) -> str:
    """The report as lines of text: what is missing first."""
    lines = []
    groups = [("missing", report.missing), ("missing, and the script does without", report.optional), ("there", report.present)]
    width = min(max((len(n.name) for n in report.names), default=0), 50)
    for title, names in groups[: 1 if only_missing else None]:
        if names:
            lines.append(f"{title}:")
            for n in names:
                remark = f"  ({n.remark})" if n.in_pytorch is False and not n.present else ""
                lines.append(f"  {n.name:<{width}}  {n.places()}{remark}")
            lines.append("")
    return "\n".join([*lines, report.summary()])


def as_json(report: Report) -> str:
    """The report as a JSON object."""
    names = [
        {
            "name": n.name, "torchish": n.present, "pytorch": n.in_pytorch, "missing": n.missing,
            "uses": [{"file": f, "line": u.line, "column": u.column, "cell": u.cell, "guarded": u.guarded} for f, u in n.uses],
        }
        for n in report.names
    ]  # fmt: skip
    counts = {"names": len(report.names), "present": len(report.present), "missing": len(report.missing)}
    return json.dumps({**counts, "files": report.files, "errors": report.errors, "uses": names}, indent=2)


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>torchish check</title>
<style>
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --good: #2e7d32; --mild: #b26a00; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
table { border-collapse: collapse; width: 100%%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-top: 1px solid var(--line); }
th { border-top: 0; font-weight: 600; } td.name, td.where { font-family: ui-monospace, monospace; font-size: .87rem; }
td.name { white-space: nowrap; } td.where { overflow-wrap: anywhere; }
.bar { height: .6rem; border-radius: .3rem; background: var(--bad); overflow: hidden; }
.bar div { height: 100%%; background: var(--good); }
.missing td.name { color: var(--bad); } .optional td.name { color: var(--mild); } .there td.name { color: var(--good); }
</style></head><body>
<h1>PyTorch names in %(what)s</h1>
<p>%(summary)s.</p>
<div class="bar" role="img" aria-label="%(share).0f %% there"><div style="width: %(share).2f%%"></div></div>
%(tables)s
</body></html>
"""


def as_html(report: Report) -> str:
    """The report as a page that needs no other file."""
    tables = []
    groups = [
        ("missing", "Missing", report.missing),
        ("optional", "Missing, and the script does without", report.optional),
        ("there", "There", report.present),
    ]
    for kind, title, names in groups:
        if names:
            rows = "\n".join(
                f'<tr><td class="name">{escape(n.name)}</td><td class="where">{escape(n.places())}</td><td>{escape(n.remark)}</td></tr>'
                for n in names
            )
            tables.append(
                f'<h2>{title} ({len(names)})</h2>\n<table class="{kind}">\n<tr><th>name</th><th>file and line</th><th></th></tr>\n'
                f"{rows}\n</table>"
            )
    tables += [f"<p>{escape(e)}</p>" for e in report.errors]
    what = escape(report.files[0]) if len(report.files) == 1 else f"{len(report.files)} files"
    share = 100 * len(report.present) / len(report.names) if report.names else 100.0
    return _PAGE % {"what": what, "summary": escape(report.summary()), "share": share, "tables": "\n".join(tables)}
