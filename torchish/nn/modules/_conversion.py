"""Moving and converting the parameters and buffers of modules."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self

from torchish import __future__ as future
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import no_grad
from torchish.nn.parameter import Parameter
from torchish.utils import swap_tensors


class Conversion:
    """What `Module` knows of devices and dtypes."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    children: Callable[..., Any]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        if recurse:
            for module in self.children():
                module._apply(fn)
        swap, overwrite = future.get_swap_module_params_on_conversion(), future.get_overwrite_module_params_on_conversion()
        for key, param in self._parameters.items():
            if param is None:
                continue
            with no_grad():
                applied = fn(param)
            grad = param._grad
            new = overwrite or applied.is_meta != param.is_meta
            if swap:
                self._swap(key, param, Parameter(applied, requires_grad=param.requires_grad))
            elif new:
                self._parameters[key] = Parameter(applied, requires_grad=param.requires_grad)
            else:
                param.data = applied
            if grad is None:
                continue
            with no_grad():
                applied = fn(grad)
            if swap:
                self._swap(f"{key}.grad", grad, applied.requires_grad_(grad.requires_grad))
                param.grad = grad
            elif new:
                self._parameters[key].grad = applied.requires_grad_(grad.requires_grad)
            else:
                grad.data = applied
        for key, buf in self._buffers.items():
            if buf is not None:
                self._buffers[key] = fn(buf)
        return self

    def _swap(self, key: str, old: Tensor, new: Tensor) -> None:
        try:
            swap_tensors(old, new)
        except Exception as e:
            raise RuntimeError(f"_apply(): Couldn't swap {type(self).__name__}.{key}") from e

    def to(self, *args, **kwargs) -> Self:
        """Move and convert parameters and buffers in place (floating point only, for dtypes)."""
        from torchish._tensor.methods import convert, parse_to

        dtype, where, copies, fmt = parse_to(args, kwargs)
        if copies or "copy" in kwargs:
            raise RuntimeError(".to() does not accept copy argument")
        if dtype is not None and dtype.category < 2:
            raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}")
        if dtype is not None and dtype.category == 3:
            warnings.warn(
                "Complex modules are a new feature under active development whose design may change, and some modules might not "
                "work as expected when using complex tensors as parameters or buffers. Please file an issue at "
                "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a complex module does not work as "
                "expected.",
                stacklevel=2,
            )

        def one(t: Tensor) -> Tensor:
            if t.is_meta and where not in (None, "meta"):
                raise NotImplementedError(
                    "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of "
                    "torch.nn.Module.to() when moving module from meta to a different device."
                )
            if fmt is not None and t.dim() in (4, 5):
                return convert(t, dtype if t._aval.category >= 2 else None, where, memory_format=fmt)
            return convert(t, dtype if t._aval.category >= 2 else None, where)

        return self._apply(one)

    def to_empty(self, *, device, recurse: bool = True) -> Self:
        """Move to a device without copying the values."""
        import torchish

        return self._apply(lambda t: torchish.empty_like(t, device=device), recurse=recurse)

    def cuda(self, device=None) -> Self:
        return self._apply(lambda t: t.cuda(device))

    def xpu(self, device=None) -> Self:
        return self._apply(lambda t: t.xpu(device))

    def ipu(self, device=None) -> Self:
        return self._apply(lambda t: t.ipu(device))

    def mtia(self, device=None) -> Self:
        return self._apply(lambda t: t.mtia(device))

    def cpu(self) -> Self:
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type) -> Self:
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Self:
        return self._apply(lambda t: t.float() if t._aval.category == 2 else t)

    def double(self) -> Self:
        return self._apply(lambda t: t.double() if t._aval.category == 2 else t)

    def half(self) -> Self:
        return self._apply(lambda t: t.half() if t._aval.category == 2 else t)

    def bfloat16(self) -> Self:
        return self._apply(lambda t: t.bfloat16() if t._aval.category == 2 else t)

    def share_memory(self) -> Self:
        return self._apply(lambda t: t.share_memory_())
