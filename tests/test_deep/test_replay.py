"""The buffer keeps what it is given, and draws different transitions uniformly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from deep.replay import Transitions, add, distinct, empty, sample

LIKE = Transitions(jnp.zeros(2, jnp.float32), jnp.int32(0), jnp.float32(0), jnp.zeros(2, jnp.float32), jnp.float32(0))


def transition(i: int) -> Transitions:
    number = jnp.float32(i)
    return Transitions(jnp.full(2, number), jnp.int32(i), number, jnp.full(2, number + 1), jnp.float32(i % 2))


@pytest.fixture(scope="module")
def replay():
    filled = empty(10, LIKE)
    for i in range(6):
        filled = add(filled, i, transition(i))
    return filled


def test_add_keeps_each_transition_whole(replay):
    assert replay.capacity == 10
    np.testing.assert_array_equal(replay.data.a, [0, 1, 2, 3, 4, 5, 0, 0, 0, 0])
    np.testing.assert_array_equal(replay.data.s_next[:6, 0], replay.data.s[:6, 1] + 1)


def test_sample_draws_only_what_was_added(replay):
    batch = sample(replay, jax.random.key(0), 3, 6)
    assert set(np.asarray(batch.a)) <= set(range(6))
    np.testing.assert_array_equal(batch.r, batch.a)
    np.testing.assert_array_equal(batch.m, batch.a % 2)


def test_distinct_never_repeats():
    draws = jax.vmap(lambda key: distinct(key, 1000, 256))(jax.random.split(jax.random.key(1), 200))
    assert all(len(set(row)) == 256 for row in np.asarray(draws))
    assert draws.min() >= 0 and draws.max() < 1000


def test_distinct_draws_all_pairs_equally_often():
    """Chi-squared over the 56 ordered pairs of 8 numbers; rejects a right generator with probability 1e-6."""
    draws = np.asarray(jax.vmap(lambda key: distinct(key, 8, 2))(jax.random.split(jax.random.key(2), 20_000)))
    draws = draws[draws[:, 0] != draws[:, 1]]  # four draws that all agree: 1 in 512
    assert len(draws) > 19_900
    counts = np.bincount(8 * draws[:, 0] + draws[:, 1], minlength=64).reshape(8, 8)[~np.eye(8, dtype=bool)]
    assert stats.chisquare(counts).pvalue > 1e-6
