"""`tabular solve`: an MDP by name or from a file, solved exactly."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

from tabular.output import plain, write

DEFAULT_GAMMA = 0.99
SOLVERS = "auto, vi, pi, mpi, lp; with --alpha: newton, iteration"


def add(commands) -> None:
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
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> None:
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
        write(arguments.json, to_json(solution))
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
    return json.dumps(plain(content), allow_nan=False)


def _prints(character: str) -> bool:
    """Whether standard output can show a character."""
    try:
        character.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
