"""`torch.return_types`: the named tuples that operations with several results give."""

from __future__ import annotations

_made: dict[tuple[str, tuple[str, ...]], type] = {}


class _Structseq(tuple):
    """A tuple whose items have names, printed one per line as PyTorch prints them."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    n_fields = n_sequence_fields = 0
    n_unnamed_fields = 0

    def __repr__(self) -> str:
        lines = ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{lines})"

    def __reduce__(self):
        return _rebuild, (type(self).__name__, self._fields, tuple(self))


def _rebuild(name, fields, values):
    return make(name, fields)(values)


def make(name: str, fields: tuple[str, ...]) -> type:
    """The result type called `name` with these fields."""
    key = (name, fields)
    cls = _made.get(key)
    if cls is None:
        short = name.replace(".", "_")
        body: dict = {"__slots__": (), "_fields": fields, "__module__": "torch.return_types",
                      "n_fields": len(fields), "n_sequence_fields": len(fields)}  # fmt: skip
        for i, f in enumerate(fields):
            body[f] = property(lambda self, i=i: self[i])
        cls = _made[key] = type(short, (_Structseq,), body)
        globals()[short] = cls
    return cls
