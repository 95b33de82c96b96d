"""Iterative value-aware models: the value function that errors are weighed with is the current one (Farahmand 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from tabular.device import soft_q
from tabular.mdp import MDP
from tabular.models import random_start
from tabular.objectives.base import Objective, check_alpha
from tabular.objectives.vaml import check_weight, mixture
from tabular.operators import soft_value


class ByOwnValues(Objective):
    """Base of objectives that measure a model by the values planned in it, taken as constants in the derivative.

    What is carried from step to step is the Q planned in the model.
    """

    def init(self, true: MDP, key: jax.Array) -> jax.Array:
        """The Q that the first solve starts from, shape (S, A)."""
        return random_start(true, key).Q

    def planned(self, model: MDP, Q: jax.Array) -> jax.Array:
        """Soft-optimal Q of the model, found from the one before; no derivative passes through it."""
        return lax.stop_gradient(soft_q(lax.stop_gradient(model), self.alpha, start=Q))


@partial(jax.tree_util.register_dataclass, data_fields=["alpha", "mle_weight"], meta_fields=[])
@dataclass(frozen=True)
class IterVAML(ByOwnValues):
    """`mean_{s,a} |sum_t (p - p_hat)(t) V_hat(t)|^2 + mean_{s,a} (r_hat - r)^2`; see `itervaml`."""

    alpha: float
    mle_weight: float

    def loss(self, true: MDP, model: MDP, Q: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The loss, in units of return squared (with a mixture, plus nats), and Q_hat for the next solve."""
        Q = self.planned(model, Q)
        V = soft_value(Q, self.alpha)
        errors = jnp.einsum("sat,t->sa", model.P - true.P, V) ** 2
        return mixture(true, model, errors, self.mle_weight), Q


def itervaml(alpha: float = 0.01, *, mle_weight: float = 0.0) -> IterVAML:
    """Iterative value-aware model learning, Farahmand 2018; the mean square of Lovatto et al. 2020, eq. 8:

        mean_{s,a} |sum_t (p - p_hat)(t | s, a) V_hat(t)|^2 + mean_{s,a} (r_hat - r)^2

    over feasible actions. V_hat is the soft value planned in the model as it is now, and a constant in the derivative:
    in the loop of the paper the model is fitted to the current values, then the values to the model. Planning is exact
    here, where theirs is one backup; both loops rest at the same models. With the mixture of Lovatto et al. 2020,
    eq. 10, the loss is `mle_weight MLE + (1 - mle_weight) IterVAML`; both parts hold the error of rewards.

    The loss is 0 only where Q_hat is the soft-optimal Q of the true MDP: `B Q_hat - Q_hat = r - r_hat + gamma (p -
    p_hat) V_hat`. Above 0 it isn't a descent on one function, since V_hat moves with the model. Eq. 5 of Lovatto et
    al. 2020 misses the square.

    Args:
      alpha: temperature of the agent that plans with the learned model, and of V_hat.
      mle_weight: weight of the likelihood, 0 to 1 (Lovatto's alpha; 0.001 is their "regularized VAML").

    Raises:
      ValueError for a temperature that isn't positive or a weight out of range.
    """
    return IterVAML(check_alpha(alpha), check_weight(mle_weight))
