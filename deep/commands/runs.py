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

    found = [run for folder in arguments.folders for run in gather(folder)]
    if not found:
        print(f"no runs in {', '.join(map(str, arguments.folders))}", file=sys.stderr)
        return
    print(table(found))
    if arguments.plot is not None:
        _plot(found, arguments.plot)


def table(runs: Sequence[Run]) -> str:
    """A line for each setting of each run."""
    from deep.plot import names

    settings = [label for run in runs for label in names(run.configs)]
    rows = [("run", "method", "environment", "setting", "seeds", "steps", "return", "95%")][: 1 + bool(settings)]
    rows += [row for run in runs for row in _rows(run)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    right = (4, 5, 6, 7)
    lines = [
        "  ".join(x.rjust(n) if k in right else x.ljust(n) for k, (x, n) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _rows(run: Run) -> list[tuple[str, ...]]:
    from deep.plot import interval

    done = int(run.step[-1]) if len(run.step) else 0
    steps = f"{done}" if run.complete else f"{done}/{run.configs[0].steps}"
    finals = run.final() if done else None
    found = []
    for k, config in enumerate(run.configs):
        mean, half = ("-", "") if finals is None else (f"{finals[k].mean():.1f}", f"+-{float(interval(finals[k])):.1f}")
        setting = f"width {config.model_width}" + (f", {config.distractors} distractors" if config.distractors else "")
        setting += _numbers(run, k)
        where = run.folder.name if run.folder else "-"
        seeds = str(len(run.seeds))
        found.append((where, config.method, config.env, setting, seeds, steps, mean, half.replace("+-nan", "")))
    return found


def _numbers(run: Run, k: int) -> str:
    """Numbers that the settings of a run differ in."""
    from deep.agents import Hyper

    several = [name for name in Hyper._fields if len({getattr(config, name) for config in run.configs}) > 1]
    return "".join(f", {name} {getattr(run.configs[k], name):g}" for name in several)


def _plot(runs: Sequence[Run], file: Path) -> None:
    from deep import plot
    from tabular.output import write
    from tabular.plot import encoded

    kind = file.suffix.lstrip(".")
    if kind not in ("png", "svg", "pdf"):
        raise ValueError(f"--plot {file}: expected the name of a .png, .svg or .pdf file.")
    started = {run.folder.name if run.folder else "": run for run in runs if len(run.step)}
    ax = plot.curves(started)
    write(file, encoded(ax.figure, kind))  # type: ignore[arg-type]
    print(f"wrote {file}")
