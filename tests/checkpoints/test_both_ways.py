"""Files travel both ways between PyTorch and torchish, and say the same on arrival."""

from __future__ import annotations

import importlib
import io
import pickle
import pickletools
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch as pytorch

import torchish

LIBRARIES = {"pytorch": pytorch, "torchish": torchish}
ROUTES = [("torchish", "pytorch"), ("pytorch", "torchish"), ("torchish", "torchish")]


def carried(make, route, *, save=None, **load):
    """What `make(torch)` gives, after it was saved by one library and loaded by the other."""
    a, b = (LIBRARIES[n] for n in route)
    buffer = io.BytesIO()
    a.save(make(a), buffer, **(save or {}))
    buffer.seek(0)
    return b.load(buffer, **load)


def described(x):
    """A value of either library in plain Python, with everything that must survive."""
    if isinstance(x, (pytorch.Tensor, torchish.Tensor)):
        kind = type(x).__name__
        head = (kind, str(x.dtype), tuple(x.shape), tuple(x.stride()), x.storage_offset(), x.requires_grad, str(x.device))
        if x.device.type == "meta":
            return head
        plain = x.detach().resolve_conj()
        if str(x.dtype) in ("torch.uint16", "torch.uint32", "torch.uint64") or "float8" in str(x.dtype):
            plain = plain.clone().view({1: "uint8", 2: "int16", 4: "int32", 8: "int64"}[x.element_size()] and getattr(
                pytorch if isinstance(x, pytorch.Tensor) else torchish, {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}[x.element_size()]))
        return (*head, plain.tolist())
    if isinstance(x, dict):
        extra = {k: described(v) for k, v in getattr(x, "__dict__", {}).items()}
        return type(x).__name__, [(described(k), described(v)) for k, v in x.items()], extra
    if isinstance(x, (pytorch.Size, torchish.Size)):
        return "Size", tuple(x)
    if isinstance(x, (list, tuple)):
        return type(x).__name__, [described(v) for v in x]
    if isinstance(x, set):
        return sorted(map(repr, x))
    if isinstance(x, np.ndarray):
        return str(x.dtype), x.tolist()
    return type(x).__name__, str(x)


DTYPES = [d.name for d in torchish._dtypes.ALL]


@pytest.mark.parametrize("route", ROUTES, ids="-".join)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype, route):
    def make(torch):
        least = 1 if dtype == "float8_e8m0fnu" else 0  # which has no zero
        return torch.tensor([[least, 1, 1], [1, least, 1]]).to(getattr(torch, dtype))

    assert described(carried(make, route)) == described(make(LIBRARIES[route[1]]))


def strided(torch):
    a = torch.arange(24.0).reshape(2, 3, 4)
    return [
        a.transpose(0, 2), a[1:], a[:, 1], a[..., ::2], a[:0], torch.ones(1, 3).expand(4, 3), torch.tensor(3), a.permute(2, 0, 1)[1:],
        torch.arange(6).reshape(2, 3).t(), torch.ones(2, dtype=torch.complex64).conj(), torch.ones(2, 2, device="meta").t(),
    ]  # fmt: skip


def containers(torch):
    d = OrderedDict(a=1, b=[2, (3, {"c": None})])
    d._metadata = {"version": 2}  # as state dictionaries have it
    return {
        "ordered": d, "numbers": [1, -1, 300, 70000, -(2**40), 2**70, 1.5, 1j, True, None],
        "text": ["é", "", "x" * 300, b"ab", bytearray(b"c")],
        "empty": [[], (), {}, set()], "set": {1, 2}, (1, "k"): "tuple key", "dtype": torch.float64, "size": torch.Size([2, 3]),
        "device": [torch.device("cpu"), torch.device("cuda", 1)], "layout": torch.strided, "deep": [[[[torch.ones(1)]]]],
    }  # fmt: skip


def parameters(torch):
    p = torch.nn.Parameter(torch.ones(2))
    q = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    return [p, q, p * 1, torch.ones(2, requires_grad=True)]


def attributes(torch):
    t, p = torch.ones(2), torch.nn.Parameter(torch.ones(2))
    t.note, p.note = "kept", [1]
    return [t, p]


def model_and_optimizer(torch):
    torch.manual_seed(0)
    m = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 2))
    opt = torch.optim.Adam(m.parameters(), lr=0.01)
    m(torch.ones(2, 1, 4, 4)).sum().backward()
    opt.step()
    return {"model": m.state_dict(), "optimizer": opt.state_dict(), "epoch": 3, "loss": 0.5, "rng": torch.get_rng_state()}


@pytest.mark.parametrize("route", ROUTES, ids="-".join)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("make", [strided, containers, parameters, attributes, model_and_optimizer])
def test_values(make, legacy, route):
    got = carried(make, route, save={"_use_new_zipfile_serialization": not legacy})
    expected = described(make(LIBRARIES[route[1]]))
    if make is model_and_optimizer:  # floats of two libraries, close but not equal
        got = got["epoch"], described(got["rng"]), list(got["model"]), list(got["optimizer"]["state"][0])
        e = make(LIBRARIES[route[1]])
        assert got == (e["epoch"], described(e["rng"]), list(e["model"]), list(e["optimizer"]["state"][0]))
        return
    assert described(got) == expected


@pytest.mark.parametrize("route", ROUTES, ids="-".join)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_shared_storages(route, legacy):
    """Tensors that share memory share it after loading, and take its space once."""

    def make(torch):
        a = torch.zeros(1000)
        return [a, a.view(10, 100), a[10:20], a.view(10, 100).t(), a]

    save = {"_use_new_zipfile_serialization": not legacy}
    a, b, part, t, again = carried(make, route, save=save)
    assert again is a
    b[0, 11] = 5
    assert a[11] == 5 and part[1] == 5 and t[11, 0] == 5
    part.add_(1)
    assert a[10] == 1 and b[0, 11] == 6 and t[12, 0] == 1
    buffer = io.BytesIO()
    LIBRARIES[route[0]].save(make(LIBRARIES[route[0]]), buffer, **save)
    assert buffer.tell() < 8000


def module(torch):
    nn = torch.nn
    torch.manual_seed(0)
    m = nn.Module()
    m.net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5))
    m.rnn = nn.LSTM(4, 3, batch_first=True, bidirectional=True)
    m.gru = nn.GRU(4, 3)
    m.attention = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, activation="gelu"), 1)
    m.embedding, m.norm = nn.Embedding(5, 4, padding_idx=0), nn.LayerNorm(4)
    m.tied = nn.Linear(4, 5, bias=False)
    m.tied.weight = m.embedding.weight
    m.kept = nn.ModuleDict({"a": nn.ModuleList([nn.GELU(), nn.Softmax(-1), nn.Bilinear(2, 2, 2)])})
    m.register_buffer("scale", torch.ones(2), persistent=False)
    return m.eval()


def ran(torch, m):
    x = torch.arange(64.0).reshape(1, 1, 8, 8) / 64
    y = m.net(x).flatten(2).transpose(1, 2)
    return [m.net(x), m.rnn(y)[0], m.gru(y)[0], m.attention(y), m.tied(m.norm(m.embedding(torch.tensor([1, 0])))), m.scale]


def names_in(torch, make):
    """The names of classes and functions in a file."""
    buffer = io.BytesIO()
    torch.save(make(torch), buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {arg for op, arg, _ in pickletools.genops(archive.read("archive/data.pkl")) if op.name == "GLOBAL"}


@pytest.mark.parametrize(
    "make",
    [
        lambda torch: torch.nn.TransformerEncoderLayer(4, 2),
        lambda torch: [torch.nn.functional.relu, torch.nn.functional.softmax, torch.nn.init.ones_, torch.nn.utils.clip_grad_norm_],
    ],
)
def test_functions_and_classes_go_by_pytorchs_names(make):
    assert names_in(torchish, make) == names_in(pytorch, make)


def test_classes_are_where_pytorch_has_them():
    for cls in vars(pytorch.nn.modules).values():
        if isinstance(cls, type) and cls.__module__ != "torch.nn.modules.linear_cross_entropy":
            home = importlib.import_module(cls.__module__.replace("torch", "torchish", 1))
            assert getattr(home, cls.__name__) is getattr(torchish.nn.modules, cls.__name__)


@pytest.mark.parametrize("route", ROUTES, ids="-".join)
def test_whole_modules(route):
    there = LIBRARIES[route[1]]
    got = carried(module, route, weights_only=False)
    assert str(got) == str(module(there)) and list(got.state_dict()) == list(module(there).state_dict())
    assert got.tied.weight is got.embedding.weight
    with warnings.catch_warnings(), there.no_grad():
        warnings.simplefilter("ignore")
        for a, b in zip(ran(there, got), ran(there, module(there)), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-5, 1e-6)
    with pytest.raises(pickle.UnpicklingError, match="torch.nn.modules.module.Module was not an allowed global"):
        carried(module, route)


def test_every_layer_has_pytorchs_state():
    """Layers of the two libraries have the same attributes under the same class names, so that either runs the other's pickles."""
    made = {
        "Conv1d": (1, 2, 3), "ConvTranspose2d": (1, 2, 3), "Linear": (2, 3), "BatchNorm1d": (3,), "GroupNorm": (2, 4), "LayerNorm": (4,),
        "RMSNorm": (4,), "InstanceNorm2d": (3,), "Embedding": (3, 4), "EmbeddingBag": (3, 4), "LSTM": (2, 3), "GRU": (2, 3), "RNN": (2, 3),
        "LSTMCell": (2, 3), "MultiheadAttention": (4, 2), "TransformerEncoderLayer": (4, 2), "TransformerDecoderLayer": (4, 2),
        "Dropout": (), "ReLU": (), "GELU": (), "PReLU": (), "Softmax": (-1,), "MaxPool2d": (2,), "AvgPool2d": (2,),
        "AdaptiveAvgPool2d": (1,), "Upsample": (), "ZeroPad2d": (1,), "Flatten": (), "Unflatten": (1, (1, 2)), "MSELoss": (),
        "Bilinear": (1, 2, 3), "PixelShuffle": (2,), "Fold": ((2, 2), 1), "Identity": (),
        "CosineSimilarity": (), "LocalResponseNorm": (2,), "Hardtanh": (),
    }  # fmt: skip
    wrong = {}
    for name, args in made.items():
        theirs, ours = (getattr(m.nn, name)(*args) for m in (pytorch, torchish))
        difference = theirs.__getstate__().keys() ^ ours.__getstate__().keys()
        if difference or (type(theirs).__module__ != type(ours).__module__):
            wrong[name] = difference or type(ours).__module__
    assert not wrong


@pytest.mark.parametrize("route", ROUTES, ids="-".join)
@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_protocols(route, protocol):
    def make(torch):
        return {"w": torch.ones(2), "l": list(range(300))}

    got = carried(make, route, save={"pickle_protocol": protocol}, weights_only=False)
    assert got["w"].tolist() == [1, 1] and got["l"] == list(range(300))


@pytest.mark.parametrize("route", ROUTES, ids="-".join)
def test_numpy_and_generators(route):
    def make(torch):
        g = torch.Generator().manual_seed(5)
        torch.rand(3, generator=g)
        return {"a": np.arange(3), "s": np.float64(2.5), "g": g, "best": torch.max(torch.ones(2, 2), 0)}

    there = LIBRARIES[route[1]]
    got = carried(make, route, weights_only=False)
    assert got["a"].tolist() == [0, 1, 2] and got["s"] == 2.5 and isinstance(got["s"], np.float64)
    assert there.rand(2, generator=got["g"]).tolist() == there.rand(2, generator=make(there)["g"]).tolist()
    assert got["best"].values.tolist() == [1, 1]


def test_the_same_bytes_as_pytorch():
    """A state dictionary's file is PyTorch's byte for byte, but for its identifier and the checksums of it."""
    files = []
    for torch in LIBRARIES.values():
        buffer = io.BytesIO()
        torch.save([torch.arange(3.0), torch.ones(3), torch.ones(2, 2)], buffer)
        files.append(buffer.getvalue())
    end = files[0].index(b".data/serialization_id")
    assert files[0][:end] == files[1][:end] and len(files[0]) == len(files[1])
