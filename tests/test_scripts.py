"""PyTorch scripts print on torchish what they print on PyTorch; and the comparison that says so can fail."""

from pathlib import Path

import pytest
from compare_scripts import SCRIPTS, compare, differences, normalise, report, why_lines_differ

ALL = sorted(SCRIPTS.glob("*.py"))


@pytest.mark.parametrize("script", ALL, ids=lambda path: path.stem)
def test_script_prints_the_same(script: Path) -> None:
    found, _, _ = compare(script)
    assert not found, f"{len(found)} differences\n{report(found)}"


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("tensor([0.1234, 1.0000])", "tensor([0.1236, 1.0000])"),  # within 5e-4
        ("tensor([-8.7423e-08, 1.0000e+00])", "tensor([-8.7400e-08, 1.0000e+00])"),
        ("tensor([1234.5678])", "tensor([1234.9000])"),  # within 5e-4 of its size
        ("[1,    20] loss: 2.307", "[1,    20] loss: 2.308"),  # rounded from either side of 2.3075
        ("loss: 0.12345678", "loss: 0.1234568"),  # as many digits as the value needs
        ("[[0.87163675 0.2458961 ]]", "[[0.8716367  0.24589611]]"),  # and so are NumPy's columns
        ("tensor(-0.0000)", "tensor(0.0000)"),
        ("tensor(25., grad_fn=<SumBackward0>)", "tensor(25.0000, grad_fn=<SumBackward0>)"),
        ("<AddBackward0 object at 0x7f7f4ccf6ef0>", "<AddBackward0 object at 0x5570>"),
        ("tensor([1.+2.j])", "tensor([1.+2.j])"),
    ],
)
def test_lines_that_agree(expected: str, actual: str) -> None:
    assert list(differences(normalise(expected), normalise(actual))) == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("tensor([0.1234])", "tensor([0.1244])"),  # a number too far off
        ("[1,    20] loss: 0.307", "[1,    20] loss: 0.309"),
        ("[1,    20] loss: 2.307", "[2,    20] loss: 2.307"),
        ("tensor([0.1234])", "tensor([0.12340])"),  # digits
        ("tensor([3., 4.])", "tensor([3.0000, 4.0000])"),  # integer mode
        ("tensor([3, 4])", "tensor([3., 4.])"),  # a dtype
        ("torch.Size([2, 3])", "torch.Size([2, 4])"),  # integers are exact
        ("tensor([ 1., 23.])", "tensor([1., 23.])"),  # a column's width
        ("tensor(1., grad_fn=<AddBackward0>)", "tensor(1., grad_fn=<SubBackward0>)"),
        ("tensor([1.], dtype=torch.float16)", "tensor([1.], dtype=torch.float64)"),
        ("(conv1): Conv2d(1, 6)", "(conv2): Conv2d(1, 6)"),
        ("tensor(nan)", "tensor(inf)"),
        ("Finished Training", "finished training"),
        ("tensor([1.+2.j])", "tensor([1.+3.j])"),
        ("1.0", "1.0 s"),
    ],
)
def test_lines_that_differ(expected: str, actual: str) -> None:
    assert why_lines_differ(expected, actual)


def test_missing_and_surplus_lines_are_found_where_they_are() -> None:
    expected = ["a", "tensor([1.0000])", "b", "c"]
    assert [(d.line, d.reason) for d in differences(expected, expected[:1] + expected[2:])] == [(2, "line missing")]
    assert [(d.line, d.reason) for d in differences(expected, [*expected, "d"])] == [(5, "line too many")]
