"""`torch.autograd.profiler`: what ran, how often and how long.

torchish records operations as they are called and computes them in fused programs. Both are measured: an event
`aten::mul` is the time of the call (checking, shape inference, recording), and an event `torchish::program` is one
run of a compiled program, from launch to the last result. Leaving the profiler runs what is still pending, so that the
work of the profiled block is in the profile. The memory of an `aten::` event (`profile_memory`) is that of its results: a
program keeps only those of them that are asked for.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from typing import Any

from torchish.engine import program as engine


class FunctionEvent:
    """One measured call: name, start and end in microseconds, thread, input shapes, children."""

    def __init__(self, name: str, start: float, thread: int, shapes=(), is_user: bool = False):
        self.name = name
        self.key = "ProfilerStep*" if name.startswith("ProfilerStep#") else name
        self.start = start
        self.end = start
        self.thread = thread
        self.input_shapes = list(shapes)
        self.is_user_annotation = is_user
        self.children_time = 0.0
        self.cpu_children: list[FunctionEvent] = []
        self.count = 1
        self.is_async = False
        self.device_time_total = self.self_device_time_total = 0.0
        self.cuda_time_total = self.self_cuda_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.device_memory_usage = self.self_device_memory_usage = 0
        self.stack: list = []
        self.parent: FunctionEvent | None = None

    @property
    def time_range(self):
        return Interval(self.start, self.end)

    @property
    def cpu_time_total(self) -> float:
        return self.end - self.start

    cpu_time = cpu_time_total

    @property
    def self_cpu_time_total(self) -> float:
        return self.end - self.start - self.children_time

    @property
    def cpu_time_str(self) -> str:
        return format_time(self.cpu_time_total)

    @property
    def cpu_time_total_str(self) -> str:
        return format_time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        return format_time(self.self_cpu_time_total)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent name={self.name} thread={self.thread} cpu_time={self.cpu_time_str} "
            f"input_shapes={self.input_shapes!s}>"
        )


class Interval:
    """Start and end of an event, in microseconds."""

    def __init__(self, start: float, end: float):
        self.start, self.end = start, end

    def elapsed_us(self) -> float:
        return self.end - self.start


class FunctionEventAvg:
    """Events of one key added up."""

    def __init__(self, key: str, input_shapes: Any = ""):
        self.key = key
        self.count = 0
        self.cpu_time_total = 0.0
        self.self_cpu_time_total = 0.0
        self.device_time_total = self.self_device_time_total = 0.0
        self.cuda_time_total = self.self_cuda_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.device_memory_usage = self.self_device_memory_usage = 0
        self.input_shapes = input_shapes
        self.is_user_annotation = False

    def add(self, e: FunctionEvent) -> None:
        self.count += 1
        self.cpu_time_total += e.cpu_time_total
        self.self_cpu_time_total += e.self_cpu_time_total
        self.cpu_memory_usage += e.cpu_memory_usage
        self.self_cpu_memory_usage += e.self_cpu_memory_usage

    @property
    def cpu_time(self) -> float:
        return self.cpu_time_total / self.count if self.count else 0.0

    device_time = cuda_time = 0.0

    @property
    def cpu_time_str(self) -> str:
        return format_time(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        return format_time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        return format_time(self.self_cpu_time_total)

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} cpu_time={self.cpu_time_str} "
            f" self_cuda_time={format_time(0.0)} cuda_time={format_time(0.0)} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage} cuda_memory_usage=0>"
        )


def format_time(us: float) -> str:
    """Microseconds as text: `1.234ms`."""
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    if us >= 1e3:
        return f"{us / 1e3:.3f}ms"
    return f"{us:.3f}us"


def format_memory(count: int) -> str:
    """A number of bytes as text: `1.50 KB`."""
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if abs(count) >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def format_share(part: float, total: float) -> str:
    return f"{part * 100.0 / total:.2f}%" if total else "NaN" if part else "0.00%"


class EventList(list):
    """Measured events; `key_averages()` groups them, `table()` prints them."""

    def __init__(self, events=(), use_device: str | None = None, profile_memory: bool = False):
        super().__init__(events)
        self.use_device = use_device
        self.profile_memory = profile_memory

    def __str__(self) -> str:
        return self.table()

    @property
    def self_cpu_time_total(self) -> float:
        return sum(e.self_cpu_time_total for e in self)

    def key_averages(
        self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """One row per name (and input shapes), added up."""
        groups: dict[tuple, FunctionEventAvg] = {}
        for e in self:
            key = (e.key, str(e.input_shapes) if group_by_input_shapes else "")
            avg = groups.get(key)
            if avg is None:
                avg = groups[key] = FunctionEventAvg(e.key, e.input_shapes if group_by_input_shapes else "")
            avg.add(e)
        return EventList(groups.values(), self.use_device, self.profile_memory)

    def total_average(self) -> FunctionEventAvg:
        """All events added up."""
        total = FunctionEventAvg("Total")
        for e in self:
            total.count += e.count
            total.cpu_time_total += e.cpu_time_total
            total.self_cpu_time_total += e.self_cpu_time_total
            total.cpu_memory_usage += e.cpu_memory_usage
            total.self_cpu_memory_usage += e.self_cpu_memory_usage
        return total

    def table(self, sort_by: str | None = None, row_limit: int = 100, max_src_column_width: int = 75, max_name_column_width: int = 55,
              max_shapes_column_width: int = 80, header: str | None = None, top_level_events_only: bool = False,
              time_unit=None) -> str:  # fmt: skip
        """The events as a text table, sorted by a field such as `self_cpu_time_total`."""
        rows = list(self)
        if not rows:
            return ""
        if sort_by is not None:
            rows.sort(key=lambda e: getattr(e, sort_by.replace("cuda", "device")), reverse=True)
        shapes = any(getattr(e, "input_shapes", None) for e in rows)
        width = min(max(len(e.key) for e in rows) + 4, max_name_column_width)
        columns = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"]
        if self.use_device:
            d = self.use_device.upper()
            columns += [f"Self {d}", f"Self {d} %", f"{d} total", f"{d} time avg"]
        if self.profile_memory:
            columns += ["CPU Mem", "Self CPU Mem"]
        columns.append("# of Calls")
        widths = [max(width, 4)] + [12] * (len(columns) - 1)
        if shapes:
            columns.append("Input Shapes")
            widths.append(min(max(max(len(str(e.input_shapes)) for e in rows) + 4, 12), max_shapes_column_width))
        total = sum(e.self_cpu_time_total for e in rows)
        line = "".join("-" * w + "  " for w in widths)
        out = []
        if header is not None:
            out += ["=" * (len(line) - 2), header]
        out += [line, "".join(f"{c:>{w}}  " for c, w in zip(columns, widths, strict=True)), line]
        for e in rows[: row_limit if row_limit >= 0 else None]:
            name = e.key if len(e.key) <= max_name_column_width - 3 else e.key[: max_name_column_width - 3] + "..."
            count = e.count
            cells = [
                name, format_share(e.self_cpu_time_total, total), format_time(e.self_cpu_time_total),
                format_share(e.cpu_time_total, total), format_time(e.cpu_time_total), format_time(e.cpu_time_total / count),
            ]  # fmt: skip
            if self.use_device:
                cells += [format_time(0.0), "0.00%", format_time(0.0), format_time(0.0)]
            if self.profile_memory:
                cells += [format_memory(e.cpu_memory_usage), format_memory(e.self_cpu_memory_usage)]
            cells.append(str(count))
            if shapes:
                text = str(e.input_shapes)
                cells.append(text if len(text) <= max_shapes_column_width else text[: max_shapes_column_width - 3] + "...")
            out.append("".join(f"{c:>{w}}  " for c, w in zip(cells, widths, strict=True)))
        out += [line, f"Self CPU time total: {format_time(total)}"]
        if self.use_device:
            out.append(f"Self {self.use_device.upper()} time total: {format_time(0.0)}")
        return "\n".join(out) + "\n"

    def export_chrome_trace(self, path: str) -> None:
        """Write the events in Chrome's trace format (chrome://tracing, Perfetto)."""
        trace = [
            {
                "name": e.name, "ph": "X", "ts": e.start, "dur": e.cpu_time_total, "tid": e.thread, "pid": "CPU functions",
                "args": {"Input Dims": e.input_shapes} if e.input_shapes else {},
            }
            for e in self
        ]  # fmt: skip
        with open(path, "w") as f:
            json.dump(trace, f)

    def supported_export_stacks_metrics(self) -> list[str]:
        return ["self_cpu_time_total", "self_cuda_time_total", "self_xpu_time_total", "self_privateuse1_time_total"]


class Recorder:
    """Collects the events of one profile."""

    def __init__(self, record_shapes: bool, profile_memory: bool = False):
        self.events: list[FunctionEvent] = []
        self.record_shapes, self.profile_memory = record_shapes, profile_memory
        self.stacks: dict[int, list[FunctionEvent]] = defaultdict(list)

    def push(self, name: str, shapes=(), is_user: bool = False) -> FunctionEvent:
        thread = threading.get_ident()
        e = FunctionEvent(name, time.perf_counter_ns() / 1000, thread, shapes if self.record_shapes else (), is_user)
        stack = self.stacks[thread]
        if stack:
            e.parent = stack[-1]
            stack[-1].cpu_children.append(e)
        stack.append(e)
        self.events.append(e)
        return e

    def pop(self, e: FunctionEvent) -> None:
        e.end = time.perf_counter_ns() / 1000
        stack = self.stacks[e.thread]
        while stack and stack.pop() is not e:
            pass
        if e.parent is not None:
            e.parent.children_time += e.end - e.start
            e.parent.cpu_memory_usage += e.cpu_memory_usage

    def ran(self, program, start_ns: int, end_ns: int) -> None:
        """A compiled program ran (called by the engine)."""
        thread = threading.get_ident()
        e = FunctionEvent("torchish::program", start_ns / 1000, thread)
        e.end = end_ns / 1000
        stack = self.stacks[thread]
        if stack:
            e.parent = stack[-1]
            stack[-1].cpu_children.append(e)
            stack[-1].children_time += e.end - e.start
        self.events.append(e)


ACTIVE: Recorder | None = None


def measured(f, spec, flat, *rest):
    """Call `f(spec, flat, …)` as an `aten::` event of the active profile."""
    recorder = ACTIVE
    assert recorder is not None
    name = (spec.op.name if spec.op is not None else spec.name).rpartition(".")[2].lstrip("_")
    if f.__name__ == "_apply_inplace" and name[-1] != "_":
        name += "_"
    shapes = [list(x.shape) if hasattr(x, "shape") else [] for x in flat] if recorder.record_shapes else ()
    e = recorder.push(f"aten::{name}", shapes)
    try:
        made = f(spec, flat, *rest)
        if recorder.profile_memory:
            results = [t for t in (made if isinstance(made, tuple) else (made,)) if all(t is not x for x in flat)]
            e.self_cpu_memory_usage = e.cpu_memory_usage = sum(t._aval.size * t._aval.dtype.itemsize for t in results)
        return made
    finally:
        recorder.pop(e)


def measured_backward(name: str, run, grads: list, record: bool) -> list:
    """Run a gradient function as an event of the active profile."""
    recorder = ACTIVE
    assert recorder is not None
    e = recorder.push(f"autograd::engine::evaluate_function: {name}")
    try:
        return run(grads, record)
    finally:
        recorder.pop(e)


def _install(recorder: Recorder | None) -> None:
    """Make `recorder` the active profile of the operations and the tape (None: no profile)."""
    global ACTIVE
    from torchish._tensor import apply
    from torchish.autograd import graph

    ACTIVE = recorder
    apply.PROFILER = None if recorder is None else measured
    graph.PROFILER = None if recorder is None else measured_backward


class profile:
    """Measure the operations of a block: `with profile() as prof: …; print(prof.key_averages().table())`."""

    __module__ = "torch.autograd.profiler"

    def __init__(self, enabled: bool = True, *, use_cuda: bool = False, use_device: str | None = None, record_shapes: bool = False,
                 with_flops: bool = False, profile_memory: bool = False, with_stack: bool = False, with_modules: bool = False,
                 use_kineto: bool = True, use_cpu: bool = True, **kwargs: Any):  # fmt: skip
        self.enabled = enabled
        self.use_device = "cuda" if use_cuda else use_device
        if self.use_device == "cuda":
            from torchish.engine.devices import devices_of

            if not devices_of("cuda"):
                import warnings

                warnings.warn("CUDA is not available, disabling CUDA profiling", stacklevel=2)
                self.use_device = None
        self.record_shapes, self.profile_memory = record_shapes, profile_memory
        self.function_events: EventList | None = None
        self.entered = False

    def __enter__(self):
        if not self.enabled:
            return self
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self.entered = True
        engine.evaluate_all()
        self._recorder = Recorder(self.record_shapes, self.profile_memory)
        self._outer = ACTIVE
        _install(self._recorder)
        engine.ON_RUN.append(self._recorder.ran)
        return self

    def __exit__(self, *exc):
        if not self.enabled:
            return False
        engine.evaluate_all()
        engine.ON_RUN.remove(self._recorder.ran)
        _install(self._outer)
        self.function_events = EventList(self._recorder.events, self.use_device, self.profile_memory)
        return False

    def _checked(self) -> EventList:
        if self.function_events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self.function_events

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self.function_events is None else repr(self.function_events)

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self.function_events is None else str(self.function_events)

    def table(self, *args, **kwargs) -> str:
        return self._checked().table(*args, **kwargs)

    def key_averages(self, *args, **kwargs) -> EventList:
        return self._checked().key_averages(*args, **kwargs)

    def total_average(self) -> FunctionEventAvg:
        return self._checked().total_average()

    def export_chrome_trace(self, path: str) -> None:
        return self._checked().export_chrome_trace(path)

    @property
    def self_cpu_time_total(self) -> float:
        return self._checked().self_cpu_time_total


class record_function:
    """Label a block of a profile; context manager and decorator."""

    __module__ = "torch.autograd.profiler"

    def __init__(self, name: str, args: str | None = None):
        self.name = name
        self._event: FunctionEvent | None = None

    def __enter__(self):
        if ACTIVE is not None:
            self._recorder = ACTIVE
            self._event = ACTIVE.push(self.name, is_user=True)
        return self

    def __exit__(self, *exc):
        if self._event is not None:
            self._recorder.pop(self._event)
            self._event = None

    def __call__(self, f):
        import functools

        @functools.wraps(f)
        def wrapped(*args, **kwargs):
            with record_function(self.name):
                return f(*args, **kwargs)

        return wrapped


class emit_nvtx:
    """Accepted for scripts that use it; XLA's own profiler (`jax.profiler`) traces accelerators."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False):
        self.enabled = enabled

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False


__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "emit_nvtx", "profile", "record_function"]
