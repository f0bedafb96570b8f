"""`DistributedDataParallel`, for the one process that JAX needs."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from torchish.nn.modules.module import Module
from torchish.nn.parallel._mesh import Parallel


class DistributedDataParallel(Parallel):
    """As `DataParallel`, for scripts of one process: `torch.distributed.init_process_group` comes before it."""

    __module__ = "torch.nn.parallel.distributed"

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0, broadcast_buffers: bool = True,
                 init_sync: bool = True, process_group: Any = None, bucket_cap_mb: Any = None, find_unused_parameters: bool = False,
                 check_reduction: bool = False, gradient_as_bucket_view: bool = False, static_graph: bool = False,
                 **kwargs: Any) -> None:  # fmt: skip
        from torchish import distributed

        super().__init__()
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that requires a gradient."
            )
        self.process_group = distributed._need_group(process_group)
        self.dim = dim
        self._start(module, device_ids)
        self.find_unused_parameters, self.broadcast_buffers = find_unused_parameters, broadcast_buffers
        self.require_backward_grad_sync = True

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Within the block gradients are accumulated without an exchange between processes, of which there is one."""
        old, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = old

    @contextlib.contextmanager
    def join(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        """Within the block processes may have unequally many batches; there is one."""
        yield

    def __getstate__(self) -> dict:
        return {k: v for k, v in super().__getstate__().items() if k != "process_group"}

    def __setstate__(self, state: dict) -> None:
        from torchish import distributed

        super().__setstate__(state)
        self.process_group = distributed._need_group()

    def join_hook(self, **kwargs: Any) -> Any:
        """What this module does in a `Join` block for processes that have finished: nothing, there is one."""
        from torchish.distributed.algorithms.join import JoinHook

        return JoinHook()

    @property
    def join_device(self) -> Any:
        """Where a `Join` block's messages are made."""
        return next(self.module.parameters()).device

    @property
    def join_process_group(self) -> Any:
        """Whose members a `Join` block waits for."""
        return self.process_group


class DistributedDataParallelCPU(DistributedDataParallel):
    """The old name of `DistributedDataParallel`."""

    __module__ = "torch.nn.parallel"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            "`torch.nn.parallel.DistributedDataParallelCPU` is deprecated, please use `torch.nn.parallel.DistributedDataParallel` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(*args, **kwargs)
