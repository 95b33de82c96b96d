"""Time of the theorem lab, against the time it may take: python -m tests.benchmarks.lab

The whole board with 200 instances for each claim may take 90 s on two cores, one claim with 10,000 instances 10 s, and
checking a certificate again 1 s. Printed are wall-clock seconds, and CPU seconds of all processes together.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # before NumPy is loaded

import time
from collections.abc import Callable
from pathlib import Path

from tabular.claims import CLAIMS
from tabular.lab import check, recheck

DOCS = Path(__file__).parents[2] / "docs"
WORKERS = 2
TYPICAL = ("omd.thm2.mle", "mnm.thm31", "vagram.pinsker", "maac.thm41.sharp", "classics.greedy_loss")


def main() -> None:
    """Measure, and print a line for each."""
    print(f"{'what':56} {'wall':>8} {'CPU':>8} {'may take':>9}")
    _measure(f"the board: {len(CLAIMS)} claims, 200 instances each", lambda: check("all", n=200, workers=WORKERS), 90)
    for name in TYPICAL:
        _measure(f"{name}, 10,000 instances", lambda name=name: check(name, n=10_000, workers=WORKERS), 10)
    slowest = max((_seconds(lambda path=path: recheck(path))[0], path.name) for path in _certificates())
    print(f"{'the slowest certificate: ' + slowest[1]:56} {slowest[0]:7.2f}s {'':8} {1:8}s")


def _certificates() -> list[Path]:
    return sorted((DOCS / "certificates").glob("*.json"))


def _measure(name: str, run: Callable[[], object], bar: int) -> None:
    wall, cpu = _seconds(run)
    print(f"{name:56} {wall:7.1f}s {cpu:7.1f}s {bar:8}s", flush=True)


def _seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock seconds, and CPU seconds of this process and of those it started and waited for."""
    began, wall = os.times(), time.perf_counter()
    run()
    ended, wall = os.times(), time.perf_counter() - wall
    return wall, sum(ended[:4]) - sum(began[:4])


if __name__ == "__main__":
    main()
