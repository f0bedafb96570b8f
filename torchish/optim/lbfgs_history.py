"""The two-loop recursion of L-BFGS as one expression over a fixed number of remembered steps."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish._tensor.tensor import Tensor
from torchish.engine.expr import CPU, Expr, Spec, aval, emit_multi


def _direction(g, previous, d, t, dirs, steps, ro, diagonal, count, start):
    """The new direction and history: `count` pairs from row `start` on, in a ring of `len(ro)` rows."""
    capacity = ro.shape[0]
    y, s = g - previous, d * t.astype(d.dtype)
    ys = y @ s
    keep = ys > 1e-10  # else the pair would spoil the curvature estimate
    full = count == capacity
    row = (start + count) % capacity
    dirs = jnp.where(keep, dirs.at[row].set(y), dirs)
    steps = jnp.where(keep, steps.at[row].set(s), steps)
    ro = jnp.where(keep, ro.at[row].set(1.0 / ys), ro)
    diagonal = jnp.where(keep, ys / (y @ y), diagonal)
    start = jnp.where(keep & full, (start + 1) % capacity, start)
    count = jnp.where(keep & ~full, count + 1, count)

    def back(i, carry):
        q, al = carry
        k = (start + count - 1 - i) % capacity
        a = (steps[k] @ q) * ro[k]
        return q - a * dirs[k], al.at[k].set(a)

    q, al = lax.fori_loop(0, count, back, (-g, jnp.zeros_like(ro)))

    def forth(i, r):
        k = (start + i) % capacity
        return r + steps[k] * (al[k] - (dirs[k] @ r) * ro[k])

    r = lax.fori_loop(0, count, forth, q * diagonal)
    return r, dirs, steps, ro, diagonal, count, start


_SPEC = Spec(_direction, "lbfgs.direction", "lbfgs.direction")


def _zeros(shape: tuple, dtype, device: str = CPU) -> Expr:
    return Expr(None, (), aval(shape, np.dtype(dtype), device), np.zeros(shape, dtype))


class History:
    """Changes of the gradient and steps, in rings that grow up to `limit` rows (so that few programs are compiled)."""

    def __init__(self, like: Tensor, limit: int, dirs: list | None = None, steps: list | None = None, ro: list | None = None,
                 diagonal: float = 1.0) -> None:  # fmt: skip
        self.limit = limit
        self.known = 0  # an upper bound of the number of pairs
        a = like._aval
        self.dtype, self.device, self.n = a.dtype, a.device, a.size
        dirs, steps, ro = dirs or [], steps or [], ro or []
        self._allocate(min(limit, max(16, len(dirs))))
        self.diagonal = Expr(None, (), aval((), self.dtype, self.device), np.asarray(float(diagonal), self.dtype))
        self.count = Expr(None, (), aval((), np.dtype(np.int64), self.device), np.asarray(len(dirs)))
        self.start = _zeros((), np.int64, self.device)
        if dirs:
            self._fill([np.asarray(t._host()) for t in dirs], [np.asarray(t._host()) for t in steps], [float(r) for r in ro])
        self.known = len(dirs)

    def _allocate(self, capacity: int) -> None:
        self.capacity = capacity
        self.dirs = _zeros((capacity, self.n), self.dtype, self.device)
        self.steps = _zeros((capacity, self.n), self.dtype, self.device)
        self.ro = _zeros((capacity,), self.dtype, self.device)

    def _fill(self, dirs: list, steps: list, ro: list) -> None:
        for name, rows in (("dirs", dirs), ("steps", steps), ("ro", ro)):
            old = getattr(self, name)
            value = np.zeros(old.aval.shape, self.dtype)
            value[: len(rows)] = rows
            setattr(self, name, Expr(None, (), old.aval, value))

    def lists(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """The pairs in order, as PyTorch's state has them."""
        n, start = int(Tensor._wrap(self.count).item()), int(Tensor._wrap(self.start).item())
        order = [(start + i) % self.capacity for i in range(n)]
        dirs, steps, ro = (Tensor._wrap(e) for e in (self.dirs, self.steps, self.ro))
        return [dirs[k].clone() for k in order], [steps[k].clone() for k in order], [ro[k].clone() for k in order]

    def direction(self, g: Tensor, previous: Tensor, d: Tensor, t) -> Tensor:
        """Remember the last step (`t` along `d`, from gradient `previous` to `g`) and give the next direction."""
        if self.known == self.capacity < self.limit:
            rows = [[t.detach()._host() for t in part] for part in self.lists()]
            self._allocate(min(self.limit, 2 * self.capacity))
            self._fill(*rows)
            self.start = _zeros((), np.int64, self.device)
        self.known = min(self.known + 1, self.limit)
        t = t._read() if isinstance(t, Tensor) else float(t)
        inputs = (
            g._read(), previous._read(), d._read(), t, self.dirs, self.steps, self.ro, self.diagonal, self.count, self.start,
        )  # fmt: skip
        r, self.dirs, self.steps, self.ro, self.diagonal, self.count, self.start = emit_multi(_SPEC, inputs)
        return Tensor._wrap(r)
