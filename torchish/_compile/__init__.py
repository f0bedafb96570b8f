"""Captured steps: `torch.compile(f, fullgraph=True)` as one program that is run again without running `f`."""
