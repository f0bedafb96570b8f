"""Mixed precision chooses the dtypes that PyTorch chooses, and trains as it does."""

import functools
import warnings

import numpy as np
import pytest
import torch as pytorch

import torchish

X = np.random.RandomState(0).randn(4, 4).astype("float32")

# Each is computed in a region of autocast on the CPU, from a float32 and from a bfloat16 matrix.
CALLS = {
    "mm": lambda m, x: m.mm(x, x),
    "operator": lambda m, x: x @ x,
    "method": lambda m, x: x.matmul(x[0]),
    "linear": lambda m, x: m.nn.functional.linear(x, x, x[0]),
    "conv2d": lambda m, x: m.nn.functional.conv2d(x[None, None], x[None, None, :2, :2]),
    "addmm": lambda m, x: m.addmm(x, x, x),
    "einsum": lambda m, x: m.einsum("ij,kj->ik", x, x),
    "einsum of one": lambda m, x: m.einsum("ij->j", x),
    "attention": lambda m, x: m.nn.functional.scaled_dot_product_attention(x[None], x[None], x[None]),
    "prelu": lambda m, x: m.nn.functional.prelu(x, x[0, :1]),
    "mv": lambda m, x: m.mv(x, x[0]),
    "add": lambda m, x: x + x,
    "softmax": lambda m, x: m.softmax(x, -1),
    "layer_norm": lambda m, x: m.nn.functional.layer_norm(x, [4]),
    "mse_loss": lambda m, x: m.nn.functional.mse_loss(x, x * 2),
    "l1_loss": lambda m, x: m.nn.functional.l1_loss(x, x * 2),
    "cross_entropy": lambda m, x: m.nn.functional.cross_entropy(x, m.arange(4)),
    "logits": lambda m, x: m.nn.functional.binary_cross_entropy_with_logits(x, x.sigmoid()),
    "kl_div": lambda m, x: m.nn.functional.kl_div(x, x, reduction="sum"),
    "prod": lambda m, x: x.prod(),
    "trace": lambda m, x: m.trace(x),
    "svd": lambda m, x: m.linalg.svdvals(x),
    "quantile": lambda m, x: m.quantile(x, 0.5),
    "fft": lambda m, x: m.fft.fft(x),
    "reflection": lambda m, x: m.nn.functional.pad(x[None], (1, 1), mode="reflect"),
    "constant pad": lambda m, x: m.nn.functional.pad(x, (1, 1)),
    "cat": lambda m, x: m.cat([x, x.float()]),
    "stack": lambda m, x: m.stack([x, x]),
    "power": lambda m, x: m.linalg.matrix_power(x, 2),
    "pinv": lambda m, x: m.linalg.pinv(x.float()),
    "inner": lambda m, x: m.inner(x, x),
    "max_pool3d": lambda m, x: m.nn.functional.max_pool3d(x[None, None], (1, 2, 2)),
    "grid_sample": lambda m, x: m.nn.functional.grid_sample(x[None, None], x.reshape(1, 2, 4, 2).tanh(), align_corners=False),
    "double": lambda m, x: m.mm(x.double(), x.double()),
}


def matrix(m, dtype):
    return m.tensor(X).to(getattr(m, dtype))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", CALLS)
def test_results_have_pytorchs_dtypes_and_values(name, dtype):
    results = []
    for m in (pytorch, torchish):
        with m.autocast("cpu"):
            results.append(CALLS[name](m, matrix(m, dtype)))
    a, b = results
    assert str(a.dtype) == str(b.dtype)
    a, b = (t.detach().to(m.complex64 if t.is_complex() else m.float32).numpy() for t, m in ((a, pytorch), (b, torchish)))
    np.testing.assert_allclose(b, a, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("layer", ["RNN", "GRU", "RNNCell", "GRUCell", "LSTMCell", "MultiheadAttention", "TransformerEncoderLayer"])
def test_layers_have_pytorchs_dtypes(layer):
    found = []
    for m in (pytorch, torchish):
        module = getattr(m.nn, layer)(*((4, 2) if "a" in layer else (4, 4)))
        x = matrix(m, "float32")
        with m.autocast("cpu"):
            out = module(x, x, x) if layer == "MultiheadAttention" else module(x)
        out = out if isinstance(out, tuple) else (out,)
        found.append([str(t.dtype) for t in out])
    assert found[0] == found[1]


def test_gradients_go_through_the_casts():
    found = []
    for m in (pytorch, torchish):
        w = matrix(m, "float32").requires_grad_()
        with m.autocast("cpu"):
            y = m.mm(w, w)
            loss = m.nn.functional.mse_loss(y, y.detach() * 2)
        edges = [type(f).__name__ for f, _ in y.grad_fn.next_functions]
        shared = y.grad_fn.next_functions[0][0] is y.grad_fn.next_functions[1][0]
        loss.backward()
        found.append((edges, shared, str(loss.dtype), str(w.grad.dtype)))
        last = w.grad.numpy()
        if m is pytorch:
            expected = last
    assert found[0] == found[1]
    np.testing.assert_allclose(last, expected, rtol=0.05, atol=0.05)


def test_regions_nest_decorate_and_end():
    for m in (pytorch, torchish):
        x = matrix(m, "float32")
        seen = []
        with m.autocast("cpu", dtype=m.float16):
            seen.append(m.is_autocast_enabled("cpu"))
            with m.autocast("cpu", enabled=False):
                seen += [m.is_autocast_enabled("cpu"), (x @ x).dtype is m.float32]
            seen.append(m.get_autocast_dtype("cpu") is m.float16)
        product = m.autocast("cpu")(lambda x=x: (x @ x).dtype)
        seen += [product() is m.bfloat16, (x @ x).dtype is m.float32, m.get_autocast_dtype("cpu") is m.bfloat16]
        assert seen == [True, False, True, True, True, True, True]


def outcome(f):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = f()
        except Exception as e:
            result = (type(e).__name__, str(e))
    said = [(w.category.__name__, str(w.message).partition(" (Triggered")[0], w.filename) for w in caught]
    return result if isinstance(result, (bool, tuple, str)) else None, said


@pytest.mark.parametrize(
    "use",
    [
        lambda m: m.autocast("foo"), lambda m: m.autocast(3), lambda m: m.autocast("meta"), lambda m: m.autocast("cuda"),
        lambda m: m.autocast("cpu", dtype=m.float32), lambda m: m.autocast("cpu")(3), lambda m: m.cpu.amp.autocast(),
        lambda m: m.amp.GradScaler("cuda"), lambda m: m.amp.GradScaler("cpu", growth_factor=1.0), lambda m: m.amp.custom_fwd(device_type=3),
        lambda m: m.amp.is_autocast_available("meta"),
        lambda m: m.amp.is_autocast_available("xla"),
        lambda m: m.amp.GradScaler("cpu").state_dict()["scale"],
        lambda m: m.is_autocast_enabled(), lambda m: str(m.get_autocast_dtype("cuda")), lambda m: m.get_autocast_dtype("meta"),
        lambda m: m.set_autocast_enabled("cpu", 1), lambda m: m.is_autocast_cpu_enabled(), lambda m: str(m.get_autocast_gpu_dtype()),
        lambda m: m.amp.GradScaler("cpu").step(m.optim.SGD([m.ones(1)], 0.1)), lambda m: m.amp.GradScaler("cpu").update(),
        lambda m: m.amp.GradScaler("cpu").scale(3),
        lambda m: m.amp.GradScaler("cpu").load_state_dict({}),
        lambda m: m.nn.functional.mse_loss(m.ones(2), m.ones(1)) and None,
        lambda m: m.nn.functional.l1_loss(m.ones(2), m.ones(2), reduce=True) and None,
    ],
)  # fmt: skip
def test_errors_and_warnings_are_pytorchs(use):
    assert outcome(lambda: use(torchish))[0] == outcome(lambda: use(pytorch))[0]
    ours, theirs = outcome(lambda: use(torchish))[1], outcome(lambda: use(pytorch))[1]
    assert [w[:2] for w in ours] == [w[:2] for w in theirs]


def test_promotion_refuses_other_short_floats():
    texts = []
    for m in (pytorch, torchish):
        x = matrix(m, "float32")
        with m.autocast("cpu"), pytest.raises(RuntimeError) as e:
            m.cat([x.half(), x.bfloat16()])
        texts.append(str(e.value))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("poison", [None, 2])
def test_scaler_takes_the_steps_that_pytorch_takes(poison):
    """With gradients that overflow in one step: the factor shrinks, that step is skipped, and the factor grows again."""
    histories = []
    for m in (pytorch, torchish):
        w = m.tensor(X, requires_grad=True)
        optimizer = m.optim.SGD([w], 0.1, momentum=0.9)
        scaler = m.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        history = []
        for i in range(6):
            optimizer.zero_grad()
            loss = (w * w).mean() * (float("inf") if i == poison else 1.0)
            scaler.scale(loss).backward()
            if i == 3:
                scaler.unscale_(optimizer)
                m.nn.utils.clip_grad_norm_([w], 0.1)
            scaler.step(optimizer)
            scaler.update()
            history.append((scaler.get_scale(), scaler._get_growth_tracker(), round(w.detach().square().sum().item(), 4)))
        histories.append((history, scaler.state_dict()))
    assert histories[0] == histories[1]


def test_custom_functions_run_in_the_dtype_asked_for():
    seen = []
    for m in (pytorch, torchish):
        on = functools.partial(m.is_autocast_enabled, "cpu")

        class Product(m.autograd.Function):
            @staticmethod
            @m.amp.custom_fwd(device_type="cpu", cast_inputs=m.float32)
            def forward(ctx, x, on=on):
                seen.append((str(x.dtype), on(), str((x @ x).dtype)))
                ctx.save_for_backward(x)
                return x @ x

            @staticmethod
            @m.amp.custom_bwd(device_type="cpu")
            def backward(ctx, g, on=on):
                seen.append((str(g.dtype), on()))
                return g

        x = matrix(m, "bfloat16").requires_grad_()
        with m.autocast("cpu"):
            Product.apply(x).sum().backward()
        seen.append(str(x.grad.dtype))
    assert seen[:3] == seen[3:]
