"""What installing and importing torchish may and may not do to the machine and to other code in the process."""

import ast
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "torchish").rglob("*.py"))}
FUNCTION_OR_CLASS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(code):
    """The output of a fresh interpreter that runs `code` in the checkout."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def imports(tree):
    """The names of the modules that a syntax tree imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module


def third_party(tree):
    """The top-level names of what a syntax tree imports, without the standard library and torchish."""
    return {name.partition(".")[0] for name in imports(tree)} - sys.stdlib_module_names - {"torchish"}


def distributions(requirements):
    """The import names of what is required: distribution names, but for the few that differ."""
    renamed = {"pillow": "PIL", "scikit_learn": "sklearn", "tensorboardx": "tensorboardX"}
    names = (re.split(r"[^\w-]", requirement)[0].lower().replace("-", "_") for requirement in requirements)
    return {renamed.get(name, name) for name in names}


# Without PyTorch ------------------------------------------------------------------------------------------------------


COMPARISON = ROOT / "torchish" / "testing" / "_agreement.py"  # holds a user's code to PyTorch, so it has to call it
TENSORBOARD = ROOT / "torchish" / "utils" / "tensorboard"  # nothing in it is of use without its extra, and it says so


def test_no_source_file_imports_pytorch():
    assert [path for path, tree in SOURCES.items() if third_party(tree) & {"torch", "torchvision"}] == [COMPARISON]


def test_every_module_imports_where_pytorch_is_missing():
    code = """
    import importlib, pkgutil, sys
    sys.modules.update(torch=None, torchvision=None)  # blocks their import
    import torchish
    names = [m.name for m in pkgutil.walk_packages(torchish.__path__, "torchish.")]
    names = [n for n in names if n not in ("torchish.__main__", "torchish._runner._in_worker")]
    for name in names:
        importlib.import_module(name)
    print(len(names))
    """
    assert int(run(code)) > 10


def test_what_the_sources_import_is_declared():
    """At a file's top level only core dependencies; within functions also what an extra brings."""
    core = distributions(PROJECT["dependencies"]) | {"jaxlib"}
    extras = set().union(*(distributions(extra) for extra in PROJECT["optional-dependencies"].values())) - {"torch"}
    for path, tree in SOURCES.items():
        outside_functions = ast.Module([n for n in tree.body if not isinstance(n, FUNCTION_OR_CLASS)], [])
        assert third_party(outside_functions) <= core | ({"tensorboardX"} if TENSORBOARD in path.parents else set()), path
        assert third_party(tree) <= core | extras | ({"torch"} if path == COMPARISON else set()), path


# Other code in the process --------------------------------------------------------------------------------------------


def test_import_leaves_jax_and_numpy_as_they_are():
    code = """
    import jax, jax.numpy as jnp, numpy as np, os, random, sys, warnings

    def state():
        return (
            dict(jax.config.values), dict(os.environ), np.get_printoptions(), np.geterr(), list(warnings.filters),
            list(sys.path), list(sys.meta_path), sys.excepthook, sys.getrecursionlimit(),
        )

    warnings.simplefilter("default")
    before, np_state, py_state = state(), np.random.get_state()[1].tolist(), random.getstate()
    import torchish
    after = state()
    for was, now in zip(before, after):
        assert was == now, {k for k in was if was[k] != now.get(k)} if isinstance(was, dict) else (was, now)
    assert np.random.get_state()[1].tolist() == np_state and random.getstate() == py_state
    print(jnp.arange(3).dtype, jnp.ones(3).dtype, jax.jit(lambda x: x * 2.5)(1).dtype)
    """
    assert run(code) == "int32 float32 float32\n"


def test_jax_stays_32_bit_after_torchish_computed_in_64():
    code = """
    import jax, jax.numpy as jnp, torchish as torch
    print(torch.arange(3).dtype, (torch.zeros(3, dtype=torch.float64) + 1).numpy().dtype)
    print(jnp.arange(3).dtype, jnp.ones(3).dtype, jax.config.jax_enable_x64)
    """
    assert run(code) == "torch.int64 float64\nint32 float32 False\n"


def test_import_starts_no_jax_backend():
    """Starting one would take the GPU's memory, and would come too early for `jax.distributed.initialize`."""
    code = """
    import torchish
    from jax._src import xla_bridge
    print(xla_bridge.backends_are_initialized())
    """
    assert run(code) == "False\n"


def test_import_leaves_what_it_may_not_need_for_later():
    """These cost from 0.1 s to seconds each. `python tests/measure_import.py` measures the whole."""
    heavy = {"matplotlib", "PIL", "sklearn", "tqdm", "tensorflow", "flax", "orbax", "pandas", "torch"}
    assert run(f"import torchish, sys; print({heavy} & set(sys.modules))") == "set()\n"


# The project ----------------------------------------------------------------------------------------------------------


def test_files_that_a_package_should_have():
    assert (ROOT / "torchish/py.typed").exists()
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_readme_commands_name_what_exists():
    readme = (ROOT / "README.md").read_text()
    one_liners = [line for line in readme.splitlines() if line.startswith("python3 -m venv .venv && ")]
    lenet, tests = one_liners
    assert "examples/lenet_digits.py" in lenet and "pytest" in tests
    for extra in re.findall(r"'\.\[(.*?)\]'", lenet + tests):
        assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"])
    for path in re.findall(r"\]\(((?!http)[^)#]+)\)", readme) + re.findall(r"examples/\w+\.py", readme):
        assert (ROOT / path).exists(), path


def test_lenet_example_learns(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "torchish", ROOT / "examples/lenet_digits.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    accuracy = re.search(r"^accuracy: (\d+\.\d)%$", done.stdout, re.MULTILINE)
    assert accuracy is not None and float(accuracy[1]) >= 97
    assert "880/880" in done.stderr  # the progress bar
    assert (tmp_path / "lenet_digits.png").read_bytes().startswith(b"\x89PNG")


def test_lenet_example_is_plain_pytorch():
    assert "torchish" not in set(imports(ast.parse((ROOT / "examples/lenet_digits.py").read_text())))


def test_late_families_add_names_and_change_none():
    out = run(
        """
        import torchish as torch
        from torchish import _families
        from torchish._tensor import dispatch, namespace

        def signatures():
            return {name: [o.schema for o in dispatch.overloads_of(name)] for name in namespace.names()}

        early = signatures()
        assert "linalg.det" not in early and "svd" not in vars(torch)
        assert type(vars(torch.Tensor)["svd"]) is namespace.Absent
        assert callable(torch.Tensor.svd) and "svd" in vars(torch)
        assert not [name for name, found in vars(torch.Tensor).items() if type(found) is namespace.Absent and hasattr(torch.Tensor, name)]
        late = signatures()
        assert all(late[name] == found for name, found in early.items())
        print(len(late) > len(early), hasattr(torch.Tensor, "nothing"), hasattr(torch.ones(1), "nothing"))
        """
    )
    assert out == "True False False\n"
