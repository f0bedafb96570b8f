"""Times of single operators, forward and with their gradients: PyTorch and torchish in turns.

    python -m benchmarks.operators [--only REGEX] [--size 1000000] [--rounds 7] [--threads 2] [--clock wall] [--out benchmarks/results]

Both libraries run in a process of their own and get the same tensors, of about `size` elements. They take turns, a round of 0.05 s
each, so that a slow spell of the machine hits both, after as long that is not counted: processors are slow after a pause. Medians of
the rounds are shown. Every value is forced, programs are warm. `--clock processor` counts the processor's time instead, each process
on one core, and shows the least of the rounds: for machines with other work to do. Writes `operators.md` and `operators.json`. With
`--only`, the other rows of an earlier run in the same folder are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.operator_cases import cases
from benchmarks.process import ROOT, Process
from benchmarks.report import machine

LIBRARIES = ("PyTorch", "torchish")
PARTS = ("forward", "with gradient")
ROUND_SECONDS = 0.05


# --- in a library's process --------------------------------------------------------------------------------


def _leaves(result: Any) -> list:
    """The tensors of a result."""
    return [leaf for r in result for leaf in _leaves(r)] if isinstance(result, (tuple, list)) else [result]


def steps(torch: Any, name: str, size: int) -> dict[str, Callable[[], Any]]:
    """What is timed of a case: its function, and its function with the gradients of a given cotangent."""
    function, described = cases(size)[name]
    generator = np.random.default_rng(0)
    inputs = [torch.from_numpy(d.array(generator)) for d in described]

    def forward() -> Any:
        results = function(torch, *inputs)
        torch.cpu.synchronize()
        return results  # what nobody holds would not be computed

    made: dict[str, Callable[[], Any]] = {"forward": forward}
    leaves = [t.clone().requires_grad_() if t.is_floating_point() else t for t in inputs]
    outputs = [o for o in _leaves(function(torch, *leaves)) if o.requires_grad]
    sources = [t for t in leaves if t.requires_grad]
    if outputs and sources:
        cotangents = [torch.ones_like(o) for o in outputs]

        def gradient() -> Any:
            results = _leaves(function(torch, *leaves))
            got = torch.autograd.grad([o for o in results if o.requires_grad], sources, cotangents, allow_unused=True)
            torch.cpu.synchronize()
            return results, got

        made["with gradient"] = gradient
    return made


def per_call(step: Callable[[], Any], now: Callable[[], float]) -> float:
    """Seconds a call in one round, the first half of which is not counted."""
    taken = 0.0
    for _ in range(2):
        count, start, end = 0, now(), time.perf_counter() + ROUND_SECONDS
        while count == 0 or time.perf_counter() < end:
            step()
            count += 1
        taken = (now() - start) / count
    return taken


def serve(library: str, size: int, threads: int, clock: str) -> None:
    """Answer lines: "prepare NAME" with the parts there are, the name of a part with seconds per call."""
    now = time.process_time if clock == "processor" else time.perf_counter
    if clock == "processor":
        threads = 1
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch: Any
    if library == "torchish":
        import torchish as torch
    else:
        import torch

        torch.set_num_threads(threads)
    torch.manual_seed(0)
    current: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        words = line.strip()
        if not words:
            break
        if words.startswith("prepare "):
            current = steps(torch, words.removeprefix("prepare "), size)
            for step in current.values():
                for _ in range(3):
                    step()
            print(json.dumps(list(current)), flush=True)
            continue
        print(json.dumps(per_call(current[words], now)), flush=True)
    print("{}", flush=True)


# --- the measurement ---------------------------------------------------------------------------------------


def measure(name: str, processes: dict[str, Process], rounds: int, clock: str) -> dict[str, dict[str, float]]:
    """part -> library -> seconds."""
    typical = min if clock == "processor" else statistics.median
    parts = [p.ask(f"prepare {name}") for p in processes.values()]
    times: dict[str, dict[str, float]] = {}
    for part in PARTS:
        if all(part in known for known in parts):
            taken: dict[str, list[float]] = {c: [] for c in processes}
            for _ in range(rounds):
                for c, p in processes.items():
                    taken[c].append(p.ask(part))
            times[part] = {c: typical(v) for c, v in taken.items()}
    return times


# --- the report --------------------------------------------------------------------------------------------


def ratio(times: dict[str, float]) -> float:
    return times["torchish"] / times["PyTorch"]


def slower(results: dict[str, dict]) -> list[tuple[float, str, str]]:
    """(ratio, operator, part) of all that PyTorch does faster, slowest first."""
    found = [(ratio(t), name, part) for name, parts in results.items() for part, t in parts.items()]
    return sorted((f for f in found if f[0] > 1), reverse=True)


def summary(results: dict[str, dict]) -> str:
    """One sentence on all ratios."""
    ratios = [ratio(t) for parts in results.values() for t in parts.values()]
    counts = [sum(r > limit for r in ratios) for limit in (1, 2, 5)]
    return (
        f"{len(results)} operators, {len(ratios)} times: the median ratio to PyTorch is {statistics.median(ratios):.2f}; "
        f"{counts[0]} are above 1, {counts[1]} above 2, {counts[2]} above 5; the largest is {max(ratios):.2f}."
    )


def markdown(results: dict[str, dict]) -> str:
    """The summary, what is slower than PyTorch, and all times."""
    lines = [summary(results), "", "## Slower than PyTorch", "", "| operator | part | ratio |", "|---|---|---:|"]
    lines += [f"| {name} | {part} | {r:.2f} |" for r, name, part in slower(results)]
    lines += ["", "## All", "", "| operator | forward, ms: PyTorch | torchish | ratio | with gradient, ms: PyTorch | torchish | ratio |",
              "|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for name, parts in results.items():
        cells = []
        for part in PARTS:
            t = parts.get(part)
            cells += [f"{t['PyTorch'] * 1e3:.3g}", f"{t['torchish'] * 1e3:.3g}", f"{ratio(t):.2f}"] if t else ["", "", ""]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write(results: dict[str, dict], size: int, clock: str, folder: Path) -> None:
    """Write operators.md and operators.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    measured = {"machine": machine(), "size": size, "clock": clock, "results": results}
    (folder / "operators.json").write_text(json.dumps(measured, indent=1) + "\n")
    what = "Processor time on one core, least of the rounds," if clock == "processor" else "Medians"
    heading = f"{what} on {machine()}; tensors of about {size:,} elements, float32 unless it is said.\n\n"
    (folder / "operators.md").write_text(heading + markdown(results))


def earlier(size: int, clock: str, folder: Path) -> dict[str, dict]:
    """The rows of an earlier run of the same kind."""
    path = folder / "operators.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    return kept["results"] if (kept.get("size"), kept.get("clock")) == (size, clock) else {}


def main() -> None:
    """Measure the operators that were asked for, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="REGEX", help="operators whose name matches")
    parser.add_argument("--size", type=int, default=1_000_000, help="elements of a tensor, about")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="PyTorch's threads")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the tables")
    parser.add_argument("--serve", choices=LIBRARIES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.size, args.threads, args.clock)
        return
    known = cases(args.size)
    found = earlier(args.size, args.clock, args.out) if args.only else {}
    results: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        command = ["benchmarks.operators", "--size", str(args.size), "--threads", str(args.threads), "--clock", args.clock, "--serve"]
        processes = {c: Process(c, [*command, c], Path(folder)) for c in LIBRARIES}
        for name in known:
            if re.search(args.only, name, re.IGNORECASE):
                found[name] = measure(name, processes, args.rounds, args.clock)
                print(f"{name}: " + ", ".join(f"{part} {ratio(t):.2f}" for part, t in found[name].items()), flush=True)
                results = {n: found[n] for n in known if n in found}
                write(results, args.size, args.clock, args.out)
        for p in processes.values():
            p.finish()
    print(f"{summary(results)}\nresults: {args.out}")


if __name__ == "__main__":
    main()
