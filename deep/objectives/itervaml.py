"""Value-aware models: expected values of next states are right, for the current value function (Farahmand 2018)."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from deep.objectives.mle import Predictor, reward_error
from deep.replay import Transitions


def itervaml(
    model: Predictor,
    batch: Transitions,
    value: Callable[[Array], Array],
    key: PRNGKeyArray,
    *,
    draws: int = 1,
    mle_weight: float | Array = 0.0,
) -> Float[Array, ""]:
    """`mle_weight mean -log p_hat(s') + (1 - mle_weight) mean (V(s') - E V(s'_hat))^2 + mean (r_hat - r)^2`.

    Lovatto et al. 2020, eq. 8 and 10. The expectation is a mean over `draws` next states of the model; for a point one
    is exact. Minimal where the model's expected values are right: with random dynamics the loss is then the mean
    variance of V(s'), not 0.

    Args:
      value: from states (..., n) to values (...), a constant in the derivative.
      key: for the draws.
      mle_weight: Lovatto's alpha, 0 to 1.
    """
    prediction = model(batch.s, batch.a)
    drawn = jax.vmap(prediction.draw)(jax.random.split(key, draws))
    off = value(batch.s_next) - jnp.mean(jax.vmap(value)(drawn), axis=0)
    likelihood = jnp.mean(prediction.surprise(batch.s_next))
    return mle_weight * likelihood + (1 - mle_weight) * jnp.mean(off**2) + reward_error(prediction, batch)
