"""PyTorch's exceptions of its tracer: what `torch.compile(f, fullgraph=True)` raises for a function that is not one program."""


class TorchDynamoException(RuntimeError):
    """Base class."""

    __module__ = "torch._dynamo.exc"


class Unsupported(TorchDynamoException):
    """The function asks for something while it is captured that only running it can tell."""

    __module__ = "torch._dynamo.exc"

    def __init__(self, msg: str, gb_type: str | None = None, skip_frame: bool = False):
        super().__init__(msg)
        self.msg = msg
        self.gb_type = gb_type
        self.skip_frame = skip_frame


class InternalTorchDynamoError(TorchDynamoException):
    """Never raised here."""

    __module__ = "torch._dynamo.exc"


class BackendCompilerFailed(TorchDynamoException):
    """Never raised here."""

    __module__ = "torch._dynamo.exc"


class UserError(TorchDynamoException):
    """Never raised here."""

    __module__ = "torch._dynamo.exc"


__all__ = ["BackendCompilerFailed", "InternalTorchDynamoError", "TorchDynamoException", "Unsupported", "UserError"]
