"""The compiled loop: what it stores happened, episodes end as they should, runs of a batch don't touch each other."""

from dataclasses import replace
from functools import partial
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deep.agents import METHODS, Hyper, SoftQ
from deep.envs import CartPole
from deep.loop import begin, chunk, evaluate
from deep.nets import stacked

ENV = CartPole(dtype=jnp.float64)
AGENT = SoftQ(METHODS["mle"], critic_hidden=(4, 4), model_hidden=(3, 3), vep_values=2)
LENGTH, BATCH = 300, 16


def hyper(n):
    return jax.tree.map(lambda x: jnp.full(n, x), Hyper())


def advanced(seeds):
    runs, envs = begin(AGENT, ENV, seeds, 2 * LENGTH), stacked([ENV] * len(seeds))
    common = {"length": LENGTH, "batch": BATCH}
    runs, random = chunk(AGENT, envs, runs, hyper(len(seeds)), jnp.int32(0), **common, learning=False)
    return *chunk(AGENT, envs, runs, hyper(len(seeds)), jnp.int32(LENGTH), **common, learning=True), random


@pytest.fixture(scope="module")
def both():
    return advanced((3, 4))


def test_chunk_stores_what_gymnasium_would_have_done(both):
    theirs: Any = gymnasium.make("CartPole-v1").unwrapped
    theirs.reset()
    data = jax.tree.map(lambda x: np.asarray(x[0]), both[0].replay.data)
    for s, a, r, s_next, m in zip(*data, strict=True):
        theirs.state = s
        theirs.steps_beyond_terminated = None
        _, reward, over, _, _ = theirs.step(int(a))
        np.testing.assert_allclose(s_next, theirs.state, atol=1e-14)
        assert (r, m) == (reward, 1 - over)


def test_chunk_goes_on_where_the_last_step_ended_or_begins_anew(both):
    data = jax.tree.map(lambda x: np.asarray(x[0]), both[0].replay.data)
    goes_on = data.m[:-1] == 1
    np.testing.assert_array_equal(data.s[1:][goes_on], data.s_next[:-1][goes_on])
    assert (abs(data.s[1:][~goes_on]) <= 0.05).all()
    assert int(both[1].episodes[0] + both[2].episodes[0]) == (data.m == 0).sum() > 10


def test_chunk_acts_at_random_before_it_learns(both):
    """Of 600 actions the share of ones is within 5 standard errors of a half: fails once in 10^6."""
    actions = np.asarray(both[0].replay.data.a[:, :LENGTH])
    assert abs(actions.mean() - 0.5) < 5 * 0.5 / 600**0.5


def test_chunk_runs_of_a_batch_are_their_own(both):
    """Alone a run is the same as in a batch, but for rounding."""
    alone = advanced((4,))[0]
    np.testing.assert_array_equal(alone.replay.data.a[0], both[0].replay.data.a[1])
    for a, b in zip(*map(jax.tree.leaves, (alone.learner, both[0].learner)), strict=True):
        np.testing.assert_allclose(a[0], b[1], atol=1e-9)


def test_chunk_twice_is_the_same_to_the_last_bit(both):
    again = advanced((3, 4))[0]
    for a, b in zip(*map(jax.tree.leaves, (again.learner, both[0].learner)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_chunk_never_copies_the_long_buffer():
    """A copy of 200,000 transitions in every step takes nearly as long as learning does."""
    capacity = 54_321
    runs = jax.eval_shape(lambda: begin(AGENT, ENV, (0,), capacity))
    sizes = {"length": 2, "batch": BATCH, "learning": True}
    compiled = chunk.lower(AGENT, stacked([ENV]), runs, hyper(1), jnp.int32(9), **sizes).compile()
    program = str(compiled.as_text())
    about = [line for line in program.splitlines() if str(capacity) in line]
    assert about and "while(" in program
    assert not [line for line in about if " copy(" in line]


def test_chunk_cuts_an_episode_at_the_limit_of_time():
    """A limit is no end: values follow (m = 1), and the age begins anew."""
    env = replace(ENV, time_limit=7)
    runs = begin(AGENT, env, (0,), 70)
    runs, summary = chunk(AGENT, stacked([env]), runs, hyper(1), jnp.int32(0), length=70, batch=BATCH, learning=False)
    assert summary.episodes[0] == 10 and (runs.replay.data.m == 1).all() and runs.actor.age[0] == 0


def test_evaluate_returns_the_number_of_steps_until_the_fall(both):
    play = partial(evaluate, AGENT, stacked([ENV] * 2), both[0].learner, hyper(2), episodes=5)
    keys = jax.random.split(jax.random.key(0), 2)
    returns = np.asarray(play(keys))
    assert returns.shape == (2, 5) and ((8 <= returns) & (returns <= 500)).all()
    assert (returns == returns.round()).all()
    np.testing.assert_array_equal(returns, play(keys))
