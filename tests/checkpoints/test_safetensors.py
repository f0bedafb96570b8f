"""The safetensors format, against the package of that name."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch as pytorch

import torchish
from torchish.safetensors import SafetensorError, _format, safe_open
from torchish.safetensors import numpy as of_arrays
from torchish.safetensors import torch as of_tensors


def tensors(torch):
    names = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "float8_e5m2",
             "float8_e4m3fn", "uint16", "uint32", "uint64")  # fmt: skip
    made = {n: torch.tensor([[1, 0, 1]]).to(getattr(torch, n)) for n in names}
    return {**made, "empty": torch.zeros(0, 3), "scalar": torch.tensor(2.5), "é": torch.arange(5)}


def plain(found):
    return {k: (str(v.dtype), tuple(v.shape), (v if "complex" in str(v.dtype) else v.float()).tolist()) for k, v in found.items()}


def test_both_ways(tmp_path):
    f = tmp_path / "a.safetensors"
    of_tensors.save_file(tensors(torchish), f, {"format": "pt"})
    assert plain(safetensors.torch.load_file(f)) == plain(tensors(pytorch)) == plain(of_tensors.load_file(f))
    with safetensors.safe_open(f, "pt") as theirs, safe_open(f, "pt") as ours:
        assert theirs.metadata() == ours.metadata() == {"format": "pt"} and list(theirs.keys()) == list(ours.keys())
        assert ours.get_slice("int64")[:, 1:].tolist() == theirs.get_slice("int64")[:, 1:].tolist()
        with pytest.raises(SafetensorError, match="does not contain tensor x"):
            ours.get_tensor("x")
    safetensors.torch.save_file(tensors(pytorch), f)
    assert plain(of_tensors.load_file(f)) == plain(tensors(torchish)) == plain(torchish.load(f))
    assert plain(of_tensors.load(of_tensors.save(tensors(torchish)))) == plain(tensors(torchish))
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array(True)}
    of_arrays.save_file(arrays, f)
    for got in (safetensors.numpy.load_file(f), of_arrays.load_file(f), of_arrays.load(of_arrays.save(arrays))):
        assert got.keys() == arrays.keys() and all(np.array_equal(got[k], arrays[k]) for k in arrays)


def test_models(tmp_path):
    f = str(tmp_path / "m.safetensors")
    for torch, a, b in ((torchish, of_tensors, safetensors.torch), (pytorch, safetensors.torch, of_tensors)):
        other = pytorch if torch is torchish else torchish
        models = []
        for t in (torch, other):
            m = t.nn.Sequential(t.nn.Linear(3, 3), t.nn.Linear(3, 3), t.nn.BatchNorm1d(3))
            m[1].weight = m[0].weight
            models.append(m)
        a.save_model(models[0], f)
        assert b.load_model(models[1], f) in (([], []), (set(), []))
        assert models[1][0].weight.tolist() == models[0][1].weight.tolist() and models[1][1].weight is models[1][0].weight
    with pytest.raises(RuntimeError, match="Missing key"):
        of_tensors.load_model(torchish.nn.Conv2d(1, 1, 1), f)


def test_refusals():
    x = torchish.ones(2, 3)
    with pytest.raises(RuntimeError, match="share memory"):
        of_tensors.save({"a": x, "b": x[0]})
    with pytest.raises(ValueError, match="non contiguous tensor: `a`"):
        of_tensors.save({"a": x.t()})
    with pytest.raises(ValueError, match="Key `a` is invalid"):
        of_tensors.save({"a": 1})


def test_damaged_files():
    """What the package refuses is refused; nothing else than a SafetensorError comes out, and no memory is taken."""
    good = of_tensors.save({"a": torchish.arange(10.0), "b": torchish.ones(3, dtype=torchish.int64)})
    header = json.loads(good[8 : 8 + struct.unpack("<Q", good[:8])[0]])

    def with_header(h) -> bytes:
        text = json.dumps(h).encode()
        return struct.pack("<Q", len(text)) + text + bytes(64)

    bad = [b"", good[:4], good[:-1], good + b"x", b"\x02" + bytes(7) + b"[]", with_header({"a": 1})]
    bad += [struct.pack("<Q", n) + good[8:] for n in (2**63, 10**7)]
    for changed in ({"shape": [2**40, 2**40]}, {"data_offsets": [0, 2**60]}, {"shape": [-1]}, {"dtype": "F31"}):
        bad.append(with_header({**header, "a": {**header["a"], **changed}}))
    for data in bad:
        with pytest.raises(SafetensorError):
            of_tensors.load(data)
        with pytest.raises(safetensors.SafetensorError):
            safetensors.torch.load(data)
    rng = random.Random(0)
    for _ in range(500):
        data = bytearray(good)
        data[rng.randrange(len(good) - 64)] = rng.randrange(256)
        try:
            theirs = {k: tuple(v.shape) for k, v in safetensors.numpy.load(bytes(data)).items()}
        except Exception:
            theirs = None
        try:
            ours = {k: v.shape for k, v in of_arrays.load(bytes(data)).items()}
        except SafetensorError:
            ours = None
        assert ours == theirs or ours is None or theirs is None
    assert set(_format.NAMES) >= {np.dtype(d) for d in ("float32", "int64", "bool")}


def test_under_the_runner(tmp_path):
    code = f"""
        import torch
        from safetensors import safe_open
        from safetensors.torch import load_file, save_file
        save_file({{"a": torch.ones(2)}}, {str(tmp_path / "a.safetensors")!r})
        with safe_open({str(tmp_path / "a.safetensors")!r}, framework="pt") as f:
            print(f.get_tensor("a"), load_file({str(tmp_path / "a.safetensors")!r})["a"].sum().item())
    """
    run = subprocess.run([sys.executable, "-m", "torchish", "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert run.stdout == "tensor([1., 1.]) 2.0\n", run.stderr
