"""Environments as pure functions of arrays: `reset(key)` and `step(key, state, action)`, for `jit` and `vmap`."""

from deep.envs.base import Discrete, Env, Step
from deep.envs.cartpole import CartPole
from deep.envs.distractors import GaussianDistractors

__all__ = ["CartPole", "Discrete", "Env", "GaussianDistractors", "Step"]
