"""Typed storages under PyTorch's old names: `FloatStorage`, `LongStorage`…"""

from __future__ import annotations

from typing import Any

from torchish import _dtypes as dt
from torchish._tensor.dispatch import PLAIN
from torchish._tensor.methods import TypedStorage, UntypedStorage
from torchish._tensor.tensor import Tensor


class _StorageMeta(type):
    """A storage is an instance of `FloatStorage` when its elements are float32, whichever class made it."""

    dtype: dt.dtype

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, TypedStorage) and x.dtype is cls.dtype


def _new(d: dt.dtype) -> Any:
    def __new__(cls: type, *args: Any) -> TypedStorage:
        """The elements of a sequence, that many elements without set values, or none."""
        from torchish._tensor.creation import tensor

        if len(args) > 1:
            raise TypeError(f"{cls.__name__} takes at most one argument, a size or a sequence")
        x = args[0] if args else 0
        if isinstance(x, UntypedStorage):
            x = x.tolist() if isinstance(x, TypedStorage) else x._tensor(d).tolist()
        return tensor([0] * x if isinstance(x, int) else list(x), dtype=d).storage()

    return __new__


CLASSES: dict[dt.dtype, type] = {}

for _name, _d in {
    "DoubleStorage": dt.float64, "FloatStorage": dt.float32, "HalfStorage": dt.float16, "LongStorage": dt.int64,
    "IntStorage": dt.int32, "ShortStorage": dt.int16, "CharStorage": dt.int8, "ByteStorage": dt.uint8, "BoolStorage": dt.bool_,
    "BFloat16Storage": dt.bfloat16, "ComplexDoubleStorage": dt.complex128, "ComplexFloatStorage": dt.complex64,
}.items():  # fmt: skip
    CLASSES[_d] = _StorageMeta(_name, (), {"__module__": "torch", "dtype": _d, "__new__": _new(_d)})
    PLAIN[_name] = CLASSES[_d]
PLAIN["Storage"] = CLASSES[dt.float32]


def storage_type(self: Tensor) -> type:
    """The class of the tensor's typed storage: `torch.FloatStorage` for float32."""
    return CLASSES[self.dtype]


Tensor.storage_type = storage_type  # type: ignore[attr-defined]
