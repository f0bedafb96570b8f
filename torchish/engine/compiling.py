"""How XLA compiles a program for the CPU: the choices that are its own options, and why they are made."""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Iterable
from typing import Any

import jax

from torchish.engine.expr import Aval

# Options that this jaxlib turned out not to have.
_UNKNOWN: set[str] = set()

# XLA's fusion emitters take 2.5 times as long to compile a LeNet step (2.1 s of processor time against 0.8 s) and 1.8
# times for programs of one operation (0.12 s against 0.05 s), and many programs run slower: adding, dividing, clamping and
# pooling take up to 2 times as long, exp 2, stack 4, rsqrt 6. But without them a chain of 128 products whose values are all kept takes
# 2.2 s to compile against 0.3 s, and some loops do not become vectors, or are one loop for all elements of a scatter: the gradients of
# GELU, softplus and Mish take 3 to 5 times as long on 1e6 elements, `max` along a dimension, `scatter`, `index_add`, `take` and
# `index_put` 1.7 to 2.4 times, a step of the LSTM workload 54 ms against 49. jaxlib 0.12 no longer has the choice.
_NO_EMITTERS: dict[str, Any] = {"xla_cpu_use_fusion_emitters": False}
_FEW_NODES = 16
_LARGE = 1 << 14  # elements of an array, from which on time counts more than compiling
_EMITTED = {
    "_attention", "_bincount", "_ctc_loss", "_euclidean_dist", "_frames", "_histc", "_index", "_index_add", "_index_copy", "_index_fill",
    "_index_put", "_rnn", "_scatter", "_scatter_add", "_scatter_reduce", "_take", "argmax", "argmin", "gelu", "isin", "log_softmax", "max",
    "max_unpool_nd", "min", "mish", "native_group_norm", "pixel_shuffle", "pixel_unshuffle", "remainder", "softmax", "softplus",
}  # fmt: skip
_EMITTED |= {f"{name}_backward" for name in (*_EMITTED, "_gather", "adaptive_avg_pool_nd", "cosh", "grid_sampler", "sinh")}

# What jaxlib 0.10.2 leaves to YNNPACK: matrix products and reductions, but not its convolutions, which XLA's own ones beat
# (milliseconds, forward / input gradient / weight gradient, theirs and XLA's: 64->64 3x3 on 16x32x32 16 / 15 / 16 and 10 / 9 / 15,
# 32->64 3x3 on 64x26x26 21 / 11 / 21 and 10 / 11 / 13, 3->6 5x5 on 512x32x32 42 / 82 / 102 and 49 / 69 / 15; nowhere the other way round
# by as much). Without its products the MLPs take 1.3 times as long, without its reductions the LSTM 1.1 times.
_OWN_CONVOLUTIONS: dict[str, Any] = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
}

# 16-bit floats are rounded by each operation, where XLA would leave out conversions to them that are followed by one back.
_ROUNDING: dict[str, Any] = {"xla_allow_excess_precision": False}


QUICK_FLAG = "--xla_backend_extra_options=-fast-isel=false"


def _xla_has_started() -> bool:
    """Whether XLA may have read its flags, which it does once, when the first device is asked for."""
    try:
        from jax._src.xla_bridge import backends_are_initialized
    except ImportError:  # JAX has no public way to know
        return True
    return backends_are_initialized()


def _ask_for_quick_code() -> bool:
    """Whether LLVM can be left to write code without optimizing it, which takes half of the time that its first level does.

    It has a quick and a thorough way to do so, and takes the thorough one where the quick one does not know an instruction. Only that makes
    one instruction of a product and a sum: what two loops both compute would differ in the last bit, and `x == x.max()` have no element for
    some `x`. XLA can tell LLVM to take the thorough one always, but is itself told so by the environment only.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    flags = os.environ.get("XLA_FLAGS", "").strip()
    if QUICK_FLAG in flags.split():
        return True  # from a parent process
    is_file = flags and not flags.startswith("-")
    if is_file or "xla_backend_extra_options" in flags or _xla_has_started():
        return False
    os.environ["XLA_FLAGS"] = f"{flags} {QUICK_FLAG}".strip()
    return True


QUICK_CODE = _ask_for_quick_code()  # when torchish is imported, which is mostly before anyone asks JAX for a device
# Drafts (see `drafts`) are compiled without XLA's emitters, and not in several threads, which small programs do not repay.
_DRAFT: dict[str, Any] = {
    **_NO_EMITTERS,
    "xla_backend_optimization_level": 0 if QUICK_CODE else 1,
    "xla_cpu_parallel_codegen_split_count": 1,
}


def any_small_floats(avals: Iterable[Aval]) -> bool:
    """Whether there are floats of 8 or 16 bits, each of which is rounded by itself."""
    return any(a.category == 2 and a.dtype.itemsize < 4 for a in avals)


def compile_lowered(lowered: Any, device: str, ops: list[str], edges: Iterable[Any], values: Iterable[Aval], draft: bool = False) -> Any:
    """Compile for a device a program of these operations, with the options that suit it, where XLA knows them.

    `edges` are the shapes of its arguments and results, `values` those of everything it computes; a `draft` is wanted soon (on CPUs).
    """
    options: dict[str, Any] = {}
    if any_small_floats(values):
        options |= _ROUNDING
    if device.startswith("cpu"):
        convolves = "convolution" in ops
        large = any(math.prod(a.shape) >= _LARGE for a in edges)
        few = len(ops) <= _FEW_NODES and not (large and not _EMITTED.isdisjoint(ops))
        if draft:
            options |= _DRAFT
        elif convolves or few:
            options |= _NO_EMITTERS
        options |= _OWN_CONVOLUTIONS
    while True:
        try:
            return lowered.compile(compiler_options={k: v for k, v in options.items() if k not in _UNKNOWN})
        except jax.errors.JaxRuntimeError as e:
            unknown = re.search(r"No such compile option: '(\w+)'", str(e))
            if unknown is None:
                raise
            _UNKNOWN.add(unknown[1])


__all__ = ["QUICK_CODE", "QUICK_FLAG", "any_small_floats", "compile_lowered"]
