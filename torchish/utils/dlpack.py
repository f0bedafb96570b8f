"""`torch.utils.dlpack`."""

from torchish._tensor.creation import from_dlpack, to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
