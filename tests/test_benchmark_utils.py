"""`torch.utils.benchmark`: the same times give the same texts as in PyTorch; a `Timer` measures the computation."""

import itertools
import pickle
import re
import time

import pytest
import torch.utils.benchmark as theirs

import torchish
import torchish.utils.benchmark as ours
from torchish.engine.program import ON_RUN

TIMES = {
    "one": [3.2e-5],
    "steady": [2.01e-3, 2.0e-3, 2.02e-3, 2.0e-3, 1.99e-3],
    "wide": [1e-6, 1.3e-6, 0.9e-6, 1.1e-6, 1.9e-6, 1.05e-6],
    "fluctuating": [0.5, 0.53, 0.56, 0.6, 0.5],
    "long": [12.0, 13.0, 12.5],
}
SPECS = [
    dict(stmt="x + 1", setup="pass"),
    dict(stmt="a\nb", setup="c\nd", sub_label="two lines", num_threads=2),
    dict(stmt="x", setup="x = 1", label="A label", sub_label="sub", description="some words", env="here"),
]


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("spec", SPECS)
def test_measurement(times, spec):
    a, b = (m.Measurement(10, [t * 10 for t in TIMES[times]], m.TaskSpec(**spec)) for m in (theirs, ours))
    assert re.sub(" at 0x[0-9a-f]+", "", repr(b)) == re.sub(" at 0x[0-9a-f]+", "", repr(a))
    for name in ("median", "mean", "iqr", "times", "title", "as_row_name", "has_warnings", "significant_figures", "label"):
        assert getattr(b, name) == pytest.approx(getattr(a, name)), name
    assert b.meets_confidence(0.2) == a.meets_confidence(0.2)


@pytest.mark.parametrize("value", [3.14159, 0.001234, 98765.0, 1.0])
@pytest.mark.parametrize("figures", [1, 2, 4])
def test_figures(value, figures):
    assert ours.trim_sigfig(value, figures) == pytest.approx(theirs.trim_sigfig(value, figures), rel=1e-6)
    assert ours.select_unit(value * 1e-4) == theirs.select_unit(value * 1e-4)


def table(m, colour, trim, highlight, environments):
    results = []
    cases = itertools.product(("mul", "add"), ("n=1", "n=100", ""), (1, 4))
    for i, (sub, description, threads) in enumerate(cases):
        if (sub, description, threads) == ("add", "n=1", 4):
            continue  # an empty cell
        env = ("old", "newer")[i % 2] if environments else None
        label = "Label" if i % 5 else None
        spec = m.TaskSpec("f(x)", "pass", label=label, sub_label=sub, description=description, env=env, num_threads=threads)
        scale = 1e-6 * (i + 1) ** 2
        results.append(m.Measurement(3, [scale * t for t in (3, 3.1, 2.9, 3 + i % 3, 3)], spec))
    c = m.Compare(results)
    if colour is not None:
        c.colorize(rowwise=colour)
    if trim:
        c.trim_significant_figures()
    if highlight:
        c.highlight_warnings()
    return str(c)


@pytest.mark.parametrize("colour", [None, False, True])
@pytest.mark.parametrize(("trim", "highlight"), [(False, False), (True, False), (True, True), (False, True)])
def test_compare(colour, trim, highlight):
    assert table(ours, colour, trim, highlight, False) == table(theirs, colour, trim, highlight, False)


def test_compare_takes_measurements_only():
    with pytest.raises(ValueError, match="Expected an instance of `Measurement`, got <class 'int'> instead."):
        ours.Compare([1])


def test_timer():
    x = torchish.ones(200, 200)
    t = ours.Timer("\n    y = x @ x\n    z = y + 1\n", globals={"x": x}, label="product", num_threads=2)
    once = t.timeit(5)
    assert (once.number_per_run, len(once.raw_times), once.label, once.stmt) == (5, 1, "product", "y = x @ x\nz = y + 1")
    blocks = t.blocked_autorange(min_run_time=0.02)
    assert sum(blocks.raw_times) >= 0.02 and blocks.median > 0
    adaptive = t.adaptive_autorange(0.5, min_run_time=0.01, max_run_time=0.5)
    assert adaptive.meets_confidence(0.5) or sum(adaptive.raw_times) > 0.5
    assert torchish.get_num_threads() != 2 or blocks.num_threads == 2


@pytest.mark.parametrize(
    "arguments", [dict(stmt=lambda: 1), dict(global_setup="x = 1"), dict(language="fortran")], ids=["function", "global setup", "language"]
)
def test_timer_errors(arguments):
    messages = []
    for m in (theirs, ours):
        with pytest.raises(ValueError) as error:
            m.Timer(**arguments)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("stmt", ["x @ x", "y = x @ x", "y = x * 2\ny @ x", "for _ in range(2):\n    x @ x  # dropped"])
def test_results_that_are_dropped_are_computed(stmt):
    x = torchish.randn(300, 300)
    x.sum().item()
    runs = []
    ON_RUN.append(lambda *run: runs.append(run))
    try:
        ours.Timer(stmt, globals={"x": x}).timeit(7)
    finally:
        ON_RUN.pop()
    assert len(runs) == 7 + 2  # two to warm up


def test_statements_that_are_no_python_raise_as_pytorchs_do():
    for library in (theirs, ours):
        with pytest.raises(SyntaxError):
            library.Timer("1 +")


def test_a_slow_first_call_is_no_part_of_a_block():
    calls = []

    def f():
        calls.append(None)
        if len(calls) == 1:
            time.sleep(0.3)

    assert ours.Timer("f()", globals={"f": f}).blocked_autorange(min_run_time=0.1).number_per_run > 1


def test_measurements_travel():
    made = pickle.loads(pickle.dumps(ours.Timer("1 + 1", label="sum").timeit(3)))
    assert type(made) is ours.Measurement
    assert (made.label, made.number_per_run, len(made.times)) == ("sum", 3, 1)
    assert [t.__module__ for t in (ours.Measurement, ours.TaskSpec, ours.Timer, ours.Compare)] == [
        t.__module__ for t in (theirs.Measurement, theirs.TaskSpec, theirs.Timer, theirs.Compare)
    ]
