"""A mass on a line that is pushed: linear motion and a quadratic cost, so that everything has a closed form.

`tabular.worlds.continuous.double_integrator` is the same system with its values and policy gradients.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from deep.envs.base import Box, Step


class DoubleIntegrator(eqx.Module):
    """State and observation: position and velocity, at first (1, 1). `s' = s + dt (v, a)`, of Clavera et al. 2020, 5.2.

    Pays `-cost (p^2 + v^2 + a^2)` for the state before the step. `published` is what the code published with the paper
    does.
    """

    dtype: Any = eqx.field(static=True, default=jnp.float32)
    dt: float = eqx.field(static=True, default=0.05)
    cost: float = eqx.field(static=True, default=0.5)
    lowest: float | None = eqx.field(static=True, default=None)
    """Where position and velocity are clipped from below, if at all."""
    limited: bool = eqx.field(static=True, default=False)
    """Whether an action beyond the limits counts as the limit; otherwise it counts as it is, and all is linear."""
    observation_size: int = eqx.field(static=True, default=2)
    actions: Box = eqx.field(static=True, default=Box(1, -1.0, 1.0))
    time_limit: int = eqx.field(static=True, default=200)

    @staticmethod
    def published(dtype=jnp.float32) -> DoubleIntegrator:
        """As in the published code (`mb_envs/double_integral.py`), which isn't the linear system of the paper's figure.

        Its step pays a tenth (0.05 for 0.5) of the reward that its agent's model uses, and clips both numbers at -1;
        the environment's wrapper limits actions.
        """
        return DoubleIntegrator(dtype, cost=0.05, lowest=-1.0, limited=True)

    def reset(self, key: PRNGKeyArray) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
        state = jnp.ones(2, self.dtype)
        return state, state

    def step(self, key: PRNGKeyArray, state: Float[Array, "2"], action: Float[Array, "1"]) -> Step:
        a = jnp.clip(action, self.actions.low, self.actions.high) if self.limited else action
        after = state + self.dt * jnp.concatenate([state[1:], a])
        if self.lowest is not None:
            after = jnp.maximum(after, self.lowest)
        reward = -self.cost * (jnp.sum(state**2) + jnp.sum(a**2))
        return Step(after, after, reward, jnp.zeros((), bool))
