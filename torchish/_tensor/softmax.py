"""The softmax functions of `torch.nn.functional`, which may choose the dimension themselves."""

from __future__ import annotations

from torchish._tensor.dispatch import call, composite
from torchish._tensor.tensor import Tensor
from torchish._tensor.warn import warn_user
from torchish.ops import softmax as s

_ARGS = "Tensor input, int? dim=None, int _stacklevel=3, dtype? dtype=None"


def _dimension(name: str, input: Tensor, dim: int | None, stacklevel: int) -> int:
    if dim is not None:
        return dim
    warn_user(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
    )
    return 0 if input.ndim in (0, 1, 3) else 1


@composite(f"nn.functional.softmax({_ARGS})", method=False)
def softmax(input, dim, _stacklevel, dtype):
    return call(s.softmax, input, _dimension("softmax", input, dim, _stacklevel), dtype)


@composite(f"nn.functional.log_softmax({_ARGS})", method=False)
def log_softmax(input, dim, _stacklevel, dtype):
    return call(s.log_softmax, input, _dimension("log_softmax", input, dim, _stacklevel), dtype)


@composite(f"nn.functional.softmin({_ARGS})", method=False)
def softmin(input, dim, _stacklevel, dtype):
    return call(s.softmax, -input, _dimension("softmin", input, dim, _stacklevel), dtype)
