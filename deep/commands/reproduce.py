"""`deep reproduce`: published figures with networks, computed and drawn."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add(commands) -> None:
    from deep.studies import GROUPS, STUDIES

    text = "Compute published figures and write NAME.csv, NAME.png and NAME.json."
    names = "\n".join(f"  {study.name:13} {study.about}" for study in STUDIES)
    parser = commands.add_parser(
        "reproduce",
        help="compute published figures",
        description=text,
        epilog=f"studies:\n{names}\n\nStudies of many runs that are interrupted go on where they stopped.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    help = f"a study of the list below, a group ({', '.join(GROUPS)}) or all"
    parser.add_argument("names", nargs="+", metavar="NAME", help=help)
    parser.add_argument("--out", default="results", metavar="DIR", type=Path, help="where to write (default: results)")
    help = "where studies of many runs keep and find them, in STUDY or STUDY-quick (default: OUT/runs)"
    parser.add_argument("--runs", metavar="DIR", type=Path, help=help)
    parser.add_argument("--quick", action="store_true", help="fewer seeds and steps: a first look")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace, rest: list[str]) -> None:
    """`deep reproduce`: run studies, one after the other, and write their files."""
    from deep import studies

    chosen = studies.resolve(arguments.names)
    arguments.out.mkdir(parents=True, exist_ok=True)  # or hours of work could end in a name that can't be written
    for study in chosen:
        print(f"{study.name}: {study.about}", file=sys.stderr)
        record = study.run(quick=arguments.quick, progress=True, partial=arguments.runs or arguments.out / "runs")
        for path in studies.write(record, arguments.out):
            print(path)
