"""The command line: `tabular solve`, `tabular reproduce`. `python -m tabular` is the same.

Each command is a function that takes the parsed arguments; what it can't do it says by raising ValueError, OSError or
NotConverged, which end the program with status 2 and one message.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np

from tabular.errors import NotConverged

DEFAULT_GAMMA = 0.99
SOLVERS = "auto, vi, pi, mpi, lp; with --alpha: newton, iteration"


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 2 for bad input, 130 after Ctrl-C, 141 for a closed pipe."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has printed the help or the error
        return int(stop.code or 0)
    if "command" not in arguments:
        parser.print_help()
        return 0
    try:
        arguments.command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush would complain again
        return 141
    except KeyboardInterrupt:
        print("tabular: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, NotConverged, ImportError) as error:
        print(f"tabular: {_message(error)}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tabular",
        usage="tabular [-h] [--version] COMMAND ...",
        description="An exact microscope for Markov decision processes.",
        epilog="tabular COMMAND --help says more.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND ...", prog="tabular")
    _add_solve(commands)
    _add_reproduce(commands)
    return parser


def _message(error: Exception) -> str:
    """An error in words; the system's own without its number."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("mdpscope")
    except PackageNotFoundError:
        return "(not installed)"


# solve


def _add_solve(commands) -> None:
    text = "Solve an MDP exactly and say how accurate the answer is."
    parser = commands.add_parser("solve", help="solve an MDP exactly", description=text)
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a Gymnasium id (FrozenLake-v1), a world (two_state, maze10, four_rooms ...), an .npz file, or a text "
        "file with a grid world",
    )
    parser.add_argument(
        "--gamma", type=float, metavar="G", help=f"discount (default: the source's, or {DEFAULT_GAMMA})"
    )
    parser.add_argument("--alpha", type=float, metavar="A", help="temperature: solve the soft problem")
    parser.add_argument("--method", metavar="M", help=SOLVERS)
    parser.add_argument("--tol", type=float, metavar="T", help="largest certified error of Q that will do")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="print one JSON object, or write it to FILE"
    )
    parser.set_defaults(command=solve_command)


def solve_command(arguments: argparse.Namespace) -> None:
    """`tabular solve`: a summary, or one JSON object, of the solution."""
    from tabular import soft_solve, solve
    from tabular.summary import summary

    mdp, assumed = read_source(arguments.source, arguments.gamma)
    if assumed:
        print(f"{arguments.source} has no discount of its own; gamma is {mdp.gamma} (see --gamma)", file=sys.stderr)
    options = {} if arguments.method is None else {"method": arguments.method}
    if arguments.alpha is None:
        solution = solve(mdp, tol=arguments.tol, **options)
    else:
        solution = soft_solve(mdp, arguments.alpha, tol=arguments.tol, **options)
    if arguments.json is None:
        columns = shutil.get_terminal_size().columns
        print(summary(mdp, solution, Path(arguments.source).name, width=min(columns, 160), unicode=_prints("↑")))
    elif arguments.json == "-":
        print(to_json(solution))
    else:
        _write(Path(arguments.json), to_json(solution))
        print(f"wrote {arguments.json}")


def read_source(source: str, gamma: float | None):
    """The MDP that SOURCE names, and whether its discount had to be assumed.

    Raises ValueError or OSError if there is no such thing, or it can't be read.
    """
    from tabular import from_gymnasium, load, with_changes, worlds

    path = Path(source)
    if source in worlds.NAMED:
        mdp = worlds.named(source)
        return (mdp if gamma is None else with_changes(mdp, gamma=gamma)), False
    if path.exists() or path.suffix in (".npz", ".txt"):
        assumed = gamma is None and _lacks_gamma(path)
        return load(path, gamma=DEFAULT_GAMMA if assumed else gamma), assumed
    if re.search(r"-v\d+$", source):
        return from_gymnasium(source, gamma=DEFAULT_GAMMA if gamma is None else gamma), gamma is None
    raise ValueError(
        f"{source!r} is no file, no world and no Gymnasium id.{_nearest(source)} The worlds are "
        f"{', '.join(worlds.NAMED)}; a Gymnasium id ends in a version, such as FrozenLake-v1."
    )


def _lacks_gamma(path: Path) -> bool:
    """Whether a file leaves the discount open. A file that can't be read doesn't: `load` says what is wrong with it."""
    try:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                return "P.npy" in archive.namelist() and "gamma.npy" not in archive.namelist()
        return not re.search(r"^\s*gamma\s*=", path.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _nearest(source: str) -> str:
    """The nearest names of worlds and environments, as a question."""
    from gymnasium.envs.registration import registry

    from tabular import worlds

    by_lower = {name.lower(): name for name in [*worlds.NAMED, *registry]}
    nearest = difflib.get_close_matches(source.lower(), by_lower, n=3)
    return f" Did you mean {' or '.join(by_lower[name] for name in nearest)}?" if nearest else ""


def to_json(solution) -> str:
    """A solution as one JSON object; -inf, the value of an infeasible action, becomes null."""
    fields = ("V", "Q", "pi", "J", "residual", "error", "iterations", "status", "method", "gamma")
    content = {name: getattr(solution, name) for name in fields}
    if solution.alpha is not None:
        content["alpha"] = solution.alpha
    return json.dumps({name: _plain(value) for name, value in content.items()}, allow_nan=False)


def _plain(value):
    """Lists and Python numbers for arrays and NumPy numbers, None for what isn't finite."""
    if isinstance(value, np.ndarray):
        return [_plain(part) for part in value.tolist()]
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    return value


def _prints(character: str) -> bool:
    """Whether standard output can show a character."""
    try:
        character.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _write(path: Path, text: str) -> None:
    """Write a file that appears complete or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(text + "\n", encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise OSError(f"can't write {path}: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)


# reproduce


def _add_reproduce(commands) -> None:
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
    help = "a study of the list below, papers (all published figures), own or all"
    parser.add_argument("names", nargs="+", metavar="NAME", help=help)
    parser.add_argument("--out", default="results", metavar="DIR", type=Path, help="where to write (default: results)")
    parser.add_argument("--quick", action="store_true", help="fewer seeds and points: a first look")
    parser.set_defaults(command=reproduce_command)


def reproduce_command(arguments: argparse.Namespace) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
