"""What must still be as it was for a captured step to be run again: checked at each call, in C as far as possible."""

from __future__ import annotations

from operator import getitem, is_
from typing import Any

from torchish._compile.walk import GET, SCALARS, Walk
from torchish._tensor.tensor import Tensor

_NUMBERS = (int, float, bool, str, complex, bytes)


class Snapshot:
    """The values of all that a walk saw, to go back to when a capture fails."""

    def __init__(self, walk: Walk, given: list[Tensor]):
        self._walk = walk
        self._dicts = [(d, dict(d)) for d, _ in walk.lengths if isinstance(d, dict)]
        self._lists = [(x, list(x)) for x, _ in walk.lengths if not isinstance(x, dict)]
        self._states = [(t._storage, t._storage.expr, t._storage.writes, t._vc, t._vc.version) for t in (*walk.tensors, *given)]

    def restore(self) -> None:
        """Put everything back."""
        for d, before in self._dicts:
            for k in d.keys() - before.keys():
                del d[k]
            for k, v in before.items():
                if d.get(k, d) is not v:
                    d[k] = v
        for x, items in self._lists:
            if len(x) != len(items) or any(a is not b for a, b in zip(x, items, strict=True)):
                x[:] = items
        for read, container, key, value in self._walk.slots:
            if read is GET:
                if container.get(key) is not value:
                    container[key] = value
            elif read is getattr and not isinstance(container, type) and getattr(container, key, None) is not value:
                setattr(container, key, value)
        for st, expr, writes, counter, version in self._states:
            st.expr, st.writes, counter.version = expr, writes, version


class Unstable(Exception):
    """A captured call left something as it did not find it, so the next call may take another way."""


class Changes:
    """What changed between the walks before and after a call: `replaced` are the slots whose tensors it replaced."""

    def __init__(self, start: Walk, end: Walk):
        """Raises Unstable when something other than tensors changed."""
        if start.obstacle or end.obstacle:
            raise Unstable(start.obstacle or end.obstacle)
        self.replaced: list[tuple[Any, Any, Tensor, Tensor]] = []  # container, key, tensor before, tensor after
        dropped: set[int] = set()  # attributes of the tensors before
        added: set[int] = set()
        for read, container, key, value in start.slots:
            if id(container) in dropped:
                continue
            now = _read(read, container, key)
            if now is value or _same_number(now, value):
                continue
            if type(now) is not Tensor or type(value) is not Tensor or key == "_base":
                raise Unstable(f"it changes {key!r} of a {type(container).__name__}")
            if read is not GET or now._aval is not value._aval:
                raise Unstable(f"it changes the tensor {key!r}")
            self.replaced.append((container, key, value, now))
            dropped.add(id(value.__dict__))
            added.add(id(now.__dict__))
        for x, n in start.lengths:
            if len(x) != n:
                raise Unstable(f"it changes the length of a {type(x).__name__}")
        known = {id(c) for _, c, _, _ in start.slots} | {id(x) for x, _ in start.lengths}
        for _, container, key, _ in end.slots:
            if id(container) not in known and id(container) not in added:
                raise Unstable(f"it makes a new {type(container).__name__} with {key!r}")
        if any(x.tobytes() != data for x, data in start.arrays) or any(x != items for x, items in start.sets):
            raise Unstable("it changes an array or a set")
        places = {(id(c), k) for c, k, _, _ in self.replaced}
        self.fixed = [s for s in start.slots if id(s[1]) not in dropped and (id(s[1]), s[2]) not in places]
        self.old = {id(t) for _, _, t, _ in self.replaced}


def _read(read: Any, container: Any, key: Any) -> Any:
    try:
        return read(container, key)
    except (AttributeError, ValueError, LookupError):
        return Unstable


def _same_number(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, SCALARS) and (a == b or a != a and b != b)


class Guards:
    """The fixed slots and lengths of a captured step. `settings` are slots of numbers that are inputs of the program."""

    def __init__(self, fixed: list[tuple], start: Walk, settings: list[tuple[dict, Any, int | None]]):
        free = {(id(c), k) for c, k, _ in settings}
        # of a tuple the numbers that are no inputs must stay as they are
        inputs = {(id(c), k, n) for c, k, n in settings}
        self._tuples = [
            (c, k, [None if (id(c), k, i) in inputs else v for i, v in enumerate(c[k])]) for c, k, n in settings if n is not None
        ]
        self.settings = settings
        self._parts: list[tuple[Any, list, list, list]] = []
        for read in (GET, getitem, getattr):
            chosen = [s for s in fixed if s[0] is read and not (read is GET and (id(s[1]), s[2]) in free)]
            if chosen:
                self._parts.append((read, [s[1] for s in chosen], [s[2] for s in chosen], [s[3] for s in chosen]))
        kept = [(x, n) for x, n in start.lengths]
        self._sized = [x for x, _ in kept]
        self._total = sum([n for _, n in kept])
        self._arrays, self._sets = start.arrays, start.sets

    def hold(self) -> bool:
        """Whether all is as it was."""
        try:
            for read, containers, keys, values in self._parts:
                if not all(map(is_, map(read, containers, keys), values)) and not self._equal(read, containers, keys, values):
                    return False
            if sum(map(len, self._sized)) != self._total:  # what a container loses is missed at its place above
                return False
        except (AttributeError, ValueError, LookupError):
            return False
        for c, k, i in self.settings:
            v = c.get(k)
            if i is not None:
                if v.__class__ is not tuple or i >= len(v):
                    return False
                v = v[i]
            if v.__class__ is not float or v == 0.0:
                return False
        for c, k, fixed in self._tuples:
            if len(c[k]) != len(fixed) or any(a is not None and a != b for a, b in zip(fixed, c[k], strict=True)):
                return False
        if self._arrays or self._sets:
            return all(x.tobytes() == data for x, data in self._arrays) and all(x == items for x, items in self._sets)
        return True

    def _equal(self, read: Any, containers: list, keys: list, values: list) -> bool:
        """The slow way: numbers and texts may have become other objects with the same value."""
        for i, (c, k, v) in enumerate(zip(containers, keys, values, strict=True)):
            now = read(c, k)
            if now is not v:
                if not _same_number(now, v):
                    return False
                values[i] = now
        return True

