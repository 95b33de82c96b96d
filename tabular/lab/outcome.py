"""One claim on one instance: whether it holds, by how much, and how that is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tabular.arithmetic import Ambiguous, Irrational, enclosed, exact
from tabular.arithmetic.partial import parts
from tabular.claims.claim import Claim, Instance, Sides

HOLDS, VIOLATED, UNDECIDED, EXCLUDED = "holds", "violated", "undecided", "excluded"
COARSE = 1e-6
"""An identity whose error bound is larger than this, relative to its sides, isn't settled by containing 0."""
EQUAL = 2.0**-100
"""Balls that can't be told apart at this width, relative to their size or to NOTHING, are taken for equal: an
inequality holds there, attained."""
NOTHING = 2.0**-40
"""The size of sides that are both 0."""
CLEAR = 1e3
"""A right side is compared with the left by a ratio if it is this many times its radius."""


@dataclass(frozen=True)
class Outcome:
    """What a claim does on an instance."""

    status: str
    """`holds`, `violated`, `undecided`; `excluded` if the instance doesn't meet a hypothesis."""
    slack: float
    """Least `rhs - lhs` over the entries; for an identity `-max |rhs - lhs|`. Infinite where a side is."""
    ratio: float
    """Largest `lhs / rhs` over the finite entries with `rhs` clearly above 0; NaN if there are none."""
    radius: float
    """How far the slack can be off."""
    arithmetic: str
    """`enclosed`, `rational`, `balls` or `float`: the numbers that the status rests on."""


def outcome(claim: Claim, values: Mapping[str, np.ndarray]) -> Outcome:
    """Evaluate a claim: in enclosed floats, and in exact numbers where those don't settle it.

    A violation is certain, whatever the rounding.

    Raises:
      TypeError or ValueError if the claim, or a hypothesis, returns no sides, sides that aren't numbers or don't fit
        together, or NaN.
    """
    if claim.arithmetic == "float":
        return _settled(claim, claim.floats(values), "float")
    if claim.arithmetic == "any":
        try:
            found = _judged(claim, claim.enclosed(values), "enclosed")
        except Ambiguous:
            found = None
        if found is not None and found.status != UNDECIDED:
            return found
    return exact_outcome(claim, values)


def exact_outcome(claim: Claim, values: Mapping[str, np.ndarray]) -> Outcome:
    """Evaluate a claim without floating point: in rationals, or in balls where logarithms occur.

    Raises:
      TypeError or ValueError as `outcome`.
    """
    try:
        return _settled(claim, claim.exact(values), "rational")
    except Irrational:
        return _settled(claim, claim.balls(values), "balls")


def _settled(claim: Claim, x: Instance, arithmetic: str) -> Outcome:
    try:
        return _judged(claim, x, arithmetic)
    except Ambiguous:
        return Outcome(UNDECIDED, np.nan, np.nan, np.inf, arithmetic)


def _judged(claim: Claim, x: Instance, arithmetic: str) -> Outcome:
    def judged(name: str, statement: Callable[[Instance], Sides]) -> Outcome:
        return judge(statement(x), arithmetic, name)

    with np.errstate(all="ignore"):  # what overflows has no finite radius
        hypotheses = [judged(f"{claim.name}, hypothesis {h.name!r}", h.holds).status for h in claim.hypotheses]
        if VIOLATED in hypotheses:
            return Outcome(EXCLUDED, np.nan, np.nan, 0.0, arithmetic)
        found = judged(claim.name, claim.statement)
    return replace(found, status=UNDECIDED) if UNDECIDED in hypotheses else found


def judge(sides: Sides, arithmetic: str, name: str = "the statement") -> Outcome:
    """Whether a statement is true of its computed sides. `name` is how errors call it.

    Raises:
      TypeError or ValueError as `outcome`; Ambiguous if enclosed sides overflowed.
    """
    lhs, rhs = _numbers(sides, arithmetic, name)
    xp = rhs.__array_namespace__()
    gap = _difference(rhs, lhs, sides.radius if arithmetic == "float" else 0.0)
    left, right, mid = xp.midpoint(lhs), xp.midpoint(rhs), xp.midpoint(gap)
    radius = exact.radii(gap) if xp is exact else gap.rad
    size = abs(left) + abs(right)
    violated, holds = parts(gap < 0)
    if sides.relation == "==":
        violated, holds = violated | parts(gap > 0)[0], radius <= COARSE * (1 + size)
        slack = -np.max(abs(mid), initial=0.0)
    else:
        holds = holds | ((arithmetic == "balls") & (radius <= EQUAL * np.maximum(size, NOTHING)))
        slack = np.min(mid, initial=np.inf)
    status = VIOLATED if violated.any() else HOLDS if holds.all() else UNDECIDED
    return Outcome(status, float(slack), _ratio(left, right, radius), float(np.max(radius, initial=0.0)), arithmetic)


def _numbers(sides: Sides, arithmetic: str, name: str) -> tuple[Any, Any]:
    """Both sides as arrays of an arithmetic that knows its error; the plain floats of a claim as exact ones."""
    if not isinstance(sides, Sides):
        raise TypeError(f"{name} returned {_kind(sides)}, expected Sides. Return at_most(lhs, rhs) or equal(lhs, rhs).")
    xp = enclosed if arithmetic in ("enclosed", "float") else exact
    lhs, rhs = (_side(getattr(sides, side), side, xp, name) for side in ("lhs", "rhs"))
    shapes = {"lhs": lhs.shape, "rhs": rhs.shape, "radius": np.shape(sides.radius)}
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"{side} {shape}" for side, shape in shapes.items())
        raise ValueError(f"{name} returned sides of shapes {listed}, expected shapes that broadcast.") from None
    if arithmetic == "float" and not np.all(np.asarray(sides.radius, dtype=float) >= 0):
        raise ValueError(f"{name} returned radius {sides.radius}, expected numbers of 0 or more.")
    return lhs, rhs


def _side(value: Any, side: str, xp: Any, name: str) -> Any:
    """One side as an array. Raises ValueError if it has a NaN, Ambiguous if that may be due to overflow."""
    try:
        array = xp.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} returned {_kind(value)} as {side}, expected an array of numbers: {error}") from error
    nan = np.isnan(xp.midpoint(array))
    if nan.any():
        if xp is enclosed and not (array.rad[nan] == 0).all():
            raise Ambiguous(f"{side} of {name} overflows float64")
        where = [int(i) for i in np.argwhere(nan)[0]]
        raise ValueError(
            f"{side}{where or ''} of {name} is NaN; {nan.sum()} of {nan.size} entries are wrong. Where a term has no "
            "value, such as 0 log 0, choose another with xp.where before the operation, not after."
        )
    return array


def _kind(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"[:80]


def _difference(rhs, lhs, radius) -> Any:
    """`rhs - lhs` with its error; 0 where both are the same infinity."""
    same = parts(lhs == rhs)[0]
    if isinstance(rhs, exact.Exact):
        return exact.where(same, exact.zeros(same.shape), rhs - lhs)
    gap = rhs - lhs
    infinite = np.isinf(lhs.mid) | np.isinf(rhs.mid)
    rad = np.where(infinite, lhs.rad + rhs.rad, gap.rad)
    return enclosed.Enclosed(np.where(same, 0.0, gap.mid), np.where(same, 0.0, rad) + radius)


def _ratio(lhs, rhs, radius) -> float:
    """Largest `lhs / rhs` where the right side stands clear of rounding."""
    lhs, rhs, radius = np.broadcast_arrays(lhs, rhs, radius)
    clear = (rhs > CLEAR * radius + 1e-300) & np.isfinite(lhs) & np.isfinite(rhs)
    return float(np.max(lhs[clear] / rhs[clear])) if clear.any() else float("nan")
