"""The few names of PyTorch's C++ module that programs use themselves."""

from torchish._dtypes import dtype
from torchish._runner import missing_attribute
from torchish._tensor.generator import Generator
from torchish._tensor.linalg import LinAlgError as _LinAlgError
from torchish._tensor.size import Size, device
from torchish._tensor.subclasses import DisableTorchFunction, DisableTorchFunctionSubclass
from torchish._tensor.subclasses import disabled_torch_function as _disabled_torch_function_impl
from torchish._tensor.tensor import Tensor as TensorBase


def __getattr__(name: str):
    raise missing_attribute(__name__, name)


__all__ = [
    "DisableTorchFunction", "DisableTorchFunctionSubclass", "Generator", "Size", "TensorBase", "_LinAlgError",
    "_disabled_torch_function_impl", "device", "dtype",
]  # fmt: skip
