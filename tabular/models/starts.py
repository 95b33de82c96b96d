"""Random starts of fits, and the random bits they are pinned to."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import NamedTuple

import jax

from tabular.mdp import MDP

RANDOM_BITS = "threefry2x32, partitionable=False"
"""The generator that all draws are pinned to, whatever JAX's defaults are; recorded with results."""


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
