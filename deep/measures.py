"""What is measured beside the return: the error of a model's next states on transitions it didn't learn from."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from deep.agents import Hyper, Learner, SoftQ
from deep.envs import Env
from deep.loop import Actor, act, move
from deep.models import Model
from deep.replay import Transitions


@partial(jax.jit, static_argnames=("agent", "length"))
def transitions(
    agent: SoftQ, envs: Env, learner: Learner, hyper: Hyper, keys: PRNGKeyArray, *, length: int
) -> Transitions:
    """New transitions of every run, shape (runs, length, ...): its agent acts as in training, and learns nothing.

    Args:
      envs: an environment for each run.
      keys: a key for each run.
    """

    def one(env: Env, learner: Learner, hyper: Hyper, key: PRNGKeyArray) -> Transitions:
        def step(actor: Actor, key: PRNGKeyArray) -> tuple[Actor, Transitions]:
            of_action, of_step, of_reset = jax.random.split(key, 3)
            action = act(agent, hyper, learner.critic, actor.observation, hyper.epsilon, of_action)
            actor, seen, _ = move(env, actor, action, of_step, of_reset)
            return actor, seen

        of_reset, of_steps = jax.random.split(key)
        first = Actor(*env.reset(of_reset), jnp.zeros((), jnp.int32))
        return lax.scan(step, first, jax.random.split(of_steps, length))[1]

    return jax.vmap(one)(envs, learner, hyper, keys)


@jax.jit
def next_state_error(model: Model, seen: Transitions) -> Float[Array, " runs"]:
    """Mean over transitions of `|s'_hat - s'|^2`, summed over the parts of a state; of a distribution, its mean."""

    def one(model: Model, seen: Transitions) -> Array:
        return jnp.mean(jnp.sum((model(seen.s, seen.a).mean - seen.s_next) ** 2, axis=-1))

    return jax.vmap(one)(model, seen)
