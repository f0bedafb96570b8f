"""`torch.return_types`: the named tuples that operations with several results give."""

from __future__ import annotations

import jax

_made: dict[tuple[str, tuple[str, ...]], type] = {}


def _repr(self) -> str:
    """One item per line, as PyTorch prints them."""
    lines = ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{lines})"


def _reduce(self):
    return _rebuild, (type(self).__name__, self._fields, tuple(self))


def _rebuild(name, fields, values):
    return make(name, fields)(values)


def _field(i: int) -> property:
    return property(lambda self: self[i])


def make(name: str, fields: tuple[str, ...]) -> type:
    """The result type called `name` with these fields: made from one iterable, a pytree for JAX."""
    key = (name, fields)
    cls = _made.get(key)
    if cls is None:
        short = name.replace(".", "_")
        n = len(fields)
        # `_make` and `_asdict` are what pytree libraries know a named tuple by
        body: dict = {
            "__slots__": (), "__module__": "torch.return_types", "__repr__": _repr, "__reduce__": _reduce,
            "_fields": fields, "__match_args__": fields,
            "_make": classmethod(lambda cls, items: cls(items)),
            "_asdict": lambda self: dict(zip(self._fields, self, strict=True)),
            "n_fields": n, "n_sequence_fields": n, "n_unnamed_fields": 0,
        }  # fmt: skip
        for i, f in enumerate(fields):
            body[f] = _field(i)
        cls = _made[key] = type(short, (tuple,), body)
        jax.tree_util.register_pytree_node(cls, lambda t: (tuple(t), None), lambda _, items: cls(items))
        globals()[short] = cls
    return cls
