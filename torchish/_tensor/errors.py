"""PyTorch's text for calls whose arguments fit no signature."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from torchish._tensor import signatures
from torchish.ops.schema import REQUIRED

F = TypeVar("F", bound=Callable[..., Any])


def counts_arguments(function: F) -> F:
    """`function` with PyTorch's text, not Python's, when it is given too few or too many positional arguments."""
    kinds = inspect.signature(function).parameters.values()
    names = [p.name for p in kinds if p.kind is not p.KEYWORD_ONLY]
    required = [p.name for p in kinds if p.kind is not p.KEYWORD_ONLY and p.default is p.empty]
    limit, name = len(names), function.__name__

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > limit:
            plural = "s" if limit != 1 else ""
            raise TypeError(f"{name}() takes {limit} positional argument{plural} but {len(args)} were given")
        if len(args) < len(required) and (missing := [n for n in required[len(args) :] if n not in kwargs]):
            quoted = ", ".join(f'"{n}"' for n in missing)
            raise TypeError(f"{name}() missing {len(missing)} required positional arguments: {quoted}")
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


_WITH_NAMESPACE = ("dtype", "device", "layout", "memory_format")


def type_name(x: Any) -> str:
    """How PyTorch's argument errors name a value's type."""
    from torchish._tensor.tensor import Tensor

    if isinstance(x, Tensor) and type(x) is Tensor:
        return "Tensor"
    if isinstance(x, tuple) and type(x).__module__.endswith("return_types"):
        return f"torch.return_types.{type(x).__name__}"
    if isinstance(x, (tuple, list)) and x:
        inner = [type_name(i) for i in x]
        if isinstance(x, tuple):
            return f"tuple of ({', '.join(inner)}{',' if len(inner) == 1 else ''})"
        return f"list of [{', '.join(inner)}]"
    t = type(x)
    if t.__module__ in ("builtins", "torch", "__main__"):
        return f"torch.{t.__name__}" if t.__module__ == "torch" and t.__name__ in _WITH_NAMESPACE else t.__name__
    return f"{t.__module__}.{t.__name__}" if t.__module__.startswith("numpy") else t.__name__


def is_pytorchs(t: type) -> bool:
    """Whether a class is the tensor of an installed PyTorch, or answers calls as that does."""
    f = getattr(t, "__torch_function__", None)
    return getattr(getattr(f, "__func__", f), "__globals__", {}).get("__name__") == "torch._tensor"


def refuse_pytorchs(name: str, values: Iterable[Any]) -> None:
    """TypeError for a tensor of PyTorch's among the arguments of a function."""
    for x in values:
        if any(is_pytorchs(type(y)) for y in (x if type(x) in (list, tuple) else (x,))):
            where = f"{name}(): " if name else ""
            raise TypeError(f"{where}got a tensor of PyTorch's; torchish.tensor(x) makes one of torchish's with its values")


def not_a_tensor(i: int, argument: int, x: Any) -> TypeError:
    """The error for what is no tensor in a list of tensors, by its place and the list's."""
    refuse_pytorchs("", (x,))
    return TypeError(f"expected Tensor as element {i} in argument {argument}, but got {plain_type_name(x)}")


def plain_type_name(x: Any) -> str:
    """`type_name`, but without what a tuple or list holds."""
    return "tuple" if type(x) is tuple else "list" if type(x) is list else type_name(x)


def device_arguments_error(args: tuple, kwargs: dict) -> TypeError:
    """The error for arguments that `torch.device` does not take."""
    names = ("type", "index")
    if len(args) + len(kwargs) == 2:  # then PyTorch explains what is wrong with (str type, int index)
        given = {**kwargs, **dict(zip(names, args, strict=False))}
        if len(given) < 2:
            return TypeError(f"device() got multiple values for argument '{names[0]}'")
        if "type" not in given:
            return TypeError('device() missing 1 required positional arguments: "type"')
        for i, (name, wanted) in enumerate((("type", str), ("index", int))):
            if name in given and (not isinstance(given[name], wanted) or isinstance(given[name], bool)):
                where = f" (position {i + 1})" if i < len(args) else ""
                return TypeError(f"device(): argument '{name}'{where} must be {wanted.__name__}, not {plain_type_name(given[name])}")
        wrong = next(k for k in kwargs if k not in names)
        return TypeError(f"device() got an unexpected keyword argument '{wrong}'")
    shown = ", ".join([*(plain_type_name(a) for a in args), *(f"{k}={plain_type_name(v)}" for k, v in kwargs.items())])
    why = ""
    if len(args) == 1 and not kwargs:
        kind = "list of []" if args[0] == [] else "tuple of ()" if args[0] == () else type_name(args[0])
        why = f"      didn't match because some of the arguments have invalid types: (!{kind}!)\n"
    elif len(kwargs) == 1 and not args and "device" not in kwargs:
        why = f"      didn't match because some of the keywords were incorrect: {next(iter(kwargs))}\n"
    elif len(kwargs) == 1 and not args:
        why = f"      didn't match because some of the arguments have invalid types: (!device={type_name(kwargs['device'])}!, )\n"
    return TypeError(
        f"device() received an invalid combination of arguments - got ({shown}{', ' if kwargs and not args else ''}), "
        f"but expected one of:\n * (torch.device device)\n{why} * (str type, int index = -1)\n"
    )


def _is_integer(x: Any) -> bool:
    from torchish._tensor.dispatch import NoMatch, integer

    try:
        return integer(x) is not None
    except NoMatch:
        return False
    except ValueError:  # too large
        return True


def _takes(o: Any, count: int, method: bool) -> bool:
    params = o.schema.params[1:] if method else o.schema.params
    least = sum(p.default is REQUIRED for p in params)
    return least <= count and (count <= len(params) + (o.has_out and not method) or any(p.varargs for p in params))


def _names(o: Any, method: bool) -> list[str]:
    names = [p.name for p in o.schema.params if not p.keyword_only]
    return names[1:] if method else names


# Functions that PyTorch has written in Python, and what they ask of their arguments before anything else.
_OF_PYTHON = {
    "norm": ("layout",), "tensordot": ("dim", "dim"), "split": ("split",), "adaptive_max_pool1d": ("size",),
    "unravel_index": ("is_complex",),
}  # fmt: skip


_INNER = {"unique": "_unique2", "norm": "linalg_vector_norm"}  # the built-in functions that check what these are given


def invalid_arguments(name: str, overloads: list, args: tuple, kwargs: dict, method: bool) -> Exception:
    """The error for a call that matches none of the signatures."""
    from torchish._tensor.dispatch import NoMatch, Overload, named

    refuse_pytorchs(name, (*args, *kwargs.values()))
    if (form := signatures.in_python(name, method)) is not None:
        try:
            form(*args, **kwargs)
        except TypeError as wrong:
            return wrong
        if name.startswith("unique_") or name == "unique":  # which hand on by name
            names = list(inspect.signature(form).parameters)
            args, kwargs = args[:1], {**dict(zip(names[1:], args[1:], strict=False)), **kwargs}
    method = method and name != "split"  # whose Python function calls a function
    for x, asked in zip(args, () if method else _OF_PYTHON.get(name, ()), strict=False):
        if not hasattr(x, asked):
            owner = f"type object '{x.__name__}'" if isinstance(x, type) else f"'{type(x).__name__}' object"
            return AttributeError(f"{owner} has no attribute '{asked}'")
    if not method:
        name = _INNER.get(name, name)
    if name == "split" and len(args) == 2 and isinstance(args[1], bool):
        args, kwargs = (*args, kwargs.get("dim", 0)), {}  # which are handed on so
    if name == "split" and 1 < len(args) < 4 and kwargs.keys() <= {"dim"} and not isinstance(args[1], int):  # Python in PyTorch
        taken = [o for o in overloads if o.schema.params[1].type == "int[!]"]
        renamed = tuple([dataclasses.replace(p, name="split_sizes") if i == 1 else p for i, p in enumerate(taken[0].schema.params)])
        taken[0] = Overload(dataclasses.replace(taken[0].schema, params=renamed), taken[0].call, None, False)
        return invalid_arguments("split_with_sizes", taken, args, kwargs, method)
    if (error := _not_unpacked(name, overloads, args, kwargs, method)) is not None:
        return error
    if method:
        if not args:
            return TypeError(f"unbound method TensorBase.{name}() needs an argument")
        args = args[1:]
    more = len(overloads)
    overloads = [o for o in overloads if o.op is None or not o.op.deprecated]
    more -= len(overloads)  # what PyTorch takes, but does not list
    if method and len(overloads) == 1 and len(overloads[0].schema.params) == 1:
        return TypeError(f"TensorBase.{name}() takes no " + ("keyword arguments" if kwargs else f"arguments ({len(args)} given)"))
    overloads = _in_order(overloads)
    # PyTorch explains what is wrong with the one signature that takes this many arguments
    shown = signatures.listed(name, method)
    if shown is not None:
        fitting = [line for line in shown if signatures.takes(line, len(args) + len(kwargs))]
        plausible = [o for o in overloads if len(fitting) == 1 and _names(o, method) == signatures.positional(fitting[0])][:1]
    else:
        plausible = overloads if len(overloads) == 1 else [o for o in overloads if _takes(o, len(args) + len(kwargs), method)]
        shown = [line for o in overloads for line in o.schema.displays(method, o.has_out)]
    if len(plausible) == 1 and not (plausible[0].schema.drawn and (kwargs or not args)):
        o = plausible[0]
        params = o.schema.params[1:] if method else o.schema.params
        converters = o.converters[1:] if method else o.converters
        positional = o.schema.positional - (1 if method else 0)
        spread = any(p.varargs for p in params) and (not args or _is_integer(args[0]))
        hidden = more > 0 and len(overloads) == 1  # then PyTorch lists the one that it shows
        if len(args) > positional and not spread and not (hidden and len(args) + len(kwargs) > len(params) + o.has_out):
            least = sum(p.default is REQUIRED for p in params)
            number = f"from {least} to {positional}" if least != positional else positional
            plural = "s" if positional != 1 or least != positional else ""
            verb = "was" if len(args) == 1 and least == positional else "were"
            return TypeError(f"{name}() takes {number} positional argument{plural} but {len(args)} {verb} given")
        absent = [i for i, p in enumerate(params) if i >= len(args) and p.default is REQUIRED and not named(p.name, kwargs)]
        for i, p in enumerate(params if not hidden or not absent else []):
            if i in absent:  # what comes before it is looked at first
                quoted = ", ".join(f'"{params[m].name}"' for m in absent)
                plural = "" if len(absent) > 1 else "s"  # (PyTorch has it the wrong way round)
                return TypeError(f"{name}() missing {len(absent)} required positional argument{plural}: {quoted}")
            if p.varargs and len(args) > i + 1 and isinstance(args[i], int):
                for k, x in enumerate(args[i:]):
                    if not isinstance(x, int) and not hasattr(x, "__index__"):
                        return TypeError(
                            f"{name}(): argument '{p.name}' failed to unpack the object at pos {k + 1} with error "
                            f'"type must be tuple of ints,but got {plain_type_name(x)}"'
                        )
            if i < len(args) and (i < positional or not spread):
                x, where = args[i], f" (position {i + 1})"
            elif found := named(p.name, kwargs):
                x, where = found[0], ""
            else:
                continue
            if x is None and (p.type.endswith("?") or p.default is None):
                continue
            try:
                converters[i](x)
            except NoMatch:
                expected = p.display().split(" = ")[0].rpartition(" ")[0]
                if isinstance(x, (tuple, list)) and p.type in ("Tensor[]", "int[]", "int[]?", "int[]*", "int[!]"):
                    for k, item in enumerate(x):
                        wanted = "Tensor" if p.type == "Tensor[]" else "int"
                        if k and isinstance(item, bool) and wanted == "int":
                            continue
                        try:
                            converters[i]([item])
                        except NoMatch:
                            if wanted == "Tensor":
                                return not_a_tensor(k, i, item)
                            if type(item) is int:
                                return TypeError(
                                    f"{name}(): argument '{p.name}' failed to unpack the object at pos {k + 1} with error "
                                    '"Overflow when unpacking long long"'
                                )
                            if not where:
                                break
                            if k:  # PyTorch looks at the first element only before it unpacks them all
                                return TypeError(
                                    f"{name}(): argument '{p.name}' failed to unpack the object at pos {k + 1} with error "
                                    f'"type must be tuple of ints,but got {plain_type_name(item)}"'
                                )
                            return TypeError(
                                f"{name}(): argument '{p.name}'{where} must be {expected}, but found element of type "
                                f"{plain_type_name(item)} at pos {k}"
                            )
                return TypeError(f"{name}(): argument '{p.name}'{where} must be {expected}, not {plain_type_name(x)}")
        for k in kwargs:
            if not any(p.name == k for p in params):
                return TypeError(f"{name}() got an unexpected keyword argument '{k}'")
    first = int(method)
    twice = [k for k in kwargs if any(p.name == k for o in overloads for p in o.schema.params[first:][: len(args)])]
    if twice and len(plausible) == 1:
        return TypeError(f"{name}() got multiple values for argument '{twice[0]}'")
    return invalid_combination(name, shown, args, kwargs)


def _in_order(overloads: list) -> list:
    of_numbers = [o for o in overloads if o.schema.params and o.schema.params[0].type == "Number"]
    if not of_numbers or len(of_numbers) == len(overloads):
        return overloads
    others = [o for o in overloads if o not in of_numbers]
    return [others[0], *of_numbers, *others[1:]]  # PyTorch lists them second


def invalid_out(name: str, overloads: list, args: tuple, kwargs: dict, out: Any, known: bool = False) -> TypeError | None:
    """The error for an `out=` that no signature takes; None where the results have to tell.

    They have where there is one signature, and (unless it is `known` to be wrong) for several tensors.
    """
    kwargs = {**kwargs, "out": out}
    listed = _in_order([o for o in overloads if o.op is None or not o.op.deprecated])
    stated = signatures.listed(name, False)
    if isinstance(out, (tuple, list)) and not known and (stated is None or any("tuple of Tensors out" in line for line in stated)):
        return None
    shown = stated or [line for o in listed for line in o.schema.displays(False, o.has_out)]
    fitting = [line for line in shown if signatures.takes(line, len(args) + len(kwargs))]
    if len(shown) == 1:
        return None
    if len(fitting) != 1:
        return invalid_combination(name, shown, args, kwargs)
    kind = "tuple of Tensors" if "tuple of Tensors out" in fitting[0] else "Tensor"
    return TypeError(f"{name}(): argument 'out' must be {kind}, not {plain_type_name(out)}")


def invalid_combination(name: str, shown: list[str], args: tuple, kwargs: dict) -> TypeError:
    """The error for arguments that fit none of the signatures, all of which it lists."""
    # PyTorch puts keywords into a hash table, which lists (when there are few) the last first
    named = [f"{k}={plain_type_name(v)}" for k, v in reversed(kwargs.items())]
    given = ", ".join([*(plain_type_name(a) for a in args), *named])
    if named and not args:
        given += ", "  # as PyTorch prints keywords alone
    text = f"{name}() received an invalid combination of arguments - got "
    if len(shown) == 1:
        unknown, described = _mismatch(shown[0], args, kwargs)
        if unknown:
            return TypeError(f"{text}unrecognized keyword arguments: {', '.join(unknown)}")
        return TypeError(f"{text}{described or f'({given})'}, but expected {shown[0]}")
    lines = ""
    for line in shown:
        lines += f"\n * {line}"
        unknown, described = _mismatch(line, args, kwargs)
        if described:
            reason = f"keywords were incorrect: {', '.join(unknown)}" if unknown else f"arguments have invalid types: {described}"
            lines += f"\n      didn't match because some of the {reason}"
    return TypeError(f"{text}({given}), but expected one of:{lines}\n")


def _not_unpacked(name: str, overloads: list, args: tuple, kwargs: dict, method: bool) -> TypeError | None:
    """The error for a list whose first element is an integer, but not all of them: PyTorch looks at the first one to choose."""
    from torchish._tensor.dispatch import NoMatch, bind

    def first(x: Any) -> Any:
        return x[:1] if type(x) in (tuple, list) and len(x) > 1 and type(x[0]) is int else x

    for o in overloads:
        last = o.schema.positional - 1
        if last >= 0 and o.schema.params[last].varargs and len(args) > last + 1 and type(args[last]) is int:
            for k, item in enumerate(args[last:]):
                try:
                    o.converters[last]([item])
                except (NoMatch, ValueError):
                    return TypeError(
                        f"{name}(): argument '{o.schema.params[last].name}' failed to unpack the object at pos {k + 1} with error "
                        f'"type must be tuple of ints,but got {plain_type_name(item)}"'
                    )
        try:
            bind(o.schema, [first(x) for x in args], {k: first(x) for k, x in kwargs.items()}, o.converters)
        except (NoMatch, ValueError):
            continue
        for i, p in enumerate(o.schema.params):
            x = args[i] if i < len(args) else kwargs.get(p.name)
            if not p.type.startswith("int[") or not isinstance(x, (tuple, list)):
                continue
            for k, item in enumerate(x):
                try:
                    o.converters[i]([item])
                except NoMatch:
                    if type(item) is not int:
                        return TypeError(
                            f"{name}(): argument '{p.name}' failed to unpack the object at pos {k + 1} with error "
                            f'"type must be tuple of ints,but got {plain_type_name(item)}"'
                        )
        return None
    return None


def _mismatch(line: str, args: tuple, kwargs: dict) -> tuple[list[str], str]:
    """Keywords that are not in a signature, and the arguments' types with those marked that do not fit (empty unless the
    numbers agree), by the rough reading of the signature's text that PyTorch makes: defaults and `*` count as arguments."""
    if line == "no arguments":
        return list(kwargs), ""
    params = [p.rpartition(" ") for p in line[1:-1].split(", ")]
    last = [name for _, _, name in params[max(len(params) - len(kwargs), 0) :]]
    unknown = [k for k in reversed(kwargs) if k not in last]
    if len(params) != len(args) + len(kwargs) or unknown:
        return unknown, "?" if len(params) == len(args) + len(kwargs) else ""
    shown = []
    for i, (kind, _, name) in enumerate(params):
        x = args[i] if i < len(args) else kwargs[name]
        empty = "" if type(x) not in (tuple, list) or x else " of ()" if type(x) is tuple else " of []"
        text = f"{'' if i < len(args) else name + '='}{type_name(x)}{empty}"
        fits = type_name(x) in {"float": ("float", "int"), "int": ("int",)}.get(kind, (kind,))
        shown.append(text if fits else f"!{text}!")
    return unknown, f"({', '.join(shown)}{', ' if not args else ''})"
