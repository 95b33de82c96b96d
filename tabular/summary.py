"""A solution in words: what the command line prints."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tabular.geometry import Grid
from tabular.mdp import AnyMDP
from tabular.solve import Solution

FIRST = 12
"""States listed of an MDP without geometry."""
ROWS = 40
"""Rows of a grid that are printed."""
ARROWS = {(-1, 0): "↑", (0, 1): "→", (1, 0): "↓", (0, -1): "←", (0, 0): "o"}
PLAIN_ARROWS = {(-1, 0): "^", (0, 1): ">", (1, 0): "v", (0, -1): "<", (0, 0): "o"}
METHODS = {
    "vi": "value iteration",
    "pi": "policy iteration",
    "mpi": "modified policy iteration",
    "lp": "linear program",
    "newton": "Newton's method (soft policy iteration)",
    "iteration": "soft value iteration",
}


def summary(mdp: AnyMDP, solution: Solution, name: str, *, width: int = 80, unicode: bool = True) -> str:
    """The solution as text of at most `width` columns: the numbers that prove it, then values and actions.

    Args:
      name: what the MDP is called.
      unicode: whether arrows may be used.
    """
    if mdp.grid and len(mdp.grid.moves) == mdp.A:
        answer = _grid(mdp, mdp.grid, solution, width, ARROWS if unicode else PLAIN_ARROWS)
    else:
        answer = _list(mdp, solution, width)
    lines = [_title(mdp, name), "", *_numbers(mdp, solution), "", *answer]
    return "\n".join(line.rstrip() for line in lines)


def never_left(mdp: AnyMDP) -> np.ndarray:
    """Mask (S,) of the states that every action keeps or ends: there is nothing to decide in them."""
    stays = np.stack([mdp.chain(np.full(mdp.S, a)).diagonal() for a in range(mdp.A)], axis=1)
    return ((stays + mdp.stop_probability >= 1 - 1e-9) | ~mdp.feasible).all(1)


def decimals(V: np.ndarray) -> int:
    """Decimals that leave about three significant digits of the largest value."""
    top = np.max(abs(V[np.isfinite(V)]), initial=0.0)
    return int(np.clip(2 - math.floor(math.log10(top)), 0, 3)) if top > 0 else 2


def _title(mdp: AnyMDP, name: str) -> str:
    grid = f", {mdp.grid.shape[0]} x {mdp.grid.shape[1]} grid" if mdp.grid else ""
    return f"{name}: {_count(mdp.S, 'state')}, {_count(mdp.A, 'action')}{grid}, gamma = {mdp.gamma:g}"


def _numbers(mdp: AnyMDP, solution: Solution) -> list[str]:
    plain = "" if solution.alpha is None else "   of the policy, without its entropy bonus"
    facts = [
        ("return J", f"{solution.J:.10g}{plain}"),
        ("residual", f"{solution.residual:.2g}"),
        ("error", f"{solution.error:.2g}   certified bound on |Q - Q*|"),
        ("method", f"{METHODS.get(solution.method, solution.method)}: {_count(solution.iterations, 'iteration')}"),
        ("status", solution.status),
    ]
    if solution.alpha is not None:
        facts.append(("temperature", f"{solution.alpha:g}"))
    else:
        several = int((solution.ties.sum(1) > 1)[~never_left(mdp)].sum())
        facts.append(("ties", f"{_count(several, 'state')} with several best actions" if several else "none"))
    return [f"{name:<12} {value}" for name, value in facts]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + "s" * (number != 1)


def _grid(mdp: AnyMDP, cells: Grid, solution: Solution, width: int, arrows: dict[tuple[int, int], str]) -> list[str]:
    """Values and actions on the map, side by side if both fit; what doesn't fit is left out, and that is said."""
    places = decimals(solution.V)
    best = solution.pi.argmax(1)
    stuck = never_left(mdp)

    def value(s: int) -> str:
        return f"{solution.V[s]:.{places}f}"

    def action(s: int) -> str:
        end = "G" if cells.cells[s] in cells.goals else "x"
        return end if stuck[s] else arrows.get(cells.moves[best[s]], "*")

    values, actions = _map(cells, value), _map(cells, action)
    legend = "# wall, G goal, x never left"
    if len(values[0]) > width:
        cut = [line[:width] for line in actions]
        more = [f"(the first {(width + 1) // 2} of {cells.shape[1]} columns)"] if cut != actions else []
        lines = [f"actions ({legend})", *cut[:ROWS], *more]
    elif len(values[0]) + 4 + len(actions[0]) <= width:
        gap = max(len(values[0]), len("values")) + 4
        lines = ["values".ljust(gap) + "actions"]
        lines += [v.ljust(gap) + a for v, a in zip(values, actions, strict=True)][:ROWS]
        lines += ["", legend]
    else:
        lines = ["values", *values[:ROWS], "", f"actions ({legend})", *actions[:ROWS]]
    return lines + ([f"(the first {ROWS} of {cells.shape[0]} rows)"] if cells.shape[0] > ROWS else [])


def _map(cells: Grid, write: Callable[[int], str]) -> list[str]:
    """One line for each row of the grid: walls as #, states as `write` says, all right-aligned."""
    words = dict.fromkeys(cells.walls, "#")
    words |= {cell: write(s) for s, cell in enumerate(cells.cells) if cell not in cells.walls}
    size = max(map(len, words.values()))
    rows, columns = cells.shape
    return [" ".join(words.get((i, j), "").rjust(size) for j in range(columns)) for i in range(rows)]


def _list(mdp: AnyMDP, solution: Solution, width: int) -> list[str]:
    """The first states with their values and best actions, or with their action probabilities."""
    actions = [str(a) for a in mdp.actions or [f"a{a}" for a in range(mdp.A)]]
    states = [str(s) for s in (mdp.states or [f"s{s}" for s in range(mdp.S)])[:FIRST]]
    size = max(len("state"), *map(len, states))
    lines = [f"{'state':<{size}}  {'V':>12}  " + ("action" if solution.alpha is None else "probabilities")]
    for s, name in enumerate(states):
        choice = _choice(solution, s, actions)
        lines.append(f"{name:<{size}}  {solution.V[s]:>12.6g}  {choice}"[:width])
    if mdp.S > FIRST:
        lines.append(f"... and {mdp.S - FIRST} more (all of them: --json)")
    return lines


def _choice(solution: Solution, s: int, actions: list[str]) -> str:
    if solution.alpha is not None:
        return "  ".join(f"{name} {p:.3g}" for name, p in zip(actions, solution.pi[s], strict=True) if p > 0)
    return " = ".join(actions[a] for a in np.flatnonzero(solution.ties[s]))
