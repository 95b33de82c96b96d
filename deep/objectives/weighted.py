"""Weighted likelihood: some transitions count more (Lambert et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from deep.objectives.mle import Predictor, reward_error
from deep.replay import Transitions


def weighted(model: Predictor, batch: Transitions, weight: Callable[[Transitions], Array]) -> Float[Array, ""]:
    """`sum_k w_k (-log p_hat(s'_k)) / sum_k w_k + mean (r_hat - r)^2`.

    Args:
      weight: from a batch to weights >= 0 of shape (batch,), constants in the derivative: `by_value`, or your own.
    """
    prediction = model(batch.s, batch.a)
    w = jax.lax.stop_gradient(weight(batch))
    return jnp.sum(w * prediction.surprise(batch.s_next)) / jnp.sum(w) + reward_error(prediction, batch)


def by_value(value: Callable[[Array], Array]) -> Callable[[Transitions], Array]:
    """Weights `|V(s')|`, as in the code published with Voelcker et al. 2022."""
    return lambda batch: abs(value(batch.s_next))


def by_inverse_value(value: Callable[[Array], Array]) -> Callable[[Transitions], Array]:
    """Weights `1 / |V(s')|`, as the text of Voelcker et al. 2022 says."""
    return lambda batch: 1 / abs(value(batch.s_next))
