"""What `fit` needs to know about an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import jax

from tabular.mdp import MDP, AnyMDP


class Objective(ABC):
    """Base of objectives; see the package's docstring. A subclass writes `loss`, and the rest where it needs to."""

    alpha: float
    """Temperature of the agent that plans with the learned model."""

    def check(self, true: AnyMDP, model: MDP, /) -> None:
        """Raise ValueError if the objective means nothing for this MDP and models like `model`, one at the start."""
        return None

    def init(self, true: MDP, key: jax.Array, /) -> Any:
        """What is carried from step to step, any pytree; nothing unless an objective says otherwise."""
        return None

    @abstractmethod
    def loss(self, true: MDP, model: MDP, state: Any, step: jax.Array, /) -> tuple[jax.Array, Any]:
        """A scalar to minimise, and the state for the next step."""

    def imagined(self, true: MDP, model: MDP, /) -> MDP:
        """The MDP that the agent plans in: the model, unless its rewards are made of something else."""
        return model


def check_alpha(alpha: float) -> float:
    """alpha as a float. Raises ValueError unless it is positive."""
    if not alpha > 0:
        raise ValueError(f"alpha = {alpha}, expected a positive temperature.")
    return float(alpha)
