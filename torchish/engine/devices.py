"""The map between torch device names and JAX devices."""

from __future__ import annotations

import functools

import jax


@functools.cache
def jax_device(name: str):
    """The JAX device of "cpu", "cuda:0", "xla:1"…; RuntimeError when the machine has none."""
    kind, _, index = name.partition(":")
    return devices_of(kind)[int(index or 0)]


@functools.cache
def devices_of(kind: str) -> list:
    """All JAX devices of a torch device type ("cpu", "cuda", "xla"); empty when there are none."""
    backends = {"cpu": ("cpu",), "cuda": ("cuda", "gpu", "rocm"), "xla": ("tpu",), "tpu": ("tpu",)}.get(kind, ())
    for backend in backends:
        try:
            return list(jax.devices(backend))
        except RuntimeError:
            continue
    return []
