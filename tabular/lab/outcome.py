"""One claim on one instance: whether it holds, by how much, and how that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular.arithmetic import Ambiguous, Irrational, enclosed, exact
from tabular.claims.claim import Claim, Instance, Sides

HOLDS, VIOLATED, UNDECIDED, EXCLUDED = "holds", "violated", "undecided", "excluded"
COARSE = 1e-6
"""An identity whose error bound is larger than this, relative to its sides, isn't settled by containing 0."""
EQUAL = 2.0**-100
"""Balls that can't be told apart at this relative width are taken for equal: an inequality holds there, attained."""


@dataclass(frozen=True)
class Outcome:
    """What a claim does on an instance."""

    status: str
    """`holds`, `violated`, `undecided`; `excluded` if the instance doesn't meet a hypothesis."""
    slack: float
    """Least `rhs - lhs` over the entries; for an identity `-max |rhs - lhs|`."""
    ratio: float
    """Largest `lhs / rhs` over the entries with `rhs` clearly above 0; NaN if there are none."""
    radius: float
    """How far the slack can be off."""
    arithmetic: str
    """`enclosed`, `rational`, `balls` or `float`: the numbers that the status rests on."""


def outcome(claim: Claim, values: Mapping[str, np.ndarray]) -> Outcome:
    """Evaluate a claim: in enclosed floats, and in exact numbers where those don't settle it.

    A violation is certain, whatever the rounding.
    """
    if claim.arithmetic == "float":
        return _judged(claim, claim.floats(values), "float")
    if claim.arithmetic == "any":
        try:
            found = _judged(claim, claim.enclosed(values), "enclosed")
        except Ambiguous:
            found = None
        if found is not None and found.status != UNDECIDED:
            return found
    return exact_outcome(claim, values)


def exact_outcome(claim: Claim, values: Mapping[str, np.ndarray]) -> Outcome:
    """Evaluate a claim without floating point: in rationals, or in balls where logarithms occur."""
    try:
        return _judged(claim, claim.exact(values), "rational")
    except Irrational:
        pass
    except Ambiguous:
        return Outcome(UNDECIDED, np.nan, np.nan, np.inf, "rational")
    try:
        return _judged(claim, claim.balls(values), "balls")
    except Ambiguous:
        return Outcome(UNDECIDED, np.nan, np.nan, np.inf, "balls")


def _judged(claim: Claim, x: Instance, arithmetic: str) -> Outcome:
    hypotheses = [judge(hypothesis.holds(x), arithmetic).status for hypothesis in claim.hypotheses]
    if VIOLATED in hypotheses:
        return Outcome(EXCLUDED, np.nan, np.nan, 0.0, arithmetic)
    found = judge(claim.statement(x), arithmetic)
    if UNDECIDED in hypotheses:
        return Outcome(UNDECIDED, found.slack, found.ratio, found.radius, arithmetic)
    return found


def judge(sides: Sides, arithmetic: str) -> Outcome:
    """Whether a statement is true of its computed sides."""
    if arithmetic == "float":
        lhs, rhs = np.asarray(sides.lhs, dtype=float), np.asarray(sides.rhs, dtype=float)
        difference = enclosed.Enclosed(rhs - lhs, np.broadcast_to(sides.radius, np.shape(rhs - lhs)))
        return _decided(
            sides.relation, lhs, rhs, difference.mid, difference.rad, difference.lower, difference.upper, arithmetic
        )
    if arithmetic == "enclosed":
        lhs, rhs = enclosed.asarray(sides.lhs), enclosed.asarray(sides.rhs)
        gap = rhs - lhs
        return _decided(sides.relation, lhs.mid, rhs.mid, gap.mid, gap.rad, gap.lower, gap.upper, arithmetic)
    lhs, rhs = exact.asarray(sides.lhs), exact.asarray(sides.rhs)
    gap = rhs - lhs
    left, right, mid = exact.midpoint(lhs), exact.midpoint(rhs), exact.midpoint(gap)
    radius, tiny = exact.radii(gap), EQUAL * (abs(left) + abs(right))
    radius, mid = np.where(radius < tiny, 0.0, radius), np.where((radius < tiny) & (abs(mid) <= radius), 0.0, mid)
    return _decided(sides.relation, left, right, mid, radius, mid - radius, mid + radius, arithmetic)


def _decided(relation: str, lhs, rhs, mid, radius, lower, upper, arithmetic: str) -> Outcome:
    """The status from the midpoint, radius and bounds of `rhs - lhs`."""
    if relation == "==":
        violated = np.any((lower > 0) | (upper < 0))
        coarse = np.any(radius > COARSE * (1 + abs(lhs) + abs(rhs)))
        status = VIOLATED if violated else UNDECIDED if coarse else HOLDS
        slack = -np.max(abs(mid))
    else:
        status = VIOLATED if np.any(upper < 0) else HOLDS if np.all(lower >= 0) else UNDECIDED
        slack = np.min(mid)
    return Outcome(status, float(slack), _ratio(lhs, rhs, radius), float(np.max(radius)), arithmetic)


def _ratio(lhs, rhs, radius) -> float:
    """Largest `lhs / rhs` where the right side stands clear of rounding."""
    lhs, rhs, radius = np.broadcast_arrays(lhs, rhs, radius)
    clear = rhs > 1e3 * radius + 1e-300
    return float(np.max(lhs[clear] / rhs[clear])) if clear.any() else float("nan")
