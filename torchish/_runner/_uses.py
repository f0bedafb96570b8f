"""Reads the names of PyTorch's modules that a source uses off its syntax tree.

Imports give names their meaning (`import torch.nn as nn`, `from torch import optim`), assignments pass it on
(`relu = F.relu`), and Python's scopes decide which of them holds where a name is used.
"""

from __future__ import annotations

import ast
import builtins
import json
import tokenize
from dataclasses import dataclass
from pathlib import Path

from torchish._runner import _names

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FORGIVING = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError", "NameError", "Exception", "BaseException"})


@dataclass(frozen=True)
class Use:
    """One use of a name: the dotted name in PyTorch, and where it is used."""

    name: str
    line: int
    column: int
    guarded: bool  # the script has a way without it: `try: … except ImportError`, `hasattr`, `TYPE_CHECKING`
    modules: frozenset[str]  # the modules that the file imports
    cell: int | None = None  # of a notebook, from 1

    @property
    def place(self) -> str:
        return str(self.line) if self.cell is None else f"cell {self.cell} line {self.line}"


def uses_in(path: Path) -> list[Use]:
    """The uses in a Python file or a notebook; SyntaxError, OSError or ValueError if it cannot be read."""
    if path.suffix == ".ipynb":
        source, lines = _notebook(path)
    else:
        with tokenize.open(path) as file:
            source, lines = file.read(), None
    found = uses_in_source(source, str(path))
    if lines is None:
        return found
    return [Use(u.name, lines[u.line - 1][1], u.column, u.guarded, u.modules, lines[u.line - 1][0]) for u in found]


def _notebook(path: Path) -> tuple[str, list[tuple[int, int]]]:
    """The code of a notebook's cells as one source, and for each of its lines the cell and the line there."""
    text, where = [], []
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"]).split("\n")
        if source and source[0].startswith("%%"):
            continue
        for i, line in enumerate(source, 1):
            bare = line.lstrip()
            # a magic or a shell command: something must stay where a block needs a statement
            magic = bare[:1] in ("%", "!") or bare.endswith("?")
            text.append(line[: len(line) - len(bare)] + "pass" if magic else line)
            where.append((number, i))
    return "\n".join(text) + "\n", where


def uses_in_source(source: str, filename: str = "<string>") -> list[Use]:
    """The uses in a source text, in the order of lines; SyntaxError if it is none."""
    tree = ast.parse(source, filename)
    reader = _Reader(tree)
    reader.visit(tree)
    return sorted(set(reader.uses), key=lambda u: (u.line, u.column, u.name))


class _Scope:
    """The names bound in a module, class, function or comprehension: a dotted name in PyTorch, or None for anything else."""

    def __init__(self, node: ast.AST, is_class: bool = False):
        self.node, self.is_class = node, is_class
        self.names: dict[str, str | None] = {}
        self.outer: set[str] = set()
        self.until: dict[str, int] = {}  # the last line where an imported name means what was imported: `optim = optim.Adam(…)`

    def bind(self, name: str, meaning: str | None) -> None:
        # The fallback of `try: import torch; except ImportError: torch = None` is not what a later use means.
        if self.names.get(name) is None:
            self.names[name] = meaning


class _Reader(ast.NodeVisitor):
    def __init__(self, tree: ast.Module):
        self.uses: list[Use] = []
        self.scopes: list[_Scope] = []
        self.guards = 0
        self.asked: list[str] = []  # names that `hasattr` has been asked for around here
        self.stars: list[str] = []  # modules of `from … import *`
        self.set_by_script: set[str] = set()
        modules = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {a.name for a in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module)
                if any(a.name == "*" for a in node.names) and _names.is_pytorch_name(node.module):
                    self.stars.append(node.module)
        self.modules = frozenset(
            ".".join(m.split(".")[:i]) for m in modules if _names.is_pytorch_name(m) for i in range(1, m.count(".") + 2)
        )

    # What names mean ----------------------------------------------------------------------------------------------

    def _enter(self, node: ast.AST, body: list[ast.AST], is_class: bool = False) -> None:
        scope = _Scope(node, is_class)
        self.scopes.append(scope)
        for part in body:
            self._collect(part, scope)
            if isinstance(part, ast.Assign) and isinstance(part.value, ast.Call):
                for target in part.targets:
                    if isinstance(target, ast.Name) and self._imported(target.id, scope):
                        scope.until.setdefault(target.id, part.end_lineno or part.lineno)
        for name in scope.outer:
            scope.names.pop(name, None)

    def _collect(self, node: ast.AST, scope: _Scope) -> None:
        """Bind what a statement binds in its own scope, without going into inner ones."""
        if isinstance(node, ast.Import):
            for a in node.names:
                module = a.name if a.asname else a.name.partition(".")[0]
                scope.bind(a.asname or module, module if _names.is_pytorch_name(module) else None)
        elif isinstance(node, ast.ImportFrom):
            ours = not node.level and node.module is not None and _names.is_pytorch_name(node.module)
            for a in node.names:
                if a.name != "*":
                    scope.bind(a.asname or a.name, f"{node.module}.{a.name}" if ours else None)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            scope.bind(node.name, None)
            return
        elif isinstance(node, (ast.Lambda, *_COMPREHENSIONS)):
            for inner in ast.walk(node):
                if isinstance(inner, ast.NamedExpr) and isinstance(inner.target, ast.Name):
                    scope.bind(inner.target.id, None)
            return
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            # `relu = F.relu` passes a meaning on; a name that is assigned twice means nothing for certain.
            name = node.targets[0].id
            meaning = self.meaning(node.value) if isinstance(node.value, (ast.Name, ast.Attribute)) else None
            if name in scope.names and scope.names[name] != meaning and not self._imported(name, scope):
                scope.names[name] = None
            else:
                scope.bind(name, meaning)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            scope.bind(node.id, None)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            scope.outer |= set(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            scope.bind(node.name, None)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            scope.bind(node.name, None)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            scope.bind(node.rest, None)
        for child in ast.iter_child_nodes(node):
            self._collect(child, scope)

    def _imported(self, name: str, scope: _Scope) -> bool:
        meaning = scope.names.get(name)
        return meaning is not None and (meaning in self.modules or _names.is_pytorch_name(name))

    def meaning(self, node: ast.AST) -> str | None:
        """The dotted name in PyTorch that an expression is, None for any other."""
        if isinstance(node, ast.Attribute):
            base = self.meaning(node.value)
            return None if base is None else f"{base}.{node.attr}"
        if isinstance(node, ast.NamedExpr):
            return self.meaning(node.value)
        if not isinstance(node, ast.Name):
            return None
        for i, scope in enumerate(reversed(self.scopes)):
            if scope.is_class and i:  # methods do not see the names of their class
                continue
            if node.id in scope.names:
                return scope.names[node.id] if node.lineno <= scope.until.get(node.id, node.lineno) else None
        if not hasattr(builtins, node.id):
            for module in self.stars:
                if node.id in _names.pytorch_names().get(module, ()):
                    return f"{module}.{node.id}"
        return None

    # Uses -----------------------------------------------------------------------------------------------------------

    def _use(self, name: str, node: ast.AST, guarded: bool = False) -> None:
        if name in self.set_by_script:
            return
        guarded = guarded or bool(self.guards) or any(name == a or name.startswith(a + ".") for a in self.asked)
        self.uses.append(Use(name, node.lineno, node.col_offset, guarded, self.modules))  # type: ignore[attr-defined]

    def visit_Module(self, node: ast.Module) -> None:
        self._enter(node, list(node.body))
        for inner in ast.walk(node):  # `torch.mine = …` is the script's own
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and (name := self.meaning(inner)) is not None:
                self.set_by_script.add(name)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for a in node.names:
            if _names.is_pytorch_name(a.name):
                self._use(a.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or node.module is None or not _names.is_pytorch_name(node.module):
            return
        for a in node.names:
            self._use(node.module if a.name == "*" else f"{node.module}.{a.name}", a if a.name != "*" else node)

    def visit_Name(self, node: ast.Name) -> None:
        # The use of an imported name was counted where it was imported, except a star's.
        if isinstance(node.ctx, ast.Load) and not any(node.id in s.names for s in self.scopes):
            name = self.meaning(node)
            if name is not None:
                self._use(name, node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self.meaning(node)
        if name is None:
            self.generic_visit(node)
        elif isinstance(node.ctx, ast.Load):
            self._use(name, node)
        else:
            base = self.meaning(node.value)
            if base is not None:
                self._use(base, node)

    def visit_Call(self, node: ast.Call) -> None:
        name = self._asked_name(node)
        if name is not None:
            self._use(name, node, guarded=self._is_question(node))
        self.generic_visit(node)

    def _asked_name(self, node: ast.AST) -> str | None:
        """The name that `hasattr(torch, "x")` or `getattr(torch, "x")` asks for."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("hasattr", "getattr") and len(node.args) > 1:
            base, last = self.meaning(node.args[0]), node.args[1]
            if base is not None and isinstance(last, ast.Constant) and isinstance(last.value, str):
                return f"{base}.{last.value}"
        return None

    def _is_question(self, node: ast.Call) -> bool:
        return isinstance(node.func, ast.Name) and (node.func.id == "hasattr" or len(node.args) > 2)

    # Ways without a name ----------------------------------------------------------------------------------------------

    def visit_Try(self, node: ast.Try) -> None:
        caught: set[str] = set()
        for handler in node.handlers:
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            caught |= {"Exception" if k is None else k.id if isinstance(k, ast.Name) else "" for k in kinds}
        forgiving = bool(caught & _FORGIVING)
        self.guards += forgiving
        for part in (*node.body, *node.orelse):
            self.visit(part)
        self.guards -= forgiving
        rest: list[ast.AST] = [*node.handlers, *node.finalbody]
        for other in rest:
            self.visit(other)

    def _under(self, test: ast.AST, parts: list) -> None:
        """Visit what happens only if `test` holds."""
        asked = [name for n in ast.walk(test) if (name := self._asked_name(n)) is not None]
        typing = any(getattr(n, "id", getattr(n, "attr", None)) == "TYPE_CHECKING" for n in ast.walk(test))
        self.asked += asked
        self.guards += typing
        for part in parts:
            self.visit(part)
        self.guards -= typing
        del self.asked[len(self.asked) - len(asked) :]

    def visit_If(self, node: ast.If) -> None:
        self._under(node.test, [node.test, *node.body])
        for part in node.orelse:
            self.visit(part)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._under(node.test, [node.test, node.body])
        self.visit(node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._under(node, list(node.values)) if isinstance(node.op, ast.And) else self.generic_visit(node)

    # Scopes -----------------------------------------------------------------------------------------------------------

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        a = node.args
        arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs, *([a.vararg] if a.vararg else []), *([a.kwarg] if a.kwarg else [])]
        # decorators, defaults and annotations belong to the scope around
        outside: list[ast.AST] = [*a.defaults, *(d for d in a.kw_defaults if d), *(g.annotation for g in arguments if g.annotation)]
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        if not isinstance(node, ast.Lambda):
            outside += [*node.decorator_list, *([node.returns] if node.returns else [])]
        for part in outside:
            self.visit(part)
        self._enter(node, body)
        self.scopes[-1].names.update((g.arg, None) for g in arguments)
        for part in body:
            self.visit(part)
        self.scopes.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_function  # type: ignore[assignment]

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outside: list[ast.AST] = [*node.decorator_list, *node.bases, *node.keywords]
        for part in outside:
            self.visit(part)
        self._enter(node, list(node.body), is_class=True)
        for statement in node.body:
            self.visit(statement)
        self.scopes.pop()

    def _visit_comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self._enter(node, [g.target for g in node.generators])
        self.generic_visit(node)
        self.scopes.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension  # type: ignore[assignment]
