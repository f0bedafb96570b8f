"""Files that are damaged or made to harm: a clear error, no code of theirs runs, no memory or time out of proportion."""

from __future__ import annotations

import io
import os
import pickle
import random
import resource
import struct
import subprocess
import sys
import textwrap
import zipfile
import zlib

import numpy as np
import pytest
import torch as pytorch

import torchish as torch

HEAD = b"\x80\x02"
# (What is cut off in the middle of an instruction ends as in PyTorch's unpickler.)
CHECKED = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, AssertionError, IndexError, struct.error)


def archive(data_pkl: bytes, records=(), **more) -> bytes:
    """A checkpoint with this pickle in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        z.writestr("archive/data.pkl", data_pkl)
        for name, data in {"version": b"3\n", **dict(records), **more}.items():
            z.writestr(f"archive/{name}", data)
    return buffer.getvalue()


def load(data: bytes, **kwargs):
    return torch.load(io.BytesIO(data), **kwargs)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/torchish_was_here; false",)


def call(function: bytes, *args) -> bytes:
    """A pickle that calls `function` (as "module\\nname") with arguments."""
    return HEAD + b"c" + function + b"\n(" + b"".join(pickle.dumps(a, 2)[2:-1] for a in args) + b"tR."


REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
STORAGE = b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"


def tensor(offset=b"K\x00", size=b"K\x01\x85", stride=b"K\x01\x85", numel=b"K\x01") -> bytes:
    return HEAD + REBUILD + STORAGE.replace(b"cpuK\x01", b"cpu" + numel) + offset + size + stride + b"\x89ccollections\nOrderedDict\n)RtR."


LONG = b"\x8a\x08" + struct.pack("<q", 2**60)
NESTED = b")" + b"\x85" * 200_000

HOSTILE = {
    "system": pickle.dumps(Evil(), 2),
    "posix": call(b"posix\nsystem", "true"),
    "eval": call(b"builtins\neval", "1"),
    "exec": call(b"__builtin__\nexec", "1"),
    "getattr": call(b"builtins\ngetattr", "", "join"),
    "import": call(b"builtins\n__import__", "os"),
    "open": call(b"io\nopen", "/tmp/torchish_was_here", "w"),
    "codecs": call(b"_codecs\nencode", "x", "bz2"),
    "runpy": call(b"runpy\nrun_path", "/tmp/x.py"),
    "torch attribute": call(b"torch\nload", "/tmp/x"),
    "torch function": call(b"torch\nones", 10),
    "hub": call(b"torch.hub\nload", "x"),
    "dotted": call(b"torch\nnn.Module"),
    "call of a value": HEAD + b"X\x01\x00\x00\x00a)R.",
    "call of a dtype": HEAD + b"ctorch\nfloat32\n)R.",
    "call of a storage": HEAD + b"ctorch\nFloatStorage\n)R.",
    "arguments no tuple": HEAD + b"cbuiltins\nset\n]R.",
    "build of a list": HEAD + b"]}b.",
    "build of a dict": HEAD + b"}}b.",
    "build of a class": HEAD + b"ctorch\nTensor\n}b.",
    "build of a device": HEAD + b"ctorch\ndevice\nX\x03\x00\x00\x00cpu\x85R}b.",
    "new of a function": HEAD + REBUILD + b")\x81.",
    "huge bytearray": call(b"builtins\nbytearray", 2**31),
    "huge tensor": call(b"torch\nFloatTensor", 2**31),
    "rebuild type of anything": HEAD + b"ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\nset\nctorch\nTensor\n)}tR.",
    "attributes of a tensor": HEAD + b"ctorch._tensor\n_rebuild_from_type_v2\n(" + REBUILD + b"ctorch\nTensor\n("
    + tensor()[2 + len(REBUILD) + 1 : -3] + b"t}X\x08\x00\x00\x00_storageK\x01stR.",
    "deep key": HEAD + b"}" + NESTED + b"K\x01s.",
    "deep set": HEAD + b"cbuiltins\nset\n](" + NESTED + b"e\x85R.",
    "wide key": HEAD + b"})" + b"q\x00h\x00\x86" * 60 + b"K\x01s.",
    "unhashable key": HEAD + b"}]K\x01s.",
    "persistent id": HEAD + b"K\x01Q.",
    "persistent module": HEAD + b"(X\x06\x00\x00\x00moduleK\x01tQ.",
    "missing storage": tensor().replace(b"\x01\x00\x00\x000", b"\x01\x00\x00\x009"),
    "path as key": tensor().replace(b"X\x01\x00\x00\x000", b"X\x0e\x00\x00\x00../../etc/pass"),
    "storage too small": tensor(numel=b"M\xff\xff"),
    "size beyond": tensor(size=b"K\x02\x85"),
    "offset beyond": tensor(offset=b"K\x01"),
    "huge offset": tensor(offset=LONG),
    "huge size": tensor(size=LONG + b"\x85"),
    "huge storage": tensor(numel=LONG),
    "size times stride": tensor(size=LONG + LONG + b"\x86", stride=b"K\x00K\x00\x86"),
    "negative size": tensor(size=b"J\xff\xff\xff\xff\x85"),
    "negative stride": tensor(stride=b"J\xff\xff\xff\xff\x85"),
    "negative offset": tensor(offset=b"J\xff\xff\xff\xff"),
    "ranks differ": tensor(size=b"K\x01K\x01\x86"),
    "size no integers": tensor(size=b"X\x01\x00\x00\x00a\x85"),
    "many dimensions": tensor(size=b"(" + b"K\x01" * 1000 + b"t", stride=b"(" + b"K\x01" * 1000 + b"t"),
    "string beyond": HEAD + b"X\xff\xff\xff\x7fabc.",
    "long beyond": HEAD + b"\x8a\xffabc.",
    "four-byte long": HEAD + b"\x8b\xff\xff\xff\x7fabc.",
    "frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "memo": HEAD + b"h\x05.",
    "empty stack": HEAD + b".",
    "marks": HEAD + b"(" * 100_000 + b".",
    "no end": HEAD + b"]",
    "nothing": b"",
    "text": b"hello world",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_hostile_pickles(name):
    records = {"data/0": np.ones(1, np.float32).tobytes(), "byteorder": b"little"}
    with pytest.raises(CHECKED) as error:
        load(archive(HOSTILE[name], records))
    assert len(str(error.value)) < 3000
    assert not os.path.exists("/tmp/torchish_was_here")


def test_messages_are_pytorchs():
    with pytest.raises(pickle.UnpicklingError, match="GLOBAL eval was not an allowed global by default.*add_safe_globals"):
        load(archive(HOSTILE["eval"]))
    with pytest.raises(pickle.UnpicklingError, match="posix.system whose module posix is blocked"):
        load(archive(HOSTILE["posix"]))
    assert load(archive(tensor(), {"data/0": b"\0\0\x80?"})).tolist() == [1]


def legacy(obj=None) -> bytes:
    buffer = io.BytesIO()
    torch.save(torch.arange(10.0) if obj is None else obj, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def test_hostile_legacy_files():
    good = legacy()
    assert load(good).tolist() == list(range(10))
    heads = good[: good.index(b"ctorch._utils") - 2]
    for data in (heads + HOSTILE["system"], pickle.dumps(Evil(), 2), good[:-1], good[: len(good) // 2], b"\x80\x02K\x01."):
        with pytest.raises(CHECKED):
            load(data)
    assert not os.path.exists("/tmp/torchish_was_here")


# --- containers -----------------------------------------------------------------------------------------------------


def saved(obj) -> bytes:
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    return buffer.getvalue()


GOOD = {"a": torch.arange(100.0), "b": torch.ones(3, 4, dtype=torch.int64).t(), "n": [1, "x", {"k": (None, 2.5)}]}


def entry_fields(data: bytes, name: bytes) -> int:
    """Where the directory's entry for a record starts."""
    return data.rindex(name) - 46


def patched(data: bytes, at: int, fmt: str, value: int) -> bytes:
    return data[:at] + struct.pack(fmt, value) + data[at + struct.calcsize(fmt) :]


def containers():
    data = saved(GOOD)
    at = entry_fields(data, b"archive/data/0")
    yield "truncated", data[:-10]
    yield "half", data[: len(data) // 2]
    yield "start only", data[:4]
    yield "huge size", patched(data, at + 24, "<I", 0xFFFFFFF0)
    yield "huge packed size", patched(patched(data, at + 24, "<I", 0x7FFFFFFF), at + 20, "<I", 0x7FFFFFFF)
    yield "offset beyond", patched(data, at + 42, "<I", 0x7FFFFFFF)
    yield "overlap", patched(data, at + 42, "<I", 0)
    yield "method", patched(data, at + 10, "<H", 12)
    yield "encrypted", patched(data, at + 8, "<H", 1)
    yield "flipped byte", data.replace(struct.pack("<ff", 1, 2), struct.pack("<ff", 1, 3))
    yield "many entries", patched(data, data.rindex(b"PK\x05\x06") + 10, "<H", 0xFFFE)
    yield "huge directory", patched(data, data.rindex(b"PK\x05\x06") + 12, "<I", 0xFFFFFFF0)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("archive/data.pkl", tensor(numel=b"J\x00\x00\x00\x04"))
        z.writestr("archive/data/0", bytes(1 << 28))
    yield "bomb", bomb.getvalue()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = packer.compress(bytes(1 << 27)) + packer.flush()
    lying = io.BytesIO()
    with zipfile.ZipFile(lying, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("archive/data.pkl", tensor())
        z.writestr("archive/data/0", b"\0\0\x80?")
    lying_data = lying.getvalue().replace(zlib.compress(b"\0\0\x80?", 6, -15), stream[:6])
    yield "lying bomb", lying_data


@pytest.mark.parametrize("name,data", list(containers()), ids=[n for n, _ in containers()])
def test_damaged_containers(name, data):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RuntimeError, match="PytorchStreamReader failed"):
        load(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_compressed_archives_load():
    """PyTorch compresses nothing, but reads archives that were packed again."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(GOOD))) as a, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as b:
        for name in a.namelist():
            b.writestr(name, a.read(name))
    assert torch.equal(load(packed.getvalue())["a"], GOOD["a"])


CORPUS = textwrap.dedent("""
    import io, pickle, random, resource, struct, sys, time, warnings
    import torchish as torch
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (int(open("/proc/self/statm").read().split()[0]) * 4096 + (600 << 20),) * 2)
    good = {"a": torch.arange(100.0), "b": torch.ones(3, 4, dtype=torch.int64).t(), "p": torch.nn.Parameter(torch.ones(2)),
            "n": [1, "x", {"k": (None, 2.5)}, b"bytes", {1, 2}, torch.float64, torch.Size([2])]}
    bases = []
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save(good, buffer, _use_new_zipfile_serialization=new)
        bases.append(buffer.getvalue())
    rng, outcomes, slowest = random.Random(0), {}, 0.0
    for i in range(1000):
        data = bytearray(bases[i % 2])
        kind = i % 5
        if kind == 0:  # bytes changed anywhere
            for _ in range(rng.choice((1, 1, 2, 8, 32))):
                data[rng.randrange(len(data))] = rng.randrange(256)
        elif kind == 1:  # inside the pickle
            start = data.index(b"\\x80\\x02}") if i % 2 == 0 else 0
            for _ in range(rng.choice((1, 2, 4))):
                codes = b"cRbQqhrjtXKJMG(u}])esa\\x81\\x85\\x86\\x87\\x8a\\x80." + bytes([rng.randrange(256)])
                data[start + rng.randrange(700)] = rng.choice(codes)
        elif kind == 2:  # cut off
            del data[rng.randrange(len(data)):]
        elif kind == 3:  # a stretch doubled, removed or zeroed
            a = rng.randrange(len(data)); b = min(len(data), a + rng.randrange(1, 200))
            data[a:b] = rng.choice((data[a:b] * 2, b"", bytes(b - a)))
        else:  # large numbers where sizes may be
            a = rng.randrange(len(data) - 8)
            data[a:a + 4] = struct.pack("<I", rng.choice((0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x00FFFFFF)))
        began = time.perf_counter()
        try:
            torch.load(io.BytesIO(bytes(data)))
            outcome = "loaded"
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, AssertionError, IndexError, struct.error) as e:
            outcome = type(e).__name__
            assert len(str(e)) < 3000
        except MemoryError:
            raise SystemExit(f"file {i} asks for too much memory")
        slowest = max(slowest, time.perf_counter() - began)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(outcomes, round(slowest, 3))
    assert slowest < 5 and sum(outcomes.values()) == 1000 and outcomes["loaded"] < 500
""")


def test_a_thousand_mutated_files():
    """In a process with 600 MB to spare: each file loads or is refused in words."""
    run = subprocess.run([sys.executable, "-c", CORPUS], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]


JUNK = [b"", b"junk", b"\x80\x02junk", b"\x80\x02.", b"a" * 5000, b"\0" * 100, pickle.dumps(3)]


@pytest.mark.parametrize("data", [*JUNK, legacy()[:10], legacy()[:50], legacy()[:-1]])
@pytest.mark.parametrize("restricted", [True, False])
def test_what_is_no_checkpoint_is_refused_as_in_pytorch(data, restricted):
    refusals = []
    for t in (torch, pytorch):
        with pytest.raises(Exception) as refused:
            t.load(io.BytesIO(data), weights_only=restricted)
        refusals.append((refused.type, str(refused.value)))
    assert refusals[0] == refusals[1]


def test_random_bytes():
    rng = random.Random(1)
    for _ in range(200):
        with pytest.raises(CHECKED):
            load(rng.randbytes(rng.randrange(300)))
