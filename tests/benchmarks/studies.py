"""Time of each published figure, against the time it may take: python -m tests.benchmarks.studies [NAME ...]

Each study runs twice in this process, on one linear-algebra thread: the first run compiles, the second doesn't. Printed
are wall-clock and CPU seconds of both, and beside them what the figure may take after compilation on two cores: 20 s,
or what its line of `BARS` says. `reproduce papers` as a whole, compilation included, has 240 s, and 60 s with --quick.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # before NumPy is loaded

import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tabular.studies import Study, resolve

DEFAULT_BAR = 20.0
BARS = {"mnm-fig2a with 100 seeds": 80.0}
TOTAL, TOTAL_QUICK = 240.0, 60.0


class Row(NamedTuple):
    """One study."""

    name: str
    first: float
    """Wall-clock seconds of the first run, compilation included."""
    again: float
    """Wall-clock seconds of the second run."""
    cpu: float
    """CPU seconds of the second run."""
    bar: float
    """Seconds that the second run may take."""


def studies(names: Sequence[str] = ("papers",)) -> list[Row]:
    """Measure studies and print a line for each; then both totals of the first runs, full and quick."""
    chosen = resolve(names)
    print(f"{'study':26} {'first run':>10} {'again':>8} {'CPU':>8} {'may take':>9}")
    rows = [_measure(study.name, study.run) for study in chosen]
    if any(study.name == "mnm-fig2a" for study in chosen):
        from tabular.studies.mnm_agents import fig2a

        rows.append(_measure("mnm-fig2a with 100 seeds", lambda: fig2a(seeds=range(100))))
    quick = sum(_seconds(lambda study=study: _quick(study))[0] for study in chosen)
    asked = rows[: len(chosen)]
    print(f"all first runs: {sum(row.first for row in asked):.1f} s of {TOTAL:.0f}; quick, compiled: {quick:.1f} s")
    return rows


def _quick(study: Study) -> None:
    study.run(quick=True)


def _measure(name: str, run: Callable[[], object]) -> Row:
    first, _ = _seconds(run)
    again, cpu = _seconds(run)
    row = Row(name, first, again, cpu, BARS.get(name, DEFAULT_BAR))
    print(f"{row.name:26} {row.first:9.1f}s {row.again:7.1f}s {row.cpu:7.1f}s {row.bar:8.0f}s", flush=True)
    return row


def _seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and CPU seconds of a call, with nothing remembered from the calls before."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("tabular.studies"):
            _forget(module)
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def _forget(module: object) -> None:
    """Clear the results that a module of studies keeps (not what is compiled)."""
    for value in vars(module).values():
        clear = getattr(value, "cache_clear", None)
        if callable(clear):
            clear()


if __name__ == "__main__":
    studies(sys.argv[1:] or ("papers",))
