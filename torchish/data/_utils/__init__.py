"""What the loader's iterators and its worker processes are made of.

    collate    samples to batches
    fetch      indices to batches
    errors     exceptions that cross from a worker to its loader
    transport  objects through sockets, large arrays through shared memory
    worker     what runs in a worker process
"""

from torchish.data._utils import collate, errors, fetch, transport, worker
from torchish.data._utils.errors import ExceptionWrapper

MP_STATUS_CHECK_INTERVAL = transport.CHECK_INTERVAL

__all__ = ["ExceptionWrapper", "collate", "errors", "fetch", "transport", "worker"]
