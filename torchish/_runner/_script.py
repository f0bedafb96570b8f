"""Runs a script, a module or a string as `__main__`, the way `python` itself does, with torchish in PyTorch's place.

`runpy` would come near. It puts the old `__main__` back when the code ends, though, so that exit handlers and the
threads that are left find the wrong one, and it shows its own frames in tracebacks.
"""

from __future__ import annotations

import builtins
import importlib.util
import io
import linecache
import os
import pkgutil
import sys
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, NoReturn

from torchish._runner import _tracebacks
from torchish._runner._finder import install

USAGE = """\
usage: python -m torchish SCRIPT [ARGS...]
       python -m torchish -m MODULE [ARGS...]
       python -m torchish -c CODE [ARGS...]
       python -m torchish - [ARGS...] < SCRIPT
       python -m torchish --device DEVICE SCRIPT [ARGS...]
       python -m torchish check [--json] [--html FILE] [--missing] SCRIPT|FOLDER...

Runs PyTorch code, unedited, on torchish: `import torch` and `import torchvision` find torchish instead.

--device cuda, or xla, makes that the device of the tensors that the script makes without naming one.
`check` runs nothing: it lists the names of PyTorch's that the code uses, and whether torchish has them.

TORCHISH_FULL_TRACEBACK=1 in the environment keeps torchish's own frames in the tracebacks of a script's errors.
"""


def main() -> None:
    """The command line of `python -m torchish`. Returns when the script ends, and raises what the script raises."""
    args = sys.argv[1:]
    if args[:1] == ["check"]:
        from torchish._runner._check import main as check

        sys.exit(check(args[1:]))
    if args and args[0].partition("=")[0] == "--device":
        args = _use_device(args)
    if not args and not sys.stdin.isatty():
        args = ["-"]
    if not args:
        sys.stderr.write(USAGE)
        sys.exit(2)
    option, rest = args[0], args[1:]
    if option in ("-h", "--help"):
        print(USAGE, end="")
    elif option == "-":
        _run_stdin(rest)
    elif option.startswith("-m"):
        name, rest = _value_of(args)
        _run_module(name, rest)
    elif option.startswith("-c"):
        source, rest = _value_of(args)
        _run_string(source, rest)
    elif option.startswith("-"):
        sys.stderr.write(f"unknown option: {option}\n{USAGE}")
        sys.exit(2)
    elif pkgutil.get_importer(option) is not None:
        _run_folder(option, rest)
    else:
        _run_script(option, rest)


def _use_device(args: list[str]) -> list[str]:
    """Make the device that `--device` names the default one, and return the arguments that follow."""
    _, equals, name = args[0].partition("=")
    rest = args[1:]
    if not equals:
        if not rest:
            sys.stderr.write(f"argument expected for the --device option\n{USAGE}")
            sys.exit(2)
        name, *rest = rest
    import torchish
    from torchish._tensor.size import resolve

    try:
        device = torchish.device(name)
        resolve(device)
    except (RuntimeError, AssertionError, IndexError) as error:
        import jax

        there = ", ".join(sorted({str(d) for d in jax.devices()}))
        sys.stderr.write(f"--device {name}: {error}\nThe devices that JAX sees here: {there}\n")
        sys.exit(2)
    torchish.set_default_device(device)
    return rest


def _value_of(args: list[str]) -> tuple[str, list[str]]:
    """The value of a one-letter option, joined to it or after it, and the arguments that follow."""
    if len(args[0]) > 2:
        return args[0][2:], args[1:]
    if len(args) > 1:
        return args[1], args[2:]
    sys.stderr.write(f"argument expected for the {args[0]} option\n{USAGE}")
    sys.exit(2)


def _run_script(path: str, args: list[str]) -> None:
    filename = _absolute(path)
    try:
        with io.open_code(filename) as file:
            source = file.read()
    except OSError as error:
        reason = f"[Errno {error.errno}] {error.strerror}"
        sys.stderr.write(f"{sys.executable}: can't open file {filename!r}: {reason}\n")
        sys.exit(2)
    _set_up([path, *args], os.path.dirname(os.path.realpath(filename)))
    namespace = _new_main(SourceFileLoader("__main__", filename))
    namespace.update(__file__=filename, __cached__=None)
    _execute(lambda: compile(source, filename, "exec", dont_inherit=True), namespace)


def _run_stdin(args: list[str]) -> None:
    source = sys.stdin.buffer.read()
    _set_up(["-", *args], "")
    namespace = _new_main(BuiltinImporter)
    namespace.update(__file__="<stdin>", __cached__=None)
    _execute(lambda: compile(source, "<stdin>", "exec", dont_inherit=True), namespace)


def _run_string(source: str, args: list[str]) -> None:
    _set_up(["-c", *args], "")
    if sys.version_info >= (3, 13):
        # Since then Python shows the lines of -c in tracebacks.
        linecache.cache["<string>"] = len(source), None, source.splitlines(keepends=True), "<string>"
    _execute(lambda: compile(source, "<string>", "exec", dont_inherit=True), _new_main(BuiltinImporter))


def _run_module(name: str, args: list[str]) -> None:
    _set_up(["-m", *args], os.getcwd())
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            package, name = name, f"{name}.__main__"
            spec = importlib.util.find_spec(name)
            if spec is None:
                _fail(f"No module named {name}; {package!r} is a package and cannot be directly executed")
    except ModuleNotFoundError as error:
        _fail(f"Error while finding module specification for {name!r} ({type(error).__name__}: {error})")
    if spec is None:
        _fail(f"No module named {name}")
    _run_spec(spec, argv0=spec.origin)


def _run_folder(path: str, args: list[str]) -> None:
    """Run a folder, or a zip file, with a `__main__.py` in it."""
    folder = _absolute(path)
    _set_up([path, *args], folder)
    spec = PathFinder.find_spec("__main__", [folder])
    if spec is None:
        _fail(f"can't find '__main__' module in {folder!r}")
    _run_spec(spec, argv0=path)


def _run_spec(spec: ModuleSpec, argv0: str | None) -> None:
    get_code = getattr(spec.loader, "get_code", None)
    if get_code is None:
        _fail(f"No code object available for {spec.name}")
    if argv0 is not None:
        sys.argv[0] = argv0
    namespace = _new_main(spec.loader, spec)
    namespace.update(__file__=spec.origin, __cached__=spec.cached)
    _execute(lambda: get_code(spec.name), namespace)


def _absolute(path: str) -> str:
    """`path` from the root, as Python puts it into `__file__`: dots and all, unlike `os.path.abspath`."""
    return os.path.abspath(path) if os.name == "nt" else os.path.join(os.getcwd(), path)


def _set_up(argv: list[str], script_folder: str) -> None:
    sys.argv[:] = argv
    if not sys.flags.safe_path:
        sys.path[0] = script_folder
    install()


def _new_main(loader: object, spec: ModuleSpec | None = None) -> dict[str, Any]:
    """Put a fresh `__main__` in `sys.modules`, and return its namespace, with what Python puts in it."""
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    namespace = vars(module)
    namespace.update(__package__=spec and spec.parent, __loader__=loader, __spec__=spec)
    namespace.update(__annotations__={}, __builtins__=builtins)
    return namespace


def _execute(get_code: Callable[[], CodeType], namespace: dict[str, Any]) -> None:
    """Execute the code that `get_code` compiles, and leave its errors to the interpreter to report as the code's."""
    try:
        code = get_code()
    except (SyntaxError, ValueError) as error:
        _tracebacks.report_as_script_error(error, None)
        raise
    try:
        exec(code, namespace)
    except SystemExit:
        raise
    except BaseException as error:
        this_frame = error.__traceback__
        _tracebacks.report_as_script_error(error, this_frame and this_frame.tb_next)
        raise


def _fail(reason: str) -> NoReturn:
    sys.exit(f"{sys.executable}: {reason}")
