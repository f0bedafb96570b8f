"""Times of training loops: PyTorch eager, `torch.compile`, hand-written Flax + Optax + `jax.jit`, and torchish.

    python -m benchmarks [--only REGEX] [--rounds 7] [--threads 2] [--out benchmarks/results]

Each contender runs in a process of its own. They take turns, a round of some 0.2 s each, so that a slow spell of the machine hits
all of them; medians of the rounds are shown. "Cold" is the first step with empty caches of compiled programs, "warm" with the
caches that the cold run left (for hand-written JAX its persistent compilation cache). Writes a table (Markdown and JSON) and
a chart (PNG).
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.contender import CONTENDERS, WORKLOADS, takes_part
from benchmarks.process import ROOT, Process
from benchmarks.report import write

ROUND_SECONDS = 0.2


@dataclass
class Figures:
    """What was measured of one contender on one workload: seconds, bytes, a count."""

    cold: float = 0.0
    warm: float = 0.0
    steps: list[float] = field(default_factory=list)
    peak: int = 0
    programs: int | None = None

    @property
    def step(self) -> float:
        return statistics.median(self.steps)


def start(contender: str, workload: str, threads: int, caches: Path) -> Process:
    """A contender at work on a workload; `first` in its first answer is its first step's time."""
    return Process(f"{contender} on {workload}", ["benchmarks.contender", contender, workload, str(threads)], caches)


def measure(workload: str, rounds: int, threads: int) -> dict[str, Figures]:
    """The figures of every contender that has a version of the workload."""
    contenders = [c for c in CONTENDERS if takes_part(c, workload)]
    figures = {c: Figures() for c in contenders}
    with tempfile.TemporaryDirectory() as folder:
        for c in contenders:
            cold = start(c, workload, threads, Path(folder) / c.replace(" ", ""))
            figures[c].cold = cold.answer()["first"]
            cold.finish()
        running = {}
        for c in contenders:
            running[c] = start(c, workload, threads, Path(folder) / c.replace(" ", ""))
            figures[c].warm = running[c].answer()["first"]
        counts = {c: max(1, int(ROUND_SECONDS / p.ask("1"))) for c, p in running.items()}
        for _ in range(rounds):
            for c, p in running.items():
                figures[c].steps.append(p.ask(str(counts[c])))
        for c, p in running.items():
            closing = p.finish()
            figures[c].peak, figures[c].programs = closing["peak"], closing["programs"]
    return figures


def main() -> None:
    """Measure the workloads that were asked for, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="REGEX", help="workloads whose name matches")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="PyTorch's threads")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the table and the chart")
    args = parser.parse_args()
    results: dict[str, dict[str, dict]] = {}
    for workload in WORKLOADS:
        if re.search(args.only, workload, re.IGNORECASE):
            figures = measure(workload, args.rounds, args.threads)
            results[workload] = {c: {**asdict(f), "step": f.step} for c, f in figures.items()}
            base = figures["PyTorch eager"].step
            print(f"{workload}: " + ", ".join(f"{c} {f.step * 1e3:.3g} ms ({f.step / base:.2f})" for c, f in figures.items()), flush=True)
            write(results, args.out)
    print(f"results: {args.out}")


if __name__ == "__main__":
    main()
