"""Where equal elements go in C++'s `std::sort` and `std::nth_element`, and in PyTorch's quickselect.

PyTorch's CPU kernels sort with these, so which of several equal elements comes first is what their partitions make of it. A partition
exchanges the k-th element from the left that is not below the pivot with the k-th from the right that is not above it, for as long
as the two have not met. So it needs no loop over elements: running counts say which elements move, and where to. Rows are segments of
one flat array; all segments are partitioned at once, as often as the longest one needs.

`std::sort` leaves segments of up to 16 elements to a stable sort, `std::nth_element` those of up to 3. Both turn to a heap where
partitions go badly (2 log2(n) of them were not enough); here the stable sort takes over.

Such a program takes ten times as long to compile as a stable sort, and (300, 300) int64 take 90 ms (PyTorch 3, a stable sort 6). So
it is for what has equal elements as a rule, integers and 16-bit floats, and not for very many of them (`replayed`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops.order import argsort as stable_argsort
from torchish.ops.order import sort_key
from torchish.ops.running import running

# Elements, by their size in bytes: 32000 int64 take 37 ms (PyTorch 1.2, a stable sort 2), 1000 take 5.
MOST = {1: 1 << 15, 2: 1 << 15, 4: 1 << 12, 8: 1 << 12}


def replayed(x, axis: int, stable_up_to: int, rare: bool = True) -> bool:
    """Whether equal elements of `x` go where PyTorch puts them; otherwise, and in rows of few elements, they keep their order.

    `rare`: they are rare among floats of 32 and 64 bits.
    """
    mostly = not rare or x.dtype not in (np.float32, np.float64)
    return mostly and stable_up_to < x.shape[axis] and 0 < x.size <= MOST[x.dtype.itemsize] and jax.default_backend() == "cpu"


def _along(find: Callable, key, axis: int):
    """What `find` gives for rows (2-d), for an axis of an array; int64."""
    key = jnp.moveaxis(key, axis, -1)
    found = find(key.reshape(-1, key.shape[-1]))
    return jnp.moveaxis(found.reshape(*key.shape[:-1], found.shape[-1]), -1, axis).astype(np.int64)


def argsort(x, axis: int, descending: bool = False):
    """Positions that sort `x` along an axis, as `std::sort` does."""
    return _along(_sort, sort_key(x, descending), axis)


def kth_position(x, k: int, axis: int):
    """Position of the `k`-th smallest element (from 0) along an axis, which is kept, as PyTorch's quickselect finds it."""
    return _along(lambda key: quickselect(key, k), sort_key(x), axis)


def smallest(x, k: int, axis: int, descending: bool, ordered: bool):
    """Positions of the `k` first elements in sorted order, as `std::nth_element` picks and `std::sort` orders them."""

    def find(key):
        at = nth_element(key, k - 1)[:, :k]
        if not ordered or k < 3:
            return at
        head = at[:, :-1]  # the last is in its place already
        return jnp.concatenate([jnp.take_along_axis(head, _sort(jnp.take_along_axis(key, head, 1)), 1), at[:, -1:]], 1)

    return _along(find, sort_key(x, descending), axis)


def _sort(key):
    if key.shape[1] <= 16:
        return stable_argsort(key, 1)
    at = arrangement(key)
    return jnp.take_along_axis(at, stable_argsort(jnp.take_along_axis(key, at, 1), 1), 1)


class _Segments(NamedTuple):
    """Where all elements have got to, in flat arrays: key and first place of each, and the bounds of the segment it is in."""

    key: Any
    origin: Any
    start: Any
    end: Any


def _rows(key, width: int) -> _Segments:
    at = lax.iota(np.int32, key.size)
    start = at // width * width
    return _Segments(key.reshape(-1), at, start, start + width)


def _get(x, at):
    return x.at[at].get(mode="promise_in_bounds")


def _places(s: _Segments):
    return lax.iota(np.int32, s.key.size)


def _moved(s: _Segments, source) -> _Segments:
    return s._replace(key=_get(s.key, source), origin=_get(s.origin, source))


def _swapped(s: _Segments, a, b, where) -> _Segments:
    """Places `a` and `b` of each segment (the same for all its elements) exchanged in the segments where it is to be."""
    at = _places(s)
    return _moved(s, jnp.where(where & (at == a), b, jnp.where(where & (at == b), a, at)))


def _counts(left, right, width: int):
    """Running counts of two masks along the rows."""
    m = jnp.stack([left, right]).reshape(-1, width)
    if width > 1024:
        return running("sum", m.astype(np.int32), 1).reshape(2, -1)
    # one matrix product compiles faster than a running sum
    upper = lax.broadcasted_iota(np.int32, (width, width), 0) <= lax.broadcasted_iota(np.int32, (width, width), 1)
    return jnp.dot(m.astype(np.float32), upper.astype(np.float32)).astype(np.int32).reshape(2, -1)


def _exchange(s: _Segments, left, right, width: int, passing: bool) -> tuple[_Segments, Any, Any]:
    """Exchange the k-th `left` element of each segment with its k-th `right` one from the end; neither may be a segment's first.

    Also gives where the pointers that look for them stop when they have met. `passing`: an element where both stop is passed by both.
    """
    lefts, rights = _counts(left, right, width)
    rank_left = lefts - _get(lefts, s.start)  # from 1
    after = _get(rights, s.end - 1) - rights  # right candidates beyond this place
    rank_right = after + right
    moves_left = left & (after >= rank_left)
    moves_right = right & (rank_left - left >= rank_right)
    met = left & right & (rank_left == rank_right) if passing else False
    # where the k-th left element is stands at the k-th place of a table's segment, the k-th right one's at the k-th from the end
    size = s.key.size
    mine = jnp.where(moves_left, s.start + rank_left - 1, jnp.where(moves_right, s.end - rank_right, size))
    table = jnp.zeros(size, np.int32).at[mine].set(_places(s), mode="drop", unique_indices=True)
    partner = jnp.where(moves_left, s.end - rank_left, jnp.where(moves_right, s.start + rank_right - 1, 0))
    source = jnp.where(moves_left | moves_right, _get(table, partner), _places(s))
    return _moved(s, source), (left & ~moves_left & ~met) | moves_right, (right & ~moves_right & ~met) | moves_left


def _first(s: _Segments, mask):
    """The first place of each segment where `mask` holds."""
    size = s.key.size
    found = jnp.full(size, size, np.int32).at[s.start].min(jnp.where(mask, _places(s), size), mode="promise_in_bounds")
    return _get(found, s.start)


def _last(s: _Segments, mask):
    found = jnp.full(s.key.size, -1, np.int32).at[s.start].max(jnp.where(mask, _places(s), -1), mode="promise_in_bounds")
    return _get(found, s.start)


def _partition(s: _Segments, active, width: int) -> _Segments:
    """One step of `std::sort` on the active segments (of more than 3 elements): each becomes the two on either side of its cut."""
    at = _places(s)
    x, y, z = (jnp.where(active, p, at) for p in (s.start + 1, s.start + (s.end - s.start) // 2, s.end - 1))
    kx, ky, kz = _get(s.key, x), _get(s.key, y), _get(s.key, z)
    # the median of the three changes places with the first element
    middle = jnp.where(
        kx < ky,
        jnp.where(ky < kz, y, jnp.where(kx < kz, z, x)),
        jnp.where(kx < kz, x, jnp.where(ky < kz, z, y)),
    )
    pivot = jnp.maximum(jnp.minimum(kx, ky), jnp.minimum(jnp.maximum(kx, ky), kz))
    s = _swapped(s, s.start, middle, active)
    inside = active & (at > s.start)
    s, stops, _ = _exchange(s, inside & (s.key >= pivot), inside & (s.key <= pivot), width, False)
    cut = _first(s, stops)
    return s._replace(start=jnp.where(active & (at >= cut), cut, s.start), end=jnp.where(active & (at < cut), cut, s.end))


def _repeat(s: _Segments, active: Callable, depth: int, step: Callable) -> _Segments:
    """Steps on the segments where `active` says so, for as long as there are any, `depth` at most."""

    def once(state):
        i, _, s = state
        s = step(s, active(s))
        return i + 1, jnp.any(active(s)), s

    start = (jnp.zeros((), np.int32), jnp.any(active(s)), s)
    return lax.while_loop(lambda state: (state[0] < depth) & state[1], once, start)[2]


def _depth(width: int) -> int:
    return 2 * (width.bit_length() - 1)


def arrangement(key):
    """Places (2-d, int32) to which `std::sort` moves the elements of rows before it sorts them stably."""
    width = key.shape[1]
    s = _repeat(_rows(key, width), lambda s: s.end - s.start > 16, _depth(width), lambda s, active: _partition(s, active, width))
    return (s.origin % width).reshape(key.shape)


def nth_element(key, nth: int):
    """Places (2-d, int32) to which `std::nth_element` moves the elements of rows."""
    width = key.shape[1]
    row = lax.iota(np.int32, key.size) // width * width

    def active(s):
        return (s.start <= row + nth) & (row + nth < s.end) & (s.end - s.start > 3)

    s = _repeat(_rows(key, width), active, _depth(width), lambda s, active: _partition(s, active, width))
    # the segment of `nth` is sorted stably; what is below and above it stays where it is
    order = jnp.where((s.start <= row + nth) & (row + nth < s.end), s.key, 0)
    side = jnp.where(s.end <= row + nth, 0, jnp.where(s.start > row + nth, 2, 1)).astype(np.int8)
    _, _, origin = lax.sort(
        (side.reshape(key.shape), order.reshape(key.shape), (s.origin % width).reshape(key.shape)), dimension=1, is_stable=True, num_keys=2
    )
    return origin


def quickselect(key, k: int):
    """The place (2-d, int32, one a row) at which PyTorch's quickselect finds the `k`-th smallest element (from 0) of rows."""
    width = key.shape[1]

    def step(s, active):
        # the median of three, to the first place; the smallest to the second, the largest to the last
        at = _places(s)
        low, second, high = (jnp.where(active, p, at) for p in (s.start, s.start + 1, s.end - 1))
        s = _swapped(s, jnp.where(active, s.start + (s.end - 1 - s.start) // 2, at), second, active)
        for a, b in ((second, high), (low, high), (second, low)):
            s = _swapped(s, a, b, active & (_get(s.key, a) > _get(s.key, b)))
        pivot = _get(s.key, low)
        inside = active & (at > second) & (at < high)
        # the pointers stop at the second and at the last element at the latest
        left, right = (inside & (s.key >= pivot)), (inside & (s.key <= pivot))
        s, stops, other = _exchange(s, left, right, width, True)
        i = _first(s, stops | (active & (at == high)))
        j = _last(s, other | (active & (at == second)))
        s = _swapped(s, low, j, active)
        row = at // width * width
        start = jnp.where(active & (j <= row + k), i, s.start)
        end = jnp.where(active & (j >= row + k), j, s.end)
        return s._replace(start=start, end=end)

    s = _rows(key, width)
    row = _places(s) // width * width
    s = _repeat(s, lambda s: s.end - s.start > 2, 4 * width, step)
    # two elements are left to be compared, or one
    a, b = s.start, s.end - 1
    two = s.end - s.start == 2
    a, b = jnp.where(two, a, 0), jnp.where(two, b, 0)
    s = _swapped(s, jnp.where(two, a, -1), jnp.where(two, b, -1), two & (_get(s.key, a) > _get(s.key, b)))
    return lax.slice_in_dim((s.origin - row).reshape(key.shape), k, k + 1, axis=1)
