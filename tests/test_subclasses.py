"""Classes with `__torch_function__`, subclasses of Tensor and masked tensors do as they do in PyTorch."""

import functools
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch as pytorch

import torchish

BOTH = (pytorch, torchish)


def text(f, *args):
    """What a call gives, in words: the class of a tensor and its values, or the error."""
    try:
        result = f(*args)
    except Exception as e:
        return f"{type(e).__name__}: {e}"
    return described(result)


def described(x):
    if isinstance(x, (list, tuple)):
        return [described(y) for y in x]
    if isinstance(x, (pytorch.Tensor, torchish.Tensor)):
        return type(x).__name__, x.tolist()
    return repr(x)


def same(build, calls):
    a, b = (build(m) for m in BOTH)
    for name, call in calls.items():
        assert text(call, torchish, b) == text(call, pytorch, a), name


def sub(m):
    class Sub(m.Tensor):
        pass

    return m.tensor([[1.0, 2.0], [3.0, 4.0]]).as_subclass(Sub)


def test_results_keep_the_subclass():
    same(
        sub,
        {
            "operator": lambda m, x: x + 1, "reflected": lambda m, x: 1 - x, "power": lambda m, x: x**2, "function": lambda m, x: m.sin(x),
            "second": lambda m, x: m.add(m.ones(2, 2), x),
            "plus": lambda m, x: m.ones(2, 2) + x,
            "list": lambda m, x: m.cat([m.ones(2, 2), x]),
            "item": lambda m, x: x[0], "view": lambda m, x: x.view(4), "parts": lambda m, x: x.split(1), "named": lambda m, x: x.max(0),
            "nn": lambda m, x: m.nn.functional.mse_loss(x, m.zeros(2, 2)), "relu": lambda m, x: m.nn.functional.relu(x),
            "in place": lambda m, x: x.clone().add_(1),
            "detach": lambda m, x: x.detach(),
            "data": lambda m, x: x.data,
            "T": lambda m, x: x.T,
            "shape": lambda m, x: x.shape,
            "list of numbers": lambda m, x: x.tolist(),
            "compare": lambda m, x: x == x,
            "repr": lambda m, x: repr(x),
            "made": lambda m, x: type(x)([1, 2]), "parameter": lambda m, x: m.nn.Parameter(m.ones(1)) + 1,
            "matmul": lambda m, x: x @ x,
            "einsum": lambda m, x: m.einsum("ij->j", x),
            "to": lambda m, x: x.to(m.float64),
            "linear": lambda m, x: m.nn.functional.linear(x, x),
            "no function": lambda m, x: _disabled(m, x),
        },
    )  # fmt: skip


def _disabled(m, x):
    with m._C.DisableTorchFunctionSubclass():
        return x + 1


def test_gradients_reach_the_leaf_of_a_subclass():
    found = []
    for m in BOTH:
        x = sub(m).requires_grad_()
        (x * x).sum().backward()
        found.append((type(x.grad).__name__, x.grad.tolist(), type((x * 2).grad_fn).__name__))
    assert found[0] == found[1]


def test_a_subclass_sees_calls():
    seen = {}
    for m in BOTH:
        log = seen[m] = []

        class Logging(m.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None, log=log):
                log.append((func.__name__, [t.__name__ for t in types], len(args)))
                return super().__torch_function__(func, types, args, kwargs or {})

        x = m.tensor([1.0, 2.0]).as_subclass(Logging)
        m.add(m.ones(2), x)
        m.cat([x, x])
        x.sum()
        x.shape  # noqa: B018
        x[0]
        x.numpy()
        x.add_(1)
    assert seen[pytorch] == seen[torchish]


def test_plain_subclasses_give_plain_tensors():
    for m in BOTH:

        class Plain(m.Tensor):
            __torch_function__ = m._C._disabled_torch_function_impl

        assert type(m.ones(1).as_subclass(Plain) + 1) is m.Tensor


def test_classes_that_are_no_tensors_answer():
    """The diagonal matrix of PyTorch's "Extending PyTorch"."""

    def build(m):
        handled = {}

        class ScalarTensor:
            def __init__(self, n, value):
                self._n, self._value = n, value

            def __repr__(self):
                return f"ScalarTensor(N={self._n}, value={self._value})"

            def tensor(self):
                return self._value * m.eye(self._n)

            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                if func not in handled or not all(issubclass(t, (m.Tensor, ScalarTensor)) for t in types):
                    return NotImplemented
                return handled[func](*args, **(kwargs or {}))

        def implements(f):
            def register(g):
                handled[f] = functools.wraps(f)(g)
                return g

            return register

        def dense(x):
            return x if isinstance(x, m.Tensor) else x.tensor()

        implements(m.mean)(lambda x: x._value / x._n)
        implements(m.add)(lambda x, y: m.add(dense(x), dense(y)))
        return ScalarTensor(2, 2)

    same(
        build,
        {
            "mean": lambda m, d: m.mean(d), "add": lambda m, d: m.add(d, m.ones(2, 2)), "other way": lambda m, d: m.add(m.ones(2, 2), d),
            "unknown": lambda m, d: m.sum(d), "operator": lambda m, d: m.ones(2, 2) + d,
            "asked": lambda m, d: m.overrides.has_torch_function((d, 1)),
            "tensor": lambda m, d: m.overrides.has_torch_function((m.ones(1),)),
            "like": lambda m, d: m.overrides.is_tensor_like(d),
        },
    )  # fmt: skip


# --- masked tensors ----------------------------------------------------------------------------------------


def masked(m):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = m.arange(6.0).reshape(2, 3)
        return m.masked.masked_tensor(data, m.tensor([[True, False, True], [False, False, True]]))


@pytest.mark.filterwarnings("ignore")
def test_masked_tensors_do_as_pytorchs():
    calls = {
        "itself": lambda m, x: x,
        "add": lambda m, x: x + x,
        "scale": lambda m, x: 2 * x,
        "sin": lambda m, x: x.sin(),
        "exp": lambda m, x: m.exp(x),
        "sum": lambda m, x: x.sum(), "mean": lambda m, x: x.mean(1), "amax": lambda m, x: x.amax(0), "argmax": lambda m, x: x.argmax(),
        "prod": lambda m, x: x.prod(),
        "std": lambda m, x: m.std(x),
        "keepdim": lambda m, x: x.sum(1, keepdim=True),
        "var": lambda m, x: x.var(),
        "row": lambda m, x: x[0], "t": lambda m, x: x.t(), "reshape": lambda m, x: x.reshape(3, 2), "stack": lambda m, x: m.stack([x, x]),
        "cat": lambda m, x: m.cat([x, x]),
        "dtype": lambda m, x: x.to(m.float64),
        "less": lambda m, x: x < 3,
        "softmax": lambda m, x: x.softmax(1),
        "where": lambda m, x: m.where(x.get_mask(), x, x * 2), "where of plain": lambda m, x: m.where(x.get_mask()[0], m.zeros(2, 3), x),
        "where of a number": lambda m, x: m.where(x.get_mask()[1], x, 0.5),
        "element": lambda m, x: (x[0, 0].item(), float(x.sum()), bool(x[1, 2] > 0)),
        "element that is masked": lambda m, x: x[0, 1].item(), "element of many": lambda m, x: x.item(),
        "as a list": lambda m, x: x.tolist(), "as an array": lambda m, x: x.numpy(),
        "in place": lambda m, x: x.clone().add_(1),
        "int": lambda m, x: _masked_ints(m, x),
        "scalar": lambda m, x: m.masked.masked_tensor(m.tensor(2.0), m.tensor(False)), "all": lambda m, x: x.all(), "neg": lambda m, x: -x,
        "filled": lambda m, x: x.to_tensor(-1).tolist(),
        "data": lambda m, x: x.get_data().tolist(),
        "mask": lambda m, x: x.get_mask().tolist(),
        "masks differ": lambda m, x: x + m.masked.masked_tensor(x.get_data(), ~x.get_mask()),
        "mask of ints": lambda m, x: m.masked.masked_tensor(x.get_data(), x.get_mask().int()),
        "mask of a row": lambda m, x: m.masked.masked_tensor(x.get_data(), x.get_mask()[0]),
        "list": lambda m, x: m.masked.masked_tensor([1], x),
        "bfloat16": lambda m, x: m.masked.masked_tensor(x.get_data().bfloat16(), x.get_mask()),
        "is": lambda m, x: m.masked.is_masked_tensor(x),
    }  # fmt: skip
    a, b = (masked(m) for m in BOTH)
    for name, call in calls.items():
        results = []
        for m, x in ((pytorch, a), (torchish, b)):
            try:
                results.append(repr(call(m, x)))
            except Exception as e:
                results.append((type(e).__name__, str(e)))
        assert results[0] == results[1], name


def _masked_ints(m, x):
    return m.masked.masked_tensor(x.get_data().int(), x.get_mask())


@pytest.mark.filterwarnings("ignore")
def test_what_is_masked_takes_no_part_in_gradients():
    found = []
    for m in BOTH:
        data, mask = m.tensor([1.0, float("nan"), 4.0]), m.tensor([True, False, True])
        x = m.masked.masked_tensor(data, mask, requires_grad=True)
        x.sqrt().sum().backward()
        found.append(repr(x.grad))
    assert found[0] == found[1]


def test_functions_of_an_installed_pytorch_take_tensors():
    x, y = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    a, b = torchish.tensor(x), torchish.tensor(y, requires_grad=True)
    c, d = pytorch.tensor(x), pytorch.tensor(y)
    for f in (
        pytorch.nn.PairwiseDistance(),
        pytorch.add,
        pytorch.nn.functional.mse_loss,
        pytorch.special.xlog1py,
        lambda x, y: pytorch.linalg.norm(x),
        lambda x, y: pytorch.fft.fft(y),
        lambda x, y: pytorch.nn.functional.gelu(y),
        lambda x, y: pytorch.einsum("ij,kj->ik", x, y),
    ):
        got = f(a, b)
        assert type(got) is torchish.Tensor
        np.testing.assert_allclose(got.detach().numpy(), f(c, d).numpy(), rtol=1e-5, atol=1e-6)
    pytorch.add(a, b).sum().backward()
    assert b.grad is not None


def test_making_tensors_of_tensors_asks_nobody():
    class Loud(torchish.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            raise AssertionError(func)

    x = torchish.ones(3).as_subclass(Loud)
    with pytest.warns(UserWarning):
        assert type(torchish.tensor(x)) is torchish.Tensor
    assert torchish.as_tensor(x) is x and torchish.asarray(x) is x
    assert type(torchish.as_tensor(x, dtype=torchish.float64)) is torchish.Tensor
    assert torchish.nn.functional.dropout.__defaults__ == pytorch.nn.functional.dropout.__defaults__


def test_parameters_of_other_classes_print_their_class():
    def build(m):
        class Own(m.nn.Parameter):
            pass

        return [repr(x) for x in (Own(m.ones(2, 2)), m.nn.Parameter(sub(m)), m.nn.Parameter(m.ones(1)))]

    assert build(torchish) == build(pytorch)


@pytest.mark.filterwarnings("ignore")
def test_make_subclass_calls_no_constructor():
    def build(m):
        class Scaled(m.Tensor):
            def __new__(cls, data, requires_grad=False):
                return m.Tensor._make_subclass(cls, data, requires_grad)

            def __init__(self, *args):
                self.scale = 3

        return Scaled, m.arange(4.0, requires_grad=True) * 2

    def shared(m, x):
        cls, source = x
        made = cls(source, True)
        with m.no_grad():
            made.add_(1)
        (made * 2).sum().backward()
        return [repr(made), made.scale, made.is_leaf, source, source._version, type(made * 2).__name__, made.grad]

    def make(*args, **kwargs):
        return lambda m, x: m.Tensor._make_subclass(*(a(m, x) if callable(a) else a for a in args), **kwargs)

    cls, source, parameter = (lambda m, x: x[0]), (lambda m, x: x[1]), (lambda m, x: m.nn.Parameter)
    same(
        build,
        {
            "shared": shared, "parameter": make(parameter, source), "no gradients": make(cls, lambda m, x: m.ones(2).int(), True),
            "no tensor class": make(lambda m, x: str, source), "no class": make(3, source), "no tensor": make(cls, [1.0]),
            "too few": make(cls), "no bool": make(cls, source, None), "keyword": make(cls, source, require_grad=True),
        },
    )  # fmt: skip
    with pytest.raises(AttributeError, match="torchish does not have it"):
        torchish.Tensor._make_wrapper_subclass(torchish.Tensor, (1,))


@pytest.mark.parametrize("m", BOTH, ids=lambda m: m.__name__)
def test_swapped_tensors_are_each_other(m):
    a, b = m.nn.Parameter(m.ones(2)), m.zeros(3)
    a.grad, a.mark = m.full((2,), 5.0), "a's"
    m.utils.swap_tensors(a, b)
    assert (type(b), b.mark, b.grad.tolist(), b.tolist(), b.requires_grad) == (m.nn.Parameter, "a's", [5.0, 5.0], [1.0, 1.0], True)
    assert (type(a), a.shape, a.requires_grad) == (m.Tensor, (3,), False)


PROPERTIES = """
import sys, importlib, threading
t = importlib.import_module(sys.argv[1])
from_ = importlib.import_module(sys.argv[1] + ".overrides")
known = {t.Tensor.shape.__get__: "shape", t.Tensor.requires_grad.__set__: "requires_grad"}  # before the first mode
seen = []


class Mode(from_.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        seen.append((known.get(func) or func.__name__, func == t.Tensor.T.__get__, len(types)))
        return func(*args, **(kwargs or {}))


class Sub(t.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        seen.append((cls.__name__, known.get(func), func == t.Tensor.T.__get__))
        return super().__torch_function__(func, types, args, kwargs)


x, s = t.ones(2, 2), t.ones(2, 2).as_subclass(Sub)
s.shape
with Mode():
    x.shape, x.T, s.shape, s.T
    x.requires_grad = True
    t.as_tensor(s), t.asarray(x), x / 1, x % 2
    x.data.__itruediv__(2)
    with t._C.DisableTorchFunction(), Mode():
        s.shape, x + 1
    x + 1
s.shape, s.T
print(seen)
"""


def test_properties_are_the_same_objects_before_and_after_the_first_mode():
    told = [subprocess.run([sys.executable, "-c", PROPERTIES, m.__name__], capture_output=True, text=True, check=True).stdout for m in BOTH]
    assert told[0] == told[1]
