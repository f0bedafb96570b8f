"""Every operation as a pure function of arrays, a file per family; also the public namespace `torch.ops`."""


def __getattr__(name: str):
    # torch.ops.aten: the one thing here that is no family of pure functions
    if name == "aten":
        from torchish._tensor.aten import ATEN

        return ATEN
    raise AttributeError(f"module 'torch.ops' has no attribute '{name}'")
