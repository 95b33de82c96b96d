"""Value equivalence: values of the predicted next states are right, for given value functions (Grimm et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from deep.objectives.mle import Predictor, reward_error
from deep.replay import Transitions


def vep(model: Predictor, batch: Transitions, values: Callable[[Array], Array], key: PRNGKeyArray) -> Float[Array, ""]:
    """`sum_V mean (V(s') - V(s'_hat))^2 + mean (r_hat - r)^2`, Nikishin et al. 2021, eq. 15 from samples.

    Args:
      values: from states (batch, n) to values of shape (functions, batch). Published: five random networks.
      key: for the next state drawn from a probabilistic model.
    """
    prediction = model(batch.s, batch.a)
    off = values(batch.s_next) - values(prediction.draw(key))
    return jnp.sum(jnp.mean(off**2, axis=1)) + reward_error(prediction, batch)
