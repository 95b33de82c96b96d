"""Maximum likelihood: a model that predicts rewards and successors well, whatever they are used for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from tabular.mdp import MDP
from tabular.objectives.base import Objective, check_alpha
from tabular.probability import kl_rows


@partial(jax.tree_util.register_dataclass, data_fields=["alpha"], meta_fields=[])
@dataclass(frozen=True)
class MLE(Objective):
    """`mean_{s,a} (r_hat - r)^2 + mean_{s,a} KL(p || p_hat)`; see `mle`."""

    alpha: float

    def loss(self, true: MDP, model: MDP, state: None, step: jax.Array) -> tuple[jax.Array, None]:
        """The loss, in units of reward squared plus nats."""
        off = jnp.where(true.feasible, model.r - true.r, 0.0)
        return jnp.mean(off**2 + kl_rows(true.P, model.P), where=true.feasible), None


def mle(alpha: float = 0.01) -> MLE:
    """Maximum likelihood with exact expectations, Nikishin et al. 2021, section 4.2:

        mean_{s,a} (r_hat(s, a) - r(s, a))^2 + mean_{s,a} KL(p(.|s, a) || p_hat(.|s, a))

    over feasible actions. The loss is +inf where `p_hat` is 0 and `p` is not.

    Args:
      alpha: temperature of the agent that plans with the learned model. The loss doesn't depend on it; the Q and J of a
        fit do.

    Raises:
      ValueError if alpha isn't positive.
    """
    return MLE(check_alpha(alpha))
