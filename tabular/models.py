"""Model classes: from parameters to an MDP, and the set the parameters must stay in.

A model class is a frozen record, registered as a JAX pytree, with

    init(true, key) -> theta            random parameters, any pytree of float64 arrays
    mdp(true, theta) -> MDP             the model; what is not learned (gamma, rho, which actions exist) is the truth's
    project(theta, kappa) -> theta      back into the set of size kappa
    bounded                             whether kappa means anything

all written for one MDP and pure: `fit` differentiates, batches and compiles them. A new class needs nothing else.

The norm of a table of logits and rewards is bounded by kappa in four ways, named in every table and figure:

    name            P_hat                 norm that is bounded
    authors         softmax(L / alpha)    of each array alone, only its first slice divided by alpha (`authors_balls`)
    paper_raw       softmax(L / alpha)    of all parameters together, ||(L / alpha, r)|| (`norm_ball`)
    paper_scaled    softmax(phi)          of all parameters together, ||(phi, r)|| (`norm_ball`)
    none            softmax(L / alpha)    none

Nikishin et al. 2021, eq. 8, state the norm of `paper_raw` and `paper_scaled`; the code they published has that of
`authors`, and only this one reproduces their Figures 2 and 4. `paper_raw` and `paper_scaled` bound the same set of
models, walked through with different steps: Adam changes every parameter by about lr, which is lr / alpha in L / alpha.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

import tabular.device  # noqa: F401  (switches JAX to float64, registers MDP as a pytree)
from tabular.mdp import MDP

RANDOM_BITS = "threefry2x32, partitionable=False"
"""The generator that all draws are pinned to, whatever JAX's defaults are; recorded with results."""


Scalar = jax.Array | float


class ModelClass(Protocol):
    """What `fit` needs to know about a model class; see the module's docstring."""

    @property
    def bounded(self) -> bool: ...

    def init(self, true: MDP, key: jax.Array, /) -> Any: ...

    def mdp(self, true: MDP, theta: Any, /) -> MDP: ...

    def project(self, theta: Any, kappa: Scalar, /) -> Any: ...


class Theta(NamedTuple):
    """Parameters of a softmax table."""

    logits: jax.Array
    """Unnormalised log-probabilities in units of the temperature, shape (S, A, S)."""
    reward: jax.Array
    """Rewards, shape (S, A)."""


Projection = Callable[[Theta, Scalar, Scalar], Theta]
"""A function of (theta, kappa, temperature)."""


@partial(jax.tree_util.register_dataclass, data_fields=["temperature"], meta_fields=["projection"])
@dataclass(frozen=True)
class SoftmaxTable:
    """A logit for every (s, a, s') and a reward for every (s, a): `P_hat = softmax(logits / temperature)`.

    With a temperature below 1, `init` draws a nearly deterministic model and a step of the optimiser is a large one.
    Infeasible actions stay infeasible; in a terminating MDP the probability of the end is the true one.
    """

    temperature: float = 1.0
    projection: Projection | None = None

    @property
    def bounded(self) -> bool:
        return self.projection is not None

    def init(self, true: MDP, key: jax.Array) -> Theta:
        """Logits and rewards uniform on [0, 1), from the stream of `random_start`."""
        start = random_start(true, key)
        return Theta(start.logits, start.reward)

    def mdp(self, true: MDP, theta: Theta) -> MDP:
        """The model with these parameters."""
        P = jax.nn.softmax(theta.logits / self.temperature)
        if true.terminating:
            P = P * jnp.sum(true.P, axis=-1, keepdims=True)
        P = jnp.where(true.feasible[:, :, None], P, 0.0)
        r = jnp.where(true.feasible, theta.reward, -jnp.inf)
        return MDP(P, r, true.gamma, true.rho, true.terminating)

    def project(self, theta: Theta, kappa: Scalar) -> Theta:
        """The parameters scaled back to norm kappa where the norm exceeds it."""
        return theta if self.projection is None else self.projection(theta, kappa, self.temperature)


def softmax_table(projection: str = "none", *, alpha: float = 0.01) -> SoftmaxTable:
    """The softmax table of Nikishin et al. 2021 with one of its norms: `authors`, `paper_raw`, `paper_scaled`, `none`.

    Args:
      alpha: what raw logits are divided by, in the model and in the norm; `paper_scaled` learns the quotient itself.

    Raises:
      ValueError for another name, or an alpha that isn't positive.
    """
    if not alpha > 0:
        raise ValueError(f"alpha = {alpha}, expected a positive temperature.")
    tables = {
        "authors": SoftmaxTable(float(alpha), authors_balls),
        "paper_raw": SoftmaxTable(float(alpha), norm_ball),
        "paper_scaled": SoftmaxTable(1.0, norm_ball),
        "none": SoftmaxTable(float(alpha), None),
    }
    if projection not in tables:
        raise ValueError(f"projection = {projection!r}, expected one of {', '.join(tables)}.")
    return tables[projection]


# projections


def norm_ball(theta: Theta, kappa: Scalar, temperature: Scalar) -> Theta:
    """All parameters scaled by `min(1, kappa / ||(L / temperature, r)||)`: Nikishin et al. 2021, eq. 8."""
    scale = _shrink(_square(theta.logits / temperature) + _square(theta.reward), kappa)
    return Theta(scale * theta.logits, scale * theta.reward)


def authors_balls(theta: Theta, kappa: Scalar, temperature: Scalar) -> Theta:
    """Logits and rewards scaled each alone, as the code published with Nikishin et al. 2021 does:

        L <- L min(1, kappa / n_L),   n_L^2 = ||L[:, 0, :] / temperature||^2 + ||L[:, 1:, :]||^2   (first action)
        r <- r min(1, kappa / n_r),   n_r^2 = ||r[0, :] / temperature||^2 + ||r[1:, :]||^2         (first state)

    The code means "logits / temperature, rewards", but its optimiser maps the projection over the arrays, whose first
    slices are then taken for the logits. Logits are stored there as (a, s, s').
    """
    first, others = theta.logits[:, 0], theta.logits[:, 1:]
    logits = _shrink(_square(first / temperature) + _square(others), kappa) * theta.logits
    first, others = theta.reward[0], theta.reward[1:]
    return Theta(logits, _shrink(_square(first / temperature) + _square(others), kappa) * theta.reward)


def _square(x: jax.Array) -> jax.Array:
    return jnp.sum(x**2)


def _shrink(square: jax.Array, kappa: Scalar) -> jax.Array:
    """`kappa / norm` if the norm is above kappa, else 1. Value and derivative are finite at norm 0, kappa 0 and inf."""
    norm = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    outside = (square > 0) & (norm > kappa)
    return jnp.where(outside, kappa / jnp.where(outside, norm, 1.0), 1.0)


# random starts


class Start(NamedTuple):
    """A random start: a Q to iterate from and the parameters of a table."""

    Q: jax.Array
    """Shape (S, A)."""
    logits: jax.Array
    """Shape (S, A, S)."""
    reward: jax.Array
    """Shape (S, A)."""


def seed_key(seed: int) -> jax.Array:
    """The key of an integer seed, of the pinned generator."""
    return jax.random.PRNGKey(seed, impl="threefry2x32")


def pinned_bits() -> AbstractContextManager:
    """A context in which JAX draws the bits of `RANDOM_BITS`. It holds for what is executed or compiled inside it."""
    return jax.threefry_partitionable(False)


def random_start(true: MDP, key: jax.Array) -> Start:
    """Q, logits and rewards uniform on [0, 1) in float64, bit for bit as in the code of Nikishin et al. 2021.

    The key is split in three, for Q, logits and rewards; logits are drawn in the layout (a, s, s').
    Inside a compiled function, the whole call must lie within `pinned_bits()`.
    """
    S, A = true.r.shape
    with pinned_bits():
        keys = jax.random.split(key, 3)
        Q, L, r = (jax.random.uniform(k, shape) for k, shape in zip(keys, ((S, A), (A, S, S), (S, A)), strict=True))
    return Start(Q, L.transpose(1, 0, 2), r)
