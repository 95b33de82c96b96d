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
from deep.replay import Replay, Transitions, add, append, empty, sample


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


@partial(jax.jit, static_argnames=("agent", "length", "batch", "learning"), donate_argnames="runs")
def chunk(
    agent: SoftQ, envs: Env, runs: Run, hyper: Hyper, position: Array, *, length: int, batch: int, learning: bool
) -> tuple[Run, Summary]:
    """`length` steps of every run, with an update after each if `learning`, else at random.

    Args:
      envs: an environment for each run, such as `deep.nets.stacked([env] * n)`.
      position: how many steps were taken before.
    """

    def one(i: Array, env: Env, past: Replay, run: Run, hyper: Hyper) -> tuple[Run, tuple[Losses, Array]]:
        epsilon = hyper.epsilon if learning else jnp.ones((), env.dtype)
        run, ended, key = _acted(agent, env, run, hyper._replace(epsilon=epsilon), i)
        if not learning:
            return run, (Losses(*[jnp.full((), jnp.nan, env.dtype)] * 2), ended)
        draw = partial(sample, past, position, run.replay, i + 1, size=batch)
        learner, losses = agent.update(agent, hyper, run.learner, draw, key)
        return run._replace(learner=learner), (losses, ended)

    def step(runs: Run, i: Array) -> tuple[Run, tuple[Losses, Array]]:
        return jax.vmap(one, in_axes=(None, 0, 0, 0, 0))(i, envs, past, runs, hyper)

    past = runs.replay
    recent = jax.tree.map(lambda x: jnp.zeros((x.shape[0], length, *x.shape[2:]), x.dtype), past)
    runs, (losses, ended) = lax.scan(step, runs._replace(replay=recent), jnp.arange(length, dtype=jnp.int32))
    replay = jax.vmap(append, in_axes=(0, None, 0))(past, position, runs.replay)
    summary = Summary(jax.tree.map(lambda x: x.mean(0), losses), ended.sum(0, dtype=jnp.int32))
    return runs._replace(replay=replay), summary


def _acted(agent: SoftQ, env: Env, run: Run, hyper: Hyper, i: Array) -> tuple[Run, Array, PRNGKeyArray]:
    """A run one step on, its transition kept at `i`; whether an episode ended; a key for learning."""
    key, of_action, of_step, of_reset, of_update = jax.random.split(run.key, 5)
    action = act(agent, hyper, run.learner.critic, run.actor.observation, hyper.epsilon, of_action)
    actor, transition, ended = move(env, run.actor, action, of_step, of_reset)
    return Run(key, actor, run.learner, add(run.replay, i, transition)), ended, of_update


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


@partial(jax.jit, static_argnames=("agent", "episodes"))
def evaluate(agent: SoftQ, envs: Env, learner: Learner, hyper: Hyper, keys: PRNGKeyArray, *, episodes: int) -> Array:
    """Undiscounted returns of episodes of every run, shape (runs, episodes); actions are drawn from its policy.

    Args:
      envs: an environment for each run.
      keys: a key for each run.
    """
    keys = jax.vmap(lambda key: jax.random.split(key, episodes))(keys)
    play = jax.vmap(partial(_episode, agent), in_axes=(None, None, None, 0))
    return jax.vmap(play)(envs, learner.critic, hyper, keys)


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
