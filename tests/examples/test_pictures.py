"""The examples that end in a picture: in a short run, each learns something and draws it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
NUMBER = r"(-?\d+\.\d+)"

# Of each example: the options that make it short, the line that it ends with, and what its numbers have to be.
EXAMPLES = {
    "vae": ("--epochs 8", rf"test loss: {NUMBER} nats", lambda nats: nats < 27),
    "dcgan": (
        "--epochs 3",
        rf"distance to the nearest real digit: {NUMBER} \(of noise: {NUMBER}\)",
        lambda generated, noise: generated < 0.6 * noise,
    ),
    "super_resolution": (
        "--epochs 2",
        rf"PSNR: {NUMBER} dB \(bicubic: {NUMBER} dB\)",
        lambda network, bicubic: network > bicubic + 0.5,
    ),
    "fine_tuning": (
        "--steps 40 --runs 1",
        rf"each: {NUMBER}% \(frozen features\), {NUMBER}% \(fine-tuned\), {NUMBER}% \(from scratch\)",
        lambda frozen, tuned, scratch: min(frozen, tuned) > scratch + 5 and frozen > 40,
    ),
    "fgsm": (
        "--epochs 4",
        rf"accuracy: {NUMBER}%, attacked {NUMBER}%, trained on attacks {NUMBER}%",
        lambda clean, attacked, robust: clean > 90 and attacked < clean - 20 and robust > attacked + 10,
    ),
    "neural_style": (
        "--steps 3 --size 64",
        rf"loss: {NUMBER} at first, {NUMBER} at last",
        lambda first, last: last < 0.75 * first,
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_learns_and_draws(name: str, tmp_path: Path) -> None:
    options, pattern, sensible = EXAMPLES[name]
    done = subprocess.run(
        [sys.executable, "-m", "torchish", ROOT / f"examples/{name}.py", *options.split(), "--out", "picture.png"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(pattern, done.stdout)
    assert found is not None, done.stdout
    assert sensible(*map(float, found.groups())), found[0]
    with Image.open(tmp_path / "picture.png") as picture:
        pixels = np.asarray(picture.convert("L"), dtype=float)
    assert min(pixels.shape) > 400
    # Its quarters hold something each.
    top, bottom = np.array_split(pixels, 2)
    quarters = [quarter for half in (top, bottom) for quarter in np.array_split(half, 2, axis=1)]
    assert min(quarter.std() for quarter in quarters) > 10
