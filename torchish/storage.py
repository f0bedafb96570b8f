"""`torch.storage`: the memory that tensors look at."""

from torchish._tensor.storages import TypedStorage, UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
