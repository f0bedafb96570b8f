"""Objects of torchish's classes: their names, and copies by pickle and deepcopy without the import hook."""

import copy
import pickle
import types
from typing import Any

import pytest
import torch
import torch.nn.utils.prune

import torchish


def made(t: Any) -> dict[str, Any]:
    """Objects of one library by name; `t` is torch or torchish."""
    layer = t.nn.Linear(2, 3)
    optimizer = t.optim.Adam(layer.parameters(), 0.1)
    data = t.utils.data.TensorDataset(t.arange(4))
    masked = t.nn.Linear(2, 2)
    prune = t.nn.utils.prune
    prune.l1_unstructured(masked, "weight", 0.5)
    return {
        "layer": layer,
        "optimizer": optimizer,
        "scheduler": t.optim.lr_scheduler.ExponentialLR(optimizer, 0.5),
        "dataset": data,
        "part": t.utils.data.Subset(data, [1]),
        "sampler": t.utils.data.SequentialSampler(data),
        "loader": t.utils.data.DataLoader(data, 2),
        "method": next(iter(masked._forward_pre_hooks.values())),
        "average": t.optim.swa_utils.AveragedModel(layer),
        "encoder": t.nn.TransformerEncoderLayer(4, 2),
    }


@pytest.mark.parametrize("name", made(torchish))
def test_copies(name):
    """A copy has the class of the original, which goes by PyTorch's name, and its state."""
    ours, theirs = made(torchish)[name], made(torch)[name]
    assert str(type(ours)) == str(type(theirs))
    for copied in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert type(copied) is type(ours)
        if hasattr(ours, "state_dict"):
            assert repr(copied.state_dict()) == repr(ours.state_dict())
        elif hasattr(ours, "__len__"):
            assert [*map(repr, copied)] == [*map(repr, ours)]


def test_classes_of_users():
    """Subclasses that users write are pickled as any other class."""
    data = Squares()
    data.n = 5
    assert list(pickle.loads(pickle.dumps(data))) == [0, 1, 4, 9, 16]


class Squares(torchish.utils.data.Dataset):
    n = 3

    def __getitem__(self, i):
        if i >= self.n:
            raise IndexError
        return i * i


def test_modes_are_named_as_in_torch():
    names = "no_grad", "enable_grad", "set_grad_enabled", "inference_mode"
    assert [str(getattr(torchish, n)) for n in names] == [str(getattr(torch, n)) for n in names]
    assert isinstance(torchish.autograd.grad_mode, types.ModuleType)


def test_types_of_results_are_there_before_any_result():
    theirs = {n: t for n, t in vars(torch.return_types).items() if hasattr(t, "n_sequence_fields") and n[0] != "_"}
    assert len(theirs) > 60
    for name, t in theirs.items():
        ours = getattr(torchish.return_types, name)
        assert (ours.__name__, ours.__match_args__) == (t.__name__, t.__match_args__)


def test_meta_tensors_stay_meta():
    made = []
    for t in (torch, torchish):
        x = pickle.loads(pickle.dumps(t.ones(2, 3, device="meta", dtype=t.float16).t()))
        layer = pickle.loads(pickle.dumps(t.nn.Linear(2, 3, device="meta")))
        made.append((str(x.device), str(x.dtype), tuple(x.shape), x.stride(), str(layer.weight.device), layer.weight.requires_grad))
    assert made[0] == made[1]
