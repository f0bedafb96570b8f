"""The functions of torch.nn.functional: PyTorch's Python layer over the operations in `torchish.ops`."""
