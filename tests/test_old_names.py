"""Names that PyTorch keeps for old programs, and what tensors tell of their layout and storage."""

import copy
import pickle

import pytest
import torch as pytorch

import torchish


def outcome(f, m):
    try:
        return f(m)
    except Exception as e:
        return type(e).__name__, str(e).partition(" (Triggered")[0]


def same(f):
    a, b = (outcome(f, m) for m in (pytorch, torchish))
    assert a == b


def grid(m):
    return m.arange(24.0).reshape(1, 2, 3, 4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "use",
    [
        lambda m: m.symeig(m.eye(2)),
        lambda m: m.solve(m.eye(2), m.eye(2)),
        lambda m: m.lstsq(m.eye(2), m.eye(2)),
        lambda m: m.eig(m.eye(2)),
        lambda m: m.matrix_rank(m.eye(2)),
        lambda m: m.eye(2).symeig(),
        lambda m: m.ones(2).reinforce(1),
        lambda m: m.ones(4).resize(2, 2).tolist(),
        lambda m: m.ones(4).resize(3),
        lambda m: m.ones(4).resize_as(m.ones(2, 2)).tolist(),
        lambda m: m.norm_except_dim(grid(m), 2, 1).shape,
        lambda m: m.frobenius_norm(m.eye(3), [0, 1]).item(),
        lambda m: m.embedding_renorm_(m.full((2, 2), 3.0), m.tensor([0]), 1.0, 2.0).round(decimals=5).tolist(),
        lambda m: m.typename(m.ones(2)), lambda m: m.typename(3), lambda m: m.typename(m.nn.functional.relu),
        lambda m: m.is_storage(m.ones(2).untyped_storage()),
        lambda m: m.legacy_contiguous_format is m.contiguous_format, lambda m: m.sym_max(2, 3.0), lambda m: m.sym_ite(True, 1, 2.0),
        lambda m: isinstance(3, m.SymInt), lambda m: m.sym_constrain_range(3, min=1, max=2), lambda m: m.autograd.is_view_replay_enabled(),
    ],
)  # fmt: skip
def test_old_names_do_as_pytorchs(use):
    same(use)


@pytest.mark.parametrize(
    "use",
    [
        lambda m: grid(m).dim_order(),
        lambda m: grid(m).to(memory_format=m.channels_last).dim_order(),
        lambda m: grid(m).permute(3, 1, 0, 2).dim_order(),
        lambda m: m.ones(1, 2, 1).dim_order(ambiguity_check=True), lambda m: grid(m).dim_order(ambiguity_check=[m.contiguous_format]),
        lambda m: m.ones(2, 3).dim_order(ambiguity_check=3),
        lambda m: m.ones(2).as_subclass(int),
        lambda m: m.ones(2).as_subclass(m.Tensor).tolist(),
        lambda m: m.ones(2).to_dense().tolist(),
        lambda m: m.ones(2).sparse_dim(),
        lambda m: m.ones(2, 3).dense_dim(),
        lambda m: m.ones(2).is_distributed(),
        lambda m: m.ones(2).name,
        lambda m: m.ones(2).volatile,
        lambda m: m.get_device(m.ones(2)),
        lambda m: m.slice_inverse(m.ones(2, 2)[:, :1], m.ones(2, 2)).tolist(),
    ],
)  # fmt: skip
def test_layouts_are_told_as_pytorch_tells_them(use):
    same(use)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "use",
    [
        lambda m: isinstance(m.ones(2).storage(), m.FloatStorage), lambda m: isinstance(m.ones(2).storage(), m.LongStorage),
        lambda m: m.FloatStorage([1, 2]).tolist(), lambda m: len(m.LongStorage(3)), lambda m: m.ones(2).storage_type().__name__,
        lambda m: m.ones(2).double().storage_type().__name__,
        lambda m: len(m.ones(3).untyped_storage()),
        lambda m: m.FloatStorage([1, 2]).dtype is m.float32,
        lambda m: m.ones(2).storage().tolist(), lambda m: m.HalfStorage().size(),
        lambda m: m.ones(3).storage().fill_(2).tolist(), lambda m: m.ones(3).double().storage().element_size(),
        lambda m: m.ones(3).storage().is_cuda, lambda m: m.ones(3).storage()[1:2],
        lambda m: m.Tensor(m.arange(3).storage()), lambda m: m.ones(2).new(m.arange(3).storage()),
        lambda m: m.as_tensor(m.arange(3).storage()),
        lambda m: m.tensor(m.ones(3).storage(), dtype=m.float64), lambda m: m.tensor(m.ones(2).untyped_storage()).tolist(),
        lambda m: m.HalfTensor(m.ones(2).untyped_storage()).tolist(), lambda m: m.DoubleTensor(m.ones(3).untyped_storage()).shape[0],
    ],
)  # fmt: skip
def test_storages_have_their_old_classes(use):
    same(use)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [
        lambda m, s: m.Tensor(s),
        lambda m, s: m.FloatTensor(s),
        lambda m, s: m.ones(1).new(s),
        lambda m, s: m.tensor(s),
        lambda m, s: m.as_tensor(s),
    ],
)
def test_a_tensor_made_of_a_storage_shares_it(make):
    def written(m):
        x = m.arange(6.0)
        made = make(m, x[2:].storage())
        made[0] = 7
        return x.tolist(), made.tolist(), made.data_ptr() == x.data_ptr()

    same(written)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "use",
    [
        lambda m: m.UntypedStorage([1, -1, 300]), lambda m: len(m.UntypedStorage()), lambda m: m.UntypedStorage(4).fill_(258),
        lambda m: m.UntypedStorage([1.5]), lambda m: m.UntypedStorage(m.ones(2)), lambda m: m.UntypedStorage([1, 2, 3])[-2],
        lambda m: m.UntypedStorage([1, 2, 3])[3], lambda m: m.UntypedStorage([1, 2, 3])[::2], lambda m: m.UntypedStorage(2).fill_(1.5),
        lambda m: m.UntypedStorage([1, 2]).float(), lambda m: m.arange(3.0).untyped_storage().int().tolist(),
        lambda m: m.arange(3).storage().double(), lambda m: m.UntypedStorage(2).copy_(m.UntypedStorage(3)),
        lambda m: m.arange(2.0).storage().copy_(m.arange(2, dtype=m.int32).storage()), lambda m: m.ones(2).storage().type(),
        lambda m: m.TypedStorage([1, 2], dtype=m.int64), lambda m: m.TypedStorage(1, 2), lambda m: m.FloatStorage(2.5),
        lambda m: m.TypedStorage(wrap_storage=m.ones(2).untyped_storage(), dtype=m.int32),
        lambda m: m.zeros(2).set_(m.arange(2).storage()), lambda m: m.ones(2).storage()["a"], lambda m: m.ones(2).storage()[-3],
        lambda m: pickle.loads(pickle.dumps(m.arange(3).storage())), lambda m: copy.deepcopy(m.UntypedStorage([1, 2])),
    ],
)  # fmt: skip
def test_storages_are_made_read_and_converted(use):
    same(lambda m: repr(use(m)))


@pytest.mark.filterwarnings("ignore")
def test_what_is_written_to_a_storage_shows_in_its_tensors():
    def write(m):
        x = m.arange(6.0)
        row, bytes_ = x.view(2, 3)[1], x.untyped_storage()
        bytes_[4:8].fill_(0)
        bytes_[19:23] = 64
        x.storage()[0] = 7
        other = bytes_.clone().fill_(0)
        before = [x.tolist(), row.tolist()]
        bytes_.copy_(m.ones(6).untyped_storage())
        return repr([before, x, row, x._version, m.zeros(1).set_(other, storage_offset=1, size=(2,), stride=(2,))])

    same(write)


def test_storages_of_one_memory_asked_for_one_by_one_have_one_id():
    def ids(m):  # each is gone before the next is asked for, which takes its place, unless other memory is let go meanwhile
        x = m.arange(6.0)
        views = (x, x.view(2, 3), x[2:])
        return [
            min(len({id(v.storage()) for v in views}) for _ in range(9)),
            min(len({id(v.untyped_storage()) for v in views}) for _ in range(9)),
        ]

    same(ids)


@pytest.mark.parametrize("name", ["FloatTensor", "LongTensor"])
@pytest.mark.parametrize("args", [(2, 3), ([1, 2],)])
def test_legacy_types_of_gpus_want_one(name, args):
    if torchish.cuda.is_available():
        pytest.skip("there is one")
    same(lambda m: getattr(m.cuda, name)(*args))


def test_gradients_can_have_a_dtype_of_their_own():
    found = []
    for m in (pytorch, torchish):
        x = m.ones(2, requires_grad=True)
        told = [str(x.grad_dtype)]
        x.grad_dtype = m.float64
        for _ in range(2):
            (x * 2).sum().backward()
            told.append((str(x.grad.dtype), x.grad.tolist()))
        found.append((told, outcome(lambda m, x=x: (x * 2).grad_dtype, m)))
    assert found[0] == found[1]


def test_a_method_that_only_pytorchs_tensors_have_says_so():
    assert hasattr(pytorch.eye(2), "to_sparse")
    for owner, whose in [(torchish.eye(2), "'Tensor' object"), (torchish.nn.Parameter(torchish.eye(2)), "'Parameter' object"),
                         (torchish.Tensor, "type object 'Tensor'")]:  # fmt: skip
        with pytest.raises(AttributeError) as error:
            _ = owner.to_sparse
        assert str(error.value) == f"{whose} has no attribute 'to_sparse' (torchish does not have it)"
        assert not hasattr(owner, "to_sparse") and "to_sparse" not in dir(owner)


def test_a_subclass_may_have_what_tensors_lack():
    class Sparse(torchish.Tensor):
        def to_sparse(self):
            return self.sum().item()

    assert torchish.eye(2).as_subclass(Sparse).to_sparse() == 2
    assert "to_sparse" in dir(Sparse)


@pytest.mark.parametrize(
    "kind",
    [
        lambda m: m.Tensor, lambda m: "torch.Tensor", lambda m: m.FloatTensor, lambda m: "torch.HalfTensor", lambda m: m.nn.Parameter,
        lambda m: float, lambda m: "Tensor", lambda m: "torch.meta.FloatTensor", lambda m: 3, lambda m: m.float16,
    ],
)  # fmt: skip
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_type_takes_the_default_type_and_legacy_ones(kind, device):
    """They are types of the CPU, where a tensor of another device moves to."""

    def use(m):
        made = m.arange(6, device=device).reshape(2, 3).t().type(kind(m))
        return str(made.dtype), str(made.device), made.stride()

    same(use)
    for m in (pytorch, torchish):
        m.set_default_dtype(m.float64)
    try:
        same(use)
    finally:
        for m in (pytorch, torchish):
            m.set_default_dtype(m.float32)


@pytest.mark.parametrize(("module", "name"), [("autograd", "profiler_util"), ("cuda", "memory"), ("cuda", "nvtx")])
def test_modules_that_find_names_late_say_what_they_lack(module, name):
    with pytest.raises(AttributeError) as error:
        getattr(getattr(torchish, module), name)
    assert str(error.value) == f"module 'torch.{module}' has no attribute '{name}' (torchish does not have it)"
