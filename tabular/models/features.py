"""Shared features of the successor: what is learned of one transition holds for all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tabular.mdp import MDP, AnyMDP
from tabular.models.base import ModelClass, as_model


class FeatureTheta(NamedTuple):
    """Parameters of a model with successor features."""

    weights: jax.Array
    """Weights of the features, shape (S, A, F)."""
    reward: jax.Array | None
    """Rewards, shape (S, A); None where the true ones are known."""


@partial(jax.tree_util.register_dataclass, data_fields=["features"], meta_fields=["learns_reward"])
@dataclass(frozen=True, eq=False)
class SuccessorFeatures(ModelClass):
    """`P_hat(.|s,a) = softmax(features @ weights[s, a])`; see `successor_features`."""

    features: jax.Array
    """Features of each state as a successor, shape (S, F)."""
    learns_reward: bool

    def __repr__(self) -> str:
        return f"successor_features(shape={self.features.shape}, learns_reward={self.learns_reward})"

    def check(self, true: AnyMDP) -> None:
        if true.S != len(self.features):
            raise ValueError(f"features has {len(self.features)} rows, expected one for each of {true.S} states.")

    def init(self, true: MDP, key: jax.Array) -> FeatureTheta:
        """All parameters uniform on [0, 1)."""
        keys, shape = jax.random.split(key), true.r.shape
        weights = jax.random.uniform(keys[0], (*shape, self.features.shape[1]))
        return FeatureTheta(weights, jax.random.uniform(keys[1], shape) if self.learns_reward else None)

    def mdp(self, true: MDP, theta: FeatureTheta) -> MDP:
        """The model with these parameters."""
        return as_model(true, jax.nn.softmax(theta.weights @ self.features.T), theta.reward)


def successor_features(features, *, learns_reward: bool = True) -> SuccessorFeatures:
    """Tables of weights over features of the successor that all transitions share, a log-linear model:

        P_hat(t | s, a) = softmax_t(w(s, a) . f(t))

    With one feature for each state this is the softmax table; with few, the logits have rank F.

    Args:
      features: `f(t)`, shape (S, F), say the coordinates of the states and their squares.

    Raises:
      ValueError for another shape, or features that aren't finite.
    """
    features = np.asarray(features, dtype=float)
    if features.ndim != 2 or not features.size:
        raise ValueError(f"features has shape {features.shape}, expected (number of states, number of features).")
    if not np.isfinite(features).all():
        at = tuple(np.argwhere(~np.isfinite(features))[0].tolist())
        raise ValueError(f"features[{at[0]}, {at[1]}] = {features[at]:g}, expected finite numbers.")
    return SuccessorFeatures(jnp.asarray(features), learns_reward)
