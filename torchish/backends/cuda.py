"""`torch.backends.cuda`."""

import contextlib
import warnings
from collections.abc import Iterator

from torchish._settings import get_float32_matmul_precision, set_float32_matmul_precision
from torchish._tensor.nn_functional.attention import WANTED
from torchish.backends._precision import Float32Precision


class _MatmulFlags(Float32Precision):
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True

    @property
    def allow_tf32(self) -> bool:
        return get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        self._set("tf32" if value else "ieee")

    @property
    def fp32_precision(self) -> str:
        return "tf32" if self.allow_tf32 else "none" if self._precision == "none" else "ieee"

    @fp32_precision.setter
    def fp32_precision(self, value: str) -> None:
        self._set(value)

    def _set(self, value: str) -> None:
        super()._set(value)
        set_float32_matmul_precision("high" if value == "tf32" else "highest")


matmul = _MatmulFlags("cuda", "none")


def is_built() -> bool:
    from torchish.cuda import is_available

    return is_available()




def flash_sdp_enabled() -> bool:
    return WANTED["flash"]


def mem_efficient_sdp_enabled() -> bool:
    return WANTED["mem_efficient"]


def math_sdp_enabled() -> bool:
    return WANTED["math"]


def cudnn_sdp_enabled() -> bool:
    return WANTED["cudnn"]


def enable_flash_sdp(enabled: bool) -> None:
    WANTED["flash"] = bool(enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    WANTED["mem_efficient"] = bool(enabled)


def enable_math_sdp(enabled: bool) -> None:
    WANTED["math"] = bool(enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    WANTED["cudnn"] = bool(enabled)


@contextlib.contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> Iterator[dict]:
    """`torch.nn.attention.sdpa_kernel` of the kernels enabled; deprecated."""
    from torchish.nn.attention import SDPBackend, sdpa_kernel

    warnings.warn(
        "`torch.backends.cuda.sdp_kernel()` is deprecated. In the future, this context manager will be removed. "
        "Please see `torch.nn.attention.sdpa_kernel()` for the new context manager, with updated signature.",
        FutureWarning,
        stacklevel=2,
    )
    enabled = {
        SDPBackend.FLASH_ATTENTION: enable_flash,
        SDPBackend.EFFICIENT_ATTENTION: enable_mem_efficient,
        SDPBackend.MATH: enable_math,
        SDPBackend.CUDNN_ATTENTION: enable_cudnn,
    }

    def block() -> Iterator[dict]:
        with sdpa_kernel([backend for backend, wanted in enabled.items() if wanted]) as context:
            yield context

    return block()  # the warning belongs to the call, not to the block


__all__ = [
    "cudnn_sdp_enabled", "enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp", "flash_sdp_enabled",
    "is_built", "math_sdp_enabled", "matmul", "mem_efficient_sdp_enabled", "sdp_kernel",
]  # fmt: skip
