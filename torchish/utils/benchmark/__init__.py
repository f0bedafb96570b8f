"""`torch.utils.benchmark`: measures statements, and compares the measurements in tables."""

from torchish._pickling import name_classes
from torchish.utils.benchmark.utils.common import (
    Measurement,
    TaskSpec,
    ordered_unique,
    select_unit,
    set_torch_threads,
    trim_sigfig,
    unit_to_english,
)
from torchish.utils.benchmark.utils.compare import Colorize, Compare
from torchish.utils.benchmark.utils.timer import Language, Timer, timer

name_classes(*[f"{__name__}.utils.{name}" for name in ("common", "compare", "timer")])

__all__ = [
    "Colorize",
    "Compare",
    "Language",
    "Measurement",
    "TaskSpec",
    "Timer",
    "ordered_unique",
    "select_unit",
    "set_torch_threads",
    "timer",
    "trim_sigfig",
    "unit_to_english",
]
