"""Environments as pure functions of arrays: `reset(key)` and `step(key, state, action)`, for `jit` and `vmap`."""

from deep.envs.base import Box, Discrete, Env, Step
from deep.envs.cartpole import CartPole
from deep.envs.distractors import GaussianDistractors
from deep.envs.double_integrator import DoubleIntegrator
from deep.envs.pendulum import Pendulum
from deep.envs.random_mlp import RandomMLP, random_mlp
from deep.envs.sine import SineDistractors, sine_distractors

__all__ = [
    "Box",
    "CartPole",
    "Discrete",
    "DoubleIntegrator",
    "Env",
    "GaussianDistractors",
    "Pendulum",
    "RandomMLP",
    "SineDistractors",
    "Step",
    "random_mlp",
    "sine_distractors",
]
