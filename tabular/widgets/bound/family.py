"""What the bound explorer shows: a family of instances with a few parameters, and bounds on one quantity of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular.mdp import AnyMDP

Values = Mapping[str, np.ndarray]
"""Parameters of n instances by name, each of shape (n,)."""
Sides = dict[str, np.ndarray]
"""`true` (what is bounded), `trivial` (what is known without a model) and every line by name, each of shape (n,)."""

EXACT = 1e-9
"""A bound is attained, or violated, where it differs from the truth by less, or more, than this share."""


@dataclass(frozen=True)
class Line:
    """A bound as it is drawn and read."""

    label: str
    """At the end of its curve."""
    equation: str
    source: str
    """Where it is printed, with its number."""
    below: bool = False
    """Whether it bounds from below."""


@dataclass(frozen=True)
class Spot:
    """An instance to go to."""

    values: Mapping[str, float]
    words: str
    """What is to be seen there."""


@dataclass(frozen=True)
class Family:
    """A quantity, the bounds on it, and instances with a few parameters."""

    title: str
    quantity: str
    """What is bounded, as a formula."""
    statement: str
    """The story of the instances, in words."""
    parameters: tuple[str, ...]
    """Names of the explorer's sliders; the first is the one along which the curves run at first."""
    lines: Mapping[str, Line]
    sides: Callable[[Values], Sides]
    instance: Callable[[Mapping[str, float]], dict[str, Any]]
    """How the instance is drawn: see `graph` and `rows`."""
    tight: Spot | None = None
    """Where a bound is attained."""
    pair: Callable[[Mapping[str, float]], tuple[AnyMDP, AnyMDP]] | None = None
    """True MDP and model of an instance; None where the bound is about something else."""
    fails: Spot | None = None
    """Where a bound fails as printed."""
    fixed: tuple[str, ...] = ()
    """Parameters along which no curve is drawn."""
    floor: bool = False
    """Whether what is trivial bounds the quantity from below."""

    def ratio(self, name: str, sides: Sides) -> np.ndarray:
        """How much of a bound is used: 1 where it is attained, above 1 where it is violated, NaN at 0 / 0."""
        small, large = sides["true"], sides[name]
        if self.lines[name].below:
            small, large = large, small
        with np.errstate(divide="ignore", invalid="ignore"):
            return small / large

    def vacuous(self, name: str, sides: Sides) -> np.ndarray:
        """Where a bound says no more than the trivial one."""
        beyond = sides["trivial"] - sides[name] if self.floor else sides[name] - sides["trivial"]
        return (beyond > EXACT * abs(sides["trivial"])) & (self.floor == self.lines[name].below)

    def status(self, name: str, sides: Sides) -> str:
        """Of the first instance: "violated", "attained", "vacuous", "nothing" (0 <= 0) or "holds"."""
        ratio = float(self.ratio(name, sides)[0])
        if ratio > 1 + EXACT:
            return "violated"
        if self.vacuous(name, sides)[0]:
            return "vacuous"
        if np.isnan(ratio):
            return "nothing"
        return "attained" if ratio > 1 - EXACT else "holds"


def graph(places, names, true, model, titles=("the true world", "its model")) -> dict[str, Any]:
    """An instance drawn as circles and arrows, twice: rewards (S,) and chains (S, S) of `true` and `model`."""
    worlds = [
        {
            "title": title,
            "r": np.asarray(r, dtype=float).tolist(),
            "arcs": [[s, t, float(p)] for (s, t), p in np.ndenumerate(np.asarray(P, dtype=float)) if p > 0],
        }
        for title, (r, P) in zip(titles, (true, model), strict=True)
    ]
    return {"kind": "graph", "places": places, "names": names, "worlds": worlds}


def rows(names, true, model, states, title: str = "") -> dict[str, Any]:
    """An instance drawn row by row: rewards (k,) and probabilities (k, S) of `true` and `model`."""
    (r, P), (r_hat, P_hat) = true, model
    return {
        "kind": "rows",
        "title": title,
        "states": [str(state) for state in states],
        "rows": [
            {"name": str(name), "r": float(r[k]), "r_hat": float(r_hat[k])}
            | {"P": np.asarray(P[k]).tolist(), "P_hat": np.asarray(P_hat[k]).tolist()}
            for k, name in enumerate(names)
        ],
    }
