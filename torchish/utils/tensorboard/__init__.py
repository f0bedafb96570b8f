"""`torch.utils.tensorboard`: event files for TensorBoard, written by the library tensorboardX."""

try:
    import tensorboardX  # noqa: F401
except ImportError as error:
    raise ImportError(
        "torch.utils.tensorboard needs the package tensorboardX, which writes the event files: pip install tensorboardX "
        "(torchish's extra `tensorboard` brings it)"
    ) from error

from torchish.utils.tensorboard.writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
