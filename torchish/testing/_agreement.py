"""Holding ported code to PyTorch: the same function or module on both libraries, compared tensor by tensor.

    @agrees_with_torch(inputs=[(8, 3), (3,)])
    def test_scores(torch, x, w):
        return torch.log_softmax(x @ w, 0)

PyTorch is imported here alone, and only when a comparison runs.
"""

from __future__ import annotations

import functools
import inspect
import unittest
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import torchish


class Difference(NamedTuple):
    """One tensor that differs: which, when, how, and (for values) where and by how much at the worst place."""

    name: str
    step: int | None
    reason: str
    place: tuple[int, ...] | None = None
    ours: Any = None
    theirs: Any = None
    absolute: float | None = None
    relative: float | None = None

    def text(self) -> str:
        """The difference in a line or two."""
        when = "" if self.step is None else f" at step {self.step}"
        head = f"{self.name}{when}: {self.reason}"
        if self.place is None:
            return head
        return (
            f"{head}\n    worst at {list(self.place)}: torchish {self.ours}, PyTorch {self.theirs} (absolute difference "
            f"{self.absolute:.3g}, relative {self.relative:.3g})"
        )


class Disagreement(AssertionError):
    """torchish and PyTorch differ; `differences` lists where."""

    def __init__(self, differences: list[Difference], compared: int):
        self.differences = differences
        lines = "\n".join("  " + d.text().replace("\n", "\n  ") for d in differences)
        super().__init__(f"torchish and PyTorch differ in {len(differences)} of {compared} compared values:\n{lines}")


def _pytorch() -> Any:
    """PyTorch itself; ImportError when it is not installed, or torchish stands in its place."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("a comparison with PyTorch needs PyTorch: pip install torch") from error
    if torch is torchish or getattr(torch, "Tensor", None) is torchish.Tensor:
        raise ImportError("a comparison with PyTorch needs PyTorch, but here torchish answers to its name")
    return torch


# --- values on both sides ----------------------------------------------------------------------------------


def _map(f: Callable, tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {k: _map(f, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        parts = [_map(f, v) for v in tree]
        return tuple(parts) if isinstance(tree, tuple) else parts
    return f(tree)


def _array(t: Any) -> np.ndarray:
    """The values of a tensor of either library, as a host array."""
    t = t.detach().cpu()
    if str(t.dtype) in ("torch.bfloat16", "torch.float16"):
        t = t.float()
    return np.array(t.resolve_conj().resolve_neg().numpy())


def _ours(t: Any) -> Any:
    """A tensor of PyTorch's as one of torchish's."""
    return torchish.tensor(_array(t)).to(getattr(torchish, str(t.dtype).removeprefix("torch.")))


def _inputs(library: Any, inputs: Any, gradients: bool) -> tuple[Any, list]:
    """The inputs as tensors of a library, and those of them that get gradients."""
    torch = _pytorch()
    leaves: list = []

    def convert(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            x = torchish.tensor(x)
        if isinstance(x, torchish.Tensor):
            dtype = getattr(library, x.dtype.name)
            made = library.tensor(_array(x)).to(dtype)
        elif isinstance(x, np.ndarray):
            made = library.tensor(x)
        else:
            return x
        if gradients and (made.is_floating_point() or made.is_complex()):
            leaves.append(made.requires_grad_())
        return made

    return _map(convert, inputs), leaves


def _drawn(inputs: Any, seed: int) -> Any:
    """Shapes among the inputs as float32 tensors with normal values."""
    rng = np.random.default_rng(seed)

    def is_shape(x: Any) -> bool:
        return isinstance(x, tuple) and all(type(n) is int for n in x)

    return [torchish.tensor(rng.standard_normal(x).astype(np.float32)) if is_shape(x) else x for x in inputs]


class _Comparison:
    """What has been compared so far, and what differed."""

    def __init__(self, rtol: float | None, atol: float | None, tensor: type):
        if (rtol is None) != (atol is None):
            missing = "rtol" if rtol is None else "atol"
            raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
        self.rtol, self.atol = rtol, atol
        self.tensor = tensor  # PyTorch's tensor class
        self.differences: list[Difference] = []
        self.compared = 0
        self.step: int | None = None

    def differ(self, name: str, reason: str, *rest: Any) -> None:
        self.differences.append(Difference(name, self.step, reason, *rest))

    def compare(self, name: str, ours: Any, theirs: Any) -> None:
        """Compare two values of the same place: tensors, numbers, or containers of them."""
        if isinstance(ours, torchish.Tensor) or isinstance(theirs, self.tensor):
            self.compared += 1
            if not (isinstance(ours, torchish.Tensor) and isinstance(theirs, self.tensor)):
                self.differ(name, f"torchish gives {type(ours).__name__}, PyTorch {type(theirs).__name__}")
            else:
                self.tensors(name, ours, theirs)
        elif isinstance(theirs, Mapping) and isinstance(ours, Mapping):
            if list(ours) != list(theirs):
                self.compared += 1
                self.differ(name, f"torchish has the keys {list(ours)}, PyTorch {list(theirs)}")
                return
            for k in theirs:
                self.compare(f"{name}[{k!r}]", ours[k], theirs[k])
        elif isinstance(theirs, (list, tuple)) and isinstance(ours, (list, tuple)):
            if len(ours) != len(theirs):
                self.compared += 1
                self.differ(name, f"torchish gives {len(ours)} values, PyTorch {len(theirs)}")
                return
            for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                self.compare(f"{name}[{i}]", a, b)
        else:
            self.compared += 1
            equal = ours == theirs or (ours != ours and theirs != theirs)
            if isinstance(ours, float) and isinstance(theirs, float):
                rtol, atol = self.tolerances("float64")
                equal = equal or abs(ours - theirs) <= atol + rtol * abs(theirs)
            if not equal and str(ours) != str(theirs):
                self.differ(name, f"torchish {ours!r}, PyTorch {theirs!r}")

    def tolerances(self, dtype: str) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        from torchish.testing._comparison import default_tolerances

        return default_tolerances(getattr(torchish, dtype))

    def tensors(self, name: str, ours: Any, theirs: Any) -> None:
        a_type, b_type = str(ours.dtype), str(theirs.dtype)
        if a_type != b_type:
            return self.differ(name, f"torchish has dtype {a_type}, PyTorch {b_type}")
        if tuple(ours.shape) != tuple(theirs.shape):
            return self.differ(name, f"torchish has shape {list(ours.shape)}, PyTorch {list(theirs.shape)}")
        a, b = _array(ours), _array(theirs)
        rtol, atol = self.tolerances(b_type.removeprefix("torch."))
        wide = [x.astype(np.complex128 if x.dtype.kind == "c" else np.float64) for x in (a, b)]
        close = np.isclose(wide[0], wide[1], rtol, atol, equal_nan=True)
        if close.all():
            return None
        with np.errstate(all="ignore"):
            gap = np.abs(wide[0] - wide[1])
            gap = np.where(close, -1.0, np.where(np.isnan(gap), np.inf, gap))
            at = tuple(int(i) for i in np.unravel_index(int(gap.argmax()), gap.shape))
            relative = float(gap[at] / np.abs(wide[1][at])) if wide[1][at] else float("inf")
        wrong = int((~close).sum())
        shape = f"{b_type.removeprefix('torch.')}{list(b.shape)}"
        return self.differ(
            name, f"{wrong} of {close.size} elements differ ({shape}, allowed: {rtol:g} relative, {atol:g} absolute)", at, a[at].item(),
            b[at].item(), float(gap[at]), relative,
        )  # fmt: skip

    def finish(self) -> None:
        if self.differences:
            raise Disagreement(self.differences, self.compared)


# --- running both ------------------------------------------------------------------------------------------


def _floats(library: Any, tree: Any) -> list:
    """The tensors of a result that gradients can start from."""
    found: list = []
    _map(lambda x: found.append(x) if isinstance(x, library.Tensor) and x.requires_grad else None, tree)
    return found


def _backward(library: Any, result: Any, seed: int) -> None:
    """Send back the gradient of a weighted mean of everything in the result; the weights are the same for both libraries."""
    rng = np.random.default_rng(seed)
    total = None
    for t in _floats(library, result):
        weight = library.tensor(rng.standard_normal(tuple(t.shape))).to(t.real.dtype if t.is_complex() else t.dtype)
        part = (t * weight).mean()
        part = part.real if part.is_complex() else part
        total = part if total is None else total + part.to(total.dtype)
    if total is not None:
        total.backward()


def _is_module(x: Any, library: Any) -> bool:
    return isinstance(x, library.nn.Module)


def compare_with_torch(
    ported: Callable, original: Callable, inputs: Sequence = (), *, gradients: bool = True, steps: int = 0,
    optimizer: Callable | None = None, copy_state: bool = True, seed: int = 0, rtol: float | None = None, atol: float | None = None,
) -> None:  # fmt: skip
    """Run `ported` on torchish and `original` on PyTorch with the same inputs; raise `Disagreement` where they differ.

    Both are functions, or both modules. `inputs` are NumPy arrays, tensors of either library, shapes (tuples of ints: normal
    float32 values), other values, and containers of these. Compared are the results (values, shapes, dtypes); with `gradients` those
    of the floating point inputs and of the parameters, from a weighted mean of the results; and a module's state. With `steps` a module is
    trained so many steps, `optimizer(library, parameters)` making the optimizer (SGD with momentum by default), and everything
    is compared after each one, the optimizer's state too. `copy_state` first loads PyTorch's parameters into the ported module.
    Tolerances are `assert_close`'s, unless both are given. Random numbers start from `seed` on both sides.
    Raises ImportError without PyTorch.
    """
    torch = _pytorch()
    sides = (torchish, ported), (torch, original)
    inputs = _drawn(inputs, seed)
    found = _Comparison(rtol, atol, torch.Tensor)
    modules = [_is_module(f, library) for library, f in sides]
    if any(modules) and not all(modules):
        raise TypeError(f"both must be modules, or neither: got {type(ported).__name__} and {type(original).__name__}")
    if not any(modules):
        results = []
        for library, f in sides:
            library.manual_seed(seed)
            values, leaves = _inputs(library, inputs, gradients)
            result = f(*values)
            if gradients:
                _backward(library, result, seed)
            results.append((result, [t.grad for t in leaves]))
        found.compare("result", results[0][0], results[1][0])
        for i, (a, b) in enumerate(zip(results[0][1], results[1][1], strict=True)):
            found.compare(f"gradient of input {i}", a, b)
        return found.finish()
    if copy_state:
        table: Any = original.state_dict()  # type: ignore[attr-defined]
        ported.load_state_dict({k: _ours(v) for k, v in table.items()})  # type: ignore[attr-defined]
    _train(found, sides, inputs, gradients, steps, optimizer, seed)
    return found.finish()


def _train(found: _Comparison, sides: tuple, inputs: Any, gradients: bool, steps: int, optimizer: Callable | None, seed: int) -> None:
    (_, ported), (_, original) = sides
    found.compare("state before", dict(ported.state_dict()), dict(original.state_dict()))
    make = optimizer if optimizer is not None else lambda library, parameters: library.optim.SGD(parameters, lr=0.01, momentum=0.9)
    makers = [make(library, list(m.parameters())) if steps and any(True for _ in m.parameters()) else None for library, m in sides]
    for step in range(max(steps, 1)):
        found.step = step if steps else None
        rows: list[Any] = []
        for (library, module), opt in zip(sides, makers, strict=True):
            library.manual_seed(seed + step)
            values, leaves = _inputs(library, inputs, gradients)
            module.zero_grad()
            result = module(*values)
            if gradients or steps:
                _backward(library, result, seed + step)
            grads = {n: p.grad for n, p in module.named_parameters()}
            if opt is not None:
                opt.step()
            state = opt.state_dict()["state"] if opt is not None else {}
            rows.append((result, [t.grad for t in leaves], grads, dict(module.state_dict()), state))
        ours, theirs = rows[0], rows[1]
        found.compare("result", ours[0], theirs[0])
        for i, (a, b) in enumerate(zip(ours[1], theirs[1], strict=True)):
            found.compare(f"gradient of input {i}", a, b)
        for i, name in enumerate(("gradient of", "state", "optimizer's state of parameter"), 2):
            if ours[i].keys() != theirs[i].keys():
                found.compare(name, ours[i], theirs[i])
                continue
            for k in theirs[i]:
                found.compare(f"{name} {k!r}", ours[i][k], theirs[i][k])
        if found.differences:
            return  # later steps would only repeat it


def agrees_with_torch(
    function: Callable | None = None, *, inputs: Sequence = (), module: bool = False, gradients: bool = True, steps: int = 0,
    optimizer: Callable | None = None, seed: int = 0, rtol: float | None = None, atol: float | None = None,
) -> Any:  # fmt: skip
    """Decorate `f(torch, *inputs)`, written once for either library: calling it runs it on both and compares the results.

    With `module` it is `f(torch)`, which makes a module; the module made by each library from the same seed is then called with the
    inputs, and trained for `steps` steps. See `compare_with_torch` for what is compared and for the options. Further parameters
    of the function stay parameters of the decorated one, so `pytest.mark.parametrize` works. Raises `Disagreement` when
    the libraries differ, and `unittest.SkipTest` when PyTorch is not installed.
    """
    if function is None:
        return functools.partial(
            agrees_with_torch, inputs=inputs, module=module, gradients=gradients, steps=steps, optimizer=optimizer, seed=seed, rtol=rtol,
            atol=atol,
        )  # fmt: skip
    body: Callable = function
    signature = inspect.signature(body)
    taken = 1 if module else 1 + len(inputs)
    rest = signature.replace(parameters=list(signature.parameters.values())[taken:], return_annotation=inspect.Signature.empty)

    def compare(*args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True
        try:
            torch = _pytorch()
        except ImportError as error:
            raise unittest.SkipTest(str(error)) from None
        more = rest.bind(*args, **kwargs).arguments
        sides: list = []
        for library in (torchish, torch):
            library.manual_seed(seed)
            sides.append(body(library, **more) if module else functools.partial(body, library, **more))
        compare_with_torch(
            sides[0], sides[1], inputs, gradients=gradients, steps=steps, optimizer=optimizer, copy_state=False, seed=seed, rtol=rtol,
            atol=atol,
        )  # fmt: skip

    compare.__name__, compare.__qualname__ = body.__name__, body.__qualname__
    compare.__doc__, compare.__module__ = body.__doc__, body.__module__
    compare.__signature__ = rest  # type: ignore[attr-defined]
    return compare


__all__ = ["Difference", "Disagreement", "agrees_with_torch", "compare_with_torch"]
