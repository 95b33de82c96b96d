"""`deep runs`: what was trained, and how good it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deep.commands.train import RUNS

if TYPE_CHECKING:
    from deep.runs import Run

PICTURES = (".png", ".svg", ".pdf")


def add(commands) -> None:
    text = "List the runs in folders, with the mean return of their last ten evaluations and its 95% interval."
    parser = commands.add_parser("runs", help="list and compare runs", description=text, allow_abbrev=False)
    help = f"folders of runs, or folders above them (default: {RUNS})"
    parser.add_argument("folders", nargs="*", default=[RUNS], type=Path, metavar="DIR", help=help)
    parser.add_argument("--plot", metavar="FILE", type=Path, help="draw their learning curves (png, svg or pdf)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace, rest: list[str]) -> None:
    """`deep runs`: a table, and a picture if one was asked for."""
    from deep.sweep import gather

    if arguments.plot is not None and arguments.plot.suffix not in PICTURES:
        raise ValueError(f"--plot {arguments.plot}: expected the name of a {', '.join(PICTURES)} file.")
    found = [run for folder in arguments.folders for run in gather(folder)]
    if not found:
        print(f"no runs in {', '.join(map(str, arguments.folders))}", file=sys.stderr)
        return
    from deep.tables import table

    print(table(found))
    if arguments.plot is not None:
        _plot(found, arguments.plot)


def _plot(runs: Sequence[Run], file: Path) -> None:
    from deep import plot
    from tabular.output import write
    from tabular.plot import encoded

    started = {run.folder.name if run.folder else "": run for run in runs if len(run.step)}
    if not started:
        raise ValueError(f"--plot {file}: no run has an evaluation yet, so there is nothing to draw.")
    ax = plot.curves(started)
    write(file, encoded(ax.figure, file.suffix[1:]))  # type: ignore[arg-type]
    print(f"wrote {file}")
