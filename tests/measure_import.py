"""Measure what `import torchish` costs on top of `import jax`. The budget is 0.4 s.

    python tests/measure_import.py [REPEATS]

Fresh interpreters, the two in turns so that a noisy neighbour hits both; the median of each. Prints the slowest
imports that are torchish's own doing after that.
"""

import re
import statistics
import subprocess
import sys
import time

BUDGET = 0.4


def seconds(code):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main():
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds("import torchish")  # compiles the .pyc files
    pairs = [(seconds("import jax"), seconds("import torchish")) for _ in range(repeats)]
    jax, torchish = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"import jax {jax:.3f} s, import torchish {torchish:.3f} s: {torchish - jax:+.3f} s of {BUDGET} s")

    trace = [sys.executable, "-X", "importtime", "-c", "import jax, sys; sys.stderr.write('==\\n'); import torchish"]
    lines = subprocess.run(trace, check=True, capture_output=True, text=True).stderr.partition("==\n")[2].splitlines()
    rows = [re.match(r"import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)", line) for line in lines]
    slowest = sorted(((int(row[1]), row[4]) for row in rows if row), reverse=True)[:10]
    for microseconds, name in slowest:
        print(f"{microseconds / 1000:8.1f} ms  {name}")


if __name__ == "__main__":
    main()
