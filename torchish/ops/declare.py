"""How an operation is declared: once, as a pure function of arrays.

    @op("add(Tensor input, Tensor|Number other, *, Number alpha=1)", promote=ARITH, inplace=True, saves=())
    def add(input, other, alpha):
        return input + alpha * other

From this one declaration the tensor layer derives `torch.add`, `Tensor.add`, `Tensor.add_`, `out=`, the operators,
argument checking, promotion, `grad_fn=<AddBackward0>` and the documentation row. The gradient is `jax.vjp` of the
function, unless `@add.backward` gives a rule.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchish import _dtypes as dt
from torchish.engine import expr
from torchish.engine.expr import Aval, Spec
from torchish.ops.apart import apart as kept_apart
from torchish.ops.backward_names import backward_name
from torchish.ops.folds import total
from torchish.ops.schema import Schema, parse

# Promotion rules: how operands become one dtype before the function runs, and what dtype comes out.
ARITH = "arith"  # to the common dtype
FLOAT = "float"  # the same, integers become the default float dtype
COMPARE = "compare"  # to the common dtype; the result is bool
PREDICATE = "predicate"  # operands as they are; the result is bool

REGISTRY: dict[str, list[Op]] = {}
# Part of the name that a specialised operation has across processes: process-wide settings that its body depends on.
VARIANT = [""]


class Op:
    """A declared operation: its signature, its pure function, and what to derive from them."""

    def __init__(self, schema: Schema, body: Callable, **traits: Any):
        self.schema = schema
        self.name = schema.name
        self.body = body
        self.promote: str | None = traits["promote"]
        self.result: str = traits["result"]
        self.inplace: bool = traits["inplace"]
        self.out: bool = traits["out"]
        self.method: bool = traits["method"]
        self.function: bool = traits["function"]
        self.returns: tuple[str, ...] = tuple(traits["returns"].split()) if traits["returns"] else ()
        self.aliases: tuple[str, ...] = tuple(traits["aliases"])
        self.differentiable: bool = traits["differentiable"]
        self.grad_name = traits["grad"] or _camel(native_name(schema.name)) + "Backward0"
        self.inplace_grad: str | None = traits["inplace_grad"]  # where PyTorch has another derivative for the in-place form
        self.layout: str = traits["layout"]
        self.source: str = traits["source"]
        self.indices: frozenset[str] = frozenset(traits["indices"])
        self.selects: Any = traits["selects"]
        flat = traits["flat"]
        self.flat: Callable = flat if callable(flat) else lambda name, statics, a, names=frozenset(flat): name in names
        self.cuts: Callable | None = traits["cuts"]
        # argument -> the factor with which its gradient is the result's own, where they have the same shape and dtype
        self.passes: dict[str, str] = {name: factor for name, _, factor in (p.partition("*") for p in traits["passes"])}
        self.alone: frozenset[str] = frozenset(traits["alone"])
        self.check: Callable | None = traits["check"]
        self.refine: Callable | None = None
        self.overwrites = False  # its result in place is its second argument everywhere, or 0: nothing of the first but its aval
        self.turned = False  # it stands for an operation that has the operands the other way round: matters for messages
        self.cut_out: Callable | None = None  # from its static arguments what takes the same part of a NumPy array
        self.arranges = False  # it only arranges its input's elements: cheap to do again
        self.deprecated = False  # a signature that PyTorch still takes, but does not list in its error messages
        self.dynamic = tuple(p.name for p in schema.params if p.dynamic)
        raw, apart = traits["raw"], traits["apart"]
        # How each dynamic argument meets promotion: it joins, it is cast to the outcome, or it is left as it is.
        self.part = tuple(
            "raw" if p.name in raw else "cast" if p.name in apart or (p.keyword_only and p.type.startswith("Number")) else "join"
            for p in schema.params
            if p.dynamic
        )
        self.omit = {i: p.default for i, p in enumerate(schema.params) if p.name in traits["omit"]}
        self.static = tuple(p.name for p in schema.params if not p.dynamic)
        self.tensors = tuple(p.name for p in schema.params if p.dynamic and "Tensor" in p.type)
        saves = traits["saves"]
        if not isinstance(saves, dict):
            saves = dict.fromkeys(self.tensors if saves is None else saves, self.tensors)
        self.saves: dict[str, tuple[str, ...]] = saves  # saved argument -> the arguments whose gradient needs it
        self.saves_result = False
        self.results: tuple[int, ...] | None = None  # the results that the gradient uses, by number, where those are not all
        self.hidden_results = False  # the gradient uses some results that only it sees, which nobody can change
        self.rule: Callable | None = None
        self.rule_params: tuple[str, ...] = ()
        self.specs: dict[tuple, Spec] = {}
        # Arguments that PyTorch brings to 16 bits, where that is the common dtype, before it computes with them: matters for numbers.
        self.narrows: frozenset[str] = frozenset()
        self.rounds = "half" in inspect.signature(body).parameters
        self.__doc__ = body.__doc__
        self.__name__ = self.name

    def backward(self, rule: Callable) -> Callable:
        """Set the gradient rule: a pure function of `grad` and any of the inputs, static arguments and `result`.

        It returns one gradient per tensor argument (a single one unpacked), None for none. What it names is saved (`result1`: the second of
        several results, and those it does not name are not);
        `input_shape` is the shape of the first argument, whose values are then not kept; `shapes` has those of all.
        """
        self.rule = rule
        self.rule_params = tuple(inspect.signature(rule).parameters)
        named = [n for n in self.rule_params if n in self.tensors]
        if set(named) != set(self.saves):
            self.saves = dict.fromkeys(named, self.tensors)
        numbered = [n for n in self.rule_params if n[:6] == "result" and n[6:].isdecimal()]
        self.results = tuple([int(n[6:]) for n in numbered]) or None
        self.saves_result = bool(numbered) or "result" in self.rule_params
        return rule

    def spec(self, kinds: tuple, statics: tuple) -> Spec:
        """The operation with its static arguments bound, for dynamic arguments of these kinds."""
        default = dt._default
        key = (kinds, statics, default)
        s = self.specs.get(key)
        if s is None:
            s = self.specs[key] = self._make_spec(kinds, statics, default)
        return s

    def _make_spec(self, kinds: tuple, statics: tuple, default: dt.dtype) -> Spec:
        bound = dict(zip(self.static, statics, strict=True))
        stable = None
        if not any(callable(v) and not isinstance(v, (type, dt.dtype, np.dtype)) for v in statics):
            stable = f"{self.source}:{self.schema.name}/{len(self.schema.params)}/{self.dynamic}{kinds}{statics}{default}{VARIANT[0]}"

        if self.promote is None:

            def run(*values):
                return self.body(*_regroup(values, kinds), **bound)

            rule = None
        else:

            def run(*values):
                args, out = promote(self, values, kinds, default)
                more = {"half": rounding(out)} if self.rounds else {}
                return cast_result(self, self.body(*args, **bound, **more), out)

            def rule(*avals):
                return pointwise_aval(self, avals, kinds, default)

            if self.result == "body":
                rule = None
        made = Spec(run, self.name, stable, self, statics, kinds, rule)
        made.alone = any(k != "N" for name, k in flat_names(made) if name in self.alone)
        made.memo["default"] = default
        return made


def _regroup(values: Iterable, kinds: tuple) -> list:
    """The flat input list as the function's arguments: lists for tensor lists, None for absent ones."""
    it = iter(values)
    args: list = []
    for k in kinds:
        if k == "N":
            args.append(None)
        elif type(k) is int:
            args.append([next(it) for _ in range(k)])
        elif type(k) is tuple:  # a list with holes
            args.append([next(it) if present else None for present in k])
        else:
            args.append(next(it))
    return args


def _common(op: Op, shapes_dtypes: Iterable[tuple[int, dt.dtype]], kinds: tuple, default: dt.dtype) -> dt.dtype:
    """The dtype that the operands promote to; the operation's own errors about dtypes are raised here."""
    it = iter(shapes_dtypes)
    operands = []
    given: dict[str, tuple[str, dt.dtype]] = {}
    for k, part, name in zip(kinds, op.part, op.dynamic, strict=True):
        if k == "N":
            continue
        for _ in range(k if type(k) is int else 1):
            ndim, d = next(it)
            tensor = k == "T" or type(k) is int
            if not tensor:
                d = dt.number_dtype(k, default)
            given[name] = ("T" if tensor else k, d)
            if part == "join":
                operands.append((d, (2 if ndim else 1) if tensor else 0))
    common = dt.result_type(operands)
    if op.check is not None:
        op.check(common, given)
    return default if op.promote == FLOAT and common.category < 2 else common


def promote(op: Op, values: tuple, kinds: tuple, default: dt.dtype) -> tuple[list, dt.dtype]:
    """Bring the operands to the dtype that the operation computes in; also the dtype of its result.

    float16 and bfloat16 are computed in float32 and rounded once, as PyTorch's kernels do.
    """
    if op.promote == PREDICATE:
        return _regroup(values, kinds), dt.bool_
    common = _common(op, ((v.ndim, dt.FROM_NP[np.dtype(v.dtype)]) for v in values), kinds, default)
    compute = np.dtype(np.float32) if common.category == 2 and common.itemsize < 4 else common.np
    args = _regroup(values, kinds)
    for i, (a, part) in enumerate(zip(args, op.part, strict=True)):
        if a is not None and part != "raw":
            if compute != common.np and op.dynamic[i] in op.narrows:
                a = to_dtype(a, common.np)
            args[i] = [to_dtype(v, compute) for v in a] if type(a) is list else to_dtype(a, compute)
    return args, dt.bool_ if op.promote == COMPARE else common


def rounding(common: dt.dtype) -> Callable:
    """What rounds a step of a computation to float16 or bfloat16, where that is the operands' dtype."""
    if common.category != 2 or common.itemsize >= 4:
        return lambda v: v
    return lambda v: v.astype(common.np).astype(v.dtype)


def to_dtype(v, np_dtype: np.dtype):
    """Convert as PyTorch does: complex to real drops the imaginary part; floats to integers truncate."""
    if v.dtype == np_dtype:
        return v
    if jnp.issubdtype(v.dtype, jnp.complexfloating) and not jnp.issubdtype(np_dtype, jnp.complexfloating):
        v = v != 0 if np_dtype == np.bool_ else jnp.real(v)
    if np_dtype == np.bool_ and v.dtype != np.bool_:
        return v != 0
    if jnp.issubdtype(v.dtype, jnp.floating) and jnp.issubdtype(np_dtype, jnp.integer):
        return _float_to_int(v, np_dtype)
    if np_dtype.itemsize == 1 and jnp.issubdtype(np_dtype, jnp.floating):
        return _to_8_bits(to_dtype(v, np.dtype(np.float32)), np_dtype)  # PyTorch rounds to 8 bits from there only
    if v.dtype == np.bool_ and jnp.issubdtype(np_dtype, jnp.inexact):
        # A choice, not a conversion: XLA rewrites x * convert(mask) to where(mask, x, 0), which loses nan and inf.
        return jnp.where(v, np.ones((), np_dtype), np.zeros((), np_dtype))
    return v.astype(np_dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _to_8_bits(v, np_dtype: np.dtype):
    return dt.to_8_bits(jnp, v, np_dtype)


@_to_8_bits.defjvp
def _(np_dtype: np.dtype, primals, tangents):
    return _to_8_bits(*primals, np_dtype), tangents[0].astype(np_dtype)  # as if nothing were rounded


def _float_to_int(v, np_dtype: np.dtype):
    # C's conversion as PyTorch's CPU build does it: through int64, or int32 (out of range and nan give its minimum), and
    # then by truncation of the high bits.
    if v.dtype.itemsize < 4:  # the limits are beyond 8 bits, and beyond those of float16
        v = v.astype(np.float32)
    if np_dtype == np.uint64:
        big = v >= 2.0**63
        high = (v - jnp.where(big, 2.0**63, 0)).astype(np.uint64) + np.uint64(2**63)
        return jnp.where(big, high, _float_to_int(v, np.dtype(np.int64)).astype(np.uint64))
    wide: np.dtype = np.dtype(np.int64)
    if np_dtype in (np.int16, np.int32):
        wide = np.dtype(np.int32)
    info = np.iinfo(wide)
    ok = (v >= float(info.min)) & (v < -float(info.min))
    return jnp.where(ok, v, 0).astype(wide).__add__(jnp.where(ok, 0, info.min).astype(wide)).astype(np_dtype)


def cast_result(op: Op, result, out: dt.dtype):
    if op.result == "real":
        out = out.to_real()
    if op.result == "body":
        return result
    if isinstance(result, (tuple, list)):
        return tuple(r if r.dtype == out.np else to_dtype(r, out.np) for r in result)
    return result if result.dtype == out.np else to_dtype(result, out.np)


def pointwise_aval(op: Op, avals: tuple, kinds: tuple, default: dt.dtype) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of a pointwise result, without tracing the function."""
    try:
        shape = broadcast_shapes([a.shape for a in (reversed(avals) if op.turned else avals)])
    except RuntimeError as sizes:
        try:  # what an operation says of dtypes comes before sizes, that it has no kernel for them after
            _common(op, ((a.ndim, a.torch_dtype) for a in avals), kinds, default)
        except NotImplementedError:
            raise sizes from None
        raise
    if op.promote in (COMPARE, PREDICATE):
        if op.promote == COMPARE or op.check is not None:
            _common(op, ((a.ndim, a.torch_dtype) for a in avals), kinds, default)
        return shape, dt.bool_.np
    common = _common(op, ((a.ndim, a.torch_dtype) for a in avals), kinds, default)
    if op.result == "real":
        common = common.to_real()
    return shape, common.np


def broadcast_shapes(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """The broadcast of several shapes; RuntimeError with PyTorch's message when they do not agree."""
    result: tuple[int, ...] = ()
    for shape in shapes:
        if shape == result:
            continue
        n = max(len(shape), len(result))
        a = (1,) * (n - len(result)) + result
        b = (1,) * (n - len(shape)) + shape
        out = []
        for i in range(n - 1, -1, -1):
            x, y = a[i], b[i]
            if x != y and x != 1 and y != 1:
                raise RuntimeError(
                    f"The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton dimension {i}"
                )
            out.append(y if x == 1 else x)
        result = tuple(reversed(out))
    return result


_JAX_BROADCASTING = re.compile(r"ncompatible shapes for broadcasting: (?:shapes=\[)?((?:\([\d, ]*\)(?:, )?){2,})")


def _explain(error: Exception) -> Exception:
    """JAX's complaint about shapes that do not broadcast, in PyTorch's words; any other error as it is."""
    found = _JAX_BROADCASTING.search(str(error))
    if found:
        try:
            broadcast_shapes(ast.literal_eval(f"[{found[1].rstrip(', ')}]"))
        except RuntimeError as told:
            return told
    return error


expr.explain = _explain


def op(
    signature: str,
    *,
    promote: str | None = None,
    result: str = "same",
    inplace: bool = False,
    out: bool = True,
    method: bool = True,
    function: bool = True,
    returns: str = "",
    aliases: Iterable[str] = (),
    differentiable: bool = True,
    grad: str | Callable[..., str] | None = None,
    inplace_grad: str | None = None,
    saves: Iterable[str] | dict[str, tuple[str, ...]] | None = None,
    layout: str | None = None,
    indices: Iterable[str] = (),
    selects: Iterable[str] | Callable[[tuple, tuple[Aval, ...]], Iterable[str]] = (),
    flat: Iterable[str] | Callable[[str, tuple, Aval], bool] = (),
    cuts: Callable[[tuple, tuple[Aval, ...]], Iterable[str | int]] | None = None,
    passes: Iterable[str] = (),
    alone: Iterable[str] = (),
    check: Callable | None = None,
    raw: Iterable[str] = (),
    apart: Iterable[str] = (),
    omit: Iterable[str] = (),
) -> Callable[[Callable], Op]:
    """Declare an operation; the decorated function gets the dynamic arguments by position, the static by keyword.

    `promote`: ARITH, FLOAT, COMPARE, PREDICATE or None (the function sees its inputs as they are; Python numbers
    are 0-d float64/int64/bool/complex128 arrays that it must cast). A promoting function or rule that names `half` gets what rounds
    a step to 16 bits, where PyTorch's own function is made of several that are rounded one by one. `result`: "same", "real" (complex gives
    real) or "body" (the function's own dtype and shape stand). `inplace`: derive `name_`. `out`: accept `out=`. `returns`: field
    names of the named tuple returned. `aliases`: further public names ("linalg.det", "Tensor.foo").
    `grad`: the name of its gradient function, `inplace_grad` that of its in-place form, where PyTorch has another formula for it.
    `saves`: tensor arguments whose values the gradient needs (default all; a dict says for the gradient of which
    arguments; matters for "modified by an inplace operation" and for memory). `layout`: "pointwise" keeps the operands'
    memory order (default for promoting operations), "one" that of its only operand, "copy" its very strides
    where they leave no gaps, "cat" and "stack" keep channels last,
    and so do "convolution", "windows", "normalized" (unless they are contiguous too) and "planes" (those of 4-d tensors only) and "padded",
    which is "pointwise" where it only cuts; "outer" is that of a matrix and two vectors.
    `indices`: tensor arguments that never carry a gradient; they get no edge in the graph, as in PyTorch.
    `selects`: saved tensors that only say where the gradient goes, or which pieces of a function they are on: the gradient
    has no gradient in them ("result" too; or a function of the static arguments and the inputs' avals that gives them).
    `flat`: arguments whose gradient is zero everywhere (or a function of an argument's name, the static arguments and its aval).
    `cuts`: from the static arguments and the inputs' avals, the arguments that get no gradient at all (None), and the numbers of the
    results whose gradient goes nowhere.
    `passes`: arguments whose gradient is the result's own where they have its shape and dtype; "other*alpha": if `alpha`, which is 1 then,
    is left out.
    `alone`: arguments with which it is compiled apart from its neighbours, whose shapes vary where its own do not.
    """

    def wrap(body: Callable) -> Op:
        schema = parse(signature)
        o = Op(
            schema, body, promote=promote, result=result, inplace=inplace, out=out, method=method, function=function,
            returns=returns, aliases=aliases, differentiable=differentiable, grad=grad, inplace_grad=inplace_grad, saves=saves,
            layout=layout or ("pointwise" if promote else "contiguous"), source=body.__module__, indices=indices,
            selects=selects, flat=flat, cuts=cuts, passes=passes, alone=alone, check=check, raw=tuple(raw), apart=tuple(apart),
            omit=tuple(omit),
        )  # fmt: skip
        REGISTRY.setdefault(schema.name, []).append(o)
        for a in aliases:
            REGISTRY.setdefault(a, []).append(o)
        return o

    return wrap


def flat_if_real(name: str, statics: tuple, a: Aval) -> bool:
    """`flat` of a function that is constant piece by piece on real numbers."""
    return a.category != 3


def whole(*names: str) -> Callable[[tuple, tuple[Aval, ...]], Iterable[str]]:
    """`selects` of a function that is its argument where that is one number or nothing: there the gradient is the cotangent."""

    def selects(statics: tuple, avals: tuple[Aval, ...]) -> Iterable[str]:
        return names if not avals[0].ndim or 0 in avals[0].shape else ()

    return selects


def native_name(name: str) -> str:
    """PyTorch's own name of a public function: "special.i0e" is special_i0e, "nn.functional.relu" is relu."""
    return name.replace(".", "_") if name.startswith(("special.", "linalg.", "fft.")) else name.rpartition(".")[2]


def _camel(name: str) -> str:
    # "log1p" is Log1P: a letter after a digit is a capital too
    return "".join(p[:1].upper() + p[1:].title() if p[:1].isdigit() else p.title() for p in name.split("_"))


# --- gradients ---------------------------------------------------------------------------------------------


def flat_names(spec: Spec) -> list[tuple[str, str]]:
    """(argument name, kind) of each flat input: the elements of a tensor list share its name."""
    names = []
    for name, k in zip(spec.op.dynamic, spec.kinds, strict=True):
        if k == "N":
            continue
        for _ in range(k if type(k) is int else sum(k) if type(k) is tuple else 1):
            names.append((name, "T" if type(k) in (int, tuple) else k))
    return names


def saved_inputs(spec: Spec, needs: tuple[bool, ...]) -> tuple[bool, ...]:
    """Which flat inputs the backward of `spec` gets: Python numbers, and the tensors that the gradients in `needs` use."""
    mask = spec.memo.get(("saved", needs))
    if mask is None:
        saves = spec.op.saves
        names = flat_names(spec)
        needed = {n for (n, _), need in zip(names, needs, strict=True) if need}
        mask = tuple(k != "T" or not needed.isdisjoint(saves.get(n, ())) for n, k in names)
        spec.memo["saved", needs] = mask
    return mask


class BackwardOp:
    """What stands for an `Op` in a backward spec, so that backward operations are differentiable in their turn."""

    rule = None
    rule_params = ()
    saves_result = False
    layout = "contiguous"
    returns = ()
    promote = None
    reaches: tuple[frozenset[int], ...] = ()  # for each input, the gradients that depend on it, where they are not all

    def __init__(self, spec: Spec, n_inputs: int, constant: tuple[bool, ...], needs: tuple[bool, ...], inputs: tuple, results: tuple):
        self.base = base = spec.op
        self.constant = constant  # for each gradient, whether it is the same everywhere
        self.differentiable = False in constant
        self.name = base.name + "_backward"
        self.dynamic = tuple(map(str, range(n_inputs)))
        self.saves = dict.fromkeys(self.dynamic, self.dynamic)
        name = base.grad_name
        if not isinstance(name, str):
            name = name(spec, tuple([SimpleNamespace(_aval=a) for a in inputs]))
        self.pointwise = bool(base.promote) or getattr(base, "pointwise", False)
        self.grad_name = backward_name(name, self.pointwise, needs, inputs, results)


def vjp_spec(
    spec: Spec, needs: tuple[bool, ...], given: tuple[bool, ...], inputs: tuple[Aval | type, ...], results: tuple[Aval, ...]
) -> Spec:
    """The backward of `spec`, for these avals of its flat inputs (types for Python numbers) and results.

    Its inputs are the saved flat inputs of `spec`, the results if the rule saves them, and the cotangents
    that are present (`given`); its results are the gradients of the inputs for which `needs` is true.
    Cotangents follow PyTorch's convention for complex numbers, the conjugate of JAX's.
    """
    key = (needs, given, inputs, results)
    made = spec.memo.get(key)
    if made is not None:
        return made
    op_ = spec.op
    saved = saved_inputs(spec, needs)
    n_results = len(op_.results or results) if op_.saves_result else 0
    kinds = tuple([k for (_, k), s in zip(flat_names(spec), saved, strict=True) if s]) + ("T",) * (n_results + sum(given))

    def unpack(values):
        it = iter(values)
        primals = [
            next(it) if s else jnp.zeros(a.shape, a.dtype)  # type: ignore[union-attr]  # an input that the gradient does not depend on
            for s, a in zip(saved, inputs, strict=True)
        ]
        outs = [next(it) for _ in range(n_results)]
        cotangents = [next(it) if g else None for g in given]
        return primals, outs, cotangents

    if op_.rule is None:

        def run(*values):
            primals, _, cotangents = unpack(values)
            shape = None if spec.shape_rule is None else results[0].shape
            return _single(pullback(spec.run, primals, needs, cotangents, results, shape))
    else:

        def run(*values):
            primals, outs, cotangents = unpack(values)
            return _single(apply_rule(spec, primals, outs, cotangents, needs, results))

    stable = None
    if spec.stable is not None:
        shapes = [None if isinstance(a, type) else (a.shape, a.dtype.name) for a in inputs + results]
        stable = f"vjp({spec.stable};{needs};{given};{shapes})"
    flat = getattr(op_, "flat", None)
    names = [name for name, _ in flat_names(spec)]
    constant = tuple(
        [flat is not None and flat(n, spec.statics, a) for n, a, need in zip(names, inputs, needs, strict=True) if need]
    )
    made = Spec(run, op_.name + "_backward", stable, BackwardOp(spec, len(kinds), constant, needs, inputs, results), (), kinds)
    if len(constant) > 1:
        wanted = [n for n, need in zip(names, needs, strict=True) if need]
        used = [op_.saves.get(n, ()) if k == "T" else wanted for (n, k), s in zip(flat_names(spec), saved, strict=True) if s]
        if not all(n in by for by in used for n in wanted):
            rest = (frozenset(range(len(wanted))),) * (len(kinds) - len(used))
            made.op.reaches = (*[frozenset(i for i, n in enumerate(wanted) if n in by) for by in used], *rest)
    made.recipe = (vjp_spec, (spec, *key))
    made.alone = spec.alone
    spec.memo[key] = made
    return made


def _single(grads: tuple):
    return grads[0] if len(grads) == 1 else grads


def is_inexact(v) -> bool:
    return bool(jnp.issubdtype(v.dtype, jnp.inexact))


def pullback(f: Callable, primals: list, needs: tuple[bool, ...], cotangents: list, results: tuple[Aval, ...],
             shape: tuple[int, ...] | None = None) -> tuple:  # fmt: skip
    """`jax.vjp` of `f` in PyTorch's convention, with respect to the inputs in `needs`, which are broadcast to `shape`."""
    index = [i for i, n in enumerate(needs) if n]

    def g(*diff):
        full = list(primals)
        for i, v in zip(index, diff, strict=True):
            full[i] = v
        out = f(*full)
        outs = out if isinstance(out, (tuple, list)) else (out,)
        return [o for o in outs if is_inexact(o)]

    _, pull = jax.vjp(g, *[primals[i] if shape is None else jnp.broadcast_to(primals[i], shape) for i in index])
    cots = []
    for c, a in zip(cotangents, results, strict=True):
        if a.category >= 2:
            c = jnp.zeros(a.shape, a.dtype) if c is None else c
            cots.append(_conjugate(c) if a.category == 3 else c)
    grads = [_conjugate(x) if jnp.issubdtype(x.dtype, jnp.complexfloating) else x for x in pull(cots)]
    return tuple([_fit(x, primals[i]) for x, i in zip(grads, index, strict=True)])


def _conjugate(x):
    """The complex conjugate, without -0 where there is no imaginary part: it is one convention for the other."""
    return jax.lax.complex(jnp.real(x), 0 - jnp.imag(x))


def apply_rule(spec: Spec, primals: list, outs: list, cotangents: list, needs: tuple[bool, ...], results: tuple[Aval, ...]) -> tuple:
    """Run an operation's own gradient rule; reduce broadcast gradients and cast them to their inputs' dtypes."""
    op_ = spec.op
    if op_.promote is None:
        args, compute, common = _regroup(primals, spec.kinds), None, dt.bool_
    else:
        args, common = promote(op_, tuple(primals), spec.kinds, spec.memo["default"])
        compute = next((a.dtype for a in args if hasattr(a, "dtype")), None)

    def cast(v):
        return v.astype(compute) if compute is not None and is_inexact(v) and v.dtype.itemsize < compute.itemsize else v

    cots = [jnp.zeros(a.shape, a.dtype) if c is None else cast(c) for c, a in zip(cotangents, results, strict=True)]
    available = dict(zip(op_.dynamic, args, strict=True)) | dict(zip(op_.static, spec.statics, strict=True))
    available["grad"] = cots[0] if len(cots) == 1 else tuple(cots)
    available["result"] = None if not outs else cast(outs[0]) if len(outs) == 1 else tuple(outs)
    available |= {f"result{k}": v for k, v in zip(op_.results or (), outs, strict=False)}
    available["needs"] = needs
    available["given"] = tuple(c is not None for c in cotangents)  # which results have a gradient at all
    available["shapes"] = {n: getattr(a, "shape", None) for n, a in zip(op_.dynamic, args, strict=True)}  # likewise of all
    available["half"] = rounding(common)
    available["input_shape"] = getattr(args[0], "shape", None)  # known without saving the values
    got = op_.rule(**{n: available[n] for n in op_.rule_params})
    if len(op_.tensors) == 1 and not (isinstance(got, tuple) and len(got) == 1):
        got = (got,)
    by_name = dict(zip(op_.tensors, got, strict=True))
    grads: list = []
    seen: dict[str, int] = {}
    for i, (name, kind) in enumerate(flat_names(spec)):
        if kind != "T":
            continue
        g = by_name[name]
        if isinstance(g, (list, tuple)):
            k = seen.get(name, 0)
            seen[name] = k + 1
            g = g[k]
        if needs[i]:
            x = primals[i]
            g = jnp.zeros(x.shape, x.dtype) if g is None else g
            grads.append(_fit(g, x, all(g is not c for c in cots)))
    return tuple(grads)


def _fit(g, x, computed: bool = True):
    """Sum a gradient over broadcast dimensions and give it the input's dtype; `computed`: it is rounded before that."""
    if g.shape != x.shape:
        if x.dtype.itemsize == 2 and is_inexact(x):
            g = g.astype(x.dtype).astype(g.dtype)  # PyTorch sums what has been rounded
        g = kept_apart(g) if computed else g
        lead = g.ndim - x.ndim
        axes = (*range(lead), *[i for i, n in enumerate(x.shape, lead) if n == 1 and g.shape[i] != 1])
        if axes:
            g = total(g, axes, True)
        if lead > 0:
            g = g.reshape(g.shape[lead:])
        if g.shape != x.shape:
            g = jnp.broadcast_to(g, x.shape)
    if jnp.issubdtype(g.dtype, jnp.complexfloating) and not jnp.issubdtype(x.dtype, jnp.complexfloating):
        g = jnp.real(g)
    return g if g.dtype == x.dtype else g.astype(x.dtype)
