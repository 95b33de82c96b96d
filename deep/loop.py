"""An agent in its environment, as one compiled loop: `chunk` advances many runs at once, `evaluate` tests them.

Runs differ in their seeds and `Hyper`, and are the leading axis of every array; how far they are is the same for all.
Nothing leaves the device between two chunks.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from deep.agents.soft_q import Hyper, Learner, Losses, SoftQ
from deep.critics import Critic
from deep.envs.base import Env
from deep.nets import stacked
from deep.replay import Replay, Transitions, add, empty, sample


class Actor(NamedTuple):
    """Where an agent stands in its environment."""

    state: Any
    observation: Float[Array, " observation"]
    age: Int[Array, ""]
    """Steps since the reset."""


class Run(NamedTuple):
    """Everything about a run that the next step depends on."""

    key: PRNGKeyArray
    actor: Actor
    learner: Learner
    replay: Replay


class Summary(NamedTuple):
    """What a chunk was like, for each run."""

    losses: Losses
    """Means over the chunk."""
    episodes: Int[Array, ""]
    """That ended in it."""


def begin(agent: SoftQ, env: Env, seeds: tuple[int, ...], steps: int) -> Run:
    """Runs before their first step, one for each seed, with room for this many transitions."""

    def one(seed: int) -> Run:
        key, of_learner, of_actor = jax.random.split(jax.random.key(seed, impl="threefry2x32"), 3)
        state, observation = env.reset(of_actor)
        age = jnp.zeros((), jnp.int32)
        number = jnp.zeros((), env.dtype)
        like = Transitions(observation, age, number, observation, number)
        return Run(key, Actor(state, observation, age), agent.init(of_learner, env), empty(steps, like))

    return stacked([one(seed) for seed in seeds])


@partial(jax.jit, static_argnames=("agent", "length", "batch", "learning", "env_axis"), donate_argnames="runs")
def chunk(
    agent: SoftQ,
    env: Env,
    runs: Run,
    hyper: Hyper,
    position: Array,
    *,
    length: int,
    batch: int,
    learning: bool,
    env_axis: int | None = None,
) -> tuple[Run, Summary]:
    """`length` steps of every run from step `position` on, with an update after each if `learning`, else at random.

    With `env_axis=0` every run has an environment of its own: the arrays of `env` have an axis of runs.
    """

    def step(runs: Run, position: Array) -> tuple[Run, tuple[Losses, Array]]:
        return advance(agent, env, runs, hyper, position, batch=batch, learning=learning, env_axis=env_axis)

    runs, (losses, ended) = lax.scan(step, runs, position + jnp.arange(length, dtype=jnp.int32))
    return runs, Summary(jax.tree.map(lambda x: x.mean(0), losses), ended.sum(0, dtype=jnp.int32))


def advance(
    agent: SoftQ,
    env: Env,
    runs: Run,
    hyper: Hyper,
    position: Array,
    *,
    batch: int,
    learning: bool,
    env_axis: int | None = None,
) -> tuple[Run, tuple[Losses, Array]]:
    """One step of every run, see `chunk`: runs, losses, and which episodes ended. Pure, for `jit` and `scan`."""
    one = partial(_step, agent, batch, learning)
    return jax.vmap(one, in_axes=(env_axis, 0, 0, None))(env, runs, hyper, position)


def _step(agent: SoftQ, batch: int, learning: bool, env: Env, run: Run, hyper: Hyper, position: Array):
    """One step of one run: act, keep the transition, learn."""
    key, of_action, of_step, of_reset, of_update = jax.random.split(run.key, 5)
    epsilon = hyper.epsilon if learning else 1.0
    action = act(agent, hyper, run.learner.critic, run.actor.observation, epsilon, of_action)
    actor, transition, ended = move(env, run.actor, action, of_step, of_reset)
    replay = add(run.replay, position, transition)
    learner, losses = run.learner, Losses(*[jnp.full((), jnp.nan, env.dtype)] * 2)
    if learning:
        draw = partial(sample, replay, size=batch, n=position + 1)
        learner, losses = agent.update(agent, hyper, learner, draw, of_update)
    return Run(key, actor, learner, replay), (losses, ended)


def act(agent: SoftQ, hyper: Hyper, critic: Critic, observation: Array, epsilon: Any, key: PRNGKeyArray) -> Array:
    """An action of the agent's policy, or with probability `epsilon` any."""
    of_policy, of_chance, of_any = jax.random.split(key, 3)
    pi = agent.policy(hyper, critic, observation[None])[0]
    own = jax.random.categorical(of_policy, jnp.log(pi)).astype(jnp.int32)
    other = jax.random.randint(of_any, (), 0, pi.size, dtype=jnp.int32)
    chance = jax.random.uniform(of_chance, (), pi.dtype) < epsilon
    return jnp.where(chance, other, own)


def move(env: Env, actor: Actor, action: Array, of_step: PRNGKeyArray, of_reset: PRNGKeyArray):
    """Act, and begin anew where the episode is over."""
    step = env.step(of_step, actor.state, action)
    going_on = 1 - step.terminated.astype(env.dtype)
    transition = Transitions(actor.observation, action, step.reward, step.observation, going_on)
    ended = step.terminated | (actor.age + 1 >= env.time_limit)
    fresh = Actor(*env.reset(of_reset), jnp.zeros_like(actor.age))
    after = Actor(step.state, step.observation, actor.age + 1)
    return jax.tree.map(partial(jnp.where, ended), fresh, after), transition, ended


@partial(jax.jit, static_argnames=("agent", "episodes", "env_axis"))
def evaluate(
    agent: SoftQ,
    env: Env,
    learner: Learner,
    hyper: Hyper,
    key: PRNGKeyArray,
    *,
    episodes: int,
    env_axis: int | None = None,
) -> Array:
    """Undiscounted returns of episodes of every run, shape (runs, episodes); actions are drawn from its policy.

    Args:
      key: one, or one for each run.
      env_axis: 0 if the arrays of `env` have an axis of runs.
    """
    keys = key if key.ndim else jax.random.split(key, len(jax.tree.leaves(learner)[0]))
    keys = jax.vmap(lambda key: jax.random.split(key, episodes))(keys)
    play = jax.vmap(partial(_episode, agent), in_axes=(None, None, None, 0))
    return jax.vmap(play, in_axes=(env_axis, 0, 0, 0))(env, learner.critic, hyper, keys)


def _episode(agent: SoftQ, env: Env, critic: Critic, hyper: Hyper, key: PRNGKeyArray) -> Array:
    """The return of one episode."""
    of_reset, of_steps = jax.random.split(key)

    def step(carry: tuple[Any, Array, Array, Array], key: PRNGKeyArray):
        state, observation, going, total = carry
        of_action, of_step = jax.random.split(key)
        after = env.step(of_step, state, act(agent, hyper, critic, observation, 0.0, of_action))
        total = total + going * after.reward
        return (after.state, after.observation, going * (1 - after.terminated.astype(env.dtype)), total), None

    first = (*env.reset(of_reset), jnp.ones((), env.dtype), jnp.zeros((), env.dtype))
    (*_, total), _ = lax.scan(step, first, jax.random.split(of_steps, env.time_limit))
    return total
