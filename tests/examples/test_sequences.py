"""The examples of sequences, games and MNIST run, learn, and draw a picture."""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

# A script and its arguments, the metric that it prints, and what the metric has to be at least or at most. Guessing gives
# an accuracy of 17%, of 0% for dates and of 10% for digits, a loss of 3.3 per letter, a perplexity of 56, 20 steps, an error of 0.3.
RUNS = {
    "char_rnn_classification": ("--epochs 4 --hidden 48 --longest 7", "accuracy", ">=", 50),
    "char_rnn_generation": ("--epochs 4 --words 6 --longest 8", "loss per letter", "<=", 2.5),
    "seq2seq_attention": ("--examples 3200 --epochs 3 --size 64", "accuracy", ">=", 20),
    "word_language_model-lstm": ("--words 16000 --epochs 3 --size 48 --batch-size 16 --window 16 --lr 0.02", "perplexity", "<=", 12),
    "word_language_model-transformer": (
        "--model transformer --words 16000 --epochs 3 --size 48 --batch-size 16 --window 16 --lr 0.01",
        "perplexity",
        "<=",
        12,
    ),
    "reinforce": ("--episodes 50 --limit 25", "steps", ">=", 19),
    "actor_critic": ("--steps 3000 --limit 100", "steps", ">=", 40),
    "time_series_lbfgs": ("--waves 20 --length 40 --future 20 --steps 3 --hidden 16", "next value, error", "<=", 0.05),
    "mnist-digits": ("--digits --epochs 4 --lr 0.004", "accuracy", ">=", 85),
    "mnist-files": ("--root files --epochs 3 --lr 0.004", "accuracy", ">=", 85),
}


def run_example(name, arguments, folder):
    """The standard output of an example under torchish, run in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "torchish", EXAMPLES / f"{name.split('-')[0]}.py", *arguments.split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "100%|" in done.stderr  # the progress bar, to its end
    return done.stdout


def write_idx(path, array):
    """Write bytes as MNIST's files have them: a magic number with the count of dimensions, the sizes, the bytes."""
    path.write_bytes(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes())


def write_mnist(folder):
    """scikit-learn's digits as files of MNIST: 28x28 bytes each, three pixels for one, in a frame."""
    digits = load_digits()
    images = np.zeros((len(digits.images), 28, 28))
    images[:, 2:26, 2:26] = np.kron(digits.images, np.ones((1, 3, 3))) * 255 / 16
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, part in (("train", slice(0, 1437)), ("t10k", slice(1437, None))):
        write_idx(raw / f"{prefix}-images-idx3-ubyte", images[part])
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", digits.target[part])


@pytest.mark.parametrize("name", RUNS)
def test_example_learns_and_draws(name, tmp_path):
    arguments, metric, relation, bound = RUNS[name]
    if name == "mnist-files":
        write_mnist(tmp_path / "files")
    printed = run_example(name, f"{arguments} --out picture.png", tmp_path)

    found = re.search(rf"^{metric}: (\d+\.\d+)", printed, re.MULTILINE)
    assert found is not None, printed
    value = float(found[1])
    assert value >= bound if relation == ">=" else value <= bound, printed

    with Image.open(tmp_path / "picture.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert picture.format == "PNG" and min(pixels.shape) >= 400
    assert 0.01 < (pixels < 250).mean() < 0.9  # neither blank nor all ink
    assert "figure: picture.png" in printed
