"""Benchmarks: torchish beside PyTorch and hand-written JAX, each in its own process, interleaved in one run."""
