"""Transitions: one record, and the buffer of all that were seen, in arrays on the device."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

DRAWS = 2
"""Indices drawn for each one wanted, so that enough of them differ."""


class Transitions(NamedTuple):
    """Transitions, with any leading axes."""

    s: Float[Array, "*batch observation"]
    a: Array
    """Numbers of actions, `(*batch)` int32, or actions, `(*batch, action)`."""
    r: Float[Array, "*batch"]
    s_next: Float[Array, "*batch observation"]
    m: Float[Array, "*batch"]
    """1 where values follow, 0 at a true end. Running out of time is no end."""


class Replay(NamedTuple):
    """A buffer that forgets nothing: as long as the run."""

    data: Transitions
    """Leading axis: the capacity."""

    @property
    def capacity(self) -> int:
        return self.data.r.shape[0]


def empty(capacity: int, like: Transitions) -> Replay:
    """A buffer for transitions of this kind."""
    return Replay(jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), like))


def add(replay: Replay, position: Int[Array, ""] | int, transition: Transitions) -> Replay:
    """Keep one transition at a position. Positions are the caller's: they are the same for all runs of a batch."""
    return append(replay, position, Replay(jax.tree.map(lambda x: jnp.asarray(x)[None], transition)))


def append(replay: Replay, position: Int[Array, ""] | int, recent: Replay) -> Replay:
    """Keep all transitions of another buffer, from a position on."""
    put = partial(lax.dynamic_update_slice_in_dim, start_index=position, axis=0)
    return jax.tree.map(put, replay, recent)


def sample(
    replay: Replay, n: Int[Array, ""] | int, recent: Replay, m: Int[Array, ""] | int, key: PRNGKeyArray, size: int
) -> Transitions:
    """A batch of different transitions, all subsets equally likely.

    They are among the first `n` of one buffer and the first `m` of another. A loop that adds and draws in every step
    keeps what is recent apart: an array that is both written and read in a step is copied whole by the compiler.
    """
    at = distinct(key, n + m, size)

    def column(old: Array, new: Array) -> Array:
        is_old = (at < n).reshape(-1, *[1] * (old.ndim - 1))
        return jnp.where(is_old, old[jnp.minimum(at, n - 1)], new[jnp.maximum(at - n, 0)])

    return jax.tree.map(column, replay.data, recent.data)


def distinct(key: PRNGKeyArray, n: Int[Array, ""] | int, size: int) -> Int[Array, " size"]:
    """`size` different whole numbers below `n`, uniformly: the first ones to differ of 2 `size` drawn with replacement.

    Too few of them differ only where `n` is small: with n >= 4 size, of fewer than one in 10^9 batches of 32 or more.
    A batch then ends with repeated numbers.

    One sort of single numbers finds the repeated ones: on a CPU a third of what two sorts of pairs take.
    """
    drawn = below(key, n, DRAWS * size)
    place = jnp.arange(DRAWS * size, dtype=jnp.int64)
    ordered = jnp.sort(drawn.astype(jnp.int64) * (DRAWS * size) + place)
    number, place = jnp.divmod(ordered, DRAWS * size)
    is_first = jnp.concatenate([jnp.ones(1, bool), number[1:] != number[:-1]])
    is_new: Bool[Array, " draws"] = jnp.zeros(DRAWS * size, bool).at[place].set(is_first, unique_indices=True)
    rank = jnp.where(is_new, jnp.cumsum(is_new, dtype=jnp.int32) - 1, size)
    return drawn[:size].at[rank].set(drawn, mode="drop")


def below(key: PRNGKeyArray, n: Int[Array, ""] | int, size: int) -> Int[Array, " size"]:
    """Whole numbers from 0 to n - 1, each with probability 1 / n within 2^-32: the upper half of n times 32 bits.

    `jax.random.randint` draws twice as many bits.
    """
    bits = jax.random.bits(key, (size,), jnp.uint32).astype(jnp.uint64)
    return ((bits * jnp.asarray(n, jnp.uint64)) >> jnp.uint64(32)).astype(jnp.int32)
