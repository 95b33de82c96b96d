"""What a learned model dreams, beside what the environment does."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from jax import lax
from jaxtyping import Array

from deep.lanes import RANDOM_BITS
from deep.loop import act
from deep.runs import Run


@dataclass(frozen=True)
class Rollout:
    """Two paths from one state by the same actions, the agent's in the environment."""

    real: np.ndarray
    """States (steps + 1, n)."""
    dreamt: np.ndarray
    """The model's, fed with its own answers, (steps + 1, n)."""
    actions: np.ndarray
    """(steps,)."""


def rollout(run: Run, steps: int, setting: int = 0, seed: int = 0, key: int = 0) -> Rollout:
    """From a start of the environment with an agent of a run; `setting` and `seed` count from 0.

    The real path goes on through falls, as far as the equations of motion do.

    Raises:
      ValueError for a run without its state, or without a model.
    """
    if run.state is None or not run.configs[0].has_model:
        raise ValueError("rollout needs a run that holds its networks, of a method with a model.")
    lane, lanes = setting * len(run.seeds) + seed, run.lanes
    env, hyper, learner = jax.tree.map(lambda x: x[lane], (lanes.envs, lanes.hyper, run.state.learner))
    of_reset, of_steps = jax.random.split(jax.random.key(key, impl=RANDOM_BITS))

    def step(carry: tuple, key: Array) -> tuple[tuple, tuple]:
        state, s, dream = carry
        a = act(lanes.agent, hyper, learner.critic, s, 0.0, key)
        after = env.step(key, state, a)
        dream = learner.model(dream[None], a[None]).mean[0]
        return (after.state, after.observation, dream), (after.observation, dream, a)

    state, s = env.reset(of_reset)
    walk = jax.jit(lambda keys: lax.scan(step, (state, s, s), keys)[1])
    real, dreamt, actions = walk(jax.random.split(of_steps, steps))
    real, dreamt = (np.concatenate([s[None], path]) for path in (real, dreamt))
    return Rollout(real, dreamt, np.asarray(actions))
