"""An evolution strategy in plain NumPy, for claims that JAX can't trace.

The (1+1)-strategy: one parent, one child, the better of the two goes on; the steps grow after a success and shrink
after a failure so that one child in five succeeds (Rechenberg 1973). A child differs in all parameters or in a few.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np

from tabular.arithmetic import Ambiguous
from tabular.claims.claim import Claim
from tabular.lab.lanes import REACH, Lane, Values, arrays, score

CHILDREN, PART = 400, 20
"""Children on each lane, and after how many the loop comes back to tell how far it is."""
STEP, GROWTH = 0.5, 1.5
"""First standard deviation of a step, and by how much a success lengthens it; four failures take that back."""


def evolved(claim: Claim, lanes: Sequence[Lane], seed: int) -> Generator[tuple[float, Values], None, list[Values]]:
    """The best instance met on each lane; yields how large a share is done, and the best on the present lane."""
    best = []
    for i, lane in enumerate(lanes):
        reached = lane.kept
        for share, reached in _evolved(claim, lane, np.random.default_rng([seed, i])):
            yield (i + share) / len(lanes), reached
        best.append(reached)
    return best


def _evolved(claim: Claim, lane: Lane, rng: np.random.Generator) -> Iterator[tuple[float, Values]]:
    parent = {name: np.asarray(value, dtype=float) for name, value in lane.theta.items()}
    value, step = _score(claim, lane, parent), STEP
    for born in range(1, CHILDREN + 1):
        child = _child(parent, step, rng)
        reached = _score(claim, lane, child)
        success = reached >= value
        if success:
            parent, value = child, reached
        step *= GROWTH if success else GROWTH**-0.25
        if born % PART == 0:
            yield born / CHILDREN, arrays(claim, parent, lane.kept, lane.tied, np)


def _child(parent: Values, step: float, rng: np.random.Generator) -> Values:
    share = rng.choice([1.0, 0.5, 0.1])
    return {
        name: np.clip(value + step * rng.normal(size=value.shape) * (rng.random(value.shape) < share), -REACH, REACH)
        for name, value in parent.items()
    }


def _score(claim: Claim, lane: Lane, theta: Values) -> float:
    """What is climbed; -inf where the claim's fixed points aren't found."""
    with np.errstate(all="ignore"):
        try:
            return float(score(claim, claim.floats(arrays(claim, theta, lane.kept, lane.tied, np)), lane.aim, np))
        except (Ambiguous, np.linalg.LinAlgError):
            return -np.inf
