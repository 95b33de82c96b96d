"""What must hold of value-aware losses, whatever the network."""

import jax
import jax.numpy as jnp
import numpy as np

from deep.models import Prediction
from deep.objectives import itervaml, mle, taylor, vagram
from deep.replay import Transitions

KEY = jax.random.key(0)
N, DIM = 64, 5
RNG = np.random.default_rng(0)
W = jnp.asarray(RNG.normal(size=(DIM, DIM)))
V_WEIGHTS = jnp.asarray(RNG.normal(size=(DIM, 16)))
S, ACTION, R, S_NEXT = (jnp.asarray(RNG.normal(size=shape)) for shape in ((N, DIM), (N, 1), N, (N, DIM)))
BATCH = Transitions(S, ACTION, R, S_NEXT, jnp.ones(N))


def wrong(s, a):
    """A model that is off, its rewards right."""
    return Prediction(jnp.tanh(s @ W), None, BATCH.r)


def curved(x):
    return jnp.sum(jnp.tanh(x @ V_WEIGHTS), axis=-1)


def straight(x):
    return jnp.sum(x, axis=-1)


def test_vagram_times_dimension_bounds_the_taylor_loss():
    """Cauchy and Schwarz, row by row (G5); equal where all g_i d_i agree."""
    rows = [Transitions(*(column[i : i + 1] for column in BATCH)) for i in range(8)]
    for i, row in enumerate(rows):
        said = Prediction(jnp.tanh(row.s @ W), None, row.r)
        small, large = (loss(lambda s, a, said=said: said, row, curved) for loss in (taylor, vagram))
        assert 0 < small <= DIM * large, i
    shifted = Prediction(BATCH.s_next + 0.3, None, BATCH.r)
    equal = [loss(lambda s, a: shifted, BATCH, straight) for loss in (taylor, vagram)]
    np.testing.assert_allclose(equal[0], DIM * equal[1], rtol=1e-12)


def test_vagram_is_the_mean_squared_error_where_the_slope_is_1():
    np.testing.assert_allclose(vagram(wrong, BATCH, straight), mle(wrong, BATCH), rtol=1e-12)

    def slope(loss):
        return jax.grad(lambda W: loss(lambda s, a: Prediction(s @ W, None, BATCH.r)))(W)

    ours, theirs = slope(lambda model: vagram(model, BATCH, straight)), slope(lambda model: mle(model, BATCH))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_every_loss_of_the_truth_is_0_in_a_deterministic_world():
    batch = BATCH._replace(s_next=jnp.tanh(BATCH.s @ W))
    for value in (itervaml(wrong, batch, curved, KEY), vagram(wrong, batch, curved), taylor(wrong, batch, curved)):
        assert value == 0
    assert itervaml(wrong, BATCH, curved, KEY) > 0.1


def test_vaml_of_the_truth_is_the_variance_of_the_values_in_a_random_world():
    """I5: the offset E Var V(s'), once for the truth's draw, and once more by the number of the model's draws (I5b).

    Values are linear, so V(s') is normal and the loss a mean of n squares of normal numbers, off by 5 sqrt(2 / n) of
    itself at most: fails once in 10^6.
    """
    n, sigma = 100_000, 0.7
    slope = jnp.asarray([1.0, -2.0])
    mean = jax.random.normal(jax.random.key(1), (n, 2))
    seen = mean + sigma * jax.random.normal(jax.random.key(2), (n, 2))
    batch = Transitions(mean, jnp.zeros((n, 1)), jnp.zeros(n), seen, jnp.ones(n))
    truth = Prediction(mean, jnp.full((n, 2), np.log(sigma)), batch.r)
    offset = sigma**2 * 5.0
    for draws in (1, 4):
        found = itervaml(lambda s, a: truth, batch, lambda s: s @ slope, KEY, draws=draws)
        np.testing.assert_allclose(found, offset * (1 + 1 / draws), rtol=5 * (2 / n) ** 0.5)
