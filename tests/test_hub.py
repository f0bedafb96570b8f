"""`torch.hub`: folders, the cache, downloads (from files: the tests need no network). `torch.backends` and absent devices."""

import hashlib
import importlib
from urllib.error import URLError

import pytest
import torch as pytorch

import torchish

HUBCONF = '''
dependencies = ["sys", "os"]
import helper

def tiny(size=2, scale=1.0):
    """A layer of ones."""
    return helper.make(size, scale)

def _private(): pass
number = 3
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "hubconf.py").write_text(HUBCONF)
    (tmp_path / "helper.py").write_text("def make(size, scale): return [scale] * size\n")
    return str(tmp_path)


def both(f):
    outcomes = []
    for torch in (pytorch, torchish):
        try:
            outcomes.append(f(torch.hub))
        except Exception as error:
            outcomes.append((type(error).__name__, str(error)))
    assert outcomes[0] == outcomes[1]
    return outcomes[1]


def test_load_from_a_folder(folder):
    assert both(lambda hub: hub.load(folder, "tiny", 3, source="local", scale=2.0)) == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("model", ["huge", "number", 3])
def test_errors_of_load(model, folder):
    both(lambda hub: hub.load(folder, model, source="local"))


def test_unknown_source_and_missing_dependencies(folder, tmp_path):
    both(lambda hub: hub.load(folder, "tiny", source="gitlab"))
    (tmp_path / "hubconf.py").write_text("dependencies = ['no_such_package_a', 'no_such_package_b']\ndef f(): pass")
    both(lambda hub: hub.load(folder, "f", source="local"))


def test_list_and_help(folder):
    hub = torchish.hub
    assert hub.list(folder, source="local") == ["tiny"]
    assert hub.help(folder, "tiny", source="local") == "A layer of ones."


def test_cached_repository(tmp_path, monkeypatch, capsys):
    kept = tmp_path / "hub" / "owner_name_main"
    kept.mkdir(parents=True)
    (kept / "hubconf.py").write_text("def one(): return 1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torchish.hub, "_hub_dir", None)
    assert torchish.hub.get_dir() == pytorch.hub.get_dir() == str(tmp_path / "hub")
    assert torchish.hub.load("owner/name", "one") == 1
    assert capsys.readouterr().err == f"Using cache found in {kept}\n"
    with pytest.raises(RuntimeError, match='torchish does not download code: owner/other:v1 .*source="local"'):
        torchish.hub.load("owner/other:v1", "one")


def test_set_dir(tmp_path, monkeypatch):
    monkeypatch.setattr(torchish.hub, "_hub_dir", None)
    torchish.hub.set_dir(tmp_path)
    assert torchish.hub.get_dir() == str(tmp_path)


def test_state_dict_from_url(tmp_path, capsys):
    pytorch.save({"w": pytorch.arange(3.0)}, tmp_path / "plain.pth")
    digest = hashlib.sha256((tmp_path / "plain.pth").read_bytes()).hexdigest()[:8]
    source = (tmp_path / "plain.pth").rename(tmp_path / f"net-{digest}.pth")
    target = tmp_path / "models"
    for _ in range(2):
        state = torchish.hub.load_state_dict_from_url(source.as_uri(), model_dir=str(target), check_hash=True)
        assert state["w"].tolist() == [0.0, 1.0, 2.0]
    shown = capsys.readouterr()
    assert shown.out == f'Downloading: "{source.as_uri()}" to {target}/net-{digest}.pth\n' and "100%" in shown.err


def test_wrong_hash_leaves_no_file(tmp_path):
    (tmp_path / "a").write_bytes(b"data")
    both(lambda hub: hub.download_url_to_file((tmp_path / "a").as_uri(), str(tmp_path / "b"), "ffff", progress=False))
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_no_network(tmp_path):
    with pytest.raises(URLError, match="while downloading http://127.0.0.1:9/x; a copy of the file at .* will do"):
        torchish.hub.download_url_to_file("http://127.0.0.1:9/x", str(tmp_path / "x"))
    assert not list(tmp_path.iterdir())


# torch.backends, torch.mps, torch.xpu, torch.onnx -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "backends.mps.is_available()", "backends.cudnn.enabled", "backends.cudnn.benchmark", "backends.cudnn.deterministic",
        "backends.cudnn.is_available()", "backends.cudnn.is_acceptable(torch.ones(1))", "backends.opt_einsum.is_available()",
        "backends.opt_einsum.enabled", "backends.opt_einsum.strategy", "backends.mha.get_fastpath_enabled()", "xpu.is_available()",
        "backends.cusparselt.is_available()", "backends.mps.is_built()", "xpu.device_count()", "xpu.current_device()", "mps.is_available()",
        "mps.device_count()", "mps.synchronize()", "mps.empty_cache()", "xpu.synchronize()", "cuda.is_available()",
        "onnx.is_in_onnx_export()", "cuda._initialized",
    ],
)  # fmt: skip
def test_queries(query):
    outcomes = []
    for torch in (pytorch, torchish):
        try:
            outcomes.append(eval(f"torch.{query}", {"torch": torch}))
        except Exception as error:
            outcomes.append((type(error), str(error)))
    assert outcomes[0] == outcomes[1]


def test_there_is_no_triton():
    for torch in (pytorch, torchish):
        triton = importlib.import_module(f"{torch.__name__}.utils._triton")
        assert (triton.has_triton_package(), triton.has_triton()) == (False, False)


def test_running_out_of_memory_has_one_type():
    assert torchish.cuda.OutOfMemoryError is torchish.OutOfMemoryError
    scaler = importlib.import_module("torchish.cuda.amp.grad_scaler")
    assert scaler.GradScaler is torchish.cuda.amp.GradScaler and scaler.OptState is torchish.amp.grad_scaler.OptState


def test_flags_hold_inside_their_block():
    for torch in (pytorch, torchish):
        cudnn = torch.backends.cudnn
        with cudnn.flags(enabled=False, benchmark=True, deterministic=True):
            assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (False, True, True)
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (True, False, False)
        with torch.backends.mkldnn.flags(enabled=False), torch.backends.mkl.verbose(torch.backends.mkl.VERBOSE_OFF):
            pass
