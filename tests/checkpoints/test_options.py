"""`torch.save` and `torch.load`: places, paths, what may be made, and files that are replaced as a whole."""

from __future__ import annotations

import collections
import io
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch as pytorch

import torchish


def both(f):
    """What a function of the library gives or raises, in both libraries."""
    results = []
    for torch in (pytorch, torchish):
        try:
            results.append(str(f(torch)))
        except Exception as e:
            results.append((type(e).__name__, str(e)))
    return results


@pytest.fixture
def file(tmp_path):
    torchish.save({"w": torchish.arange(4.0), "s": torchish.zeros(2)}, tmp_path / "a.pt")
    return str(tmp_path / "a.pt")


PLACES = {
    "none": lambda t: None,
    "name": lambda t: "cpu",
    "device": lambda t: t.device("cpu"),
    "meta": lambda t: "meta",
    "dict": lambda t: {"cpu": "meta"},
    "dict without": lambda t: {"cuda:0": "cpu"},
    "function": lambda t: lambda storage, where: storage,
    "function none": lambda t: lambda storage, where: None,
    "tags": lambda t: lambda storage, where: print(where) or storage,
    "cuda": lambda t: "cuda",
    "cuda:1": lambda t: "cuda:1",
    "foo": lambda t: "foo",
    "cpu:0": lambda t: "cpu:0",
    "bytes": lambda t: b"cpu",
    "number": lambda t: 5,
}


@pytest.mark.parametrize("name", PLACES)
def test_map_location(name, file, capsys):
    theirs, ours = both(lambda t: t.load(file, map_location=PLACES[name](t)))
    assert ours == theirs
    out = capsys.readouterr().out
    assert out in ("", "cpu\n" * 4)


ERRORS = {
    "no file": lambda t, f: t.load(f + "x"),
    "no folder": lambda t, f: t.save(1, f + "/x/y.pt"),
    "load a number": lambda t, f: t.load(5),
    "save to a number": lambda t, f: t.save(1, 5),
    "not seekable": lambda t, f: t.load(type("S", (), {"read": 1})()),
    "pickle module": lambda t, f: t.load(f, pickle_module=pickle, weights_only=True),
    "mmap of a stream": lambda t, f: t.load(io.BytesIO(pathlib.Path(f).read_bytes()), mmap=True),
    "two dtypes": lambda t, f: t.save([x := t.ones(4), x.view(t.int32)], io.BytesIO()),
    "empty": lambda t, f: t.load(io.BytesIO()),
    "a class": lambda t, f: (t.save(A(), f), t.load(f)),
    "not a zip": lambda t, f: t.load(io.BytesIO(b"PK\x03\x04garbage")),
    "cut": lambda t, f: t.load(io.BytesIO(pathlib.Path(f).read_bytes()[:500])),
    "lambda": lambda t, f: t.save(lambda: 1, io.BytesIO()),
    "magic": lambda t, f: t.load(io.BytesIO(pickle.dumps(1, 2))),
}


class A:
    def __init__(self, x=1):
        self.x = x

    def __eq__(self, other):
        return vars(self) == vars(other)


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name, file):
    theirs, ours = both(lambda t: ERRORS[name](t, file))
    if name == "lambda":  # the C pickler's words and the Python one's
        assert theirs[0] == "AttributeError" and ours[0] in ("AttributeError", "PicklingError")
        return
    assert ours == theirs or (name == "empty" and ours[0] == theirs[0])


def test_paths_and_streams(tmp_path):
    x = torchish.arange(3.0)
    for f in (tmp_path / "a.pt", str(tmp_path / "b.pt"), str(tmp_path / "é.pt")):
        torchish.save(x, f)
        assert torchish.equal(torchish.load(f), x) and pytorch.load(f).tolist() == x.tolist()
    with open(tmp_path / "c.pt", "wb") as stream:
        stream.write(b"before")
        torchish.save(x, stream)
    with open(tmp_path / "c.pt", "rb") as stream:
        stream.seek(6)
        assert torchish.equal(torchish.load(stream), x)
    mapped = torchish.load(tmp_path / "a.pt", mmap=True)
    mapped += 1  # a private copy
    assert mapped.tolist() == [1, 2, 3] and torchish.load(tmp_path / "a.pt").tolist() == [0, 1, 2]


def test_safe_globals(tmp_path):
    torch, f = torchish, tmp_path / "a.pt"
    torch.save({"a": A(3), "d": collections.defaultdict(list)}, f)
    assert set(torch.serialization.get_unsafe_globals_in_checkpoint(f)) == {f"{__name__}.A", "collections.defaultdict", "builtins.list"}
    with pytest.raises(pickle.UnpicklingError, match="add_safe_globals"):
        torch.load(f)
    with torch.serialization.safe_globals([A, collections.defaultdict, list]):
        assert torch.load(f)["a"] == A(3) and A in torch.serialization.get_safe_globals()
    assert A not in torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals([(A, f"{__name__}.A"), collections.defaultdict, list])
    assert torch.load(f)["d"] == {}
    torch.serialization.clear_safe_globals()
    assert torch.serialization.get_safe_globals() == []
    assert torch.load(f, weights_only=False)["a"] == A(3)
    with torch.serialization.safe_globals([torch.nn.Linear, (dict, "x")]):  # PyTorch's names for torchish's classes
        torch.save(torch.nn.Linear, f)
        assert torch.load(f) is torch.nn.Linear


def test_values_that_numpy_shares():
    """A tensor whose memory NumPy holds is saved as it is now, strides and all."""
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    t = torchish.from_numpy(array[:, ::2])
    array[0, 0] = 7
    buffer = io.BytesIO()
    torchish.save(t, buffer)
    buffer.seek(0)
    got = pytorch.load(buffer)
    assert got.tolist() == [[7, 2], [4, 6], [8, 10]] and got.stride() == t.stride()


def test_no_pytorch_needed(tmp_path):
    """Checkpoints and whole modules load where there is no PyTorch."""
    f = str(tmp_path / "m.pt")
    pytorch.save(pytorch.nn.Sequential(pytorch.nn.Linear(2, 3), pytorch.nn.ReLU()), f)
    code = f"""
        import sys; sys.modules["torch"] = None
        import torchish
        m = torchish.load({f!r}, weights_only=False)
        torchish.save(m, {f!r}); torchish.save(m.state_dict(), {f + "2"!r})
        assert type(torchish.load({f!r}, weights_only=False)[0]) is torchish.nn.Linear and "torch.nn" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
    assert list(pytorch.load(f + "2")) == ["0.weight", "0.bias"]
    assert isinstance(pytorch.load(f, weights_only=False), pytorch.nn.Sequential)


# --- atomic saves ------------------------------------------------------------------------------------------------


class Interrupted:
    def __reduce__(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize("new", [True, False])
def test_a_failed_save_leaves_the_old_file(tmp_path, new, monkeypatch):
    f = tmp_path / "a.pt"
    torchish.save("old", f)
    for obj in ([torchish.ones(3), Interrupted()], [torchish.ones(3), lambda: 1]):
        with pytest.raises((KeyboardInterrupt, AttributeError, pickle.PicklingError)):
            torchish.save(obj, f, _use_new_zipfile_serialization=new)
        assert torchish.load(f) == "old" and os.listdir(tmp_path) == ["a.pt"]
    monkeypatch.setattr(os, "fsync", lambda n: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        torchish.save("new", f, _use_new_zipfile_serialization=new)
    assert torchish.load(f) == "old" and os.listdir(tmp_path) == ["a.pt"]


def test_a_killed_save_leaves_the_old_file(tmp_path):
    """Killed at several moments of a save, the process leaves the old checkpoint or the new one, whole."""
    f = str(tmp_path / "a.pt")
    torchish.save({"w": torchish.zeros(4), "n": -1}, f)
    code = f"""
        import sys, torchish
        w = [torchish.zeros(500_000) for _ in range(20)]
        print("ready", flush=True)
        n = 0
        while True:
            torchish.save({{"w": w, "n": n}}, {f!r}); n += 1
    """
    for wait in (0.03, 0.1, 0.21):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        got = torchish.load(f)
        assert got["n"] == -1 or len(got["w"]) == 20 or len(got["w"]) == 4


def test_links_and_modes(tmp_path):
    target, link = tmp_path / "target.pt", tmp_path / "link.pt"
    torchish.save(1, target)
    os.chmod(target, 0o640)
    link.symlink_to(target)
    torchish.save(2, link)
    assert link.is_symlink() and torchish.load(target) == 2 and target.stat().st_mode & 0o777 == 0o640
    mask = os.umask(0)
    os.umask(mask)
    torchish.save(3, tmp_path / "fresh.pt")
    assert (tmp_path / "fresh.pt").stat().st_mode & 0o777 == 0o666 & ~mask
    torchish.save(1, os.devnull)


@pytest.mark.parametrize("options", [{}, {"weights_only": False}])
def test_several_old_files_in_one_stream(options):
    stream = io.BytesIO(b"head")
    stream.seek(4)
    for lib, value in ((pytorch, 1), (torchish, 2), (pytorch, 3)):
        lib.save({"x": lib.tensor([value])}, stream, _use_new_zipfile_serialization=False)
    stream.seek(4)
    assert [torchish.load(stream, **options)["x"].tolist() for _ in range(3)] == [[1], [2], [3]]
    assert not stream.read()
