"""The calls that PyTorch's operator database lists as wrong: PyTorch's exception and text, and arguments that are as they were."""

from __future__ import annotations

import types
from collections import Counter

import pytest
import torch as pytorch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

import torchish

# Methods of numbers, in words about PyTorch's C++ classes; private names; and programs of CUDA.
ELSEWHERE = "__radd__ __rdiv__ __rmul__ __rand__ __ror__ __rxor__ _chunk_cat jiterator_binary jiterator_binary_return_by_ref".split()
INFOS = [info for info in op_db if info.error_inputs_func is not None and info.name not in ELSEWHERE]


def tensors(tree, t):
    return [x for x in pytree.tree_leaves(tree, is_leaf=lambda x: isinstance(x, t.Tensor)) if isinstance(x, t.Tensor)]


def moved(tree):
    """The same arguments for torchish, views of the same memory where they were."""
    ours = {}
    sharing = Counter(x.untyped_storage()._cdata for x in {id(x): x for x in tensors(tree, pytorch) if x.device.type == "cpu"}.values())

    def leaf(x):
        if isinstance(x, (pytorch.dtype, pytorch.layout)):
            return getattr(torchish, str(x).removeprefix("torch."))
        if isinstance(x, pytorch.device):
            return torchish.device(str(x))
        if not isinstance(x, pytorch.Tensor):
            return x
        if id(x) not in ours:
            if x.device.type != "cpu":
                ours[id(x)] = torchish.empty(tuple(x.shape), dtype=leaf(x.dtype), device=str(x.device))
            elif sharing[x.untyped_storage()._cdata] == 1 and x.is_contiguous():
                flat = torchish.tensor(x.detach().reshape(-1).tolist(), dtype=leaf(x.dtype))
                ours[id(x)] = flat.reshape(tuple(x.shape)).requires_grad_(x.requires_grad)
            else:
                memory = x.untyped_storage()
                if memory._cdata not in ours:
                    whole = pytorch.empty(0, dtype=x.dtype).set_(memory, 0, (memory.nbytes() // x.element_size(),), (1,))
                    ours[memory._cdata] = torchish.tensor(whole.tolist(), dtype=leaf(x.dtype))
                ours[id(x)] = ours[memory._cdata].as_strided(tuple(x.shape), x.stride(), x.storage_offset())
        return ours[id(x)]

    return pytree.tree_map(leaf, tree, is_leaf=lambda x: isinstance(x, pytorch.Tensor))


def function(info):
    f, t = info.op, torchish
    if isinstance(f, types.FunctionType) and f.__module__.startswith("torch.testing"):
        return types.FunctionType(f.__code__, f.__globals__ | {"torch": torchish}, f.__name__, f.__defaults__, f.__closure__)
    for part in info.name.split("."):
        t = getattr(t, part) if hasattr(t, part) else getattr(t.Tensor, part)
    return t


def state(tree):
    return [(x.shape, x.stride(), x._version, x.reshape(-1).tolist() if x.device.type == "cpu" else None) for x in tensors(tree, torchish)]


@pytest.mark.parametrize("k", range(len(INFOS)), ids=[f"{info.name}.{info.variant_test_name}" for info in INFOS])
def test_error_inputs(k):
    info = INFOS[k]
    for wrong in info.error_inputs("cpu"):
        sample = wrong.sample_input
        tree = (sample.input, sample.args, sample.kwargs)
        if pytorch.sparse_coo in pytree.tree_leaves(tree):
            continue
        try:
            info.op(tree[0], *tree[1], **tree[2])
        except Exception as error:
            ours = moved(tree)
            before = repr(state(ours))
            with pytest.raises(type(error)) as got:
                function(info)(ours[0], *ours[1], **ours[2])
            assert (type(got.value).__name__, str(got.value)) == (type(error).__name__, str(error))
            assert repr(state(ours)) == before


REFUSED = {
    "a complex factor": lambda t, x: t.addmm(x, x, x, alpha=1j),
    "a complex factor of doubles": lambda t, x: t.addmv(x[0].double(), x.double(), x[0].double(), beta=1j),
    "a complex factor of integers": lambda t, x: t.addbmm(x.long(), x.long()[None], x.long()[None], alpha=1j),
    "a complex value": lambda t, x: t.addcmul(x, x, x, value=1j),
    "a complex divisor": lambda t, x: t.addcdiv(x, x, x, value=1j),
    "a complex weight": lambda t, x: t.lerp(x, x, 1j),
    "a complex share of rows": lambda t, x: t.index_add(x, 0, t.tensor([0]), x[:1], alpha=1j),
    "a complex filling": lambda t, x: t.index_fill(x, 0, t.tensor([0]), t.tensor(1j)),
    "rows of a number": lambda t, x: t.index_add(x[0, 0], 0, t.tensor([0]), x[0, :1]),
    "distances of bools": lambda t, x: t.dist(x > 0, x),
    "bools as arguments": lambda t, x: t.mvlgamma(x > 0, 1),
    "powers of bools": lambda t, x: t.linalg.vander(x > 0),
    "a nuclear norm of integers": lambda t, x: t.norm(x.long(), "nuc"),
    "points of more dimensions": lambda t, x: t.trapezoid(x, x.expand(2, 3, 3)),
    "points of a running integral": lambda t, x: t.cumulative_trapezoid(x, x.expand(2, 3, 3)),
    "no bool": lambda t, x: t.nn.functional.kl_div(x, x, log_target=1),
    "no training": lambda t, x: t.nn.functional.rrelu(x, training=None),
    "no shape": lambda t, x: t.nn.functional.rms_norm(x, 3),
    "no edges": lambda t, x: t.nn.functional.pad(x[:0].expand(2, 0, 3), (1, 1), "reflect"),
    "nothing left": lambda t, x: t.nn.functional.pad(x, (-2, -1), "replicate"),
    "nothing left in two dimensions": lambda t, x: t.nn.functional.pad(x[None], (-2, -2, -2, -2), "replicate"),
    "less than nothing left": lambda t, x: t.nn.functional.pad(x[None], (-2, -2, 0, 0), "replicate"),
    "a small image": lambda t, x: t.nn.functional.avg_pool3d(x.expand(1, 3, 3, 3), 4, padding=1),
    "more weights": lambda t, x: t.nn.functional.binary_cross_entropy_with_logits(x[0], x[0], x),
    "more weights of positives": lambda t, x: t.nn.functional.binary_cross_entropy_with_logits(x[0], x[0], pos_weight=x),
    "other weights": lambda t, x: t.nn.functional.binary_cross_entropy_with_logits(x[0], x[0], x[0, :2]),
    "complex weights": lambda t, x: t.nn.functional.binary_cross_entropy_with_logits(x, x, x * 1j),
    "more targets": lambda t, x: t.nn.functional.soft_margin_loss(x[0], x),
    "complex targets": lambda t, x: t.nn.functional.soft_margin_loss(x, x * 1j),
    "bools to negate": lambda t, x: t.nn.functional.soft_margin_loss(x > 0, x),
    "bools for classes": lambda t, x: t.nn.functional.multilabel_margin_loss(x, x > 2),
    "floats for classes": lambda t, x: t.nn.functional.multilabel_margin_loss(x, x),
    "a complex bias": lambda t, x: t.nn.functional.conv_transpose1d(x[None], x[:, :, None], x[0] * 1j),
    "bools before sizes": lambda t, x: (x > 0) - x[:2],
    "dtypes before sizes": lambda t, x: t.heaviside(x, (x > 0)[:2]),
    "sizes before kernels": lambda t, x: x[0].bitwise_and_(x),
    "sizes before casts": lambda t, x: x[0].long().bitwise_and_(x),
    "bounds without dimensions": lambda t, x: t.searchsorted(x[0, 0], x),
    "bounds that are bools": lambda t, x: t.searchsorted(x[0] > 0, x > 0),
    "bounds in two dimensions": lambda t, x: t.bucketize(x * 1j, x),
    "half distances": lambda t, x: t.cdist(x.half(), x.half()),
    "half distances of pairs": lambda t, x: t.nn.functional.pdist(x.half()),
    "exponents that are bools": lambda t, x: t.ldexp(x, x > 0),
    "bools counted": lambda t, x: t.histc(x > 0),
    "matrices for batches": lambda t, x: t.addbmm(x, x, x),
    "dtypes before batches": lambda t, x: t.baddbmm(x, x.half(), x[None]),
    "positions before values": lambda t, x: x.scatter_(0, x, 1j),
    "numbers of dimensions first": lambda t, x: t.take_along_dim(x, x[0], 1),
    "a source without dimensions": lambda t, x: x.index_add_(0, t.tensor([0, 1]), x[0, 0]),
    "and none along which": lambda t, x: x.index_add_(1, t.tensor([0, 1]), x[0, 0]),
    "put into nothing": lambda t, x: x[:0].put_(t.tensor([0]), x[0, :1]),
    "its own source": lambda t, x: x.scatter_(0, t.zeros(3, 3, dtype=t.int64), x),
    "its own addend": lambda t, x: x.index_add_(0, t.tensor([0, 1, 2]), x),
    "its own part": lambda t, x: x[1:].index_copy_(0, t.tensor([0, 1]), x[:2]),
    "its own positions": lambda t, x: (y := x[0].long()).index_fill_(0, y, 2),
    "half log-probabilities": lambda t, x: t.nn.functional.ctc_loss(
        x[:, None].half(), t.tensor([[1, 2]]), t.tensor([3]), t.tensor([2])
    ),
    "targets of another batch": lambda t, x: t.nn.functional.ctc_loss(x[:, None], t.ones(2, 2).long(), t.tensor([3]), t.tensor([2])),
    "lengths in two dimensions": lambda t, x: t.nn.functional.ctc_loss(
        x[:, None], t.tensor([[1, 2]]), t.ones(2, 2).long(), t.tensor([2])
    ),
    "complex probabilities of classes": lambda t, x: t.nn.functional.cross_entropy(x, x * 1j),
    "a number repeated along": lambda t, x: t.repeat_interleave(x[0, 0], 2, 0),
    "a scalar's other dimension": lambda t, x: x[0, 0].cummax(1),
    "a complex number among bounds": lambda t, x: t.searchsorted(x[0], 1j),
    "parts of the size true": lambda t, x: x.split(True),
    "a word for a flag": lambda t, x: x.copy_(x, "later"),
    "no dimensions of sums": lambda t, x: x.logsumexp(()),
    "keywords that do not fit": lambda t, x: t.var_mean(None, dim=1, unbiased=True, keepdim=True),
    "16-bit floats of rare functions": lambda t, x: t.special.erfcx(x.half()),
    "and in another format": lambda t, x: t.special.log_ndtr(x.bfloat16()),
    "windows of no dtype": lambda t, x: t.signal.windows.cosine(3, dtype=()),
    "complex numbers counted": lambda t, x: t.histc(x * 1j, 3, 0, 1),
    "a margin of several": lambda t, x: t.nn.functional.hinge_embedding_loss(x, x, x),
    "margins of several": lambda t, x: t.nn.functional.margin_ranking_loss(x, x, x, x),
    "a threshold of several": lambda t, x: t.nn.functional.huber_loss(x, x, delta=x),
    "no threshold": lambda t, x: t.nn.functional.smooth_l1_loss(x, x, beta=None),
    "less than nothing to add": lambda t, x: t.cosine_similarity(x, x, eps=-7),
    "no square factors": lambda t, x: t.linalg.lu_solve(x[:2], t.ones(3, dtype=t.int32), x),
    "half powers": lambda t, x: t.linalg.vander(x.half()),
    "matrices of probabilities": lambda t, x: t.nanquantile(x, x),
    "a slice of a number": lambda t, x: t.slice_scatter(x[0, 0], x[0, 0]),
    "an integral of a number": lambda t, x: t.trapezoid(x[0, 0]),
    "and its parts": lambda t, x: t.cumulative_trapezoid(x[0, 0]),
    "an integral of bools": lambda t, x: t.trapezoid(x > 0),
    "no edges of bins": lambda t, x: t.histogram(x, x[0, :0]),
    "fewer classes than none": lambda t, x: t.nn.functional.one_hot(t.tensor([1]), -7),
    "a complex bound": lambda t, x: x.clamp(1j),
    "and in place": lambda t, x: x.clamp_(max=1j),
    "sizes one by one": lambda t, x: x.reshape(None, 3),
    "sizes of ones": lambda t, x: t.ones("3", 3),
    "a size alone": lambda t, x: x.as_strided(2, (1,)),
    "unknown options": lambda t, x: t.unique(x, foo=1),
    "different nothings": lambda t, x: t.unique(None),
    "sorted by a word": lambda t, x: t.unique(x, "sorted"),
    "a norm along a word": lambda t, x: t.norm(x, 2, "0"),
    "memory of a number": lambda t, x: x.set_(3),
    "memory of other elements": lambda t, x: x.set_(x > 0),
    "too much about memory": lambda t, x: x.set_(x, 0),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    errors = []
    for t in (pytorch, torchish):
        with pytest.raises(Exception) as error:
            REFUSED[what](t, t.ones(3, 3))
        errors.append((type(error.value).__name__, str(error.value)))
    assert errors[0] == errors[1]


def test_dimensions_that_can_be_reduced():
    x = torchish.ones(1).reshape([1] * 65)
    assert x.sum().shape == () and x.median(0).values.ndim == 64
    for f in (torchish.sum, torchish.amax, torchish.max, torchish.argmax, torchish.prod, torchish.std, torchish.flip):
        with pytest.raises(RuntimeError, match="only tensors with up to 64 dims are supported"):
            f(x, (0, 1)) if f is torchish.flip else f(x, 0)


@pytest.mark.parametrize("target", ["float16", "float32", "float64"])
@pytest.mark.parametrize("weight", [None, "float64"])
def test_a_loss_has_the_dtype_of_its_targets(target, weight):
    kinds = []
    for t in (pytorch, torchish):
        x, w = t.ones(3, requires_grad=True), None if weight is None else t.ones(3, dtype=getattr(t, weight))
        loss = t.nn.functional.binary_cross_entropy_with_logits(x, t.ones(3, dtype=getattr(t, target)), w)
        loss.backward()
        kinds.append((str(loss.dtype), str(x.grad.dtype)))
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("f", ["cummax(0)", "cummin(-1)", "kthvalue(1)", "mode()"])
@pytest.mark.parametrize("number", [1j, True, 2.5])
def test_of_a_number_alone_there_is_no_order_to_ask_for(f, number):
    def run(t):
        return [y.tolist() for y in eval(f"t.tensor({number}).{f}", {"t": t})]

    assert run(torchish) == run(pytorch)


def test_no_dimensions_to_ask_along_are_none():
    def run(t):
        x = t.tensor([[True, False], [True, True]])
        return [f(x, d, k).tolist() for f in (t.all, t.any) for d in ((), [], (0, 1)) for k in (False, True)]

    assert run(torchish) == run(pytorch)


def test_tensors_of_more_than_64_dimensions():
    x = torchish.ones((1,) * 65)
    assert x.dim() == 65 and (x + 1).reshape(()).item() == 2.0 and torchish.full((1,) * 66, 3).dtype is torchish.int64
