"""Handles that remove hooks."""

from __future__ import annotations

import weakref
from collections import OrderedDict
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

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


__all__ = ["RemovableHandle"]
