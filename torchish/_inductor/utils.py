"""`torch._inductor.utils`: what programs that measure compiling ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, MutableMapping
from typing import Any


@contextlib.contextmanager
def fresh_cache(cache_entries: MutableMapping | None = None, dir: str | None = None, delete: bool = True) -> Iterator[Any]:
    """Code compiled inside is not looked up in PyTorch's cache of generated code, which is not there."""
    yield


fresh_inductor_cache = fresh_cache
