"""`torch.profiler`: schedules, handlers, traces."""

import gzip
import json
import warnings

import pytest
import torch as pytorch

import torchish
from torchish import profiler


@pytest.mark.parametrize(
    "arguments",
    [
        dict(wait=1, warmup=1, active=2),
        dict(wait=0, warmup=0, active=1),
        dict(wait=2, warmup=1, active=3, repeat=2, skip_first=4),
        dict(wait=3, warmup=1, active=1, skip_first=2, skip_first_wait=1),
        dict(wait=0, warmup=1, active=0),
        dict(wait=-1, warmup=1, active=1),
    ],
)
def test_schedule(arguments):
    outcomes = []
    for torch in (pytorch, torchish):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                s = torch.profiler.schedule(**arguments)
                outcomes.append([s(i).name for i in range(24)])
                s(-1)
            except AssertionError as error:
                outcomes.append(str(error))
            outcomes.append([str(w.message) for w in caught])
    assert outcomes[: len(outcomes) // 2] == outcomes[len(outcomes) // 2 :]


def cycles(torch, folder, steps=9, **options):
    """At which steps a handler is called, and which steps the measurement that it gets has."""
    seen = []

    def ready(p):
        seen.append((p.step_num, sorted({e.key for e in p.key_averages() if e.key.startswith("ProfilerStep")})))

    x = torch.ones(3)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], on_trace_ready=ready, **options) as p:
        for _ in range(steps):
            x = x + 1
            p.step()
    return seen


@pytest.mark.parametrize(
    "times", [dict(wait=1, warmup=1, active=2, repeat=2), dict(wait=1, warmup=1, active=1), dict(wait=0, warmup=1, active=3)]
)
def test_cycles(times, tmp_path):
    ours = cycles(torchish, tmp_path, schedule=torchish.profiler.schedule(**times))
    assert ours == cycles(pytorch, tmp_path, schedule=pytorch.profiler.schedule(**times))


def test_without_a_schedule_all_is_one_measurement(tmp_path):
    assert cycles(torchish, tmp_path) == cycles(pytorch, tmp_path) == [(9, [])]


def test_table_and_traces(tmp_path):
    handler = profiler.tensorboard_trace_handler(str(tmp_path / "log"), "worker", use_gzip=True)
    with profiler.profile(record_shapes=True, on_trace_ready=handler) as p:
        with profiler.record_function("my part"):
            torchish.ones(4, 3) @ torchish.ones(3, 2)
    p.add_metadata("note", 'a "quoted" text')
    table = p.key_averages(group_by_input_shape=True).table(sort_by="cpu_time_total", row_limit=10)
    assert "my part" in table and "aten::mm" in table and "[[4, 3], [3, 2]]" in table and "Self CPU time total: " in table
    p.export_chrome_trace(str(tmp_path / "trace.json"))
    trace = json.loads((tmp_path / "trace.json").read_text())
    by_name = {e["name"]: e for e in trace["traceEvents"]}
    part, product = by_name["my part"], by_name["aten::mm"]
    assert part["cat"] == "user_annotation" and product["cat"] == "cpu_op" and trace["note"] == 'a "quoted" text'
    assert part["ts"] <= product["ts"] and product["ts"] + product["dur"] <= part["ts"] + part["dur"]
    (written,) = (tmp_path / "log").iterdir()
    assert written.name.startswith("worker.") and written.name.endswith(".pt.trace.json.gz")
    assert json.loads(gzip.open(written).read())["traceEvents"]


@pytest.mark.parametrize("profile_memory", [False, True])
def test_the_frame_of_the_table(profile_memory):
    frames = []
    for torch in (pytorch, torchish):
        name = torch.profiler.record_function("a name that is the longest")
        with torch.autograd.profiler.profile(profile_memory=profile_memory) as p, name:
            pass
        lines = p.key_averages().table(header="Header").split("\n")
        frames.append([*lines[:5], lines[-3]])
    assert frames[0] == frames[1]


def test_the_memory_of_results():
    found = []
    for torch in (pytorch, torchish):
        x = torch.ones(100, 100)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as p:
            with torch.profiler.record_function("mine"):
                kept = x @ x  # (PyTorch takes off what is freed again)
                total = kept.sum()
            x.add_(1)
            total.neg_()
        table = p.key_averages().table(sort_by="self_cpu_memory_usage")
        lines = [line.split() for line in table.split("\n")]
        found.append({e.key: e.cpu_memory_usage for e in p.key_averages() if e.key in ("mine", "aten::mm", "aten::sum", "aten::add_")})
        found[-1]["text"] = next(line[6:10] for line in lines if line and line[0] == "aten::mm")
    assert found[0] == found[1]


@pytest.mark.parametrize("call", ["key_averages", "events"])
def test_nothing_measured_yet(call):
    messages = []
    for torch in (pytorch, torchish):
        with pytest.raises(AssertionError) as error:
            getattr(torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]), call)()
        messages.append(str(error.value))
    assert messages[0] == messages[1]


NO_CHOICE = (lambda cpu: [], lambda cpu: [cpu, cpu], lambda cpu: [cpu, {cpu: []}], lambda cpu: [3, cpu], lambda cpu: [3])


@pytest.mark.parametrize("twice", NO_CHOICE)
def test_choices_of_activities_that_are_none(twice):
    said = []
    for torch in (pytorch, torchish):
        with pytest.raises((AssertionError, TypeError, ValueError)) as error:
            torch.profiler.profile(activities=twice(torch.profiler.ProfilerActivity.CPU))
        said.append((error.type, str(error.value)))
    assert said[0] == said[1]
