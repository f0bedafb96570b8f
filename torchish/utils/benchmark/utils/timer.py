"""`Timer`: runs a statement until its time is known."""

from __future__ import annotations

import enum
import textwrap
import timeit
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

import torchish as torch
from torchish.engine.expr import LOCAL
from torchish.engine.program import ON_RUN, Program, evaluate_all
from torchish.utils.benchmark.utils.common import Measurement, TaskSpec, set_torch_threads


def timer() -> float:
    """The time in seconds, once everything that was called for has been started (under a `Timer`, computed)."""
    evaluate_all()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return timeit.default_timer()


def _compute() -> None:
    """Called at the end of each execution: run what it called for, also what nobody refers to any more."""
    pending = LOCAL.pending
    used = {id(x) for e in pending for x in e.inputs or ()}
    results = [e for e in pending if id(e) not in used]
    evaluate_all()
    del results


def _wait(program: Program, start: int, end: int) -> None:
    """One of `ON_RUN`: with any of these a program is waited for when it runs, as PyTorch's functions are on a CPU."""


class Language(enum.Enum):
    """The language of a statement."""

    PYTHON = 0
    CPP = 1


class Timer:
    """Measures a statement: `Timer("x @ x", globals={"x": x}).blocked_autorange()`.

    Each execution runs what the statement called for, also where its result is dropped, and the default `timer` waits for that: the
    time is that of the computation, not of recording it.
    `label`, `sub_label`, `description` and `env` say what is measured, for `Compare`. ValueError for statements in C++.
    """

    _timer_cls: type[timeit.Timer] = timeit.Timer

    def __init__(self, stmt: str = "pass", setup: str = "pass", global_setup: str = "", timer: Callable[[], float] = timer,
                 globals: dict[str, Any] | None = None, label: str | None = None, sub_label: str | None = None,
                 description: str | None = None, env: str | None = None, num_threads: int = 1,
                 language: Language | str = Language.PYTHON):  # fmt: skip
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if language in (Language.CPP, "cpp", "c++"):
            raise ValueError("torchish has no C++ to measure statements in")
        if language not in (Language.PYTHON, "py", "python"):
            raise ValueError(f"Invalid language `{language}`.")
        if global_setup:
            raise ValueError(
                f"global_setup is C++ only, got `{global_setup}`. Most likely this code can simply be moved to `setup`."
            )
        # As for strings of code in triple quotes: no common indentation, no line break at either end.
        stmt, setup = (textwrap.dedent(code).removeprefix("\n").rstrip() for code in (stmt, setup))
        self._globals = dict(globals or {})
        self._globals.setdefault("torch", torch)
        names = {**self._globals, _compute.__name__: _compute}
        self._timer = self._timer_cls(stmt=f"{stmt}\n{_compute.__name__}()", setup=setup, timer=timer, globals=names)
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)

    def _timeit(self, number: int) -> float:
        ON_RUN.append(_wait)
        try:
            return max(self._timer.timeit(number), 1e-9)  # never zero, which would have no logarithm
        finally:
            ON_RUN.remove(_wait)

    def timeit(self, number: int = 1000000) -> Measurement:
        """One measurement of `number` executions, after a hundredth of them to warm up."""
        with set_torch_threads(self._task_spec.num_threads):
            self._timeit(max(int(number // 100), 2))
            return Measurement(number, [self._timeit(number)], self._task_spec)

    def repeat(self, repeat: int = -1, number: int = -1) -> None:
        """NotImplementedError, as in PyTorch."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Callable[[int, float], NoReturn] | None = None) -> None:
        """NotImplementedError, as in PyTorch."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def _block_size(self, min_run_time: float) -> int:
        """How many executions take so long that asking for the time costs next to nothing."""
        with set_torch_threads(self._task_spec.num_threads):
            self._timeit(2)  # compiling is no part of it
            overhead = float(np.median([self._timeit(0) for _ in range(5)]))
            number = 1
            while True:
                taken = self._timeit(number)
                if (overhead / taken <= 1e-4 and taken >= min_run_time / 1000) or taken > min_run_time or number * 10 > 2147483647:
                    return number
                number *= 10

    def _measure(self, number: int, stop: Callable[[list[float]], bool], min_run_time: float, max_run_time: float | None,
                 callback: Callable[[int, float], Any] | None) -> Measurement:  # fmt: skip
        times: list[float] = []
        done = False
        with set_torch_threads(self._task_spec.num_threads):
            while sum(times) < min_run_time or not done:
                times.append(self._timeit(number))
                if callback:
                    callback(number, times[-1])
                done = stop(times)
                if max_run_time and sum(times) > max_run_time:
                    break
        return Measurement(number, times, self._task_spec)

    def blocked_autorange(self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2) -> Measurement:
        """Measurements of blocks of executions, until `min_run_time` seconds have passed."""
        return self._measure(self._block_size(min_run_time), lambda times: True, min_run_time, None, callback)

    def adaptive_autorange(self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0,
                           callback: Callable[[int, float], Any] | None = None) -> Measurement:  # fmt: skip
        """The same, until the interquartile range is below `threshold` times the median, or `max_run_time` seconds have passed."""
        number = self._block_size(0.05)

        def stop(times: list[float]) -> bool:
            return len(times) > 3 and Measurement(number, times, self._task_spec).meets_confidence(threshold)

        return self._measure(number, stop, min_run_time, max_run_time, callback)
