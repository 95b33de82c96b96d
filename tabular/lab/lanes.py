"""What a search for counterexamples moves, and what it climbs.

A claim's instance is written with unconstrained parameters (`Field.free`, `Field.bound`). From each start several
lanes set out. In some, a field that is a perturbation of another is tied to it, so that only the others differ: a model
with the true rewards shows what its kernel alone can do. Climbed is the largest entry of

    (lhs - rhs - margin) / (floor + |lhs| + |rhs|)

in one lane with `margin = floor = 1e-6`, which rises with the ratio lhs / rhs as long as the sides aren't tiny; in
another with margin 0 and floor 1, the difference, for sides in which 0 is no special value, such as logarithms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from tabular.claims.claim import Claim, Instance, Sides

AIMS = ((1e-6, 1e-6), (0.0, 1.0))
"""Margins and floors: the ratio, and the difference."""
HINT = 1e-6
"""Weight of the difference in every lane: between sides of opposite signs the first aim is flat, and this leads on."""
PENALTY = 10.0
"""Weight of a hypothesis that an instance misses."""
REACH = 20.0
"""Parameters stay within this distance of 0: probabilities to 1e-17, positive numbers to 5e8."""

Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Lane:
    """One way up."""

    start: int
    """Number of the start it sets out from."""
    theta: Mapping[str, np.ndarray]
    """Unconstrained parameters of the fields that move."""
    kept: Mapping[str, np.ndarray]
    """Fields that stay."""
    tied: Mapping[str, np.ndarray]
    """For each perturbed field whether it equals the one it perturbs."""
    aim: np.ndarray
    """Margin and floor."""


def lanes(claim: Claim, instances: Sequence[Values]) -> list[Lane]:
    """The lanes from each start: both aims, without ties and with two sets of ties."""
    domain = claim.domain()
    return [
        Lane(
            start=i,
            theta={name: kind.free(instance[name]) for name, kind in domain.items() if kind.attacked},
            kept={name: instance[name] for name, kind in domain.items() if not kind.attacked},
            tied=tied,
            aim=np.array(aim),
        )
        for i, instance in enumerate(instances)
        for tied, aim in product(ties(claim, i), AIMS)
    ]


def ties(claim: Claim, i: int) -> list[dict[str, np.ndarray]]:
    """Which perturbed fields equal their bases in the lanes of start i: none; and two of: each alone, all but one.

    Where there are more than two such sets, the starts take them in turn.
    """
    near = [name for name in claim.domain() if base(claim, name)]
    sets = [*((name,) for name in near), *(tuple(other for other in near if other != name) for name in near)]
    proper = list(dict.fromkeys(tied for tied in sets if 0 < len(tied) < len(near)))
    chosen = dict.fromkeys(proper[(2 * i + k) % len(proper)] for k in range(2)) if proper else {}
    return [{name: np.array(name in tied) for name in near} for tied in ((), *chosen)]


def base(claim: Claim, name: str) -> str | None:
    """The field that a field perturbs; None if it perturbs none."""
    return getattr(claim.domain()[name], "near", None)


def arrays(claim: Claim, theta, kept, tied, xp) -> dict[str, Any]:
    """The instance that a lane's parameters stand for, in NumPy or JAX."""
    built: dict[str, Any] = {}
    for name, kind in claim.domain().items():
        built[name] = kind.bound(theta[name], xp) if name in theta else kept[name]
        original = base(claim, name)
        if original:
            built[name] = xp.where(tied[name], built[original], built[name])
    return built


def score(claim: Claim, x: Instance, aim, xp):
    """What is climbed: above 0 only where the claim is violated and its hypotheses hold."""
    missed = sum(xp.maximum(excess(hypothesis.holds(x), (0.0, 1.0), xp), 0.0) for hypothesis in claim.hypotheses)
    return excess(claim.statement(x), aim, xp) - PENALTY * missed


def excess(sides: Sides, aim, xp):
    """`(lhs - rhs - margin) / (floor + |lhs| + |rhs|)`, the largest entry; -1 where that is no number."""
    lhs, rhs = xp.asarray(sides.lhs), xp.asarray(sides.rhs)
    margin, floor = aim
    gap = abs(lhs - rhs) if sides.relation == "==" else lhs - rhs
    size = abs(lhs) + abs(rhs)
    share = (gap - margin) / (floor + size) + HINT * gap / (1 + size)
    shares = xp.reshape(xp.where(xp.isfinite(share), share, -1.0), (-1,))
    return shares[xp.argmax(shares)]
