"""The memory order of results whose strides are PyTorch's own choice: empty ones, expanded ones, views of one result."""

import pytest
import torch as pytorch

import torchish

RESULTS = {
    "coordinates": lambda t: t.unravel_index(t.arange(4), (2, 3, 4)),
    "coordinates in nothing": lambda t: t.unravel_index(t.arange(4), ()),
    "nonzero": lambda t: [t.nonzero(t.ones(shape)) for shape in ((3,), (2, 3), (1,), ())],
    "nothing that is nonzero": lambda t: [t.nonzero(t.zeros(shape)) for shape in ((3,), (2, 3), (2, 0, 3), ())],
    "new dimensions of size 1": lambda t: [t.ones(2).expand(1, 3, 2), t.ones(()).expand(1, 1), t.ones(3, 1).expand(1, 1, 3, 1)],
    "no matrices": lambda t: [t.linalg.inv(t.ones(0, 3, 3)), t.cholesky_inverse(t.ones(0, 2, 2)), t.linalg.svd(t.ones(3, 5, 0))[2]],
    "conversions": lambda t: [
        x.to(d) for x in (t.ones(5, 6, 1).permute(2, 0, 1), t.ones(4, 1, 5).mT, t.ones(2, 6)[:, ::2]) for d in (t.float64, t.uint8)
    ],
    "copies that are written to": lambda t: [
        f(x)
        for x in (t.ones(5, 6, 3).permute(2, 0, 1), t.ones(5, 6, 1).permute(2, 0, 1))
        for f in (
            lambda x: x.masked_fill(x > 0, 1.0), lambda x: x.index_fill(0, t.tensor([0]), 1.0), lambda x: x.flip(0),
            lambda x: x.sort(0)[0], lambda x: x.sort(dim=0, stable=True)[1], lambda x: x.argsort(0), lambda x: x.frexp()[1],
            lambda x: x.put(t.tensor([0]), t.ones(1)),
        )
    ],
    "losses of elements": lambda t: [
        f(x, y, reduction="none")
        for f in (
            t.nn.functional.mse_loss, t.nn.functional.smooth_l1_loss, t.nn.functional.huber_loss, t.nn.functional.soft_margin_loss,
            t.nn.functional.binary_cross_entropy, t.nn.functional.l1_loss,
        )
        for x in (t.ones(2, 3, 4), t.ones(4, 3, 2).permute(2, 1, 0)) for y in (t.ones(2, 3, 4), t.ones(4, 3, 2).permute(2, 1, 0))
    ],
    "numbers and tensors": lambda t: [
        f(x) for x in (t.ones(2, 4, 5, 3).permute(0, 3, 1, 2), t.ones(3, 2).T)
        for f in (lambda x: 2**x, lambda x: x**2, lambda x: t.rsub(x, t.ones(x.shape)), lambda x: 1 - x, lambda x: t.float_power(2, x))
    ],
    "what is written into copies": lambda t: [
        f(x)
        for x in (t.ones(3, 2, 2).permute(2, 0, 1), t.ones(2, 3, 2))
        for f in (
            lambda x: x.select_scatter(t.zeros(2, 2), 1, 0), lambda x: x.slice_scatter(t.zeros(2, 1, 2), 1, 0, 1),
            lambda x: x.diagonal_scatter(t.zeros(2, 2), 0, 0, 1), lambda x: x.as_strided_scatter(t.zeros(2), (2,), (1,)),
            lambda x: x.index_put((t.tensor([0]),), t.zeros(3, 2)), lambda x: t.as_strided_copy(x, (2, 2), (1, 2)),
        )
    ],
    "images that are rolled": lambda t: [
        t.ones(2, 4, 5, 3).permute(0, 3, 1, 2).roll(*a) for a in ((1, 1), ((1, 2), (2, 3)), (1,))
    ],
    "maxima put back": lambda t: t.nn.functional.max_unpool2d(
        *t.nn.functional.max_pool2d(t.ones(2, 4, 6, 3).permute(0, 3, 1, 2), 2, return_indices=True), 2
    ),
    "maxima of sequences": lambda t: [
        t.nn.functional.max_pool1d(t.ones(2, 5, 3, requires_grad=g).transpose(1, 2), 2) + 0 for g in (False, True)
    ],
    "quantiles": lambda t: t.rand(3, 2, 4).quantile(t.tensor([0.1, 0.5]), 1, True),
}


@pytest.mark.parametrize("name", RESULTS)
def test_strides(name):
    def geometry(t):
        return [(tuple(x.shape), x.stride(), x.storage_offset(), x._base is None) for x in RESULTS[name](t)]

    assert geometry(torchish) == geometry(pytorch)


# Images, four channels of them, in several orders of memory.
IMAGES = {
    "channels last": lambda t: t.ones(2, 4, 8, 8).contiguous(memory_format=t.channels_last),
    "channels last by a permutation": lambda t: t.ones(2, 8, 8, 4).permute(0, 3, 1, 2),
    "batch last": lambda t: t.ones(4, 8, 8, 2).permute(3, 0, 1, 2),
    "some channels of more": lambda t: t.ones(2, 8, 8, 8).contiguous(memory_format=t.channels_last)[:, :4],
    "every other column": lambda t: t.ones(2, 4, 8, 16)[..., ::2],
    "transposed": lambda t: t.ones(2, 4, 8, 8).transpose(2, 3),
    "one pixel": lambda t: t.ones(2, 4, 1, 1).contiguous(memory_format=t.channels_last),
    "volumes with channels last": lambda t: t.ones(2, 4, 6, 6, 6).contiguous(memory_format=t.channels_last_3d),
}
LAYERS = (
    "BatchNorm2d(4)", "BatchNorm2d(4, track_running_stats=False)", "BatchNorm3d(4)", "GroupNorm(2, 4)", "InstanceNorm2d(4)",
    "Upsample(scale_factor=2)", "Upsample(scale_factor=2, mode='bilinear')", "Upsample(size=(3, 5), mode='bicubic')",
    "Upsample(scale_factor=2, mode='trilinear')", "ZeroPad2d(1)", "ConstantPad2d(-1, 3.0)", "ReflectionPad2d(1)", "ReplicationPad2d(1)",
    "ReflectionPad3d(1)", "ReplicationPad3d(1)", "CircularPad2d(1)", "PixelShuffle(2)", "PixelUnshuffle(2)", "ChannelShuffle(2)", "GLU(1)",
    "LogSigmoid()", "RReLU()", "AdaptiveAvgPool2d(1)", "AdaptiveAvgPool3d(1)", "AdaptiveAvgPool2d((3, 2))", "MaxPool2d(2)",
    "Conv2d(4, 2, 1)",
)  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("image", IMAGES)
def test_memory_order_of_images(image, layer):
    def strides(t):
        found = []
        for training in (True, False):
            module = eval(f"nn.{layer}", {"nn": t.nn}).train(training)
            try:
                y = module(IMAGES[image](t).requires_grad_())
            except (RuntimeError, ValueError) as error:
                found.append(type(error))
            else:
                found.append((tuple(y.shape), y.stride(), y.grad_fn and y.grad_fn.name()))
        return found

    expected = strides(pytorch)
    if layer.startswith("Pixel") and image.startswith("volumes"):
        pytest.skip("PyTorch refuses these for their strides alone")
    assert strides(torchish) == expected


LEAVES = {
    "channels last": lambda t: t.zeros(2, 3, 4, 5).to(memory_format=t.channels_last),
    "transposed": lambda t: t.zeros(2, 4, 3, 5).transpose(1, 2),
    "expanded": lambda t: t.zeros(4, 5).expand(2, 3, 4, 5),
    "with holes": lambda t: t.zeros(2, 3, 4, 10)[..., ::2],
}


@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("hooked", [False, True])
def test_gradients_of_leaves_lie_as_the_leaves_do(leaf, recorded, hooked):
    def strides(t):
        x = LEAVES[leaf](t).detach().requires_grad_()
        if hooked:
            x.register_post_accumulate_grad_hook(lambda p: None)
        (x * t.ones(2, 3, 4, 5)).sum().backward(create_graph=recorded)
        return x.grad.stride(), x.grad.detach().zero_().stride()

    assert strides(torchish) == strides(pytorch)


@pytest.mark.parametrize("shape", [(), (1,), (3, 2)])
@pytest.mark.parametrize("call", [
    "put(x, i, v)", "put(x, i, v, True)", "index_fill(x, 0, i, 2.0)", "flip(x, ())", "argsort(x)", "frexp(x.detach())[0]",
])  # fmt: skip
def test_copies_of_contiguous_tensors_are_contiguous(call, shape):
    # also where there is nothing to write
    def strides(m):
        x, i, v = m.ones(shape, requires_grad=True), m.tensor([], dtype=m.int64), m.zeros(0, requires_grad=True)
        return eval("m." + call, {"m": m, "x": x, "i": i, "v": v}).stride()

    assert strides(torchish) == strides(pytorch)
