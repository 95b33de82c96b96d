"""What the lab says of a claim: a status, the numbers behind it, and the instances that decide it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular.output import plain

if TYPE_CHECKING:
    from tabular.lab.certificate import Certificate

HOLDS = "holds on all tested"
CERTIFIED = "violated (certified)"
FLOAT_ONLY = "violated (float only)"
UNDECIDED = "undecided"
VACUOUS = "vacuous"
STATUSES = (HOLDS, CERTIFIED, FLOAT_ONLY, UNDECIDED, VACUOUS)
"""All that a verdict may say. Sampling never shows that a claim is true."""


@dataclass(frozen=True)
class Witness:
    """An instance that a verdict rests on."""

    seed: int
    i: int
    """`replay(claim, seed, i)` draws it again; from an attack, the number of the start it was found from."""
    arrays: Mapping[str, np.ndarray]
    """The instance by field: floats, or fractions (object arrays) if it was rounded."""
    slack: float
    """Least `rhs - lhs`; below 0 where the claim is violated."""
    ratio: float
    """Largest `lhs / rhs`; NaN where no right side stands clear of 0."""
    arithmetic: str
    """Numbers that slack and ratio were computed in: `rational`, `balls`, `enclosed` or `float`."""


@dataclass(frozen=True)
class Verdict:
    """What is known of a claim after a check or an attack."""

    claim: str
    """Its name."""
    id: str
    source: str
    status: str
    """One of `STATUSES`."""
    outside: tuple[str, ...]
    """Hypotheses of its source that it drops; a violation says nothing about the source then."""
    n: int
    """Instances that met the hypotheses; the others don't count."""
    violations: int
    """Instances that certainly violate it, whatever the rounding."""
    undecided: int
    """Instances where neither floats nor exact numbers decide."""
    min_slack: float
    """Least `rhs - lhs` over all instances; NaN if none counted."""
    max_ratio: float
    """Largest `lhs / rhs`; NaN if no right side stood clear of 0."""
    worst: Witness | None
    """The instance of least slack."""
    tightest: Witness | None
    """The instance of largest ratio."""
    seed: int
    seconds: float
    certificate: Certificate | None
    """Proof of the violation, in exact numbers, that anyone can check again."""

    def to_json(self) -> str:
        """One JSON object; fractions as strings such as "3/4", null for what isn't finite."""
        return json.dumps(self.plain(), allow_nan=False)

    def plain(self) -> dict[str, Any]:
        """The same as a dict of what JSON can hold."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("worst", "tightest"):
            values[name] = values[name] and vars(values[name])
        values["certificate"] = self.certificate and self.certificate.plain()
        return plain(values)

    def __str__(self) -> str:
        lines = [
            f"{self.claim} ({self.id}): {self.status}",
            f"  source     {self.source}",
            *([f"  outside    {', '.join(self.outside)}"] if self.outside else []),
            f"  instances  {self.n} tested, {self.violations} violations, {self.undecided} undecided",
            f"  least slack {shown(self.min_slack)}, largest ratio {shown(self.max_ratio)}",
            f"  seed {self.seed}, {self.seconds:.1f} s",
        ]
        if self.worst is not None:
            lines += [f"  worst instance: number {self.worst.i} of seed {self.worst.seed}, {self.worst.arithmetic}"]
            lines += [f"    {name} = {readable(value)}" for name, value in self.worst.arrays.items()]
        return "\n".join(lines)


def status(n: int, violations: int, undecided: int, certificate: Certificate | None) -> str:
    """The status that these counts amount to."""
    if violations:
        return CERTIFIED if certificate is not None else FLOAT_ONLY
    if n == 0:
        return VACUOUS
    return UNDECIDED if undecided else HOLDS


def shown(number: float) -> str:
    """A number in a few digits, `-` for NaN; a ratio of .99997 isn't shown as 1."""
    return "-" if np.isnan(number) else f"{number + 0.0:.6g}"


def readable(array: Any) -> str:
    """An array in nested brackets: fractions as 3/4, floats in six digits."""
    if np.ndim(array) == 0:
        number = np.asarray(array).item()
        return str(number) if isinstance(number, Fraction) else f"{number:.6g}"
    return f"[{', '.join(readable(part) for part in array)}]"
