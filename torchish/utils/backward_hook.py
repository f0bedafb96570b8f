"""Full backward hooks of modules: identity functions around a module's inputs and outputs."""

from __future__ import annotations

import warnings
from typing import Any

from torchish._tensor.tensor import Tensor
from torchish.autograd.function import Function
from torchish.autograd.grad_mode import STATE

_NO_INPUTS = (
    "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require gradients. See "
    "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook for more details."
)


class BackwardHookFunction(Function):
    """The identity, whose gradient function carries the hooks."""

    __module__ = "torch.nn.modules._functions"

    @staticmethod
    def forward(ctx, *args):
        ctx.mark_non_differentiable(*[a for a in args if not a.requires_grad])
        return args

    @staticmethod
    def backward(ctx, *grads):
        return grads


class BackwardHook:
    """Collects the gradients at both ends of one call of a module and hands them to its hooks."""

    def __init__(self, module, hooks: list, pre_hooks: list):
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs: Any = None
        self.n_inputs = -1
        self.input_index: list[int] = []

    def _apply_identity(self, register, args: tuple) -> tuple[tuple, list[int]]:
        index = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        if not (STATE.enabled and any(args[i]._needs() for i in index)):
            return args, []
        new = BackwardHookFunction.apply(*[args[i] for i in index])
        fns = [t.grad_fn for t in new if t.grad_fn is not None and t.grad_fn.name() == "BackwardHookFunctionBackward"]
        if not fns:
            raise RuntimeError("Error while setting up backward hooks. Please open an issue with a code sample to reproduce this.")
        register(fns[0])
        out = list(args)
        for i, t in zip(index, new, strict=True):
            out[i] = t
        return tuple(out), index

    def setup_input_hook(self, args: tuple) -> tuple:
        def register(fn):
            def hook(grad_input, _):
                if self.grad_outputs is None:
                    return None
                full = self._spread(grad_input, self.input_index, self.n_inputs)
                for h in self.hooks:
                    got = h(self.module, full, self.grad_outputs)
                    if got is None:
                        continue
                    if len(got) != len(full):
                        raise RuntimeError(
                            f"Backward hook returned an invalid number of grad_input, got {len(got)}, but expected {len(full)}"
                        )
                    full = got
                self.grad_outputs = None
                return tuple(full[i] for i in self.input_index)

            fn.register_hook(hook)

        self.n_inputs = len(args)
        new, self.input_index = self._apply_identity(register, args)
        return new

    def setup_output_hook(self, args: Any) -> Any:
        is_tuple = isinstance(args, tuple)
        given = args if is_tuple else (args,)
        outputs: list[int] = []

        def register(fn):
            def hook(_, grad_output):
                self.grad_outputs = self._spread(grad_output, outputs, len(given))
                for h in self.pre_hooks:
                    got = h(self.module, self.grad_outputs)
                    if got is not None:
                        if len(got) != len(given):
                            raise RuntimeError(
                                f"Backward pre hook returned an invalid number of grad_output, got {len(got)}, but expected {len(given)}"
                            )
                        self.grad_outputs = got
                if not self.input_index:
                    warnings.warn(_NO_INPUTS, stacklevel=5)
                    for h in self.hooks:
                        got = h(self.module, (None,) * max(self.n_inputs, 0), self.grad_outputs)
                        if got is not None and not (isinstance(got, tuple) and all(g is None for g in got)):
                            raise RuntimeError(
                                "Backward hook for Modules where no input requires gradient should always return None or None for "
                                "all gradients."
                            )
                    grads, self.grad_outputs = self.grad_outputs, None
                else:
                    grads = self.grad_outputs
                return tuple(grads[i] for i in outputs)

            fn.register_hook(hook)

        new, index = self._apply_identity(register, given)
        outputs.extend(index)
        return new if is_tuple else new[0]

    @staticmethod
    def _spread(values: tuple, index: list[int], n: int) -> tuple:
        out: list = [None] * n
        for i, v in zip(index, values, strict=False):
            out[i] = v
        return tuple(out)
