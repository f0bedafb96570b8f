"""Calling a module with other parameters and buffers than its own."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from torchish._tensor.tensor import Tensor
from torchish.nn.modules.module import Module


def _tied(module: Module, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The given tensors also under the other names of tied parameters; ValueError when they disagree."""
    names: dict[int, set[str]] = {}
    for name, t in [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]:
        names.setdefault(id(t), set()).add(name)
    result = dict(given)
    for group in names.values():
        present = group & given.keys()
        if len(group) > 1 and present:
            if len({id(given[n]) for n in present}) > 1:
                raise ValueError(
                    f"functional_call got multiple values for keys {sorted(group)}, which are tied. Consider using tie_weights=False"
                )
            value = given[next(iter(present))]
            result.update(dict.fromkeys(group, value))
    return result


def _slot(module: Module, name: str) -> tuple[dict, str] | None:
    """The dictionary and key that hold a parameter or buffer."""
    path, _, key = name.rpartition(".")
    for part in path.split(".") if path else ():
        module = module._modules.get(part)  # type: ignore[assignment]
        if module is None:
            return None
    for table in (module._parameters, module._buffers):
        if key in table:
            return table, key
    return None


@contextlib.contextmanager
def _reparametrize_module(module: Module, parameters_and_buffers: dict[str, Tensor], tie_weights: bool = False,
                          strict: bool = False, stack_weights: bool = False) -> Iterator[None]:  # fmt: skip
    values = _tied(module, parameters_and_buffers) if tie_weights else dict(parameters_and_buffers)
    slots = {name: _slot(module, name) for name in values}
    if strict:
        own = {n for n, _ in module.named_parameters(remove_duplicate=False)}
        own |= {n for n, _ in module.named_buffers(remove_duplicate=False)}
        errors = []
        if unexpected := [n for n in values if n not in own]:
            errors.append(f"Unexpected key(s): {', '.join(map(repr, unexpected))}.")
        if missing := sorted(own - values.keys()):
            errors.append(f"Missing key(s): {', '.join(map(repr, missing))}.")
        if errors:
            raise RuntimeError(
                "Error(s) in reparametrizing for {}:\n\t{}".format(module._get_name(), "\n\t".join(errors))
            )
    saved = {}
    try:
        for name, slot in slots.items():
            if slot is not None:
                table, key = slot
                saved[name] = table[key]
                table[key] = values[name]
        yield
    finally:
        for name, old in saved.items():
            table, key = slots[name]  # type: ignore[misc]
            if name in parameters_and_buffers:
                parameters_and_buffers[name] = table[key]  # a buffer may have been replaced
            table[key] = old


def _functional_call(module: Module, parameters_and_buffers: dict[str, Tensor], args: Any = None,
                     kwargs: dict[str, Any] | None = None, *, tie_weights: bool = True, strict: bool = False) -> Any:  # fmt: skip
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*args, **(kwargs or {}))


def functional_call(module: Module, parameters_and_buffers: dict[str, Tensor], args: Any = None,
                    kwargs: dict[str, Any] | None = None, *, tie_weights: bool = True, strict: bool = False) -> Any:  # fmt: skip
    """Deprecated: `torch.func.functional_call`."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future version of "
        "PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)


__all__ = ["functional_call"]
