"""Checkpoints in PyTorch's oldest format, a tar archive."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
import torch as pytorch

import torchish


class _Pickler(pickle.Pickler):
    """Writes tensors and classes of modules as the format has them."""

    def __init__(self, stream, tensors):
        super().__init__(stream, 2)
        self.tensors = tensors

    def persistent_id(self, obj):
        if isinstance(obj, pytorch.Tensor):
            return next(key for key, t in self.tensors.items() if t is obj)
        return None


def archive(tmp_path, cut=None):
    """A file with two tensors that share memory, one of another dtype and a view of a storage."""
    base = pytorch.arange(12.0)
    tensors = {10: base, 11: base.view(3, 4).t(), 12: pytorch.tensor([[1, 2], [3, 4]])}
    storages = io.BytesIO()
    pickle.dump(2, storages, 2)
    for key, t, kind in ((1, base, pytorch.FloatStorage), (2, tensors[12], pytorch.LongStorage)):
        pickle.dump((key, "cpu", kind), storages, 2)
        storages.write(struct.pack("<q", t.numel()) + t.numpy().tobytes())
    pickle.dump([(3, 1, 4, 2)], storages, 2)  # the storage 3 is two elements of the storage 1, from its fourth on
    records = io.BytesIO()
    pickle.dump(4, records, 2)
    geometry = {10: (1, (12,), (1,), 0), 11: (1, (4, 3), (1, 4), 0), 12: (2, (2, 2), (2, 1), 0), 13: (3, (1,), (1,), 1)}
    for key, (storage, size, stride, offset) in geometry.items():
        pickle.dump((key, storage, pytorch.FloatTensor), records, 2)
        records.write(struct.pack(f"<ii{2 * len(size) + 1}q", len(size), 0, *size, *stride, offset))
    data = io.BytesIO()
    _Pickler(data, tensors).dump({"a": tensors[10], "t": tensors[11], "n": [tensors[12], "text", 1.5]})
    path = tmp_path / "old.pt"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, stream in (("storages", storages), ("tensors", records), ("pickle", data)):
            body = stream.getvalue()[: cut if name == "storages" else None]
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return path


@pytest.mark.parametrize("torch", [pytorch, torchish])
def test_values_and_sharing(torch, tmp_path):
    path = archive(tmp_path)
    got = torch.load(path, weights_only=False, map_location="cpu")
    assert got["t"].tolist() == np.arange(12.0).reshape(3, 4).T.tolist() and got["t"].stride() == (1, 4)
    assert got["n"][0].dtype == torch.int64 and got["n"][0].tolist() == [[1, 2], [3, 4]] and got["n"][1:] == ["text", 1.5]
    got["a"][1] = 50
    assert got["t"][1, 0] == 50
    with pytest.raises(RuntimeError, match="Cannot use ``weights_only=True`` with files saved in the legacy .tar format"):
        torch.load(path)


def test_damage(tmp_path):
    for cut in (0, 10, 60, 90):
        with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)):
            torchish.load(archive(tmp_path, cut), weights_only=False)
    data = archive(tmp_path).read_bytes()
    for cut in (300, 600, 1500):
        with pytest.raises((RuntimeError, KeyError, EOFError)):
            torchish.load(io.BytesIO(data[:cut]), weights_only=False)
