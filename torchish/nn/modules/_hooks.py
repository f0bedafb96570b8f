"""The hooks of modules: those of all modules, those of one, and a call that runs them."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torchish._tensor.tensor import Tensor
from torchish.utils.hooks import RemovableHandle, add_hook

_global_forward_hooks: OrderedDict = OrderedDict()
_global_forward_hooks_always: OrderedDict = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict = OrderedDict()
_global_forward_pre_hooks: OrderedDict = OrderedDict()
_global_backward_hooks: OrderedDict = OrderedDict()
_global_backward_pre_hooks: OrderedDict = OrderedDict()
_global_registrations: dict[str, OrderedDict] = {"buffer": OrderedDict(), "module": OrderedDict(), "parameter": OrderedDict()}


def register_module_forward_hook(hook, *, with_kwargs: bool = False, always_call: bool = False) -> RemovableHandle:
    """Call `hook(module, input, output)` after every module's forward."""
    marks = [(_global_forward_hooks_always, always_call), (_global_forward_hooks_with_kwargs, with_kwargs)]
    return add_hook(_global_forward_hooks, hook, marks=marks)


def register_module_forward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, input)` before every module's forward."""
    return add_hook(_global_forward_pre_hooks, hook)


_MIXED_GLOBAL = (
    "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only one of them."
)
_MIXED = "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them."


class _Global:
    """Whether the global backward hooks are full ones; None before the first is registered."""

    full: bool | None = None


def _add_global_backward(hook: Callable, full: bool) -> RemovableHandle:
    if _Global.full is (not full):
        raise RuntimeError(_MIXED_GLOBAL)
    _Global.full = full
    return add_hook(_global_backward_hooks, hook)


def register_module_full_backward_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` after every module's backward."""
    return _add_global_backward(hook, True)


def register_module_backward_hook(hook) -> RemovableHandle:
    """Deprecated in favour of `register_module_full_backward_hook`."""
    return _add_global_backward(hook, False)


def register_module_full_backward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_output)` before every module's backward."""
    return add_hook(_global_backward_pre_hooks, hook)


def register_module_buffer_registration_hook(hook) -> RemovableHandle:
    return add_hook(_global_registrations["buffer"], hook)


def register_module_module_registration_hook(hook) -> RemovableHandle:
    return add_hook(_global_registrations["module"], hook)


def register_module_parameter_registration_hook(hook) -> RemovableHandle:
    return add_hook(_global_registrations["parameter"], hook)


class Hooks:
    """What `Module` knows of hooks."""

    _is_full_backward_hook: bool | None
    _forward_hooks: OrderedDict
    _forward_hooks_with_kwargs: OrderedDict
    _forward_hooks_always_called: OrderedDict
    _forward_pre_hooks: OrderedDict
    _forward_pre_hooks_with_kwargs: OrderedDict
    _backward_hooks: OrderedDict
    _backward_pre_hooks: OrderedDict
    _state_dict_hooks: OrderedDict
    _state_dict_pre_hooks: OrderedDict
    _load_state_dict_pre_hooks: OrderedDict
    _load_state_dict_post_hooks: OrderedDict
    forward: Callable[..., Any]

    def _call_with_hooks(self, args: tuple, kwargs: dict):
        called: set = set()
        result = None

        def inner():
            nonlocal args, kwargs, result
            for key, hook in [*_global_forward_pre_hooks.items(), *self._forward_pre_hooks.items()]:
                if key in self._forward_pre_hooks_with_kwargs:
                    got = hook(self, args, kwargs)
                    if got is not None:
                        if not (isinstance(got, tuple) and len(got) == 2):
                            raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {got}.")
                        args, kwargs = got
                else:
                    got = hook(self, args)
                    if got is not None:
                        args = got if isinstance(got, tuple) else (got,)
            backward = None
            full = list(_global_backward_hooks.values()) if _Global.full else []
            if self._is_full_backward_hook is not False:
                full += self._backward_hooks.values()
            pre = list(_global_backward_pre_hooks.values()) + list(self._backward_pre_hooks.values())
            if full or pre:
                from torchish.utils.backward_hook import BackwardHook

                backward = BackwardHook(self, full, pre)
                args = backward.setup_input_hook(args)
            result = self.forward(*args, **kwargs)
            for key, hook in [*_global_forward_hooks.items(), *self._forward_hooks.items()]:
                if key in self._forward_hooks_always_called or key in _global_forward_hooks_always:
                    called.add(key)
                with_kwargs = key in self._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs
                got = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                if got is not None:
                    result = got
            if backward is not None:
                if not isinstance(result, (Tensor, tuple)):
                    warnings.warn(
                        "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                        f"{type(result)}",
                        stacklevel=4,
                    )
                result = backward.setup_output_hook(result)
            simple = list(_global_backward_hooks.values()) if _Global.full is False else []
            if self._is_full_backward_hook is False:
                simple += self._backward_hooks.values()
            if simple:
                var = result
                while not isinstance(var, Tensor):
                    var = next(v for v in (var.values() if isinstance(var, dict) else var) if isinstance(v, (Tensor, dict, tuple, list)))
                if var.grad_fn is not None:
                    for hook in simple:
                        var.grad_fn.register_hook(functools.partial(_non_full, hook, self))
                    _warn_non_full(args, result, var.grad_fn)
            return result

        if not self._forward_hooks_always_called and not _global_forward_hooks_always:
            return inner()
        try:
            return inner()
        except Exception:
            waiting = [("global ", k, h) for k, h in _global_forward_hooks.items() if k in _global_forward_hooks_always]
            waiting += [("", k, h) for k, h in self._forward_hooks.items() if k in self._forward_hooks_always_called]
            for kind, key, hook in waiting:
                if key in called:
                    continue
                try:
                    with_kwargs = not kind and key in self._forward_hooks_with_kwargs
                    got = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                    if got is not None:
                        result = got
                except Exception as e:
                    warnings.warn(
                        f"{kind}module forward hook with ``always_call=True`` raised an exception that was silenced as another "
                        f"error was raised in forward: {e!s}",
                        stacklevel=2,
                    )
            raise

    def register_forward_pre_hook(self, hook, *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; it may return new arguments."""
        return add_hook(self._forward_pre_hooks, hook, prepend, [(self._forward_pre_hooks_with_kwargs, with_kwargs)])

    def register_forward_hook(
        self, hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; it may return a new output."""
        marks = [(self._forward_hooks_with_kwargs, with_kwargs), (self._forward_hooks_always_called, always_call)]
        return add_hook(self._forward_hooks, hook, prepend, marks)

    def register_full_backward_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the module's backward."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` after the module's backward."""
        if self._is_full_backward_hook is False:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = True
        return add_hook(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook) -> RemovableHandle:
        """Deprecated in favour of `register_full_backward_hook`."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = False
        return add_hook(self._backward_hooks, hook)

    def register_state_dict_post_hook(self, hook) -> RemovableHandle:
        hook._from_public_api = True
        return add_hook(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via "
                "register_state_dict_post_hook"
            )
        return add_hook(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook) -> RemovableHandle:
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook) -> RemovableHandle:
        return add_hook(self._load_state_dict_pre_hooks, functools.partial(hook, self))

    def _register_load_state_dict_pre_hook(self, hook, with_module: bool = False) -> RemovableHandle:
        return add_hook(self._load_state_dict_pre_hooks, functools.partial(hook, self) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook) -> RemovableHandle:
        return add_hook(self._load_state_dict_post_hooks, hook)


def _non_full(hook, module, grad_input, grad_output):
    return hook(module, grad_input, grad_output)


def _warn_non_full(inputs: Any, result: Any, grad_fn: Any) -> None:
    """Say which gradients a non-full backward hook does not see."""
    outputs = (result,) if isinstance(result, Tensor) else result
    future = "is deprecated and will be removed in future versions. This hook will be missing"
    documented = "Please use register_full_backward_hook to get the documented behavior."
    tensors = "a single Tensor or a tuple of Tensors"
    said = None
    if not (isinstance(outputs, tuple) and all(isinstance(r, Tensor) for r in outputs)):
        said = f"hooks on a Module that does not return {tensors} {future} some of the grad_output. {documented}"
    elif not all(isinstance(i, Tensor) for i in inputs):
        said = f"hooks on a Module that does not take as input {tensors} {future} some of the grad_input. {documented}"
    else:
        made_by = {id(r.grad_fn) for r in outputs if r.grad_fn is not None}
        if made_by and len(made_by) > 1:
            said = f"a hook when outputs are generated by different autograd Nodes {future} some grad_output. {documented}"
        elif id(grad_fn) not in made_by:
            said = f"a hook when outputs are nested in python data structure {future} some grad_output."
        elif {id(i.grad_fn) for i in inputs if i.grad_fn is not None} != {id(f) for f, _ in grad_fn.next_functions}:
            said = f"a hook when the forward contains multiple autograd Nodes {future} some grad_input. {documented}"
    if said is not None:
        said = f"Using non-full backward {said}" if said.startswith("hooks") else f"Using a non-full backward {said[2:]}"
        warnings.warn(said, FutureWarning, stacklevel=4)
