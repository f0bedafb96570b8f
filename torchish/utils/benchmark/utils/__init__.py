"""The files of `torch.utils.benchmark`, under the names that its classes go by."""

from torchish._runner import missing_attribute


def __getattr__(name: str):
    raise missing_attribute(__name__, name)
