"""What the two-state explorer draws with: frames, names, and which MDPs can be shown."""

from __future__ import annotations

import numpy as np

from tabular.mdp import MDP, AnyMDP
from tabular.operators import backup
from tabular.polytope import Polytope, require_two_states

MOST_ACTIONS = 4
SWEEPS = 60


def check_shown(mdp: AnyMDP, name: str) -> None:
    """Raises ValueError, with the reason and the cure, unless an MDP can be shown."""
    require_two_states(mdp, name)
    if not 2 <= mdp.A <= MOST_ACTIONS:
        raise ValueError(f"{name} has {mdp.A} actions, expected 2 to {MOST_ACTIONS}.")
    if mdp.stop_probability.any():
        raise ValueError(
            f"{name} ends episodes with a probability of up to {mdp.stop_probability.max():g}, and the end would be a "
            "third state. Scale the rows of P to sum to 1 and lower gamma instead."
        )


def outline(polytope: Polytope) -> dict[str, np.ndarray]:
    """What of a polytope is drawn."""
    return {
        "V": polytope.V,
        "policies": polytope.policies.astype(np.int32),
        "edges": polytope.edges,
        "pieces": polytope.pieces,
    }


def frame(points: np.ndarray) -> np.ndarray:
    """Ranges of both axes around points, with a margin: [[low, high], [low, high]]."""
    low, high = points.min(0), points.max(0)
    size = np.maximum(high - low, 1e-3 * max(1.0, float(abs(points).max())))
    middle = (low + high) / 2
    return np.stack([middle - 0.56 * size, middle + 0.56 * size], axis=1)


def swept(mdp: MDP, V: np.ndarray, V_star: np.ndarray) -> np.ndarray:
    """Sweeps of value iteration from V, until they are as good as there, shape (k, 2)."""
    near = 1e-3 * max(1e-9, float(abs(V - V_star).max()))
    sweeps = [V]
    while len(sweeps) <= SWEEPS and abs(sweeps[-1] - V_star).max() > near:
        sweeps.append(backup(mdp, sweeps[-1]).max(1))
    return np.stack(sweeps)


def new_names(names: tuple, first: int, count: int = 1) -> tuple:
    """Names with `count` new ones at the end: a0, a1 ..., none of them twice."""
    fresh = (f"a{k}" for k in range(first, first + count + len(names)) if f"a{k}" not in names)
    return (*names, *(next(fresh) for _ in range(count)))
