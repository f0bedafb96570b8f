"""`torch.return_types`: the named tuples that operations with several results give."""

from __future__ import annotations

import jax

# The fields of results of functions that are made of several operations; an operation's declaration gives those of its own.
_FIELDS = {
    "_lu_with_info": "LU pivots info", "histogram": "hist bin_edges", "histogramdd": "hist bin_edges", "linalg_cholesky_ex": "L info",
    "linalg_eig": "eigenvalues eigenvectors", "linalg_eigh": "eigenvalues eigenvectors", "linalg_inv_ex": "inverse info",
    "linalg_ldl_factor": "LD pivots", "linalg_ldl_factor_ex": "LD pivots info", "linalg_lstsq": "solution residuals rank singular_values",
    "linalg_lu": "P L U", "linalg_lu_factor": "LU pivots", "linalg_lu_factor_ex": "LU pivots info", "linalg_solve_ex": "result info",
    "linalg_svd": "U S Vh", "lu_unpack": "P L U", "qr": "Q R", "svd": "U S V", "triangular_solve": "solution cloned_coefficient",
}  # fmt: skip
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


def make(name: str, fields: tuple[str, ...] = ()) -> type:
    """The result type called `name` with these fields: made from one iterable, a pytree for JAX."""
    fields = fields or tuple(_FIELDS[name].split())
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


def __getattr__(name: str) -> type:
    """A type that no result has had yet: a checkpoint may name it first."""
    if not name.startswith("__"):
        from torchish._tensor.namespace import complete
        from torchish.ops.declare import REGISTRY, native_name

        complete()
        if name in globals():
            return globals()[name]
        whole = name.removesuffix("_out")
        for fields in (f for ops in REGISTRY.values() for o in ops if (f := o.returns) and native_name(o.name) == whole):
            return make(name, fields)
        if whole in globals():
            return make(name, globals()[whole]._fields)
        if whole in _FIELDS:
            return make(name, tuple(_FIELDS[whole].split()))
    raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'")
