"""`torch.testing` gives PyTorch's verdicts, messages and numbers, and `agrees_with_torch` finds what differs."""

from __future__ import annotations

import collections

import numpy as np
import pytest
import torch as pytorch

import torchish
from torchish.testing import Disagreement, agrees_with_torch, compare_with_torch

BOTH = [torchish, pytorch]


def outcome(f, *args, **kwargs):
    """What a call gives: its value, or its exception's type and text."""
    try:
        return f(*args, **kwargs)
    except Exception as e:
        return type(e).__name__, str(e).replace("torchish.", "torch.")


def nested(t):
    return {"a": [t.tensor([1.0, 2.0]), 2], "b": t.tensor(3)}, {"a": [t.tensor([1.0, 2.5]), 2], "b": t.tensor(3)}


COMPARISONS = {
    "equal": lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0])),
    "values": lambda t: (t.arange(6.0).view(2, 3), t.arange(6.0).view(2, 3) * t.tensor([1, 1, 1.5])),
    "integers": lambda t: (t.tensor([1, 2, 3]), t.tensor([1, 5, 3])),
    "bools": lambda t: (t.tensor([True, False]), t.tensor([True, True])),
    "complex": lambda t: (t.tensor([1 + 1j]), t.tensor([1 + 2j])),
    "scalar": lambda t: (t.tensor(1.0), t.tensor(1.1)),
    "nan": lambda t: (t.tensor([float("nan"), 1]), t.tensor([float("nan"), 1])),
    "shape": lambda t: (t.zeros(2), t.zeros(3)),
    "dtype": lambda t: (t.zeros(2), t.zeros(2, dtype=t.float64)),
    "half": lambda t: (t.ones(2, dtype=t.bfloat16), t.ones(2, dtype=t.bfloat16) * 1.1),
    "numbers": lambda t: (1.0, 1.5),
    "number types": lambda t: (1, 1.0),
    "none": lambda t: (None, 1),
    "python bools": lambda t: (True, False),
    "bool and int": lambda t: (True, 1),
    "nested": nested,
    "lengths": lambda t: ([1, 2], [1]),
    "keys": lambda t: ({"a": 1}, {"b": 1}),
    "ordered": lambda t: (collections.OrderedDict(a=1), {"a": 2}),
    "arrays": lambda t: (np.array([1.0, 2.0]), np.array([1.0, 2.1])),
    "unrelated": lambda t: (t.zeros(2), [0.0, 0.0]),
    "strings": lambda t: ("a", "b"),
    "meta": lambda t: (t.zeros(2, device="meta"), t.zeros(2, device="meta")),
}
OPTIONS: list[dict] = [
    {},
    {"rtol": 0, "atol": 0},
    {"rtol": 0.3, "atol": 0.6},
    {"rtol": 1.0},
    {"equal_nan": True, "check_dtype": False},
    {"msg": lambda m: f"<{m}>"},
    {"msg": "mine"},
]


@pytest.mark.parametrize("name", COMPARISONS)
def test_assert_close_says_what_pytorch_says(name):
    """For every pair of values and every option the outcome is PyTorch's, to the letter."""
    for options in OPTIONS:
        got, expected = (outcome(t.testing.assert_close, *COMPARISONS[name](t), **options) for t in BOTH)
        assert got == expected, options


def test_assert_close_subclasses_and_strides():
    for t in BOTH:
        a = t.ones(2, 3)
        t.testing.assert_close(t.nn.Parameter(a), a)
        with pytest.raises(TypeError, match="No comparison pair was able to handle inputs of type"):
            t.testing.assert_close(t.nn.Parameter(a), a, allow_subclasses=False)
        with pytest.raises(AssertionError, match=r"'stride\(\)' do not match: \(1, 2\) != \(3, 1\)"):
            t.testing.assert_close(t.ones(3, 2).t(), a, check_stride=True)


def test_assert_allclose():
    for t in BOTH:
        with pytest.warns(FutureWarning, match="assert_allclose"):
            t.testing.assert_allclose(t.tensor([1.0, float("nan")]), [1.00001, float("nan")])
        with pytest.warns(FutureWarning), pytest.raises(AssertionError, match="Mismatched elements: 1 / 2"):
            t.testing.assert_allclose(t.tensor([1.0, 2.0]), t.tensor([1.0, 2.1], dtype=t.float64))


MADE = [
    ({}, "float32"), ({}, "float64"), ({}, "bfloat16"), ({}, "float16"), ({}, "complex64"), ({}, "int64"), ({}, "uint8"), ({}, "bool"),
    ({"low": -1, "high": 1}, "float32"), ({"low": 0.5, "high": 3.5}, "int32"), ({"low": 1e300}, "float64"),
    ({"noncontiguous": True}, "float32"), ({"exclude_zero": True, "low": 0, "high": 2}, "int8"), ({"requires_grad": True}, "float32"),
    ({"low": float("nan")}, "float32"), ({"low": 3, "high": 1}, "int64"), ({"low": 300, "high": 400}, "uint8"),
    ({"requires_grad": True}, "int64"), ({"low": -1e39, "high": 1e39}, "float32"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "dtype"), MADE)
def test_make_tensor_draws_pytorchs_numbers(options, dtype):
    made = []
    for t in BOTH:
        t.manual_seed(3)
        x = outcome(t.testing.make_tensor, 3, 4, dtype=getattr(t, dtype), device="cpu", **options)
        made.append(x if isinstance(x, tuple) else (str(x.dtype), x.stride(), x.requires_grad, x.detach().tolist()))
    assert made[0] == made[1]


@agrees_with_torch(inputs=[(8, 3), (3,)])
def test_a_function_written_once(torch, x, w):
    return {"scores": torch.log_softmax(x @ w, 0), "norm": x.norm(dim=1)}


@pytest.mark.parametrize("p", [0.0, 0.4])
@agrees_with_torch(inputs=[(4, 1, 8, 8)], module=True, steps=3, optimizer=lambda torch, ps: torch.optim.Adam(ps, 0.01))
def test_a_module_trained(torch, p):
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.BatchNorm2d(2), nn.Dropout(p), nn.Flatten(), nn.Linear(72, 3))


def test_a_difference_is_found_and_described():
    """The report names each tensor that differs, where it differs most, and by how much."""

    @agrees_with_torch(inputs=[(3,)])
    def scaled(torch, x):
        return {"a": x * (torch.tensor([1.0, 2.5, 1.0]) if torch is torchish else torch.tensor([1.0, 2.0, 1.0])), "b": x}

    with pytest.raises(Disagreement) as error:
        scaled()
    text = str(error.value)
    first, second = error.value.differences
    assert first.name == "result['a']" and first.place == (1,) and abs(first.relative - 0.25) < 1e-6
    assert second.name == "gradient of input 0"
    assert text.startswith("torchish and PyTorch differ in 2 of 3 compared values:\n  result['a']: 1 of 3 elements differ (float32[3]")
    assert "worst at [1]: torchish" in text

    class Ours(torchish.nn.Linear):
        def forward(self, x):
            return super().forward(x) + self.bias

    with pytest.raises(Disagreement, match=r"result at step 0: .*\n.*\n  gradient of 'bias' at step 0"):
        compare_with_torch(Ours(2, 2), pytorch.nn.Linear(2, 2), [np.ones((3, 2), np.float32)], steps=2)
    compare_with_torch(torchish.nn.Linear(2, 2), pytorch.nn.Linear(2, 2), [np.ones((3, 2), np.float32)], steps=2)


def test_shapes_and_dtypes_are_compared():
    with pytest.raises(Disagreement, match="torchish has dtype torch.float64, PyTorch torch.float32"):
        compare_with_torch(lambda x: x.double(), lambda x: x, [np.ones(2, np.float32)], gradients=False)
    with pytest.raises(Disagreement, match=r"torchish has shape \[1, 2\], PyTorch \[2\]"):
        compare_with_torch(lambda x: x[None], lambda x: x, [np.ones(2, np.float32)], gradients=False)
    with pytest.raises(TypeError, match="both must be modules"):
        compare_with_torch(torchish.nn.ReLU(), lambda x: x)


def test_tensors_of_pytorch_as_inputs():
    compare_with_torch(torchish.nn.Linear(3, 2), pytorch.nn.Linear(3, 2), [pytorch.ones(4, 3)], steps=2)
    compare_with_torch(torchish.cat, pytorch.cat, [[pytorch.ones(2), torchish.ones(1)]])  # in containers too
    with pytest.raises(TypeError, match=r"^linear\(\): got a tensor of PyTorch's; torchish.tensor\(x\) makes one of torchish's"):
        torchish.nn.Linear(3, 2)(pytorch.ones(4, 3))
