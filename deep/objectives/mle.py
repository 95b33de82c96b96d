"""Maximum likelihood, which for a point is the mean squared error."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from deep.models import Prediction
from deep.replay import Transitions

Predictor = Callable[[Array, Array], Prediction]
"""From states and actions to predictions: a `Model`."""


def mle(model: Predictor, batch: Transitions) -> Float[Array, ""]:
    """`mean -log p_hat(s' | s, a) + mean (r_hat - r)^2`; a point's surprise is `|s' - f(s, a)|^2`.

    Nikishin et al. 2021, sec. 6: squared errors are summed over the parts of a state.
    """
    prediction = model(batch.s, batch.a)
    return jnp.mean(prediction.surprise(batch.s_next)) + reward_error(prediction, batch)


def reward_error(prediction: Prediction, batch: Transitions) -> Float[Array, ""]:
    """`mean (r_hat - r)^2`, a part of every loss."""
    return jnp.mean((prediction.r - batch.r) ** 2)
