"""Weighted likelihood: some transitions count more than others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tabular.mdp import MDP, AnyMDP
from tabular.objectives.base import Objective, check_alpha
from tabular.objectives.itervaml import ByOwnValues
from tabular.objectives.vaml import finite_matrix, reward_errors
from tabular.operators import soft_value
from tabular.probability import kl_rows


@partial(jax.tree_util.register_dataclass, data_fields=["weights", "alpha"], meta_fields=[])
@dataclass(frozen=True, eq=False)
class WeightedMLE(Objective):
    """`mean_{s,a} w(s, a) KL(p || p_hat) + mean_{s,a} (r_hat - r)^2` with given weights; see `value_weighted_mle`."""

    weights: jax.Array
    """Shape (S, A)."""
    alpha: float

    def __repr__(self) -> str:
        return f"value_weighted_mle(weights={self.weights.shape}, alpha={self.alpha})"

    def check(self, true: AnyMDP, model: MDP) -> None:
        if self.weights.shape != true.r.shape:
            raise ValueError(f"weights has shape {self.weights.shape}, expected (S, A) = {true.r.shape}.")

    def loss(self, true: MDP, model: MDP, state: None, step: jax.Array) -> tuple[jax.Array, None]:
        """The loss, in nats, times the unit of the weights, plus reward squared."""
        divergence = jnp.where(self.weights > 0, self.weights * kl_rows(true.P, model.P), 0.0)
        return jnp.mean(divergence + reward_errors(true, model), where=true.feasible), None


@partial(jax.tree_util.register_dataclass, data_fields=["alpha"], meta_fields=[])
@dataclass(frozen=True)
class ValueWeightedMLE(ByOwnValues):
    """Likelihood with the weight `|V_hat|` of the successor; see `value_weighted_mle`."""

    alpha: float

    def loss(self, true: MDP, model: MDP, Q: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The loss, in nats plus reward squared, and Q_hat for the next solve."""
        Q = self.planned(model, Q)
        size = abs(soft_value(Q, self.alpha))
        reached = true.P * size[None, None]
        weight = jnp.sum(reached, axis=-1)
        mass = jnp.sum(true.P, axis=-1)
        tilted = reached * (mass / jnp.where(weight > 0, weight, 1.0))[..., None]
        overall = jnp.mean(weight, where=true.feasible) / jnp.mean(mass, where=true.feasible)
        errors = weight / jnp.where(overall > 0, overall, 1.0) * kl_rows(tilted, model.P)
        return jnp.mean(errors + reward_errors(true, model), where=true.feasible), Q


def value_weighted_mle(weights: Any = None, alpha: float = 0.01) -> WeightedMLE | ValueWeightedMLE:
    """Likelihood with weights, over feasible actions: those given for each (s, a),

        mean_{s,a} w(s, a) KL(p || p_hat) + mean_{s,a} (r_hat - r)^2

    as Lambert et al. 2020 propose; or, without `weights`, those of the baseline in the code published with Voelcker et
    al. 2022 (their appendix D.1 says the inverse of V), for each successor,

        mean_{s,a} sum_t p(t) w(t) log(1 / p_hat(t)) - its least value + mean_{s,a} (r_hat - r)^2
        w(t) = |V_hat(t)| / mean_{s,a} sum_t' p(t') |V_hat(t')|

    with V_hat the soft value planned in the model as it is now, a constant in the derivative. The weights have mean 1
    over transitions, so that a constant V_hat makes it `mle`.

    Weights of a row, w(s, a), leave the true model the best one of all. Weights of a successor don't: the best model is
    tilted, `p_hat(t) = p(t) w(t) / sum_t' p(t') w(t')`, towards successors of large `|V_hat|`; only deterministic rows
    keep it at p.

    Args:
      weights: 0 or more, shape (S, A).
      alpha: temperature of the agent that plans with the learned model, and of V_hat.

    Raises:
      ValueError for weights with another number of axes, that are negative or infinite or all 0, or a temperature that
      isn't positive. `fit` refuses weights of another shape than (S, A).
    """
    alpha = check_alpha(alpha)
    if weights is None:
        return ValueWeightedMLE(alpha)
    table = np.asarray(finite_matrix("weights", weights, "(S, A), a weight for each state and action"))
    if table.min() < 0:
        s, a = np.argwhere(table < 0)[0]
        raise ValueError(f"weights[{s}, {a}] = {table[s, a]:g}, expected 0 or more.")
    if not table.any():
        raise ValueError("weights are all 0, so that every model is as good as another. Expected some above 0.")
    return WeightedMLE(jnp.asarray(table), alpha)
