"""What lies at the edge of the number types: nan under masks, sizes and integers past 64 bits, halves that overflow."""

import pytest
import torch

import torchish


def outcome(lib, code: str) -> str:
    """The text of a program's last value, or of its error."""
    names: dict = {"torch": lib, "nan": float("nan"), "inf": float("inf")}
    *body, last = code.split("; ")
    try:
        exec("; ".join(body), names)
        return repr(eval(last, names))
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


@pytest.mark.parametrize("code", [
    "x * m", "m * x", "x * m.float()", "m.to(torch.float64) * x", "x * (x < 1)", "(x * m).sum()", "x.half() * m", "x.bfloat16() * m",
    "x * torch.tensor(False)", "x.clone().mul_(m)", "x / m", "torch.addcmul(x, x, m.float())",
    "w = torch.ones(3, requires_grad=True); (w * m).backward(x); w.grad",
    "torch.nn.functional.dropout(x, 1.0)",
])  # fmt: skip
def test_a_mask_does_not_hide_nan_or_inf(code):
    """XLA turns products with converted bools into choices, which PyTorch does not do."""
    code = "x = torch.tensor([0.5, nan, inf]); m = torch.tensor([True, False, False]); " + code
    assert outcome(torchish, code) == outcome(torch, code)


@pytest.mark.parametrize("code", [
    "torch.zeros(2**62, 4)", "torch.ones(2**61)", "torch.full((2**62, 4), 1.0)", "torch.zeros(1).new_ones(2**62, 4)",
    "torch.ones(2).repeat(2**60)", "torch.ones(2**20, 1) + torch.ones(1).expand(2**43)", "torch.bincount(torch.tensor([2**60]))",
])  # fmt: skip
def test_sizes_past_memory_are_refused_at_the_call(code):
    assert outcome(torchish, code) == outcome(torch, code)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float16", "bfloat16", "float32", "complex64"])
@pytest.mark.parametrize("number", ["2**63 - 1", "2**63", "2**64", "-(2**63) - 1", "70000", "1e10", "1e39", "-1e39", "2j"])
@pytest.mark.parametrize("write", [
    "t[0] = {}; t", "t[[0]] = {}; t", "t[t == 1] = {}; t", "t.fill_({})", "t.masked_fill(t == 1, {})",
    "torch.full((2,), {}, dtype=t.dtype)",
])  # fmt: skip
def test_numbers_that_do_not_fit(write, number, dtype):
    """The same error at the call, or the same value; never a tensor that cannot be read."""
    code = f"t = torch.ones(2, dtype=torch.{dtype}); " + write.format(number)
    assert outcome(torchish, code) == outcome(torch, code)


def test_a_refused_number_leaves_the_tensor_as_it_was():
    t = torchish.arange(3)
    with pytest.raises(ValueError, match="Overflow when unpacking long long"):
        t[0] = 2**63
    assert t.tolist() == [0, 1, 2]


@pytest.mark.parametrize("code", [
    "torch.arange(0, 5, nan)", "torch.tensor([True]) << torch.tensor([True])", "torch.tensor([True]) >> True", "torch.tensor([True]) << 1",
    "torch.ones(3, 2).index_add(0, torch.tensor([7]), torch.ones(1, 2))", "torch.ones(3).index_add(0, torch.tensor([7]), torch.ones(1))",
    "t = torch.ones(3); t[0] = torch.ones(2, dtype=torch.bfloat16)", "torch.ones(3, 3, dtype=torch.bool).expand(3)",
    "torch.Tensor([1, 2], dtype=torch.int)", "reversed(torch.arange(4).reshape(2, 2))", "reversed(torch.tensor(3))",
])  # fmt: skip
def test_everyday_edges(code):
    assert outcome(torchish, code) == outcome(torch, code)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32", "float16", "complex64"])
@pytest.mark.parametrize("number", ["2**63", "2**64 - 1", "2**64", "-(2**63) - 1", "300"])
@pytest.mark.parametrize("use", [
    "t + {}", "{} - t", "t * {}", "{} / t", "t == {}", "t.clamp(max={})", "torch.where(t == 1, t, {})", "torch.add(t, t, alpha={})",
    "t.add_({})", "torch.addcmul(t, t, t, value={})",
])  # fmt: skip
def test_operands_past_64_bits(use, number, dtype):
    """They wrap, become floats, or are refused at the call: what waits to be computed is not spoilt."""
    if (use, dtype) == ("torch.add(t, t, alpha={})", "float16"):
        pytest.skip("PyTorch checks alpha against float16 there")
    code = f"t = torch.tensor([1, 3]).to(torch.{dtype}); " + use.format(f"({number})")
    assert outcome(torchish, code) == outcome(torch, code)


@pytest.mark.parametrize("code", [
    "t ** 300", "t.clamp(min=300)", "torch.where(t == 1, t, 300)", "300 ** t", "t + 300", "t < 300", "t * -300",
])  # fmt: skip
def test_numbers_past_eight_bits(code):
    code = "t = torch.tensor([1, 3], dtype=torch.uint8); " + code
    assert outcome(torchish, code) == outcome(torch, code)


@pytest.mark.parametrize("out", [
    "torch.zeros(4, 6).t()", "torch.zeros(6, 8)[:, ::2]", "torch.empty(0)", "torch.zeros(4, 6, dtype=torch.float64).t()",
    "torch.zeros(2, 2).t()",
])  # fmt: skip
@pytest.mark.parametrize("call", [
    "randn(6, 4, out=o)", "rand(6, 4, out=o)", "randint(0, 100, (6, 4), out=o)", "normal(1.0, 2.0, (6, 4), out=o)",
    "normal(0.0, torch.ones(6, 4), out=o)", "bernoulli(torch.full((6, 4), 0.5), out=o)",
])  # fmt: skip
def test_random_numbers_fill_out_in_the_order_of_its_memory(call, out):
    if out in ("torch.empty(0)", "torch.zeros(2, 2).t()") and "ones" in call:
        pytest.skip("PyTorch warns, or refuses, there")
    code = f"torch.manual_seed(3); o = {out}; r = torch.{call}; (r is o, o, o.stride(), torch.rand(1))"
    assert outcome(torchish, code) == outcome(torch, code)


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("size", [5, 7, 16, 28])
def test_an_identity_grid_meets_the_same_pixels(size, align):
    """The places lie on pixel centres, where the last bit decides which side a gradient is taken from."""
    grads = []
    for lib in (torch, torchish):
        lib.manual_seed(0)
        x = lib.rand(1, 1, size, size)
        theta = lib.tensor([[[1.0, 0, 0], [0, 1.0, 0]]], requires_grad=True)
        grid = lib.nn.functional.affine_grid(theta, x.shape, align_corners=align)
        (lib.nn.functional.grid_sample(x, grid, align_corners=align) ** 2).sum().backward()
        grads.append((grid.detach().numpy().tobytes(), theta.grad.flatten().tolist()))
    assert grads[0][0] == grads[1][0]
    assert grads[1][1] == pytest.approx(grads[0][1], rel=1e-4)


@pytest.mark.parametrize("code", [
    "torch.zeros(True)", "torch.randn((True,))", "torch.ones(2).repeat(True)", "torch.ones(2).flip(False)", "torch.ones(2, True)",
    "torch.ones(2).sum(True)",
    "t = torch.tensor([1, 2], dtype=torch.uint8); t.__ifloordiv__(2j)", "torch.tensor([1, 2]).bitwise_and_(2.0)",
    "torch.tensor([1, 2]).__ilshift__(2.0)", "torch.tensor([1, 2]).remainder_(torch.tensor(2j))",
    "torch.ones(3).copy_([1, 2, 3])", "torch.ones(3).copy_(None)", "torch.ones(3).copy_(2.0)",
    "torch.tensor([True, False]) ** True", "torch.tensor([True, False]) ** False", "torch.tensor([0j]) ** torch.tensor([0j])",
    "z = torch.zeros(3); n = z.numpy(); z.resize_(5)", "z = torch.zeros(3); n = z.numpy(); z.resize_(2)",
    "x = torch.ones(2, requires_grad=True); ((x * 2).grad_fn._saved_self, (x * 2).grad_fn._saved_other, (x / 3.0).grad_fn._saved_other)",
    "x = torch.ones(2, requires_grad=True); [(x**n).grad_fn._saved_exponent for n in (2, 2.0, 3, 2.5, 5)]",
])  # fmt: skip
def test_more_edges(code):
    assert outcome(torchish, code) == outcome(torch, code)


@pytest.mark.parametrize("code", [
    "torch.rand()", "torch.rand(2, generator=1)", "torch.randint(0.5, 3, (2,))", "torch.randint(10)", "torch.ones(2, 3, dtype='float')",
    "torch.ones(2).relu(3)", "torch.ones(2).exp(a=3)", "torch.add(torch.ones(2))", "torch.ones(2).add()", "torch.mul(torch.ones(2))",
    "torch.pow(torch.ones(2), 3, 2)", "torch.add((1,), 2)", "torch.nn.Conv2d(3, 4)", "torch.nn.Parameter([1])", "torch.device(-1)",
    "torch.dtype('float32')", "torch.nn.utils.clip_grad_norm_(torch.nn.Linear(2, 2).parameters(), 'a')",
    "torch.nn.utils.rnn.pad_sequence([torch.ones(2, 3), torch.ones(2, 4)])", "torch.set_grad_enabled(True)",
    "x = torch.ones(3, requires_grad=True); torch.autograd.grad(x * 2, x, grad_outputs=[torch.ones(3), torch.ones(3)])",
])  # fmt: skip
def test_mistakes_are_told_in_the_same_words(code):
    names = []
    for lib in (torch, torchish):
        try:
            names.append(repr(eval(code.split("; ")[-1], {"torch": lib, "x": lib.ones(3, requires_grad=True)})))
        except Exception as error:
            names.append(f"{type(error).__name__}: {error}")
    assert names[1] == names[0]


def test_a_function_may_change_a_leaf_where_nothing_is_recorded():
    found = []
    for lib in (torch, torchish):

        class AddOne(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                x.add_(1)
                ctx.mark_dirty(x)
                return x

            @staticmethod
            def backward(ctx, g):
                return g

        x = lib.ones(2, requires_grad=True)
        with lib.no_grad():
            y = AddOne.apply(x)
        versions = [x._version, y.tolist()]
        with pytest.raises(RuntimeError, match="a leaf Variable that requires grad has been used in an in-place operation."):
            AddOne.apply(x)
        found.append([*versions, x._version])
    assert found[1] == found[0]


@pytest.mark.parametrize("code", ["torch.isin(torch.tensor([1]), True)", "torch.isin(torch.tensor([1j]), torch.tensor([1]))"])
def test_what_membership_does_not_take(code):
    assert outcome(torchish, code) == outcome(torch, code)


EIGHT_BITS = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]


@pytest.mark.parametrize("name", EIGHT_BITS)
@pytest.mark.parametrize("source", ["bool", "uint8", "int64", "uint16", "float16", "float32", "float64", "complex64"])
def test_numbers_become_8_bits_and_come_back(name, source):
    code = (
        f"x = torch.tensor([0.0, 1.0, 2.5, 3.0, -3.0, 100.0, 0.3, 248.0, 448.0, 464.0, 480.0, 6e4]).to(torch.{source}); "
        f"y = x.to(torch.{name}); (y.float().tolist(), y[:4].to(torch.{source}).tolist(), y[:4].to(torch.int64).tolist())"
    )
    assert outcome(torchish, code) == outcome(torch, code)


@pytest.mark.parametrize("name", EIGHT_BITS)
@pytest.mark.parametrize("code", [
    "x = torch.cat([-(2.0 ** -torch.arange(7.0, 30)), torch.tensor([-1e-9, -0.0, 2.0**-11, 2.0**-18, 3 * 2.0**-19])]); x.to(d).float()",
    "x = torch.tensor([1.0, 2.0, 500.0], requires_grad=True); torch.autograd.grad((x.to(d).float() * 3).sum(), x)",
    "torch.func.jvp(lambda x: x.to(d).float(), (torch.tensor([1.0, 500.0]),), (torch.tensor([2.0, 3.0]),))",
])  # fmt: skip
def test_rounding_to_8_bits(name, code):
    code = f"d = torch.{name}; " + code
    assert outcome(torchish, code) == outcome(torch, code)


@pytest.mark.parametrize("name", EIGHT_BITS[:4])
@pytest.mark.parametrize("code", [
    "torch.full((2,), 70000, dtype=d)", "torch.zeros(2, dtype=d).fill_(500).float()",
    "torch.tensor([500.0, -1e5, 3.0], dtype=d).float()", "torch.tensor(500, dtype=d).float()", "torch.full((2,), 1e6, dtype=d)",
    "torch.full((2,), inf, dtype=d).float()", "torch.zeros(2, dtype=d).fill_(1e6)",
    "torch.zeros(2, dtype=d).copy_(torch.tensor([3, 500])).float()",
    "torch.as_tensor([3, 500], dtype=d).float()", "torch.zeros(1, dtype=d).new_tensor([500.0]).float()",
])  # fmt: skip
def test_numbers_past_8_bits(name, code):
    code = f"d = torch.{name}; " + code
    assert outcome(torchish, code) == outcome(torch, code)


@pytest.mark.parametrize("code", [
    "torch.ones(2, 2, dtype=a) @ torch.ones(2, 2, dtype=b)", "torch.baddbmm(*[torch.ones(1, 1, 1, dtype=d) for d in (a, b, b)])",
    "torch.nn.functional.conv1d(*[torch.ones(1, 1, 1, dtype=d) for d in (a, a)], torch.ones(1, dtype=b))",
    "torch.nn.functional.bilinear(*[torch.ones(1, 1, dtype=d) for d in (a, b)], torch.ones(1, 1, 1))",
    "torch.zeros(2, dtype=a).cumsum_(0, dtype=b)", "torch.full((2,), 1e80, dtype=b)",
])  # fmt: skip
@pytest.mark.parametrize("pair", ["int64, int16", "int16, float32", "uint8, int32", "bfloat16, float64", "int8, float16"])
def test_types_have_their_names_in_cpp(code, pair):
    code = "a, b = [getattr(torch, n) for n in '" + pair + "'.split(', ')]; " + code
    assert outcome(torchish, code) == outcome(torch, code)
