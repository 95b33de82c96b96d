"""An instance of a claim in tables, and both sides of the claim on it."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from tabular.arithmetic import Ambiguous, Irrational, enclosed, exact
from tabular.claims.claim import Claim, Sides
from tabular.claims.families import SA, SAS
from tabular.lab.lanes import base
from tabular.mdp import AnyMDP, make_mdp
from tabular.solve import solve

Values = Mapping[str, np.ndarray]
READABLE = range(2, 7)
"""How many states `plot.mdp` draws."""


def paragraphs(claim: Claim) -> list[dict[str, str]]:
    """The claim in words: its docstring as paragraphs of prose ("text") and lines of mathematics ("equation")."""
    found = []
    for block in inspect.cleandoc(claim.text).split("\n\n"):
        lines = block.strip("\n").split("\n")
        if all(line.startswith("    ") for line in lines):
            found.append({"kind": "equation", "text": inspect.cleandoc("\n" + block)})
        else:
            found.append({"kind": "text", "text": " ".join(line.strip() for line in lines)})
    return found


# Both sides


def compared(claim: Claim, values: Values, by: str = "slack") -> dict[str, Any]:
    """Both sides of a claim on an instance, at the entry of least slack or, `by="ratio"`, of the largest ratio.

    In exact numbers for an instance of fractions, else in floats that carry their error.
    """
    sides, arithmetic = _sides(claim, values)
    numbers: Any = enclosed if arithmetic in ("enclosed", "float") else exact
    lhs, rhs = numbers.asarray(sides.lhs), numbers.asarray(sides.rhs)
    shape = np.broadcast_shapes(lhs.shape, rhs.shape)
    lhs, rhs = numbers.broadcast_to(lhs, shape), numbers.broadcast_to(rhs, shape)
    left, right = numbers.midpoint(lhs), numbers.midpoint(rhs)
    entry = _entry(left, right, sides.relation, by)
    written = [str(side.a[entry]) if arithmetic == "rational" else "" for side in (lhs, rhs)]
    return {
        "lhs": float(left[entry]),
        "rhs": float(right[entry]),
        "exact": written,
        "relation": sides.relation,
        "entry": list(entry),
        "entries": int(left.size),
        "arithmetic": arithmetic,
    }


def _sides(claim: Claim, values: Values) -> tuple[Sides, str]:
    """Both sides, and the arithmetic they were computed in."""
    fractions = any(np.asarray(value).dtype == object for value in values.values())
    with np.errstate(all="ignore"):
        if claim.arithmetic == "float":
            return claim.statement(claim.floats(values)), "float"
        if claim.arithmetic == "any" and not fractions:
            try:
                return claim.statement(claim.enclosed(values)), "enclosed"
            except Ambiguous:
                return _exact_sides(claim, values)
        return _exact_sides(claim, values)


def _exact_sides(claim: Claim, values: Values) -> tuple[Sides, str]:
    try:
        return claim.statement(claim.exact(values)), "rational"
    except Irrational:
        return claim.statement(claim.balls(values)), "balls"


def _entry(lhs: np.ndarray, rhs: np.ndarray, relation: str, by: str) -> tuple[int, ...]:
    with np.errstate(all="ignore"):
        gap = np.nan_to_num(rhs - lhs, nan=0.0)
        if by == "ratio" and relation == "<=" and (rhs > 0).any():
            at = np.argmax(np.where(rhs > 0, lhs / rhs, -np.inf))
        else:
            at = np.argmin(gap) if relation == "<=" else np.argmax(abs(gap))
    return tuple(int(k) for k in np.unravel_index(at, gap.shape))


# Tables


def tables(claim: Claim, values: Values) -> list[dict[str, Any]]:
    """What is drawn of an instance: its fields, what a model gets wrong, and the values that they lead to."""
    found = []
    for name, kind in claim.fields.items():
        found.append(_table(name, kind.axes, values[name]))
        original = base(claim, name) or ""
        if original in values and np.shape(values[original]) == np.shape(values[name]):
            title = f"{name} \N{MINUS SIGN} {original}"
            found.append(_table(title, kind.axes, values[name] - values[original], difference=True))
    return found + _solved(claim, values)


def _table(name: str, axes: tuple[str | int, ...], value: Any, difference: bool = False) -> dict[str, Any]:
    """An array as rows and columns with their names; the exact numbers as texts beside the floats."""
    array = np.asarray(value)
    letters = [axis.lower() if isinstance(axis, str) and len(axis) == 1 else "" for axis in axes]
    wide = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    rows = (
        [_label(letters[:-1], at) for at in itertools.product(*map(range, array.shape[:-1]))]
        if array.ndim > 1
        else [""]
    )
    columns = [_label(_primed(letters), (k,)) for k in range(array.shape[-1])] if array.ndim else [""]
    floats = wide.astype(float)
    return {
        "name": name,
        "rows": rows,
        "columns": columns,
        "values": floats,
        "exact": [str(x) for x in wide.flat] if array.dtype == object else None,
        "range": _range(floats, difference),
        "scalar": array.ndim == 0,
        "difference": difference,
    }


def _label(letters: list[str], at: tuple[int, ...]) -> str:
    return " ".join(f"{letter}{k}" for letter, k in zip(letters, at, strict=True))


def _primed(letters: list[str]) -> list[str]:
    """The name of the last axis; the successor state is s'."""
    last = letters[-1]
    return [f"{last}\N{PRIME}" if last and last in letters[:-1] else last]


def _range(values: np.ndarray, difference: bool) -> dict[str, Any]:
    """Colours from 0 to the largest value, at least 1 for what looks like probabilities; two hues around 0."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    if difference or low < 0:
        reach = max(-low, high) or 1.0
        return {"low": -reach, "high": reach, "signed": True}
    return {"low": 0.0, "high": 1.0 if 0.3 < high <= 1 else high or 1.0, "signed": False}


def _solved(claim: Claim, values: Values) -> list[dict[str, Any]]:
    """The optimal action values of the MDP and of the model, where the instance has them, computed in floats."""
    found = mdps(claim, values).items()
    return [_table(f"Q*{hat}", SA, solve(mdp).Q) | {"solved": True} for hat, mdp in found]


# Graphs


def graphs(mdps: Mapping[str, AnyMDP]) -> list[dict[str, Any]]:
    """Those of an instance's `mdps` that can be read as graphs, drawn as by `plot.mdp`. Lengths are in inches."""
    titles = {"": "MDP", "_hat": "model"}
    return [{"name": titles[hat]} | _graph(mdp) for hat, mdp in mdps.items() if mdp.S in READABLE]


def _graph(mdp: AnyMDP) -> dict[str, Any]:
    from tabular.plot import layout
    from tabular.plot.graph import arranged

    drawn = arranged(mdp, solve(mdp).Q)
    low, high = layout.bounds(drawn.arcs, drawn.labels, drawn.nodes)
    parts = zip(drawn.ways, drawn.arcs, drawn.labels, drawn.rows, drawn.chances, strict=True)
    return {
        "low": low,
        "high": high,
        "radius": layout.RADIUS,
        "nodes": drawn.nodes,
        "names": drawn.names,
        "states": mdp.S,
        "caption": drawn.caption,
        "arcs": [
            {
                "from": s,
                "to": t,
                "line": arc.line,
                "chance": chance,
                "at": label.centre,
                "angle": label.angle,
                "rows": rows,
            }
            for (s, t), arc, label, rows, chance in parts
        ],
    }


def mdps(claim: Claim, values: Values) -> dict[str, AnyMDP]:
    """The MDP of an instance under "" and its model under "_hat", where it has them."""
    found = {hat: as_mdp(claim, values, hat) for hat in ("", "_hat")}
    return {hat: mdp for hat, mdp in found.items() if mdp is not None}


def as_mdp(claim: Claim, values: Values, hat: str = "") -> AnyMDP | None:
    """The MDP of an instance, or its model (`hat="_hat"`; with the true rewards if it has no others), if it has one."""
    axes = {name: kind.axes for name, kind in claim.fields.items()}
    rows, reward = f"P{hat}", f"r{hat}" if f"r{hat}" in axes else "r"
    if (axes.get(rows), axes.get(reward), axes.get("gamma")) != (SAS, SA, ()):
        return None
    P, r = (np.asarray(values[name], dtype=float) for name in (rows, reward))
    return make_mdp(P / P.sum(-1, keepdims=True), r, gamma=float(values["gamma"]))
