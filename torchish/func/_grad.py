"""`torch.func`: derivatives of functions of tensors, as functions.

Reverse mode is the tape: the function runs on aliases of its arguments that require gradients. A result keeps its history only when
something outside the transform asks for it, so transforms nest. Forward mode runs the function on dual numbers.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

from torchish._tensor import levels as crossing
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE, inference_mode
from torchish.autograd.graph import AccumulateGrad, Node
from torchish.engine.levels import ACTIVE, Level
from torchish.func._tree import flatten, tree_map, unflatten
from torchish.func._vmap import vmap

ArgNums = int | tuple[int, ...]


# --- arguments ---------------------------------------------------------------------------------------------


def _wrap_argnum(i: int, n: int) -> int:
    if not isinstance(i, int):
        raise RuntimeError(f"argnum must be int, got: {type(i)}")
    if not -n <= i < n:
        raise RuntimeError(f"Got argnum={i}, but only {n} positional inputs")
    return i % n


def _positions(argnums: ArgNums, n: int) -> tuple[int, ...]:
    """The positions of the arguments to differentiate with respect to; RuntimeError when they are wrong."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    if isinstance(argnums, int):
        return (_wrap_argnum(argnums, n),)
    found = tuple(_wrap_argnum(i, n) for i in argnums)
    if not found:
        raise RuntimeError("argnums must be non-empty")
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {found}")
    return found


def _no_complex(name: str, tree: Any, kind: str) -> None:
    for i, x in enumerate(flatten(tree)[0]):
        if isinstance(x, Tensor) and x.is_complex():
            raise RuntimeError(f"{name}: Expected all {kind} to be real but received complex tensor at flattened input idx: {i}")


def _pair(out: Any, what: str) -> tuple:
    if not (isinstance(out, tuple) and len(out) == 2):
        raise RuntimeError(f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return out


# --- reverse mode ------------------------------------------------------------------------------------------


class _recording:
    """Operations are recorded, whatever the modes outside."""

    def __enter__(self):
        self._previous = STATE.enabled, STATE.inference, STATE.asked
        STATE.enabled, STATE.inference = True, False

    def __exit__(self, *exc):
        STATE.enabled, STATE.inference, STATE.asked = self._previous


def _differentiable(x: Any) -> Tensor:
    """An alias of `x` that requires gradients (part of the history of `x` where that has one)."""
    if not isinstance(x, Tensor):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
    if x._needs():
        return x.view_as(x)
    made = x._alias()
    made._inference = False
    return made.requires_grad_()


def _leaves(inputs: list) -> set[Node]:
    """The accumulators of the leaves that a transform has made."""
    return {node for t in inputs if type(node := t._edge()[0]) is AccumulateGrad}


def _close(own: set[Node]) -> None:
    """The transform that made these leaves has ended: nobody outside waits for their gradients."""
    for node in own:
        node.closed = True  # type: ignore[attr-defined]


def _outside(tensors: list, own: set[Node]) -> bool:
    """Whether gradients of these tensors would reach leaves other than a transform's own."""
    stack = [t._edge()[0] for t in tensors if isinstance(t, Tensor) and t._needs()]
    seen = set(own)
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        if type(node) is AccumulateGrad and not node.closed:
            return True
        seen.add(node)
        stack += node._targets
    return False


def _tensor(x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise RuntimeError(f"Expected tensors, got unsupported type {type(x)}")
    return x


def _seen(x: Any, own: set[Node], wanted: bool) -> Any:
    """A result as it is seen outside: without a history that ends inside."""
    if not isinstance(x, Tensor) or not x._needs() or (wanted and _outside([x], own)):
        return x
    return x._alias()


def _gradients(outputs: list, inputs: list, grad_outputs: list | None, retain: bool, create: bool) -> list:
    """`autograd.grad` with zeros where nothing flows."""
    import torchish
    from torchish.autograd import grad as tape_grad

    given = [None] * len(outputs) if grad_outputs is None else grad_outputs
    kept = [(o, g) for o, g in zip(outputs, given, strict=True) if o._needs()]
    if not kept:
        return [torchish.zeros_like(x) for x in inputs]
    got = tape_grad(
        [o for o, _ in kept], inputs, None if grad_outputs is None else [g for _, g in kept], retain_graph=retain, create_graph=create,
        allow_unused=True,
    )  # fmt: skip
    return [torchish.zeros_like(x) if g is None else g for g, x in zip(got, inputs, strict=True)]


def grad_and_value(func: Callable, argnums: ArgNums = 0, has_aux: bool = False) -> Callable:
    """The function that gives (gradient, value) of a function with a scalar result; see `grad`."""

    @functools.wraps(func, updated=())
    def wrapper(*args, **kwargs):
        wanted = STATE.enabled
        with _recording():
            positions = _positions(argnums, len(args))
            chosen, structure = flatten(tuple(args[i] for i in positions))
            inputs = [_differentiable(x) for x in chosen]
            inside = list(args)
            for i, x in zip(positions, unflatten(inputs, structure), strict=True):
                inside[i] = x
            out, aux = func(*inside, **kwargs), None
            if has_aux:
                out, aux = _pair(out, "grad_and_value(f)(*args)")
            if not isinstance(out, Tensor):
                raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(out)}")
            if out.dim():
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with {out.dim()} dims. Maybe you "
                    "wanted to use the vjp or jacrev APIs instead?"
                )
            own = _leaves(inputs)
            create = wanted and _outside([out], own)
            keep = create or (has_aux and wanted)
            grads = _gradients([out], inputs, None, keep, create)
            grads_tree = unflatten([_seen(g, own, wanted) for g in grads], structure)
            result = _seen(out, own, wanted)
            if has_aux:
                result = (result, tree_map(lambda x: _seen(_tensor(x), own, wanted), aux))
            _close(own)
        return grads_tree[0] if isinstance(argnums, int) else grads_tree, result

    return wrapper


def grad(func: Callable, argnums: ArgNums = 0, has_aux: bool = False) -> Callable:
    """The function that gives the gradient of `func`, whose result is a scalar tensor.

    `argnums`: the argument(s) to differentiate with respect to (an int, or a tuple: then a tuple of gradients). With `has_aux`
    `func` returns (scalar, anything) and the gradient function (gradient, anything). Raises RuntimeError for other results.
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func, updated=())
    def wrapper(*args, **kwargs):
        got, value = both(*args, **kwargs)
        return (got, value[1]) if has_aux else got

    return wrapper


def _check_outputs(values: list, what: str) -> None:
    if not values or (len(values) == 1 and values[0] is None):
        raise RuntimeError(f"{what}: Expected f to be a function that has non-empty output (got output = {values})")
    for o in values:
        if not isinstance(o, Tensor):
            raise RuntimeError(f"{what}: expected f(*primals) to return only tensors, got unsupported type {type(o)}")


def _vjp(func: Callable, primals: tuple, argnums: ArgNums | None, has_aux: bool) -> tuple:
    wanted = STATE.enabled
    with _recording():
        positions = tuple(range(len(primals))) if argnums is None else _positions(argnums, len(primals))
        chosen, structure = flatten(tuple(primals[i] for i in positions))
        inputs = [_differentiable(x) for x in chosen]
        inside = list(primals)
        for i, x in zip(positions, unflatten(inputs, structure), strict=True):
            inside[i] = x
        out, aux = func(*inside), None
        if has_aux:
            out, aux = _pair(out, "vjp(f, *primals)")
        outputs, out_structure = flatten(out)
        _check_outputs(outputs, "vjp(f, *primals)")
        for o in outputs:
            if o._aval.category < 2:
                raise RuntimeError(
                    f"vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype {o.dtype}"
                )
        own = _leaves(inputs)
        outside = _outside(outputs, own)
        result = unflatten([_seen(o, own, wanted) for o in outputs], out_structure)
        if has_aux:
            aux = tree_map(lambda x: _seen(_tensor(x), own, wanted), aux)
        _close(own)

    def pullback(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, given_structure = flatten(cotangents)
        if given_structure != out_structure:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
                f"cotangents: {given_structure.text()}, primal output: {out_structure.text()}"
            )
        if create_graph is None:
            create_graph = STATE.enabled
        create = create_graph and (outside or any(isinstance(g, Tensor) and g._needs() for g in given))
        with inference_mode(False) if STATE.inference else _as_is:
            got = _gradients(outputs, inputs, given, retain_graph, create)
        return unflatten([_seen(g, own, create) for g in got], structure)

    return (result, pullback, aux) if has_aux else (result, pullback)


_as_is = contextlib.nullcontext()


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(func(*primals), pullback): `pullback(cotangents)` gives a tuple with the cotangent of each primal.

    Cotangents have the structure and shapes of the result, which must be floating point or complex (else RuntimeError).
    """
    return _vjp(func, primals, None, has_aux)


# --- forward mode ------------------------------------------------------------------------------------------

_JVP = "jvp(f, primals, tangents)"


class _forward_level:
    def __init__(self):
        self.level = Level()

    def __enter__(self) -> Level:
        ACTIVE.stack.append(self.level)
        return self.level

    def __exit__(self, *exc) -> None:
        crossing.close(self.level)  # tensors from outside that were written to keep their values
        ACTIVE.stack.remove(self.level)


def _check_list(values: list, name: str) -> None:
    if not values:
        raise RuntimeError(f"{_JVP}: Expected {name} to contain at least one Tensor.")
    for x in values:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"{_JVP}: Expected {name} to only contain Tensors, got {type(x)}")


def _jvp(func: Callable, primals: Any, tangents: Any, argnums: ArgNums | None, strict: bool, has_aux: bool) -> tuple:
    import torchish
    from torchish.autograd.forward_ad import check_tangent

    if not isinstance(primals, tuple):
        raise RuntimeError(f"{_JVP}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    positions = tuple(range(len(primals))) if argnums is None else _positions(argnums, len(primals))
    chosen, structure = flatten(tuple(primals[i] for i in positions))
    given, given_structure = flatten(tangents)
    if structure != given_structure:
        raise RuntimeError(
            f"{_JVP}: Expected primals and tangents to have the same python structure. For example, if primals is a tuple of 3 tensors, "
            f"tangents also must be. Got primals with structure {structure} and tangents with structure {given_structure}"
        )
    _check_list(chosen, "primals")
    _check_list(given, "tangents")
    with _forward_level() as level:
        for p, t in zip(chosen, given, strict=True):
            check_tangent(p, t)
        duals = [crossing.dual(level, p, t) for p, t in zip(chosen, given, strict=True)]
        before = [(d._storage.expr, d._grad_fn) for d in duals]
        inside = list(primals)
        for i, x in zip(positions, unflatten(duals, structure), strict=True):
            inside[i] = x
        out, aux = func(*inside), None
        for p, d, old in zip(chosen, duals, before, strict=True):
            if d._storage.expr is not old[0]:  # changed in place: so is the argument
                crossing.write_back(p, crossing.primal_part(level, d), d._grad_fn is not old[1])
        if has_aux:
            out, aux = _pair(out, _JVP)
            aux = tree_map(lambda x: crossing.primal_part(level, _tensor(x)), aux)
        outputs, out_structure = flatten(out)
        _check_outputs_jvp(outputs)
        values, slopes = [], []
        for o in outputs:
            t = crossing.tangent_part(level, o)
            if t is None:
                if strict:
                    raise RuntimeError(
                        "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed with "
                        "strict=True."
                    )
                values.append(o)
                slopes.append(torchish.zeros_like(o))
            else:
                values.append(crossing.primal_part(level, o))
                slopes.append(t)
    made = unflatten(values, out_structure), unflatten(slopes, out_structure)
    return (*made, aux) if has_aux else made


def _check_outputs_jvp(values: list) -> None:
    for o in values:
        if not isinstance(o, Tensor):
            raise RuntimeError(f"{_JVP}: expected f(*primals) to return only tensors, got unsupported type {type(o)}")


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """(func(*primals), the derivative of `func` in the direction of `tangents`).

    `primals` is a tuple, `tangents` has its structure and shapes. `strict`: RuntimeError for results that do not depend on the
    primals (else their derivative is zero).
    """
    return _jvp(func, primals, tangents, None, strict, has_aux)


def linearize(func: Callable, *primals: Any) -> tuple:
    """(func(*primals), pushforward): `pushforward(*tangents)` is the derivative of `func` at the primals in that direction."""
    out = func(*primals)
    values, structure = flatten(primals)

    def pushforward(*tangents: Any) -> Any:
        given, given_structure = flatten(tangents)
        if given_structure != structure:
            raise RuntimeError(f"Expected the tangents {given_structure} to have the same argspec as the primals {structure}")
        for i, (t, p) in enumerate(zip(given, values, strict=True)):
            for what in ("shape", "device", "dtype"):
                a, b = getattr(t, what), getattr(p, what)
                if a != b:
                    raise RuntimeError(
                        f"tangent:{i} with {what} {a} in flattened pytree doesn't match the {what} {b} of the corresponding primal."
                    )
        return _jvp(func, primals, tangents, None, False, False)[1]

    return out, pushforward


# --- Jacobians ---------------------------------------------------------------------------------------------


def standard_basis(tensors: Sequence, start: int, stop: int) -> list:
    """Rows `start` to `stop` of the identity matrix over all elements of the tensors, one part for each tensor."""
    import torchish

    parts, offset = [], 0
    for t in tensors:
        n = t.numel()
        rows = torchish.arange(start, stop).unsqueeze(1) == torchish.arange(offset, offset + n).unsqueeze(0)
        parts.append(rows.to(t.dtype).to(t.device).view(stop - start, *t.shape))
        offset += n
    return parts


def jacrev(func: Callable, argnums: ArgNums = 0, *, has_aux: bool = False, chunk_size: int | None = None,
           _preallocate_and_copy: bool = False) -> Callable:  # fmt: skip
    """The function that gives the Jacobian of `func`, a row of it per element of the result (reverse mode).

    An entry has the shape of the result followed by that of the argument. `chunk_size`: so many rows at a time (1: one by one,
    without `vmap`). Raises RuntimeError for complex arguments or results.
    """
    import torchish

    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func, updated=())
    def wrapper(*args):
        _no_complex("jacrev", args, "inputs")
        got = _vjp(func, args, argnums, has_aux)
        out, pull = got[0], got[1]
        outputs, out_structure = flatten(out)
        _no_complex("jacrev", outputs, "outputs")
        sizes = [o.numel() for o in outputs]
        total = sum(sizes)
        primals = tuple(args[i] for i in _positions(argnums, len(args)))
        inputs, structure = flatten(primals)
        step = total if chunk_size is None else min(chunk_size, total)
        rows = []
        for start in range(0, max(total, 1), max(step, 1)):
            parts = standard_basis(outputs, start, min(start + step, total))
            if chunk_size == 1:
                made = flatten(pull(unflatten([p.squeeze(0) for p in parts], out_structure)))[0]
                rows.append([t.unsqueeze(0) for t in made])
            else:
                rows.append(flatten(vmap(pull)(unflatten(parts, out_structure)))[0])
        whole = rows[0] if len(rows) == 1 else [torchish.cat(list(r), 0) for r in zip(*rows, strict=True)]
        split = [t.split(sizes, 0) for t in whole]
        by_output = []
        for i, o in enumerate(outputs):
            entry = unflatten(
                [parts[i].view(tuple(o.shape) + tuple(x.shape)) for parts, x in zip(split, inputs, strict=True)], structure
            )
            by_output.append(entry[0] if isinstance(argnums, int) else entry)
        result = unflatten(by_output, out_structure)
        return (result, got[2]) if has_aux else result

    return wrapper


def jacfwd(func: Callable, argnums: ArgNums = 0, has_aux: bool = False, *, randomness: str = "error") -> Callable:
    """The function that gives the Jacobian of `func`, a column of it per element of the argument (forward mode); see `jacrev`."""

    @functools.wraps(func, updated=())
    def wrapper(*args):
        _no_complex("jacfwd", args, "inputs")
        primals = tuple(args[i] for i in _positions(argnums, len(args)))
        inputs, structure = flatten(primals)
        sizes = [x.numel() for x in inputs]

        def push(basis):
            out = _jvp(func, args, basis, argnums, False, has_aux)
            _no_complex("jacfwd", out[0], "outputs")
            return (out[1], out[2]) if has_aux else out[1]

        got = vmap(push, randomness=randomness)(unflatten(standard_basis(inputs, 0, sum(sizes)), structure))
        aux = None
        if has_aux:
            got, aux = got
            aux = tree_map(lambda v: v[0], aux)
        slopes, out_structure = flatten(got)
        by_output = []
        for s in slopes:
            parts = s.movedim(0, -1).split(sizes, -1)
            entry = unflatten([p.reshape(tuple(p.shape[:-1]) + tuple(x.shape)) for p, x in zip(parts, inputs, strict=True)], structure)
            by_output.append(entry[0] if isinstance(argnums, int) else entry)
        result = unflatten(by_output, out_structure)
        return (result, aux) if has_aux else result

    return wrapper


def hessian(func: Callable, argnums: ArgNums = 0) -> Callable:
    """The function that gives the second derivatives of `func`: forward mode over reverse mode."""
    return jacfwd(jacrev(func, argnums), argnums)


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """`func` itself: its operations are pure functions already, and mutations are visible to the caller as they are to PyTorch's."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError("functionalize(f, remove='mutations'): Valid options for remove are 'mutations', 'mutations_and_views'.")

    @functools.wraps(func, updated=())
    def wrapped(*args, **kwargs):
        return func(*args, **kwargs)

    return wrapped
