"""The results of `python -m benchmarks` as a Markdown table, JSON and a chart."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path

from benchmarks.contender import CONTENDERS

# contender -> colour; the two of torchish share a hue
COLOURS = dict(zip(CONTENDERS, ("#8a8f98", "#5b6470", "#3b6ea5", "#ee4c2c", "#f4a582"), strict=True))
Results = dict[str, dict[str, dict]]


def machine() -> str:
    """The processor, its cores and the versions measured."""
    model = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor())
    cores = sum(line.startswith("processor") for line in _cpuinfo())
    packages = ", ".join(f"{p} {version(p)}" for p in ("torch", "jax", "flax", "optax"))
    return f"{model}, {cores} cores; Python {platform.python_version()}, {packages}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def table(results: Results) -> str:
    """One row per workload and contender."""
    lines = [
        "| workload | contender | step, ms | to PyTorch | to JAX | first step cold, s | warm, s | peak memory, MiB | programs |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for workload, figures in results.items():
        eager, jax = figures["PyTorch eager"]["step"], figures.get("Flax + Optax + jit", {}).get("step")
        for contender, f in figures.items():
            to_jax = f"{f['step'] / jax:.2f}" if jax else ""
            programs = "" if f["programs"] is None else f["programs"]
            lines.append(
                f"| {workload} | {contender} | {f['step'] * 1e3:.3g} | {f['step'] / eager:.2f} | {to_jax} | {f['cold']:.2f} | "
                f"{f['warm']:.2f} | {f['peak'] / 2**20:.0f} | {programs} |"
            )
    return "\n".join(lines) + "\n"


def chart(results: Results, path: Path) -> None:
    """Time per step as a multiple of PyTorch eager's, on a logarithmic scale, one group of bars per workload."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 0.75 * len(results) + 1.6), layout="constrained")
    height = 0.17
    for i, contender in enumerate(CONTENDERS):
        rows = [(k, f[contender]["step"] / f["PyTorch eager"]["step"]) for k, f in enumerate(results.values()) if contender in f]
        if rows:
            at = [k + (i - (len(CONTENDERS) - 1) / 2) * height for k, _ in rows]
            bars = axes.barh(at, [v - 1 for _, v in rows], height * 0.9, left=1, label=contender, color=COLOURS[contender])
            axes.bar_label(bars, [f"{v:.2f}" for _, v in rows], fontsize=7, padding=2)
    axes.axvline(1, color="#444", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.set_yticks(range(len(results)), list(results))
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("time per step / PyTorch eager (left of 1 is faster)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(CONTENDERS))
    figure.savefig(path, dpi=130)
    plt.close(figure)


def write(results: Results, folder: Path) -> None:
    """Write training.md, training.json and training.png into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training.json").write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")
    (folder / "training.md").write_text(f"Medians on {machine()}.\n\n{table(results)}")
    chart(results, folder / "training.png")
