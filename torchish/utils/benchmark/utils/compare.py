"""`Compare`: measurements side by side."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from typing import Any

from torchish.utils.benchmark.utils.common import Measurement, ordered_unique, select_unit, trim_sigfig, unit_to_english

BEST = "\033[92m"
GOOD = "\033[34m"
BAD = "\033[2m\033[91m"
VERY_BAD = "\033[31m"
BOLD = "\033[1m"
TERMINATE = "\033[0m"


class Colorize(enum.Enum):
    """What a cell's colour compares it with."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


class _Column:
    """How the cells of one column are written: all with the same number of digits."""

    def __init__(self, cells: list[Measurement | None], scale: float, trim: bool, highlight: bool):
        there = [m for m in cells if m is not None]
        self.scale, self.trim = scale, trim
        self.highlight = highlight and any(m.has_warnings for m in there)
        digits = [math.ceil(math.log10(m.median / scale)) for m in there]
        decimals = min(max(m.significant_figures - d, 0) for d, m in zip(digits, there, strict=True)) if trim else 1
        self.template = f"{{:>{max(digits) + decimals + (1 if decimals else 0)}.{decimals}f}}{{:>{7 if self.highlight else 0}}}"

    def text(self, m: Measurement | None) -> str:
        if m is None:
            return " " * len(self.template.format(trim_sigfig(1, 1) if self.trim else 1, ""))
        value = trim_sigfig(m.median / self.scale, m.significant_figures) if self.trim else m.median / self.scale
        return self.template.format(value, f" (! {m.iqr / m.median * 100:.0f}%)" if self.highlight and m.has_warnings else "")


def _coloured(text: str, value: float, best: float) -> str:
    if value <= best * 1.01 or value <= best + 100e-9:
        return BEST + BOLD + text + TERMINATE * 2
    if value <= best * 1.1:
        return GOOD + BOLD + text + TERMINATE * 2
    if value >= best * 5:
        return VERY_BAD + BOLD + text + TERMINATE * 2
    return BAD + text + TERMINATE * 2 if value >= best * 2 else text


class _Table:
    """Measurements with one label: a row for each thread count, environment and statement, a column for each description."""

    def __init__(self, results: list[Measurement], colorize: Colorize, trim: bool, highlight: bool):
        self.results, self.colorize, self.highlight = results, colorize, highlight
        self.unit, self.scale = select_unit(min(r.median for r in results))
        self.keys = sorted(ordered_unique(self._key(r) for r in results), key=lambda key: key[:2])
        self.heads = ordered_unique(r.description for r in results)
        place = {(self._key(r), r.description): r for r in results}
        self.cells = [[place.get((key, head)) for head in self.heads] for key in self.keys]
        self.columns = [_Column([row[j] for row in self.cells], self.scale, trim, highlight) for j in range(len(self.heads))]

    @staticmethod
    def _key(m: Measurement) -> tuple[int, str, str]:
        return m.task_spec.num_threads, m.env, m.as_row_name

    def _names(self) -> list[str]:
        environments = {key[1] for key in self.keys}
        width = max(map(len, environments)) if len(environments) > 1 else 0
        names, previous = [], ("", "")
        for threads, env, name in self.keys:
            shown = f"({env})" if width and (str(threads), env) != previous else ""
            names.append("  " + shown.ljust(width + 4) + name)
            previous = (str(threads), env)
        return names

    def _best(self, i: int, j: int) -> float:
        """What the cell's colour compares it with: the best of its row, or of its column among equal thread counts."""
        if self.colorize is Colorize.ROWWISE:
            others = self.cells[i]
        else:
            others = [row[j] for row, key in zip(self.cells, self.keys, strict=True) if key[0] == self.keys[i][0]]
        return min(m.median for m in others if m is not None)

    def render(self) -> str:
        names = self._names()
        texts = [[c.text(m) for c, m in zip(self.columns, row, strict=True)] for row in self.cells]
        grid = [["", *(h or "" for h in self.heads)], *([n, *row] for n, row in zip(names, texts, strict=True))]
        widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
        lines = ["  |  ".join(t.center(w) for t, w in zip(grid[0], widths, strict=True))]
        overall = len(lines[0])
        threads = -1
        for i, key in enumerate(self.keys):
            if key[0] != threads:
                threads = key[0]
                lines.append(f"{threads} threads: ".ljust(overall, "-"))
            parts = [names[i].ljust(widths[0])]
            for j, m in enumerate(self.cells[i]):
                text = texts[i][j].center(widths[j + 1])
                parts.append(text if m is None or self.colorize is Colorize.NONE else _coloured(text, m.median, self._best(i, j)))
            lines.append("  |  ".join(parts))
        title = (" " + (self.results[0].label or "") + " ").center(overall - 2, "-")
        warned = self.highlight and any(r.has_warnings for r in self.results)
        note = "(! XX%) Measurement has high variance, where XX is the IQR / median * 100.\n" if warned else ""
        body = "\n".join(lines)
        return f"[{title}]\n{body}\n\nTimes are in {unit_to_english(self.unit)}s ({self.unit}).\n{note}"


class Compare:
    """A table of measurements, one for each label; rows are statements or sub-labels, columns descriptions."""

    def __init__(self, results: Iterable[Measurement]):
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trim = self._highlight = False
        self._colorize = Colorize.NONE

    def extend_results(self, results: Iterable[Any]) -> None:
        """Add measurements; ValueError for anything else."""
        results = list(results)
        for r in results:
            if not isinstance(r, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(r)} instead.")
        self._results += results

    def trim_significant_figures(self) -> None:
        """Show no more figures than mean something."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Colour the cells, by column or by row."""
        self._colorize = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """Mark the measurements that scatter."""
        self._highlight = True

    def __str__(self) -> str:
        groups: dict[str | None, list[Measurement]] = {}
        for m in Measurement.merge(self._results):
            groups.setdefault(m.label, []).append(m)
        return "\n".join(_Table(g, self._colorize, self._trim, self._highlight).render() for g in groups.values())

    def print(self) -> None:
        """Print the tables."""
        print(str(self))
