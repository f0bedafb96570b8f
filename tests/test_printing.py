"""A tensor prints the same text as in PyTorch: every dtype, shape, magnitude and print option."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torchish._tensor import printing

INTEGERS = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
FLOAT8 = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]
FLOATS = ["float16", "float32", "float64", "bfloat16", *FLOAT8]
COMPLEX = ["complex32", "complex64", "complex128"]
DTYPES = ["bool", *INTEGERS, *FLOATS, *COMPLEX]


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    yield
    torch.set_printoptions(profile="default")
    printing.set_printoptions(profile="default")


def numpy_dtype(name: str) -> np.dtype:
    """The element type under which torchish holds a ``torch.name`` tensor on the host."""
    if name == "complex32":
        return np.dtype(np.complex64)
    return np.dtype(getattr(ml_dtypes, name) if name in ("bfloat16", *FLOAT8) else name)


def to_torch(array: np.ndarray, name: str) -> Any:
    """The PyTorch tensor with the same bits, also for element types that NumPy proper does not have."""
    if name == "complex32":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch calls its complex32 experimental
            return torch.from_numpy(array).to(torch.complex32)
    bits = {"bfloat16": np.uint16} | dict.fromkeys(FLOAT8, np.uint8)
    if name in bits:
        return torch.from_numpy(np.asarray(array).view(bits[name])).view(getattr(torch, name))
    return torch.from_numpy(np.asarray(array))


def assert_same_text(array: np.ndarray, name: str) -> None:
    ours = printing.format_tensor(array, dtype=f"torch.{name}")
    assert ours == repr(to_torch(array, name)), f"{name}{array.shape}"


def cast(values: np.ndarray, name: str) -> np.ndarray:
    """Round ``values`` to the element type; numbers too large for it become what it has instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflow and NaN-to-integer are wanted here
        if name == "complex32":
            halves = np.real(values).astype(np.float16) + 1j * np.imag(values).astype(np.float16)
            return np.asarray(halves, np.complex64)
        if name in INTEGERS:
            limits = np.iinfo(name)
            # Python integers, since 2**64 - 1 is no double.
            exact = [min(max(int(v), limits.min), limits.max) for v in np.nan_to_num(values).ravel()]
            return np.array(exact, name).reshape(values.shape)
        return np.asarray(values).astype(numpy_dtype(name))


def random_values(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of one of the kinds that printing tells apart."""
    kind = rng.integers(7)
    values = rng.standard_normal(shape)
    if kind == 1:
        values = np.round(values * 10.0 ** rng.uniform(0, 9))
    elif kind == 2:
        values = values * 10.0 ** rng.uniform(-30, 30)
    elif kind == 3:
        values = values * 10.0 ** rng.uniform(-30, 30, shape)
    elif kind == 4:
        values = values * 10.0 ** rng.uniform(-5, 5, shape)
    elif kind == 5:  # about the bounds at which the notation changes
        values = np.sign(values) * rng.choice(
            [0.0, 1e-4, 0.1, 1.0, 999.5, 1e3, 1000.5, 1e4, 1e8, 1.00001e8], shape
        )
    elif kind == 6:
        values = rng.choice([-2.0, -1.0, -0.0, 0.0, 1.0, 0.5], shape)
    if rng.random() < 0.3:
        special = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape)
        values = np.where(rng.random(shape) < rng.choice([0.1, 0.9, 1.0]), special, values)
    return np.asarray(values)


def random_array(rng: np.random.Generator, name: str) -> np.ndarray:
    ndim = int(rng.integers(5))
    shape = tuple(rng.integers(0 if rng.random() < 0.1 else 1, (1, 60, 9, 6, 4)[ndim] + 1, ndim).tolist())
    values = random_values(rng, shape)
    if name in COMPLEX:
        values = np.asarray(values + 0j)
        values.imag = random_values(rng, shape)
    elif name == "bool":
        values = values > 0
    return cast(values, name)


def random_options(rng: np.random.Generator) -> dict[str, Any]:
    choices: dict[str, list[Any]] = {
        "precision": [0, 1, 2, 4, 8],
        "threshold": [0, 5, 20, float("inf")],
        "edgeitems": [0, 1, 2, 3, 5],
        "linewidth": [1, 20, 60, 80, 120],
        "profile": ["default", "short", "full"],
        "sci_mode": [True, False, None],
    }
    return {name: values[rng.integers(len(values))] for name, values in choices.items() if rng.random() < 0.4}


def test_five_thousand_random_tensors_print_alike() -> None:
    rng = np.random.default_rng(1729)
    different = []
    for number in range(5000):
        name = DTYPES[number % len(DTYPES)]
        options: dict[str, Any] = random_options(rng) if number % 2 else {"profile": "default"}
        array = random_array(rng, name)
        torch.set_printoptions(**options)
        printing.set_printoptions(**options)
        ours, theirs = printing.format_tensor(array, dtype=f"torch.{name}"), repr(to_torch(array, name))
        if ours != theirs:
            different.append(f"{name}{array.shape} {options}:\n{ours}\nPyTorch:\n{theirs}")
        torch.set_printoptions(profile="default")
        printing.set_printoptions(profile="default")
    assert not different, f"{len(different)} of 5000 differ; the first:\n{different[0]}"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_values_print_alike(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["float32", "float64", "float16", "bfloat16", "int64", "uint64"]))
    shape = data.draw(st.lists(st.integers(1, 3), max_size=4).map(tuple))
    if name in INTEGERS:
        limits = np.iinfo(name)
        element = st.integers(int(limits.min), int(limits.max))
    else:
        element = st.floats(width=64 if name == "float64" else 32)
    size = int(np.prod(shape))
    drawn = data.draw(st.lists(element, min_size=size, max_size=size))
    flat = np.array(drawn, name if name in INTEGERS else np.float64)
    array = flat.reshape(shape)
    assert_same_text(array if name in INTEGERS else cast(array, name), name)


@pytest.mark.parametrize("name", FLOAT8)
def test_every_float8_number_prints_alike(name: str) -> None:
    array = np.arange(256, dtype=np.uint8).view(numpy_dtype(name))
    assert_same_text(array, name)
    for number in array:
        assert_same_text(np.array(number), name)


@pytest.mark.parametrize("name", INTEGERS)
def test_integer_limits_print_alike(name: str) -> None:
    limits = np.iinfo(name)
    array = np.array([[limits.min, limits.max], [0, limits.max - 1]], name)
    assert_same_text(array, name)
    for number in array.ravel():
        assert_same_text(np.array(number), name)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (3, 1, 0, 2)])
def test_empty_tensors_print_shape_and_dtype(name: str, shape: tuple[int, ...]) -> None:
    assert_same_text(np.zeros(shape, numpy_dtype(name)), name)


@pytest.mark.parametrize(
    "name", ["float32", "bfloat16", "int64", "uint16", "bool", "complex64", "float8_e5m2"]
)
@pytest.mark.parametrize(
    "shape", [(1000,), (1001,), (7, 200), (6, 200), (2, 3, 400), (30, 8, 7), (3, 5, 9, 9)]
)
def test_large_tensors_are_summarised_alike(name: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).standard_normal(shape) * 50
    assert_same_text(cast(values > 0 if name == "bool" else values, name), name)


def test_summary_decides_notation_by_the_numbers_shown() -> None:
    array = np.ones(2000, np.float32)
    array[1000] = 1e-20
    assert printing.format_tensor(array, dtype="torch.float32") == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"
    assert_same_text(array, "float32")


def test_summary_reads_no_element_that_it_does_not_show() -> None:
    shape = (10**6, 10**6, 10**5)  # 400 petabytes, were it read
    ours = printing.format_tensor(np.broadcast_to(np.float32(1.5), shape), dtype="torch.float32")
    assert ours == repr(torch.tensor(1.5).expand(shape))


@pytest.mark.parametrize("layout", ["transposed", "reversed", "strided"])
def test_views_print_alike(layout: str) -> None:
    array = np.arange(60, dtype=np.float64).reshape(3, 4, 5) / 7
    view = {"transposed": array.T, "reversed": array[::-1], "strided": array[:, ::2, 1::3]}[layout]
    theirs = torch.from_numpy(np.ascontiguousarray(view))
    assert printing.format_tensor(view, dtype="torch.float64") == repr(theirs)


@pytest.mark.parametrize("default", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(
    "name", ["float32", "float64", "bfloat16", "complex64", "complex128", "int64", "int32", "bool"]
)
def test_dtype_is_shown_where_it_is_not_the_default(default: str, name: str) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, default))
    try:
        for shape in [(), (2,), (0,), (0, 2)]:
            array = np.ones(shape, numpy_dtype(name))
            ours = printing.format_tensor(array, dtype=f"torch.{name}", default_dtype=f"torch.{default}")
            assert ours == repr(to_torch(array, name))
            meta = printing.format_tensor(
                None, shape=shape, dtype=f"torch.{name}", default_dtype=f"torch.{default}", device="meta"
            )
            assert meta == repr(to_torch(array, name).to("meta"))
    finally:
        torch.set_default_dtype(before)


def test_gradient_notes_print_alike() -> None:
    for columns in range(1, 40):
        array = np.linspace(0, 9, columns, dtype=np.float64)
        leaf = torch.from_numpy(array).requires_grad_()
        assert printing.format_tensor(array, dtype="torch.float64", requires_grad=True) == repr(leaf)
        for result in (leaf + 0, leaf.view(1, -1), leaf.exp().log().sum()):
            name = type(result.grad_fn).__name__
            host = result.detach().numpy()
            ours = printing.format_tensor(host, dtype="torch.float64", requires_grad=True, grad_fn=name)
            assert ours == repr(result)


def test_notes_wrap_one_by_one_where_they_pass_the_line_width() -> None:
    for linewidth in range(10, 120, 5):
        torch.set_printoptions(linewidth=linewidth)
        printing.set_printoptions(linewidth=linewidth)
        for shape in [(2, 3), (0, 3), (2, 50)]:
            theirs = torch.empty(shape, dtype=torch.float16, device="meta", requires_grad=True)
            meta: dict[str, Any] = {"dtype": "torch.float16", "device": "meta"}
            assert printing.format_tensor(None, shape=shape, requires_grad=True, **meta) == repr(theirs)
            name = type((theirs + 1).grad_fn).__name__
            assert printing.format_tensor(None, shape=shape, grad_fn=name, **meta) == repr(theirs + 1)


def test_device_is_the_first_note() -> None:
    # PyTorch's text on a machine with a GPU.
    ours = printing.format_tensor(
        np.array([1, 2], np.int32), dtype="torch.int32", device="cuda:0", requires_grad=False
    )
    assert ours == "tensor([1, 2], device='cuda:0', dtype=torch.int32)"
    ours = printing.format_tensor(
        np.ones(2, np.float32),
        dtype="torch.float32",
        device="cuda:0",
        requires_grad=True,
        grad_fn="AddBackward0",
    )
    assert ours == "tensor([1., 1.], device='cuda:0', grad_fn=<AddBackward0>)"


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # PyTorch's own use of it
def test_dual_tensors_show_their_tangent() -> None:
    import torch.autograd.forward_ad as forward_ad

    primal, tangent = np.ones(3, np.float32), np.full(3, 2, np.float32)
    with forward_ad.dual_level():
        theirs = repr(forward_ad.make_dual(torch.from_numpy(primal), torch.from_numpy(tangent)))
    inner = printing.format_tensor(tangent, dtype="torch.float32")
    assert printing.format_tensor(primal, dtype="torch.float32", tangent=inner) == theirs


def test_parameters_buffers_and_subclasses_print_alike() -> None:
    class Sub(torch.Tensor):
        pass

    class SubParameter(torch.nn.Parameter):
        pass

    array = np.arange(40, dtype=np.float32)
    data = torch.from_numpy(array)
    dtype = "torch.float32"
    plain = printing.format_tensor(array, dtype=dtype)
    assert plain == repr(torch.nn.Buffer(data))

    with_grad = printing.format_tensor(array, dtype=dtype, requires_grad=True, is_parameter=True)
    assert printing.format_parameter(with_grad) == repr(torch.nn.Parameter(data))
    assert printing.format_parameter(plain) == repr(torch.nn.Parameter(data, requires_grad=False))

    assert printing.format_tensor(array, dtype=dtype, class_name="Sub") == repr(data.as_subclass(Sub))
    sub_parameter: dict[str, Any] = {"dtype": dtype, "requires_grad": True, "is_parameter": True}
    wrapped = printing.format_tensor(array, class_name="Sub", **sub_parameter)
    assert wrapped == repr(torch.nn.Parameter(data.as_subclass(Sub)))
    ours = printing.format_parameter(
        printing.format_tensor(array, class_name="SubParameter", **sub_parameter)
    )
    assert ours == repr(SubParameter(data))


@pytest.mark.parametrize("shape", [(), (2, 2), (0, 2)])
def test_given_contents_stand_for_the_values(shape: tuple[int, ...]) -> None:
    theirs = torch.ones(shape, dtype=torch.int32)
    ours = printing.format_tensor(theirs.numpy(), dtype="torch.int32", tensor_contents="abc")
    assert ours == theirs.__repr__(tensor_contents="abc")
    ours = printing.format_tensor(
        None, shape=shape, dtype="torch.int32", device="meta", tensor_contents="abc"
    )
    assert ours == theirs.to("meta").__repr__(tensor_contents="abc")


def test_a_meta_tensor_needs_a_shape() -> None:
    with pytest.raises(ValueError, match="needs a shape"):
        printing.format_tensor(None, dtype="torch.float32")


OPTION_CALLS: list[dict[str, Any]] = [
    {"precision": 2},
    {"profile": "short"},
    {"profile": "full", "threshold": 7},
    {"sci_mode": True},
    {"linewidth": 40},  # and sci_mode back to None
    {"edgeitems": 0, "threshold": 0},
    {"profile": "default"},
    {"profile": "no such profile"},
]


def test_options_are_kept_as_in_pytorch() -> None:
    from torch._tensor_str import get_printoptions

    for call in OPTION_CALLS:
        torch.set_printoptions(**call)
        printing.set_printoptions(**call)
        assert printing.get_printoptions() == get_printoptions()
        for array in (np.arange(9, dtype=np.float32).reshape(3, 3) / 7, np.array(2.5, np.float32)):
            assert_same_text(array, "float32")


def test_printoptions_restores_what_was_set() -> None:
    printing.set_printoptions(precision=6, sci_mode=False)
    before = printing.get_printoptions()
    with pytest.raises(KeyError), printing.printoptions(precision=1, linewidth=30):
        assert printing.get_printoptions() == before | {"precision": 1, "linewidth": 30, "sci_mode": None}
        raise KeyError
    assert printing.get_printoptions() == before


@pytest.mark.parametrize("spec", ["", ".3f", ">12", "08.2e", "d"])
@pytest.mark.parametrize("value", [True, 3, -2.5, 1 + 2j])
def test_format_of_a_scalar_is_that_of_its_item(spec: str, value: complex) -> None:
    tensor = torch.tensor(value)
    try:
        theirs = format(tensor, spec)
    except ValueError as error:
        with pytest.raises(ValueError, match="format") as caught:
            printing.format_object(tensor, tensor.item(), spec)
        assert str(caught.value) == str(error)
    else:
        assert printing.format_object(tensor, tensor.item(), spec) == theirs


@pytest.mark.parametrize("make", [lambda: torch.ones(3), lambda: torch.nn.Parameter(torch.tensor(2.0))])
def test_format_of_other_tensors_takes_no_specification(make: Any) -> None:
    tensor = make()
    assert printing.format_object(tensor, None, "") == format(tensor, "")
    with pytest.raises(TypeError) as theirs:
        format(tensor, ".3f")
    with pytest.raises(TypeError) as ours:
        printing.format_object(tensor, None, ".3f")
    assert str(ours.value) == str(theirs.value)
