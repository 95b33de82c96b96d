"""Soft Q-learning: networks for Q, their backup, and their loss. The backup is `tabular`'s, on a batch of states."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from deep.nets import MLP, mlp, stacked
from deep.replay import Transitions
from tabular.operators import hard_value, soft_value


class Critic(eqx.Module):
    """One or two networks for Q, whose smaller value counts."""

    heads: MLP
    """A leading axis of heads on every array."""

    def __call__(self, s: Float[Array, "batch observation"]) -> Float[Array, "heads batch actions"]:
        return jax.vmap(lambda head: head(s))(self.heads)


def critic(key: PRNGKeyArray, sizes: Sequence[int], dtype, heads: int = 2) -> Critic:
    """A critic with random weights. Call it outside `jit` and `vmap`: see `nets.stacked`."""
    return Critic(stacked([mlp(key, sizes, dtype) for key in jax.random.split(key, heads)]))


def value(target: Critic, s: Float[Array, "batch observation"], alpha, hard: bool) -> Float[Array, " batch"]:
    """`alpha log sum_a exp(min_i Q_i(s, a) / alpha)`, or `max_a min_i Q_i(s, a)` if `hard`."""
    Q = target(s).min(axis=0)
    return hard_value(Q) if hard else soft_value(Q, alpha)


def backup(target: Critic, batch: Transitions, gamma, alpha, hard: bool) -> Float[Array, " batch"]:
    """`y = r + gamma m V(s')`, with the value of the target network."""
    return batch.r + gamma * batch.m * value(target, batch.s_next, alpha, hard)


def critic_loss(critic: Critic, target: Critic, batch: Transitions, gamma, alpha, hard: bool) -> Float[Array, ""]:
    """`1/2 sum_i mean (Q_i(s, a) - y)^2`; no derivative passes to the target network, but to the batch it does."""
    y = backup(jax.lax.stop_gradient(target), batch, gamma, alpha, hard)
    Q = jnp.take_along_axis(critic(batch.s), batch.a[None, :, None], axis=2)[..., 0]
    return 0.5 * jnp.sum(jnp.mean((Q - y[None]) ** 2, axis=1))


def towards(target: Critic, critic: Critic, tau) -> Critic:
    """`(1 - tau) target + tau critic`."""
    return jax.tree.map(lambda old, new: old + tau * (new - old), target, critic)
