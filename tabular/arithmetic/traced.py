"""Fixed points in JAX, with derivatives: what the attack climbs along."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from tabular import device
from tabular.arithmetic import values
from tabular.mdp import MDP


def optimal_q(P, r, gamma):
    """Optimal action values by policy iteration. The derivative is that of the optimal policy's values (envelope
    theorem), the right one wherever a single policy is optimal."""
    states = jnp.arange(r.shape[0])

    def q(actions):
        return values.policy_q(*fixed, jax.nn.one_hot(actions, r.shape[1], dtype=P.dtype))

    def improved(actions):
        Q = q(actions)
        best = Q.argmax(axis=1)
        return jnp.where(Q[states, best] > Q[states, actions] + 1e-13 * (1 + abs(Q).max()), best, actions)

    def unsettled(now):
        old, new, steps = now
        return (old != new).any() & (steps < values.STEPS)

    fixed = lax.stop_gradient((P, r, gamma))
    first = jnp.argmax(fixed[1], axis=1)
    end = lax.while_loop(unsettled, lambda now: (now[1], improved(now[1]), now[2] + 1), (first, improved(first), 0))
    return values.policy_q(P, r, gamma, jax.nn.one_hot(end[1], r.shape[1], dtype=P.dtype))


def soft_q(P, r, gamma, alpha):
    """Soft-optimal action values, differentiable by the implicit function theorem."""
    return device.soft_q(MDP(P, r, gamma, jnp.ones(P.shape[0]) / P.shape[0]), alpha)
