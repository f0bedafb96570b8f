"""`torch.testing`, and `agrees_with_torch`, which holds ported code to PyTorch itself."""

from __future__ import annotations

from torchish.testing._agreement import Disagreement, agrees_with_torch, compare_with_torch
from torchish.testing._comparison import assert_allclose, assert_close
from torchish.testing._creation import make_tensor

for _f in (assert_allclose, assert_close, make_tensor):
    _f.__module__ = "torch.testing"

__all__ = ["Disagreement", "agrees_with_torch", "assert_allclose", "assert_close", "compare_with_torch", "make_tensor"]
