"""`torch.utils.tensorboard`: what the event files say."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import torchish

tensorboardX = pytest.importorskip("tensorboardX")

from tensorboardX.proto.event_pb2 import Event  # noqa: E402
from tensorboardX.proto.graph_pb2 import GraphDef  # noqa: E402

from torchish.utils.tensorboard import SummaryWriter  # noqa: E402


def events(folder):
    """The events of all files below a folder: each a record of length, checksum, data, checksum."""
    found = []
    for path in sorted(Path(folder).rglob("events.out.tfevents.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack_from("<Q", data, at)
            found.append(Event.FromString(data[at + 12 : at + 12 + size]))
            at += size + 16
    return found


def values(folder):
    return {v.tag: (e.step, v) for e in events(folder) for v in e.summary.value}


def test_scalars(tmp_path):
    x = torchish.tensor([2.0, 3.0], requires_grad=True)
    with SummaryWriter(tmp_path) as w:
        assert w.log_dir == w.get_logdir() == str(tmp_path)
        w.add_scalar("loss", x.sum(), 7)
        w.add_scalar("half", torchish.tensor(1.5, dtype=torchish.bfloat16), global_step=8)
        w.add_scalar("number", 3, 1, new_style=True)
        w.add_scalars("both", {"a": torchish.tensor(1.0), "b": 2.0}, 3)
    found = values(tmp_path)
    assert {tag: (step, v.simple_value) for tag, (step, v) in found.items()} == {
        "loss": (7, 5.0), "half": (8, 1.5), "number": (1, 3.0), "both": (3, 2.0)
    }  # fmt: skip
    assert events(tmp_path)[0].file_version == "brain.Event:2"


def test_histogram_image_figure_text(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    with SummaryWriter(log_dir=str(tmp_path)) as w:
        w.add_histogram("weights", torchish.arange(10.0), 1)
        w.add_image("image", torchish.zeros(3, 4, 5), 2)
        w.add_image("flat", torchish.ones(4, 5), 2, dataformats="HW")
        w.add_images("images", torchish.zeros(2, 1, 4, 5), 2)
        w.add_images("list", [torchish.zeros(3, 4, 4)] * 2, 2, dataformats="CHW")
        figure = plt.figure()
        w.add_figure("figure", figure, 3)
        w.add_text("note", "some *words*", 4)
        w.add_pr_curve("curve", torchish.tensor([0, 1, 1]), torchish.tensor([0.1, 0.8, 0.6]), 5)
        w.flush()
    found = values(tmp_path)
    h = found["weights"][1].histo
    assert (h.num, h.min, h.max, h.sum, h.sum_squares) == (10, 0, 9, 45, 285) and sum(h.bucket) == 10
    image = found["image"][1].image
    assert (image.height, image.width, image.colorspace) == (4, 5, 3) and image.encoded_image_string[1:4] == b"PNG"
    assert {"flat", "images", "list", "figure"} <= set(found)
    assert found["note/text_summary"][1].tensor.string_val == [b"some *words*"]
    assert found["curve"][0] == 5


def test_hparams(tmp_path):
    with SummaryWriter(tmp_path) as w:
        w.add_hparams({"lr": 0.1, "name": "adam", "on": True}, {"accuracy": torchish.tensor(0.5)}, run_name="first", global_step=9)
    found = values(tmp_path / "first")
    assert found["accuracy"][0] == 9 and found["accuracy"][1].simple_value == 0.5
    assert {"_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"} <= set(found)
    with pytest.raises(TypeError, match="hparam_dict and metric_dict should be dictionary."):
        SummaryWriter(tmp_path).add_hparams([], {})


def test_embedding(tmp_path):
    with SummaryWriter(tmp_path) as w:
        w.add_embedding(torchish.arange(6.0).reshape(3, 2), metadata=["a", "b", "c"], label_img=torchish.zeros(3, 3, 4, 4), global_step=1)
    (rows,) = tmp_path.rglob("tensors.tsv")
    np.testing.assert_array_equal(np.loadtxt(rows), [[0, 1], [2, 3], [4, 5]])
    assert (rows.parent / "metadata.tsv").read_text().split() == ["a", "b", "c"]
    assert (tmp_path / "projector_config.pbtxt").exists() and (rows.parent / "sprite.png").exists()


def test_graph(tmp_path):
    model = torchish.nn.Sequential(torchish.nn.Linear(3, 4), torchish.nn.ReLU(), torchish.nn.Linear(4, 2))
    with SummaryWriter(tmp_path) as w:
        w.add_graph(model, torchish.ones(1, 3))
    (event,) = [e for e in events(tmp_path) if e.graph_def]
    nodes = {n.name: n for n in GraphDef.FromString(event.graph_def).node}
    assert {"parameters/0/weight", "parameters/0/bias", "parameters/2/weight", "parameters/2/bias"} <= set(nodes)
    assert sum(n.op == "AddmmBackward0" for n in nodes.values()) == 2
    assert all(i in nodes for n in nodes.values() for i in n.input)


def test_default_folder_and_script(tmp_path):
    (tmp_path / "script.py").write_text(
        "import sys, torch\nfrom torch.utils.tensorboard import SummaryWriter\n"
        "w = SummaryWriter(comment='_note')\nw.add_scalar('x', torch.ones(()), 1)\nw.close()\nprint(torch.__name__)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    run = [sys.executable, "-m", "torchish", "script.py"]
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "torchish\n", done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("_note") and values(folder)["x"][1].simple_value == 1.0


def test_without_the_library():
    code = "import sys; sys.modules['tensorboardX'] = None\nimport torchish.utils.tensorboard"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert "ImportError: torch.utils.tensorboard needs the package tensorboardX" in done.stderr
