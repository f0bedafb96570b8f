"""`ProfilerActivity`, where PyTorch has it."""

from enum import Enum


class ProfilerActivity(Enum):
    """What is measured. Operations and programs are; XLA's own profiler (`jax.profiler`) looks inside of an accelerator."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


ProfilerActivity.__module__ = "torch._C._profiler"
