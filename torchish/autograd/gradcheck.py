"""`gradcheck` and `gradgradcheck`: compare gradients with finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchish._dtypes import dtype
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


def _shown(jacobian: np.ndarray, d: dtype):
    """A Jacobian as messages show it: in the precision of the numbers that it is of."""
    import torchish

    return torchish.tensor(jacobian, dtype=d.to_complex() if np.iscomplexobj(jacobian) else d.to_real())


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
    """Compare the gradients of `func` at `inputs` with central differences of step `eps`.

    `check_forward_ad` compares forward mode too, `check_batched_grad` gradients under `vmap` with those one by one.
    """
    if not check_forward_ad and not check_backward_ad:
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    try:
        if check_forward_ad:
            _check_forward(func, inputs, eps, atol, rtol, check_batched_forward_grad)
        if check_backward_ad:
            _check(func, inputs, eps, atol, rtol, nondet_tol)
        if check_batched_grad:
            _check_batched(func, inputs, atol, rtol)
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
                pairs = [("imaginary", b, want[1]), ("real", a, want[0])]
            else:
                pairs = [("", a, want[0])]
            for part, got, expected in pairs:
                if not np.allclose(got, expected, rtol, atol):
                    text = f"While considering the {part} part of complex outputs only, " if part else ""
                    raise GradcheckError(
                        f"{text}Jacobian mismatch for output {k} with respect to input {i},\n"
                        f"numerical:{_shown(expected, o.dtype)}\nanalytical:{_shown(got, args[i].dtype)}\n"
                    )


def _check_forward(func: Callable, inputs: Any, eps: float, atol: float, rtol: float, batched: bool) -> None:
    """The tangents of `func`, one direction after the other (or all at once), against differences."""
    import torchish
    from torchish._tensor.tensor import Tensor
    from torchish.autograd.forward_ad import dual_level, make_dual, unpack_dual

    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    wanted = [i for i, t in enumerate(args) if isinstance(t, Tensor) and t.requires_grad]
    for i in wanted:
        x = args[i]

        def push(direction, i=i, x=x):
            with dual_level():
                dual = make_dual(x.detach(), direction)
                parts = [unpack_dual(o) for o in _tensors(func(*args[:i], dual, *args[i + 1 :]))]
                return tuple(torchish.zeros_like(p) if t is None else t for p, t in parts)

        n = x.numel()
        directions = torchish.eye(n, dtype=x.dtype).view(n, *x.shape)
        factors = (1, 1j) if x.is_complex() else (1,)
        for part, factor in enumerate(factors):
            rows = torchish.vmap(push)(directions * factor) if batched else [push(d * factor) for d in directions.unbind(0)]
            numerical = _numerical(func, args, i, len(rows if batched else rows[0]), eps) if n else []
            for k, pair in enumerate(numerical):
                got = rows[k] if batched else torchish.stack([r[k] for r in rows])
                want = np.asarray(pair[part])
                values = np.array(got.detach().resolve_conj().numpy(force=True)).reshape(want.shape)
                if not np.allclose(values, want, rtol, atol):
                    raise GradcheckError(
                        f"Jacobian computed with forward mode mismatch for output {k} with respect to input {i},\n"
                        f"numerical:{_shown(want, got.dtype)}\nanalytical:{_shown(values, got.dtype)}\n"
                    )


def _check_batched(func: Callable, inputs: Any, atol: float, rtol: float) -> None:
    """Gradients of two cotangents at once against those of each."""
    import torchish
    from torchish._tensor.tensor import Tensor
    from torchish.autograd import grad

    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    wanted = [t for t in args if isinstance(t, Tensor) and t.requires_grad]
    for k, o in enumerate(t for t in _tensors(func(*args)) if t.requires_grad):
        cotangents = torchish.randn(2, *o.shape, dtype=o.dtype)
        together = grad(o, wanted, cotangents, retain_graph=True, allow_unused=True, is_grads_batched=True)
        for j in range(2):
            alone = grad(o, wanted, cotangents[j], retain_graph=True, allow_unused=True)
            for i, (a, b) in enumerate(zip(together, alone, strict=True)):
                if a is not None and b is not None and not torchish.allclose(a[j], b, rtol, atol):
                    raise GradcheckError(f"For output {k} and input {i}: batched gradient {a[j]} differs from {b}, computed alone")


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
        first, args + given, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_batched_grad=check_batched_grad, check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev,
    )  # fmt: skip


__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
