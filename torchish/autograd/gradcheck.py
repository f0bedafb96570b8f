"""`gradcheck` and `gradgradcheck`: compare gradients with finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchish.autograd.grad_mode import no_grad


class GradcheckError(RuntimeError):
    """A gradient does not agree with the finite difference."""

    __module__ = "torch.autograd.gradcheck"


def _tensors(x: Any) -> tuple:
    from torchish._tensor.tensor import Tensor

    if isinstance(x, Tensor):
        return (x,)
    if isinstance(x, (tuple, list)):
        return tuple(t for item in x for t in _tensors(item))
    if isinstance(x, dict):
        return tuple(t for item in x.values() for t in _tensors(item))
    return ()


def _outputs(x: Any) -> tuple:
    from torchish._tensor.tensor import Tensor

    return tuple(t for t in _tensors(x) if isinstance(t, Tensor) and t.requires_grad)


def _numerical(fn: Callable, inputs: tuple, position: int, n_out: int, eps: float) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """The Jacobian of each output by central differences, (input elements, output elements); complex inputs in Wirtinger form."""
    x = inputs[position]
    size = x.numel()
    base = x.detach().clone().contiguous()
    flat = base.numpy().reshape(-1).copy()

    def run(values: np.ndarray) -> list[np.ndarray]:
        with no_grad():
            x.data.copy_(_like(values.reshape(tuple(x.shape)), x))
            out = _tensors(fn(*inputs))
            return [np.array(o.detach().numpy(force=True)).reshape(-1) for o in out]

    def difference(i: int, step: complex) -> list[np.ndarray]:
        moved = flat.copy()
        moved[i] = flat[i] + step
        up = run(moved)
        moved[i] = flat[i] - step
        down = run(moved)
        return [(u - d) / (2 * eps) for u, d in zip(up, down, strict=True)]

    rows: list[tuple[list[np.ndarray], Any]] = []
    for i in range(size):
        real = difference(i, eps)
        if x.is_complex():
            imag = difference(i, 1j * eps)
            rows.append((real, imag))
        else:
            rows.append((real, None))
    run(flat)
    out: list[tuple[np.ndarray, np.ndarray | None]] = []
    for k in range(n_out):
        dx = np.stack([r[0][k] for r in rows]) if rows else np.zeros((0, 0))
        if x.is_complex():
            dy = np.stack([r[1][k] for r in rows]) if rows else np.zeros((0, 0))
            out.append((dx, dy))
        else:
            out.append((dx, None))
    return out


def _like(values: np.ndarray, x):
    import torchish

    return torchish.tensor(values, dtype=x.dtype)


def _analytical(inputs: tuple, wanted: list[int], out, weights) -> list[np.ndarray | None]:
    """The gradients of sum(weights * out) with respect to the wanted inputs."""
    from torchish.autograd import grad

    got = grad((out,), [inputs[i] for i in wanted], (weights,), retain_graph=True, allow_unused=True)
    return [None if g is None else np.array(g.detach().numpy(force=True)).reshape(-1) for g in got]


def gradcheck(
    func: Callable, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
    nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False, check_forward_ad: bool = False, check_backward_ad: bool = True,
    fast_mode: bool = False, masked: bool | None = None,
) -> bool:  # fmt: skip
    """Compare the gradients of `func` at `inputs` with central differences of step `eps`."""
    try:
        _check(func, inputs, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(func: Callable, inputs: Any, eps: float, atol: float, rtol: float, nondet_tol: float) -> None:
    import torchish
    from torchish._tensor.tensor import Tensor

    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    wanted = []
    for i, t in enumerate(args):
        if isinstance(t, Tensor) and t.requires_grad:
            if t.element_size() < 8 and t._aval.category >= 2:
                warnings.warn(
                    f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will "
                    "likely fail if all the inputs are not of double precision floating point or complex. ",
                    stacklevel=4,
                )
            t.retain_grad()
            wanted.append(i)
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    all_out = _tensors(func(*args))
    outs = [(k, o) for k, o in enumerate(all_out) if o.requires_grad and o._aval.category >= 2]
    if not outs:
        numbers = [_numerical(func, args, i, len(all_out), eps) for i in wanted]
        for per in numbers:
            for dx, dy in per:
                if dx.size and np.any(dx) or (dy is not None and np.any(dy)):
                    raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    for position, i in enumerate(wanted):
        numerical = _numerical(func, args, i, len(all_out), eps)
        for k, o in outs:
            columns = []
            n = o.numel()
            for j in range(n):
                one = np.zeros(n, o._aval.dtype)
                one[j] = 1
                weights = torchish.tensor(one.reshape(tuple(o.shape)), dtype=o.dtype)
                columns.append(_analytical(args, wanted, o, weights)[position])
                again = _analytical(args, wanted, o, weights)[position]
                if columns[-1] is not None and again is not None and not np.allclose(columns[-1], again, 0, nondet_tol or 1e-15):
                    raise GradcheckError(
                        "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
                        "different values, although analytical gradient matches numerical gradient."
                    )
            size = args[i].numel()
            a = np.stack([np.zeros(size) if c is None else c for c in columns], 1) if n else np.zeros((size, 0))
            dx, dy = numerical[k]
            want = _expected(dx, dy, o.is_complex())
            if o.is_complex():
                imag = []
                for j in range(n):
                    one = np.zeros(n, o._aval.dtype)
                    one[j] = 1j
                    weights = torchish.tensor(one.reshape(tuple(o.shape)), dtype=o.dtype)
                    imag.append(_analytical(args, wanted, o, weights)[position])
                b = np.stack([np.zeros(size) if c is None else c for c in imag], 1) if n else np.zeros((size, 0))
                pairs = [(a, want[0]), (b, want[1])]
            else:
                pairs = [(a, want[0])]
            for got, expected in pairs:
                if not np.allclose(got, expected, rtol, atol):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {k} with respect to input {i},\n"
                        f"numerical:{torchish.tensor(np.asarray(expected))}\nanalytical:{torchish.tensor(np.asarray(got))}\n"
                    )


def _expected(dx: np.ndarray, dy: np.ndarray | None, complex_output: bool) -> list[np.ndarray]:
    """What the gradient must be for a cotangent of 1 (and of 1j): from the partial derivatives in x and y."""
    result = []
    for v in (1, 1j) if complex_output else (1,):
        # the loss is Re(conj(v) f): its gradient is d/dx + i d/dy
        gx = np.real(np.conj(v) * dx)
        result.append(gx if dy is None else gx + 1j * np.real(np.conj(v) * dy))
    return result


def gradgradcheck(
    func: Callable, inputs: Any, grad_outputs: Sequence | Any = None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """Compare the gradients of the gradients of `func` with central differences."""
    import torchish
    from torchish._tensor.tensor import Tensor
    from torchish.autograd import grad

    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    if grad_outputs is None:
        outs = _outputs(func(*args))
        given = tuple(torchish.randn_like(o.detach()).requires_grad_() for o in outs)
    else:
        given = tuple(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else (grad_outputs,)
    n = len(given)

    def first(*both):
        xs, gs = both[:-n], both[-n:]
        xs = tuple(x.requires_grad_() if isinstance(x, Tensor) and x.is_leaf and args[i].requires_grad else x for i, x in enumerate(xs))
        with torchish.enable_grad():
            outs = _outputs(func(*xs))
            wanted = tuple(x for x in xs if isinstance(x, Tensor) and x.requires_grad)
            got = grad(outs, wanted, gs, create_graph=True, allow_unused=True)
        return tuple(g for g in got if g is not None)

    return gradcheck(
        first, args + given, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol
    )


__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
