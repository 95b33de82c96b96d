"""Models: what they take, and the two kinds of prediction."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from deep.envs.base import Box, Discrete
from deep.models import LOG_STD, Prediction, imagined, inputs, model
from deep.replay import Transitions

KEY = jax.random.key(0)
S = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)))


def test_inputs_put_the_action_first():
    a = [0, 1, 1, 0, 1, 0]
    np.testing.assert_array_equal(inputs(Discrete(2), S, jnp.asarray(a))[:, :2].argmax(1), a)
    np.testing.assert_array_equal(inputs(Box(1, -1.0, 1.0), S, 2 * S[:, :1])[:, 0], 2 * S[:, 0])
    np.testing.assert_array_equal(inputs(Discrete(2), S, jnp.zeros(6, jnp.int32))[:, 2:], S)


def test_relative_model_predicts_the_change():
    absolute = model(KEY, 3, Discrete(2), (4,), jnp.float64)
    relative = model(KEY, 3, Discrete(2), (4,), jnp.float64, relative=True)
    a = jnp.zeros(6, jnp.int32)
    np.testing.assert_allclose(relative(S, a).mean, absolute(S, a).mean + S, rtol=1e-14)


def test_surprise_of_a_point_is_the_squared_distance():
    prediction = Prediction(S, None, S[:, 0])
    np.testing.assert_allclose(prediction.surprise(S + 2.0), 12 * np.ones(6))
    np.testing.assert_array_equal(prediction.draw(KEY), S)


def test_surprise_of_a_gaussian_is_minus_its_log_density():
    log_std = S / 3
    prediction = Prediction(S, log_std, S[:, 0])
    expected = -stats.norm.logpdf(np.asarray(S) + 0.7, S, np.exp(log_std)).sum(1)
    np.testing.assert_allclose(prediction.surprise(S + 0.7), expected, rtol=1e-12)


def test_draws_of_a_gaussian_have_its_moments():
    """Mean and deviation of 4,000 draws of 18 numbers, within 6 standard errors: fails once in 10^7."""
    prediction = Prediction(S, S / 3, S[:, 0])
    drawn = np.asarray(jax.vmap(prediction.draw)(jax.random.split(KEY, 4000)))
    std = np.exp(np.asarray(S) / 3)
    assert (abs(drawn.mean(0) - S) < 6 * std / 4000**0.5).all()
    assert (abs(drawn.std(0) / std - 1) < 6 / 8000**0.5).all()


def test_gaussian_model_clips_its_deviation():
    learned = model(KEY, 3, Discrete(2), (4,), jnp.float64, gaussian=True)
    wild = jax.tree.map(lambda x: 1e4 * x, learned)
    log_std = np.asarray(wild(S, jnp.zeros(6, jnp.int32)).log_std)
    assert log_std.min() == LOG_STD[0] and log_std.max() == LOG_STD[1]


def test_imagined_keeps_what_the_model_doesn_t_know():
    learned = model(KEY, 3, Discrete(2), (4,), jnp.float64)
    batch = Transitions(S, jnp.zeros(6, jnp.int32), S[:, 0], S, jnp.asarray([1.0, 0, 1, 1, 0, 1]))
    told = imagined(learned, batch, KEY)
    np.testing.assert_array_equal(told.s_next, learned(S, batch.a).mean)
    np.testing.assert_array_equal(told.r, learned(S, batch.a).r)
    for name in ("s", "a", "m"):
        np.testing.assert_array_equal(getattr(told, name), getattr(batch, name))
