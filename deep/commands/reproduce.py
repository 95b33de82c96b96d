"""`deep reproduce`: published figures with networks, computed and drawn."""

from __future__ import annotations

import argparse
import shutil
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
        epilog=f"studies:\n{names}\n\nLong studies that are interrupted go on where they stopped.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    help = f"a study of the list below, a group ({', '.join(GROUPS)}) or all"
    parser.add_argument("names", nargs="+", metavar="NAME", help=help)
    parser.add_argument("--out", default="results", metavar="DIR", type=Path, help="where to write (default: results)")
    parser.add_argument("--quick", action="store_true", help="fewer seeds and steps: a first look")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace, rest: list[str]) -> None:
    """`deep reproduce`: run studies, one after the other, and write their files."""
    from deep import studies

    chosen = studies.resolve(arguments.names)
    arguments.out.mkdir(parents=True, exist_ok=True)  # or hours of work could end in a name that can't be written
    for study in chosen:
        print(f"{study.name}: {study.about}", file=sys.stderr)
        partial = arguments.out / f".{study.name}"
        record = study.run(quick=arguments.quick, progress=True, partial=partial)
        for path in studies.write(record, arguments.out):
            print(path)
        shutil.rmtree(partial, ignore_errors=True)
