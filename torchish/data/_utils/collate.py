"""From samples to batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor import host
from torchish._tensor.creation import as_tensor, from_host, tensor
from torchish._tensor.dispatch import call
from torchish._tensor.tensor import Tensor

_INT64 = 2**63
_MapOfFunctions = dict[type | tuple[type, ...], Callable]

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def _rebuild_mapping(like: Mapping, items: Callable[[], dict]) -> Mapping:
    """A mapping of the same type as `like` with these items; a dict when that type cannot be made so."""
    try:
        if isinstance(like, MutableMapping):
            made = copy.copy(like)  # keeps what else the object carries (a default factory, attributes)
            made.update(items())
            return made
        return type(like)(items())  # type: ignore[call-arg]
    except TypeError:
        return items()


def _rebuild_sequence(like: Sequence, items: Callable[[], list]) -> Sequence:
    """A sequence of the same type as `like` with these items; a list when that type cannot be made so."""
    try:
        if isinstance(like, MutableSequence):
            made = copy.copy(like)
            for i, x in enumerate(items()):
                made[i] = x
            return made
        return type(like)(items())  # type: ignore[call-arg]
    except TypeError:
        return items()


def _has_text(array: np.ndarray) -> bool:
    """Whether an array holds strings or objects, which no tensor can."""
    return array.dtype.kind in "SUO"


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars in a nested structure as tensors; everything else as it is (tuples become lists)."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray | np.generic) and not isinstance(data, np.str_):
        return data if isinstance(data, np.ndarray) and _has_text(data) else as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuild_mapping(data, lambda: {k: default_convert(data[k]) for k in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*[default_convert(x) for x in data])
    if isinstance(data, tuple):
        return [default_convert(x) for x in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _rebuild_sequence(data, lambda: [default_convert(x) for x in data])
    return data


def collate(batch: Sequence, *, collate_fn_map: _MapOfFunctions | None = None) -> Any:
    """Samples of nested structure to one structure of batches.

    `collate_fn_map` gives the function for a type of element (or a subclass): called with the list of elements and
    `collate_fn_map=`. Mappings, named tuples and sequences are gone through element by element.

    Raises:
        TypeError: an element of another type.
        RuntimeError: sequences of different lengths.
    """
    elem = batch[0]
    if collate_fn_map is not None:
        f = collate_fn_map.get(type(elem)) or next((g for t, g in collate_fn_map.items() if isinstance(elem, t)), None)
        if f is not None:
            return f(batch, collate_fn_map=collate_fn_map)

    def of(samples: Sequence) -> Any:
        return collate(samples, collate_fn_map=collate_fn_map)

    if isinstance(elem, Mapping):
        return _rebuild_mapping(elem, lambda: {k: of([sample[k] for sample in batch]) for k in elem})
    if isinstance(elem, tuple) and hasattr(elem, "_fields"):
        return type(elem)(*[of(samples) for samples in zip(*batch, strict=False)])
    if isinstance(elem, Sequence):
        if any(len(sample) != len(elem) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = list(zip(*batch, strict=True))
        if isinstance(elem, tuple):
            return [of(samples) for samples in columns]
        return _rebuild_sequence(elem, lambda: [of(samples) for samples in columns])
    raise TypeError(default_collate_err_msg_format.format(type(elem)))


def collate_tensor_fn(batch: Sequence[Tensor], *, collate_fn_map: _MapOfFunctions | None = None) -> Tensor:
    """Tensors of one shape, stacked."""
    made = host.stacked(batch)
    if made is not None:
        return made
    from torchish.ops import join

    return call(join.stack, list(batch), 0)


def collate_numpy_array_fn(batch: Sequence[np.ndarray], *, collate_fn_map: _MapOfFunctions | None = None) -> Tensor:
    """Arrays of one shape, stacked."""
    if _has_text(batch[0]):
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    return collate([as_tensor(b) for b in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Sequence[np.generic], *, collate_fn_map: _MapOfFunctions | None = None) -> Tensor:
    return as_tensor(batch)


def collate_float_fn(batch: Sequence[float], *, collate_fn_map: _MapOfFunctions | None = None) -> Tensor:
    return tensor(batch, dtype=dt.float64)


def collate_int_fn(batch: Sequence[int], *, collate_fn_map: _MapOfFunctions | None = None) -> Tensor:
    if all(type(x) is int and -_INT64 <= x < _INT64 for x in batch):
        return from_host(np.array(batch, np.int64))  # what `tensor` does, without looking for what it might be
    return tensor(batch)


def collate_str_fn(batch: Sequence, *, collate_fn_map: _MapOfFunctions | None = None) -> Sequence:
    return batch


default_collate_fn_map: _MapOfFunctions = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Sequence) -> Any:
    """Samples to a batch: tensors, arrays and numbers are stacked, strings listed, structures kept.

    Python floats become float64, integers int64; tuples become lists. Add types to `default_collate_fn_map`.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
