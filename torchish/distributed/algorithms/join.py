"""`Join`: a block in which processes may have unequally many batches, for a group of one, which is its own last member to finish."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from torchish import distributed as dist
from torchish._tensor.size import device
from torchish.nn.parallel import DistributedDataParallel

__all__ = ["Join", "JoinHook", "Joinable"]


class _JoinConfig(NamedTuple):
    """What the block that an object takes part in was told; of objects in no block, nothing."""

    enable: bool = False
    throw_on_early_termination: bool = False
    is_first_joinable: bool = False


class JoinHook:
    """What an object does for members that have finished."""

    def main_hook(self) -> None:
        """In place of each step of the members that have not finished: with one member, never."""

    def post_hook(self, is_last_joiner: bool) -> None:
        """Once all members have finished."""


class Joinable(ABC):
    """An object that takes part in a `Join` block."""

    @abstractmethod
    def __init__(self) -> None:
        super().__init__()
        self._join_config = _JoinConfig()

    @abstractmethod
    def join_hook(self, **kwargs: Any) -> JoinHook:
        """The object's hook for one block, made from the block's keyword arguments."""

    @property
    @abstractmethod
    def join_device(self) -> device:
        """Where the members' messages are made."""

    @property
    @abstractmethod
    def join_process_group(self) -> Any:
        """Whose members finish together."""


Joinable.register(DistributedDataParallel)


class Join:
    """A block whose end waits until all members have come to it, and then runs the hooks of `joinables`."""

    def __init__(
        self, joinables: Sequence[Joinable], enable: bool = True, throw_on_early_termination: bool = False, **kwargs: Any
    ) -> None:
        if len(joinables) == 0:
            raise ValueError("The join context manager requires at least one joinable")
        self._enable = enable
        self._join_hooks = [joinable.join_hook(**kwargs) for joinable in joinables]
        for i, joinable in enumerate(joinables):
            joinable._join_config = _JoinConfig(enable, throw_on_early_termination, i == 0)
        first = joinables[0].join_process_group
        if any(joinable.join_process_group != first for joinable in joinables):
            raise ValueError("Using join context manager with multiple process groups")
        dist.get_rank(first)  # its error where there is no group

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if self._enable and kind is None:
            for hook in self._join_hooks:
                hook.post_hook(True)

    @staticmethod
    def notify_join_context(joinable: Joinable) -> dist.Work | None:
        """Tell the members that have finished that this one has not: done already."""
        if not hasattr(joinable, "_join_config"):
            raise AssertionError(f"Check that the {type(joinable)} constructor calls the ``Joinable`` constructor")
        config = joinable._join_config
        return dist.Work() if config.is_first_joinable and config.enable else None
