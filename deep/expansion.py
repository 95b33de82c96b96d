"""Values and policy gradients through a model: H steps of it, then the critic (Clavera et al. 2020, MAAC).

    J_H(pi) = E [ sum_{t<H} gamma^t r(s_t, a_t) + gamma^H Q(s_H, a_H) ],    s_{t+1} = f(s_t, a_t),  a_t = pi(s_t)

Its derivative by the policy runs back through the model, the rewards and the critic, whose own parameters are held. So
with the true model and the true critic the *value* is the return for every H, but the *gradient* isn't the policy
gradient: it lacks the terms t > H, since the critic is that of the policy before the step. They are of the size
gamma^(H+1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

Policy = Callable[[Any, Array, PRNGKeyArray], Array]
"""From parameters, a state and a key to an action."""
Dynamics = Callable[[Array, Array, PRNGKeyArray], Array]
"""From a state, an action and a key to the next state."""
OfBoth = Callable[[Array, Array], Array]
"""From a state and an action to a number: a reward, a critic."""


def expanded_return(
    theta: Any,
    policy: Policy,
    dynamics: Dynamics,
    reward: OfBoth,
    critic: OfBoth,
    start: Float[Array, " n"],
    key: PRNGKeyArray,
    *,
    H: int,
    gamma: float | Array,
) -> Float[Array, ""]:
    """J_H from one start; its derivative by `theta` is MAAC's. Take the mean over starts and keys with `vmap`.

    At H = 0 it is Q(s, pi(s)), whose derivative is that of the actor in SAC without its entropy.
    """
    return expanded_returns(theta, policy, dynamics, reward, critic, start, key, H_max=H, gamma=gamma)[H]


def expanded_returns(
    theta: Any,
    policy: Policy,
    dynamics: Dynamics,
    reward: OfBoth,
    critic: OfBoth,
    start: Float[Array, " n"],
    key: PRNGKeyArray,
    *,
    H_max: int,
    gamma: float | Array,
) -> Float[Array, " horizons"]:
    """J_H of one rollout for H = 0, ..., H_max."""

    def step(carry: tuple[Array, Array, Array], key: PRNGKeyArray):
        s, total, weight = carry
        of_action, of_step = jax.random.split(key)
        a = policy(theta, s, of_action)
        here = total + weight * critic(s, a)
        return (dynamics(s, a, of_step), total + weight * reward(s, a), weight * gamma), here

    begun = (start, jnp.zeros((), start.dtype), jnp.ones((), start.dtype))
    return lax.scan(step, begun, jax.random.split(key, H_max + 1))[1]


def expanded_gradients(
    theta: Any,
    policy: Policy,
    dynamics: Dynamics,
    reward: OfBoth,
    critic: OfBoth,
    start: Float[Array, " n"],
    key: PRNGKeyArray,
    *,
    H_max: int,
    gamma: float | Array,
) -> Any:
    """Derivatives by `theta` of J_H for H = 0, ..., H_max: a tree like `theta` with a leading axis of horizons.

    By forward differentiation: right for policies of few parameters.
    """

    def returns(theta: Any) -> Array:
        return expanded_returns(theta, policy, dynamics, reward, critic, start, key, H_max=H_max, gamma=gamma)

    return jax.jacfwd(returns)(theta)
