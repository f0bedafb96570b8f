"""`torch.Size` and `torch.device`."""

from __future__ import annotations

from typing import Any

from torchish.engine.devices import devices_of


# What pickles refer to: `torch.Size` may not be importable under that name.
def _size(shape) -> Size:
    return Size(shape)


def _device(kind, index) -> device:
    return device(kind, index)


class Size(tuple):
    """A shape: a tuple of integers that prints as ``torch.Size([2, 3])``."""

    __module__ = "torch"
    __slots__ = ()

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    __str__ = __repr__

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        n = 1
        for s in self:
            n *= s
        return n

    def __add__(self, other):
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to torch.Size")
        return Size(tuple.__add__(self, other))

    def __radd__(self, other):
        return Size(tuple.__add__(tuple(other), self))

    def __mul__(self, n):
        return Size(tuple.__mul__(self, n))

    __rmul__ = __mul__

    def __getitem__(self, i):
        got = tuple.__getitem__(self, i)
        return Size(got) if isinstance(i, slice) else got

    def __reduce__(self):
        return _size, (tuple(self),)


_TYPES = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla", "lazy",
    "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip

# Kinds of which PyTorch says that it was built without them, and what it adds.
_NOT_COMPILED = {
    "cuda": "",
    "xpu": "",
    "mtia": ". Ensure you have `import mtia.host_runtime.torch_mtia.dynamic_library` in your python src file and include "
    "`//mtia/host_runtime/torch_mtia:torch_mtia` as your target dependency!",
}


def _device_arguments(args: tuple, kwargs: dict) -> tuple[Any, int | None]:
    """What `torch.device` is of: (a device, a name or an accelerator's number; index)."""
    from torchish._tensor.errors import device_arguments_error

    only = args[0] if len(args) == 1 and not kwargs else kwargs["device"] if not args and list(kwargs) == ["device"] else None
    if isinstance(only, (str, device, int)) and not isinstance(only, bool):
        return only, None
    names = ("type", "index")
    given = {**dict(zip(names, args, strict=False)), **{k: v for k, v in kwargs.items() if k not in names[: len(args)]}}
    index = given.get("index")
    fits = isinstance(given.get("type"), str) and (index is None or (isinstance(index, int) and not isinstance(index, bool)))
    if len(args) > 2 or given.keys() - set(names) or len(given) < len(args) + len(kwargs) or not fits:
        raise device_arguments_error(args, kwargs)
    return given["type"], index


class device:
    """Where a tensor lives: ``cpu``, ``cuda:0`` (JAX's GPU), ``xla:0`` (JAX's TPU; ``tpu`` is its second name)."""

    __module__ = "torch"
    __slots__ = ("type", "index", "_name")
    type: str
    index: int | None
    _name: str

    def __new__(cls, *args: Any, **kwargs: Any):
        type: Any
        type, index = _device_arguments(args, kwargs)
        if isinstance(type, device):
            return type
        if isinstance(type, int):
            if type < 0:
                raise RuntimeError("Device index must not be negative")
            if not devices_of("cuda"):
                raise RuntimeError("Cannot access accelerator device when none is available.")
            type, index = "cuda", type
        if not type:
            raise RuntimeError("Device string must not be empty")
        name, colon, number = type.partition(":")
        if colon:
            if index is not None:
                raise RuntimeError(f"type (string) must not include an index because index was passed explicitly: {type}")
            if not number.isdigit() or (len(number) > 1 and number[0] == "0"):
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        if index is not None and index < 0:
            raise RuntimeError("Device index must not be negative")
        if name == "tpu":
            name = "xla"
        if name not in _TYPES:
            if not name.isalpha():
                raise RuntimeError(f"Invalid device string: '{type}'")
            raise RuntimeError(
                f"Expected one of {', '.join(_TYPES)} device type at start of device string: {name}"
            )
        self = object.__new__(cls)
        self.type = name
        self.index = index
        self._name = name if name in ("cpu", "meta") else f"{name}:{index or 0}"
        return self

    def __repr__(self) -> str:
        return f"device(type='{self.type}')" if self.index is None else f"device(type='{self.type}', index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other):
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def __reduce__(self):
        return _device, (self.type, self.index)

    def __enter__(self):
        DEFAULT.append(self)
        return self

    def __exit__(self, *exc):
        DEFAULT.pop()


DEFAULT: list[device] = [device("cpu")]  # a stack: `with torch.device(...)` and set_default_device

_by_name: dict[str, device] = {"cpu": DEFAULT[0]}


def device_of(name: str) -> device:
    """The device object that a tensor stored on engine device `name` reports."""
    d = _by_name.get(name)
    if d is None:
        d = _by_name[name] = device("cpu" if name == "traced" else name)
    return d


def resolve(d) -> str:
    """The engine's name for a device argument (None: the default); PyTorch's errors when the machine lacks it."""
    if d is None:
        return DEFAULT[-1]._name
    if not isinstance(d, device):
        d = device(d)
    if d.type in ("cpu", "meta"):
        return d._name
    count = len(devices_of(d.type))
    if not count:
        if d.type in _NOT_COMPILED:
            raise AssertionError(f"Torch not compiled with {d.type.upper()} enabled{_NOT_COMPILED[d.type]}")
        raise RuntimeError(f"PyTorch is not linked with support for {d.type} devices")
    if (d.index or 0) >= count:
        raise RuntimeError("CUDA error: invalid device ordinal" if d.type == "cuda" else f"invalid device ordinal: {d}")
    return d._name
