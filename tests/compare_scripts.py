"""Run a PyTorch script on PyTorch and on torchish, and compare what the two print, line by line.

    python tests/compare_scripts.py tests/scripts/seed_000.py          # one script
    python tests/compare_scripts.py                                    # every script in tests/scripts
    python tests/compare_scripts.py --show torch SCRIPT                # PyTorch's output, normalised

Two lines agree when their text is equal and each number in them is within 5e-4, relative or absolute. What a
number looks like is part of the text: integers must be equal, `3.` is not `3.0000`, columns keep their width.
Addresses (`0x7f…`) read `0x…` on both sides. A script that fails must fail on both sides with the same exit
code and the same last line of its traceback.

PyTorch's side is cached in `tests/.cache/scripts`, one file per script's content and PyTorch version.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import importlib.metadata
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "tests" / "scripts"
CACHE = ROOT / "tests" / ".cache" / "scripts"
TOLERANCE = 5e-4
TIMED_OUT = 124

# A number that is not part of a name or a dotted version: `0.5`, `3.`, `-1e-05`, `2.j`; not `float32`'s 32.
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?(?=j?(?!\w))")
ADDRESS = re.compile(r"(?<!\w)0x[0-9a-fA-F]+")


# -------------------------------------------------------------------------------------------- comparing lines


def normalise(text: str) -> list[str]:
    """The lines of a program's output, with addresses made equal."""
    return ADDRESS.sub("0x…", text).splitlines()


def form(number: str) -> str:
    """How a number is written: an integer, with a bare point, with decimals, or in scientific notation."""
    if "e" in number or "E" in number:
        return "scientific"
    if "." not in number:
        return "integer"
    return "point" if number.endswith(".") else "decimals"


def decimals(number: str) -> int:
    """How many digits follow the decimal point."""
    return len(number.lower().split("e")[0].partition(".")[2])


def why_numbers_differ(expected: str, actual: str, scalar: bool) -> str | None:
    """None when two numbers agree, else the reason.

    `scalar` says that the number is all of a zero-dimensional tensor: there a sum that is one rounding off an
    integer prints `25.0000` for `25.`, which is a difference of number, not of format.
    """
    forms = {form(expected), form(actual)}
    if forms == {"integer"}:
        return None if int(expected) == int(actual) else f"{actual} for {expected}"
    if len(forms) > 1 and not (scalar and forms == {"point", "decimals"}):
        return f"{actual} is not written like {expected}"
    x, y = float(expected), float(actual)
    # `%.3f` of two numbers that close can be one apart in the last place
    last_place = 1e-3 if decimals(expected) == decimals(actual) == 3 else 0.0
    if abs(x - y) > max(TOLERANCE * max(1.0, abs(x)), 1.001 * last_place):
        return f"{actual} for {expected}"
    # Python and NumPy print as many digits as the value needs; tensors and %-formats a fixed number.
    if len(forms) == 1 and max(decimals(expected), decimals(actual)) < 7 and decimals(expected) != decimals(actual):
        return f"{actual} has other digits than {expected}"
    return None


def why_lines_differ(expected: str, actual: str) -> str | None:
    """None when two lines agree, else the reason."""
    if expected == actual:
        return None
    numbers = list(NUMBER.finditer(expected)), list(NUMBER.finditer(actual))
    if len(numbers[0]) != len(numbers[1]):
        return "text differs"
    # A full-precision array pads its columns to the longest number, which a last digit more or less changes.
    loose = any(decimals(m.group()) >= 7 for side in numbers for m in side)
    ends = [0, 0]
    for x, y in zip(*numbers, strict=True):
        before = expected[ends[0] : x.start()], actual[ends[1] : y.start()]
        ends = [x.end(), y.end()]
        if before[0].split() != before[1].split():
            return "text differs"
        same_width = len(before[0]) + len(x.group()) == len(before[1]) + len(y.group())
        if before[0] != before[1] and not (loose or same_width):
            return "spacing differs"
        reason = why_numbers_differ(x.group(), y.group(), scalar=before[0].endswith("tensor("))
        if reason:
            return reason
    rest = expected[ends[0] :], actual[ends[1] :]
    if rest[0] != rest[1] and not (loose and rest[0].split() == rest[1].split()):
        return "text differs"
    return None


@dataclass(frozen=True)
class Difference:
    """One place where the outputs part: a line on each side (None where a side lacks it) and why."""

    line: int
    expected: str | None
    actual: str | None
    reason: str

    def __str__(self) -> str:
        lines = [f"line {self.line}: {self.reason}"]
        if self.expected is not None:
            lines.append(f"  torch    | {self.expected}")
        if self.actual is not None:
            lines.append(f"  torchish | {self.actual}")
        return "\n".join(lines)


def differences(expected: Sequence[str], actual: Sequence[str]) -> Iterator[Difference]:
    """Every difference between two outputs; lines are aligned by their text, numbers aside."""
    blocks: Sequence[tuple[str, int, int, int, int]]
    if len(expected) == len(actual):
        blocks = [("replace", 0, len(expected), 0, len(actual))]
    else:
        skeletons = [[NUMBER.sub("#", line) for line in side] for side in (expected, actual)]
        matcher = difflib.SequenceMatcher(a=skeletons[0], b=skeletons[1], autojunk=False)
        blocks = matcher.get_opcodes()
    for _, i, i_end, j, j_end in blocks:
        for k in range(max(i_end - i, j_end - j)):
            x = expected[i + k] if i + k < i_end else None
            y = actual[j + k] if j + k < j_end else None
            if x is None or y is None:
                yield Difference(min(i + k, i_end) + 1, x, y, "line missing" if y is None else "line too many")
            elif reason := why_lines_differ(x, y):
                yield Difference(i + k + 1, x, y, reason)


# -------------------------------------------------------------------------------------------- running scripts


@dataclass(frozen=True)
class Output:
    """What a script left: its normalised stdout, its exit code, and the end of its stderr where it failed."""

    lines: list[str]
    code: int
    error: str
    seconds: float

    def last_error(self) -> str:
        """The last line of the traceback, empty where the script succeeded."""
        return self.error.rstrip().rpartition("\n")[2] if self.code else ""


def run(command: Sequence[str], script: Path, timeout: float) -> Output:
    """Run `command script` in an empty folder, figures to nowhere, and collect what it printed."""
    env = dict(os.environ, MPLBACKEND="Agg", PYTHONHASHSEED="0", PYTHONWARNINGS="ignore", COLUMNS="80")
    env["PYTHONPATH"] = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH")) if p)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*command, str(script)],
            cwd=folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, error = process.communicate(timeout=timeout)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its worker processes too
            out, _ = process.communicate()
            code, error = TIMED_OUT, f"still running after {timeout:.0f} s"
    seconds = time.perf_counter() - start
    return Output(normalise(out), code, "\n".join(normalise(error)[-30:]), seconds)


def reference(script: Path, refresh: bool = False, timeout: float = 600) -> Output:
    """PyTorch's output of a script, from the cache where it has been seen."""
    versions = [f"{name}=={importlib.metadata.version(name)}" for name in ("torch", "numpy")]
    content = script.read_bytes() + Path(__file__).read_bytes() + repr((versions, sys.version_info[:2])).encode()
    path = CACHE / f"{script.stem}-{hashlib.sha256(content).hexdigest()[:16]}.json"
    if path.exists() and not refresh:
        return Output(**json.loads(path.read_text(encoding="utf-8")))
    # one thread: workers and pools of a small script only wait for each other
    output = run(["env", "OMP_NUM_THREADS=1", sys.executable], script, timeout)
    if output.code == TIMED_OUT:
        raise TimeoutError(f"{script} on PyTorch: {output.error}")
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE.parent / ".gitignore").write_text("*\n")
    for old in CACHE.glob(f"{script.stem}-????????????????.json"):
        old.unlink(missing_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_text(json.dumps(asdict(output)), encoding="utf-8")
    scratch.replace(path)
    return output


TORCHISH = (sys.executable, "-m", "torchish")


def compare(
    script: Path, candidate: Sequence[str] = TORCHISH, refresh: bool = False, timeout: float = 600
) -> tuple[list[Difference], Output, Output]:
    """Run a script on both sides: the differences, PyTorch's output and the candidate's."""
    expected = reference(script, refresh, timeout)
    actual = run(candidate, script, timeout)
    found = list(differences(expected.lines, actual.lines))
    end = len(expected.lines) + 1
    if expected.code != actual.code:  # first, since it explains the rest
        why = f"exit code {actual.code} for {expected.code}\n{actual.error}".rstrip()
        found.insert(0, Difference(end, expected.last_error() or None, actual.last_error() or None, why))
    elif expected.code and (reason := why_lines_differ(expected.last_error(), actual.last_error())):
        found.append(Difference(end, expected.last_error(), actual.last_error(), f"error: {reason}"))
    return found, expected, actual


def report(found: Sequence[Difference], limit: int = 10) -> str:
    """The first differences, and how many more there are."""
    lines = [str(difference) for difference in found[:limit]]
    if len(found) > limit:
        lines.append(f"… and {len(found) - limit} more")
    return "\n".join(lines)


def main() -> int:
    """The command line; the exit code is the number of scripts that differ, at most 100."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("scripts", nargs="*", type=Path, help="scripts to run (default: all of tests/scripts)")
    parser.add_argument("--refresh", action="store_true", help="run PyTorch again instead of reading the cache")
    parser.add_argument("--limit", type=int, default=5, help="differences shown per script (default 5)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds per run (default 600)")
    parser.add_argument("--show", choices=("torch", "torchish"), help="print one side's output and compare nothing")
    parser.add_argument("--candidate", default=shlex.join(TORCHISH), help="the command to compare (%(default)s)")
    arguments = parser.parse_args()
    candidate = shlex.split(arguments.candidate)
    scripts = [s.resolve() for s in arguments.scripts] or sorted(SCRIPTS.glob("*.py"))
    failed = 0
    for script in scripts:
        if arguments.show:
            torch_side = arguments.show == "torch"
            timeout = arguments.timeout
            output = reference(script, arguments.refresh, timeout) if torch_side else run(candidate, script, timeout)
            print("\n".join(output.lines))
            print(output.error if output.code else "", end="\n" if output.code else "", file=sys.stderr)
            continue
        found, expected, actual = compare(script, candidate, arguments.refresh, arguments.timeout)
        failed += bool(found)
        verdict = f"{len(found)} differences" if found else "same"
        times = f"torch {expected.seconds:.1f} s, torchish {actual.seconds:.1f} s"
        print(f"{script.stem:32} {len(expected.lines):5} lines  {verdict:16} {times}", flush=True)
        if found:
            print(report(found, arguments.limit), flush=True)
    if not arguments.show:
        print(f"{len(scripts) - failed} of {len(scripts)} scripts print the same")
    return min(failed, 100)


if __name__ == "__main__":
    sys.exit(main())
