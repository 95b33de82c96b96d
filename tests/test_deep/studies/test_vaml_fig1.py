"""Value-aware errors of models of random dynamics."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deep import studies
from deep.envs import random_mlp
from deep.models import Model
from deep.nets import mlp
from deep.studies.vaml_fig1 import NOISE, collected, errors, random_dynamics

KEY = jax.random.key(0)
ENV = random_mlp(KEY, 3, 2, (4, 4))
TRUTH = Model(ENV.dynamics, ENV.payment, ENV.actions, gaussian=True, relative=True)


@pytest.fixture(scope="module")
def test_set():
    return jax.jit(partial(collected, rows=400))(ENV, KEY)


def test_collected_rows_follow_each_other(test_set):
    """Within an episode the next state is the state of the next row of that episode."""
    episodes = 400 // ENV.time_limit
    assert test_set.r.shape == (400,) and test_set.s.dtype == jnp.float32
    np.testing.assert_array_equal(test_set.s_next[:episodes], test_set.s[episodes : 2 * episodes])
    assert abs(test_set.a).max() <= 1


def test_errors_of_the_truth_are_the_noise_and_nothing(test_set):
    """Eq. 9 is 1 in units of the variance of V(s'), eq. 8 is 0: within 5 standard errors of 400 rows, 40 draws."""
    V = mlp(KEY, (3, 8, 1), jnp.float32, last_gain=1.0)
    found = jax.jit(partial(errors, draws=40))(TRUTH, TRUTH, V, test_set, KEY)
    assert abs(found["empirical"] - 1) < 5 * (2 / 400) ** 0.5 * 1.5
    assert abs(found["population"]) < 5 * 0.05 * (2 / 400) ** 0.5 * 1.5


@pytest.mark.slow
def test_value_aware_models_lose_their_noise_and_those_of_the_likelihood_learn_it(tmp_path):
    """Stated in the paper: with one model sample, VAML's standard deviation falls towards 0."""
    record = random_dynamics(quick=True)
    for setting in ("realizable", "unrealizable"):
        vaml, likelihood = (
            record.column("mean", setting=setting, quantity="sigma", mle_weight=weight) for weight in (0.0, 1.0)
        )
        assert (vaml < 0.3 * likelihood).all()
        np.testing.assert_allclose(likelihood, np.exp(NOISE), rtol=0.15)
    assert len(studies.write(record, tmp_path)) == 3
