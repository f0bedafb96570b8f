"""`__torch_function__`: classes that say themselves what PyTorch's functions do with their instances.

A call whose arguments' types have no plan yet comes to `dispatch`'s general way, and asks here first. So tensors of no such class pay
nothing. What reaches Python code without passing there (properties, indexing, functions of nn.functional) is wrapped when the
first subclass of Tensor with a `__torch_function__` of its own, or with PyTorch's default one, is defined.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType
from typing import Any

from torchish._runner import missing_attribute
from torchish._tensor import dispatch
from torchish._tensor.builtin_methods import BuiltInMethod
from torchish._tensor.errors import refuse_pytorchs
from torchish._tensor.tensor import Tensor


class _State(threading.local):
    disabled = False
    default = False  # in a function that `Tensor.__torch_function__` calls

    def __init__(self) -> None:
        self.entered: list[Any] = []  # `overrides.TorchFunctionMode`s
        self.modes: Any = self.entered  # those that answer, before any argument: none of them in a `DisableTorchFunction`


STATE = _State()


class DisableTorchFunctionSubclass:
    """A block in which arguments' `__torch_function__` is not asked."""

    __module__ = "torch"

    def __enter__(self) -> None:
        self._previous = STATE.disabled
        STATE.disabled = True

    def __exit__(self, *exc: Any) -> None:
        STATE.disabled = self._previous


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """A block in which no `__torch_function__` is asked, of modes neither."""

    def __enter__(self) -> None:
        super().__enter__()
        self._modes, STATE.modes = STATE.modes, ()

    def __exit__(self, *exc: Any) -> None:
        STATE.modes = self._modes
        super().__exit__(*exc)


def disabled_torch_function(func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
    """The `__torch_function__` of a class whose instances are like any tensor: results are plain tensors."""
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


# By class, whether its instances are asked.
_asked: dict[type, bool] = {Tensor: False, int: False, float: False, bool: False, list: False, tuple: False, type(None): False, str: False}


def asked(t: type) -> bool:
    """Whether instances of a class answer calls."""
    known = _asked.get(t)
    if known is None:
        f = getattr(t, "__torch_function__", None)
        known = _asked[t] = f is not None and getattr(f, "__func__", f) is not disabled_torch_function
    return known


def overloaded(values: Iterable[Any]) -> list[Any]:
    """The arguments that answer, one of each class, in the order in which they are asked; lists are looked into."""
    found: list[Any] = []

    def look(x: Any) -> None:
        t = type(x)
        if asked(t) and all(type(y) is not t for y in found):
            # a subclass goes before its superclass, otherwise the leftmost goes first
            found.insert(next((i for i, y in enumerate(found) if issubclass(t, type(y))), len(found)), x)

    for x in values:
        if type(x) in (list, tuple):
            for y in x:
                look(y)
        else:
            look(x)
    return found


def answer_of_mode(func: Callable, types: tuple, args: tuple, kwargs: dict | None) -> Any:
    """What the mode entered last makes of a call, while it is left; NotImplemented where there is none."""
    if not STATE.modes:
        return NotImplemented
    mode = STATE.modes.pop()
    try:
        return mode.__torch_function__(func, types, args, kwargs)
    finally:
        STATE.modes.append(mode)


def answer(func: Callable, candidates: list[Any], args: tuple, kwargs: dict) -> Any:
    """What the mode entered last, or the first of `candidates` to answer, makes of the call; TypeError when none does."""
    types = tuple(map(type, candidates))
    refuse_pytorchs(func.__name__, candidates)
    got = answer_of_mode(func, types, args, kwargs or None)
    if got is not NotImplemented:
        return got
    for x in () if STATE.disabled else candidates:
        got = x.__torch_function__(func, types, args, kwargs or None)
        if got is not NotImplemented:
            return got
    method = getattr(Tensor, func.__name__, None) is func
    asked = "".join(f"  - mode object {mode!r}\n" for mode in STATE.modes[-1:])
    lines = asked + "".join(f"  - tensor subclass {t!r}\n" for t in types)
    raise TypeError(
        f"Multiple dispatch failed for 'torch.{'Tensor.' if method else ''}{func.__name__}'; all __torch_function__ handlers returned "
        f"NotImplemented:\n\n{lines}\nFor more information, try re-running with TORCH_LOGS=not_implemented"
    )


def intercept(func: Callable, args: tuple, kwargs: dict) -> tuple[bool, Any] | None:
    """Whether a call was answered, and how; None when its arguments are all plain."""
    candidates = overloaded((*args, *kwargs.values()))
    if not candidates:
        return None
    return (False, None) if STATE.disabled else (True, answer(func, candidates, args, kwargs))


# --- PyTorch's default -------------------------------------------------------------------------------------


def convert(result: Any, cls: type) -> Any:
    """Tensors in a result as instances of `cls`."""
    if cls is Tensor:
        return result
    if isinstance(result, Tensor) and not isinstance(result, cls):
        return result.as_subclass(cls)  # type: ignore[attr-defined]
    if isinstance(result, (tuple, list)):
        return type(result)([convert(r, cls) for r in result])
    return result


def _of_pytorch(func: Callable) -> bool:
    """Whether a function is one of an installed PyTorch."""
    if isinstance(func, BuiltinFunctionType):
        return (func.__module__ or "").split(".")[0] == "torch"
    # (functions here say that they are PyTorch's)
    return isinstance(func, FunctionType) and func.__globals__.get("__name__", "").split(".")[0] == "torch"


def _own(func: Any) -> Any:
    """The function here of the name that a function of PyTorch has there; NotImplemented where there is none."""
    import torchish

    name = func.__name__
    family, _, rest = name.partition("_")
    inner = (getattr(func, "__module__", None) or "").split(".")[1:]  # torch.nn.functional.relu: nn, functional
    for path in ((*inner, name), (name,), (family, rest), ("nn", "functional", name)):
        found: Any = torchish
        for step in path:
            found = getattr(found, step, None) if step else None
        if callable(found):
            return found
    return NotImplemented


def __torch_function__(cls: type, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> Any:
    """Call `func` with the arguments as plain tensors; its results are instances of the subclass."""
    if _of_pytorch(func):  # called by a program that uses both libraries
        func = _own(func)
        if func is NotImplemented:
            return func
    elif STATE.default or not all(issubclass(cls, t) for t in types):
        return NotImplemented  # asked while it answers: by a function of another library, PyTorch's own say
    with DisableTorchFunctionSubclass():
        STATE.default = True
        try:
            result = func(*args, **(kwargs or {}))
        finally:
            STATE.default = False
        return result if func in _KEPT else convert(result, cls)


_KEPT = {Tensor.__dict__[name].__get__ for name in ("grad", "_grad") if hasattr(Tensor.__dict__.get(name), "__get__")}

__torch_function__.__qualname__ = "Tensor.__torch_function__"
Tensor.__torch_function__ = classmethod(__torch_function__)  # type: ignore[attr-defined]


# --- what does not come by the general way -------------------------------------------------------------------

_DUNDERS = frozenset(("__getitem__", "__setitem__", "__repr__", "__deepcopy__", "__reduce_ex__", "__len__", "__contains__", "__array__"))
_NEVER = frozenset(("as_subclass", "requires_grad_", "is_leaf"))


def _nobody(values: tuple) -> list[Any]:
    return []


def _self_too(values: tuple) -> list[Any]:
    """`overloaded`, of a property: modes are given the class of plain tensors too."""
    return overloaded(values) or ([values[0]] if STATE.modes else [])


def _wrapped(f: Callable, shown: Callable | None = None, find: Callable = overloaded) -> Callable:
    """`f`, answered by modes and by those of its arguments that `find` gives; `shown` is what `__torch_function__` is given."""
    shown = shown or f

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if STATE.disabled and not STATE.modes:
            return f(*args, **kwargs)
        candidates = find((*args, *kwargs.values()))
        return answer(shown, candidates, args, kwargs) if candidates or STATE.modes else f(*args, **kwargs)

    return call


def _calls_answer(*args: Any, __torch_function_answer: Any, **kwargs: Any) -> Any:
    return __torch_function_answer(*args, **kwargs)


_ANSWERING: set[FunctionType] = set()  # wrapped in place


def _wrap_in_place(f: Any, shown: Callable | None = None, find: Callable = overloaded) -> None:
    """`_wrapped`, for all who already hold `f`: it stays the same object, and gets other code."""
    if f in _ANSWERING:
        return
    _ANSWERING.add(f)
    own = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    own.__kwdefaults__ = f.__kwdefaults__
    own.__dict__.update(f.__dict__)
    f.__wrapped__ = own  # type: ignore[attr-defined]
    answering = _wrapped(own, shown or f, find)
    # before the code that takes it, as other threads may call the function meanwhile
    f.__kwdefaults__ = {**(f.__kwdefaults__ or {}), "__torch_function_answer": answering}
    # only code that names as many free variables as a function has can be put in
    f.__code__ = _calls_answer.__code__.replace(co_freevars=f.__code__.co_freevars, co_name=f.__name__)


def _property(p: property) -> property:
    def get(self: Tensor) -> Any:
        return p.__get__(self) if STATE.disabled and not STATE.modes else answer(p.__get__, [self], (self,), {})

    def set_(self: Tensor, value: Any) -> None:
        if STATE.disabled and not STATE.modes:
            p.__set__(self, value)
        else:
            answer(p.__set__, [self], (self, value), {})

    return property(get, set_, p.fdel, p.__doc__)


def _home(cls: type, name: str) -> type | None:
    return next((c for c in cls.__mro__ if name in vars(c)), None)


def prepare(cls: type) -> None:
    """Make a new subclass of Tensor answer for what does not come by the general way."""
    from torchish._tensor.namespace import complete

    if not asked(cls) or getattr(cls, "_refuses", False):
        return
    complete()
    _open()
    for name, value in list(vars(Tensor).items()):
        if (name[:1] == "_" and name not in _DUNDERS) or name in _NEVER or _home(cls, name) is not Tensor:
            continue
        if isinstance(value, property):
            setattr(cls, name, _property(value))
        elif isinstance(value, BuiltInMethod) and not hasattr(value.function, "_overloads"):
            setattr(cls, name, BuiltInMethod(_wrapped(value.function)))
        elif isinstance(value, FunctionType) and not hasattr(value, "_overloads"):
            setattr(cls, name, _wrapped(value))


def listen() -> None:
    """Have operations ask their arguments, from the first instance that answers on."""
    if not dispatch.INTERCEPT:
        dispatch.INTERCEPT.append(intercept)


@functools.cache
def _open() -> None:
    """Let calls be answered, from the first such class on."""
    import torchish
    from torchish._tensor import operators
    from torchish.nn import functional

    listen()
    operators.use_power()
    for name in _DUNDERS:  # by which they are asked
        Tensor.__dict__[name].__name__ = name
    for module, names in ((functional, list(vars(functional))), (torchish, list(dispatch.PLAIN))):
        for name in names:
            f = vars(module).get(name)
            if isinstance(f, FunctionType) and name[:1] != "_" and not hasattr(f, "_overloads"):
                _wrap_in_place(f)


# --- modes -------------------------------------------------------------------------------------------------

# What PyTorch calls when a program writes an operator.
_OF_OPERATORS = {
    "__add__": "add", "__radd__": "add", "__sub__": "sub", "__mul__": "mul", "__rmul__": "mul", "__truediv__": "div",
    "__itruediv__": "div_", "__mod__": "remainder",
    "__matmul__": "matmul", "__neg__": "neg", "__abs__": "abs", "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge",
    "__ne__": "ne", "__iadd__": "add_", "__isub__": "sub_", "__imul__": "mul_",
}  # fmt: skip


_OPERATORS = frozenset(
    "add radd iadd sub rsub isub mul rmul imul truediv rtruediv itruediv floordiv rfloordiv mod rmod pow rpow ipow matmul rmatmul neg pos "
    "abs invert eq ne lt le gt ge and rand iand or ror ior xor rxor ixor lshift rshift bool float int complex index reversed".split()
)


_OF_DATA = ("tensor", "as_tensor", "asarray")  # they take any objects, and ask none of them


def _is_asked(name: str, f: Any) -> bool:
    """Whether an attribute of Tensor is one that modes are asked about."""
    if not isinstance(f, (FunctionType, BuiltInMethod, property)) or name == "as_subclass":
        return False
    return name[:1] != "_" or name in _DUNDERS or name[2:-2] in _OPERATORS


def overridable() -> dict[str, list[tuple[str, Any]]]:
    """What modes are asked about: by namespace, the names and functions."""
    import torchish
    from torchish._tensor.namespace import complete, functions
    from torchish.nn import functional, init

    complete()

    def public(module: Any, names: Iterable[str] | None = None) -> list[tuple[str, Any]]:
        found = {n: f for n, f in vars(module).items() if isinstance(f, FunctionType) and f is not missing_attribute}
        return [(n, found[n]) for n in names or found if n[:1] != "_" and n in found]

    made = [n for n, f in list(vars(torchish).items()) if hasattr(f, "_overloads")]
    return {
        "torch": public(torchish, dict.fromkeys((*_OF_DATA, *made, *dispatch.PLAIN))),
        "torch.nn.functional": public(functional),
        "torch.nn.init": [(n, f) for n, f in public(init) if n.endswith("_")],
        "torch.Tensor": [(n, f) for n, f in list(vars(Tensor).items()) if _is_asked(n, f)],
        "torch.linalg": public(torchish.linalg),
        "torch.fft": public(torchish.fft),
        "torch.special": public(torchish.special, functions("special")),
    }


@functools.cache
def open_modes() -> None:
    """Have every function ask the modes that are entered, from the first one on: until then, calls pay nothing for them."""
    for space, functions in overridable().items():
        for name, f in functions:
            if isinstance(f, property):  # in place too: programs may already hold `Tensor.shape.__get__`
                _wrap_in_place(f.fget, f.__get__, _self_too)
                if f.fset is not None:
                    _wrap_in_place(f.fset, f.__set__, _self_too)
                continue
            inner = f.function if isinstance(f, BuiltInMethod) else f
            if not isinstance(inner, FunctionType):
                continue
            if space == "torch.Tensor" and not hasattr(inner, "_overloads"):
                inner.__name__ = name
            called = _OF_OPERATORS.get(name) if space == "torch.Tensor" else None
            find = _nobody if space == "torch" and name in _OF_DATA else overloaded
            _wrap_in_place(inner, getattr(Tensor, called) if called else None, find)
