"""What `fit` needs to know about a model class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import jax
import jax.numpy as jnp

import tabular.device  # noqa: F401  (switches JAX to float64, registers MDP as a pytree)
from tabular.mdp import MDP, AnyMDP
from tabular.models.norms import Scalar, ball


class ModelClass(ABC):
    """Base of model classes; see the package's docstring. A subclass writes `init` and `mdp`, or more."""

    @property
    def bounded(self) -> bool:
        """Whether kappa means anything."""
        return True

    def check(self, true: AnyMDP, /) -> None:
        """Raise ValueError if there are no models of this class of the MDP. It may use labels and geometry."""
        return None

    @abstractmethod
    def init(self, true: MDP, key: jax.Array, /) -> Any:
        """Random parameters, any pytree of float64 arrays."""

    @abstractmethod
    def mdp(self, true: MDP, theta: Any, /) -> MDP:
        """The model with these parameters."""

    def project(self, theta: Any, kappa: Scalar, /) -> Any:
        """All parameters scaled back to Euclidean norm kappa where it is exceeded."""
        return ball(theta, kappa)


def as_model(true: MDP, P: jax.Array, reward: jax.Array | None) -> MDP:
    """The model with transition rows `P`, each of sum 1, and these rewards, or the true ones if None.

    gamma, rho, the feasible actions and, in a terminating MDP, the probability of the end are the truth's.
    """
    if true.terminating:
        P = P * jnp.sum(true.P, axis=-1, keepdims=True)
    P = jnp.where(true.feasible[:, :, None], P, 0.0)
    r = true.r if reward is None else jnp.where(true.feasible, reward, -jnp.inf)
    return MDP(P, r, true.gamma, true.rho, true.terminating)


def check_temperature(alpha: float) -> None:
    """Raise ValueError unless alpha is positive."""
    if not alpha > 0:
        raise ValueError(f"alpha = {alpha}, expected a positive temperature.")
