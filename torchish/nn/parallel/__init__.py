"""`torch.nn.parallel`: one module on several devices."""

from torchish.nn.parallel import comm as comm
from torchish.nn.parallel.data_parallel import DataParallel, data_parallel
from torchish.nn.parallel.distributed import DistributedDataParallel, DistributedDataParallelCPU
from torchish.nn.parallel.parallel_apply import parallel_apply
from torchish.nn.parallel.replicate import replicate
from torchish.nn.parallel.scatter_gather import gather, scatter

from torchish.nn.parallel import distributed as distributed  # isort: skip

__all__ = [
    "DataParallel", "DistributedDataParallel", "DistributedDataParallelCPU", "data_parallel", "gather",
    "parallel_apply", "replicate", "scatter",
]  # fmt: skip
