"""Ensembles of linear models, where least squares has the answer, and its variance."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deep.ensembles import Scale, all_rows, bootstrap_rows, disagreement, folded, split, train
from deep.envs.base import Box, Discrete
from deep.fitting import Schedule, fit
from deep.models import inputs, model
from deep.nets import stacked
from deep.replay import Transitions

MEMBERS, SIGMA = 6, 0.2
ACTIONS = Box(1, -1.0, 1.0)
A = np.array([[0.5, -1.0], [1.0, 2.0], [-0.3, 0.4]])
SCHEDULE = Schedule(epochs=40, steps=40, batch=128, lr=3e-3, patience=10)


def linear_data(n, seed=0, dtype=jnp.float64):
    """`s' = z A + noise` with z the inputs (a, s), normalised; the inputs themselves are far from it. Rewards z_0."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    x = z * [0.5, 10.0, 0.1] + [0.0, 50.0, 0.0]
    s_next = z @ A + SIGMA * rng.normal(size=(n, 2))
    columns = x[:, 1:], x[:, :1], z[:, 0], s_next, np.ones(n)
    return Transitions(*(jnp.asarray(column, dtype) for column in columns))


@cache
def members(count=MEMBERS, hidden=(), dtype=jnp.float64):
    return stacked([model(jax.random.key(i), 2, ACTIONS, hidden, dtype) for i in range(count)])


def learned(n):
    """An ensemble of linear models, and its data."""
    data, key = linear_data(n), jax.random.key(0)
    return data, jax.jit(partial(train, elites=MEMBERS, schedule=SCHEDULE))(members(), data, key)


@pytest.fixture(scope="module")
def large():
    return learned(640)


@pytest.fixture(scope="module")
def small():
    return learned(160)


def test_folded_is_the_model_of_normalised_inputs():
    for actions, a in ((ACTIONS, jnp.asarray([[0.3], [-0.7]])), (Discrete(3), jnp.asarray([2, 0]))):
        one = model(jax.random.key(0), 2, actions, (4,), jnp.float64, gaussian=True, relative=True)
        s = jnp.asarray([[1.0, 2.0], [-3.0, 0.5]])
        x = inputs(actions, s, a)
        rng = np.random.default_rng(0)
        scale = Scale(*(jnp.asarray(rng.uniform(0.5, 2, x.shape[1])) for _ in range(2)))
        z = (x - scale.mean[None]) / scale.std[None]
        raw = one.dynamics(z)
        said: Any = folded(one, scale)(s, a)
        np.testing.assert_allclose(said.mean, raw[:, :2] + s, rtol=1e-12)
        np.testing.assert_allclose(said.log_std, raw[:, 2:], rtol=1e-10)
        np.testing.assert_allclose(said.r, one.reward(z)[:, 0], rtol=1e-10)


def test_split_keeps_every_row_once_and_holds_out_a_fifth():
    data = linear_data(101)
    kept, held = split(jax.random.key(0), data)
    assert (len(kept.r), len(held.r)) == (81, 20)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept.r, held.r])), np.sort(data.r))
    assert len(split(jax.random.key(0), linear_data(30_000))[1].r) == 5000


def test_bootstrap_rows_leave_out_a_share_of_1_over_e():
    """The share of distinct rows is 1 - 1/e = 0.632 with a standard deviation of 0.31 / sqrt(n): fails once in 10^5."""
    n = 4000
    rows = np.asarray(bootstrap_rows(jax.random.key(0), 3, n))
    shares = [len(np.unique(row)) / n for row in rows]
    np.testing.assert_allclose(shares, 1 - np.exp(-1), atol=5 * 0.31 / n**0.5)
    assert (rows[0] != rows[1]).any()
    np.testing.assert_array_equal(all_rows(2, 3), [[0, 1, 2], [0, 1, 2]])


def test_mean_of_members_is_least_squares(large):
    """Coefficients by raw inputs within five standard errors of least squares on all rows."""
    data, ensemble = large
    x = np.column_stack([inputs(ACTIONS, data.s, data.a), np.ones(len(data.r))])
    best = np.linalg.lstsq(x, np.asarray(data.s_next), rcond=None)[0]
    layer = ensemble.members.dynamics.layers[0]
    ours = np.concatenate([np.asarray(layer.W).mean(0), np.asarray(layer.b).mean(0)[None]])
    error = SIGMA * np.sqrt(np.diag(np.linalg.inv(x.T @ x)))
    assert (abs(ours - best) < 5 * error[:, None]).all()


def test_members_differ_by_the_variance_of_least_squares(large, small):
    """Mean over inputs of sigma^2 x' (X'X)^-1 x for each output, that is sigma^2 p / n: a quarter for four times the
    rows. With 6 members and 8 numbers each the variance is off by a third at most; Adam adds a bit of its own.
    """
    spread = {}
    for data, ensemble in (large, small):
        n = 0.8 * len(data.r)
        expected = SIGMA**2 * 4 / n * 2 * (MEMBERS - 1) / MEMBERS
        spread[n] = float(disagreement(ensemble.predict(data.s, data.a)).mean())
        assert 0.4 < spread[n] / expected < 2.5
    assert 2 < spread[128] / spread[512] < 8


def test_elites_are_the_best_on_held_out_rows_and_draws_are_theirs(large):
    data, ensemble = large
    assert (np.diff(ensemble.fitted.loss[ensemble.elites]) >= 0).all()
    few = ensemble._replace(elites=ensemble.elites[:2])
    said = few.predict(data.s, data.a)
    s_next, r = few.draw(jax.random.key(1), data.s, data.a)
    from_first, from_second = ((s_next == said.mean[i]).all(-1) & (r == said.r[i]) for i in range(2))
    assert (from_first | from_second).all()
    assert 0.4 < from_first.mean() < 0.6  # of 640: five standard deviations, fails once in 10^6


def test_fit_stops_when_nobody_gets_better_and_keeps_the_best(small):
    history, best = np.asarray(small[1].fitted.history), np.asarray(small[1].fitted.loss)
    epochs = int(small[1].fitted.epoch)
    assert np.isfinite(history[:epochs]).all() and np.isnan(history[epochs:]).all()
    assert (best >= history[:epochs].min(0)).all() and (best <= 1.02 * history[:epochs].min(0)).all()


def test_fit_waits_as_long_as_its_patience():
    """Learning makes held-out rows worse from the first step on: patience epochs, and the weights it began with."""
    data, one = linear_data(20, dtype=jnp.float32), members(1, dtype=jnp.float32)
    train, held_out = (data._replace(r=sign * jnp.ones_like(data.r)) for sign in (1, -1))

    def torn(model, batch, key):
        return 5 + batch.r.mean() * model.dynamics.layers[0].b.sum()

    schedule = Schedule(epochs=9, steps=1, batch=2, patience=3)
    found = fit(torn, one, train, all_rows(1, 20), held_out, jax.random.key(0), schedule)
    assert found.epoch == 3 and found.loss == 5
    assert (np.diff(np.asarray(found.history[:3, 0])) > 0).all()
    for ours, theirs in zip(jax.tree.leaves(found.best), jax.tree.leaves(one), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == jnp.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"elites": 9}, "elites = 9, expected 1 to the number of members, 6"),
        ({"data": linear_data(4)}, "data has 4 rows, expected at least 5"),
        ({"schedule": Schedule(lr=0.0)}, "lr = 0.0, expected a positive number"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    arguments = {"data": linear_data(20), "elites": 3} | changes
    with pytest.raises(ValueError, match=message):
        train(members(), key=jax.random.key(0), **arguments)
