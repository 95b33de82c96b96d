"""Counterexamples that a person can read: the simplest fractions that keep what was found.

First the whole instance is rounded to fractions with the smallest common denominator that keeps the violation. Then,
field by field, row by row and entry by entry, simpler numbers are put in as long as it stays, decided in exact
arithmetic each time. Simple is what takes few binary digits to write; what equals the array it perturbs is free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tabular.arithmetic import exact
from tabular.claims.claim import Claim
from tabular.claims.fields import Field, Rows
from tabular.lab.lanes import base
from tabular.lab.outcome import VIOLATED, Outcome, exact_outcome, outcome

DENOMINATORS = (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 16, 20, 25, 50, 100, 1000, 10**4, 10**6, 10**9)
"""Tried in this order."""
NUMBERS = tuple(
    map(Fraction, (0, 1, -1, 2, -2, 3, 10, 100, "1/2", "-1/2", "1/3", "2/3", "1/10", "9/10", "1/100", "1/1000"))
)
"""Tried in place of any entry."""
REPEATED, VARIETY, NEGATIVE = 0.5, 0.2, 0.25
"""Costs in digits: of a number that is the same in the array that its field perturbs, of each value in an array, and of
a minus sign."""
SWEEPS = 6
"""Cap on passes over the instance; two or three are usual."""

Values = Mapping[str, np.ndarray]
Index = tuple[int, ...]


def violates(found: Outcome) -> bool:
    """Whether an outcome is a certain violation."""
    return found.status == VIOLATED


def simplify(claim: Claim, values: Values, keeps: Callable[[Outcome], bool] = violates) -> Values | None:
    """The instance in the simplest fractions found that keep the violation, or what else `keeps` asks for.

    Args:
      values: floats or fractions.
      keeps: from the exact outcome at a simplified instance to whether it is as wanted.

    Returns:
      Object arrays of fractions that the claim's fields and hypotheses accept; None if not even the instance as it is
      has what is to be kept.
    """
    found = rounded(claim, values, keeps)
    return None if found is None else reduced(claim, found, keeps)


def rounded(claim: Claim, values: Values, keeps: Callable[[Outcome], bool] = violates) -> Values | None:
    """The instance in fractions of the smallest denominator tried that keeps what is wanted."""
    return next((near for _, near in simplest_rounded(claim, [values], keeps)), None)


def simplest_rounded(
    claim: Claim, instances: Sequence[Values], keeps: Callable[[Outcome], bool] = violates
) -> Iterator[tuple[int, Values]]:
    """Those of several instances that keep what is wanted when they are rounded, the simplest first; and their numbers.

    All are rounded to the first denominator, the simplest of those that keep it come first; then the second, and so on.
    """
    for denominator in (*DENOMINATORS, None):
        near = enumerate(_rounded(claim, values, denominator) for values in instances)
        kept = [(i, new) for i, new in near if is_allowed(claim, new) and keeps(judged(claim, new))]
        yield from sorted(kept, key=lambda pair: cost(claim, pair[1]))


def reduced(claim: Claim, values: Values, keeps: Callable[[Outcome], bool] = violates) -> Values:
    """Simpler numbers in place of those of an instance of fractions, one after the other, as long as they keep it."""
    now = dict(values)
    for _ in range(SWEEPS):
        before = cost(claim, now)
        for name, index in _units(claim, now):
            now = _simpler(claim, now, name, index, keeps)
        if cost(claim, now) >= before:
            break
    return now


def cost(claim: Claim, values: Values) -> float:
    """Binary digits of all numerators and denominators, less for what only repeats another array."""
    return sum(_cost_of_field(claim, values, name) for name in values)


def _cost_of_field(claim: Claim, values: Values, name: str) -> float:
    numbers, repeated = list(values[name].flat), _base(claim, values, name)
    if repeated is None:
        return sum(map(_digits, numbers)) + VARIETY * len(set(numbers))
    pairs = list(zip(numbers, repeated.flat, strict=True))
    if all(x == y for x, y in pairs):
        return 0.0
    return sum(min(_digits(x), REPEATED) if x == y else _digits(x) for x, y in pairs) + VARIETY * len(set(numbers))


def _base(claim: Claim, values: Values, name: str) -> np.ndarray | None:
    """The array that a field perturbs, in the field's shape."""
    original = base(claim, name)
    return None if original is None else np.broadcast_to(values[original], np.shape(values[name]))


def _digits(x: Fraction) -> float:
    return math.log2(1 + abs(x.numerator)) + math.log2(x.denominator) + NEGATIVE * (x < 0)


def _simpler(claim: Claim, now: Values, name: str, index: Index, keeps: Callable[[Outcome], bool]) -> Values:
    """The instance with the simplest numbers in one place that keep what is wanted."""
    price = cost(claim, now)
    parts = {tuple(part.flat): part for part in _parts(claim, now, name, index)}
    tried = [_replaced(claim, now, name, index, part) for part in parts.values()]
    saved = [(cost(claim, new) - price, i) for i, new in enumerate(tried)]
    for i in (i for saving, i in sorted(saved) if saving < 0):
        if is_allowed(claim, tried[i]) and keeps(judged(claim, tried[i])):
            return tried[i]
    return now


def _units(claim: Claim, values: Values) -> Iterator[tuple[str, Index]]:
    """The places where numbers are replaced: whole fields, then rows of probabilities or single entries."""
    yield from ((name, ()) for name in values)
    for name, kind in claim.domain().items():
        shape = np.shape(values[name])
        places = shape[:-1] if isinstance(kind, Rows) else shape
        yield from ((name, index) for index in np.ndindex(places) if index)


def _parts(claim: Claim, values: Values, name: str, index: Index) -> Iterator[np.ndarray]:
    """What may stand in a place: what stands in the array perturbed, numbers rounded, simple ones, other entries."""
    kind, here = claim.domain()[name], np.asarray(values[name][index])
    repeated = _base(claim, values, name)
    if repeated is not None:
        yield np.asarray(repeated[index])
    yield from (_near(kind, here, denominator) for denominator in DENOMINATORS)
    if isinstance(kind, Rows):
        n = here.shape[-1]
        rows = [*np.eye(n, dtype=int), np.full(n, Fraction(1, n)), *values[name].reshape(-1, n)]
        yield from (np.broadcast_to(_fractions(row), here.shape) for row in rows)
    else:
        yield from (np.full(here.shape, number) for number in dict.fromkeys((*NUMBERS, *values[name].flat)))


def _replaced(claim: Claim, values: Values, name: str, index: Index, part: np.ndarray) -> Values:
    """The instance with another part; arrays that repeated the old part as perturbations of it repeat the new one."""
    new = dict(values)
    same = [each for each in values if base(claim, each) == name and _repeats(values[each], values[name], index)]
    for changed in (name, *same):
        new[changed] = values[changed].copy()
        new[changed][index] = part if part.ndim else part.item()
    return new


def _repeats(array: np.ndarray, original: np.ndarray, index: Index) -> bool:
    return array.shape == original.shape and bool(np.all(array[index] == original[index]))


def _rounded(claim: Claim, values: Values, denominator: int | None) -> Values:
    """An instance in fractions of at most a denominator; None stands for any."""
    if denominator is None:
        return meant(claim, values)
    return {name: _near(kind, values[name], denominator) for name, kind in claim.domain().items()}


def _near(kind: Field, value: np.ndarray, denominator: int) -> np.ndarray:
    return np.asarray(kind.rounded(np.asarray(value, dtype=float), denominator), dtype=object)


def meant(claim: Claim, values: Mapping[str, Any]) -> Values:
    """The fractions that an instance of floats, or of nested lists of fractions, is."""
    return {
        name: np.asarray(np.frompyfunc(exact.fraction, 1, 1)(kind.exact(np.asarray(values[name])).a), dtype=object)
        for name, kind in claim.domain().items()
    }


def _fractions(values: Any) -> np.ndarray:
    return np.vectorize(Fraction, otypes=[object])(values)


def is_allowed(claim: Claim, values: Values) -> bool:
    """Whether the claim's fields may hold these fractions."""
    return all(kind.allowed(values[name]) for name, kind in claim.domain().items())


def judged(claim: Claim, values: Values) -> Outcome:
    """The outcome that simplification goes by: in exact numbers, unless the claim has floats only."""
    return outcome(claim, values) if claim.arithmetic == "float" else exact_outcome(claim, values)
