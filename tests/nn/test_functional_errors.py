"""Calls of nn.functional with arguments that do not fit raise what they raise in PyTorch, with its text."""

import numpy as np
import pytest
import torch

import torchish

V, M, I3 = ("float32", (4,)), ("float32", (3, 4)), ("int64", (3,))
B, IMAGE = ("float32", (2, 4, 5)), ("float32", (1, 2, 6, 6))
HALF, LONG, DOUBLE = ("float16", (4,)), ("int64", (4,)), ("float64", (4,))

# function, positional arguments, keywords; a pair of a dtype and a shape is a tensor of ones
CALLS = [
    ("layer_norm", (M, [4], LONG), {}), ("layer_norm", (M, [4], V, LONG), {}), ("layer_norm", (M, [4], V, HALF), {}),
    ("layer_norm", (M, [1.5]), {}), ("layer_norm", (M, [4]), {"eps": "a"}), ("layer_norm", (M, 4), {}), ("layer_norm", (M, [3]), {}),
    ("group_norm", (B, 2, V, DOUBLE), {}), ("group_norm", (B, 2), {"eps": None}), ("group_norm", (B, 3), {}),
    ("batch_norm", (M, LONG, V), {}), ("batch_norm", (M, V, V, HALF), {}), ("batch_norm", (M, V, V, V, HALF), {}),
    ("batch_norm", (M, V, V), {"momentum": "a"}), ("batch_norm", (M, V, V), {"training": True, "momentum": None}),
    ("instance_norm", (B, "a"), {}), ("instance_norm", (B, V), {}), ("instance_norm", (None,), {}), ("rms_norm", (V, (3, 4)), {}),
    ("rms_norm", (I3, (3,)), {}), ("linear", (V, V, V), {}), ("linear", (V, M, M), {}), ("linear", (M, M, I3), {}),
    ("bilinear", (V, DOUBLE, ("float32", (2, 4, 4))), {}), ("unfold", (IMAGE, 2.5), {}), ("unfold", (IMAGE, 2), {"padding": -1}),
    ("unfold", (IMAGE, (2, 2)), {"stride": (1, 1.5)}), ("fold", (IMAGE, None, 2), {}), ("max_pool2d", (IMAGE, "a"), {}),
    ("max_pool2d", (IMAGE, 2, 1.5), {}), ("max_pool2d", (IMAGE, 2), {"padding": None}), ("max_pool1d", (M, True), {}),
    ("max_unpool2d", (IMAGE, IMAGE, 2), {}), ("max_unpool2d", (("float32", (6, 6)), ("int64", (6, 6)), 2), {}),
    ("nll_loss", (V, ("int64", (2,))), {}), ("nll_loss", (M, ("int64", ())), {}), ("nll_loss", (M, I3), {"ignore_index": None}),
    ("cross_entropy", (M, I3), {"ignore_index": 1.5}), ("cross_entropy", (M, I3), {"label_smoothing": "a"}),
    ("cross_entropy", (M, LONG), {}), ("triplet_margin_loss", (M, None, M), {}), ("triplet_margin_loss", (M, M, M), {"swap": 1}),
    ("poisson_nll_loss", (M, "a"), {}), ("poisson_nll_loss", (M, M, 3), {}), ("soft_margin_loss", (M, None), {}),
    ("soft_margin_loss", (I3, I3), {}), ("hinge_embedding_loss", (M, 1.0), {}), ("multi_margin_loss", (M, None), {}),
    ("multilabel_margin_loss", ("a", M), {}), ("cosine_embedding_loss", (M, M, None), {}), ("conv2d", (IMAGE, M), {}),
    ("conv2d", (IMAGE, ("float32", (3, 2, 3, 3)), None, (1, 1.5)), {}), ("linear", (V, M, ("float32", (2, 3))), {}),
    ("conv2d", (("float32", (1, 2, 6, 0)), ("float32", (3, 2, 3, 3))), {}),
    ("conv2d", (("float32", (1, 2, 6, 0)), ("float32", (3, 2, 3, 3))), {"padding": 2}),
    ("conv_transpose2d", (IMAGE, ("float32", (2, 3, 3, 0))), {}),
]  # fmt: skip
PLAIN = [
    ("atleast_1d", (None,), {}), ("atleast_2d", (1, 2), {}), ("block_diag", (M, None), {}), ("broadcast_tensors", (M, "a"), {}),
    ("cartesian_prod", (V, 1.0), {}), ("split", (V, 1.5), {}), ("split", (V, (1, 1.5)), {}), ("split_with_sizes", (None, (1, 1)), {}),
    ("tensor_split", (V, DOUBLE), {}), ("nanquantile", (V, 2.0), {}), ("tile", (V, (1, None)), {}), ("permute", (M, (0, "a")), {}),
    ("diff", (M, -1), {}), ("cholesky_solve", (M, None), {}),
]  # fmt: skip


def outcome(library, function, args, kwargs):
    def build(x):
        paired = isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], str)
        return library.ones(x[1], dtype=getattr(library, x[0])) if paired else x

    try:
        function(*map(build, args), **{k: build(v) for k, v in kwargs.items()})
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return "no error"


@pytest.mark.parametrize("name, args, kwargs", CALLS)
def test_functional(name, args, kwargs):
    expected = outcome(torch, getattr(torch.nn.functional, name), args, kwargs)
    assert expected != "no error" and outcome(torchish, getattr(torchish.nn.functional, name), args, kwargs) == expected


@pytest.mark.parametrize("name, args, kwargs", PLAIN)
def test_functions_of_the_top_level(name, args, kwargs):
    expected = outcome(torch, getattr(torch, name), args, kwargs)
    assert expected != "no error" and outcome(torchish, getattr(torchish, name), args, kwargs) == expected


def test_no_differences_are_the_tensor_itself():
    for library in (torch, torchish):
        x = library.arange(6).reshape(2, 3)
        assert library.diff(x, 0, prepend=x.float(), append=x).tolist() == x.tolist()
        assert library.diff(x, 0, 7).dtype is library.int64


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("size", ["ab", 1.5, (1, "a"), (1.5, 1.5), True, (True,), (None,), np.int64(2), (np.int64(2),)], ids=repr)
def test_sizes_of_adaptive_pools(n, kind, size):
    if type(size) is tuple and len(size) == 1:
        size *= n
    seen = []
    for t in (torch, torchish):
        try:
            seen.append(tuple(getattr(t.nn.functional, f"adaptive_{kind}_pool{n}d")(t.ones(1, 1, *(4,) * n), size).shape))
        except Exception as error:
            seen.append((type(error).__name__, str(error).partition("\n")[0]))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize(("shape", "size"), [((1, 1), 0), ((1,), 0), ((2, 3), 1), ((2, 0), 1), ((0, 2), 0)])
def test_gradients_of_adaptive_pools_without_bins(n, kind, shape, size):
    told = []
    for t in (torch, torchish):
        x = t.ones(*shape, *[4] * n, requires_grad=True)
        try:
            getattr(t.nn.functional, f"adaptive_{kind}_pool{n}d")(x, (size,) + (2,) * (n - 1)).sum().backward()
            told.append(x.grad.tolist())
        except RuntimeError as error:
            told.append(str(error))
    assert told[0] == told[1]
