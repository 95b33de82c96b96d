"""Transitions: one record, and the buffer of all that were seen, in arrays on the device."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

DRAWS = 2
"""Indices drawn for each one wanted, so that enough of them differ."""


class Transitions(NamedTuple):
    """Transitions, with any leading axes."""

    s: Float[Array, "*batch observation"]
    a: Array
    """Numbers of actions, (*batch) int32, or actions, (*batch, action)."""
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

    def put(column: Array, value: Any) -> Array:
        return jax.lax.dynamic_update_index_in_dim(column, value, position, 0)

    return Replay(jax.tree.map(put, replay.data, transition))


def sample(replay: Replay, key: PRNGKeyArray, size: int, n: Int[Array, ""] | int) -> Transitions:
    """A batch of different transitions among the first `n`, all subsets equally likely."""
    at = distinct(key, n, size)
    return jax.tree.map(lambda column: column[at], replay.data)


def distinct(key: PRNGKeyArray, n: Int[Array, ""] | int, size: int) -> Int[Array, " size"]:
    """`size` different whole numbers below `n`, uniformly: the first ones to differ of 2 `size` drawn with replacement.

    Too few of them differ only where `n` is small: with n >= 4 size, of fewer than one in 10^9 batches of 32 or more.
    A batch then ends with repeated numbers.

    One sort of single numbers finds the repeated ones: on a CPU a third of what two sorts of pairs take.
    """
    drawn = jax.random.randint(key, (DRAWS * size,), 0, n, dtype=jnp.int32)
    place = jnp.arange(DRAWS * size, dtype=jnp.int64)
    ordered = jnp.sort(drawn.astype(jnp.int64) * (DRAWS * size) + place)
    number, place = jnp.divmod(ordered, DRAWS * size)
    is_first = jnp.concatenate([jnp.ones(1, bool), number[1:] != number[:-1]])
    is_new: Bool[Array, " draws"] = jnp.zeros(DRAWS * size, bool).at[place].set(is_first, unique_indices=True)
    rank = jnp.where(is_new, jnp.cumsum(is_new, dtype=jnp.int32) - 1, size)
    return drawn[:size].at[rank].set(drawn, mode="drop")
