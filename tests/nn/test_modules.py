"""Every layer against PyTorch's: the same seed gives the same state, and the text is the same."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
import torch.nn.attention
import torch.nn.grad

import torchish

# name, positional arguments, keyword arguments
LAYERS: list[tuple] = [
    ("Identity", (1, 2), {"a": 3}), ("Linear", (4, 3), {}), ("Linear", (4, 3), {"bias": False}), ("Bilinear", (3, 4, 2), {}),
    ("Linear", (20, 30), {"dtype": "float64"}), ("Conv1d", (4, 6, 3), {"padding": "same"}), ("Conv2d", (3, 6, 5), {}),
    ("Conv2d", (4, 8, (3, 2)), {"stride": 2, "padding": 1, "groups": 2, "bias": False, "padding_mode": "reflect"}),
    ("Conv3d", (2, 4, 3), {"dilation": 2}), ("ConvTranspose1d", (4, 2, 3), {"stride": 2}),
    ("ConvTranspose2d", (4, 2, 3), {"stride": 2, "output_padding": 1, "groups": 2}), ("ConvTranspose3d", (2, 2, 3), {}),
    ("LazyLinear", (3,), {}), ("LazyConv2d", (3, 2), {}), ("LazyBatchNorm1d", (), {}), ("LazyConvTranspose2d", (3, 2), {}),
    ("MaxPool1d", (2,), {}), ("MaxPool2d", (2, 2), {}), ("MaxPool3d", ((1, 2, 3),), {"ceil_mode": True}),
    ("AvgPool1d", (2,), {}), ("AvgPool2d", (2,), {"stride": (1, 2)}), ("AvgPool3d", (2,), {}), ("MaxUnpool2d", (2,), {}),
    ("FractionalMaxPool2d", (2,), {"output_size": 3}), ("LPPool2d", (2, 3), {}), ("AdaptiveMaxPool2d", ((3, None),), {}),
    ("AdaptiveAvgPool2d", (1,), {}), ("BatchNorm1d", (4,), {}), ("BatchNorm2d", (4,), {"momentum": None}),
    ("BatchNorm3d", (4,), {"affine": False, "track_running_stats": False}), ("SyncBatchNorm", (4,), {}),
    ("InstanceNorm2d", (4,), {"affine": True}), ("LayerNorm", (4,), {}), ("LayerNorm", ((2, 3),), {"bias": False}),
    ("GroupNorm", (2, 4), {}), ("RMSNorm", (4,), {}), ("LocalResponseNorm", (2,), {}), ("CrossMapLRN2d", (2,), {}),
    ("Dropout", (), {}), ("Dropout2d", (0.2, True), {}), ("AlphaDropout", (), {}), ("FeatureAlphaDropout", (), {}),
    ("Embedding", (10, 3), {"padding_idx": -1, "max_norm": 1.0}), ("EmbeddingBag", (10, 3), {"mode": "sum", "padding_idx": 2}),
    ("Flatten", (), {}), ("Unflatten", (1, (2, 3)), {}), ("Fold", ((4, 5), (2, 2)), {}), ("Unfold", (2,), {"padding": 1}),
    ("PixelShuffle", (2,), {}), ("PixelUnshuffle", (2,), {}), ("ChannelShuffle", (2,), {}), ("Upsample", (), {"scale_factor": 2}),
    ("Upsample", ((2, 3),), {"mode": "bilinear", "align_corners": True}), ("UpsamplingNearest2d", (), {"size": 4}),
    ("ZeroPad2d", (1,), {}), ("ConstantPad1d", (2, 3.5), {}), ("ReflectionPad2d", ((1, 2, 3, 4),), {}), ("CircularPad3d", (1,), {}),
    ("ReLU", (), {}), ("ReLU", (True,), {}), ("ReLU6", (), {}), ("Threshold", (0.1, 20), {}), ("Hardtanh", (), {}),
    ("ELU", (), {"inplace": True}), ("CELU", (), {}), ("SELU", (), {}), ("GELU", (), {"approximate": "tanh"}), ("GLU", (), {}),
    ("LeakyReLU", (0.2,), {}), ("PReLU", (3,), {}), ("RReLU", (), {}), ("Sigmoid", (), {}), ("Tanh", (), {}), ("SiLU", (), {}),
    ("Mish", (), {}), ("Hardswish", (), {}), ("Hardsigmoid", (), {}), ("Hardshrink", (), {}), ("Softshrink", (), {}),
    ("Softplus", (), {}), ("LogSigmoid", (), {}), ("Softsign", (), {}), ("Tanhshrink", (), {}), ("Softmax", (1,), {}),
    ("Softmin", (), {"dim": 1}), ("LogSoftmax", (-1,), {}), ("Softmax2d", (), {}), ("L1Loss", (), {}), ("MSELoss", (), {}),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.1}), ("NLLLoss", (), {}), ("BCELoss", (), {}), ("BCEWithLogitsLoss", (), {}),
    ("KLDivLoss", (), {}), ("HuberLoss", (), {}), ("SmoothL1Loss", (), {}), ("CTCLoss", (), {}), ("TripletMarginLoss", (), {}),
    ("TripletMarginWithDistanceLoss", (), {}), ("CosineSimilarity", (), {}), ("PairwiseDistance", (), {}),
    ("RNN", (3, 4), {}), ("RNN", (3, 4, 2, "relu"), {"bidirectional": True}), ("LSTM", (3, 4), {"num_layers": 2, "dropout": 0.5}),
    ("LSTM", (3, 5), {"proj_size": 2, "batch_first": True, "bias": False}), ("GRU", (3, 4), {"bidirectional": True}),
    ("RNNCell", (3, 4), {"nonlinearity": "relu"}), ("LSTMCell", (3, 4), {}), ("GRUCell", (3, 4), {"bias": False}),
    ("MultiheadAttention", (8, 2), {}), ("MultiheadAttention", (8, 2), {"kdim": 3, "vdim": 5, "add_bias_kv": True}),
    ("TransformerEncoderLayer", (8, 2, 16), {"activation": "gelu"}), ("TransformerDecoderLayer", (8, 2, 16), {"norm_first": True}),
    ("Transformer", (8, 2, 1, 2, 16), {"batch_first": True}), ("AdaptiveLogSoftmaxWithLoss", (8, 20, [5, 10]), {}),
]  # fmt: skip


def make(module, name, args, kwargs):
    kwargs = dict(kwargs)
    if "dtype" in kwargs:
        kwargs["dtype"] = getattr(module, kwargs["dtype"])
    module.manual_seed(1234)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(module.nn, name)(*args, **kwargs)


@pytest.mark.parametrize(("name", "args", "kwargs"), LAYERS, ids=lambda v: str(v) if isinstance(v, str) else "")
def test_same_seed_gives_the_same_state_and_text(name, args, kwargs):
    want, got = make(torch, name, args, kwargs), make(torchish, name, args, kwargs)
    assert repr(got) == repr(want)
    assert str(type(got)) == str(type(want))
    a, b = want.state_dict(), got.state_dict()
    assert list(a) == list(b)
    if not name.startswith("Lazy"):
        for key, value in a.items():
            value, mine = value.numpy(), b[key].numpy()
            assert value.shape == mine.shape and value.dtype == mine.dtype, key
            np.testing.assert_allclose(mine, value, rtol=3e-7, atol=3e-7, err_msg=key)
    names = [n for n, _ in want.named_parameters()]
    assert [n for n, _ in got.named_parameters()] == names
    public = {k for k in vars(want) if not k.startswith("_")}
    assert public <= {k for k in vars(got) if not k.startswith("_")}
    assert float(torch.rand(())) == float(torchish.rand(()))  # the generators agree afterwards
    assert repr(copy.deepcopy(got)) == repr(want)


def test_every_class_of_pytorch_is_there():
    assert [n for n in torch.nn.modules.__all__ if not hasattr(torchish.nn, n)] == []


ERRORS = [
    lambda t: t.nn.Conv2d(3, 4, 2, groups=2), lambda t: t.nn.Conv2d(4, 3, 2, groups=2), lambda t: t.nn.Conv2d(3, 4, 2, groups=0),
    lambda t: t.nn.Conv2d(3, 3, 2, stride=2, padding="same"), lambda t: t.nn.Dropout(1.5), lambda t: t.nn.GroupNorm(3, 4),
    lambda t: t.nn.BatchNorm2d(3)(t.zeros(2, 3)), lambda t: t.nn.BatchNorm1d(3)(t.zeros(2)), lambda t: t.nn.LSTM(3, 0),
    lambda t: t.nn.LSTM(3, 4, proj_size=4), lambda t: t.nn.RNN(3, 4, nonlinearity="elu"), lambda t: t.nn.GRU(3, 4, proj_size=1),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(2, 5, 4)), lambda t: t.nn.LSTM(3, 4)(t.zeros(2)), lambda t: t.nn.RNN(3, 4)(t.zeros(2)),
    lambda t: t.nn.GRU(3, 4)(t.zeros(5, 2, 3), t.zeros(1, 3, 4)), lambda t: t.nn.GRU(3, 4)(t.zeros(5, 3), t.zeros(1, 3, 4)),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3), (t.zeros(1, 2, 4), t.zeros(1, 2, 5))),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3, dtype=t.float64)), lambda t: t.nn.MultiheadAttention(7, 2),
    lambda t: t.nn.MultiheadAttention(0, 2), lambda t: t.nn.Unflatten(1, 3), lambda t: t.nn.Unflatten(1, (2, "a")),
    lambda t: t.nn.Embedding(3, 2, padding_idx=5), lambda t: t.nn.HuberLoss(delta="a"), lambda t: t.nn.MultiMarginLoss(p=3),
    lambda t: t.nn.Linear(2, 3)(), lambda t: t.nn.Sequential(t.nn.ReLU())[3], lambda t: t.nn.ModuleList([t.nn.ReLU()])[2],
    lambda t: t.nn.LinearCrossEntropyLoss(3, 2)(t.zeros(4, 5), t.zeros(4, dtype=t.int64)),
    lambda t: t.nn.ModuleList(3), lambda t: t.nn.ModuleDict({"a": 3}), lambda t: t.nn.Sequential(1), lambda t: t.nn.Module()(1),
    lambda t: t.nn.Linear(2, 2).nothing, lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(4, 10, [5, 5]), lambda t: t.nn.ParameterList()(1),
    lambda t: t.nn.FractionalMaxPool2d(2), lambda t: t.nn.Module(3), lambda t: t.nn.Module(a=3),
    lambda t: t.nn.TransformerEncoderLayer(8, 2, activation="tanh"), lambda t: t.nn.LSTMCell(3, 4)(t.zeros(2, 2, 3)),
    lambda t: t.nn.Sequential(t.nn.ReLU()) + 3, lambda t: t.nn.Sequential(t.nn.ReLU()) * 0,
    lambda t: setattr(t.nn.Linear(2, 2), "weight", t.zeros(2)), lambda t: setattr(t.nn.BatchNorm1d(2), "running_mean", 3),
    lambda t: t.nn.Linear(2, 2).load_state_dict({"weight": t.zeros(3, 3), "other": t.zeros(1)}),
    lambda t: t.nn.Linear(2, 2).load_state_dict(3), lambda t: t.nn.Linear(2, 2).register_buffer("a.b", None),
    lambda t: t.nn.Linear(2, 2).register_parameter("c", t.zeros(2)), lambda t: t.nn.Linear(2, 2).get_submodule("x.y"),
    lambda t: t.nn.Linear(2, 2).add_module("weight", t.nn.ReLU()), lambda t: t.nn.Linear(2, 2).train(3),
    lambda t: t.nn.Linear(2, 2).to(t.int64), lambda t: setattr(t.nn.Sequential(t.nn.ReLU()), "0", 3),
    lambda t: t.nn.Linear(2, 2).register_parameter("p", t.nn.Parameter(t.zeros(2)) * 2),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_are_those_of_pytorch(number):
    def outcome(module):
        try:
            ERRORS[number](module)
        except Exception as e:
            return type(e), str(e)
        return None

    want = outcome(torch)
    assert want is not None
    assert outcome(torchish) == want


def containers(t):
    nn = t.nn
    seq = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    seq.append(nn.Tanh()).insert(1, nn.Dropout(0.1))
    yield seq
    yield seq[1:3]
    del seq[0]
    yield seq
    yield seq + nn.Sequential(nn.Sigmoid())
    yield nn.Sequential(nn.ReLU(), nn.Tanh()) * 2
    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)] + [nn.ReLU()])
    yield layers
    layers.insert(1, nn.Tanh())
    layers.extend([nn.ReLU(), nn.Sequential(nn.Linear(1, 1))])
    yield layers
    yield layers[2:]
    yield nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 2)})
    yield nn.ParameterList([t.zeros(2, 3), 5, nn.Parameter(t.ones(1))])
    yield nn.ParameterDict({"z": t.zeros(2), "a": "text"})
    yield nn.ModuleList()
    net = nn.Module()
    net.inner = nn.Sequential(nn.ModuleList([nn.Sequential(nn.ReLU(), nn.ReLU())] * 2), nn.Transformer(4, 1, 2, 2, 4))
    yield net


def test_containers_print_and_hold_the_same():
    for want, got in zip(containers(torch), containers(torchish), strict=True):
        assert repr(got) == repr(want)
        assert list(got.state_dict()) == list(want.state_dict())
        assert [n for n, _ in got.named_modules()] == [n for n, _ in want.named_modules()]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_gradients_of_convolutions_by_size(rank):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4) + (7,) * rank), rng.standard_normal((6, 2) + (3,) * rank)
    settings = {"stride": 2, "padding": 1, "groups": 2}

    def run(t):
        shape = getattr(t.nn.functional, f"conv{rank}d")(t.tensor(x), t.tensor(w), **settings).shape
        g = t.tensor(np.random.default_rng(1).standard_normal(tuple(shape)))
        grad = t.nn.functional.grad
        return (
            getattr(grad, f"conv{rank}d_input")(x.shape, t.tensor(w), g, **settings).numpy(),
            getattr(grad, f"conv{rank}d_weight")(t.tensor(x), w.shape, g, **settings).numpy(),
        )

    for got, want in zip(run(torchish), run(torch), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10)


def test_attention_backends_are_accepted():
    from torchish.nn.attention import SDPBackend, sdpa_kernel

    theirs = torch.nn.attention.SDPBackend
    assert {n: int(v) for n, v in SDPBackend.__members__.items()} == {n: int(v) for n, v in theirs.__members__.items()}
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION], set_priority=True):
        assert torchish.nn.functional.scaled_dot_product_attention(*[torchish.ones(1, 2, 4)] * 3).tolist() == [[[1] * 4] * 2]
    with pytest.raises(AssertionError, match="got int"), sdpa_kernel(3):
        pass


def test_attention_without_a_kernel():
    # on the CPU there is the fused kernel, which takes not everything, and the one called "math"
    def outcomes(m):
        q, backend = m.ones(2, 3, 4, 8), m.nn.attention.SDPBackend
        cases = {
            "plain": (q, q, q), "three dimensions": (q[0], q[0], q[0]), "mask": (q, q, q, m.ones(4, 4).bool()),
            "dropout": (q, q, q, None, 0.5), "gradient of the mask": (q, q, q, m.ones(4, 4, requires_grad=True)),
            "transposed": (q.mT, q.mT, q.mT), "empty": (q[:0], q[:0], q[:0]), "values of another size": (q, q, q[..., :5]),
        }  # fmt: skip
        for kernels in ([backend.FLASH_ATTENTION], backend.EFFICIENT_ATTENTION, [backend.EFFICIENT_ATTENTION, backend.MATH]):
            for name, args in cases.items():
                with warnings.catch_warnings(), m.nn.attention.sdpa_kernel(kernels):
                    warnings.simplefilter("ignore")
                    try:
                        yield name, tuple(m.nn.functional.scaled_dot_product_attention(*args).shape)
                    except RuntimeError as e:
                        yield name, str(e)

    assert list(outcomes(torchish)) == list(outcomes(torch))


def test_attention_backends_are_told():
    def told(library):
        cuda = library.backends.cuda
        kernels, backend = library.nn.attention.sdpa_kernel, library.nn.attention.SDPBackend

        def flags():
            return [getattr(cuda, f"{name}_sdp_enabled")() for name in ("flash", "mem_efficient", "math", "cudnn")]

        seen = [flags()]
        cuda.enable_flash_sdp(False)
        seen.append(flags())
        with kernels(backend.MATH):
            seen.append(flags())
            with kernels([backend.FLASH_ATTENTION, backend.CUDNN_ATTENTION]):
                seen.append(flags())
            seen.append(flags())
        seen.append(flags())
        cuda.enable_flash_sdp(True)
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            block = cuda.sdp_kernel(enable_math=False)
            seen.append([(w.category, str(w.message), w.filename) for w in given])
            with block:
                seen.append(flags())
        return [*seen, flags()]

    assert told(torchish) == told(torch)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_gradients_of_convolutions_are_differentiable(rank):
    def gradients(library):
        torch.manual_seed(0)
        sizes = ((2, 4, *(5, 6, 4)[:rank]), (6, 2, *(3, 3, 3)[:rank]))
        x, weight = (torch.randn(s).numpy() for s in sizes)
        x, weight = (library.from_numpy(a).requires_grad_() for a in (x, weight))
        settings = (2, 1, 1, 2)
        y = getattr(library.nn.functional, f"conv{rank}d")(x, weight, None, *settings)
        grad = library.from_numpy(np.cos(np.arange(y.numel(), dtype=np.float32)).reshape(y.shape)).requires_grad_()
        of_x = getattr(library.nn.grad, f"conv{rank}d_input")(x.shape, weight, grad, *settings)
        of_weight = getattr(library.nn.grad, f"conv{rank}d_weight")(x, weight.shape, grad, *settings)
        with library.no_grad():
            assert not getattr(library.nn.grad, f"conv{rank}d_input")(x.shape, weight, grad, *settings).requires_grad
        second = library.autograd.grad((of_x**2).sum() + (of_weight**2).sum(), (x, weight, grad))
        return type(of_x.grad_fn).__name__, [t.detach().numpy() for t in (of_x, of_weight, *second)]

    (name, ours), (expected_name, theirs) = gradients(torchish), gradients(torch)
    assert name == expected_name
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
