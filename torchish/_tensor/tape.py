"""What backward passes need of tensors: recorded applications, accumulation into `grad`, hooks and their checks."""

from __future__ import annotations

from torchish import _dtypes as dt
from torchish._tensor.apply import apply, cast, cast_expr
from torchish._tensor.layout import is_dense
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import TENSORS, GradFn, edge_positions
from torchish.engine.expr import Expr, Spec, emit
from torchish.engine.program import force
from torchish.ops.declare import ARITH, flat_names, op


def _apply_recorded(spec: Spec, flat: tuple) -> tuple:
    got = apply(spec, flat)
    made = got if isinstance(got, tuple) else (got,)
    if True in spec.op.constant:
        return tuple([Tensor._wrap(t._read()) if same else t for t, same in zip(made, spec.op.constant, strict=True)])
    return made


def _unpack_saved(fn: GradFn) -> tuple:
    """The saved inputs and results of a gradient function as tensors with their history."""
    mask = fn.saved_mask()
    edges = dict(zip(edge_positions(fn.spec), fn.next_functions, strict=True))
    selects = getattr(fn.spec.op, "selects", ())
    if callable(selects):
        selects = selects(fn.spec.statics, fn.recipe.avals)
    if selects:
        edges = {i: e for i, e in edges.items() if flat_names(fn.spec)[i][0] not in selects}
    out: list = []
    it = iter(fn.saved or ())
    for i, saved in enumerate(mask):
        if saved:
            x = next(it)
            out.append(_with_edge(x, edges.get(i, (None, 0))) if isinstance(x, Expr) else x)
    out.extend(_with_edge(x, (None, 0) if "result" in selects else (fn, k)) for k, x in fn.saved_results())
    return tuple(out)


def _with_edge(x: Expr, edge: tuple) -> Tensor:
    node, number = edge
    t = Tensor._wrap(x)
    if node is not None and t._aval.category >= 2:
        t._grad_fn, t._out_nr = node, number
    return t


@op("_add_grads(Tensor input, Tensor other)", promote=ARITH, method=False, function=False, saves=(), grad="AddBackward0",
    passes=("input", "other"))  # fmt: skip
def add_grads(input, other):
    return input + other


def _add(a, b, record: bool):
    spec = add_grads.spec(("T", "T"), ())
    return apply(spec, (a, b)) if record else emit(spec, (a, b))


def _copied(g: Tensor) -> Tensor:
    """A recorded copy of a gradient that others may have too."""
    from torchish._tensor.methods import copy_op

    return apply(copy_op.spec(("T", "T"), ()), (g.detach(), g))


def _accumulate(variable: Tensor, g, record: bool) -> None:
    if variable._grad is None:
        t = _copied(g) if record else Tensor._wrap(g)
        if variable._strides is not None and is_dense(variable):
            t._strides = t._storage.strides = variable._strides
        variable._grad = t
    elif record:
        variable._grad = _add(variable._grad, g, True)
    else:
        old = variable._grad
        if STATE.enabled and old._needs():
            variable._grad = _add(old, Tensor._wrap(g), True)
        else:
            old._write(cast_expr(_add(old._read(), g, False), old._aval.dtype))
            old._vc.version += 1
    if variable._post_accumulate:
        for hook in list(variable._post_accumulate.values()):
            made = hook(variable)
            if made is not None and not isinstance(made, Tensor):
                raise TypeError(f"expected Variable, but hook returned '{type(made).__name__}'")
            if made is not None and made is not variable:  # (what was written into it is returned by `add_` and the like)
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")


def _cast(g, a, record: bool):
    ga = g._aval if record else g.aval
    if ga is a:
        return g
    if ga.shape != a.shape:
        raise RuntimeError(f"torchish: a gradient of shape {list(ga.shape)} arrived for an output of shape {list(a.shape)}")
    if ga.dtype != a.dtype:
        return apply(cast.spec(("T",), (a.dtype,)), (g,)) if record else cast_expr(g, a.dtype)
    return g


def _call_hook(hook, g, record: bool):
    t = g if record else Tensor._wrap(g)
    got = hook(t)
    if got is None:
        return t if record else t._read()
    return _hook_result(hook, g, got, record)


def _hook_result(hook, old, got, record: bool):
    """A hook's result in place of the gradient `old`: it must have the same type and size."""
    if not isinstance(got, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(got).__name__}'")
    a, b = old._aval if record else old.aval, got._aval
    name = getattr(hook, "__name__", "<unknown>")
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {dt.TYPE_TEXTS[a.torch_dtype]} got {dt.TYPE_TEXTS[b.torch_dtype]})"
        )
    if a.shape != b.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")
    return got if record else got._read()


def _call_all_hook(hook, grads, record: bool, outputs=None):
    """Call a hook on all gradients of a function; with `outputs`, a hook on what it returned."""

    def tensors(gs):
        return tuple(None if g is None else g if record else Tensor._wrap(g) for g in gs)

    got = hook(tensors(grads)) if outputs is None else hook(tensors(grads), tensors(outputs))
    if got is None:
        return grads
    if outputs is None and not isinstance(got, tuple):
        got = (got,)
    elif not isinstance(got, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(got).__name__}'")
    name = getattr(hook, "__name__", "<unknown>")
    if len(got) != len(grads):
        raise RuntimeError(
            f"hook '{name}' has returned an incorrect number of values (got {len(got)}, but expected {len(grads)})"
        )
    out = []
    for old, new in zip(grads, got, strict=True):
        if old is None and new is not None:
            raise RuntimeError("can't replace a None gradient with a non-None value")
        out.append(None if new is None else _hook_result(hook, old, new, record))
    return out


def _store_grad(t: Tensor, g, record: bool) -> None:
    if t._grad is None:
        t._grad = g.clone() if record else Tensor._wrap(g)
    else:
        t._grad = _add(t._grad, g if record else Tensor._wrap(g), True)


def _zeros(a, record: bool):
    from torchish.engine.levels import zeros  # on a device, also where `a` is that of a batched value

    return Tensor._wrap(zeros(a)) if record else zeros(a)


def _has_nan(g, record: bool) -> bool:
    import numpy as np

    from torchish.engine.levels import Batched

    e = g._read() if record else g
    while type(e) is not Expr:  # inside function transforms: anywhere in the batch
        e = e.physical if type(e) is Batched else e.primal
    value = np.asarray(force(e))
    return bool(np.isnan(value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)).any())


TENSORS.apply_recorded = _apply_recorded
TENSORS.unpack_saved = _unpack_saved
TENSORS.accumulate = _accumulate
TENSORS.wrap = Tensor._wrap
TENSORS.add = _add
TENSORS.cast = _cast
TENSORS.call_hook = _call_hook
TENSORS.call_all_hook = _call_all_hook
TENSORS.store_grad = _store_grad
TENSORS.zeros = _zeros
TENSORS.has_nan = _has_nan
