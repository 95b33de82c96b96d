"""The buffer keeps what it is given, and draws different transitions uniformly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from deep.replay import Replay, Transitions, add, append, below, distinct, empty, sample

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


def test_append_keeps_many_at_once(replay):
    longer = append(replay, 4, Replay(jax.tree.map(lambda x: x[1:4], replay.data)))
    np.testing.assert_array_equal(longer.data.a, [0, 1, 2, 3, 1, 2, 3, 0, 0, 0])


def test_sample_draws_all_that_was_added_to_either_buffer_and_nothing_else(replay):
    """Each of 9 transitions is missed by 300 batches of 3 with probability 1e-52."""
    recent = empty(5, LIKE)
    for i in range(3):
        recent = add(recent, i, transition(6 + i))
    draw = jax.vmap(lambda key: sample(replay, 6, recent, 3, key, 3))
    batch = draw(jax.random.split(jax.random.key(0), 300))
    assert set(np.asarray(batch.a).ravel()) == set(range(9))
    np.testing.assert_array_equal(batch.r, batch.a)
    np.testing.assert_array_equal(batch.s_next[..., 0], batch.a + 1)
    np.testing.assert_array_equal(batch.m, batch.a % 2)


def test_below_is_uniform_and_reaches_both_ends():
    """Chi-squared over 1000 numbers; rejects a right generator with probability 1e-6."""
    drawn = np.asarray(below(jax.random.key(3), 1000, 200_000))
    assert drawn.min() == 0 and drawn.max() == 999
    assert stats.chisquare(np.bincount(drawn, minlength=1000)).pvalue > 1e-6


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
