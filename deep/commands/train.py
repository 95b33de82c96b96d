"""`deep train`: one configuration from the command line, and resuming a run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deep.config import Config
    from deep.runs import Run

RUNS = Path("runs")


def add(commands) -> None:
    from deep.presets import PRESETS

    text = (
        "Train agents: a configuration by name, any field of which can be changed. Several values of a field "
        "(--model-width 1 2 3) are trained side by side."
    )
    names = "\n".join(f"  {name:16} {_about(make)}" for name, make in PRESETS.items())
    parser = commands.add_parser(
        "train",
        help="train agents",
        description=text,
        usage="deep train PRESET [--seeds N] [--out DIR] [--FIELD VALUE ...]\n       deep train --resume RUN",
        epilog=f"configurations:\n{names}\n\ndeep train PRESET --help lists all fields.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("preset", nargs="?", metavar="PRESET", help="a configuration of the list below")
    parser.add_argument("--resume", metavar="RUN", type=Path, help="go on with the run in this folder")
    parser.set_defaults(command=run, parser=parser)


def _about(preset: Callable[..., Config]) -> str:
    """What a preset is: the first line of its docstring."""
    return (preset.__doc__ or "").partition("\n")[0].rstrip(".")


def run(arguments: argparse.Namespace, rest: list[str]) -> None:
    """`deep train`: train, and say where the run is and what it earned."""
    if arguments.resume is not None:
        return _resume(arguments, rest)
    if arguments.preset is None:
        if rest and not {"-h", "--help"} & set(rest):
            raise ValueError("deep train: the PRESET comes first; deep train --help lists them.")
        return arguments.parser.print_help()
    _train(arguments.preset, rest)


def _train(preset: str, rest: list[str]) -> None:
    from deep.commands.fields import parsed
    from deep.commands.options import Options
    from deep.presets import PRESETS
    from deep.registry import known

    preset = preset.replace("_", "-")
    known("PRESET", preset, PRESETS)
    config = PRESETS[preset]()
    options = parsed(Options(config), rest, f"deep train {preset}")
    from deep.training import train

    if options.seeds < 1:
        raise ValueError(f"seeds = {options.seeds}, expected their number, 1 or more.")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    out = options.out or RUNS / f"{preset}-{datetime.now():%Y%m%d-%H%M%S}"
    report(train(options.config, seeds, out=out, progress=not options.quiet))


def _resume(arguments: argparse.Namespace, rest: list[str]) -> None:
    quiet = rest == ["--quiet"]
    if arguments.preset is not None or (rest and not quiet):
        raise ValueError("deep train --resume goes on with a run as it was configured: it takes no more than --quiet.")
    from deep.training import resume

    report(resume(arguments.resume, progress=not quiet))


def report(run: Run) -> None:
    """What became of a run: its table, and where it is."""
    from deep.tables import table

    print(table([run]))
    if run.folder is not None:
        print(f"\n{run.folder}")
