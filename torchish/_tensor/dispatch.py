"""From declarations to the functions users call: `torch.f`, `Tensor.f`, `Tensor.f_`, `out=`.

A call is matched against the declared signatures once per combination of argument types; the resulting plan then
sorts the arguments into dynamic inputs and static ones and applies the operation.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._dtypes import NUMBER_KINDS
from torchish._tensor import size as size_module
from torchish._tensor.apply import apply, apply_inplace
from torchish._tensor.errors import invalid_arguments, invalid_out
from torchish._tensor.layout import memory_format
from torchish._tensor.out import apply_out
from torchish._tensor.out_rules import COPY_IN, check_known_dtype, overload, with_dtype
from torchish._tensor.tensor import Tensor
from torchish.ops.declare import REGISTRY, Op, native_name
from torchish.ops.schema import REQUIRED, Param, Schema, parse

_ALIAS_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}


class NoMatch(TypeError):
    """The arguments do not fit a signature."""


def number(x: Any):
    """A Python number from a Python or NumPy scalar; NoMatch otherwise."""
    t = type(x)
    if t in NUMBER_KINDS:
        return x
    if isinstance(x, np.generic):
        v = x.item()
        return v if type(v) in NUMBER_KINDS else float(v)
    if isinstance(x, (bool, int, float, complex)):
        for k in (bool, int, float, complex):
            if isinstance(x, k):
                return k(x)  # type: ignore[arg-type]
    raise NoMatch


def integer(x: Any) -> int:
    """A Python int from an int, NumPy integer or one-element integer tensor; NoMatch otherwise."""
    if type(x) is int:
        if not -(2**63) <= x < 2**63:
            raise ValueError("Overflow when unpacking long long")
        return x
    if isinstance(x, bool) or isinstance(x, (float, str)):
        raise NoMatch
    if isinstance(x, Tensor):
        if x._aval.ndim == 0 and x._aval.category == 1:
            return int(x.item())
        raise NoMatch
    if isinstance(x, (int, np.integer)):
        return int(x)
    if hasattr(x, "__index__"):
        return x.__index__()
    raise NoMatch


def _ints(x):
    if isinstance(x, (tuple, list)):
        if x and isinstance(x[0], bool):  # PyTorch looks at the first one only
            raise NoMatch
        try:
            return tuple([int(i) if isinstance(i, bool) else integer(i) for i in x])
        except ValueError:  # too large: told with the argument's name
            raise NoMatch from None
    if isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.kind in "iu":
        return tuple(x.tolist())
    return (integer(x),)


def _sizes(x):
    if not isinstance(x, (tuple, list)):
        raise NoMatch
    return _ints(x)


def _floats(x):
    if isinstance(x, (tuple, list)):
        return tuple([float(number(i)) for i in x])
    return (float(number(x)),)


def _tensor(x):
    if isinstance(x, Tensor):
        return x
    raise NoMatch


def _tensors(x):
    if isinstance(x, (tuple, list)) and all(isinstance(t, Tensor) for t in x):
        return tuple(x)
    raise NoMatch


def _tensors_with_holes(x):
    if isinstance(x, (tuple, list)) and all(t is None or isinstance(t, Tensor) for t in x):
        return tuple(x)
    raise NoMatch


def _tensor_or_number(x):
    return x if isinstance(x, Tensor) else number(x)


def _real(x):
    v = number(x) if not isinstance(x, Tensor) or x._aval.ndim else number(x.item())
    if isinstance(v, complex):
        raise NoMatch
    return float(v)


def _number_or_scalar_tensor(x):
    if isinstance(x, Tensor):
        if x._aval.ndim == 0 and not x._needs():
            return x.item()
        raise NoMatch
    return number(x)


def _bool(x):
    if isinstance(x, (bool, np.bool_)):
        return bool(x)
    raise NoMatch


def _str(x):
    if isinstance(x, str):
        return x
    raise NoMatch


def _dtype(x):
    if (d := dt.as_dtype(x)) is not None:
        return d
    raise NoMatch


def _device(x):
    if isinstance(x, size_module.device):
        return x
    if isinstance(x, (str, int)) and not isinstance(x, bool):
        return size_module.device(x)
    raise NoMatch


def _any(x):
    return x


def _generator(x):
    from torchish._tensor.generator import Generator

    if isinstance(x, Generator):
        return x
    raise NoMatch


def _format(x):
    if isinstance(x, memory_format):
        return x
    raise NoMatch


CONVERT: dict[str, Callable] = {
    "Tensor": _tensor, "Tensor[]": _tensors, "Tensor?[]": _tensors_with_holes, "Number": _number_or_scalar_tensor,
    "Tensor|Number": _tensor_or_number, "Index": integer, "int": integer, "int[]": _ints, "int[]*": _ints, "int[!]": _sizes,
    "bool": _bool, "float": _real, "float[]": _floats, "str": _str, "dtype": _dtype, "device": _device, "any": _any,
    "generator": _generator, "format": _format, "real": _real, "scalar": _real,
}  # fmt: skip


def converter(p: Param) -> Callable:
    return CONVERT[p.type.removesuffix("?")]


def bind(schema: Schema, args: Sequence, kwargs: dict, converters: list[Callable]) -> list:
    """The values of all parameters, in order; NoMatch when the arguments do not fit."""
    params = schema.params
    n = len(args)
    values: list = []
    if n > schema.positional:
        # trailing integers given one by one: x.view(2, 3)
        last = schema.positional - 1
        if last >= 0 and params[last].varargs and n > last:
            args = (*args[:last], tuple(args[last:]))
            n = len(args)
        else:
            raise NoMatch
    elif n and n == schema.positional and params[n - 1].varargs and not isinstance(args[n - 1], (tuple, list)):
        args = (*args[: n - 1], (args[n - 1],))
    used = 0
    for i, p in enumerate(params):
        if i < n:
            x = args[i]
            if kwargs and p.name in kwargs:
                raise NoMatch
        elif kwargs and (found := named(p.name, kwargs)):
            x = found[0]
            used += 1
        elif p.default is not REQUIRED:
            values.append(p.default)
            continue
        else:
            raise NoMatch
        if x is None:
            if p.type[-1] != "?" and p.default is not None:
                raise NoMatch
            values.append(None)
        else:
            values.append(converters[i](x))
    if used != len(kwargs):
        raise NoMatch
    return values


def named(name: str, kwargs: dict) -> tuple:
    """The value given under a parameter's name, or under NumPy's name for it; nothing where there is none."""
    if name in kwargs:
        return (kwargs[name],)
    return tuple([kwargs[alias] for alias, target in _ALIAS_NAMES.items() if target == name and alias in kwargs])


_SIMPLE = ("Tensor", "Tensor|Number", "Number", "real", "Index", "Tensor?", "Number?", "real?", "Tensor|Number?")


class Overload:
    """One signature of a public function, ready to be called."""

    __slots__ = ("schema", "converters", "call", "op", "dynamic", "static", "simple", "has_out")

    def __init__(self, schema: Schema, call: Callable | None, op: Op | None, has_out: bool):
        self.schema = schema
        self.converters = [converter(p) for p in schema.params]
        self.op = op
        self.call = call
        self.has_out = has_out
        self.dynamic = [i for i, p in enumerate(schema.params) if p.dynamic]
        self.static = [i for i, p in enumerate(schema.params) if not p.dynamic]
        self.simple = all(p.type in _SIMPLE for p in schema.params if p.dynamic)

    def prepare(self, values: list) -> tuple[Any, tuple]:
        """The spec and flat inputs of a primitive operation for these parameter values."""
        kinds: list = []
        flat: list = []
        op_ = self.op
        assert op_ is not None
        if op_.refine is not None and (chosen := op_.refine(values)) is not None:
            return chosen
        omit = op_.omit
        for i in self.dynamic:
            x = values[i]
            if omit and i in omit and x is omit[i]:
                x = None
            if isinstance(x, Tensor):
                kinds.append("T")
                flat.append(x)
            elif x is None:
                kinds.append("N")
            elif isinstance(x, tuple):
                if None in x:
                    kinds.append(tuple(t is not None for t in x))
                    flat.extend(t for t in x if t is not None)
                else:
                    kinds.append(len(x))
                    flat.extend(x)
            else:
                kinds.append(NUMBER_KINDS[type(x)])
                flat.append(x)
        return op_.spec(tuple(kinds), tuple([values[i] for i in self.static])), tuple(flat)

    def run(self, values: list) -> Any:
        if self.op is None:
            assert self.call is not None
            return call_composite(self.schema, self.call, values)
        spec, flat = self.prepare(values)
        return self.finish(apply(spec, flat))

    def finish(self, result: Any) -> Any:
        if self.op is not None and self.op.returns and type(result) is tuple:
            from torchish.return_types import make

            return make(self.op.name, self.op.returns)(result)
        return result


def call_composite(schema: Schema, f: Callable, values: list) -> Any:
    k = schema.positional
    if k == len(values):
        return f(*values)
    return f(*values[:k], **{p.name: v for p, v in zip(schema.params[k:], values[k:], strict=True)})


COMPOSITES: dict[str, list[tuple[Schema, Callable, dict]]] = {}


def composite(signature: str, *, method: bool = True, function: bool = True, inplace: bool = False, out: bool = False,
              aliases: Sequence[str] = ()) -> Callable:  # fmt: skip
    """Declare a function of tensors made of other operations; it gets all arguments checked and in order.

    Positional parameters are passed by position, keyword-only ones by keyword.
    """

    def wrap(f: Callable) -> Callable:
        schema = parse(signature)
        traits = {"method": method, "function": function, "inplace": inplace, "out": out}
        for name in (schema.name, *aliases):
            COMPOSITES.setdefault(name, []).append((schema, f, traits))
        return f

    return wrap


# Composites that fill `out=` themselves, in the order of its memory: what makes such a function of `out`.
FILLS: dict[Any, Callable[[Any], Callable]] = {}
PLAIN: dict[str, Callable] = {}


def plain(*names: str) -> Callable:
    """Declare an ordinary Python function under public names: for those that no signature describes (`einsum`)."""

    def wrap(f: Callable) -> Callable:
        for name in names:
            PLAIN[name] = f
        return f

    return wrap


def takes(*signatures: str) -> Callable:
    """Declare what a method that is a Python function takes: it gets these arguments, in order; for others there is PyTorch's error."""
    overloads = [Overload(parse(s), None, None, False) for s in signatures]
    name = overloads[0].schema.name

    def wrap(f: Callable) -> Callable:
        @functools.wraps(f)
        def method(*args: Any, **kwargs: Any) -> Any:
            for o in overloads:
                try:
                    values = bind(o.schema, args, kwargs, o.converters)
                except NoMatch:
                    continue
                return call_composite(o.schema, f, values)
            raise invalid_arguments(name, overloads, args, kwargs, True)

        return method

    return wrap


# Names without `out=` of operations that have it under another one, or among functions that are declared alike.
_WITHOUT_OUT = frozenset(("det", "index_fill", "special.log_softmax", "special.softmax"))


def overloads_of(name: str) -> list[Overload]:
    """Every declared signature of a public name, operations first."""
    found = [Overload(o.schema, None, o, o.out and name not in _WITHOUT_OUT) for o in REGISTRY.get(name, ())]
    found += [Overload(s, f, None, t["out"] and name not in _WITHOUT_OUT) for s, f, t in COMPOSITES.get(name, ())]
    return found


# Once there is a subclass of Tensor that answers calls itself (`subclasses.py`): the function that asks it.
INTERCEPT: list[Callable] = []
# How each function made here is diverted, by its name in PyTorch, and what the diverted ones go through instead.
DIVERTS: dict[str, list[Callable]] = {}
DIVERTED: dict[str, Callable] = {}


def _with_tuples(o: Overload) -> Overload:
    """The signature as a function has it: beside a tensor, integers are not taken one by one."""
    params = o.schema.params
    if len(params) < 2 or not any(p.varargs for p in params[1:]):
        return o
    listed = tuple([dataclasses.replace(p, type="int[!]") if p.varargs else p for p in params])
    return Overload(dataclasses.replace(o.schema, params=listed), o.call, o.op, o.has_out)


def _types(args: tuple, kwargs: dict) -> tuple:
    """The types of a call's arguments, by which its plan is found."""
    if kwargs:
        return tuple([type(x) for x in args]), tuple([(k, type(v)) for k, v in kwargs.items()])
    if len(args) == 2:  # without a list: operators come by here
        return type(args[0]), type(args[1])
    return tuple([type(x) for x in args])


def make_function(public: str, overloads: list[Overload], method: bool = False) -> Callable:
    """The function (or method) that users call under the name `public`."""
    if not method:
        overloads = [_with_tuples(o) for o in overloads]
    plans: dict[tuple, Callable] = {}
    cache: Any = plans  # where `call` looks: other than `plans` while calls are diverted
    known: list[Callable] = [plans.get]  # where operators look, whose two operands need no matching; nowhere once calls are diverted
    has_out = not method and any(o.has_out for o in overloads)
    display = native_name(public)

    def call(*args, **kwargs):
        key = _types(args, kwargs)
        plan = cache.get(key)
        if plan is not None:
            return plan(args, kwargs)
        return general(args, kwargs, key)

    def general(args: tuple, kwargs: dict, key: tuple | None = None):
        if INTERCEPT and (asked := INTERCEPT[0](call, args, kwargs)) is not None:
            if asked[0]:
                return asked[1]
            key = None
        out = None
        if has_out and "out" in kwargs:
            kwargs = dict(kwargs)
            out = kwargs.pop("out")
        for o in overloads:
            try:
                values = bind(o.schema, args, kwargs, o.converters)
            except NoMatch:
                continue
            if out is not None:
                if not o.has_out:
                    continue
                if o.call in FILLS and isinstance(out, Tensor):
                    return call_composite(o.schema, FILLS[o.call](out), values)
                if not isinstance(out, Tensor) and (error := invalid_out(display, overloads, args, kwargs, out)) is not None:
                    raise error
                if isinstance(out, Tensor):
                    params = zip(o.schema.params, values, strict=True)
                    values = [with_dtype(display, v, out.dtype) if p.name == "dtype" else v for p, v in params]
                    check_known_dtype(display, values[0] if values else None, out.dtype)
                with nullcontext() if overload(display, tuple(values)) in COPY_IN else _NoHistory():
                    result = o.run(values)
                if isinstance(out, Tensor) is not isinstance(result, Tensor):
                    if (error := invalid_out(display, overloads, args, kwargs, out, True)) is not None:
                        raise error
                return apply_out(display, result, out, tuple(values), len(o.schema.params))
            if key is not None:
                _remember(plans, key, o, args, kwargs, apply, general)
            return o.run(values)
        answered, result = _ask(call, args, kwargs)
        if answered:
            return result
        raise invalid_arguments(display, overloads, args, kwargs if out is None else {**kwargs, "out": out}, method)

    def direct(*args, **kwargs):
        key = _types(args, kwargs)
        plan = plans.get(key)
        return plan(args, kwargs) if plan is not None else general(args, kwargs, key)

    def divert(name: str, through: Callable) -> None:
        nonlocal cache
        cache = through(name, direct)
        known[0] = {}.get

    DIVERTS.setdefault(display, []).append(divert)
    if display in DIVERTED:
        divert(display, DIVERTED[display])

    call.__name__ = call.__qualname__ = display
    if overloads:
        o = overloads[0]
        call.__doc__ = (o.op.body.__doc__ if o.op is not None else o.call.__doc__) if (o.op or o.call) else None
    call.__module__ = "torch"
    call._overloads = overloads  # type: ignore[attr-defined]
    call._known = known  # type: ignore[attr-defined]
    return call


def _ask(function: Callable, args: tuple, kwargs: dict) -> tuple[bool, Any]:
    """Whether arguments that are no tensors, but have a `__torch_function__`, answer the call, and how."""
    from torchish._tensor.subclasses import intercept

    return intercept(function, args, kwargs) or (False, None)


# For each parameter type, the argument types that fit it whatever their value.
_FITS: dict[str, Callable[[type], bool]] = {
    "Tensor": lambda t: issubclass(t, Tensor),
    "Tensor|Number": lambda t: t in NUMBER_KINDS or issubclass(t, Tensor),
    "Number": lambda t: t in NUMBER_KINDS,
    "Index": lambda t: t is int,
    "int": lambda t: t is int,
    "int[]": lambda t: t is int,  # one integer stands for a list of one
    "bool": lambda t: t is bool,
    "float": lambda t: t is float,
    "real": lambda t: t is float or t is int,
    "scalar": lambda t: t is float,
    "str": lambda t: t is str,
    "dtype": lambda t: t is dt.dtype,
    "device": lambda t: t is size_module.device,
    "format": lambda t: t is memory_format,
}


_CACHES: dict[int, dict] = {}  # those with plans


def forget_plans() -> None:
    """Have all calls matched anew: a class whose instances had plans answers calls from now on."""
    for cache in _CACHES.values():
        cache.clear()


def _remember(cache: dict, key: tuple, o: Overload, args: tuple, kwargs: dict, run: Callable, general: Callable) -> None:
    """Keep a fast plan for calls with arguments of these exact types, where the types alone decide what they mean."""
    _CACHES[id(cache)] = cache
    params = o.schema.params
    n = len(args)
    if len(cache) > 64 or (o.op is not None and o.op.refine is not None):
        return
    if o.op is None and not kwargs and n and _sizes_only(params, args):
        # trailing integers of a size: x.view(-1, 400)
        f, k = o.call, o.schema.positional - 1
        if len(params) == o.schema.positional:
            cache[key] = lambda args, kwargs: f(*args[:k], args[k:])  # type: ignore[misc]
        return
    if n > o.schema.positional or any(p.varargs for p in params[:n]):
        return
    index = {p.name: i for i, p in enumerate(params)}
    if any(k not in index or index[k] < n for k in kwargs):
        return
    given = {i: type(x) for i, x in enumerate(args)} | {index[k]: type(v) for k, v in kwargs.items()}
    sizes = []  # where a tuple was given: it must hold plain integers in later calls too
    tensors = []  # where a sequence of tensors was given
    for i, t in given.items():
        p = params[i]
        if t in (tuple, list) and p.type == "Tensor[]" and i < n:
            tensors.append(i)
            continue
        if t is type(None) and p.type.endswith("?"):
            continue
        if t is tuple and p.type.startswith("int["):
            x = args[i] if i < n else kwargs[p.name]
            if any(type(v) is not int for v in x):
                return
            sizes.append((i, p.name))
            continue
        fits = _FITS.get(p.type.removesuffix("?"))
        if fits is None or not fits(t):
            return
    if o.op is not None and not o.simple and not all(params[i].type in _SIMPLE or i in tensors for i in o.dynamic):
        return
    template = [p.default for p in params]
    places = tuple((index[k], k) for k in kwargs)
    lists = tuple(i for i, t in given.items() if t is int and params[i].type.startswith("int[]"))

    def fill(args: tuple, kwargs: dict) -> list:
        values = template.copy()
        values[:n] = args
        for i, k in places:
            values[i] = kwargs[k]
        for i in lists:
            values[i] = (values[i],)
        for i in tensors:
            values[i] = tuple(values[i])
        return values

    plan: Callable
    if o.op is None:
        f, positional = o.call, o.schema.positional
        assert f is not None
        if not places and not lists and not tensors and positional == len(params):
            rest = tuple(template[n:])

            def plan(args, kwargs):
                return f(*args, *rest)
        else:
            names = [p.name for p in params[positional:]]

            def plan(args, kwargs):
                values = fill(args, kwargs)
                return f(*values[:positional], **dict(zip(names, values[positional:], strict=True)))

        cache[key] = _checked(plan, sizes, tensors, n, general)
        return
    op_ = o.op
    if tensors:
        if o.dynamic != tensors or len(tensors) > 1 or op_.returns:
            return
        place = tensors[0]

        def plan(args, kwargs):
            values = fill(args, kwargs)
            several = values[place]
            return run(op_.spec((len(several),), tuple([values[i] for i in o.static])), several)

        cache[key] = _checked(plan, sizes, tensors, n, general)
        return
    absent = {i for i in o.dynamic if given.get(i, type(params[i].default)) is type(None) or (i not in given and i in op_.omit)}
    present = [i for i in o.dynamic if i not in absent]
    kinds = tuple(["N" if i in absent else NUMBER_KINDS.get(given.get(i, type(params[i].default)), "T") for i in o.dynamic])
    static = o.static
    specs = op_.specs
    if not places and present == list(range(n)) and not any(i < n for i in static):
        constant = tuple(template[i] for i in static)
        own = object()  # a key that is looked up sooner than what it stands for

        def plan(args, kwargs):
            spec = specs.get((own, dt._default))
            if spec is None:
                spec = specs[own, dt._default] = op_.spec(kinds, constant)
            return run(spec, args)
    else:

        def plan(args, kwargs):
            values = fill(args, kwargs)
            return run(op_.spec(kinds, tuple([values[i] for i in static])), tuple([values[i] for i in present]))

    if op_.returns and run is apply:
        inner = plan

        def plan(args, kwargs):
            return o.finish(inner(args, kwargs))

    cache[key] = _checked(plan, sizes, tensors, n, general)


def _checked(plan: Callable, sizes: list, tensors: list, n: int, general: Callable) -> Callable:
    """`plan`, for calls whose tuples hold plain integers and whose sequences plain tensors; others take the general way."""
    if not sizes and not tensors:
        return plan

    def checked(args, kwargs):
        for i in tensors:
            for v in args[i]:
                if type(v) is not Tensor:
                    return general(args, kwargs)
        for i, name in sizes:
            for v in args[i] if i < n else kwargs[name]:
                if type(v) is not int:
                    return general(args, kwargs)
        return plan(args, kwargs)

    return checked


def _sizes_only(params: tuple[Param, ...], args: tuple) -> bool:
    """Whether the arguments are tensors followed by one integer or more for a size given one by one."""
    k = len([p for p in params if not p.keyword_only]) - 1
    return (
        k >= 0 and params[k].varargs and len(args) > k and all(isinstance(x, Tensor) for x in args[:k])
        and all(p.type == "Tensor" for p in params[:k]) and all(type(x) is int for x in args[k:])
    )  # fmt: skip


class _NoHistory:
    """Operations whose results go into `out=` are not recorded (a required gradient is refused there)."""

    def __enter__(self):
        from torchish.autograd.grad_mode import STATE

        self._state = STATE
        self._previous = STATE.enabled
        STATE.enabled = False

    def __exit__(self, *exc):
        self._state.enabled = self._previous


def make_inplace(public: str, overloads: list[Overload]) -> Callable:
    """`Tensor.f_`: the operation stored into its first tensor."""
    display = public.rpartition(".")[2]
    usable = [o for o in overloads if o.op is not None and o.op.inplace]

    cache: dict[tuple, Callable] = {}

    def call(*args, **kwargs):
        key = _types(args, kwargs)
        plan = cache.get(key)
        if plan is not None:
            return plan(args, kwargs)
        return general(args, kwargs, key)

    def general(args: tuple, kwargs: dict, key: tuple | None = None):
        if INTERCEPT and (asked := INTERCEPT[0](call, args, kwargs)) is not None:
            if asked[0]:
                return asked[1]
            key = None
        for o in usable:
            try:
                values = bind(o.schema, args, kwargs, o.converters)
            except NoMatch:
                continue
            if key is not None:
                _remember(cache, key, o, args, kwargs, apply_inplace, general)
            spec, flat = o.prepare(values)
            return apply_inplace(spec, flat)
        raise invalid_arguments(display, usable, args, kwargs, True)

    call.__name__ = call.__qualname__ = display
    call.__module__ = "torch"
    return call


def call(o: Op, *args, **kwargs) -> Any:
    """Apply a declared operation directly (for the code of composites)."""
    ov = _OVERLOADS.get(o)
    if ov is None:
        ov = _OVERLOADS[o] = Overload(o.schema, None, o, o.out)
    return ov.run(bind(o.schema, args, kwargs, ov.converters))


_OVERLOADS: dict[Op, Overload] = {}
