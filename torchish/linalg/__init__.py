"""`torch.linalg`: decompositions, solvers, norms and products of matrices."""

from torchish._tensor import namespace as _namespace
from torchish._tensor.linalg import LinAlgError

_functions = _namespace.functions("linalg")
globals().update(_functions)
__all__ = ["LinAlgError", *_functions]
