"""Handles that remove hooks."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any


class RemovableHandle:
    """Removes a hook again: `handle.remove()`, or at the end of a `with` block."""

    __module__ = "torch.utils.hooks"
    next_id = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None):
        self._hooks = hooks_dict if not isinstance(hooks_dict, OrderedDict) else weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extra = extra_dict if isinstance(extra_dict, (list, tuple)) else [extra_dict] if extra_dict is not None else []
        self._extra = list(extra)

    def remove(self) -> None:
        hooks = self._hooks() if isinstance(self._hooks, weakref.ref) else self._hooks
        if hooks is not None:
            hooks.pop(self.id, None)
        for d in self._extra:
            d.pop(self.id, None)

    def __getstate__(self) -> tuple:
        hooks = self._hooks() if isinstance(self._hooks, weakref.ref) else self._hooks
        return hooks, self.id, tuple(self._extra)

    def __setstate__(self, state: tuple) -> None:
        hooks = OrderedDict() if state[0] is None else state[0]
        self._hooks = weakref.ref(hooks) if isinstance(hooks, OrderedDict) else hooks
        self.id = state[1]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)
        self._extra = list(state[2]) if len(state) > 2 and state[2] else []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def add_hook(hooks: Any, hook: Any, prepend: bool = False, marks: Sequence[tuple[dict, bool]] = ()) -> RemovableHandle:
    """Put `hook` last (or first, in an OrderedDict) among `hooks`.

    `marks` are pairs of a dictionary that notes something of hooks, under their ids, and whether it holds for this one.
    """
    handle = RemovableHandle(hooks, extra_dict=[noted for noted, _ in marks])
    hooks[handle.id] = hook
    for noted, holds in marks:
        if holds:
            noted[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


__all__ = ["RemovableHandle", "add_hook"]
