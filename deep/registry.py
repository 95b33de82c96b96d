"""What the names in a configuration stand for. Names are resolved here, at the outer door, and nowhere further in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import jax.numpy as jnp

from deep.agents.methods import METHODS
from deep.envs import CartPole, Discrete, DoubleIntegrator, Env, Pendulum
from tabular.device.hypergradient import Inverse, cg, dense, gmres, identity, neumann
from tabular.errors import suggestion

__all__ = ["ENVIRONMENTS", "INVERSES", "METHODS", "PRECISIONS", "inverse", "known"]

WITHOUT_MODEL = ("model_free",)
"""Methods that learn no model."""

PRECISIONS: dict[str, Any] = {"float32": jnp.float32, "float64": jnp.float64}

TORQUES = 5
"""Of the pendulum, for agents that need finitely many actions; chosen here."""

ENVIRONMENTS: dict[str, Callable[[Any], Env]] = {
    "cartpole": lambda dtype: CartPole(dtype),
    "pendulum": lambda dtype: Pendulum(dtype, actions=Discrete(TORQUES)),
    "double_integrator": lambda dtype: DoubleIntegrator(dtype),
}
"""From the type of numbers to an environment. Soft Q-learning acts in those with finitely many actions."""

INVERSES: dict[str, Callable[[int, float, float], Inverse]] = {
    "identity": lambda steps, damping, size: identity,
    "dense": lambda steps, damping, size: dense(damping),
    "cg": lambda steps, damping, size: cg(steps, damping),
    "gmres": lambda steps, damping, size: gmres(steps, damping),
    "neumann": lambda steps, damping, size: neumann(steps, size),
}
"""From steps, damping and step size to an inverse; each takes what it needs."""


@cache
def inverse(name: str, steps: int, damping: float, size: float) -> Inverse:
    """The inverse of that name. Equal arguments give the same function, so that nothing is compiled twice."""
    return INVERSES[name](steps, damping, size)


def known(field: str, name: Any, names: Iterable[str]) -> None:
    """Nothing, for a name that there is.

    Raises:
      ValueError for another; it lists the nearest ones.
    """
    names = list(names)
    if name not in names:
        raise ValueError(f"{field} = {name!r} is unknown.{suggestion(str(name), names)} There are {', '.join(names)}.")
