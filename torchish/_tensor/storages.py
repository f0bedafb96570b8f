"""The storages that programs see: `UntypedStorage`, `TypedStorage`, and the latter's old names, `FloatStorage`…

Each looks at the memory of tensors: what is written to a storage shows in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.creation import from_numpy, tensor
from torchish._tensor.data import is_sequence, warn_once
from torchish._tensor.dispatch import PLAIN
from torchish._tensor.errors import plain_type_name
from torchish._tensor.size import device, device_of, resolve
from torchish._tensor.storage import Memory, Storage, VersionCounter
from torchish._tensor.tensor import Tensor


class UntypedStorage(Memory):
    """The bytes that a tensor and its views share: some that are not set yet, those of a sequence of numbers, or none."""

    __module__ = "torch.storage"
    _storage: Storage
    _keep: Tensor | None = None
    is_sparse = is_sparse_csr = is_hpu = False
    filename = None

    def __init__(self, *args: Any, device: Any = None):
        if len(args) > 1:
            raise TypeError(
                f"torch.UntypedStorage() received an invalid combination of arguments - got ({', '.join(map(plain_type_name, args))}), but "
                "expected one of:\n"
                + "".join(f" * ({x}*, int allocator = None, torch.device device = None)\n" for x in ("", "int size, ", "object sequence, "))
            )
        data: Any = args[0] if args else 0
        if not _is_content(data):
            raise RuntimeError(f"torch.UntypedStorage(): Expected a sequence type, but got {type(data).__name__}")
        if type(data) is not int:
            odd = next((type(x).__name__ for x in data if not isinstance(x, int)), None)
            if odd is not None:
                raise RuntimeError(
                    f"torch.UntypedStorage(): tried to construct a storage from a sequence ({type(data).__name__}), but one of the items "
                    f"was of type {odd} instead of int"
                )
            data = [x & 255 for x in data]
        self._storage = _memory(data, dt.uint8, device)

    @classmethod
    def _over(cls, storage: Storage, keep: Tensor | None = None) -> Self:
        """What programs see of a tensor's memory."""
        made = cls.__new__(cls)
        made._storage = storage
        # detached here: made before this object, it would take the place of the storage asked for last, and programs compare `id`s
        made._keep = keep.detach() if keep is not None else None
        return made

    def data_ptr(self) -> int:
        return self._storage.address() if self._storage.n_elements() else 0

    def nbytes(self) -> int:
        return self._storage.n_elements() * self._storage.expr.aval.dtype.itemsize

    def size(self) -> int:
        return self.nbytes() // self.element_size()

    def __len__(self) -> int:
        return self.size()

    def element_size(self) -> int:
        return self._dtype().itemsize

    def _dtype(self) -> dt.dtype:
        """That of the elements."""
        return dt.uint8

    def _own_dtype(self) -> dt.dtype:
        """That of the tensor that the memory was made for."""
        return self._storage.expr.aval.torch_dtype

    def resizable(self) -> bool:
        """Whether it may grow: not once NumPy has shared it."""
        return self._storage.resizable

    @property
    def device(self):
        return device_of(self._storage.device)

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def get_device(self) -> int | None:
        return self.device.index

    def is_shared(self) -> bool:
        """Whether NumPy has the memory too."""
        return self._storage.buffer is not None

    def share_memory_(self) -> Self:
        return self

    def is_pinned(self, device: Any = "cuda") -> bool:
        return False

    def pin_memory(self, device: Any = "cuda") -> Self:
        return self

    # --- elements

    def _tensor(self, d: dt.dtype) -> Tensor:
        t = object.__new__(Tensor)
        st = self._storage
        t._storage, t._aval, t._vc, t._strides = st, st.expr.aval, VersionCounter(), st.strides
        own, n = t._aval.dtype.itemsize, st.n_elements()
        flat = t.as_strided((n * own // d.itemsize * d.itemsize // own,), (1,), 0)
        return flat if d is t._aval.torch_dtype else flat.view(d)

    def _elements(self, d: dt.dtype | None, about: str, named: str = "") -> Tensor:
        return self._tensor(d or dt.int64)

    def tolist(self) -> list:
        return list(self._bytes())

    def _bytes(self) -> bytes:
        t = self._keep if self._keep is not None else self._tensor(self._own_dtype())
        return t._memory().tobytes()

    def __iter__(self) -> Iterator:
        return iter(self.tolist())

    def _at(self, i: Any) -> Any:
        """A place that the elements have, counted from the start; IndexError and TypeError for others."""
        n = self.size()
        if isinstance(i, slice):
            start, stop, step = i.indices(n)
            if step != 1:
                raise RuntimeError(f"Trying to slice with a step of {step}, but only a step of 1 is supported")
            return slice(start, max(start, stop))
        if not isinstance(i, int):
            raise TypeError(f"can't index a torch.UntypedStorage with {type(i).__name__}")
        if not -n <= i < n:
            raise IndexError(f"index {i} out of range for storage of size {n}")
        return i % n

    def __getitem__(self, i: Any) -> Any:
        i = self._at(i)
        if isinstance(i, slice):  # it shares the memory
            return type(self)._over(from_numpy(self._storage.share().view(np.uint8)[i])._storage)
        return self._bytes()[i]

    def __setitem__(self, i: Any, value: Any) -> None:
        i = self._at(i)
        if not isinstance(value, int):
            raise RuntimeError(f"can only set storage content with a int types, but got {type(value).__name__} instead")
        self._tensor(dt.uint8)[i] = value & 255

    def fill_(self, value: Any) -> Self:
        """Set each byte."""
        if not isinstance(value, int):
            raise RuntimeError(f"fill_ expects int, but got {type(value).__name__}")
        self._tensor(dt.uint8).fill_(value & 255)
        return self

    def copy_(self, source: Any, non_blocking: bool | None = None) -> Self:
        """Take the bytes of another storage, which has as many."""
        if not isinstance(source, UntypedStorage):
            raise TypeError(f"copy_(): argument 'src' (position 1) must be torch.Storage, not {type(source).__name__}")
        have, given = self.nbytes(), source.nbytes()
        if have != given:
            raise RuntimeError(f"size does not match, self was {have} bytes but src was {given} bytes")
        d = self._own_dtype()
        self._tensor(d).copy_(source._tensor(d))  # type: ignore[attr-defined]
        return self

    # --- others like it

    def clone(self) -> Self:
        return self._like(self._tensor(self._own_dtype()).clone())

    def _like(self, t: Tensor) -> Self:
        return type(self)._over(t._storage)

    __copy__ = clone

    def __deepcopy__(self, memo: dict) -> Self:
        if id(self) not in memo:
            memo[id(self)] = self.clone()
        return memo[id(self)]

    def to(self, *, device: Any, non_blocking: bool = False) -> Self:
        """The same elements on another device."""
        if resolve(device) == self._storage.device:
            return self
        return self._like(self._tensor(self._own_dtype()).to(device=device))

    def cpu(self) -> Self:
        return self.to(device="cpu")

    def cuda(self, device_: Any = None, non_blocking: bool = False) -> Self:
        return self.to(device=device("cuda", 0 if device_ is None else device_) if not isinstance(device_, str) else device_)

    def _converted(self, d: dt.dtype) -> TypedStorage:
        return TypedStorage._over(self._tensor(self._dtype()).to(d, copy=True)._storage)

    def untyped(self) -> UntypedStorage:
        return self

    def type(self) -> str:
        """The name of its class."""
        return "torch.storage.UntypedStorage"

    # --- as an object

    def __reduce__(self) -> tuple:
        return _of_elements, (self._tensor(self._dtype()).clone(), isinstance(self, TypedStorage))

    def _cdata_key(self) -> int:
        return id(self._storage)

    @property
    def _cdata(self) -> int:
        return id(self._storage)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and other._storage is self._storage

    def __hash__(self) -> int:
        return id(self._storage)

    def __repr__(self) -> str:
        about = f"[torch.storage.{self.__class__.__name__}({self._described()}) of size {self.size()}]"
        if self.device.type == "meta":
            return f"...\n{about}"
        return " " + "\n ".join(map(str, self.tolist())) + f"\n{about}"

    def _described(self) -> str:
        return f"device={self.device}"


_OPTIONS = (
    "TypedStorage.__init__ received an invalid combination of arguments. Expected one of:\n"
    + "".join(
        f" * ({x}*, {y}torch.dtype dtype)\n"
        for x, y in (("", "torch.device device, "), ("int size, ", "torch.device device, "), ("Sequence data, ", "torch.device device, "),
                     ("", "UntypedStorage wrap_storage, "))
    )
)  # fmt: skip


class TypedStorage(UntypedStorage):
    """The elements that a tensor and its views share: some that are not set yet, those of a sequence, or what bytes mean."""

    __module__ = "torch.storage"
    _wrapped: dt.dtype | None = None  # None: that of the memory

    def __init__(self, *args: Any, wrap_storage: Any = None, dtype: Any = None, device: Any = None):
        _warn_of_removal()
        if wrap_storage is not None:
            if args or dtype is None or device is not None:
                raise RuntimeError(_OPTIONS)
            if type(wrap_storage) is not UntypedStorage:
                raise TypeError(f"{_OPTIONS}Argument 'wrap_storage' must be UntypedStorage, but got {type(wrap_storage)}")
            self._storage, self._keep, self._wrapped = wrap_storage._storage, wrap_storage._keep, dtype
            return
        if dtype is not None and not isinstance(dtype, dt.dtype):
            raise RuntimeError(f"expected torch.dtype, but got {type(dtype)}")
        if len(args) > 1:
            raise RuntimeError(f"{_OPTIONS}Too many positional arguments")
        data = args[0] if args else 0
        if not _is_content(data):
            raise TypeError(f"{_OPTIONS}Argument type not recognized: {type(data)}")
        self._storage = _memory(data, dtype or dt.get_default_dtype(), device)

    @property
    def dtype(self) -> dt.dtype:
        return self._wrapped or self._own_dtype()

    def _dtype(self) -> dt.dtype:
        return self.dtype

    def _like(self, t: Tensor) -> Self:
        made = type(self)._over(t._storage)
        if self._wrapped is not None:
            made._wrapped = self._wrapped
        return made

    def _elements(self, d: dt.dtype | None, about: str, named: str = "") -> Tensor:
        if (d := d or dt.get_default_dtype()) is not self.dtype:
            wanted, got = (dt.LEGACY_NAMES[x].removesuffix("Tensor") for x in (d, self.dtype))
            raise RuntimeError(f"Expected a Storage of type {named or wanted} or an UntypedStorage, but got {about.format(got)}")
        return self._tensor(d)

    def tolist(self) -> list:
        return self._tensor(self.dtype).tolist()

    def fill_(self, value: Any) -> Self:
        self._tensor(self.dtype)[...] = value
        return self

    def _at(self, i: Any) -> int:
        if not isinstance(i, int):
            raise RuntimeError(f"can't index a {type(self)} with {type(i)}")
        return super()._at(i)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return self._tensor(self.dtype)[self._at(i)].item()

    def __setitem__(self, i: Any, value: Any) -> None:
        if not isinstance(i, (int, slice)):
            raise RuntimeError(f"can't index a {type(self)} with {type(i)}")
        self._tensor(self.dtype)[i] = value

    def untyped(self) -> UntypedStorage:
        return UntypedStorage._over(self._storage, self._keep)

    def type(self) -> str:
        """The old name of its class."""
        return f"torch.{dt.LEGACY_NAMES[self.dtype].removesuffix('Tensor')}Storage"

    def pickle_storage_type(self) -> str:
        return self.type().removeprefix("torch.")

    def _described(self) -> str:
        return f"dtype={self.dtype}, device={self.device}"


def _of_elements(t: Tensor, is_typed: bool) -> UntypedStorage:
    return (TypedStorage if is_typed else UntypedStorage)._over(t._storage)


def _is_content(x: Any) -> bool:
    """Whether storages are made of it: a number of elements, or a sequence of them."""
    return type(x) is int or (is_sequence(x) and not isinstance(x, Memory))


def _memory(data: Any, d: dt.dtype, where: Any) -> Storage:
    """Memory for that many elements, or for those of a sequence."""
    return tensor(np.zeros((data,), d.np) if isinstance(data, int) else list(data), dtype=d, device=where)._storage


def _conversion(d: dt.dtype) -> Any:
    def convert(self: UntypedStorage) -> TypedStorage:
        return self._converted(d)

    convert.__doc__ = f"A copy with elements of {d}."
    return convert


for _name, _d in {
    "double": dt.float64, "float": dt.float32, "half": dt.float16, "long": dt.int64, "int": dt.int32, "short": dt.int16, "char": dt.int8,
    "byte": dt.uint8, "bool": dt.bool_, "bfloat16": dt.bfloat16, "complex_double": dt.complex128, "complex_float": dt.complex64,
}.items():  # fmt: skip
    setattr(UntypedStorage, _name, _conversion(_d))


# --- of tensors ----------------------------------------------------------------------------------------------------


def _warn_of_removal() -> None:
    warn_once(
        "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only storage class. This should "
        "only matter to you if you are using storages directly.  To access UntypedStorage directly, use tensor.untyped_storage() "
        "instead of tensor.storage()",
        ever=True,
    )


def untyped_storage(self: Tensor) -> UntypedStorage:
    return UntypedStorage._over(self._storage, self)


def storage(self: Tensor) -> TypedStorage:
    _warn_of_removal()
    return TypedStorage._over(self._storage, self)


Tensor.untyped_storage, Tensor.storage, Tensor._typed_storage = untyped_storage, storage, storage  # type: ignore[attr-defined]


# --- old names -----------------------------------------------------------------------------------------------------


class _StorageMeta(type):
    """A storage is an instance of `FloatStorage` when its elements are float32, whichever class made it."""

    dtype: dt.dtype

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, TypedStorage) and x.dtype is cls.dtype


def _new(d: dt.dtype) -> Any:
    def __new__(cls: type, *args: Any, wrap_storage: Any = None) -> TypedStorage:
        """The elements of a sequence, that many elements without set values, what bytes mean, or none."""
        options = f"<class 'torch.{cls.__name__}'>.__new__ received an invalid combination of arguments. Expected one of:\n"
        options += " * no arguments\n * (int size)\n * (Sequence data)\n * (*, UntypedStorage wrap_storage)\n"
        if len(args) > 1:
            raise RuntimeError(f"{options}Too many positional arguments")
        if wrap_storage is None and args and not _is_content(args[0]):
            raise TypeError(f"{options}Argument type not recognized: {type(args[0])}")
        return TypedStorage(*args, dtype=d, wrap_storage=wrap_storage)

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
