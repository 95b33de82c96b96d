"""Value-gradient weighted models: errors count where the value function is steep (Voelcker et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from deep.objectives.mle import Predictor, reward_error
from deep.replay import Transitions


def vagram(model: Predictor, batch: Transitions, value: Callable[[Array], Array]) -> Float[Array, ""]:
    """`mean sum_i (dV/ds_i(s'))^2 (f(s, a) - s')_i^2 + mean (r_hat - r)^2`, Voelcker et al. 2022, eq. 7.

    Args:
      value: from states (..., n) to values (...). Its gradient is taken at the true next state, and is a constant.
    """
    prediction = model(batch.s, batch.a)
    weighted = (slopes(value, batch.s_next) * (prediction.mean - batch.s_next)) ** 2
    return jnp.mean(weighted.sum(-1)) + reward_error(prediction, batch)


def taylor(model: Predictor, batch: Transitions, value: Callable[[Array], Array]) -> Float[Array, ""]:
    """`mean (grad V(s')' (f(s, a) - s'))^2 + mean (r_hat - r)^2`, Voelcker et al. 2022, eq. 5.

    The square of the first-order change of V. It is 0 on a whole plane through s': at most n times `vagram`, which has
    no such directions.
    """
    prediction = model(batch.s, batch.a)
    change = jnp.sum(slopes(value, batch.s_next) * (prediction.mean - batch.s_next), axis=-1)
    return jnp.mean(change**2) + reward_error(prediction, batch)


def slopes(value: Callable[[Array], Array], s: Float[Array, "batch n"]) -> Float[Array, "batch n"]:
    """Gradient of the value function at each state, a constant in any derivative."""
    return jax.lax.stop_gradient(jax.grad(lambda s: jnp.sum(value(s)))(s))
