"""`deep runs`: what was trained, and how good it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deep.commands.train import RUNS
from tabular.output import write
from tabular.studies.record import to_csv

if TYPE_CHECKING:
    from deep.runs import Run

PICTURES = (".png", ".svg", ".pdf")
MOST_BANDS = 3
"""Curves whose intervals can be told apart."""


def add(commands) -> None:
    text = "List the runs in folders, with the mean return of their last ten evaluations and its 95% interval."
    parser = commands.add_parser("runs", help="list and compare runs", description=text, allow_abbrev=False)
    help = f"folders of runs, or folders above them (default: {RUNS})"
    parser.add_argument("folders", nargs="*", default=[RUNS], type=Path, metavar="DIR", help=help)
    parser.add_argument(
        "--plot", metavar="FILE", type=Path, help="draw their learning curves and final returns (png, svg or pdf)"
    )
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write a line for each seed of theirs")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace, rest: list[str]) -> None:
    """`deep runs`: a table, and the files that were asked for."""
    from deep import tables
    from deep.sweep import gather

    plot, csv = arguments.plot, arguments.csv
    if plot is not None and plot.suffix not in PICTURES:
        raise ValueError(f"--plot {plot}: expected the name of a {', '.join(PICTURES)} file.")
    found = [run for folder in arguments.folders for run in gather(folder)]
    if not found:
        print(f"no runs in {', '.join(map(str, arguments.folders))}", file=sys.stderr)
        return
    print(tables.table(found))
    started = [run for run in found if len(run.step)]
    if (plot or csv) and not started:
        raise ValueError(f"{plot or csv}: no run has an evaluation yet, so there is nothing to write.")
    if plot is not None:
        _write(plot, _picture(started, plot.suffix[1:]))
    if csv is not None:
        _write(csv, to_csv(tables.seeds(started)).encode())


def _picture(runs: Sequence[Run], kind: str) -> bytes:
    """Learning curves; of several settings, the final return of every seed beside them."""
    from matplotlib.figure import Figure

    from deep import plot
    from tabular.plot import encoded

    named = {run.folder.name if run.folder else "": run for run in runs}
    n = len(plot.settings_of(named))
    figure = Figure(figsize=(6.4 + 6.0 * (n > 1), max(3.8, 1.4 + 0.42 * n)), layout="constrained")
    left, *right = np.atleast_1d(figure.subplots(1, 1 + (n > 1)))
    plot.curves(named, bands=n <= MOST_BANDS, ax=left)
    for ax in right:
        plot.each_seed(named, ax=ax)
    return encoded(figure, kind)  # type: ignore[arg-type]


def _write(file: Path, content: bytes) -> None:
    write(file, content)
    print(f"wrote {file}")
