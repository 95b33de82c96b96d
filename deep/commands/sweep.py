"""`deep sweep`: one share of a study's runs, for any scheduler; or all of them, started by submitit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deep.sweep import Sweep


def add(commands) -> None:
    text = (
        "Train one share of a study's runs: job I of N, counted from 0. A job that was killed goes on when it is "
        "started again. Any field of the configurations can be changed, as for deep train."
    )
    parser = commands.add_parser(
        "sweep",
        help="train a share of a study's runs",
        description=text,
        usage="deep sweep STUDY --index I --of N [--out DIR] [--quick] [--FIELD VALUE ...]\n"
        "       deep sweep STUDY --of N --engine slurm|local|auto [--minutes M] [...]",
        epilog="studies: omd-fig5 (its runs are omd-table1's too), omd-fig6",
        allow_abbrev=False,
    )
    parser.add_argument("study", metavar="STUDY", help="a study of the list below")
    parser.add_argument("--index", type=int, metavar="I", help="which job this is, 0 to N - 1")
    parser.add_argument("--of", type=int, default=1, metavar="N", help="number of jobs (default: 1)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the runs go (default: runs/STUDY)")
    parser.add_argument("--quick", action="store_true", help="fewer settings, seeds and steps: a first look")
    parser.add_argument("--seeds", type=int, metavar="S", help="number of seeds (default: the study's)")
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    engines = "start all jobs with submitit (pip install 'mdpscope[cluster]')"
    parser.add_argument("--engine", choices=("slurm", "local", "auto"), help=engines)
    parser.add_argument("--minutes", type=int, default=24 * 60, metavar="M", help="limit of each job's time, for slurm")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace, rest: list[str]) -> None:
    """`deep sweep`: train, and print the table of what was trained."""
    from deep import sweep
    from deep.tables import table

    chosen = _changed(sweep.find(arguments.study, arguments.quick), arguments, rest)
    out = arguments.out or Path("runs") / arguments.study
    if arguments.engine is not None:
        if arguments.index is not None:
            raise ValueError("--index and --engine can't be given together: an engine starts all jobs.")
        return _submit(chosen, arguments, out)
    if arguments.index is None and arguments.of > 1:
        raise ValueError(f"--index is missing: which of the {arguments.of} jobs is this, 0 to {arguments.of - 1}?")
    print(table(sweep.run_share(chosen, arguments.index or 0, arguments.of, out, progress=not arguments.quiet)))


def _changed(chosen: Sweep, arguments: argparse.Namespace, rest: list[str]) -> Sweep:
    """The sweep with the fields that were given."""
    from deep.commands.fields import parsed
    from deep.config import FIELDS
    from deep.sweep import Sweep

    first = chosen.configs[0]
    given = parsed(first, rest, f"deep sweep {arguments.study}")
    changes = {name: getattr(given, name) for name in FIELDS if getattr(given, name) != getattr(first, name)}
    seeds = chosen.seeds if arguments.seeds is None else tuple(range(arguments.seeds))
    return Sweep(chosen.replace(**changes).configs, seeds)


def _submit(chosen: Sweep, arguments: argparse.Namespace, out: Path) -> None:
    from deep.sweep import submit

    cluster = None if arguments.engine == "auto" else arguments.engine
    jobs = submit(chosen, arguments.of, out, cluster, timeout_min=arguments.minutes)
    print("\n".join(f"job {job.job_id}" for job in jobs))
    print(f"deep runs {out}  shows how far they are")
    if cluster == "local":
        for job in jobs:
            job.result()
