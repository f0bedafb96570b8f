"""`torch.distributed.algorithms`: blocks in which processes may have unequally many batches."""

from torchish.distributed.algorithms.join import Join, Joinable, JoinHook

__all__ = ["Join", "JoinHook", "Joinable"]
