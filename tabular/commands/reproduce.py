"""`tabular reproduce`: published figures, computed and drawn."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path


def add(commands) -> None:
    from tabular.studies import STUDIES

    text = "Compute published figures and write NAME.csv, NAME.png and NAME.json."
    names = "\n".join(f"  {study.name:13} {study.about}" for study in STUDIES)
    parser = commands.add_parser(
        "reproduce",
        help="compute published figures",
        description=text,
        epilog=f"studies:\n{names}\n\nLong studies that are interrupted go on where they stopped.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    help = "a study of the list below, papers (all published figures), own, lab or all"
    parser.add_argument("names", nargs="+", metavar="NAME", help=help)
    parser.add_argument("--out", default="results", metavar="DIR", type=Path, help="where to write (default: results)")
    parser.add_argument("--quick", action="store_true", help="fewer seeds and points: a first look")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> None:
    """`tabular reproduce`: run studies, one after the other, and write their files."""
    from tabular import studies

    chosen = studies.resolve(arguments.names)
    arguments.out.mkdir(parents=True, exist_ok=True)  # or hours of work could end in a name that can't be written
    for study in chosen:
        print(f"{study.name}: {study.about}", file=sys.stderr)
        partial = arguments.out / f".{study.name}"
        record = study.run(quick=arguments.quick, progress=True, partial=partial)
        for path in studies.write(record, arguments.out):
            print(path)
        shutil.rmtree(partial, ignore_errors=True)
