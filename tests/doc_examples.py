"""Run the examples of PyTorch's docstrings on PyTorch and on torchish, and compare what each prints.

    python tests/doc_examples.py                    # all of them, some 800 docstrings
    python tests/doc_examples.py 'nn.Conv|fft'      # those whose names match

The examples are read from the PyTorch that is installed. Each docstring starts from the same seed; its statements
run one by one, as at a prompt, and go on behind one that fails, which must fail in the same way on both sides. Texts are compared as
in `compare_scripts`.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import inspect
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
from typing import Any

MODULES = (
    "torch", "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrizations", "nn.utils.prune", "linalg",
    "fft", "special", "signal.windows", "masked", "optim", "optim.lr_scheduler", "optim.swa_utils", "autograd", "autograd.functional",
    "autograd.grad_mode", "func", "distributions", "utils.data", "Tensor", "autograd.forward_ad", "autograd.function",
    "autograd.graph", "autograd.profiler", "nn.grad", "nn.modules.module", "nn.modules.lazy", "nn.utils.parametrize",
    "nn.utils.stateless", "distributions.utils", "optim.optimizer", "compiler", "serialization", "testing",
    "utils.checkpoint", "accelerator", "nn.attention", "distributions.constraints",
)  # fmt: skip
SECONDS = 30  # for a statement

# What prints something else, and why.
EXEMPT = {
    r"sparse|col_indices|crow_indices|to_dense|narrow_copy": "sparse layouts are left out",
    r"quantize": "quantisation is left out",
    r"functionalize": "torch.fx is left out",
    r"empty|skip_init": "shows memory as it happens to be",
    r"torch.Event|set_default_device|accelerator.Graph|emit_nvtx|emit_itt": "is about CUDA",
    r"torch.cholesky_inverse|linalg.(eigh|lstsq|solve_triangular|svdvals)|fft.hfft|CrossEntropyLoss": "shows rounding",
    r"special.erfc|set_flush_denormal": "XLA flushes subnormal numbers",
    r"torch.load|is_storage|set_default_dtype|thread_safe_generator|resolve_neg": "see docs/differences.md",
    r"torch.from_dlpack": "capsules say that their memory may be written to, as DLPack 1.0 has it",
    r"torch.vmap": "shows a function's repr",
    r"autograd.profiler": "shows times",
    r"substitute_in_graph|region_activation_memory_budget": "is about PyTorch's compiler",
    r"safe_globals|skip_data": "is about classes of the example's own module; saving without data is left out",
    r"elective_?[cC]heckpoint": "is about operators of PyTorch's dispatcher",
}  # fmt: skip


def sources() -> dict[str, list[str]]:
    """The statements of each docstring, by the name of what it documents."""
    parser, found = doctest.DocTestParser(), {}
    for module in MODULES:
        space = importlib.import_module("torch") if module in ("torch", "Tensor") else importlib.import_module(f"torch.{module}")
        space = space.Tensor if module == "Tensor" else space
        for name in sorted(vars(space) if module != "Tensor" else dir(space)):
            value: Any = getattr(space, name, None)
            if name.startswith("_") or inspect.ismodule(value):
                continue
            documented = {f"{module}.{name}": value}
            if inspect.isclass(value) and value.__module__.startswith("torch") and module not in ("torch", "Tensor"):
                documented |= {f"{module}.{name}.{part}": f for part, f in vars(value).items() if part[0] != "_"}
            for what, value in documented.items():
                doc = getattr(value, "__doc__", None)
                if not isinstance(doc, str) or ">>>" not in doc:
                    continue
                try:
                    examples = parser.get_examples(doc)
                except ValueError:  # output that is not indented as it should be
                    lines = [line.strip() for line in doc.split("\n") if line.strip().startswith((">>> ", "... "))]
                    examples = parser.get_examples("\n".join(lines))
                statements = [example.source for example in examples]
                if statements and statements not in found.values():
                    found[what] = statements
    return found


def exempt(name: str) -> str | None:
    """Why an example is not compared; None when it is."""
    return next((why for pattern, why in EXEMPT.items() if re.search(pattern, name)), None)


def _alarm(*_: Any) -> None:
    raise TimeoutError(f"took longer than {SECONDS} s")


def run(torch: Any, statements: list[str]) -> list[str]:
    """What each statement prints, or the error that it raises."""
    import numpy as np

    torch.manual_seed(0)
    np.random.seed(0)
    space = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "optim": torch.optim, "np": np, "math": math, "__name__": "example"}
    printed = []
    for source in statements:
        out = io.StringIO()
        signal.signal(signal.SIGALRM, _alarm)
        signal.alarm(SECONDS)
        try:
            with contextlib.redirect_stdout(out):
                exec(compile(source, "<example>", "single"), space)
        except Exception as error:
            out.write(f"{type(error).__name__}: {error}")
        finally:
            signal.alarm(0)
        printed.append(out.getvalue().replace("torchish", "torch"))
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)
    torch.use_deterministic_algorithms(False)
    torch.set_printoptions(profile="default")
    return printed


def outputs(library: str, examples: dict[str, list[str]]) -> dict[str, list[str]]:
    """What the statements of each docstring print on a library, in one process of its own."""
    start = [sys.executable, "-W", "ignore", *(["-m", "torchish"] if library == "torchish" else []), __file__, "--serve"]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            start, input=json.dumps(examples), capture_output=True, text=True, cwd=folder, check=False, env=environment
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def differing(examples: dict[str, list[str]]) -> dict[str, list[tuple[str, str, str]]]:
    """For each docstring where the libraries differ: the statements, with what PyTorch and what torchish print."""
    from compare_scripts import differences, normalise

    theirs, ours = outputs("torch", examples), outputs("torchish", examples)
    found: dict[str, list[tuple[str, str, str]]] = {}
    for name, statements in examples.items():
        for source, a, b in zip(statements, theirs[name], ours[name], strict=True):
            if list(differences(normalise(a), normalise(b))):
                found.setdefault(name, []).append((source, a, b))
    return found


def main() -> int:
    """Compare the examples whose names match the argument; the exit status says whether they agree."""
    if sys.argv[1:] == ["--serve"]:
        import torch

        print("\n" + json.dumps({name: run(torch, statements) for name, statements in json.load(sys.stdin).items()}))
        return 0
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    examples = {name: s for name, s in sources().items() if re.search(pattern, name) and not exempt(name)}
    found = differing(examples)
    for name, statements in found.items():
        for source, a, b in statements:
            print(f"== {name}\n{source}-- PyTorch\n{a}\n-- torchish\n{b}")
    print(f"{len(examples) - len(found)} of {len(examples)} docstrings print the same")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
