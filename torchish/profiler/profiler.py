"""`torch.profiler.profile`: which steps are measured, and what is done with each measurement."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from torchish._C._profiler import ProfilerActivity
from torchish.autograd import profiler as prof


class ProfilerAction(Enum):
    """What a schedule asks for at a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


ProfilerAction.__module__ = "torch.profiler.profiler"
_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def _chosen(activities: Iterable) -> set[ProfilerActivity]:
    """The activities of a list, of which each is there at most once, by itself or with the names of what to collect of it."""
    chosen: set[ProfilerActivity] = set()
    items = list(activities)
    known = [isinstance(item, (ProfilerActivity, dict)) for item in items]
    for item, is_known in zip(items, known, strict=True):
        if not is_known and any(known):
            raise TypeError(f"Expected ProfilerActivity or dict, got {type(item)}")
        for activity in item if isinstance(item, dict) else [item] if is_known else []:
            if activity in chosen:
                raise ValueError(f"Activity {activity} specified more than once")
            chosen.add(activity)
    return chosen


def supported_activities() -> set[ProfilerActivity]:
    """The activities that can be measured on this machine."""
    from torchish.cuda import is_available

    return {ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_available() else [])}


def kineto_available() -> bool:
    """False: that is PyTorch's tracing library."""
    return False


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """A schedule of cycles: after `skip_first` steps, `wait` idle ones, `warmup` unmeasured ones, `active` measured ones; `repeat` times.

    `repeat` 0 means without end; with `skip_first_wait` the first cycle does not wait. AssertionError for negative numbers.
    """

    def schedule_fn(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait != 0:
            step += wait
        cycle = wait + warmup + active
        if repeat > 0 and step / cycle >= repeat:
            return ProfilerAction.NONE
        place = step % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )
    if warmup == 0:
        warnings.warn("Profiler won't be using warmup, this can skew profiler results", stacklevel=2)
    return schedule_fn


def _always(_: int) -> ProfilerAction:
    return ProfilerAction.RECORD


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False, use_python_export: bool = False
) -> Callable[[profile], None]:
    """A handler for `on_trace_ready` that writes each trace to a folder for TensorBoard; RuntimeError if it cannot be made."""

    def handler_fn(p: profile) -> None:
        nonlocal worker_name
        if not os.path.isdir(dir_name):
            try:
                os.makedirs(dir_name, exist_ok=True)
            except Exception as e:
                raise RuntimeError("Can't create directory: " + dir_name) from e
        if not worker_name:
            worker_name = f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker_name}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        p.export_chrome_trace(os.path.join(dir_name, name))

    return handler_fn


class profile:
    """Measures the operations of a block, or of the steps that `schedule` chooses; call `step()` after each.

    `on_trace_ready(prof)` is called at the end of each measured cycle. `record_shapes` keeps the operations' input shapes,
    `profile_memory` the bytes of their results. `with_stack`, `with_flops` and `with_modules` are taken, and add nothing to the tables.
    """

    __module__ = "torch.profiler.profiler"

    def __init__(self, *, activities: Iterable | None = None, schedule: Callable[[int], ProfilerAction] | None = None,
                 on_trace_ready: Callable[[profile], Any] | None = None, record_shapes: bool = False, profile_memory: bool = False,
                 with_stack: bool = False, with_flops: bool = False, with_modules: bool = False, experimental_config: Any = None,
                 execution_trace_observer: Any = None, acc_events: bool = False, use_cuda: bool | None = None,
                 custom_trace_id_callback: Callable[[], str] | None = None, post_processing_timeout_s: float | None = None):  # fmt: skip
        if activities is None:
            chosen = supported_activities()
        else:
            chosen = _chosen(activities)
        if use_cuda is not None:
            warnings.warn("`use_cuda` is deprecated, use `activities` argument instead", FutureWarning, stacklevel=2)
            chosen = chosen | {ProfilerActivity.CUDA} if use_cuda else chosen - {ProfilerActivity.CUDA}
        if not chosen:
            raise AssertionError("No valid profiler activities found")
        self.activities = chosen
        self.record_shapes, self.profile_memory, self.with_stack = record_shapes, profile_memory, with_stack
        self.with_flops, self.with_modules, self.acc_events = with_flops, with_modules, acc_events
        self.schedule = schedule or _always
        self.record_steps = schedule is not None
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.step_rec_fn: prof.record_function | None = None
        self.current_action = self.schedule(0)
        self.profiler: prof.profile | None = None
        self._running = False
        self._metadata: dict[str, str] = {}
        self._before: list = []  # with `acc_events`: the events of earlier cycles

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; a schedule decides whether the first step is measured."""
        if self.current_action in _RECORDING:
            self._begin()
        self._label_step()

    def stop(self) -> None:
        """End, and hand what was measured last to `on_trace_ready`."""
        self._unlabel_step()
        if self.current_action in _RECORDING:
            self._end()
            self._ready()

    def step(self) -> None:
        """Say that the next step begins."""
        self._unlabel_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE:
            self._end()
            self._ready()
            if self.current_action in _RECORDING:
                self._begin()
        elif before is ProfilerAction.RECORD and self.current_action not in _RECORDING:
            warnings.warn("Incorrect schedule: RECORD followed by NONE or WARMUP", stacklevel=2)
            self._end()
        elif before not in _RECORDING and self.current_action in _RECORDING:
            self._begin()
        self._label_step()

    def _label_step(self) -> None:
        if self.record_steps:
            self.step_rec_fn = prof.record_function(f"ProfilerStep#{self.step_num}")
            self.step_rec_fn.__enter__()

    def _unlabel_step(self) -> None:
        if self.step_rec_fn is not None:
            self.step_rec_fn.__exit__(None, None, None)
            self.step_rec_fn = None

    def _begin(self) -> None:
        device = "cuda" if ProfilerActivity.CUDA in self.activities else None
        self.profiler = prof.profile(use_device=device, record_shapes=self.record_shapes, profile_memory=self.profile_memory)
        self.profiler.__enter__()
        self._running = True

    def _end(self) -> None:
        if self._running and self.profiler is not None:
            self._running = False
            self.profiler.__exit__(None, None, None)
            if self.acc_events and self.profiler.function_events is not None:
                self._before += self.profiler.function_events
                self.profiler.function_events[:] = self._before

    def _ready(self) -> None:
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def events(self) -> prof.EventList | None:
        """The events of the last measured cycle; AssertionError before there is one."""
        if self.profiler is None:
            raise AssertionError("Profiler must be initialized before accessing events")
        return self.profiler.function_events

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> prof.EventList:
        """The events added up by name (and input shapes); AssertionError before there are any."""
        if self.profiler is None:
            raise AssertionError("Profiler must be initialized before getting key averages")
        return self.profiler.key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def export_chrome_trace(self, path: str, *, use_python_export: bool = False) -> None:
        """Write the events for chrome://tracing, Perfetto and TensorBoard; compressed if `path` ends with .gz."""
        if self.profiler is None:
            raise AssertionError("Profiler must be initialized before exporting chrome trace")
        events = [
            {
                "ph": "X", "cat": _category(e), "name": e.name, "pid": os.getpid(), "tid": e.thread, "ts": e.start,
                "dur": e.cpu_time_total, "args": {"Input Dims": e.input_shapes} if e.input_shapes else {},
            }
            for e in self.profiler.function_events or ()
        ]  # fmt: skip
        extra = {k: json.loads(v) for k, v in self._metadata.items()}
        trace = {"schemaVersion": 1, "deviceProperties": [], **extra, "traceEvents": events, "displayTimeUnit": "ms", "traceName": path}
        data = json.dumps(trace).encode()
        with gzip.open(path, "wb") if path.endswith(".gz") else open(path, "wb") as file:
            file.write(data)

    def add_metadata(self, key: str, value: str) -> None:
        """Put a text into the trace."""
        self._metadata[key] = json.dumps(value)

    def add_metadata_json(self, key: str, value: str) -> None:
        """Put a JSON value into the trace."""
        self._metadata[key] = value

    preset_metadata_json = add_metadata_json


def _category(e: prof.FunctionEvent) -> str:
    return "user_annotation" if e.is_user_annotation else "xla_program" if e.name == "torchish::program" else "cpu_op"
